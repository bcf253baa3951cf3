//! Security groups and network interfaces.

use aws_sdk_ec2::types::{NetworkInterface, NetworkInterfaceStatus, SecurityGroup};

use super::{
    LeftoverKind, Search,
    inventory::{Found, filter, tagged},
    machines,
    removal::still_used,
};
use crate::{
    aws::{Aws, services},
    core::{Deletion, Error, ErrorKind, Phase, Result, ok_or_not_found},
};

/// Beginning of the descriptions of rules that the AWS Load Balancer Controller adds to the groups of others.
const CONTROLLER_RULE: &str = "elbv2.k8s.aws/";

/// Filters for groups with rules that refer to another.
const REFERRING: [&str; 2] = ["ip-permission.group-id", "egress.ip-permission.group-id"];

/// Security groups, without the one that EKS deletes with the cluster.
pub(super) async fn find_groups(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let call = aws.ec2.describe_security_groups().filters(tagged(search));
    let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    let of_eks = format!("eks-cluster-sg-{}-", search.cluster);
    let found = groups.into_iter().filter(|group| !group.group_name().is_some_and(|name| name.starts_with(&of_eks))).filter_map(|group| {
        let tags = services::ec2::from_tags(group.tags());
        let (id, maker) = group.group_id.zip(search.maker(&tags))?;
        let name = group.group_name.unwrap_or_else(|| id.clone());
        Some(Found::new(id, LeftoverKind::SecurityGroup, name, maker, &tags).using(group.vpc_id))
    });
    Ok(found.collect())
}

/// Network interfaces that nodes have left: those in use are deleted with what uses them.
pub(super) async fn find_interfaces(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let call = aws.ec2.describe_network_interfaces().filters(tagged(search));
    let interfaces: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    let is_free = |interface: &NetworkInterface| {
        interface.status() == Some(&NetworkInterfaceStatus::Available) && !machines::is_operated(interface.operator())
    };
    let found = interfaces.into_iter().filter(is_free).filter_map(|interface| {
        let tags = services::ec2::from_tags(interface.tag_set());
        let groups: Vec<String> = interface.groups().iter().filter_map(|group| group.group_id.clone()).collect();
        let (id, maker) = interface.network_interface_id.zip(search.maker(&tags))?;
        let one = Found::new(id.clone(), LeftoverKind::NetworkInterface, id, maker, &tags);
        Some(one.using(groups).using(interface.subnet_id).using(interface.vpc_id))
    });
    Ok(found.collect())
}

/// Deletes a network interface.
pub(super) async fn remove_interface(aws: &Aws, id: &str) -> Result<Deletion> {
    match aws.ec2.delete_network_interface().network_interface_id(id).send().await.map_err(Error::from) {
        // Something has attached it since, and EC2 says so by code, or by message.
        Err(error) if error.message.contains("in use") => Err(Error { kind: ErrorKind::Conflict, ..error }),
        deleted => Deletion::requested(deleted),
    }
}

/// Deletes a security group, and before it the rules that refer to it in groups of the cluster and the stack, and those that the controller
/// has added to groups of others: groups that refer to each other could not be deleted.
pub(super) async fn remove_group(aws: &Aws, search: &Search, id: &str) -> Result<Deletion> {
    let referring = referring_groups(aws, id).await?;
    for group in &referring {
        revoke(aws, search, group, id).await?;
    }
    let error = match aws.ec2.delete_security_group().group_id(id).send().await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::Conflict => error,
        deleted => return Deletion::requested(deleted),
    };
    let blockers = permanent_blockers(aws, search, id).await?;
    Err(if blockers.is_empty() { error } else { still_used(id, &blockers) })
}

async fn referring_groups(aws: &Aws, id: &str) -> Result<Vec<SecurityGroup>> {
    let mut all: Vec<SecurityGroup> = Vec::new();
    for name in REFERRING {
        let call = aws.ec2.describe_security_groups().filters(filter(name, id));
        let groups: Vec<SecurityGroup> = call.into_paginator().items().send().try_collect().await?;
        let is_known = |all: &[SecurityGroup], group: &SecurityGroup| all.iter().any(|known| known.group_id == group.group_id);
        for group in groups {
            if !is_known(&all, &group) {
                all.push(group);
            }
        }
    }
    Ok(all)
}

/// Whether the cluster or the stack has this group, so that its rules may be changed.
fn is_own(group: &SecurityGroup, search: &Search) -> bool {
    let tags = services::ec2::from_tags(group.tags());
    let of_eks = tags.get(&format!("kubernetes.io/cluster/{}", search.cluster)).is_some_and(|value| value == "owned");
    of_eks || search.maker(&tags).is_some() || search.is_of_stack(&tags)
}

