//! Matches live and declared resources: by ownership tags, otherwise by identity. A resource with a desired name but without ownership
//! tags is foreign.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{MovedFrom, moves, order::topological_order, taken_keys::TakenKeys};
use crate::{
    aws::types::resource_type,
    core::{Address, DataProtection, ENVIRONMENT_TAG, LiveResource, Phase, REGION_TAG, STACK_TAG, Tags, expression},
    definition::{DesiredResource, Stack},
    engine::discover::{LiveState, address_of, is_made_by_controller},
};

/// Live resources by their current or former address.
#[derive(Default)]
pub struct MatchedResources<'a> {
    /// One resource per address.
    pub live: BTreeMap<Address, &'a LiveResource>,
    /// Duplicates with the same ownership tags.
    pub left_over: Vec<&'a LiveResource>,
    /// Resources with a desired name that don't have the stack's ownership tags.
    pub foreign: Vec<ForeignResource>,
    /// Deleted resources of the stack within their recovery window.
    pub dormant: BTreeMap<Address, &'a LiveResource>,
    /// Former addresses of the resources that have moved, by the current ones.
    pub moves: BTreeMap<Address, MovedFrom>,
    /// Pairs of a resource that is no longer declared and a declared one that does not exist, with equal fields, which may be different
    /// resources all the same.
    pub look_alikes: Vec<(Address, Address)>,
}

/// Resource with a desired name that is not part of the stack.
pub struct ForeignResource {
    /// Declared resource with this name.
    pub address: Address,
    /// Physical id.
    pub id: String,
    /// Stack and environment in its ownership tags, if any; with the region, if that is another one.
    pub owner: Option<String>,
    /// Whether the same stack owns it in another region.
    pub is_in_other_region: bool,
}

impl<'a> MatchedResources<'a> {
    /// Matches declared resources to recorded ones that have lost the stack's ownership tags, so that others which refer to them don't change,
    /// and returns these.
    pub(super) fn find_lost(&mut self, stack: &Stack, live_state: &'a LiveState) -> Vec<(Address, &'a LiveResource)> {
        let mut found = Vec::new();
        for (recorded, live) in &live_state.lost {
            let address = stack.moved.get(recorded).unwrap_or(recorded);
            if stack.resources.contains_key(address) && !self.live.contains_key(address) {
                self.live.insert(address.clone(), live);
                self.foreign.retain(|foreign| foreign.address != *address);
                found.push((address.clone(), live));
            }
        }
        found
    }
}

/// Matches live resources to addresses. A resource that is no longer declared may have moved to another one.
pub fn match_resources<'a>(stack: &Stack, live_state: &'a LiveState) -> MatchedResources<'a> {
    match_and_move(stack, live_state, moves::apply_moves)
}

/// Same, for a stack that has only some of its resources: the others have not moved.
pub(super) fn match_part<'a>(part: &Stack, live_state: &'a LiveState) -> MatchedResources<'a> {
    match_and_move(part, live_state, |_, _| 0)
}

fn match_and_move<'a>(
    stack: &Stack,
    live_state: &'a LiveState,
    apply_moves: impl FnOnce(&Stack, &mut MatchedResources<'a>) -> usize,
) -> MatchedResources<'a> {
    let mut matched = MatchedResources { dormant: dormant_resources(stack, live_state), ..MatchedResources::default() };
    let mut untagged = Vec::new();
    let mut tagged: BTreeMap<Address, Vec<&LiveResource>> = BTreeMap::new();
    for live in live_state.iter().filter(|live| live.phase != Phase::Deleting) {
        let ours = stack.owns(&live.tags) && !is_made_by_controller(live);
        match address_of(live).filter(|address| ours && address.type_name == live.type_name) {
            Some(address) => tagged.entry(address).or_default().push(live),
            None => untagged.push((live, ours)),
        }
    }
    let (several, single): (BTreeMap<_, _>, BTreeMap<_, _>) = tagged.into_iter().partition(|(_, found)| found.len() > 1);
    matched.live.extend(single.into_iter().filter_map(|(address, found)| Some((address, found.into_iter().next()?))));
    match_duplicates(stack, live_state, several, &mut matched);
    apply_moves(stack, &mut matched);
    untagged.retain(|(live, _)| match find_by_identity(stack, &matched.live, live) {
        Some(declared) => matched.live.insert(declared.address.clone(), live).is_some(),
        None => true,
    });
    let mut others = Vec::new();
    for (live, ours) in untagged {
        // Resource at this address before its ownership tags were removed.
        let known = live_state.hints.known_ids.iter().find(|(address, id)| address.type_name == live.type_name && **id == live.id);
        if let Some((address, _)) = known.filter(|(address, _)| !ours && !matched.live.contains_key(*address))
            && !live.tags.contains_key(STACK_TAG)
        {
            matched.live.insert(address.clone(), live);
            continue;
        }
        if let Some(declared) = find_by_changed_identity(stack, &matched.live, live).filter(|_| ours) {
            matched.live.insert(declared.address.clone(), live);
        } else if ours {
            // Part of the stack because of its parent, but without an address: it gets a name derived from its id.
            matched.live.insert(Address::new(&live.type_name, live.id.clone()), live);
        } else {
            others.push(live);
        }
    }
    find_foreign(stack, live_state, &others, &mut matched);
    let missing = stack.resources.values().filter(|declared| !matched.live.contains_key(&declared.address));
    let taken = missing
        .filter_map(|declared| Some((declared, live_state.elsewhere.iter().find(|live| has_same_key(declared, &matched.live, live))?)));
    let taken: Vec<(&DesiredResource, &LiveResource)> = taken.collect();
    matched.foreign.extend(taken.into_iter().map(|(declared, live)| {
        let region = live.tags.get(REGION_TAG).map_or_else(|| "another region".to_owned(), |region| format!("region {region}"));
        let owner = owner(&live.tags).map(|owner| format!("{owner} in {region}"));
        ForeignResource { address: declared.address.clone(), id: live.id.clone(), owner, is_in_other_region: true }
    }));
    matched
}

