//! Secrets Manager.

use aws_sdk_secretsmanager::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("secretsmanager", "Secrets Manager")
    .tag_actions(&["secretsmanager:TagResource"], &["secretsmanager:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceExistsException",
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        ErrorRule::new("ResourceExistsException", ErrorKind::AlreadyExists),
        // The name of a secret that was deleted a moment ago.
        ErrorRule::with_message("InvalidRequestException", "scheduled for deletion", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidRequestException", "was deleted", ErrorKind::NotYetVisible),
        // The policy of the function that rotates a secret is new.
        ErrorRule::with_message("AccessDeniedException", "cannot invoke the specified Lambda function", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_secretsmanager);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.secretsmanager.tag_resource().secret_id(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.secretsmanager.untag_resource().secret_id(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
