//! Application Auto Scaling, which scales the capacity of other services' resources.

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("application-autoscaling", "Application Auto Scaling")
    .tag_actions(&["application-autoscaling:TagResource"], &["application-autoscaling:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ObjectNotFoundException",
        // Registering a target again changes it.
        already_exists: "ResourceAlreadyExistsException",
        in_use: "ConcurrentUpdateException",
    })
    .error_rules(&[
        ErrorRule::new("ConcurrentUpdateException", ErrorKind::Conflict),
        // The service-linked role is new.
        ErrorRule::with_message("ValidationException", "Unable to assume IAM role", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_applicationautoscaling);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.applicationautoscaling.tag_resource().resource_arn(change.arn).set_tags(Some(change.set.clone().into_iter().collect())),
        aws.applicationautoscaling.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
