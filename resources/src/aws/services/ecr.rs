//! Elastic Container Registry.

use aws_sdk_ecr::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo =
    ServiceInfo::new("ecr", "ECR").tag_actions(&["ecr:TagResource"], &["ecr:UntagResource"]).error_codes(ErrorCodes {
        not_found: "RepositoryNotFoundException",
        already_exists: "RepositoryAlreadyExistsException",
        in_use: "ResourceInUseException",
    });

sdk_client!(aws_sdk_ecr);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.ecr.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.ecr.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
