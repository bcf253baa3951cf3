//! Plans for a rollback, from the previous state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{
    Plan, Reason,
    known::Location,
    leftovers::OwnedLeftovers,
    lost::{lost_data, rewrite_references_to_lost_resources},
    matching,
    planner::{Planner, is_replaced_by},
};
use crate::{
    aws::types,
    core::{Address, Direction, LiveResource, OneWay, Phase, Tags, Timeouts, iam_path},
    definition::{DesiredResource, IgnoredChanges, RollbackPolicy, Stack},
    engine::{
        discover::{LiveState, address_of, visible_tags},
        plan::NullMeans,
    },
};

/// Target of a rollback at an address.
#[derive(Clone, Debug)]
pub struct RestoreTarget {
    /// Previous resource; `None` if there was none.
    pub before: Option<LiveResource>,
    /// Region of the desired resource, if it is not the stack's.
    pub region: Option<String>,
    /// Last desired spec, to find it without ownership tags; `null` if there was none.
    pub desired: Value,
    /// Desired tags.
    pub tags: Tags,
    /// Dependencies.
    pub depends_on: BTreeSet<Address>,
    /// Those of the dependencies that can follow it.
    pub deferrable: BTreeSet<Address>,
    /// Physical ids that the run being undone created at the address.
    pub created_ids: BTreeSet<String>,
    /// Whether the run being undone started to delete the previous resource, which may have emptied it.
    pub delete_started: bool,
    /// Whether the run being undone created the current resource: it has no data yet, and is deleted without a snapshot.
    pub created_by_undone_run: bool,
    /// Whether the run being undone only tried to delete it, and `before` lacks details: if it still exists, nothing is restored.
    pub only_deleted: bool,
}

impl RestoreTarget {
    /// Target from the previous resource alone.
    pub fn from_live(live: LiveResource) -> RestoreTarget {
        RestoreTarget {
            region: live.region.clone(),
            before: Some(live),
            desired: Value::Null,
            tags: Tags::new(),
            depends_on: BTreeSet::new(),
            deferrable: BTreeSet::new(),
            created_ids: BTreeSet::new(),
            delete_started: false,
            created_by_undone_run: false,
            only_deleted: false,
        }
    }
}

impl RestoreTarget {
    /// Whether the run being undone created this resource, which has no tags: it has the id from the response, or what identifies it.
    fn created_untagged(&self, address: &Address, live: &LiveResource) -> bool {
        let Some(kind) = types::resource_type(&address.type_name).filter(|kind| !kind.identity.is_empty()) else { return false };
        let is_desired = |field: &&str| self.desired.pointer(field).is_some_and(|value| live.spec.pointer(field) == Some(value));
        kind.name == live.type_name
            && self.region == live.region
            && (self.created_ids.contains(&live.id) || kind.identity.iter().all(is_desired))
    }
}

/// Stack of all resources to restore or delete, for discovery, with the name and the other settings of `definition`.
pub fn target_stack(definition: &Stack, targets: &BTreeMap<Address, RestoreTarget>) -> Stack {
    let mut resources = BTreeMap::new();
    for (address, target) in targets {
        let Some(kind) = types::resource_type(&address.type_name) else { continue };
        let (spec, tags, region) = match &target.before {
            Some(live) => (live.spec.clone().into_inner(), restored_tags(definition, target, live), &live.region),
            None => (target.desired.clone(), target.tags.clone(), &target.region),
        };
        let declared = DesiredResource {
            address: address.clone(),
            resource_type: kind,
            region: region.clone(),
            spec,
            has_generated_name: false,
            self_referring: None,
            tags,
            depends_on: target.depends_on.clone(),
            deferrable: target.deferrable.clone(),
            on_delete: None,
            timeouts: Timeouts::default(),
            ignored_changes: IgnoredChanges::default(),
            pointer: String::new(),
            pointer_overrides: Vec::new(),
            chosen_fields: Vec::new(),
            dropped: Vec::new(),
        };
        resources.insert(address.clone(), declared);
    }
    Stack {
        name: definition.name.clone(),
        environment: definition.environment.clone(),
        region: None,
        account: None,
        backend: None,
        rollback: RollbackPolicy::default(),
        resources,
        moved: BTreeMap::new(),
        forget: BTreeMap::new(),
        modules: BTreeMap::new(),
        existing: BTreeMap::new(),
        stacks: BTreeMap::new(),
        ignored_tags: definition.ignored_tags.clone(),
        outputs: BTreeMap::new(),
        role: None,
        gitops: None,
        procedures: None,
        usage: definition.usage.clone(),
        has_unknown_location: false,
    }
}

