//! Secrets Manager.

use aws_sdk_secretsmanager::types::Tag;

use crate::{
    aws::Aws,
    core::{Error, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
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

/// Text of a secret. It must not get into any message.
///
/// # Errors
/// Returns errors of the service, and fails if the secret has no text.
pub async fn read_text(aws: &Aws, secret: &str) -> Result<String> {
    let reply = aws.secretsmanager.get_secret_value().secret_id(secret).send().await?;
    let missing = || Error::new(ErrorKind::Rejected, "NoPassword", format!("the secret `{secret}` has no text: set its value"));
    reply.secret_string.ok_or_else(missing)
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.secretsmanager.tag_resource().secret_id(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.secretsmanager.untag_resource().secret_id(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
