//! The default security group of a VPC, which AWS creates and deletes with the VPC, and gives to whatever is created without a group.

use acme_macros::spec;
use aws_sdk_ec2::types::{Filter, SecurityGroup};

use crate::{aws::Aws, core::Result};

/// Traffic that the default security group allows.
#[spec]
#[derive(Copy, PartialEq, Eq)]
pub enum DefaultSecurityGroup {
    /// None: it has no rules.
    Deny,
}

/// Reads the group; `None` if it has rules.
pub(super) async fn read(aws: &Aws, vpc: &str) -> Result<Option<DefaultSecurityGroup>> {
    let has_rules = |group: &SecurityGroup| !group.ip_permissions().is_empty() || !group.ip_permissions_egress().is_empty();
    Ok(find(aws, vpc).await?.filter(|group| !has_rules(group)).map(|_| DefaultSecurityGroup::Deny))
}

/// Removes all rules.
pub(super) async fn deny(aws: &Aws, vpc: &str) -> Result<()> {
    let Some(group) = find(aws, vpc).await? else { return Ok(()) };
    if !group.ip_permissions().is_empty() {
        let call = aws.ec2.revoke_security_group_ingress().set_group_id(group.group_id.clone());
        call.set_ip_permissions(group.ip_permissions.clone()).send().await?;
    }
    if !group.ip_permissions_egress().is_empty() {
        let call = aws.ec2.revoke_security_group_egress().set_group_id(group.group_id.clone());
        call.set_ip_permissions(group.ip_permissions_egress).send().await?;
    }
    Ok(())
}

async fn find(aws: &Aws, vpc: &str) -> Result<Option<SecurityGroup>> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = aws.ec2.describe_security_groups().filters(filter("vpc-id", vpc)).filters(filter("group-name", "default"));
    Ok(call.send().await?.security_groups.unwrap_or_default().into_iter().next())
}
