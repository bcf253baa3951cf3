//! The IPv6 range of a VPC.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_ec2::types::{
    self as ec2, Filter, SubnetCidrBlockStateCode, SubnetIpv6CidrBlockAssociation, VpcCidrBlockStateCode, VpcIpv6CidrBlockAssociation,
};
use ipnet::{IpNet, Ipv6Net};

use crate::{
    aws::{Aws, Cx, services},
    core::{Cidr, ENVIRONMENT_TAG, Error, Problem, Result, STACK_TAG, ok_or_not_found},
};

use super::Vpc;

/// Amazon's own pool.
const AMAZON: &str = "amazon";
/// AWS's word for a range that an IPAM pool assigned: it does not say which.
const FROM_IPAM: &str = "IPAM Managed";

/// IPv6 range of a VPC.
#[spec]
#[derive(PartialEq, Eq)]
pub struct VpcIpv6 {
    /// Pool of the range: `amazon` for a /56 range that AWS chooses, an address pool of the account (`ipv6pool-ec2-…`) or an IPAM pool
    /// (`ipam-pool-…`).
    #[field(default = "amazon", pattern = "amazon|(ipv6pool-ec2|ipam-pool)-[0-9a-f]+")]
    pub pool: String,
    /// Range of the pool.
    #[field(unset = "chosen by AWS", prefix = 44..=60, dropped(kept, "any range of the pool will do"))]
    pub cidr: Option<Cidr>,
    /// Prefix length of a range that IPAM chooses.
    #[field(unset = "the IPAM pool's default", one_of = [44, 48, 52, 56, 60], conflicts_with = cidr)]
    #[field(dropped(kept, "the pool's default applies only at creation"))]
    pub prefix_length: Option<i32>,
    /// Network border group of a range of Amazon: the Local Zones from which it is reachable.
    #[field(unset = "that of the region", dropped(kept, "AWS's choice applies only at creation"))]
    pub network_border_group: Option<String>,
}

/// Parameters that CreateVpc and AssociateVpcCidrBlock have in common.
macro_rules! with_ipv6 {
    ($call:expr, $ipv6:expr) => {{
        let ipv6: Option<&VpcIpv6> = $ipv6;
        let pool = |start: &str| ipv6.map(|ipv6| ipv6.pool.clone()).filter(|pool| pool.starts_with(start));
        $call
            .set_amazon_provided_ipv6_cidr_block(ipv6.filter(|ipv6| ipv6.is_of_amazon()).map(|_| true))
            .set_ipv6_pool(pool("ipv6pool-"))
            .set_ipv6_ipam_pool_id(pool("ipam-pool-"))
            .set_ipv6_cidr_block(ipv6.and_then(|ipv6| ipv6.cidr.as_ref()).map(ToString::to_string))
            .set_ipv6_netmask_length(ipv6.and_then(|ipv6| ipv6.prefix_length))
            .set_ipv6_cidr_block_network_border_group(ipv6.and_then(|ipv6| ipv6.network_border_group.clone()))
    }};
}
pub(super) use with_ipv6;

impl VpcIpv6 {
    /// Whether AWS chooses the range from its own.
    pub fn is_of_amazon(&self) -> bool {
        self.pool == AMAZON
    }
    /// Prefix length of the range, if it is known before the VPC exists.
    pub fn known_prefix_length(&self) -> Option<u8> {
        let range = self.cidr.as_ref().and_then(Cidr::range).map(|range| range.prefix_len());
        let asked_for = self.prefix_length.and_then(|length| u8::try_from(length).ok());
        range.or(asked_for).or(self.is_of_amazon().then_some(56))
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let at = |field| Vpc::POINTERS.ipv6.field(field);
        let mut problems = Vec::new();
        let mut add = |field, message: &str, help: &str| problems.push(Problem::new(at(field), message).help(help));
        if self.cidr.as_ref().and_then(Cidr::range).is_some_and(|range| matches!(range, IpNet::V4(_))) {
            add(Self::POINTERS.cidr, "the range is not an IPv6 range", "write a range such as `2001:db8:1200::/56`");
        }
        if self.is_of_amazon() && self.cidr.is_some() {
            add(Self::POINTERS.cidr, "AWS chooses the range from Amazon's pool", "name your own `pool`, or remove `cidr`");
        }
        if self.prefix_length.is_some() && !self.pool.starts_with("ipam-pool-") {
            add(
                Self::POINTERS.prefix_length,
                "only IPAM chooses a range by its prefix length",
                "name an IPAM `pool`, or remove `prefix_length`",
            );
        }
        if self.network_border_group.is_some() && !self.is_of_amazon() {
            add(Self::POINTERS.network_border_group, "only ranges of Amazon have a network border group", "remove `network_border_group`");
        }
        problems
    }

    /// What AWS fills in is not compared with what the definition leaves out, and the pool of IPAM is not reported.
    pub(super) fn normalize(&self, live: &mut VpcIpv6) {
        if live.pool == FROM_IPAM && self.pool.starts_with("ipam-pool-") {
            live.pool.clone_from(&self.pool);
        }
    }
    /// Whether the range is not the one that `self` asks for.
    pub(super) fn differs(&self, live: &VpcIpv6) -> bool {
        let other = |wanted: Option<String>, found: Option<String>| wanted.is_some() && wanted != found;
        let range = |ipv6: &VpcIpv6| ipv6.cidr.as_ref().map(ToString::to_string);
        let length = |ipv6: &VpcIpv6| ipv6.prefix_length.map(|length| length.to_string());
        self.pool != live.pool
            || other(range(self), range(live))
            || other(length(self), length(live))
            || other(self.network_border_group.clone(), live.network_border_group.clone())
    }

