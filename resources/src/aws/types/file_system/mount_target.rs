//! Mount targets.

use std::collections::BTreeSet;

use aws_sdk_efs::types::{LifeCycleState, MountTargetDescription};

use super::super::{prelude::*, security_group::SecurityGroup, subnet::Subnet};
use crate::core::{ErrorKind, referenced_ids};

/// An address of a file system in a subnet.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct MountTarget {
    /// Subnet.
    pub subnet: Ref<Subnet>,
    /// Security groups, which must allow clients to reach port 2049.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Versions of IP.
    #[field(default)]
    pub ip_address_type: IpAddressType,
    /// IPv4 address in the subnet.
    #[field(unset = "assigned by AWS", dropped(kept, "any address will do"))]
    pub ip_address: Option<String>,
    /// IPv6 address in the subnet.
    #[field(unset = "assigned by AWS", dropped(kept, "any address will do"))]
    pub ipv6_address: Option<String>,
}

/// Versions of IP of a mount target.
#[spec]
#[derive(Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpAddressType {
    /// IPv4.
    #[default]
    Ipv4Only,
    /// IPv6.
    Ipv6Only,
    /// Both.
    DualStack,
}

impl IpAddressType {
    fn to_sdk(self) -> aws_sdk_efs::types::IpAddressType {
        match self {
            IpAddressType::Ipv4Only => aws_sdk_efs::types::IpAddressType::Ipv4Only,
            IpAddressType::Ipv6Only => aws_sdk_efs::types::IpAddressType::Ipv6Only,
            IpAddressType::DualStack => aws_sdk_efs::types::IpAddressType::DualStack,
        }
    }
    /// A mount target reports its addresses alone.
    fn of(target: &MountTargetDescription) -> IpAddressType {
        let has = |address: Option<&str>| address.is_some_and(|address| !address.is_empty());
        match (has(target.ip_address()), has(target.ipv6_address())) {
            (true, true) => IpAddressType::DualStack,
            (false, true) => IpAddressType::Ipv6Only,
            (_, false) => IpAddressType::Ipv4Only,
        }
    }
}

impl MountTarget {
    pub(super) fn from_sdk(target: &MountTargetDescription, groups: Vec<String>) -> MountTarget {
        let address = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        MountTarget {
            subnet: Ref::to(target.subnet_id()),
            security_groups: groups.into_iter().map(Ref::to).collect(),
            ip_address_type: IpAddressType::of(target),
            ip_address: address(target.ip_address()),
            ipv6_address: address(target.ipv6_address()),
        }
    }

    /// Same, without addresses that the mount target of this subnet does not set.
    pub(super) fn without_assigned(&self, wanted: &BTreeSet<MountTarget>) -> MountTarget {
        let mut target = self.clone();
        if let Some(wanted) = wanted.iter().find(|wanted| wanted.subnet == self.subnet) {
            target.ip_address = target.ip_address.filter(|_| wanted.ip_address.is_some());
            target.ipv6_address = target.ipv6_address.filter(|_| wanted.ipv6_address.is_some());
        }
        target
    }

    /// Whether a live mount target needs other security groups at most.
    fn fits(&self, live: &MountTargetDescription) -> bool {
        let address = |wanted: &Option<String>, has: Option<&str>| wanted.is_none() || wanted.as_deref() == has;
        self.subnet.get() == live.subnet_id()
            && self.ip_address_type == IpAddressType::of(live)
            && address(&self.ip_address, live.ip_address())
            && address(&self.ipv6_address, live.ipv6_address())
    }
}

/// All mount targets of a file system, except those that are gone.
pub(super) async fn targets(aws: &Aws, id: &str) -> Result<Vec<MountTargetDescription>> {
    let all: Vec<_> = aws.efs.describe_mount_targets().file_system_id(id).into_paginator().items().send().try_collect().await?;
    Ok(all.into_iter().filter(|target| target.life_cycle_state != LifeCycleState::Deleted).collect())
}

pub(super) async fn groups(aws: &Aws, target: &str) -> Result<Option<Vec<String>>> {
    let reply = aws.efs.describe_mount_target_security_groups().mount_target_id(target).send().await;
    Ok(ok_or_not_found(reply)?.map(|reply| reply.security_groups))
}

fn is_leaving(target: &MountTargetDescription) -> bool {
    target.life_cycle_state == LifeCycleState::Deleting
}

/// Changes the mount targets to the wanted ones: new ones first. A zone has one, so a new one that replaces another of its zone comes after
/// the other's deletion, which takes AWS a while; the engine then calls again.
pub(super) async fn change(cx: &Cx<'_>, id: &str, wanted: &BTreeSet<MountTarget>) -> Result<()> {
    let live = targets(cx.api, id).await?;
    let (mut kept, mut surplus) = (BTreeSet::new(), Vec::new());
    for target in live.iter().filter(|target| !is_leaving(target)) {
        let Some(fitting) = wanted.iter().find(|wanted| wanted.fits(target)) else {
            surplus.push(target);
            continue;
        };
        kept.insert(fitting);
        let has = groups(cx.api, target.mount_target_id()).await?.unwrap_or_default();
        let has: BTreeSet<Ref<SecurityGroup>> = has.into_iter().map(Ref::to).collect();
        if has != fitting.security_groups {
            let call = cx.efs.modify_mount_target_security_groups().mount_target_id(target.mount_target_id());
            call.set_security_groups(Some(referenced_ids(&fitting.security_groups))).send().await?;
        }
    }
    let remove_surplus = async || {
        for target in &surplus {
            ok_or_not_found(cx.efs.delete_mount_target().mount_target_id(target.mount_target_id()).send().await)?;
        }
        Ok::<(), Error>(())
    };
    for target in wanted.iter().filter(|target| !kept.contains(target)) {
        let call = cx.efs.create_mount_target().file_system_id(id).subnet_id(target.subnet.get());
        let call = call.set_security_groups(Some(referenced_ids(&target.security_groups)));
        let other_type = Some(target.ip_address_type).filter(|kind| *kind != IpAddressType::Ipv4Only);
        let call = call.set_ip_address_type(other_type.map(IpAddressType::to_sdk));
        let call = call.set_ip_address(target.ip_address.clone()).set_ipv6_address(target.ipv6_address.clone());
        match call.send().await.map_err(Error::from) {
            Ok(_) => {}
            Err(error) if error.code == "MountTargetConflict" && !surplus.is_empty() => {
                remove_surplus().await?;
                let message = format!("the earlier mount target is being deleted before that in {}", target.subnet.get());
                return Err(Error { kind: ErrorKind::Conflict, message, ..error });
            }
            Err(error) => return Err(error),
        }
    }
    remove_surplus().await
}

/// Returns whether there were any.
pub(super) async fn delete_all(cx: &Cx<'_>, id: &str) -> Result<bool> {
    let all = targets(cx.api, id).await?;
    for target in all.iter().filter(|target| !is_leaving(target)) {
        ok_or_not_found(cx.efs.delete_mount_target().mount_target_id(target.mount_target_id()).send().await)?;
    }
    Ok(!all.is_empty())
}
