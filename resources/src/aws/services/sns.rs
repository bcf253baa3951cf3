//! Simple Notification Service.

use aws_sdk_sns::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service. Its error codes lack the ending of the names in its model.
pub static SERVICE: ServiceInfo = ServiceInfo::new("sns", "SNS")
    .tag_actions(&["sns:TagResource"], &["sns:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "NotFound",
        // CreateTopic returns an existing topic with the same tags.
        already_exists: "InvalidParameter",
        // SNS never refuses to delete a topic because of what uses it.
        in_use: "InvalidState",
    })
    .error_rules(&[
        ErrorRule::with_message("InvalidParameter", "already exists with different tags", ErrorKind::AlreadyExists),
        ErrorRule::with_message("InvalidParameter", "already exists with different attributes", ErrorKind::AlreadyExists),
        // A new principal, queue or role is not visible everywhere yet.
        ErrorRule::with_message("InvalidParameter", "Invalid parameter: Policy Error: PrincipalNotFound", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameter", "Dead-letter queue does not exist", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameter", "SubscriptionRoleArn", ErrorKind::NotYetVisible),
        ErrorRule::new("ConcurrentAccess", ErrorKind::Conflict),
        ErrorRule::new("StaleTag", ErrorKind::Conflict),
        ErrorRule::new("Throttled", ErrorKind::Throttled),
        ErrorRule::new("AuthorizationError", ErrorKind::AccessDenied),
    ]);

sdk_client!(aws_sdk_sns);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.sns.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.sns.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