/// Keeps one of several resources at an address, dependencies first: of those that a replaced resource and its replacement have, it is the one
/// that refers to what is kept.
fn match_duplicates<'a>(
    stack: &Stack,
    live_state: &'a LiveState,
    mut several: BTreeMap<Address, Vec<&'a LiveResource>>,
    matched: &mut MatchedResources<'a>,
) {
    if several.is_empty() {
        return;
    }
    let declared = topological_order(stack).addresses.into_iter().filter_map(|address| several.remove_entry(&address));
    let declared: Vec<(Address, Vec<&LiveResource>)> = declared.collect();
    for (address, mut found) in declared.into_iter().chain(several) {
        let wanted = stack.resources.get(&address);
        let known = live_state.hints.known_ids.get(&address);
        let ranks = found.iter().map(|live| (known != Some(&live.id), distance(wanted, live, &matched.live)));
        let Some((kept, _)) = ranks.enumerate().min_by_key(|(_, rank)| *rank) else { continue };
        matched.live.insert(address, found.remove(kept));
        matched.left_over.extend(found);
    }
}

/// A declared resource that does not exist, with its spec as far as it is known.
type Missing<'a> = (&'a DesiredResource, Value);

/// Finds the resources that have a unique key of a declared resource that does not exist, but not the stack's ownership tags.
fn find_foreign<'a>(stack: &Stack, live_state: &'a LiveState, others: &[&'a LiveResource], matched: &mut MatchedResources<'a>) {
    let types: BTreeSet<&str> = others.iter().map(|live| live.type_name.as_str()).collect();
    let missing = |known: &BTreeMap<Address, &LiveResource>| -> Vec<(&DesiredResource, Value)> {
        let of_types = stack.resources.values().filter(|declared| types.contains(declared.resource_type.name));
        let missing = of_types.filter(|declared| !known.contains_key(&declared.address));
        missing.map(|declared| (declared, resolve_spec(declared, known))).collect()
    };
    let mut others = others.iter().copied().peekable();
    // After one is found to be the stack's, others may refer to it.
    while others.peek().is_some() {
        let wanted = missing(&matched.live);
        let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Missing<'_>>> = BTreeMap::new();
        for one in &wanted {
            groups.entry((one.0.resource_type.name, one.0.region.as_deref())).or_default().push(one);
        }
        let keys = groups.into_iter().map(|(group, all)| {
            let taken = TakenKeys::of(all[0].0.resource_type, all.iter().map(|(_, spec)| spec));
            (group, (taken, all))
        });
        let keys: BTreeMap<_, _> = keys.collect();
        for live in others.by_ref() {
            let Some((taken, all)) = keys.get(&(live.type_name.as_str(), live.region.as_deref())) else { continue };
            let Some((declared, _)) = taken.taken_by(&live.spec).map(|index| all[index]) else { continue };
            // An unfinished run started to create it but did not tag it.
            if live_state.hints.started_creates.contains(&declared.address) && !live.tags.contains_key(STACK_TAG) {
                matched.live.insert(declared.address.clone(), live);
                break;
            }
            let (address, id) = (declared.address.clone(), live.id.clone());
            matched.foreign.push(ForeignResource { address, id, owner: owner(&live.tags), is_in_other_region: false });
        }
    }
}

/// Keys and secrets of the stack that were deleted and can be restored.
fn dormant_resources<'a>(stack: &Stack, live_state: &'a LiveState) -> BTreeMap<Address, &'a LiveResource> {
    let has_window =
        |live: &LiveResource| resource_type(&live.type_name).is_some_and(|kind| kind.data_protection == DataProtection::RecoveryWindow);
    let is_ours = |live: &LiveResource| stack.owns(&live.tags);
    let dormant = live_state.iter().filter(|live| live.phase == Phase::Deleting && has_window(live) && is_ours(live));
    let mut found: BTreeMap<Address, &LiveResource> = BTreeMap::new();
    for (address, live) in dormant.filter_map(|live| Some((address_of(live)?, live))) {
        let is_known = live_state.hints.known_ids.get(&address) == Some(&live.id);
        if is_known || !found.contains_key(&address) {
            found.insert(address, live);
        }
    }
    found
}

