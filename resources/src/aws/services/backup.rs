//! Backup.

use std::collections::HashMap;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags, ok_or_not_found},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("backup", "Backup")
    .tag_actions(&["backup:TagResource"], &["backup:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "AlreadyExistsException",
        // For a vault with backups and a plan with selections, it is InvalidRequestException, which the message tells from others.
        in_use: "ConflictException",
    })
    .error_rules(&[
        ErrorRule::with_message("InvalidRequestException", "recovery points", ErrorKind::Conflict),
        ErrorRule::with_message("InvalidRequestException", "backup plan selections", ErrorKind::Conflict),
        ErrorRule::with_message("InvalidParameterValueException", "Cannot find Backup plan", ErrorKind::NotFound),
        // A new role is not visible everywhere yet.
        ErrorRule::with_message("InvalidParameterValueException", "cannot be assumed by AWS Backup", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValueException", "is not authorized to call", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_backup);

/// Tags in the shape of the SDK.
pub fn to_tags(tags: &Tags) -> HashMap<String, String> {
    tags.clone().into_iter().collect()
}

/// Tags of a vault or plan; `None` if it does not exist.
///
/// # Errors
/// Returns errors of the service.
pub async fn tags(aws: &Aws, arn: &str) -> Result<Option<Tags>> {
    let (mut tags, mut token) = (Tags::new(), None);
    loop {
        let Some(page) = ok_or_not_found(aws.backup.list_tags().resource_arn(arn).set_next_token(token).send().await)? else {
            return Ok(None);
        };
        tags.extend(page.tags.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(Some(tags));
        }
    }
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.backup.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.backup.untag_resource().resource_arn(change.arn).set_tag_key_list(Some(change.remove.clone()))
    )
}
