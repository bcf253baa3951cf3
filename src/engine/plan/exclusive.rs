//! Resources at different addresses that can't exist beside each other.
//!
//! A resource that leaves, or releases a unique value, goes before one that comes or gets the value if AWS does not accept both: they have the
//! same unique key or an entry of one, ranges that overlap, or conflict otherwise. Where one call can exchange them, they are exchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::{algo::tarjan_scc, graph::DiGraph};
use serde_json::Value;

use super::{
    Action, Change, ReplacementOrder, moves,
    obstacles::{exclusive_obstacle, resized_range_obstacle, swap_obstacle},
    planner::Planner,
    removal::irreversible_effect,
};
use crate::{
    aws::{exclusive_uses, types},
    core::{Address, ChangedFields, DataProtection, LiveResource, ResourceType},
};

/// A resource that comes or changes, and one that leaves or changes, which AWS does not accept together.
struct Conflict {
    new: Address,
    old: Address,
    /// Type of the old one, and usually of both.
    kind: &'static ResourceType,
}

/// The resources of a type that leave or change.
#[derive(Default)]
struct Leaving<'a> {
    all: Vec<(&'a Address, &'a LiveResource)>,
    /// Indexes into `all`, by unique value and region.
    by_value: HashMap<(String, Option<&'a str>), Vec<usize>>,
    /// Indexes into `all`, by conflict group and region.
    by_group: HashMap<(String, Option<&'a str>), Vec<usize>>,
}

impl Planner<'_> {
    /// Deletes or changes resources first that can't exist beside one at another address, or exchanges them.
    pub(super) fn order_exclusive_resources(&mut self) {
        let mut releases: Vec<(Address, Address)> = Vec::new();
        let conflicts = self.conflicts();
        let known: BTreeSet<(Address, Address)> = conflicts.iter().map(|one| (one.new.clone(), one.old.clone())).collect();
        let uses = self.exclusive_uses().into_iter().filter(|one| !known.contains(&(one.new.clone(), one.old.clone())));
        for Conflict { new, old, kind } in conflicts.into_iter().chain(uses) {
            let is_update = self.changes.get(&old).is_some_and(|change| change.action == Action::Update);
            match is_update {
                _ if kind.exchangeable => self.exchange(&new, &old),
                true => releases.push((new, old)),
                false => self.delete_first(new, old, kind),
            }
        }
        self.obstacles.extend(self.changes.values().filter_map(|change| resized_range_obstacle(change)));
        self.obstacles.extend(swaps(&releases).iter().map(|(one, other)| swap_obstacle(one, other)));
        for (new, old) in releases {
            if let Some(change) = self.changes.get_mut(&new) {
                change.after_update_of.insert(old);
            }
        }
    }

    fn delete_first(&mut self, new: Address, old: Address, kind: &ResourceType) {
        let mut holds_data = kind.data_protection != DataProtection::None;
        if let Some(change) = self.changes.get_mut(&old) {
            change.replacement_order = Some(ReplacementOrder::DestroyBeforeCreate);
            let live = change.before.as_ref();
            if let Some(facts) = live.and_then(|live| kind.own_facts(&live.spec)) {
                holds_data = facts.on_delete.is_some();
            }
            change.irreversible = live.and_then(|live| irreversible_effect(kind, live, change.on_delete, change.replacement_order));
            // The run that is undone created it.
            holds_data &= !change.disable_deletion_protection;
        }
        if holds_data {
            self.obstacles.push(exclusive_obstacle(&new, &old));
        }
        if let Some(change) = self.changes.get_mut(&new) {
            change.after_deletion_of.insert(old);
        }
    }

    /// Makes both changes, and all that are made in one call with either of them, in one call.
    fn exchange(&mut self, new: &Address, old: &Address) {
        let members = |address: &Address| self.changes.get(address).map(|change| change.exchanged_with.clone()).unwrap_or_default();
        let group: BTreeSet<Address> = members(new).into_iter().chain(members(old)).chain([new.clone(), old.clone()]).collect();
        for address in &group {
            let Some(change) = self.changes.get_mut(address) else { continue };
            change.exchanged_with.clone_from(&group);
            if change.action == Action::Replace {
                change.replacement_order = Some(ReplacementOrder::Exchange);
                change.irreversible = None;
            }
        }
    }

    /// Resources, of any types, of which one leaves or releases what another one gets and only one can use.
    fn exclusive_uses(&self) -> Vec<Conflict> {
        let mut released: HashMap<String, Vec<(&Address, &'static ResourceType)>> = HashMap::new();
        for (old, change) in &self.changes {
            let (Some(kind), Some(live)) = (types::resource_type(&old.type_name), &change.before) else { continue };
            let region = region_of(kind, live.region.as_deref());
            let kept = match change.action {
                Action::Delete | Action::Replace => Vec::new(),
                Action::Update => self.desired.get(old).map(|wanted| exclusive_uses(kind, wanted, region)).unwrap_or_default(),
                Action::None | Action::Create | Action::Forget => continue,
            };
            for used in exclusive_uses(kind, &live.spec, region).into_iter().filter(|used| !kept.contains(used)) {
                released.entry(used).or_default().push((old, kind));
            }
        }
        if released.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (new, wanted) in &self.desired {
            let Some(kind) = types::resource_type(&new.type_name) else { continue };
            let region = self.changes.get(new).and_then(|change| region_of(kind, change.region.as_deref()));
            let uses: BTreeSet<String> = exclusive_uses(kind, wanted, region).into_iter().collect();
            let old = uses.iter().filter_map(|used| released.get(used)).flatten().filter(|(old, _)| *old != new);
            found.extend(old.map(|(old, kind)| Conflict { new: new.clone(), old: (*old).clone(), kind }));
        }
        found
    }

    fn conflicts(&self) -> Vec<Conflict> {
        let mut leaving: BTreeMap<&str, Leaving<'_>> = BTreeMap::new();
        for (old, change) in &self.changes {
            let Some(kind) = types::resource_type(&old.type_name) else { continue };
            let leaves = matches!(change.action, Action::Delete | Action::Replace) || changes_unique_value(kind, change);
            let Some(live) = change.before.as_ref().filter(|_| leaves) else { continue };
            let of_type = leaving.entry(kind.name).or_default();
            let region = region_of(kind, live.region.as_deref());
            for value in kind.unique_values(&live.spec) {
                of_type.by_value.entry((value, region)).or_default().push(of_type.all.len());
            }
            for group in kind.operations.conflict_groups(&live.spec) {
                of_type.by_group.entry((group, region)).or_default().push(of_type.all.len());
            }
            of_type.all.push((old, live));
        }
        let mut conflicts = Vec::new();
        for (new, wanted) in &self.desired {
            let Some(of_type) = leaving.get(new.type_name.as_str()) else { continue };
            let (Some(kind), Some(change)) = (types::resource_type(&new.type_name), self.changes.get(new)) else { continue };
            let is_new = matches!(change.action, Action::Create | Action::Replace);
            if !is_new && !changes_unique_value(kind, change) && kind.operations.conflict_groups(wanted).is_empty() {
                continue;
            }
            let found = of_type.conflicting(kind, wanted, region_of(kind, change.region.as_deref()));
            let others = found.into_iter().map(|index| of_type.all[index].0).filter(|old| *old != new);
            conflicts.extend(others.map(|old| Conflict { new: new.clone(), old: old.clone(), kind }));
        }
        conflicts
    }
}

impl Leaving<'_> {
    /// Indexes of the resources that can't exist beside one with this spec.
    fn conflicting(&self, kind: &ResourceType, wanted: &Value, region: Option<&str>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for value in kind.unique_values(wanted) {
            found.extend(self.by_value.get(&(value, region)).into_iter().flatten());
        }
        for group in kind.operations.conflict_groups(wanted) {
            let members = self.by_group.get(&(group, region)).into_iter().flatten();
            found.extend(members.filter(|index| kind.operations.conflicts_with(wanted, &self.all[**index].1.spec)));
        }
        if kind.overlap_key.is_some() {
            let there = |live: &LiveResource| region_of(kind, live.region.as_deref()) == region;
            let overlaps =
                |(_, (_, live)): &(usize, &(&Address, &LiveResource))| there(live) && moves::ranges_overlap(kind, wanted, &live.spec);
            found.extend(self.all.iter().enumerate().filter(overlaps).map(|(index, _)| index));
        }
        found
    }
}

