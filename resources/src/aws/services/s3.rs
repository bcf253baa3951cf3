//! Simple Storage Service.

mod custom_endpoint;

use aws_sdk_s3::types::{Tag, Tagging};

use super::Connector;
use crate::{
    aws::Aws,
    core::{ArnParts, Error, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
};

pub use aws_sdk_s3::Client;

/// The facts of the service. Policies can decide by tags only for buckets that are configured so.
pub static SERVICE: ServiceInfo = ServiceInfo::new("s3", "S3")
    .arn_parts(ArnParts::Neither)
    // A bucket is created with its tags.
    .tag_actions(&["s3:PutBucketTagging", "s3:TagResource"], &[])
    .without_tag_conditions()
    .iam_action_names(&[
        ("DeleteBucketCors", "PutBucketCORS"),
        ("DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
        ("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
        ("DeleteBucketReplication", "PutReplicationConfiguration"),
        ("DeleteObjects", "DeleteObject"),
        ("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
        ("GetBucketCors", "GetBucketCORS"),
        ("GetBucketEncryption", "GetEncryptionConfiguration"),
        ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
        ("GetBucketNotificationConfiguration", "GetBucketNotification"),
        ("GetBucketReplication", "GetReplicationConfiguration"),
        ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
        ("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
        ("HeadBucket", "ListBucket"),
        ("ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration"),
        ("ListBuckets", "ListAllMyBuckets"),
        ("ListMultipartUploads", "ListBucketMultipartUploads"),
        ("ListObjectVersions", "ListBucketVersions"),
        ("ListObjectsV2", "ListBucket"),
        ("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
        ("PutBucketCors", "PutBucketCORS"),
        ("PutBucketEncryption", "PutEncryptionConfiguration"),
        ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
        ("PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
        ("PutBucketNotificationConfiguration", "PutBucketNotification"),
        ("PutBucketReplication", "PutReplicationConfiguration"),
        ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
        ("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ])
    .error_codes(ErrorCodes { not_found: "NoSuchBucket", already_exists: "BucketAlreadyOwnedByYou", in_use: "BucketNotEmpty" })
    .error_rules(&[
        ErrorRule::new("BucketAlreadyOwnedByYou", ErrorKind::AlreadyExists),
        ErrorRule::new("BucketNotEmpty", ErrorKind::Conflict),
        ErrorRule::new("OperationAborted", ErrorKind::Conflict),
        ErrorRule::with_message("MalformedPolicy", "Invalid principal", ErrorKind::NotYetVisible),
        // The policy of a queue, topic or function that allows S3 to send is new.
        ErrorRule::with_message("InvalidArgument", "Unable to validate the following destination", ErrorKind::NotYetVisible),
        // The versioning of the source or of the destination is new.
        ErrorRule::with_message("InvalidRequest", "Versioning must be 'Enabled'", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidRequest", "must have versioning enabled", ErrorKind::NotYetVisible),
    ]);

pub(super) fn connect(connector: &Connector) -> Client {
    let config = client_config!(aws_sdk_s3, connector);
    Client::from_conf(match connector.custom_endpoint {
        // Stand-ins do not serve buckets as host names.
        true => config.force_path_style(true).http_client(custom_endpoint::with_fixed_answers(connector.http_client.clone())).build(),
        false => config.build(),
    })
}

tag_conversions!(Tag, key, value, Result::ok);

/// S3 has no call for single tags: the whole set is put, with the tags that others set. A new bucket has none.
pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let is_new = change.arn == change.id;
    if is_new {
        return put_bucket_tags(aws, change.id, change.after).await;
    }
    let live = match aws.s3.get_bucket_tagging().bucket(change.id).send().await.map_err(Error::from) {
        Err(error) if error.code == "NoSuchTagSet" => Tags::new(),
        reply => from_tags(reply?.tag_set()),
    };
    let kept = live.into_iter().filter(|(key, _)| !change.remove.contains(key));
    put_bucket_tags(aws, change.id, &kept.chain(change.set.clone()).collect()).await
}

async fn put_bucket_tags(aws: &Aws, bucket: &str, tags: &Tags) -> Result<()> {
    let tagging = Tagging::builder().set_tag_set(Some(to_tags(tags))).build()?;
    aws.s3.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await?;
    Ok(())
}
