//! Elastic Kubernetes Service.

use std::collections::HashMap;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("eks", "EKS")
    .tag_actions(&["eks:TagResource"], &["eks:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceInUseException",
        in_use: "ResourceInUseException",
    })
    .busy_code("ResourceInUseException")
    .error_rules(&[
        // One code says "in use", "exists" and "busy".
        ErrorRule::new("ResourceInUseException", ErrorKind::Conflict),
        ErrorRule::with_message("ResourceInUseException", "already exists", ErrorKind::AlreadyExists),
        ErrorRule::with_message("ResourceInUseException", "already in use on this cluster", ErrorKind::AlreadyExists),
        ErrorRule::with_message("InvalidRequestException", "not in ACTIVE status", ErrorKind::Conflict),
        // Sometimes sent instead of ResourceNotFoundException.
        ErrorRule::with_message("ClientException", "No cluster found", ErrorKind::NotFound),
        // New roles (`roleArn, arn:…, does not exist`) and subnets, of which EKS speaks in many ways.
        ErrorRule::with_message("InvalidParameterException", "could not be assumed", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "does not exist", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "not authorized to perform", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "Role provided in the request", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "invalid principal", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "Error in role params", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "trusted entity is not correct", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "Amazon EKS Managed Policies", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "ec2:DescribeSubnets", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "Misconfigured PodExecutionRole", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterException", "trust relationships of nodeRole", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidRequestException", "could not be assumed", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_eks);

/// Tags in the shape of EKS: a map.
pub fn to_tags(tags: &Tags) -> HashMap<String, String> {
    tags.clone().into_iter().collect()
}

/// Tags as EKS reports them.
pub fn from_tags(tags: Option<&HashMap<String, String>>) -> Tags {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.eks.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.eks.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
