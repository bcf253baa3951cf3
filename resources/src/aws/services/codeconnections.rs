//! CodeConnections.

use aws_sdk_codeconnections::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("codeconnections", "CodeConnections")
    .tag_actions(&["codeconnections:TagResource"], &["codeconnections:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        // Names need not be unique, so CodeConnections has no code for an existing connection.
        already_exists: "ResourceAlreadyExistsException",
        // It never refuses to delete a connection because of what uses it.
        in_use: "ConflictException",
    });

sdk_client!(aws_sdk_codeconnections);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.codeconnections.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.codeconnections.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
