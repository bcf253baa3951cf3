//! Rules between the fields of an accelerator.

use super::{super::prelude::*, Accelerator, AcceleratorListener, EndpointGroup, HealthProbe, ProbeProtocol, listener::parse_ports};
use crate::core::{Pointer, is_region_name};

pub(super) fn check(spec: &Accelerator) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, listener) in spec.listeners.iter().enumerate() {
        let place = || Accelerator::POINTERS.listeners.item(at);
        let ports = || place().field(AcceleratorListener::POINTERS.ports);
        for range in &listener.ports {
            match (parse_ports(range), range.split_once('-')) {
                (None, _) => problems.push(Problem::new(ports(), format!("`{range}` is not a port or a range of ports"))),
                (Some((from, to)), Some(_)) if from == to => {
                    problems.push(Problem::new(ports(), format!("`{range}` is a single port")).help(format!("write `{from}`")));
                }
                _ => {}
            }
        }
        if let Some(other) = spec.listeners[..at].iter().position(|other| other.overlaps(listener)) {
            problems.push(Problem::new(ports(), format!("some of these ports are those of listener {}, too", other + 1)));
        }
        for (region, group) in &listener.groups {
            let group_place = || place().field(AcceleratorListener::POINTERS.groups).item(region);
            check_group(listener, region, group, &group_place, &mut problems);
        }
    }
    problems
}

fn check_group(
    listener: &AcceleratorListener,
    region: &str,
    group: &EndpointGroup,
    place: &dyn Fn() -> Pointer,
    problems: &mut Vec<Problem>,
) {
    if !is_region_name(region) {
        problems.push(Problem::new(place(), format!("`{region}` is not a valid region")).help("a region looks like `eu-west-1`"));
    }
    let mut ids = std::collections::BTreeSet::new();
    if let Some(endpoint) = group.endpoints.iter().find(|endpoint| !ids.insert(&endpoint.id)) {
        problems.push(Problem::new(place().field(EndpointGroup::POINTERS.endpoints), format!("`{}` is listed twice", endpoint.id)));
    }
    for (port, target) in &group.port_overrides {
        let at = || place().field(EndpointGroup::POINTERS.port_overrides).item(port);
        let is_listened = port.parse().is_ok_and(|port: u16| {
            listener.ports.iter().filter_map(|range| parse_ports(range)).any(|(from, to)| (from..=to).contains(&port))
        });
        if !is_listened {
            problems.push(Problem::new(at(), format!("{port} is not a port of the listener")));
        }
        if *target == 0 {
            problems.push(Problem::new(at(), "must be a port from 1 to 65535"));
        }
    }
    if group.health_check.protocol == ProbeProtocol::Tcp && group.health_check.path != "/" {
        let at = place().field(EndpointGroup::POINTERS.health_check).field(HealthProbe::POINTERS.path);
        problems.push(Problem::new(at, "a check with TCP has no path").help("set `protocol: HTTP`"));
    }
}

pub(super) fn check_declared(declared: &Declared<'_, Accelerator>) -> Vec<Problem> {
    let mut problems = Vec::new();
    // https://docs.aws.amazon.com/general/latest/gr/global_accelerator.html
    if let Some(region) = declared.region().filter(|region| partition(region) != "aws") {
        problems.push(Problem::new(Pointer::ROOT, format!("Global Accelerator does not exist in the partition of {region}")));
    }
    problems
}
