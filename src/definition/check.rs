//! Rules that need more than one resource, or the stack, to tell.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Declared, Stack, compiler::Compiler, diagnostic::Diagnostic};
use crate::core::expression::references;

/// A region's name, such as `eu-west-1`. Answers what must have been meant, for what follows; `None` when that is not clear.
pub fn region(c: &mut Compiler<'_>, name: String) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let fits = parts.len() >= 3
        && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    if fits {
        return Some(name);
    }
    let zone = name.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let help = zone.map_or_else(|| "a region reads like `eu-west-1`".into(), |region| format!("this is a zone: write `{region}`"));
    c.problem("region", "/region", format!("`{name}` is no region"), help);
    zone.map(str::to_owned)
}

/// All rules across resources.
pub fn across(c: &mut Compiler<'_>, stack: &Stack) {
    subnets(c, stack);
    zones(c, stack);
    names(c, stack);
}

fn range(declared: &Declared, field: &str) -> Option<Ipv4Net> {
    declared.spec.get(field)?.as_str()?.parse().ok()
}

/// Subnets lie within their VPC and apart from each other. One sorted sweep per VPC.
fn subnets(c: &mut Compiler<'_>, stack: &Stack) {
    let mut by_vpc: BTreeMap<String, Vec<(Ipv4Net, &Declared)>> = BTreeMap::new();
    for declared in stack.resources.values().filter(|d| d.kind.name == "subnet") {
        let vpc = declared.spec.pointer("/vpc/id").and_then(Value::as_str);
        if let Some((vpc, range)) = vpc.zip(range(declared, "cidr")) {
            by_vpc.entry(vpc.to_owned()).or_default().push((range, declared));
        }
    }
    for (vpc, mut list) in by_vpc {
        let home =
            references(&vpc).first().filter(|r| r.kind == "vpc").and_then(|r| stack.resources.get(&super::Address::new(r.kind, r.name)));
        if let Some(home) = home {
            let secondary = home.spec.get("secondary_cidrs").and_then(Value::as_array).into_iter().flatten();
            let ranges: Vec<Ipv4Net> = secondary.filter_map(|v| v.as_str()?.parse().ok()).chain(range(home, "cidr")).collect();
            for (range, subnet) in list.iter().filter(|(range, _)| !ranges.is_empty() && !ranges.iter().any(|r| r.contains(range))) {
                let all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                let message = format!("`{}` ({range}) does not lie within `{}` ({})", subnet.address, home.address, all.join(", "));
                let place = c.place(&format!("{}/cidr", subnet.at));
                let problem = Diagnostic::new("subnet-range", message).at(place);
                c.found
                    .push(problem.help(format!("choose a range within {}, or add one to the VPC's `secondary_cidrs`", all.join(" or "))));
            }
        }
        list.sort_by_key(|(range, _)| (range.network(), range.prefix_len()));
        let mut widest: Option<(Ipv4Net, &Declared)> = None;
        for (range, subnet) in list {
            if let Some((other_range, other)) = widest.filter(|(other, _)| other.broadcast() >= range.network()) {
                let message = format!("`{}` ({range}) overlaps `{}` ({other_range})", subnet.address, other.address);
                let place = c.place(&format!("{}/cidr", subnet.at));
                c.found.push(Diagnostic::new("subnet-overlap", message).at(place).help("give each subnet a range of its own"));
            }
            if widest.is_none_or(|(other, _)| range.broadcast() > other.broadcast()) {
                widest = Some((range, subnet));
            }
        }
    }
}

/// Zones belong to the stack's region.
fn zones(c: &mut Compiler<'_>, stack: &Stack) {
    let Some(region) = &stack.region else { return };
    for declared in stack.resources.values() {
        let Some(zone) = declared.spec.get("availability_zone").and_then(Value::as_str).filter(|zone| !zone.contains("${")) else {
            continue;
        };
        // Local and wavelength zones carry more after the region: `us-east-1-bos-1a`.
        let letter = zone.strip_prefix(region.as_str());
        let fits = letter.is_some_and(|rest| (rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase())) || rest.starts_with('-'));
        if !fits {
            let place = c.place(&format!("{}/availability_zone", declared.at));
            let message = format!("`{}` is in the zone `{zone}`, which region `{region}` does not have", declared.address);
            let letter = zone.chars().last().filter(char::is_ascii_lowercase).unwrap_or('a');
            c.found.push(Diagnostic::new("zone", message).at(place).help(format!("a zone of this region reads like `{region}{letter}`")));
        }
    }
}

/// Physical names are unique within a type.
fn names(c: &mut Compiler<'_>, stack: &Stack) {
    let mut seen: BTreeMap<(&str, String), &Declared> = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for declared in stack.resources.values().filter(|d| d.kind.naming.is_some()) {
        let Some(name) = declared.spec.get("name").and_then(Value::as_str) else { continue };
        // Some names are unique only within their parent: a node group's within its cluster.
        let parent = declared.kind.parent.and_then(|parent| {
            let fields = declared.spec.as_object()?.values();
            let of_parent = |value: &Value| value.as_object().and_then(|map| map.values().next()?.as_str().map(str::to_owned));
            fields.filter_map(of_parent).find(|text| text.starts_with(&format!("${{{parent}.")))
        });
        let key = (declared.kind.name, format!("{}\0{name}", parent.unwrap_or_default()));
        if let Some(other) = seen.insert(key, declared)
            && reported.insert(declared.address.clone())
        {
            let place = c.place(&format!("{}/name", declared.at));
            let message = format!("`{}` and `{}` have the same physical name `{name}`", other.address, declared.address);
            c.found.push(Diagnostic::new("duplicate-name", message).at(place).help("set another `name`, or leave it to acme"));
        }
    }
}
