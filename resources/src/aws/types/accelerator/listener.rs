//! Listeners of an accelerator, which AWS tells apart by protocol and ports.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_globalaccelerator::types as sdk;

use super::group::EndpointGroup;
use crate::{
    aws::{from_aws, to_aws},
    core::Result,
};

/// Ports of an accelerator, and where their traffic goes.
#[spec]
#[derive(PartialEq)]
pub struct AcceleratorListener {
    /// Protocol.
    #[field(default, important)]
    pub protocol: ListenerProtocol,
    /// Ports and ranges of ports, such as `443` and `8000-8080`.
    #[field(length = 1..=10, pattern = "[0-9]{1,5}(-[0-9]{1,5})?", important)]
    pub ports: BTreeSet<String>,
    /// Connections that go to the same endpoint.
    #[field(default)]
    pub client_affinity: ClientAffinity,
    /// Endpoints by region, such as `eu-west-1`.
    #[field(default, length = 0..=30, important)]
    pub groups: BTreeMap<String, EndpointGroup>,
}

/// Protocol of a listener.
#[spec]
#[derive(Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum ListenerProtocol {
    #[default]
    Tcp,
    Udp,
}

/// Connections that go to the same endpoint.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientAffinity {
    /// None: each connection is distributed for itself.
    #[default]
    None,
    /// Those of one client address.
    SourceIp,
}

/// The first and last port of a range; `None` if it is none.
pub(super) fn parse_ports(range: &str) -> Option<(u16, u16)> {
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let ports = (from.parse().ok()?, to.parse().ok()?);
    (ports.0 >= 1 && ports.0 <= ports.1).then_some(ports)
}

impl AcceleratorListener {
    /// Ranges of ports in the shape of the SDK.
    pub(super) fn port_ranges(&self) -> Vec<sdk::PortRange> {
        let ranges = self.ports.iter().filter_map(|range| parse_ports(range));
        ranges.map(|(from, to)| sdk::PortRange::builder().from_port(from.into()).to_port(to.into()).build()).collect()
    }
    pub(super) fn sdk_protocol(&self) -> sdk::Protocol {
        sdk::Protocol::from(to_aws(&self.protocol).as_str())
    }
    pub(super) fn sdk_affinity(&self) -> sdk::ClientAffinity {
        sdk::ClientAffinity::from(to_aws(&self.client_affinity).as_str())
    }
    /// The lowest port, whose health is checked unless another is set.
    pub(super) fn first_port(&self) -> u16 {
        self.ports.iter().filter_map(|range| parse_ports(range)).map(|(from, _)| from).min().unwrap_or_default()
    }
    /// Whether a port of both is the same.
    pub(super) fn overlaps(&self, other: &AcceleratorListener) -> bool {
        let ranges = |one: &AcceleratorListener| one.ports.iter().filter_map(|range| parse_ports(range)).collect::<Vec<_>>();
        let others = ranges(other);
        let overlap = |(from, to): (u16, u16)| others.iter().any(|other| from <= other.1 && other.0 <= to);
        self.protocol == other.protocol && ranges(self).into_iter().any(overlap)
    }

    /// The listener without its groups.
    pub(super) fn read(listener: &sdk::Listener) -> Result<AcceleratorListener> {
        let range = |range: &sdk::PortRange| match (range.from_port.unwrap_or_default(), range.to_port.unwrap_or_default()) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}-{to}"),
        };
        Ok(AcceleratorListener {
            protocol: listener.protocol.as_ref().map(|protocol| from_aws(protocol.as_str())).transpose()?.unwrap_or_default(),
            ports: listener.port_ranges().iter().map(range).collect(),
            client_affinity: listener.client_affinity.as_ref().map(|one| from_aws(one.as_str())).transpose()?.unwrap_or_default(),
            groups: BTreeMap::new(),
        })
    }
}

/// For each of the wanted listeners, the index of the live one that it describes: one with the same ports, or with some of them.
pub(super) fn matching(wanted: &[AcceleratorListener], live: &[AcceleratorListener]) -> Vec<Option<usize>> {
    let mut free: BTreeSet<usize> = (0..live.len()).collect();
    let mut matches = vec![None; wanted.len()];
    for exact in [true, false] {
        for (wanted, found) in wanted.iter().zip(&mut matches).filter(|(_, found)| found.is_none()) {
            let fits = |index: &usize| match exact {
                true => live[*index].protocol == wanted.protocol && live[*index].ports == wanted.ports,
                false => live[*index].overlaps(wanted),
            };
            *found = free.iter().copied().find(fits);
            if let Some(index) = *found {
                free.remove(&index);
            }
        }
    }
    matches
}

/// Gives live listeners the order of the wanted ones, and values that AWS does not report, or fills in.
pub(super) fn adopt_order(wanted: &[AcceleratorListener], live: &mut Vec<AcceleratorListener>) {
    let matches = matching(wanted, live);
    let mut rest: Vec<Option<AcceleratorListener>> = std::mem::take(live).into_iter().map(Some).collect();
    for (wanted, found) in wanted.iter().zip(matches) {
        let Some(mut listener) = found.and_then(|index| rest[index].take()) else { continue };
        for (region, group) in &mut listener.groups {
            if let Some(wanted) = wanted.groups.get(region) {
                wanted.adopt_unreported(group);
            }
        }
        live.push(listener);
    }
    live.extend(rest.into_iter().flatten());
}
