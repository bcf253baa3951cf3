//! Elastic Load Balancing: application and network load balancers.

use aws_sdk_elasticloadbalancingv2::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("elasticloadbalancing", "Elastic Load Balancing v2")
    .tag_actions(&["elasticloadbalancing:AddTags"], &["elasticloadbalancing:RemoveTags"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "Duplicate{Type}Name",
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        ErrorRule::new("ResourceInUse", ErrorKind::Conflict),
        // The internet gateway is being attached at the same time.
        ErrorRule::with_message("InvalidSubnet", "has no internet gateway", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_elasticloadbalancingv2);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.elbv2.add_tags().resource_arns(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.elbv2.remove_tags().resource_arns(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
