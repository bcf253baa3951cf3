//! Encryption of a bucket.

use acme_macros::spec;
use aws_sdk_s3::types::{ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule};

use super::S3Bucket;
use crate::{
    aws::{from_aws, to_aws, types::kms_key::KmsKey},
    core::{ArnRef, Problem, Result},
};

/// Encryption of new objects.
#[spec]
pub struct Encryption {
    /// Algorithm.
    #[field(unset = "`aws:kms` with a `kms_key`, else AES256", dropped(inherited))]
    pub algorithm: Option<Algorithm>,
    /// The key.
    #[field(unset = "`aws/s3`, for `aws:kms`", dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Uses a bucket key, which reduces KMS requests and costs. Has no effect with AES256.
    #[field(default = true)]
    pub bucket_key: bool,
}

impl Default for Encryption {
    fn default() -> Encryption {
        Encryption { algorithm: Some(Algorithm::Aes256), kms_key: None, bucket_key: true }
    }
}

/// Encryption algorithm.
#[spec]
#[derive(Copy)]
pub enum Algorithm {
    /// A key that S3 manages.
    #[serde(rename = "AES256")]
    Aes256,
    /// A key in KMS.
    #[serde(rename = "aws:kms")]
    Kms,
    /// A key in KMS, in two layers.
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
}

impl Encryption {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.algorithm == Some(Algorithm::Aes256) && self.kms_key.is_some() {
            problems.push(
                Problem::new(S3Bucket::POINTERS.encryption.field(Self::POINTERS.algorithm), "a `kms_key` needs `algorithm: aws:kms`")
                    .help("leave `algorithm` out"),
            );
        }
        if self.algorithm == Some(Algorithm::KmsDsse) && self.bucket_key {
            problems.push(
                Problem::new(
                    S3Bucket::POINTERS.encryption.field(Self::POINTERS.bucket_key),
                    "`aws:kms:dsse` does not support a bucket key",
                )
                .help("set `bucket_key: false`"),
            );
        }
        problems
    }
    /// A bucket key has no effect without a key in KMS.
    pub(super) fn normalize(&self, live: &mut Encryption) {
        if self.algorithm() == Algorithm::Aes256 && live.algorithm() == Algorithm::Aes256 {
            live.bucket_key = self.bucket_key;
        }
    }
    /// Algorithm, including one implied by a key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(if self.kms_key.is_some() { Algorithm::Kms } else { Algorithm::Aes256 })
    }
    /// Converts the complete configuration for S3. It includes the live bucket's blocked encryption types, which acme does not manage: a call
    /// without them may lift the block.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html>
    pub(super) fn to_sdk(&self, live: &[ServerSideEncryptionRule]) -> Result<ServerSideEncryptionConfiguration> {
        let algorithm = self.algorithm();
        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::from(to_aws(&algorithm).as_str()));
        let default = default.set_kms_master_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned())).build()?;
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let blocked = live.iter().find_map(|rule| rule.blocked_encryption_types.clone());
        let rule = rule.bucket_key_enabled(self.bucket_key && algorithm == Algorithm::Kms).set_blocked_encryption_types(blocked).build();
        Ok(ServerSideEncryptionConfiguration::builder().rules(rule).build()?)
    }
    pub(super) fn read(rules: &[ServerSideEncryptionRule]) -> Encryption {
        let Some((rule, default)) = rules.iter().find_map(|rule| Some((rule, rule.apply_server_side_encryption_by_default()?))) else {
            return Encryption::default();
        };
        Encryption {
            algorithm: from_aws(default.sse_algorithm.as_str()).ok(),
            kms_key: default.kms_master_key_id.clone().filter(|key| !key.is_empty()).map(ArnRef::to),
            bucket_key: rule.bucket_key_enabled.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{BlockedEncryptionTypes, EncryptionType};

    use super::*;

    #[test]
    fn keeps_the_types_of_encryption_that_a_bucket_refuses() {
        let blocked = BlockedEncryptionTypes::builder().encryption_type(EncryptionType::SseC).build();
        let live = ServerSideEncryptionRule::builder().blocked_encryption_types(blocked.clone()).build();
        let wanted = Encryption { bucket_key: false, ..Encryption::default() };
        let sent = |live: &[ServerSideEncryptionRule]| wanted.to_sdk(live).expect("a configuration").rules.remove(0);
        assert_eq!(sent(&[live]).blocked_encryption_types, Some(blocked));
        assert_eq!(sent(&[]).blocked_encryption_types, None);
    }
}
