//! CloudTrail.

use aws_sdk_cloudtrail::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("cloudtrail", "CloudTrail")
    .tag_actions(&["cloudtrail:AddTags"], &["cloudtrail:RemoveTags"])
    .error_codes(ErrorCodes {
        not_found: "TrailNotFoundException",
        already_exists: "TrailAlreadyExistsException",
        // CloudTrail never refuses to delete a trail because of what uses it.
        in_use: "ConflictException",
    })
    .error_rules(&[
        // New policies and roles are not visible everywhere yet.
        ErrorRule::new("S3BucketDoesNotExistException", ErrorKind::NotYetVisible),
        ErrorRule::new("InsufficientS3BucketPolicyException", ErrorKind::NotYetVisible),
        ErrorRule::new("InsufficientSnsTopicPolicyException", ErrorKind::NotYetVisible),
        ErrorRule::new("InsufficientEncryptionPolicyException", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidCloudWatchLogsRoleArnException", "Access denied", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidCloudWatchLogsLogGroupArnException", "Access denied", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_cloudtrail);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    // CloudTrail wants whole tags, of which only the keys matter.
    let removed = change.remove.iter().filter_map(|key| Tag::builder().key(key).build().ok()).collect();
    set_and_remove!(
        change,
        aws.cloudtrail.add_tags().resource_id(change.arn).set_tags_list(Some(to_tags(&change.set))),
        aws.cloudtrail.remove_tags().resource_id(change.arn).set_tags_list(Some(removed))
    )
}
