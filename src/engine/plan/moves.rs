//! Resources at a new address: the key of an entry has changed, but not the resource.
//!
//! `moved: {vpc.old: vpc.new}` in the definition says so. Without it, a resource that is no longer declared has moved to a declared one that does
//! not exist, if both have the same unique key. Equal fields alone mean the same resource only if it holds no data and its name does not follow
//! from its address: two queues with the same settings are two queues. A move changes the ownership tags.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::{
    NullMeans, diff,
    matching::{MatchedResources, resolve, resolve_spec},
};
use crate::{
    core::{Address, DataProtection, LiveResource, ResourceType},
    definition::{DesiredResource, Stack},
};

/// Maximum number of pairs of a type that are compared in full. Beyond it, only resources that are equal as they are read are recognized.
const MAX_PAIRS: usize = 10_000;

/// Former address of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedFrom {
    /// Address in its ownership tags.
    pub address: Address,
    /// How it is known to be the same resource.
    pub because: MoveReason,
}

/// How a resource is recognized at a new address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// The definition says so, under `moved`.
    Declared,
    /// It has the unique key of the declared resource: its name, for example.
    UniqueKey,
    /// No other resource has the same fields.
    EqualFields,
}

/// Moves live resources to their new addresses. Returns the number of pairs that were compared in full.
pub(super) fn apply_moves(stack: &Stack, matched: &mut MatchedResources<'_>) -> usize {
    let mut compared = 0;
    // The address of a resource may be all that distinguishes those that refer to it, so these follow.
    loop {
        let Moves { because, pairs, look_alikes } = next_moves(stack, matched, &mut compared);
        if pairs.is_empty() {
            matched.look_alikes = look_alikes;
            return compared;
        }
        for (from, to) in pairs {
            // A chain may lead several resources to the same address: the first one moves.
            if !matched.live.contains_key(&to)
                && let Some(live) = matched.live.remove(&from)
            {
                matched.moves.insert(to.clone(), MovedFrom { address: from, because });
                matched.live.insert(to, live);
            }
        }
    }
}

/// Declared resource that does not exist, with its references resolved.
struct Missing<'a> {
    declared: &'a DesiredResource,
    wanted: Value,
}

/// Live resource that is no longer declared.
type Leaving<'a> = (&'a Address, &'a LiveResource);

/// Moves that are known at the same time, for the same reason.
struct Moves {
    because: MoveReason,
    /// Old and new addresses.
    pairs: Vec<(Address, Address)>,
    /// See [`MatchedResources::look_alikes`].
    look_alikes: Vec<(Address, Address)>,
}

impl Moves {
    fn new(because: MoveReason, pairs: Vec<(Address, Address)>) -> Moves {
        Moves { because, pairs, look_alikes: Vec::new() }
    }
}

/// Moves that are known now: all that the definition states, else those by unique keys, else those of equal resources.
fn next_moves(stack: &Stack, matched: &MatchedResources<'_>, compared: &mut usize) -> Moves {
    let stated = stack.moved.iter().filter(|(from, to)| matched.live.contains_key(*from) && !matched.live.contains_key(*to));
    let stated: Vec<(Address, Address)> = stated.map(|(from, to)| (from.clone(), to.clone())).collect();
    if !stated.is_empty() {
        return Moves::new(MoveReason::Declared, stated);
    }
    // Only resources of the same type and region come into question, and none that the user lets go.
    let mut leaving: BTreeMap<(&str, Option<&str>), Vec<Leaving<'_>>> = BTreeMap::new();
    let is_leaving = |address: &Address| !stack.resources.contains_key(address) && !stack.forget.contains_key(address);
    for (address, live) in matched.live.iter().filter(|(address, _)| is_leaving(address)) {
        leaving.entry((address.type_name.as_str(), live.region.as_deref())).or_default().push((address, *live));
    }
    if leaving.is_empty() {
        return Moves::new(MoveReason::EqualFields, Vec::new());
    }
    let mut missing: BTreeMap<(&str, Option<&str>), Vec<Missing<'_>>> = BTreeMap::new();
    for declared in stack.resources.values().filter(|declared| !matched.live.contains_key(&declared.address)) {
        let group = (declared.address.type_name.as_str(), declared.region.as_deref());
        if leaving.contains_key(&group) {
            // A set of references has another order once they are resolved.
            let spec = resolve_spec(declared, &matched.live);
            let wanted = declared.resource_type.operations.parse(&spec).unwrap_or(spec);
            missing.entry(group).or_default().push(Missing { declared, wanted });
        }
    }
    let pairs = || missing.iter().filter_map(|(group, missing)| Some((missing.as_slice(), leaving.get(group)?.as_slice())));
    let same_key: Vec<(Address, Address)> = pairs().flat_map(|(missing, leaving)| same_keys(missing, leaving)).collect();
    if !same_key.is_empty() {
        return Moves::new(MoveReason::UniqueKey, same_key);
    }
    let equal = pairs().flat_map(|(missing, leaving)| equal_resources(missing, leaving, &matched.live, compared));
    let (pairs, look_alikes) = equal.partition(|(_, to)| stack.resources.get(to).is_some_and(is_recognized_by_fields));
    Moves { because: MoveReason::EqualFields, pairs, look_alikes }
}

