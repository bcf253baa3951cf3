//! CloudWatch Logs.

pub mod events;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("logs", "CloudWatch Logs")
    .tag_actions(&["logs:TagResource"], &["logs:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceAlreadyExistsException",
        // CloudWatch Logs never refuses to delete a log group because of what uses it.
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        // Another change of the log group is in progress.
        ErrorRule::new("OperationAbortedException", ErrorKind::Conflict),
        // PutSubscriptionFilter sends a test message to the destination. A new role or destination can't deliver it yet.
        ErrorRule::with_message("InvalidParameterException", "Could not deliver test message", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "Could not execute the lambda function", ErrorKind::NotYetVisible),
        ErrorRule::with_message(
            "InvalidParameterException",
            "Make sure you have given CloudWatch Logs permission",
            ErrorKind::NotYetVisible,
        ),
        // The policy of a new key is not visible everywhere yet.
        ErrorRule::with_message("InvalidParameterException", "KMS key does not exist or is not allowed", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_cloudwatchlogs);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.cloudwatchlogs.tag_resource().resource_arn(change.arn).set_tags(Some(change.set.clone().into_iter().collect())),
        aws.cloudwatchlogs.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
