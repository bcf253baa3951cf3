//! Web Application Firewall.

use aws_sdk_wafv2::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("wafv2", "WAFV2")
    .tag_actions(&["wafv2:TagResource"], &["wafv2:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "WAFNonexistentItemException",
        already_exists: "WAFDuplicateItemException",
        in_use: "WAFAssociatedItemException",
    })
    .error_rules(&[
        ErrorRule::new("WAFAssociatedItemException", ErrorKind::Conflict),
        ErrorRule::new("WAFOptimisticLockException", ErrorKind::Conflict),
        ErrorRule::new("WAFUnavailableEntityException", ErrorKind::Conflict),
        ErrorRule::new("WAFLimitsExceededException.Rate", ErrorKind::Throttled),
        ErrorRule::new("WAFNonexistentItemException", ErrorKind::NotFound),
    ]);

sdk_client!(aws_sdk_wafv2);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.wafv2.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.wafv2.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
