//! CodePipeline.

use aws_sdk_codepipeline::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("codepipeline", "CodePipeline")
    .tag_actions(&["codepipeline:TagResource"], &["codepipeline:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "PipelineNotFoundException",
        already_exists: "PipelineNameInUseException",
        // CodePipeline never refuses to delete a pipeline because of what uses it.
        in_use: "ConflictException",
    })
    .error_rules(&[
        ErrorRule::new("PipelineNameInUseException", ErrorKind::AlreadyExists),
        // A new role is not visible everywhere yet.
        ErrorRule::with_message("InvalidStructureException", "is not authorized to perform AssumeRole", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_codepipeline);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.codepipeline.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.codepipeline.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
