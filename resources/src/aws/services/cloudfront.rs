//! CloudFront.

mod mark;

use aws_sdk_cloudfront::types::{Tag, TagKeys, Tags as SdkTags};

pub use self::mark::{mark_problem, marked, ownership, split_mark};
use crate::{
    aws::{Aws, partition},
    core::{ArnParts, ErrorCodes, ErrorKind, ErrorRule, Pointer, Problem, Result, ServiceInfo, TagChange, Tags, ok_or_not_found},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("cloudfront", "CloudFront")
    .arn_parts(ArnParts::Account)
    .tag_actions(&["cloudfront:TagResource"], &["cloudfront:UntagResource"])
    // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cf-api-permissions-ref.html
    .iam_action_names(&[("CreateDistributionWithTags", "CreateDistribution")])
    .error_codes(ErrorCodes { not_found: "NoSuchResource", already_exists: "EntityAlreadyExists", in_use: "ResourceInUse" })
    .error_rules(&[
        ErrorRule::new("CachePolicyInUse", ErrorKind::Conflict),
        ErrorRule::new("CannotDeleteEntityWhileInUse", ErrorKind::Conflict),
        ErrorRule::new("DistributionNotDisabled", ErrorKind::Conflict),
        ErrorRule::new("FunctionInUse", ErrorKind::Conflict),
        ErrorRule::new("OriginAccessControlInUse", ErrorKind::Conflict),
        ErrorRule::new("OriginRequestPolicyInUse", ErrorKind::Conflict),
        ErrorRule::new("ResourceInUse", ErrorKind::Conflict),
        ErrorRule::new("ResponseHeadersPolicyInUse", ErrorKind::Conflict),
        // Another change came between: the next attempt reads the new version.
        ErrorRule::new("InvalidIfMatchVersion", ErrorKind::Conflict),
        ErrorRule::new("PreconditionFailed", ErrorKind::Conflict),
        // Another distribution has the alias, so nothing that could be adopted exists.
        ErrorRule::new("CNAMEAlreadyExists", ErrorKind::Rejected),
        // A new certificate is not visible in all edge locations yet.
        ErrorRule::new("InvalidViewerCertificate", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_cloudfront);
tag_conversions!(Tag, key, value, Result::ok);

/// Tags of a create call.
pub fn sdk_tags(tags: &Tags) -> SdkTags {
    SdkTags::builder().set_items(Some(to_tags(tags))).build()
}

/// Tags of a distribution or function; `None` if it does not exist.
///
/// # Errors
/// Returns errors of the service.
pub async fn tags(aws: &Aws, arn: &str) -> Result<Option<Tags>> {
    let reply = ok_or_not_found(aws.cloudfront.list_tags_for_resource().resource(arn).send().await)?;
    Ok(reply.map(|reply| reply.tags.map(|tags| from_tags(tags.items())).unwrap_or_default()))
}

/// The problem of a resource in a partition without CloudFront. <https://docs.aws.amazon.com/general/latest/gr/cf_region.html>
pub fn partition_problem(region: Option<&str>) -> Option<Problem> {
    let region = region.filter(|region| !matches!(partition(region), "aws" | "aws-cn"))?;
    Some(Problem::new(Pointer::ROOT, format!("CloudFront does not exist in the partition of {region}")))
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.cloudfront.tag_resource().resource(change.arn).tags(sdk_tags(&change.set)),
        aws.cloudfront.untag_resource().resource(change.arn).tag_keys(TagKeys::builder().set_items(Some(change.remove.clone())).build())
    )
}
