//! Certificate Manager.

use aws_sdk_acm::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("acm", "ACM")
    .tag_actions(&["acm:AddTagsToCertificate"], &["acm:RemoveTagsFromCertificate"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceInUseException",
        in_use: "ResourceInUseException",
    })
    .error_rules(&[ErrorRule::new("ResourceInUseException", ErrorKind::Conflict)]);

sdk_client!(aws_sdk_acm);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let removed = change.remove.iter().filter_map(|key| Tag::builder().key(key).build().ok()).collect();
    set_and_remove!(
        change,
        aws.acm.add_tags_to_certificate().certificate_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.acm.remove_tags_from_certificate().certificate_arn(change.arn).set_tags(Some(removed))
    )
}
