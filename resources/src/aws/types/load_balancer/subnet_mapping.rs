//! Subnets of a network load balancer with static addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
};

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    AvailabilityZone, EnablePrefixForIpv6SourceNatEnum, IpAddressType, SubnetMapping as SdkMapping,
};

use super::{AddressType, LoadBalancer, LoadBalancerType};
use crate::{
    aws::{
        Aws, to_aws,
        types::{elastic_ip::ElasticIp, subnet::Subnet},
    },
    core::{Pointer, Problem, Ref, Result, referenced_ids},
};

/// Subnet of a network load balancer with static addresses. Changing an address replaces the load balancer.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct SubnetMapping {
    /// The subnet, one per availability zone.
    pub subnet: Ref<Subnet>,
    /// Public address of a load balancer that is not internal.
    #[field(unset = "an address that AWS assigns", dropped(kept, "a load balancer keeps its addresses"))]
    pub elastic_ip: Option<Ref<ElasticIp>>,
    /// Private IPv4 address of an internal load balancer, in the subnet's range.
    #[field(unset = "an address that AWS assigns", dropped(kept, "a load balancer keeps its addresses"))]
    pub private_ip: Option<String>,
    /// IPv6 address of a dual-stack load balancer, in the subnet's range.
    #[field(unset = "an address that AWS assigns", dropped(kept, "a load balancer keeps its addresses"))]
    pub ipv6_address: Option<Ipv6Addr>,
}

impl SubnetMapping {
    /// A subnet where AWS assigns the addresses.
    pub(super) fn of_subnet(subnet: Ref<Subnet>) -> SubnetMapping {
        SubnetMapping { subnet, elastic_ip: None, private_ip: None, ipv6_address: None }
    }

    /// Mapping of a zone. AWS usually omits addresses that it assigned itself.
    pub(super) fn read(zone: AvailabilityZone) -> Option<SubnetMapping> {
        let mut mapping = SubnetMapping::of_subnet(Ref::to(zone.subnet_id?));
        for address in zone.load_balancer_addresses.unwrap_or_default() {
            mapping.elastic_ip = mapping.elastic_ip.or(address.allocation_id.map(Ref::to));
            mapping.private_ip = mapping.private_ip.or(address.private_ipv4_address);
            mapping.ipv6_address = mapping.ipv6_address.or(address.ipv6_address.and_then(|address| address.parse().ok()));
        }
        Some(mapping)
    }

    pub(super) fn to_sdk(&self) -> SdkMapping {
        SdkMapping::builder()
            .subnet_id(self.subnet.get())
            .set_allocation_id(self.elastic_ip.as_ref().map(|address| address.get().to_owned()))
            .set_private_ipv4_address(self.private_ip.clone())
            .set_ipv6_address(self.ipv6_address.map(|address| address.to_string()))
            .build()
    }

    /// Whether an address is requested.
    pub(super) fn is_fixed(&self) -> bool {
        self.elastic_ip.is_some() || self.private_ip.is_some() || self.ipv6_address.is_some()
    }

    /// Whether an address is requested that `live` does not have.
    fn differs(&self, live: &SubnetMapping) -> bool {
        fn other<T: PartialEq>(wanted: &Option<T>, live: &Option<T>) -> bool {
            wanted.is_some() && wanted != live
        }
        other(&self.elastic_ip, &live.elastic_ip)
            || other(&self.private_ip, &live.private_ip)
            || other(&self.ipv6_address, &live.ipv6_address)
    }

    /// The requested addresses, which no other load balancer can have.
    fn addresses(&self) -> impl Iterator<Item = String> {
        let subnet = self.subnet.get();
        let public = self.elastic_ip.as_ref().map(|address| address.get().to_owned());
        let private = self.private_ip.as_ref().map(|address| format!("{address} in {subnet}"));
        let ipv6 = self.ipv6_address.map(|address| format!("{address} in {subnet}"));
        [public, private, ipv6].into_iter().flatten()
    }
}

/// Whether the subnets of `live`, and its addresses there, can't be changed to those of `wanted`. AWS adds subnets to any load balancer and
/// removes them from a network load balancer, but it neither changes an address in place nor exchanges the subnet of a zone in one call.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/availability-zones.html>
pub(super) fn needs_replacement(wanted: &LoadBalancer, live: &LoadBalancer) -> bool {
    let (new, old) = (wanted.mappings(), live.mappings());
    let [new_subnets, old_subnets] = [&new, &old].map(|mappings| mappings.iter().map(|mapping| &mapping.subnet).collect::<BTreeSet<_>>());
    let removes = !old_subnets.is_subset(&new_subnets);
    match live.kind {
        LoadBalancerType::Application => false,
        LoadBalancerType::Gateway => removes,
        LoadBalancerType::Network => {
            let old: BTreeMap<_, _> = old.iter().map(|mapping| (&mapping.subnet, mapping)).collect();
            let readdressed = new.iter().any(|mapping| old.get(&mapping.subnet).is_some_and(|old| mapping.differs(old)));
            readdressed || removes && !new_subnets.is_subset(&old_subnets)
        }
    }
}

