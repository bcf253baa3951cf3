//! Rules between the fields of a file system.

use std::collections::BTreeMap;

use super::{
    super::{prelude::*, subnet::Subnet},
    FileSystem, IpAddressType, Lifecycle, MountTarget, PerformanceMode, ThroughputMode,
};

pub(super) fn check(system: &FileSystem) -> Vec<Problem> {
    let mut problems = Vec::new();
    if (system.throughput_mode == ThroughputMode::Provisioned) != system.provisioned_mibps.is_some() {
        problems.push(Problem::new(FileSystem::POINTERS.provisioned_mibps, "is for `throughput_mode: provisioned`, which requires it"));
    }
    if system.performance_mode == PerformanceMode::MaxIo && system.throughput_mode == ThroughputMode::Elastic {
        problems.push(Problem::new(FileSystem::POINTERS.performance_mode, "elastic throughput goes with `general_purpose`"));
    }
    if system.performance_mode == PerformanceMode::MaxIo && system.availability_zone.is_some() {
        problems.push(Problem::new(FileSystem::POINTERS.performance_mode, "One Zone file systems have `general_purpose`"));
    }
    let Lifecycle { infrequent_access_days, archive_days, .. } = &system.lifecycle;
    let archive_at = || FileSystem::POINTERS.lifecycle.field(Lifecycle::POINTERS.archive_days);
    if archive_days.is_some() && (system.throughput_mode != ThroughputMode::Elastic || system.availability_zone.is_some()) {
        let problem = Problem::new(archive_at(), "Archive is for regional file systems with elastic throughput");
        problems.push(problem.help("set `throughput_mode: elastic`"));
    }
    if infrequent_access_days.zip(*archive_days).is_some_and(|(cold, archive)| archive <= cold) {
        problems.push(Problem::new(archive_at(), "must be more than `infrequent_access_days`"));
    }
    if system.availability_zone.is_some() && system.mount_targets.len() > 1 {
        problems.push(Problem::new(FileSystem::POINTERS.mount_targets, "a One Zone file system has one mount target, in its zone"));
    }
    let mut subnets = BTreeMap::new();
    for (index, target) in system.mount_targets.iter().enumerate() {
        let place = FileSystem::POINTERS.mount_targets.item(index);
        if subnets.insert(&target.subnet, index).is_some() {
            problems
                .push(Problem::new(place.clone().field(MountTarget::POINTERS.subnet), "a subnet has one mount target of a file system"));
        }
        for (pointer, is_set, other) in [
            (MountTarget::POINTERS.ip_address, target.ip_address.is_some(), IpAddressType::Ipv6Only),
            (MountTarget::POINTERS.ipv6_address, target.ipv6_address.is_some(), IpAddressType::Ipv4Only),
        ] {
            if is_set && target.ip_address_type == other {
                problems.push(Problem::new(place.clone().field(pointer), "does not go with this `ip_address_type`"));
            }
        }
    }
    problems
}

/// AWS accepts one mount target for each zone, and one in the zone of a One Zone file system.
pub(super) fn check_declared(declared: &Declared<'_, FileSystem>) -> Vec<Problem> {
    let Some(system) = declared.spec() else { return Vec::new() };
    let mut problems = Vec::new();
    let mut zones = BTreeMap::new();
    for (index, target) in system.mount_targets.iter().enumerate() {
        let Some((address, subnet)) = declared.referenced::<Subnet, _>(&target.subnet) else { continue };
        let at = FileSystem::POINTERS.mount_targets.item(index).field(MountTarget::POINTERS.subnet);
        let zone = subnet.availability_zone;
        if zone.contains("${") {
            continue;
        }
        if system.availability_zone.as_ref().is_some_and(|own| !own.contains("${") && *own != zone) {
            problems.push(Problem::new(at.clone(), format!("`{address}` is in {zone}, and the file system is not")));
        }
        if let Some(other) = zones.insert(zone.clone(), address.clone())
            && other != address
        {
            let problem = Problem::new(at, format!("`{other}` and `{address}` are both in {zone}, and a zone has one mount target"));
            problems.push(problem.help("clients of all subnets of a zone use the same mount target"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(spec: &Value) -> Vec<String> {
        let system: FileSystem = serde_json::from_value(spec.clone()).unwrap_or_else(|error| panic!("{spec}: {error}"));
        check(&system).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn reports_settings_that_do_not_go_together() {
        let target = |more: Value| {
            let mut target = json!({ "subnet": "a", "security_groups": ["files"] });
            target.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            target
        };
        for (spec, at) in [
            (json!({ "throughput_mode": "elastic", "lifecycle": { "infrequent_access_days": 30, "archive_days": 90 } }), None),
            (json!({ "mount_targets": [target(json!({ "ip_address": "10.0.0.9" }))] }), None),
            (json!({ "throughput_mode": "provisioned" }), Some("/provisioned_mibps")),
            (json!({ "provisioned_mibps": 10 }), Some("/provisioned_mibps")),
            (json!({ "performance_mode": "max_io", "throughput_mode": "elastic" }), Some("/performance_mode")),
            (json!({ "lifecycle": { "archive_days": 90 } }), Some("/lifecycle/archive_days")),
            (
                json!({ "throughput_mode": "elastic", "lifecycle": { "infrequent_access_days": 30, "archive_days": 30 } }),
                Some("/lifecycle/archive_days"),
            ),
            (json!({ "mount_targets": [target(json!({ "ipv6_address": "2001:db8::9" }))] }), Some("/mount_targets/0/ipv6_address")),
            (json!({ "mount_targets": [target(json!({})), target(json!({ "ip_address": "10.0.0.9" }))] }), Some("/mount_targets/1/subnet")),
        ] {
            assert_eq!(problems(&spec).first().map(String::as_str), at, "{spec}");
        }
    }
}
