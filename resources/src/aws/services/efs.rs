//! Elastic File System.

use aws_sdk_efs::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("elasticfilesystem", "EFS")
    .tag_actions(&["elasticfilesystem:TagResource"], &["elasticfilesystem:UntagResource"])
    .with_name_tag()
    .error_codes(ErrorCodes { not_found: "{Type}NotFound", already_exists: "{Type}AlreadyExists", in_use: "FileSystemInUse" })
    .error_rules(&[
        ErrorRule::new("DependencyTimeout", ErrorKind::Conflict),
        ErrorRule::new("FileSystemInUse", ErrorKind::Conflict),
        ErrorRule::new("IncorrectFileSystemLifeCycleState", ErrorKind::Conflict),
        ErrorRule::new("IncorrectMountTargetState", ErrorKind::Conflict),
        // Another mount target of the zone is being deleted.
        ErrorRule::new("MountTargetConflict", ErrorKind::Conflict),
        // Parameters of a new mount target.
        ErrorRule::new("SecurityGroupNotFound", ErrorKind::NotYetVisible),
        ErrorRule::new("SubnetNotFound", ErrorKind::NotYetVisible),
        // Not a rate of calls: the throughput changes once in 24 hours.
        ErrorRule::new("TooManyRequests", ErrorKind::Rejected),
    ]);

sdk_client!(aws_sdk_efs);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.efs.tag_resource().resource_id(change.id).set_tags(Some(to_tags(&change.set))),
        aws.efs.untag_resource().resource_id(change.id).set_tag_keys(Some(change.remove.clone()))
    )
}