/// The requested Elastic IP addresses.
pub(super) fn elastic_ips(balancer: &LoadBalancer) -> Vec<String> {
    let mappings = balancer.subnet_mappings.iter().flatten();
    mappings.filter_map(|mapping| mapping.elastic_ip.as_ref()).map(|address| address.get().to_owned()).collect()
}

/// All addresses that a load balancer requests.
pub(super) fn addresses(balancer: &LoadBalancer) -> Vec<String> {
    balancer.mappings().iter().flat_map(SubnetMapping::addresses).collect()
}

/// Rules for the subnets of a load balancer.
pub(super) fn check(balancer: &LoadBalancer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(mappings) = &balancer.subnet_mappings else { return problems };
    if !balancer.subnets.is_empty() {
        let problem = Problem::new(LoadBalancer::POINTERS.subnet_mappings, "set either `subnets` or `subnet_mappings`, not both");
        problems.push(problem.help("list each subnet in `subnet_mappings`, with or without an address"));
    }
    if balancer.kind != LoadBalancerType::Network {
        let problem = Problem::new(LoadBalancer::POINTERS.subnet_mappings, "only network load balancers can have static addresses");
        problems.push(problem.help("list the subnets in `subnets`, or set `type: network`"));
    }
    let mut subnets = BTreeSet::new();
    for (at, mapping) in mappings.iter().enumerate() {
        let mut wrong = |field: Pointer, message: &str, help: &str| {
            problems.push(Problem::new(LoadBalancer::POINTERS.subnet_mappings.item(at).field(field), message).help(help));
        };
        if !subnets.insert(&mapping.subnet) {
            wrong(SubnetMapping::POINTERS.subnet, "this subnet is listed twice", "use one mapping per subnet, with all its addresses");
        }
        if balancer.internal && mapping.elastic_ip.is_some() {
            wrong(
                SubnetMapping::POINTERS.elastic_ip,
                "an internal load balancer has no public addresses",
                "use `private_ip`, or set `internal: false`",
            );
        }
        if !balancer.internal && mapping.private_ip.is_some() {
            wrong(
                SubnetMapping::POINTERS.private_ip,
                "only an internal load balancer can have a static private address",
                "set `internal: true`",
            );
        }
        if mapping.ipv6_address.is_some() && balancer.ip_address_type == AddressType::Ipv4 {
            wrong(
                SubnetMapping::POINTERS.ipv6_address,
                "a load balancer with `ip_address_type: ipv4` has no IPv6 address",
                "set `ip_address_type: dualstack`",
            );
        }
    }
    problems
}

impl LoadBalancer {
    /// Live setting for source addresses of IPv6 traffic, which acme does not manage, and which SetSubnets disables where it is left out:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_SetSubnets.html>.
    pub(super) async fn source_nat(&self, aws: &Aws, arn: &str) -> Result<Option<EnablePrefixForIpv6SourceNatEnum>> {
        if self.kind != LoadBalancerType::Network || self.ip_address_type == AddressType::Ipv4 {
            return Ok(None);
        }
        let reply = aws.elbv2.describe_load_balancers().load_balancer_arns(arn).send().await?;
        Ok(reply.load_balancers.into_iter().flatten().find_map(|balancer| balancer.enable_prefix_for_ipv6_source_nat))
    }

    pub(super) fn address_type(&self) -> IpAddressType {
        IpAddressType::from(to_aws(&self.ip_address_type).as_str())
    }

    /// Subnets, from either field.
    pub(super) fn mappings(&self) -> BTreeSet<SubnetMapping> {
        self.subnet_mappings.clone().unwrap_or_else(|| self.subnets.iter().cloned().map(SubnetMapping::of_subnet).collect())
    }

    pub(super) fn subnet_ids(&self) -> Option<Vec<String>> {
        self.subnet_mappings.is_none().then(|| referenced_ids(&self.subnets))
    }

    pub(super) fn sdk_mappings(&self) -> Option<Vec<SdkMapping>> {
        self.subnet_mappings.as_ref().map(|mappings| mappings.iter().map(SubnetMapping::to_sdk).collect())
    }
}
