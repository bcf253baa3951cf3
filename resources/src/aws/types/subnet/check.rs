//! Rules between a subnet and its VPC or region.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Subnet;
use crate::core::{Address, Cidr, Declared, Pointer, Problem, Ref, Resource};

/// A subnet's range is inside a range of its VPC, and its zone belongs to the stack's region.
pub(super) fn check(declared: &Declared<'_, Subnet>) -> Vec<Problem> {
    let Some(subnet) = declared.spec() else { return Vec::new() };
    let address = declared.address();
    let mut problems = Vec::new();
    if let (Some(range), Some((home, vpc))) = (subnet.cidr.range(), declared.referenced(&subnet.vpc)) {
        let ranges: Vec<IpNet> = vpc.secondary_cidrs.iter().chain([&vpc.cidr]).filter_map(Cidr::range).collect();
        if !ranges.is_empty() && !ranges.iter().any(|whole| whole.contains(&range)) {
            let all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            let message = format!("`{address}` ({range}) is outside `{home}` ({})", all.join(", "));
            let help = format!("choose a range inside {}, or add one to the VPC's `secondary_cidrs`", all.join(" or "));
            problems.push(Problem::new(Subnet::POINTERS.cidr, message).help(help).code("subnet-range"));
        }
    }
    problems.extend(check_ipv6(declared, &subnet));
    let zone = &subnet.availability_zone;
    if let Some(region) = declared.region().filter(|region| !zone.contains("${") && !is_zone_of(zone, region)) {
        let message = format!("`{address}` is in the zone `{zone}`, which region `{region}` does not have");
        let letter = zone.chars().last().filter(char::is_ascii_lowercase).unwrap_or('a');
        let help = format!("a zone of this region looks like `{region}{letter}`");
        problems.push(Problem::new(Subnet::POINTERS.availability_zone, message).help(help).code("zone"));
    }
    problems
}

/// The VPC has an IPv6 range, and the range with this number.
fn check_ipv6(declared: &Declared<'_, Subnet>, subnet: &Subnet) -> Option<Problem> {
    let index = subnet.ipv6_index?;
    let (home, vpc) = declared.referenced(&subnet.vpc)?;
    let at = Subnet::POINTERS.ipv6_index;
    let Some(ipv6) = &vpc.ipv6 else {
        let help = format!("add `ipv6: {{}}` to `{home}`, or remove `ipv6_index`");
        return Some(Problem::new(at, format!("`{home}` has no IPv6 range")).help(help));
    };
    let length = ipv6.known_prefix_length()?;
    let count = 1_u64.checked_shl(64_u32.saturating_sub(length.into()))?;
    let message = format!("the /{length} range of `{home}` has only {count} ranges for subnets");
    (u64::from(index) >= count).then(|| Problem::new(at, message).help(format!("choose a number from 0 to {}", count - 1)))
}

/// The subnets by availability zone; `None` if a zone is unknown, because a subnet is outside the stack.
fn by_zone<'s, R: Resource>(
    declared: &Declared<'_, R>,
    subnets: impl IntoIterator<Item = &'s Ref<Subnet>>,
) -> Option<BTreeMap<String, Vec<Address>>> {
    let mut zones: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    for subnet in subnets {
        let (address, subnet) = declared.referenced(subnet)?;
        let zone = Some(subnet.availability_zone).filter(|zone| !zone.contains("${"))?;
        zones.entry(zone).or_default().push(address);
    }
    Some(zones)
}

/// Problems of subnets that share a zone, where each needs its own.
pub fn shared_zones<'s, R: Resource>(
    declared: &Declared<'_, R>,
    at: &Pointer,
    subnets: impl IntoIterator<Item = &'s Ref<Subnet>>,
) -> Vec<Problem> {
    let shared = by_zone(declared, subnets).unwrap_or_default().into_iter().filter(|(_, subnets)| subnets.len() > 1);
    let problem = |(zone, subnets): (String, Vec<Address>)| {
        let names = subnets.iter().map(|subnet| format!("`{subnet}`")).collect::<Vec<_>>().join(" and ");
        Problem::new(at.clone(), format!("{names} are in the same availability zone, `{zone}`")).help("keep one per zone")
    };
    shared.map(problem).collect()
}

/// Problem of subnets that are all in one zone, where `user` needs two.
pub fn single_zone<'s, R: Resource>(
    declared: &Declared<'_, R>,
    at: Pointer,
    subnets: impl IntoIterator<Item = &'s Ref<Subnet>>,
    user: &str,
) -> Option<Problem> {
    let zones = by_zone(declared, subnets)?;
    let (zone, first) = zones.first_key_value()?;
    let message = format!("{user} needs subnets in at least two availability zones, but all of these are in `{zone}`");
    (zones.len() == 1 && first.len() > 1).then(|| Problem::new(at, message).help("list subnets of at least two zones"))
}

/// Whether a zone belongs to a region. Local and wavelength zones have a longer suffix: `us-east-1-bos-1a`.
fn is_zone_of(zone: &str, region: &str) -> bool {
    let rest = zone.strip_prefix(region);
    rest.is_some_and(|rest| (rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase())) || rest.starts_with('-'))
}
