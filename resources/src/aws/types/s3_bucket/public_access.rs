//! Blocks of public access to a bucket.

use acme_macros::spec;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// All four blocks, none, or some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PublicAccess {
    /// All four or none.
    All(bool),
    /// Some.
    Some(PublicAccessBlocks),
}

/// S3's blocks of public access.
#[spec]
#[derive(Copy, PartialEq, Eq)]
pub struct PublicAccessBlocks {
    /// Rejects new access control lists that grant public access.
    #[field(default = false)]
    pub block_public_acls: bool,
    /// Ignores access control lists that grant public access.
    #[field(default = false)]
    pub ignore_public_acls: bool,
    /// Rejects bucket policies that grant public access.
    #[field(default = false)]
    pub block_public_policy: bool,
    /// Limits a bucket with a public policy to AWS services and the bucket's account.
    #[field(default = false)]
    pub restrict_public_buckets: bool,
}

/// Parses the blocks; four equal ones are a boolean.
pub(super) fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicAccess, D::Error> {
    Ok(match PublicAccess::deserialize(deserializer)? {
        PublicAccess::Some(blocks) => PublicAccess::of(blocks),
        all => all,
    })
}

impl PublicAccess {
    fn of(blocks: PublicAccessBlocks) -> PublicAccess {
        match blocks.each() {
            [true, true, true, true] => PublicAccess::All(true),
            [false, false, false, false] => PublicAccess::All(false),
            _ => PublicAccess::Some(blocks),
        }
    }
    /// The four blocks.
    pub fn blocks(self) -> PublicAccessBlocks {
        match self {
            PublicAccess::Some(blocks) => blocks,
            PublicAccess::All(on) => {
                PublicAccessBlocks { block_public_acls: on, ignore_public_acls: on, block_public_policy: on, restrict_public_buckets: on }
            }
        }
    }
    pub(super) fn to_sdk(self) -> PublicAccessBlockConfiguration {
        let blocks = self.blocks();
        PublicAccessBlockConfiguration::builder()
            .block_public_acls(blocks.block_public_acls)
            .ignore_public_acls(blocks.ignore_public_acls)
            .block_public_policy(blocks.block_public_policy)
            .restrict_public_buckets(blocks.restrict_public_buckets)
            .build()
    }
    /// A bucket without the configuration has no blocks.
    pub(super) fn read(configuration: Option<PublicAccessBlockConfiguration>) -> PublicAccess {
        let Some(found) = configuration else { return PublicAccess::All(false) };
        PublicAccess::of(PublicAccessBlocks {
            block_public_acls: found.block_public_acls.unwrap_or_default(),
            ignore_public_acls: found.ignore_public_acls.unwrap_or_default(),
            block_public_policy: found.block_public_policy.unwrap_or_default(),
            restrict_public_buckets: found.restrict_public_buckets.unwrap_or_default(),
        })
    }
}

impl PublicAccessBlocks {
    fn each(self) -> [bool; 4] {
        [self.block_public_acls, self.ignore_public_acls, self.block_public_policy, self.restrict_public_buckets]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn some_of_the_blocks_are_neither_all_nor_none() {
        let canonical = |written: Value| serde_json::to_value(parse(written).expect("blocks")).expect("JSON");
        assert_eq!(canonical(json!(true)), json!(true));
        let all =
            json!({ "block_public_acls": true, "ignore_public_acls": true, "block_public_policy": true, "restrict_public_buckets": true });
        assert_eq!(canonical(all), json!(true));
        assert_eq!(canonical(json!({})), json!(false));
        let some = canonical(json!({ "block_public_acls": true, "ignore_public_acls": true }));
        assert_eq!((&some["ignore_public_acls"], &some["restrict_public_buckets"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn some_of_the_blocks_survive_a_round_trip() {
        let two = PublicAccessBlockConfiguration::builder().block_public_policy(true).restrict_public_buckets(true).build();
        let read = PublicAccess::read(Some(two));
        assert_ne!(read, PublicAccess::All(false));
        assert_eq!(PublicAccess::read(Some(read.to_sdk())), read);
        assert_eq!(PublicAccess::read(None), PublicAccess::All(false));
    }
}