/// Revokes the rules of a group that refer to the one with this id.
async fn revoke(aws: &Aws, search: &Search, group: &SecurityGroup, id: &str) -> Result<()> {
    let own = is_own(group, search);
    let permissions = |all: &[aws_sdk_ec2::types::IpPermission]| {
        let mut reduced = Vec::new();
        for permission in all {
            let pairs = permission.user_id_group_pairs().iter().filter(|pair| pair.group_id() == Some(id));
            let pairs: Vec<_> =
                pairs.filter(|pair| own || pair.description().is_some_and(|text| text.starts_with(CONTROLLER_RULE))).cloned().collect();
            if !pairs.is_empty() {
                let mut one = permission.clone();
                (one.ip_ranges, one.ipv6_ranges, one.prefix_list_ids, one.user_id_group_pairs) = (None, None, None, Some(pairs));
                reduced.push(one);
            }
        }
        Some(reduced).filter(|reduced| !reduced.is_empty())
    };
    let name = group.group_id();
    if let Some(ingress) = permissions(group.ip_permissions()) {
        let call = aws.ec2.revoke_security_group_ingress().set_group_id(name.map(str::to_owned)).set_ip_permissions(Some(ingress));
        ok_or_not_found(call.send().await)?;
    }
    if let Some(egress) = permissions(group.ip_permissions_egress()) {
        let call = aws.ec2.revoke_security_group_egress().set_group_id(name.map(str::to_owned)).set_ip_permissions(Some(egress));
        ok_or_not_found(call.send().await)?;
    }
    Ok(())
}

/// What will use the group until a person releases it: groups of others, and interfaces of instances that are not the cluster's.
async fn permanent_blockers(aws: &Aws, search: &Search, id: &str) -> Result<Vec<String>> {
    let referring = referring_groups(aws, id).await?;
    let others = referring.iter().filter(|group| group.group_id() != Some(id) && !is_own(group, search));
    let mut blockers: Vec<String> = others
        .map(|group| format!("security group {} ({})", group.group_id().unwrap_or_default(), group.group_name().unwrap_or_default()))
        .collect();
    let interfaces = aws.ec2.describe_network_interfaces().filters(filter("group-id", id));
    let interfaces: Vec<NetworkInterface> = interfaces.into_paginator().items().send().try_collect().await?;
    for interface in &interfaces {
        let machine = interface.attachment().and_then(|attachment| attachment.instance_id());
        if let Some(owner) = permanent_owner(aws, search, interface, machine).await? {
            blockers.push(format!("network interface {} ({owner})", interface.network_interface_id().unwrap_or_default()));
        }
    }
    Ok(blockers)
}

/// Owner of an interface that does not go by itself. AWS services delete theirs with what they belong to.
async fn permanent_owner(aws: &Aws, search: &Search, interface: &NetworkInterface, machine: Option<&str>) -> Result<Option<String>> {
    let tags = services::ec2::from_tags(interface.tag_set());
    if interface.requester_managed() == Some(true) || search.maker(&tags).is_some() {
        return Ok(None);
    }
    let Some(machine) = machine else {
        let is_free = interface.status() == Some(&NetworkInterfaceStatus::Available);
        let described = interface.description().filter(|text| !text.is_empty()).unwrap_or("made outside acme");
        return Ok(is_free.then(|| described.to_owned()));
    };
    machines::describe_foreign(aws, search, machine).await
}

/// What uses a group, for the message of a deletion that waits.
pub(super) async fn blockers(aws: &Aws, id: &str) -> Result<Vec<String>> {
    let mut all = services::ec2::network_interfaces(aws, &[("group-id", id)]).await?;
    for direction in REFERRING {
        all.extend(services::ec2::security_groups(aws, &[(direction, id)], |group| group.group_id() != Some(id)).await?);
    }
    Ok(all)
}

/// Phase of a security group.
pub(super) async fn group_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.ec2.describe_security_groups().group_ids(id).send().await)?;
    Ok(reply.filter(|reply| !reply.security_groups().is_empty()).map(|_| Phase::Ready))
}

/// Phase of a network interface.
pub(super) async fn interface_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.ec2.describe_network_interfaces().network_interface_ids(id).send().await)?;
    Ok(reply.filter(|reply| !reply.network_interfaces().is_empty()).map(|_| Phase::Ready))
}
