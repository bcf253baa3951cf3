//! Rules across several resources, or about the stack.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic};
use crate::core::expression::references;

/// Checks all rules across resources.
pub fn check_all(c: &mut Compiler<'_>, stack: &Stack) {
    check_subnets(c, stack);
    check_zones(c, stack);
    check_names(c, stack);
}

fn ipv4_range(declared: &DesiredResource, field: &str) -> Option<Ipv4Net> {
    declared.spec.get(field)?.as_str()?.parse().ok()
}

/// Checks that subnets are inside their VPC and don't overlap, in one sorted sweep per VPC.
fn check_subnets(c: &mut Compiler<'_>, stack: &Stack) {
    let mut by_vpc: BTreeMap<String, Vec<(Ipv4Net, &DesiredResource)>> = BTreeMap::new();
    for declared in stack.resources.values().filter(|d| d.resource_type.name == "subnet") {
        let vpc = declared.spec.pointer("/vpc/id").and_then(Value::as_str);
        if let Some((vpc, range)) = vpc.zip(ipv4_range(declared, "cidr")) {
            by_vpc.entry(vpc.to_owned()).or_default().push((range, declared));
        }
    }
    for (vpc, mut list) in by_vpc {
        let home = references(&vpc)
            .first()
            .filter(|r| r.type_name == "vpc")
            .and_then(|r| stack.resources.get(&super::Address::new(r.type_name, r.name)));
        if let Some(home) = home {
            let secondary = home.spec.get("secondary_cidrs").and_then(Value::as_array).into_iter().flatten();
            let ranges: Vec<Ipv4Net> = secondary.filter_map(|v| v.as_str()?.parse().ok()).chain(ipv4_range(home, "cidr")).collect();
            for (range, subnet) in list.iter().filter(|(range, _)| !ranges.is_empty() && !ranges.iter().any(|r| r.contains(range))) {
                let all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                let message = format!("`{}` ({range}) is outside `{}` ({})", subnet.address, home.address, all.join(", "));
                let place = c.value_range(&format!("{}/cidr", subnet.pointer));
                let problem = Diagnostic::new("subnet-range", message).at(place);
                c.problems
                    .push(problem.help(format!("choose a range inside {}, or add one to the VPC's `secondary_cidrs`", all.join(" or "))));
            }
        }
        list.sort_by_key(|(range, _)| (range.network(), range.prefix_len()));
        let mut widest: Option<(Ipv4Net, &DesiredResource)> = None;
        for (range, subnet) in list {
            if let Some((other_range, other)) = widest.filter(|(other, _)| other.broadcast() >= range.network()) {
                let message = format!("`{}` ({range}) overlaps `{}` ({other_range})", subnet.address, other.address);
                let place = c.value_range(&format!("{}/cidr", subnet.pointer));
                c.problems.push(Diagnostic::new("subnet-overlap", message).at(place).help("give each subnet its own range"));
            }
            if widest.is_none_or(|(other, _)| range.broadcast() > other.broadcast()) {
                widest = Some((range, subnet));
            }
        }
    }
}

/// Checks that zones belong to the region of their resource.
fn check_zones(c: &mut Compiler<'_>, stack: &Stack) {
    for declared in stack.resources.values() {
        let Some(region) = declared.region.as_ref().or(stack.region.as_ref()) else { continue };
        let Some(zone) = declared.spec.get("availability_zone").and_then(Value::as_str).filter(|zone| !zone.contains("${")) else {
            continue;
        };
        // Local and wavelength zones have a longer suffix: `us-east-1-bos-1a`.
        let letter = zone.strip_prefix(region.as_str());
        let fits = letter.is_some_and(|rest| (rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase())) || rest.starts_with('-'));
        if !fits {
            let place = c.value_range(&format!("{}/availability_zone", declared.pointer));
            let message = format!("`{}` is in the zone `{zone}`, which region `{region}` does not have", declared.address);
            let letter = zone.chars().last().filter(char::is_ascii_lowercase).unwrap_or('a');
            c.problems
                .push(Diagnostic::new("zone", message).at(place).help(format!("a zone of this region looks like `{region}{letter}`")));
        }
    }
}

/// Checks that physical names are unique within a type.
fn check_names(c: &mut Compiler<'_>, stack: &Stack) {
    let mut seen: BTreeMap<(&str, Option<&str>, String), &DesiredResource> = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for declared in stack.resources.values().filter(|d| d.resource_type.naming.is_some()) {
        let Some(name) = declared.spec.get("name").and_then(Value::as_str) else { continue };
        // Some names are unique only within a parent, such as a node group's within its cluster.
        let parent = declared.resource_type.parent.and_then(|parent| {
            let fields = declared.spec.as_object()?.values();
            let of_parent = |value: &Value| value.as_object().and_then(|map| map.values().next()?.as_str().map(str::to_owned));
            fields.filter_map(of_parent).find(|text| text.starts_with(&format!("${{{parent}.")))
        });
        let region = declared.region.as_deref().filter(|_| declared.resource_type.has_names_by_region());
        let key = (declared.resource_type.name, region, format!("{}\0{name}", parent.unwrap_or_default()));
        if let Some(other) = seen.insert(key, declared)
            && reported.insert(declared.address.clone())
        {
            let place = c.value_range(&format!("{}/name", declared.pointer));
            let message = format!("`{}` and `{}` have the same physical name `{name}`", other.address, declared.address);
            c.problems
                .push(Diagnostic::new("duplicate-name", message).at(place).help("set another `name`, or remove it to use a generated one"));
        }
    }
}
