//! EventBridge.

use aws_sdk_eventbridge::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("events", "EventBridge")
    .tag_actions(&["events:TagResource"], &["events:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        // PutRule overwrites an existing rule, so acme returns this code itself.
        already_exists: "ResourceAlreadyExistsException",
        // EventBridge refuses to delete a rule only because of its own targets.
        in_use: "ConcurrentModificationException",
    })
    .error_rules(&[
        // A new role is not visible everywhere yet.
        ErrorRule::with_message("ValidationException", "cannot be assumed by principal", ErrorKind::NotYetVisible),
        ErrorRule::with_message("ValidationException", "is not a valid role", ErrorKind::NotYetVisible),
        // A target that was removed a moment ago still counts.
        ErrorRule::with_message("ValidationException", "can't be deleted since it has targets", ErrorKind::Conflict),
    ]);

sdk_client!(aws_sdk_eventbridge);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.eventbridge.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.eventbridge.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