/// Whether a live resource with the same fields is taken for a declared one. One that holds data is not, because an old resource would get a new
/// purpose together with its contents, and one whose name follows from its address is not, because another address means another name.
pub(super) fn is_recognized_by_fields(declared: &DesiredResource) -> bool {
    declared.resource_type.data_protection == DataProtection::None && !declared.has_generated_name
}

/// Moves of resources with the same unique key.
fn same_keys(missing: &[Missing<'_>], leaving: &[Leaving<'_>]) -> Vec<(Address, Address)> {
    let Some(kind) = missing.first().map(|one| one.declared.resource_type) else { return Vec::new() };
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for (index, (_, live)) in leaving.iter().enumerate() {
        for value in kind.unique_key_values(&live.spec) {
            by_key.entry(value).or_insert(index);
        }
    }
    let mut moves: BTreeMap<&Address, &Address> = BTreeMap::new();
    for Missing { declared, wanted } in missing {
        if let Some(from) = kind.unique_key_values(wanted).iter().filter_map(|value| by_key.get(value)).min() {
            moves.entry(leaving[*from].0).or_insert(&declared.address);
        }
    }
    moves.into_iter().map(|(from, to)| (from.clone(), to.clone())).collect()
}

/// Moves of resources that don't differ, if no other one comes into question.
fn equal_resources(
    missing: &[Missing<'_>],
    leaving: &[Leaving<'_>],
    known: &BTreeMap<Address, &LiveResource>,
    compared: &mut usize,
) -> Vec<(Address, Address)> {
    let mut equal = EqualSpecs::of(leaving);
    let mut candidates: Vec<Vec<usize>> = missing.iter().map(|one| equal.find(one)).collect();
    let found: BTreeSet<usize> = candidates.iter().flatten().copied().collect();
    let unmatched: Vec<usize> = (0..missing.len()).filter(|index| candidates[*index].is_empty()).collect();
    let left: Vec<usize> = (0..leaving.len()).filter(|index| !found.contains(index)).collect();
    // AWS reports some settings in another form than the definition has them.
    if unmatched.len().saturating_mul(left.len()) <= MAX_PAIRS {
        for index in unmatched {
            let Missing { declared, wanted } = &missing[index];
            *compared += left.len();
            candidates[index] = left.iter().copied().filter(|from| is_same(declared, wanted, leaving[*from].1, known)).collect();
        }
    }
    let mut count: BTreeMap<usize, usize> = BTreeMap::new();
    for from in candidates.iter().flatten() {
        *count.entry(*from).or_default() += 1;
    }
    let moves = missing.iter().zip(&candidates).filter_map(|(one, candidates)| match candidates.as_slice() {
        [from] if count.get(from) == Some(&1) => Some((leaving[*from].0.clone(), one.declared.address.clone())),
        _ => None,
    });
    moves.collect()
}

/// Live specs of resources of a type, by the part that a definition sets.
struct EqualSpecs<'a> {
    leaving: &'a [Leaving<'a>],
    /// Indexes of the resources, by the pointers that a definition leaves open, and by the rest of the spec.
    by_rest: HashMap<Vec<String>, HashMap<Value, Vec<usize>>>,
}

impl<'a> EqualSpecs<'a> {
    fn of(leaving: &'a [Leaving<'a>]) -> EqualSpecs<'a> {
        EqualSpecs { leaving, by_rest: HashMap::new() }
    }

    /// Indexes of the resources whose spec is as desired.
    fn find(&mut self, one: &Missing<'_>) -> Vec<usize> {
        let Missing { declared, wanted } = one;
        let mut open = Vec::new();
        collect_nulls(wanted, &mut String::new(), &mut open);
        let kind = declared.resource_type;
        open.extend(kind.initial_only.iter().chain(&kind.write_only).map(|pointer| (*pointer).to_owned()));
        if declared.has_generated_name {
            open.push("/name".to_owned());
        }
        let wanted = rest(wanted, &open);
        let leaving = self.leaving;
        let by_rest = self.by_rest.entry(open).or_insert_with_key(|open| {
            let mut by_rest: HashMap<Value, Vec<usize>> = HashMap::new();
            for (index, (_, live)) in leaving.iter().enumerate() {
                by_rest.entry(rest(&live.spec, open)).or_default().push(index);
            }
            by_rest
        });
        by_rest.get(&wanted).cloned().unwrap_or_default()
    }
}

/// Pointers to the fields without a value.
fn collect_nulls(value: &Value, pointer: &mut String, nulls: &mut Vec<String>) {
    let length = pointer.len();
    match value {
        Value::Null => nulls.push(pointer.clone()),
        Value::Object(map) => {
            for (key, item) in map {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                collect_nulls(item, pointer, nulls);
                pointer.truncate(length);
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect_nulls(item, pointer, nulls);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// A spec without the values at these pointers.
fn rest(spec: &Value, open: &[String]) -> Value {
    let mut spec = spec.clone();
    for pointer in open {
        spec.pointer_mut(pointer).map(Value::take);
    }
    spec
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
