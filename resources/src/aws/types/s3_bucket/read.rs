//! Reads a bucket, each part with a separate call.

use std::future::Future;

use aws_sdk_s3::types::BucketVersioningStatus;

use super::{CorsRule, Encryption, LifecycleRule, ObjectOwnership, Outputs, PublicAccess, S3Bucket, parts};
use crate::{
    aws::{Aws, from_aws, partition, services},
    core::{Error, ErrorKind, Observed, Policy, Result, Scope, endpoint_domain, ok_or_not_found},
};

/// The ARN of a bucket.
pub(super) fn arn(aws: &Aws, name: &str) -> String {
    format!("arn:{}:s3:::{name}", partition(&aws.region))
}

/// Reads one bucket. S3 returns "not found" for settings that were never set. `None`: it was deleted, or is neither part of the stack nor
/// has a desired name.
pub(super) async fn read(aws: &Aws, scope: &Scope, name: String) -> Result<Option<Observed<S3Bucket>>> {
    let (client, bucket, arn) = (&aws.s3, name.as_str(), arn(aws, &name));
    let ask_versioning = || async { ok_or_not_found(client.get_bucket_versioning().bucket(bucket).send().await) };
    // If only the name is known, one call shows whether the bucket exists.
    let known = scope.tag_index.as_ref().is_none_or(|index| index.contains_key(&arn));
    let first = if known { None } else { Some(ask_versioning().await.map_err(|error| wrong_region_error(bucket, error))?) };
    if let Some(None) = first {
        return Ok(None);
    }
    let ask_tags = async {
        let reply = ok_or_not_found(client.get_bucket_tagging().bucket(bucket).send().await)?;
        Ok(reply.map(|reply| services::s3::from_tags(reply.tag_set())))
    };
    let tags = scope.tags_or_fetch(&arn, ask_tags).await?.unwrap_or_default();
    if !scope.owns(&tags) && !scope.lookup.contains(bucket) {
        return Ok(None);
    }
    let wanted = scope.own_reads_to_make::<S3Bucket>(&tags);
    let (versioning, encryption, blocks, ownership, lifecycle, policy, cors, parts) = tokio::try_join!(
        async {
            match first {
                Some(answer) => Ok(answer),
                None => ask_versioning().await,
            }
        },
        only_if(!scope.shallow, async { ok_or_not_found(client.get_bucket_encryption().bucket(bucket).send().await) }),
        only_if(!scope.shallow, async { ok_or_not_found(client.get_public_access_block().bucket(bucket).send().await) }),
        only_if(!scope.shallow, async { ok_or_not_found(client.get_bucket_ownership_controls().bucket(bucket).send().await) }),
        only_if(wanted.lifecycle_rules, async { ok_or_not_found(client.get_bucket_lifecycle_configuration().bucket(bucket).send().await) }),
        only_if(wanted.policy, async { ok_or_not_found(client.get_bucket_policy().bucket(bucket).send().await) }),
        only_if(wanted.cors, async { ok_or_not_found(client.get_bucket_cors().bucket(bucket).send().await) }),
        parts::read(aws, bucket, &wanted),
    )?;
    // S3 always returns versioning, unless the bucket was deleted after it was listed.
    let Some(versioning) = versioning else { return Ok(None) };
    let encryption = encryption.and_then(|reply| reply.server_side_encryption_configuration);
    let blocks = blocks.and_then(|reply| reply.public_access_block_configuration);
    let ownership = ownership.and_then(|reply| reply.ownership_controls).and_then(|controls| controls.rules.into_iter().next());
    let rules = lifecycle.and_then(|reply| reply.rules).unwrap_or_default();
    let policy = policy.and_then(|reply| reply.policy).map(|text| Policy::parse(&text)).transpose()?;
    let spec = S3Bucket {
        name: Some(name.clone()),
        versioning: versioning.status == Some(BucketVersioningStatus::Enabled),
        encryption: encryption.map(|encryption| Encryption::read(encryption.rules())).unwrap_or_default(),
        block_public_access: PublicAccess::read(blocks),
        // Old buckets without ownership controls have objects that belong to their writers.
        object_ownership: ownership.and_then(|rule| from_aws(rule.object_ownership.as_str()).ok()).unwrap_or(ObjectOwnership::ObjectWriter),
        lifecycle_rules: rules.iter().map(|rule| (rule.id().unwrap_or_default().to_owned(), LifecycleRule::read(rule))).collect(),
        cors: cors.and_then(|reply| reply.cors_rules).unwrap_or_default().iter().map(CorsRule::read).collect(),
        policy: wanted.policy.then(|| policy.unwrap_or_else(Policy::none)),
        notifications: parts.notifications,
        replication: parts.replication,
        object_lock: parts.object_lock,
        access_log: parts.access_log,
        intelligent_tiering: parts.intelligent_tiering,
        website: parts.website,
        transfer_acceleration: parts.transfer_acceleration,
        requester_pays: parts.requester_pays,
    };
    let outputs = Outputs { arn, regional_domain_name: format!("{name}.s3.{}.{}", aws.region, endpoint_domain(&aws.region)) };
    Ok(Some(Observed::new(name, tags, spec, outputs)))
}

async fn only_if<T>(wanted: bool, read: impl Future<Output = Result<Option<T>>>) -> Result<Option<T>> {
    if wanted { read.await } else { Ok(None) }
}

/// Bucket names are global, so a bucket with a desired name may belong to another account.
fn wrong_region_error(bucket: &str, error: Error) -> Error {
    if error.kind != ErrorKind::AccessDenied && error.code != "PermanentRedirect" {
        return error;
    }
    let message =
        format!("the bucket `{bucket}` exists in another account or region, or the permissions for it are missing: {}", error.message);
    Error { message, ..error }
}
