//! EC2 and VPC.

mod blockers;
mod filters;
pub mod prices;
mod zones;

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Tag, TagSpecification};

pub use self::{
    blockers::{join_blockers, network_interfaces, security_groups, subnets},
    zones::{Zone, zones},
};
use crate::{
    aws::{Aws, partition},
    core::{CallRate, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("ec2", "EC2")
    .tag_actions(&["ec2:CreateTags"], &["ec2:DeleteTags"])
    .create_action_key("ec2:CreateAction")
    .with_name_tag()
    .error_codes(ErrorCodes {
        not_found: "Invalid{Type}ID.NotFound",
        already_exists: "Invalid{Type}.Duplicate",
        in_use: "DependencyViolation",
    })
    .error_rules(&[
        ErrorRule::new("DependencyViolation", ErrorKind::Conflict),
        ErrorRule::new("IncorrectInstanceState", ErrorKind::Conflict),
        ErrorRule::new("IncorrectState", ErrorKind::Conflict),
        ErrorRule::new("InvalidCidrBlock.InUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidGroup.InUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidIPAddress.InUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidNetworkInterface.InUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidSnapshot.InUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidState", ErrorKind::Conflict),
        ErrorRule::new("Resource.AlreadyAssociated", ErrorKind::Conflict),
        ErrorRule::new("VolumeInUse", ErrorKind::Conflict),
        // CreateSnapshot accepts a volume again after 15 seconds, or after a pending snapshot of it.
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        ErrorRule::new("ConcurrentSnapshotLimitExceeded", ErrorKind::Throttled),
        ErrorRule::new("SnapshotCreationPerVolumeRateExceeded", ErrorKind::Throttled),
        // Mostly this is protection from deletion; these messages are about something that passes.
        ErrorRule::with_message("OperationNotPermitted", "ela-attach", ErrorKind::Conflict),
        ErrorRule::with_message("OperationNotPermitted", "in progress", ErrorKind::Conflict),
        ErrorRule::with_message("OperationNotPermitted", "in use", ErrorKind::Conflict),
        // The internet gateway is being attached at the same time.
        ErrorRule::new("Gateway.NotAttached", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidParameterValue", "Invalid IAM Instance Profile", ErrorKind::NotYetVisible),
        // CreateFlowLogs about its role and its bucket.
        ErrorRule::with_message("InvalidParameter", "Unable to assume given IAM role", ErrorKind::NotYetVisible),
        ErrorRule::with_message("400", "Access Denied for LogDestination", ErrorKind::NotYetVisible),
    ])
    // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
    .call_rates(&[
        CallRate { actions: "Describe", burst: 100.0, per_second: 20.0 },
        CallRate { actions: "", burst: 50.0, per_second: 5.0 },
    ]);

sdk_client!(aws_sdk_ec2);
tag_conversions!(Tag, key, value, Some);

/// Tags for a create call.
pub fn tag_specification(tags: &Tags, of: ResourceType) -> TagSpecification {
    TagSpecification::builder().resource_type(of).set_tags(Some(to_tags(tags))).build()
}

/// Value of a boolean attribute.
pub fn boolean(on: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(on).build()
}

/// The ARN of a resource (`vpc/vpc-0123`): few answers contain it.
pub fn arn(region: &str, account: &str, resource: &str) -> String {
    format!("arn:{}:ec2:{region}:{account}:{resource}", partition(region))
}

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let removed = change.remove.iter().map(|key| Tag::builder().key(key).build()).collect();
    set_and_remove!(
        change,
        aws.ec2.create_tags().resources(change.id).set_tags(Some(to_tags(&change.set))),
        aws.ec2.delete_tags().resources(change.id).set_tags(Some(removed))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_the_partition_of_their_region() {
        let arns = ["eu-west-1", "cn-north-1", "us-gov-west-1"].map(|region| arn(region, "123456789012", "vpc/vpc-1"));
        let expected = ["aws:ec2:eu-west-1", "aws-cn:ec2:cn-north-1", "aws-us-gov:ec2:us-gov-west-1"];
        assert_eq!(arns, expected.map(|start| format!("arn:{start}:123456789012:vpc/vpc-1")));
    }
}
