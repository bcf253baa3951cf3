//! Blockers of EC2 resources outside the stack, such as resources created by a cluster's controllers or by hand.

use aws_sdk_ec2::types::{Filter, NetworkInterface, SecurityGroup, Subnet, Tag};

use crate::{
    aws::Aws,
    core::{Result, STACK_TAG, list_first},
};

/// Maximum number of blockers to list.
const MAX_NAMED: usize = 5;

/// Describes the network interfaces that match these filters of DescribeNetworkInterfaces: `network interface eni-1 (ELB app/web/0123)`.
///
/// # Errors
/// Returns errors of EC2.
pub async fn network_interfaces(aws: &Aws, filters: &[(&str, &str)]) -> Result<Vec<String>> {
    let pages = aws.ec2.describe_network_interfaces().set_filters(to_sdk_filters(filters)).into_paginator().items().send();
    Ok(pages.try_collect().await?.iter().map(describe_interface).collect())
}

/// Describes the security groups that match these filters of DescribeSecurityGroups: `security group sg-1 (k8s-web)`, with the stack that one is
/// part of.
///
/// # Errors
/// Returns errors of EC2.
pub async fn security_groups(aws: &Aws, filters: &[(&str, &str)], is_blocker: impl Fn(&SecurityGroup) -> bool) -> Result<Vec<String>> {
    let pages = aws.ec2.describe_security_groups().set_filters(to_sdk_filters(filters)).into_paginator().items().send();
    let words = |group: &SecurityGroup| {
        let name = group.group_name().unwrap_or_default();
        format!("security group {} ({name}{})", group.group_id().unwrap_or_default(), of_stack(group.tags(), ", "))
    };
    Ok(pages.try_collect().await?.iter().filter(|group| is_blocker(group)).map(words).collect())
}

/// Describes the subnets of a VPC, with the stacks that they are part of.
///
/// # Errors
/// Returns errors of EC2.
pub async fn subnets(aws: &Aws, vpc: &str) -> Result<Vec<String>> {
    let pages = aws.ec2.describe_subnets().set_filters(to_sdk_filters(&[("vpc-id", vpc)])).into_paginator().items().send();
    let words = |subnet: &Subnet| format!("subnet {}{}", subnet.subnet_id().unwrap_or_default(), of_stack(subnet.tags(), " "));
    Ok(pages.try_collect().await?.iter().map(words).collect())
}

/// The stack that has these tags, after a separator; empty without one.
fn of_stack(tags: &[Tag], separator: &str) -> String {
    let stack = tags.iter().find(|tag| tag.key() == Some(STACK_TAG)).and_then(Tag::value);
    stack.map(|stack| format!("{separator}of the stack {stack}")).unwrap_or_default()
}

fn to_sdk_filters(filters: &[(&str, &str)]) -> Option<Vec<Filter>> {
    Some(filters.iter().map(|(name, value)| Filter::builder().name(*name).values(*value).build()).collect())
}

/// The description contains the owner; interfaces of instances have none.
fn describe_interface(interface: &NetworkInterface) -> String {
    let id = interface.network_interface_id().unwrap_or_default();
    let machine = interface.attachment().and_then(|attachment| attachment.instance_id());
    let described = interface.description().filter(|text| !text.is_empty());
    match described.map(str::to_owned).or_else(|| machine.map(|id| format!("instance {id}"))) {
        Some(whose) => format!("network interface {id} ({whose})"),
        None => format!("network interface {id}"),
    }
}

/// Lists blockers on one line, without duplicates; `None` if there are none.
pub fn join_blockers(mut all: Vec<String>) -> Option<String> {
    all.sort();
    all.dedup();
    (!all.is_empty()).then(|| list_first(&all, MAX_NAMED))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::NetworkInterfaceAttachment;

    use super::*;

    #[test]
    fn describes_an_interface_with_its_owner() {
        let interface = || NetworkInterface::builder().network_interface_id("eni-1");
        let attached = NetworkInterfaceAttachment::builder().instance_id("i-1").build();
        assert_eq!(describe_interface(&interface().description("ELB app/web/1").build()), "network interface eni-1 (ELB app/web/1)");
        assert_eq!(describe_interface(&interface().description("").attachment(attached).build()), "network interface eni-1 (instance i-1)");
        assert_eq!(describe_interface(&interface().build()), "network interface eni-1");
    }

    #[test]
    fn names_the_stack_of_a_blocker() {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        assert_eq!(of_stack(&[tag("Name", "web"), tag("acme:stack", "rules")], ", "), ", of the stack rules");
        assert_eq!(of_stack(&[tag("Name", "web")], ", "), "");
    }

    #[test]
    fn counts_blockers_beyond_the_first_five() {
        let many = |n: usize| (1..=n).map(|n| format!("eni-{n}")).collect();
        assert_eq!(join_blockers(many(0)), None);
        assert_eq!(join_blockers(many(2)).as_deref(), Some("eni-1, eni-2"));
        assert_eq!(join_blockers(many(7)).as_deref(), Some("eni-1, eni-2, eni-3, eni-4, eni-5 and 2 more"));
    }
}