/// Tags of a previous resource, without those that AWS, controllers and others set, unless the run changed them.
fn restored_tags(definition: &Stack, target: &RestoreTarget, before: &LiveResource) -> Tags {
    let mut tags = before.tags.clone();
    definition.ignored_tags.remove_from(&mut tags);
    visible_tags(&tags, &target.tags)
}

/// Plans to restore `targets`. `stack` is their [`target_stack`]; references in it to recreated resources are updated. Live resources at
/// other addresses are not changed. Deletes what the deletions leave behind, too. The last parameter has region and account. Pure.
pub fn plan_restore(
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live_state: &LiveState,
    leftovers: &[OwnedLeftovers],
    (region, account): (&str, &str),
) -> Plan {
    let matching::MatchedResources { mut live, left_over, dormant, .. } = matching::match_part(stack, live_state);
    undo_moves(targets, &mut live);
    keep_undeleted_resources(stack, targets, &live);
    rewrite_references_to_lost_resources(stack, targets, &live);
    let not_restored = keep_one_way_fields(stack, targets, &live);
    let matched = matching::MatchedResources { live, left_over, foreign: Vec::new(), dormant, ..matching::MatchedResources::default() };
    let location = Location { region, account, iam_path: &iam_path(&stack.name, &stack.environment) };
    let mut planner = Planner::new(stack, &matched, location, NullMeans::Unset, created_addresses(targets));
    let back = |address: &Address| {
        let before = targets.get(address).and_then(|target| target.before.as_ref());
        before.is_some_and(|before| !still_exists(address, before, live_state))
    };
    planner.plan_all_declared(stack, back);
    for (address, live) in &matched.live {
        if targets.get(address).is_some_and(|target| target.before.is_none()) {
            planner.plan_removal(address, live, None, Reason::RolledBack);
        }
    }
    let others = matched.live.iter().filter(|(address, _)| !targets.contains_key(*address));
    let created = others.filter_map(|(_, live)| {
        let (address, _) = targets.iter().find(|(address, target)| target.created_untagged(address, live))?;
        Some((address.clone(), *live))
    });
    let tagged =
        matched.left_over.iter().filter_map(|live| Some((address_of(live).filter(|address| targets.contains_key(address))?, *live)));
    for (number, (address, live)) in tagged.chain(created).enumerate() {
        let duplicate = Address::new(&live.type_name, format!("{}-double-{}", address.name, number + 1));
        if targets[&address].created_by_undone_run {
            planner.created_by_undone_run.insert(duplicate.clone());
        }
        planner.plan_removal(&duplicate, live, None, Reason::RolledBack);
    }
    planner.order_exclusive_resources();
    planner.plan_leftovers(leftovers);
    let mut plan = planner.into_plan(live_state, super::order::PlanDirection::Rollback);
    let left = leftovers.iter().flat_map(|OwnedLeftovers { owner, leftovers, .. }| {
        leftovers.warnings.iter().map(|words| (owner.clone(), format!("leaves something behind: {}", words.trim_end_matches('.'))))
    });
    let not_restored = [not_restored, lost_data(targets, &plan.changes), left.collect()].concat();
    plan.warnings.extend(not_restored.iter().map(|(address, words)| format!("`{address}` {words}.")));
    Plan { not_restored, ..plan }
}

/// Matches resources that were moved since to the addresses that they had.
fn undo_moves(targets: &BTreeMap<Address, RestoreTarget>, live: &mut BTreeMap<Address, &LiveResource>) {
    let current: HashMap<(&str, &str), Address> =
        live.iter().map(|(address, live)| ((live.type_name.as_str(), live.id.as_str()), address.clone())).collect();
    for (address, target) in targets {
        let Some(before) = target.before.as_ref().filter(|_| !live.contains_key(address)) else { continue };
        let Some(moved) = current.get(&(before.type_name.as_str(), before.id.as_str())) else { continue };
        if targets.get(moved).is_some_and(|target| target.before.is_none())
            && live.get(moved).is_some_and(|live| live.is_same_as(before))
            && let Some(found) = live.remove(moved)
        {
            live.insert(address.clone(), found);
        }
    }
}

/// Keeps resources as they are whose deletion did not take effect.
fn keep_undeleted_resources(stack: &mut Stack, targets: &BTreeMap<Address, RestoreTarget>, live: &BTreeMap<Address, &LiveResource>) {
    for declared in stack.resources.values_mut() {
        let before = targets.get(&declared.address).filter(|target| target.only_deleted).and_then(|target| target.before.as_ref());
        if let (Some(before), Some(live)) = (before, live.get(&declared.address))
            && before.is_same_as(live)
            && live.phase != Phase::Deleting
        {
            declared.spec = live.spec.clone().into_inner();
            declared.tags = visible_tags(&live.tags, &Tags::new());
        }
    }
}

