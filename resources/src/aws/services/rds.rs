//! Relational Database Service.

use aws_sdk_rds::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("rds", "RDS")
    .tag_actions(&["rds:AddTagsToResource"], &["rds:RemoveTagsFromResource"])
    .error_codes(ErrorCodes {
        not_found: "DBResourceNotFoundFault",
        already_exists: "DBResourceAlreadyExistsFault",
        in_use: "ResourceInUseException",
    })
    .busy_code("InvalidDBInstanceState")
    .error_rules(&[
        ErrorRule::new("InvalidDBClusterStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBClusterSnapshotStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBInstanceState", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBInstanceStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBProxyStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidEventSubscriptionState", ErrorKind::Conflict),
        ErrorRule::new("InvalidOptionGroupStateFault", ErrorKind::Conflict),
        ErrorRule::new("SubscriptionAlreadyExist", ErrorKind::AlreadyExists),
        ErrorRule::new("DBProxyTargetAlreadyRegisteredFault", ErrorKind::AlreadyExists),
        // A new topic, or its permission, is not visible everywhere yet.
        ErrorRule::new("SNSNoAuthorization", ErrorKind::NotYetVisible),
        ErrorRule::new("InvalidDBParameterGroupState", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSnapshotState", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSubnetGroupStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSubnetStateFault", ErrorKind::Conflict),
        // A role is new.
        ErrorRule::with_message("InvalidParameterValue", "IAM role ARN value is invalid", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "should be configured to", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "RDS is not authorized to assume service-linked role", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "required permissions for: ENHANCED_MONITORING", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_rds);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.rds.add_tags_to_resource().resource_name(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.rds.remove_tags_from_resource().resource_name(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
