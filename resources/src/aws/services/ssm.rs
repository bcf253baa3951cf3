//! Systems Manager: its parameters.

pub mod ownership;

use aws_sdk_ssm::types::{ResourceTypeForTagging, Tag};

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags, ok_or_not_found},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("ssm", "SSM")
    .tag_actions(&["ssm:AddTagsToResource"], &["ssm:RemoveTagsFromResource"])
    .error_codes(ErrorCodes {
        not_found: "ParameterNotFound",
        already_exists: "ParameterAlreadyExists",
        // Systems Manager never refuses to delete a parameter.
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        // ListTagsForResource of a parameter that does not exist.
        ErrorRule::new("InvalidResourceId", ErrorKind::NotFound),
        ErrorRule::new("TooManyUpdates", ErrorKind::Conflict),
    ]);

sdk_client!(aws_sdk_ssm);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let of = ResourceTypeForTagging::Parameter;
    set_and_remove!(
        change,
        aws.ssm.add_tags_to_resource().resource_type(of.clone()).resource_id(change.id).set_tags(Some(to_tags(&change.set))),
        aws.ssm.remove_tags_from_resource().resource_type(of).resource_id(change.id).set_tag_keys(Some(change.remove.clone()))
    )
}

/// Tags of a parameter, which descriptions lack. `None`: it was deleted.
pub async fn fetch_tags(aws: &Aws, name: &str) -> Result<Option<Tags>> {
    let call = aws.ssm.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    Ok(ok_or_not_found(call.send().await)?.map(|reply| from_tags(reply.tag_list())))
}
