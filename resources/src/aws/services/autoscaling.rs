//! Auto Scaling of EC2 instances.

use aws_sdk_autoscaling::types::{Tag, TagDescription};

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("autoscaling", "Auto Scaling")
    .tag_actions(&["autoscaling:CreateOrUpdateTags"], &["autoscaling:DeleteTags"])
    .error_codes(ErrorCodes {
        // Auto Scaling itself answers ValidationError, and only the message tells.
        not_found: "AutoScalingGroupNotFound",
        already_exists: "AlreadyExists",
        in_use: "ResourceInUse",
    })
    .error_rules(&[
        ErrorRule::new("InstanceRefreshInProgress", ErrorKind::Conflict),
        // Arrives with status 500.
        ErrorRule::new("ResourceContention", ErrorKind::Conflict),
        ErrorRule::new("ResourceInUse", ErrorKind::Conflict),
        ErrorRule::new("ScalingActivityInProgress", ErrorKind::Conflict),
        ErrorRule::new("ServiceLinkedRoleFailure", ErrorKind::NotYetVisible),
        ErrorRule::with_message("ValidationError", "AutoScalingGroup name not found", ErrorKind::NotFound),
        ErrorRule::with_message("ValidationError", "Invalid IAM Instance Profile", ErrorKind::NotYetVisible),
        ErrorRule::with_message("ValidationError", "Invalid IamInstanceProfile", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_autoscaling);

/// Resource type of the tags of groups.
const GROUP: &str = "auto-scaling-group";

/// Tags of a group in the shape of the SDK. Its instances get those that are propagated.
pub fn to_tags(group: &str, tags: &Tags, propagated: bool) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        Tag::builder().resource_id(group).resource_type(GROUP).key(key).value(value).propagate_at_launch(propagated).build()
    };
    tags.iter().map(tag).collect()
}

/// Tags of a group: its own, or those that its instances get, too.
pub fn from_tags(tags: &[TagDescription], propagated: bool) -> Tags {
    let some = tags.iter().filter(|tag| tag.propagate_at_launch.unwrap_or_default() == propagated);
    some.filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()))).collect()
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let removed: Tags = change.remove.iter().map(|key| (key.clone(), String::new())).collect();
    set_and_remove!(
        change,
        aws.autoscaling.create_or_update_tags().set_tags(Some(to_tags(change.id, &change.set, false))),
        aws.autoscaling.delete_tags().set_tags(Some(to_tags(change.id, &removed, false)))
    )
}
