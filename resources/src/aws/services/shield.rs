//! Shield Advanced.

use aws_sdk_shield::types::Tag;

use crate::{
    aws::Aws,
    core::{ArnParts, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("shield", "Shield")
    .arn_parts(ArnParts::Account)
    .tag_actions(&["shield:TagResource"], &["shield:UntagResource"])
    // It never refuses a deletion.
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceAlreadyExistsException",
        in_use: "ResourceInUseException",
    })
    .error_rules(&[ErrorRule::new("OptimisticLockException", ErrorKind::Conflict)]);

sdk_client!(aws_sdk_shield);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.shield.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.shield.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
