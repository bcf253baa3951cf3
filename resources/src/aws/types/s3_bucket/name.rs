//! Names of buckets: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.

use std::net::Ipv4Addr;

use super::S3Bucket;
use crate::core::Problem;

/// Beginnings that S3 keeps for itself.
const RESERVED_PREFIXES: &[&str] = &["xn--", "sthree-", "amzn-s3-demo-"];
/// Ends that S3 keeps for itself.
const RESERVED_SUFFIXES: &[&str] = &["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// The problem of a name whose characters are right.
pub(super) fn check(name: &str) -> Option<Problem> {
    let message = if name.contains("..") {
        "the name of a bucket can't have two dots in a row".to_owned()
    } else if name.parse::<Ipv4Addr>().is_ok() {
        "the name of a bucket can't be an IP address".to_owned()
    } else if let Some(prefix) = RESERVED_PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        format!("the name of a bucket can't begin with `{prefix}`")
    } else if let Some(suffix) = RESERVED_SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)) {
        format!("the name of a bucket can't end with `{suffix}`")
    } else {
        return None;
    };
    Some(Problem::new(S3Bucket::POINTERS.name, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_names_that_s3_refuses() {
        let refused = [
            "a..b",
            "192.0.2.1",
            "xn--shop",
            "sthree-shop",
            "amzn-s3-demo-shop",
            "shop-s3alias",
            "shop--ol-s3",
            "shop.mrap",
            "shop--x-s3",
            "shop--table-s3",
        ];
        for name in refused {
            assert!(check(name).is_some_and(|problem| problem.pointer == "/name"), "{name}");
        }
        for name in ["shop", "shop.example.com", "192.0.2.1.example.com", "mrap", "s3alias"] {
            assert!(check(name).is_none(), "{name}");
        }
    }
}
