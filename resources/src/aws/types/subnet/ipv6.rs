//! The IPv6 range of a subnet: a numbered part of its VPC's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as ec2;
use ipnet::{IpNet, Ipv6Net};

use crate::{
    aws::{
        Aws, Cx,
        types::vpc::ipv6::{self, is_subnets_own, subnet_range},
    },
    core::{Error, ErrorKind, Phase, Result, ok_or_not_found},
};

/// Prefix length of every subnet's range.
const PREFIX: u8 = 64;

/// The range of a subnet.
pub(super) fn range(subnet: &ec2::Subnet) -> Option<Ipv6Net> {
    subnet.ipv6_cidr_block_association_set().iter().find(is_subnets_own).and_then(subnet_range)
}

/// The phase of its range, while AWS adds or removes it.
pub(super) fn phase(subnet: &ec2::Subnet) -> Option<Phase> {
    let states = subnet.ipv6_cidr_block_association_set().iter();
    let mut states = states.filter_map(|association| association.ipv6_cidr_block_state.as_ref()?.state.as_ref());
    states.find(|state| state.as_str().ends_with("ing")).map(|state| Phase::Progressing(state.as_str().to_owned()))
}

/// The part of a range with this number.
pub(super) fn part(whole: Ipv6Net, index: u32) -> Result<Ipv6Net> {
    let bits = u32::from(PREFIX.saturating_sub(whole.prefix_len()));
    let refused = |message: String| Error::new(ErrorKind::Rejected, "InvalidSubnet.Range", message);
    if u64::from(index).checked_shr(bits).unwrap_or_default() != 0 {
        return Err(refused(format!("the VPC's IPv6 range {whole} has no /{PREFIX} range with the number {index}")));
    }
    let address = u128::from(whole.network()) | (u128::from(index) << (128 - u32::from(PREFIX)));
    Ipv6Net::new(address.into(), PREFIX).map_err(|error| refused(error.to_string()))
}

/// Number of a part; `None` if it is not one.
pub(super) fn index(whole: Ipv6Net, part: Ipv6Net) -> Option<u32> {
    let offset = u128::from(part.network()).checked_sub(u128::from(whole.network()))?;
    let is_part = part.prefix_len() == PREFIX && IpNet::V6(whole).contains(&IpNet::V6(part));
    is_part.then(|| u32::try_from(offset >> (128 - u32::from(PREFIX))).ok()).flatten()
}

/// IPv6 ranges of the VPCs of those subnets that have one, by id.
pub(super) async fn ranges_of_vpcs(aws: &Aws, subnets: &[ec2::Subnet]) -> Result<BTreeMap<String, Ipv6Net>> {
    let ids: BTreeSet<&str> = subnets.iter().filter(|subnet| range(subnet).is_some()).filter_map(|subnet| subnet.vpc_id()).collect();
    ipv6::ranges(aws, ids).await
}

/// IPv6 range of a VPC.
pub(super) async fn range_of_vpc(cx: &Cx<'_>, vpc: &str) -> Result<Ipv6Net> {
    let range = ipv6::ranges(cx.api, [vpc].into()).await?.remove(vpc);
    range.ok_or_else(|| Error::new(ErrorKind::Rejected, "InvalidSubnet.Range", format!("{vpc} has no IPv6 range")))
}

/// Gives a subnet another range, or none. A subnet has at most one.
pub(super) async fn change(cx: &Cx<'_>, id: &str, vpc: &str, wanted: Option<u32>) -> Result<()> {
    let wanted = match wanted {
        Some(index) => Some(part(range_of_vpc(cx, vpc).await?, index)?),
        None => None,
    };
    let subnets = cx.ec2.describe_subnets().subnet_ids(id).send().await?.subnets.unwrap_or_default();
    let subnet = subnets.first().ok_or_else(|| Error::missing_field("Subnet"))?;
    let (kept, removed): (Vec<_>, Vec<_>) =
        subnet.ipv6_cidr_block_association_set().iter().filter(is_subnets_own).partition(|a| subnet_range(a) == wanted);
    for association in removed {
        let call = cx.ec2.disassociate_subnet_cidr_block().set_association_id(association.association_id.clone());
        ok_or_not_found(call.send().await)?;
    }
    if let Some(range) = wanted.filter(|_| kept.is_empty()) {
        cx.ec2.associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(range.to_string()).send().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_a_part_of_the_range() -> Result<()> {
        let net = |text: &str| text.parse::<Ipv6Net>().unwrap_or_else(|error| panic!("{text}: {error}"));
        for (whole, number, expected) in [
            ("2001:db8:1:100::/56", 0, "2001:db8:1:100::/64"),
            ("2001:db8:1:100::/56", 255, "2001:db8:1:1ff::/64"),
            ("2001:db8:10::/44", 0x000f_ffff, "2001:db8:1f:ffff::/64"),
            ("2001:db8::/64", 0, "2001:db8::/64"),
        ] {
            assert_eq!(part(net(whole), number)?, net(expected));
            assert_eq!(index(net(whole), net(expected)), Some(number));
        }
        assert!(part(net("2001:db8:1:100::/56"), 256).is_err());
        assert_eq!(index(net("2001:db8:1:100::/56"), net("2001:db8:1:200::/64")), None);
        assert_eq!(index(net("2001:db8:1:100::/56"), net("2001:db8:1:100::/60")), None);
        Ok(())
    }
}