/// Whether a declared global resource and a live one can't both exist: they have the same values of a unique key.
fn has_same_key(declared: &DesiredResource, known: &BTreeMap<Address, &LiveResource>, live: &LiveResource) -> bool {
    let (kind, spec) = (declared.resource_type, resolve_spec(declared, known));
    let keys = kind.unique_keys.iter().chain([&kind.identity]).filter(|key| !key.is_empty());
    let is_same = |field: &&str| {
        let (wanted, live) = (spec.pointer(field), live.spec.pointer(field));
        wanted.is_some_and(|value| !value.is_null()) && wanted == live
    };
    // An identity is unique within the parent.
    let mut references = spec.as_object().into_iter().flatten().filter(|(_, value)| value.get("id").is_some());
    kind.name == live.type_name
        && (kind.parent.is_none() || references.all(|(field, value)| live.spec.get(field) == Some(value)))
        && keys.into_iter().any(|key| key.iter().all(is_same))
}

/// Stack and environment in these ownership tags: `shop (production)`.
pub fn owner(tags: &Tags) -> Option<String> {
    let environment = tags.get(ENVIRONMENT_TAG).map(|name| format!(" ({name})")).unwrap_or_default();
    tags.get(STACK_TAG).map(|stack| format!("{stack}{environment}"))
}

/// Distance of a live resource from the desired one, whose references are resolved as far as they are known: of several with the same
/// ownership tags, the nearest one is kept. A resource that can be changed in place is nearer than one that must be replaced.
fn distance(wanted: Option<&DesiredResource>, live: &LiveResource, known: &BTreeMap<Address, &LiveResource>) -> usize {
    let failed = if matches!(live.phase, Phase::Failed(_)) { 10_000 } else { 0 };
    failed
        + wanted.map_or(0, |declared| {
            let kind = declared.resource_type;
            let moves = if declared.region == live.region { 0 } else { 100 };
            let renamed = super::replacement_name::current_suffixed_name(declared, live).map(|name| declared.spec_with_name(&name));
            let wanted = resolve(renamed.as_ref().unwrap_or(&declared.spec), known);
            // A set of references has another order once they are resolved.
            let wanted = kind.operations.parse(&wanted).unwrap_or(wanted);
            let fields = super::diff(&wanted, &kind.comparable(&wanted, &live.spec), &kind.replaces, super::NullMeans::Unmanaged);
            fields
                .iter()
                .filter(|field| !field.known_after_apply)
                .map(|field| if field.forces_replacement { 100 } else { 1 })
                .sum::<usize>()
                + moves
        })
}

/// Declared resource that matches an untagged one, by the fields that identify its type.
fn find_by_identity<'a>(stack: &'a Stack, known: &BTreeMap<Address, &LiveResource>, live: &LiveResource) -> Option<&'a DesiredResource> {
    declared_with_identity(stack, live).find(|declared| {
        let spec = resolve_spec(declared, known);
        declared
            .resource_type
            .identity
            .iter()
            .all(|pointer| spec.pointer(pointer).is_some_and(|value| Some(value) == live.spec.pointer(pointer)))
    })
}

/// Declared resource that an untagged one can become: it does not exist yet, and they differ only in the identifying fields.
fn find_by_changed_identity<'a>(
    stack: &'a Stack,
    known: &BTreeMap<Address, &LiveResource>,
    live: &LiveResource,
) -> Option<&'a DesiredResource> {
    let mut missing = declared_with_identity(stack, live).filter(|declared| !known.contains_key(&declared.address)).filter(|declared| {
        let (kind, spec) = (declared.resource_type, resolve_spec(declared, known));
        super::diff(&spec, &kind.operations.normalize(&spec, &live.spec), &kind.identity, super::NullMeans::Unmanaged)
            .iter()
            .all(|field| field.forces_replacement)
    });
    missing.next().filter(|_| missing.next().is_none())
}

fn declared_with_identity<'a>(stack: &'a Stack, live: &LiveResource) -> impl Iterator<Item = &'a DesiredResource> {
    stack
        .resources
        .values()
        .filter(move |declared| declared.resource_type.name == live.type_name && declared.region == live.region)
        .filter(|declared| !declared.resource_type.identity.is_empty())
}

/// The spec with the ids and outputs of existing resources in place of references to them.
pub fn resolve_spec(declared: &DesiredResource, known: &BTreeMap<Address, &LiveResource>) -> Value {
    resolve(&declared.spec, known)
}

/// Same, for any spec.
pub fn resolve(spec: &Value, known: &BTreeMap<Address, &LiveResource>) -> Value {
    expression::resolve(spec, &|reference| {
        known.get(&Address::new(reference.type_name, reference.name)).and_then(|live| live.output(reference.output))
    })
}

#[cfg(test)]
mod tests;
