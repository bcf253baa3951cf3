//! Database Migration Service (DMS).

use std::collections::BTreeMap;

use aws_sdk_databasemigration::types::Tag;

use crate::{
    aws::Aws,
    core::{Error, ErrorCodes, ErrorKind, ErrorRule, Prerequisite, Result, Scope, ServiceInfo, TagChange, Tags},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("dms", "Database Migration Service")
    .sending_null_entries()
    .tag_actions(&["dms:AddTagsToResource"], &["dms:RemoveTagsFromResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundFault",
        already_exists: "ResourceAlreadyExistsFault",
        in_use: "InvalidResourceStateFault",
    })
    .error_rules(&[
        ErrorRule::new("InvalidResourceStateFault", ErrorKind::Conflict),
        // A new role is not visible everywhere yet.
        ErrorRule::with_message("AccessDeniedFault", "is not configured properly", ErrorKind::NotYetVisible),
        ErrorRule::new("AccessDeniedFault", ErrorKind::AccessDenied),
        ErrorRule::new("KMSAccessDeniedFault", ErrorKind::AccessDenied),
        ErrorRule::new("S3AccessDeniedFault", ErrorKind::AccessDenied),
        ErrorRule::new("KMSThrottlingFault", ErrorKind::Throttled),
        // The subnet of a group, not the group.
        ErrorRule::new("SubnetAlreadyInUse", ErrorKind::Conflict),
    ]);

/// The role with which DMS creates network interfaces: every account needs it under this name.
/// <https://docs.aws.amazon.com/dms/latest/userguide/security-iam.html#CHAP_Security.APIRole>
pub const VPC_ROLE: Prerequisite =
    Prerequisite::ServiceRole { name: "dms-vpc-role", service: "dms.amazonaws.com", policy: "service-role/AmazonDMSVPCManagementRole" };

/// The role with which DMS writes logs of tasks: every account needs it under this name.
pub const LOGS_ROLE: Prerequisite = Prerequisite::ServiceRole {
    name: "dms-cloudwatch-logs-role",
    service: "dms.amazonaws.com",
    policy: "service-role/AmazonDMSCloudWatchLogsRole",
};

sdk_client!(aws_sdk_databasemigration);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.dms.add_tags_to_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.dms.remove_tags_from_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}

/// Number of ARNs that one call for tags takes.
const ARNS_PER_CALL: usize = 50;

/// Tags of those of these resources (name and ARN) that are part of the stack or have a desired name, by ARN. Descriptions lack tags.
///
/// # Errors
/// Returns errors of the service.
pub async fn read_tags(aws: &Aws, scope: &Scope, resources: &[(String, String)]) -> Result<BTreeMap<String, Tags>> {
    let (mut tags, mut unknown) = (BTreeMap::new(), Vec::new());
    for (name, arn) in resources.iter().filter(|(name, arn)| scope.covers(name, arn)) {
        match scope.tags_on_create.get(name).cloned().or_else(|| scope.tags_by_id(arn, arn)) {
            Some(known) => drop(tags.insert(arn.clone(), known)),
            None => unknown.push(arn.clone()),
        }
    }
    for arns in unknown.chunks(ARNS_PER_CALL) {
        for (arn, read) in fetch_tags(aws, arns).await? {
            tags.insert(arn, read);
        }
    }
    let is_wanted = |arn: &String| resources.iter().any(|(name, own)| own == arn && scope.lookup.contains(name));
    tags.retain(|arn, tags| scope.owns(tags) || is_wanted(arn));
    Ok(tags)
}

/// If one of the resources was deleted meanwhile, they are read one by one.
async fn fetch_tags(aws: &Aws, arns: &[String]) -> Result<BTreeMap<String, Tags>> {
    let mut tags: BTreeMap<String, Tags> = BTreeMap::new();
    let call = aws.dms.list_tags_for_resource().set_resource_arn_list(Some(arns.to_vec()));
    match call.send().await.map_err(Error::from) {
        Ok(reply) => {
            tags.extend(arns.iter().map(|arn| (arn.clone(), Tags::new())));
            for tag in reply.tag_list.unwrap_or_default() {
                // A call with one ARN does not repeat it.
                let arn = tag.resource_arn.clone().or_else(|| arns.first().cloned().filter(|_| arns.len() == 1));
                if let (Some(of), Some(key)) = (arn.and_then(|arn| tags.get_mut(&arn)), tag.key) {
                    of.insert(key, tag.value.unwrap_or_default());
                }
            }
            Ok(tags)
        }
        Err(error) if error.is_not_found() && arns.len() == 1 => Ok(tags),
        Err(error) if error.is_not_found() => {
            for arn in arns {
                tags.extend(Box::pin(fetch_tags(aws, std::slice::from_ref(arn))).await?);
            }
            Ok(tags)
        }
        Err(error) => Err(error),
    }
}