/// Region in which the resource is unique; `None` for the stack's, and for a type that is unique in all.
fn region_of<'a>(kind: &ResourceType, region: Option<&'a str>) -> Option<&'a str> {
    region.filter(|_| kind.has_names_by_region())
}

/// Whether an update changes what distinguishes a resource from others.
fn changes_unique_value(kind: &ResourceType, change: &Change) -> bool {
    if change.action != Action::Update || change.fields.is_empty() {
        return false;
    }
    let changed = ChangedFields(change.fields.iter().map(|field| field.pointer.clone()).collect());
    let has_groups = || change.before.as_ref().is_some_and(|live| !kind.operations.conflict_groups(&live.spec).is_empty());
    kind.unique_keys.iter().chain(&kind.entry_keys).flatten().any(|pointer| changed.contains(pointer)) || has_groups()
}

/// Pairs of resources that wait for each other to release a unique value.
fn swaps(releases: &[(Address, Address)]) -> Vec<(Address, Address)> {
    let mut graph = DiGraph::<&Address, ()>::new();
    let mut nodes = HashMap::new();
    for (new, old) in releases {
        let [new, old] = [new, old].map(|address| *nodes.entry(address).or_insert_with(|| graph.add_node(address)));
        graph.update_edge(old, new, ());
    }
    let cycles = tarjan_scc(&graph).into_iter().filter(|cycle| cycle.len() > 1);
    cycles.map(|cycle| (graph[cycle[0]].clone(), graph[cycle[1]].clone())).collect()
}
