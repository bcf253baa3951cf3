//! Relational Database Service.

use aws_sdk_rds::types::Tag;

use crate::{
    aws::{Aws, partition},
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
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
        ErrorRule::new("InvalidGlobalClusterStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidOptionGroupStateFault", ErrorKind::Conflict),
        ErrorRule::new("SubscriptionAlreadyExist", ErrorKind::AlreadyExists),
        ErrorRule::new("DBProxyTargetAlreadyRegisteredFault", ErrorKind::AlreadyExists),
        // A new topic, or its permission, is not visible everywhere yet.
        ErrorRule::new("SNSNoAuthorization", ErrorKind::NotYetVisible),
        ErrorRule::new("InvalidDBParameterGroupState", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSnapshotState", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSubnetGroupStateFault", ErrorKind::Conflict),
        ErrorRule::new("InvalidDBSubnetStateFault", ErrorKind::Conflict),
        // A cluster has left its global database.
        ErrorRule::with_message("InvalidParameterValue", "is not found in global cluster", ErrorKind::NotFound),
        // A role is new.
        ErrorRule::with_message("InvalidParameterValue", "IAM role ARN value is invalid", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "should be configured to", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "RDS is not authorized to assume service-linked role", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "required permissions for: ENHANCED_MONITORING", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_rds);
tag_conversions!(Tag, key, value, Some);

/// Tag that records from which secret acme took a master password, which RDS never reports. Users don't see it.
const SECRET_TAG: &str = "acme:password-secret";

/// Tags of a resource, and the secret with its master password.
pub fn split_password_secret(mut tags: Tags) -> (Tags, Option<String>) {
    let secret = tags.remove(SECRET_TAG);
    (tags, secret)
}

/// Tags of a new resource whose master password is that of a secret.
pub fn tags_with_password_secret(tags: &Tags, secret: Option<&str>) -> Vec<Tag> {
    let secret = secret.map(|secret| (SECRET_TAG.to_owned(), secret.to_owned()));
    to_tags(&tags.clone().into_iter().chain(secret).collect())
}

/// Records the secret whose master password a resource (`db:orders`) has got.
///
/// # Errors
/// Returns errors of the service.
pub async fn record_password_secret(aws: &Aws, resource: &str, secret: Option<&str>) -> Result<()> {
    let account = aws.account().await?;
    let arn = format!("arn:{}:rds:{}:{account}:{resource}", partition(&aws.region), aws.region);
    match secret {
        Some(_) => {
            let tags = tags_with_password_secret(&Tags::new(), secret);
            aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags)).send().await?;
        }
        None => drop(aws.rds.remove_tags_from_resource().resource_name(arn).tag_keys(SECRET_TAG).send().await?),
    }
    Ok(())
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.rds.add_tags_to_resource().resource_name(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.rds.remove_tags_from_resource().resource_name(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
