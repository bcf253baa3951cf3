//! Enums in AWS's spelling. An enum that serialises to AWS's values needs no conversion table.

use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value},
};

use crate::core::{Error, ErrorKind, Result};

/// Converts an enum to AWS's value.
pub fn to_aws<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Converts AWS's value to an enum.
///
/// # Errors
/// Fails if the enum has no such value.
pub fn from_aws<T: DeserializeOwned>(text: &str) -> Result<T> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
        .map_err(|_| Error::new(ErrorKind::Rejected, "Shape", format!("AWS reports `{text}`, which this version of acme does not support")))
}

/// Partition of a region, the part of ARNs after `arn:`.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Region of a partition's global services, IAM and Route 53: <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>.
pub fn global_region(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_services_are_in_one_region_of_each_partition() {
        let regions = ["eu-west-1", "cn-northwest-1", "us-gov-east-1"].map(global_region);
        assert_eq!(regions, ["us-east-1", "cn-north-1", "us-gov-west-1"]);
    }
}
