//! Resources at a new address: the key of an entry has changed, but not the resource.
//!
//! `moved: {vpc.old: vpc.new}` in the definition says so. Without it, a resource that is no longer declared has moved to a declared one that does
//! not exist, if both have the same unique key, or if they don't differ and no other resource comes into question. A move changes the ownership
//! tags.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    NullMeans, diff,
    matching::{MatchedResources, resolve, resolve_spec},
};
use crate::{
    core::{Address, LiveResource, ResourceType},
    definition::{DesiredResource, Stack},
};

/// Moves live resources to their new addresses.
pub(super) fn apply_moves(stack: &Stack, matched: &mut MatchedResources<'_>) {
    // The address of a resource may be all that distinguishes those that refer to it, so these follow.
    loop {
        let moves = next_moves(stack, matched);
        if moves.is_empty() {
            return;
        }
        for (from, to) in moves {
            // Two resources may be stated to move to the same address: the first one does.
            if !matched.live.contains_key(&to)
                && let Some(live) = matched.live.remove(&from)
            {
                matched.live.insert(to, live);
            }
        }
    }
}

/// Moves that are known now: all that the definition states, else those by unique keys, else those of equal resources.
fn next_moves(stack: &Stack, matched: &MatchedResources<'_>) -> Vec<(Address, Address)> {
    let stated = stack.moved.iter().filter(|(from, to)| matched.live.contains_key(*from) && !matched.live.contains_key(*to));
    let stated: Vec<(Address, Address)> = stated.map(|(from, to)| (from.clone(), to.clone())).collect();
    if !stated.is_empty() {
        return stated;
    }
    let leaving: Vec<(&Address, &LiveResource)> = matched
        .live
        .iter()
        .filter(|(address, _)| !stack.resources.contains_key(*address))
        .map(|(address, live)| (address, *live))
        .collect();
    if leaving.is_empty() {
        return Vec::new();
    }
    let missing = stack.resources.values().filter(|declared| !matched.live.contains_key(&declared.address));
    let mut same_key: BTreeMap<&Address, &Address> = BTreeMap::new();
    let mut equal: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    for declared in missing {
        let mut wanted: Option<Value> = None;
        for (from, live) in &leaving {
            if from.type_name != declared.address.type_name || declared.region != live.region {
                continue;
            }
            // A set of references has another order once they are resolved.
            let wanted = wanted.get_or_insert_with(|| {
                let spec = resolve_spec(declared, &matched.live);
                declared.resource_type.operations.parse(&spec).unwrap_or(spec)
            });
            if declared.resource_type.has_same_key(wanted, &live.spec) {
                same_key.entry(from).or_insert(&declared.address);
                break;
            }
            if is_same(declared, wanted, live, &matched.live) {
                equal.entry(&declared.address).or_default().push(from);
            }
        }
    }
    if !same_key.is_empty() {
        return same_key.into_iter().map(|(from, to)| (from.clone(), to.clone())).collect();
    }
    let mut candidates: BTreeMap<&Address, usize> = BTreeMap::new();
    for from in equal.values().flatten() {
        *candidates.entry(from).or_default() += 1;
    }
    let only = equal.iter().filter_map(|(to, all)| match all.as_slice() {
        [from] if candidates.get(from) == Some(&1) => Some(((*from).clone(), (*to).clone())),
        _ => None,
    });
    only.collect()
}

/// Whether the ranges of two resources of a type overlap, so that they can't both exist.
pub(super) fn ranges_overlap(kind: &ResourceType, wanted: &Value, live: &Value) -> bool {
    let Some(key) = &kind.overlap_key else { return false };
    let range = |spec: &Value| spec.pointer(key.range)?.as_str()?.parse::<ipnet::IpNet>().ok();
    let is_same = key.others.iter().all(|field| wanted.pointer(field) == live.pointer(field));
    let overlap = range(wanted).zip(range(live)).is_some_and(|(a, b)| a.contains(&b) || b.contains(&a));
    is_same && overlap
}

/// Whether a live resource is as desired, apart from a name that acme chose by its address.
fn is_same(declared: &DesiredResource, wanted: &Value, live: &LiveResource, known: &BTreeMap<Address, &LiveResource>) -> bool {
    let kind = declared.resource_type;
    // What the spec says about the resource itself is about the one that moves.
    let renamed = declared.self_referring.as_ref().and_then(|_| live.spec.get("name")?.as_str()).map(|name| {
        let spec = resolve(&declared.spec_with_name(name), known);
        kind.operations.parse(&spec).unwrap_or(spec)
    });
    let wanted = renamed.as_ref().unwrap_or(wanted);
    let fields = diff(wanted, &kind.comparable(wanted, &live.spec), &[], NullMeans::Unmanaged);
    fields.iter().all(|field| field.pointer == "/name" && declared.has_generated_name)
}