/// Keeps values that AWS can't change back in the resources that stay, and returns descriptions of them.
fn keep_one_way_fields(
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live: &BTreeMap<Address, &LiveResource>,
) -> Vec<(Address, String)> {
    let mut not_restored = Vec::new();
    let mut keep_version: BTreeSet<Address> = BTreeSet::new();
    let is_deleted = |address: &Address| targets.get(address).is_some_and(|target| target.before.is_none());
    for declared in stack.resources.values_mut().filter(|declared| !is_deleted(&declared.address)) {
        let Some(live) = live.get(&declared.address) else { continue };
        not_restored.extend(keep_removed_values(declared, targets.get(&declared.address), live));
        if is_replaced_by(declared, live) {
            continue;
        }
        let one_way = &declared.resource_type.one_way;
        for one_way in one_way.iter().filter(|one_way| !matches!(one_way.direction, Direction::WithDependency)) {
            let Some(kept) = keep_live_value(declared, one_way, live) else { continue };
            not_restored.push(kept);
            if matches!(one_way.direction, Direction::OneMinorVersion) {
                keep_version.insert(declared.address.clone());
            }
        }
    }
    for declared in stack.resources.values_mut().filter(|declared| !is_deleted(&declared.address)) {
        let Some(live) = live.get(&declared.address) else { continue };
        if declared.depends_on.is_disjoint(&keep_version) || is_replaced_by(declared, live) {
            continue;
        }
        let one_way = declared.resource_type.one_way.iter().filter(|one_way| matches!(one_way.direction, Direction::WithDependency));
        not_restored.extend(one_way.filter_map(|one_way| keep_live_value(declared, one_way, live)).collect::<Vec<_>>());
    }
    not_restored
}

/// Keeps the live value of a field, and returns a description if it differs.
fn keep_live_value(declared: &mut DesiredResource, one_way: &OneWay, live: &LiveResource) -> Option<(Address, String)> {
    let (was, is) = (declared.spec.pointer_mut(one_way.field)?, live.spec.pointer(one_way.field)?);
    if *was == *is || is.is_null() {
        return None;
    }
    let field = one_way.field.trim_start_matches('/');
    *was = is.clone();
    Some((declared.address.clone(), format!("keeps {field} {}: {}", is.to_string().trim_matches('"'), one_way.reason)))
}

/// Leaves values unset that AWS removed for good from a resource, which a replacement would bring back without its data. Returns descriptions of
/// them.
fn keep_removed_values(declared: &mut DesiredResource, target: Option<&RestoreTarget>, live: &LiveResource) -> Vec<(Address, String)> {
    // A new one with the same id has no data yet.
    let is_new = |target: &RestoreTarget| target.delete_started || target.created_ids.contains(&live.id);
    let stays = |target: &RestoreTarget| !is_new(target) && target.before.as_ref().is_some_and(|before| before.is_same_as(live));
    if !target.is_some_and(stays) {
        return Vec::new();
    }
    let is_set = |spec: &Value, at: &str| spec.pointer(at).is_some_and(|value| !value.is_null());
    let is_removed = |one: &&OneWay| {
        matches!(one.direction, Direction::RemovedForGood) && is_set(&declared.spec, one.field) && !is_set(&live.spec, one.field)
    };
    let removed: Vec<&OneWay> = declared.resource_type.one_way.iter().filter(is_removed).collect();
    let before = declared.spec.clone();
    for one in &removed {
        if let Some(value) = declared.spec.pointer_mut(one.field) {
            *value = Value::Null;
        }
    }
    if !removed.is_empty() && is_replaced_by(declared, live) {
        declared.spec = before;
        return Vec::new();
    }
    let describe = |one: &&OneWay| format!("stays without {}: {}", one.field.trim_start_matches('/'), one.reason);
    removed.iter().map(|one| (declared.address.clone(), describe(one))).collect()
}

/// Whether this is a leftover of a crash, with an address other than the one in its ownership tags, that was not deleted. A move has changed
/// these tags.
fn still_exists(address: &Address, before: &LiveResource, live_state: &LiveState) -> bool {
    address_of(before).is_some_and(|marked| marked != *address)
        && live_state
            .live
            .get(before.type_name.as_str())
            .into_iter()
            .flatten()
            .any(|live| live.is_same_as(before) && live.phase != Phase::Deleting && address_of(live) == address_of(before))
}

fn created_addresses(targets: &BTreeMap<Address, RestoreTarget>) -> BTreeSet<Address> {
    targets.iter().filter(|(_, target)| target.created_by_undone_run).map(|(address, _)| address.clone()).collect()
}