    pub(super) fn read(association: &VpcIpv6CidrBlockAssociation) -> Option<VpcIpv6> {
        let cidr: Cidr = association.ipv6_cidr_block()?.parse().ok()?;
        let pool = match association.ipv6_pool() {
            None | Some("Amazon") => AMAZON.to_owned(),
            Some(pool) => pool.to_owned(),
        };
        Some(VpcIpv6 {
            pool,
            prefix_length: cidr.range().map(|range| i32::from(range.prefix_len())),
            cidr: Some(cidr),
            network_border_group: association.network_border_group.clone(),
        })
    }
}

pub(super) fn state(association: &VpcIpv6CidrBlockAssociation) -> Option<&VpcCidrBlockStateCode> {
    association.ipv6_cidr_block_state.as_ref().and_then(|state| state.state.as_ref())
}

/// The association with the VPC's IPv6 range, or the one being added. A disassociated one stays visible for a while.
pub(in crate::aws::types) fn current(vpc: &ec2::Vpc) -> Option<&VpcIpv6CidrBlockAssociation> {
    use VpcCidrBlockStateCode::{Disassociated, Disassociating, Failed, Failing};
    let is_current = |a: &&VpcIpv6CidrBlockAssociation| !matches!(state(a), Some(Disassociated | Disassociating | Failed | Failing));
    vpc.ipv6_cidr_block_association_set().iter().find(is_current)
}

/// The VPC's IPv6 range.
pub(in crate::aws::types) fn range(vpc: &ec2::Vpc) -> Option<Ipv6Net> {
    current(vpc)?.ipv6_cidr_block()?.parse().ok().map(|range: Ipv6Net| range.trunc())
}

/// Adds the range, or removes it from the stack's subnets and from the VPC.
pub(super) async fn change(cx: &Cx<'_>, id: &str, wanted: Option<&VpcIpv6>) -> Result<()> {
    let vpcs = cx.ec2.describe_vpcs().vpc_ids(id).send().await?.vpcs.unwrap_or_default();
    let vpc = vpcs.first().ok_or_else(|| Error::missing_field("Vpc"))?;
    match (wanted, current(vpc)) {
        (Some(_), None) => {
            let call = cx.ec2.associate_vpc_cidr_block().vpc_id(id);
            with_ipv6!(call, wanted).send().await?;
        }
        (None, Some(association)) => {
            if let Some(range) = range(vpc) {
                release_from_subnets(cx, id, range).await?;
            }
            let call = cx.ec2.disassociate_vpc_cidr_block().set_association_id(association.association_id.clone());
            ok_or_not_found(call.send().await)?;
        }
        // An earlier attempt whose answer was lost.
        (Some(_), Some(_)) | (None, None) => {}
    }
    Ok(())
}

/// Removes the ranges of the stack's subnets. Their definitions have none either, but they change after the VPC, which AWS lets go of a range
/// only when no subnet has a part of it.
async fn release_from_subnets(cx: &Cx<'_>, vpc: &str, range: Ipv6Net) -> Result<()> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let tags = [(STACK_TAG, &cx.call.stack), (ENVIRONMENT_TAG, &cx.call.environment)];
    let tags = tags.map(|(key, value)| filter(&format!("tag:{key}"), value));
    let filters = tags.into_iter().chain([filter("vpc-id", vpc)]).collect();
    let subnets = cx.ec2.describe_subnets().set_filters(Some(filters)).into_paginator().items().send().try_collect().await?;
    for subnet in subnets {
        let id = subnet.subnet_id.clone().unwrap_or_default();
        let inside = |a: &&SubnetIpv6CidrBlockAssociation| subnet_range(a).is_some_and(|part| range.contains(&part));
        for association in subnet.ipv6_cidr_block_association_set().iter().filter(is_subnets_own).filter(inside) {
            if subnet.assign_ipv6_address_on_creation == Some(true) {
                let off = services::ec2::boolean(false);
                cx.ec2.modify_subnet_attribute().subnet_id(&id).assign_ipv6_address_on_creation(off).send().await?;
            }
            let call = cx.ec2.disassociate_subnet_cidr_block().set_association_id(association.association_id.clone());
            ok_or_not_found(call.send().await)?;
        }
    }
    Ok(())
}

/// Whether a subnet has this range, or gets it.
pub(in crate::aws::types) fn is_subnets_own(association: &&SubnetIpv6CidrBlockAssociation) -> bool {
    use SubnetCidrBlockStateCode::{Disassociated, Disassociating, Failed, Failing};
    let state = association.ipv6_cidr_block_state.as_ref().and_then(|state| state.state.as_ref());
    !matches!(state, Some(Disassociated | Disassociating | Failed | Failing))
}

/// The range of a subnet's association.
pub(in crate::aws::types) fn subnet_range(association: &SubnetIpv6CidrBlockAssociation) -> Option<Ipv6Net> {
    association.ipv6_cidr_block()?.parse().ok()
}

/// IPv6 ranges of VPCs that are named by their ids.
pub(in crate::aws::types) async fn ranges(aws: &Aws, ids: BTreeSet<&str>) -> Result<BTreeMap<String, Ipv6Net>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filter = Filter::builder().name("vpc-id").set_values(Some(ids.into_iter().map(str::to_owned).collect())).build();
    let vpcs = aws.ec2.describe_vpcs().filters(filter).into_paginator().items().send().try_collect().await?;
    Ok(vpcs.into_iter().filter_map(|vpc| Some((vpc.vpc_id.clone()?, range(&vpc)?))).collect())
}
