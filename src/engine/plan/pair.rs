//! Which live resource is which declared one: by marks, else by identity; a thing of the wanted name without our marks is foreign.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::{
    core::{Address, ENVIRONMENT, Live, Phase, STACK, Tags, expression},
    definition::{Declared, Stack},
    engine::discover::{World, address_of},
};

/// Live resources by the address they have or had.
pub struct Paired<'a> {
    /// One per address.
    pub live: BTreeMap<Address, &'a Live>,
    /// Further ones with the marks of an address that has one.
    pub left_over: Vec<&'a Live>,
    /// Things with a wanted name that carry no marks of ours.
    pub foreign: Vec<Foreign>,
}

/// A thing that has a wanted name but is not ours.
pub struct Foreign {
    /// The resource that wants the name.
    pub address: Address,
    /// The physical id.
    pub id: String,
    /// The stack and environment whose marks it carries.
    pub owner: Option<String>,
}

pub fn pair<'a>(stack: &Stack, world: &'a World) -> Paired<'a> {
    let mut paired = Paired { live: BTreeMap::new(), left_over: Vec::new(), foreign: Vec::new() };
    let mut unmarked = Vec::new();
    for live in world.iter().filter(|live| live.phase != Phase::Leaving) {
        let ours = live.tags.get(STACK) == Some(&stack.name) && live.tags.get(ENVIRONMENT) == Some(&stack.environment);
        match address_of(live).filter(|address| ours && address.kind == live.kind) {
            Some(address) => match paired.live.get(&address) {
                None => drop(paired.live.insert(address, live)),
                Some(other) => {
                    let wanted = stack.resources.get(&address);
                    let known = world.hints.ids.get(&address);
                    let rank = |live: &Live| (known != Some(&live.id), distance(wanted, live));
                    let (keep, drop_it) = if rank(live) < rank(other) { (live, *other) } else { (*other, live) };
                    paired.left_over.push(drop_it);
                    paired.live.insert(address, keep);
                }
            },
            None => unmarked.push((live, ours)),
        }
    }
    let by_name: HashMap<(&str, &str), &Declared> = stack
        .resources
        .values()
        .filter(|declared| declared.kind.naming.is_some())
        .filter_map(|declared| Some(((declared.kind.name, declared.spec.get("name")?.as_str()?), declared)))
        .collect();
    unmarked.retain(|(live, _)| match identified(stack, &paired.live, live) {
        Some(declared) => paired.live.insert(declared.address.clone(), live).is_some(),
        None => true,
    });
    for (live, ours) in unmarked {
        // What stood there before its marks were taken off.
        let known = world.hints.ids.iter().find(|(address, id)| address.kind == live.kind && **id == live.id);
        if let Some((address, _)) = known.filter(|(address, _)| !ours && !paired.live.contains_key(*address))
            && !live.tags.contains_key(STACK)
        {
            paired.live.insert(address.clone(), live);
            continue;
        }
        if let Some(declared) = moved(stack, &paired.live, live).filter(|_| ours) {
            paired.live.insert(declared.address.clone(), live);
        } else if ours {
            // Ours by its parent, but of no address: it goes under a name made of its id.
            paired.live.insert(Address::new(&live.kind, live.id.clone()), live);
        } else if let Some(name) = live.spec.get("name").and_then(Value::as_str)
            && let Some(declared) = by_name.get(&(live.kind.as_str(), name))
            && !paired.live.contains_key(&declared.address)
        {
            // An unfinished run began to make it and had no time to mark it.
            if world.hints.began.contains(&declared.address) && !live.tags.contains_key(STACK) {
                paired.live.insert(declared.address.clone(), live);
                continue;
            }
            paired.foreign.push(Foreign { address: declared.address.clone(), id: live.id.clone(), owner: owner(&live.tags) });
        }
    }
    paired
}

/// The stack and environment whose marks these tags hold: `shop (production)`.
pub fn owner(tags: &Tags) -> Option<String> {
    let environment = tags.get(ENVIRONMENT).map(|name| format!(" ({name})")).unwrap_or_default();
    tags.get(STACK).map(|stack| format!("{stack}{environment}"))
}

/// How far a live resource is from what is wanted: of two with the same marks the nearer one is kept. One that can become what is
/// wanted is nearer than one that would have to be replaced.
fn distance(wanted: Option<&Declared>, live: &Live) -> usize {
    let failed = if matches!(live.phase, Phase::Failed(_)) { 10_000 } else { 0 };
    failed
        + wanted.map_or(0, |declared| {
            let kind = declared.kind;
            let wanted = super::name::kept(declared, live).map(|name| super::name::under(&declared.spec, &name));
            let wanted = wanted.as_ref().unwrap_or(&declared.spec);
            let fields = super::diff(wanted, &kind.operations.normalize(wanted, &live.spec), &kind.replaces, super::Nulls::LeftToAws);
            fields.iter().filter(|field| !field.later).map(|field| if field.forces_replacement { 100 } else { 1 }).sum()
        })
}

/// The declared resource that an unmarked one is, by the fields that identify its type.
fn identified<'a>(stack: &'a Stack, known: &BTreeMap<Address, &Live>, live: &Live) -> Option<&'a Declared> {
    identifiable(stack, live).find(|declared| {
        let spec = resolved(declared, known);
        declared.kind.identity.iter().all(|pointer| spec.pointer(pointer).is_some_and(|value| Some(value) == live.spec.pointer(pointer)))
    })
}

/// The one declared resource that an unmarked one becomes: it is not there yet, and they differ in what identifies them alone.
fn moved<'a>(stack: &'a Stack, known: &BTreeMap<Address, &Live>, live: &Live) -> Option<&'a Declared> {
    let mut missing = identifiable(stack, live).filter(|declared| !known.contains_key(&declared.address)).filter(|declared| {
        let (kind, spec) = (declared.kind, resolved(declared, known));
        super::diff(&spec, &kind.operations.normalize(&spec, &live.spec), &kind.identity, super::Nulls::LeftToAws)
            .iter()
            .all(|field| field.forces_replacement)
    });
    missing.next().filter(|_| missing.next().is_none())
}

fn identifiable<'a>(stack: &'a Stack, live: &Live) -> impl Iterator<Item = &'a Declared> {
    stack.resources.values().filter(move |declared| declared.kind.name == live.kind && !declared.kind.identity.is_empty())
}

fn resolved(declared: &Declared, known: &BTreeMap<Address, &Live>) -> Value {
    expression::resolve(&declared.spec, &|reference| {
        known.get(&Address::new(reference.kind, reference.name)).and_then(|live| live.output(reference.output))
    })
}
