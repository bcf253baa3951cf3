//! Plans for a rollback, from the previous state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{Plan, Reason, known::Location, matching, planner::Planner};
use crate::{
    aws::types,
    core::{Address, EnvironmentName, LiveResource, OneWay, Phase, StackName, Tags, Timeouts, expression, iam_path},
    definition::{DesiredResource, RollbackPolicy, Stack, deferrable_dependencies},
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
    /// Whether the run being undone created the current resource: it has no data yet, and is deleted without a snapshot.
    pub created_by_undone_run: bool,
    /// Whether the run being undone only tried to delete it: if it still exists, nothing is restored. `before` may lack details then, because
    /// a destroy does not read them.
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
            created_by_undone_run: false,
            only_deleted: false,
        }
    }
}

/// Stack of all resources to restore or delete, for discovery.
pub fn target_stack(name: &StackName, environment: &EnvironmentName, targets: &BTreeMap<Address, RestoreTarget>) -> Stack {
    let mut resources = BTreeMap::new();
    for (address, target) in targets {
        let Some(kind) = types::resource_type(&address.type_name) else { continue };
        let (spec, tags, region) = match &target.before {
            Some(live) => (live.spec.clone().into_inner(), visible_tags(&live.tags, &Tags::new()), &live.region),
            None => (target.desired.clone(), target.tags.clone(), &target.region),
        };
        let declared = DesiredResource {
            address: address.clone(),
            resource_type: kind,
            region: region.clone(),
            spec,
            has_generated_name: false,
            tags,
            depends_on: target.depends_on.clone(),
            deferrable: target.deferrable.clone(),
            on_delete: None,
            timeouts: Timeouts::default(),
            pointer: String::new(),
            pointer_overrides: Vec::new(),
            chosen_fields: Vec::new(),
            dropped: Vec::new(),
        };
        resources.insert(address.clone(), declared);
    }
    Stack {
        name: name.clone(),
        environment: environment.clone(),
        region: None,
        account: None,
        backend: None,
        rollback: RollbackPolicy::default(),
        resources,
        moved: BTreeMap::new(),
        outputs: BTreeMap::new(),
    }
}

/// Plans to restore `targets`. `stack` is their [`target_stack`]; references in it to recreated resources are updated. Live resources at
/// other addresses are not changed. Pure.
pub fn plan_restore(
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live_state: &LiveState,
    region: &str,
    account: &str,
) -> Plan {
    let matching::MatchedResources { mut live, left_over: doubles, dormant, .. } = matching::match_resources(stack, live_state);
    undo_moves(targets, &mut live);
    keep_undeleted_resources(stack, targets, &live);
    rewrite_references_to_lost_resources(stack, targets, &live);
    let not_restored = keep_one_way_fields(stack, &live);
    let matched = matching::MatchedResources { live, left_over: Vec::new(), foreign: Vec::new(), dormant };
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
    for (number, live) in doubles.iter().enumerate() {
        let Some(address) = address_of(live).filter(|address| targets.contains_key(address)) else { continue };
        let duplicate = Address::new(&live.type_name, format!("{}-double-{}", address.name, number + 1));
        if targets[&address].created_by_undone_run {
            planner.created_by_undone_run.insert(duplicate.clone());
        }
        planner.plan_removal(&duplicate, live, None, Reason::RolledBack);
    }
    planner.order_exclusive_resources();
    let mut plan = planner.into_plan(live_state, super::order::PlanDirection::Rollback);
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

/// Keeps values that AWS can't change back, and returns descriptions of them.
fn keep_one_way_fields(stack: &mut Stack, live: &BTreeMap<Address, &LiveResource>) -> Vec<(Address, String)> {
    let mut not_restored = Vec::new();
    for declared in stack.resources.values_mut() {
        let Some(live) = live.get(&declared.address) else { continue };
        for OneWay { field: at, reason: why, .. } in &declared.resource_type.one_way {
            let (Some(was), Some(is)) = (declared.spec.pointer_mut(at), live.spec.pointer(at)) else { continue };
            if was != is && !is.is_null() {
                let field = at.trim_start_matches('/');
                not_restored.push((declared.address.clone(), format!("keeps {field} {}: {why}", is.to_string().trim_matches('"'))));
                *was = is.clone();
            }
        }
    }
    not_restored
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

/// Previous resource that no longer exists: the restored one has another id.
struct LostResources<'a> {
    resources: BTreeMap<&'a Address, &'a LiveResource>,
    /// References to the new resource, by the id or ARN of the old one. Names are unique only within a type, so shared names are ignored.
    references: BTreeMap<&'a str, Option<String>>,
}

impl<'a> LostResources<'a> {
    fn of(targets: &'a BTreeMap<Address, RestoreTarget>, live: &BTreeMap<Address, &LiveResource>) -> LostResources<'a> {
        let mut lost = LostResources { resources: BTreeMap::new(), references: BTreeMap::new() };
        // The id of an association is the id of its resource: if that still exists, the id refers to it.
        let present: BTreeSet<&str> = live.values().flat_map(|live| [Some(live.id.as_str()), live.arn()]).flatten().collect();
        for (address, target) in targets {
            let gone = |before: &&LiveResource| live.get(address).is_none_or(|live| !live.is_same_as(before));
            let Some(before) = target.before.as_ref().filter(gone) else { continue };
            lost.resources.insert(address, before);
            let arn = before.arn().filter(|arn| *arn != before.id);
            for (output, text) in [("id", Some(before.id.as_str())), ("arn", arn)] {
                let Some(text) = text.filter(|text| !is_derived_from_name(before, text) && !present.contains(text)) else { continue };
                let reference = format!("${{{address}.{output}}}");
                let known = lost.references.entry(text);
                known.and_modify(|known| *known = known.take().filter(|known| *known == reference)).or_insert(Some(reference));
            }
        }
        lost
    }

    /// Reference for a text in the spec of a resource with these dependencies. The text may also be a host name or an IP address, which AWS
    /// assigns anew. Other outputs are ids of other resources, or stay the same.
    fn replacement_reference(&self, text: &str, own: &Address, needs: &BTreeSet<Address>) -> Option<String> {
        if let Some(known) = self.references.get(text) {
            let itself = format!("${{{own}.");
            return known.clone().filter(|reference| !reference.starts_with(&itself));
        }
        let mut needed = needs.iter().filter(|_| text.contains('.')).filter_map(|need| Some((need, self.resources.get(need)?)));
        needed.find_map(|(need, before)| {
            let (output, _) = before.outputs.as_object()?.iter().find(|(_, value)| value.as_str() == Some(text))?;
            Some(format!("${{{need}.{output}}}"))
        })
    }
}

/// Whether an id or ARN is derived from the name alone: then the new resource has the same.
fn is_derived_from_name(live: &LiveResource, text: &str) -> bool {
    let name = live.spec.get("name").and_then(Value::as_str);
    name.and_then(|name| text.strip_suffix(name)).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
}

/// Adds resources that the run being undone did not change, but that refer to one it lost. `definition` has the dependencies.
pub fn dependents_of_lost_resources(
    definition: &Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live_state: &LiveState,
) -> BTreeMap<Address, RestoreTarget> {
    let live = matching::match_resources(definition, live_state).live;
    let lost = LostResources::of(targets, &live);
    let dependent = |(address, live): (&Address, &&LiveResource)| {
        let declared = definition.resources.get(address);
        let depends_on = declared.map(|declared| declared.depends_on.clone()).unwrap_or_default();
        let deferrable = declared.map(|declared| declared.deferrable.clone()).unwrap_or_default();
        // A field that can't change in place would cause a replacement: it keeps its value.
        let mut open = live.spec.clone();
        for at in types::resource_type(&live.type_name).into_iter().flat_map(|kind| &kind.replaces) {
            open.pointer_mut(at).map(Value::take);
        }
        let mut holds = false;
        expression::for_each_string(&open, &mut |text| holds |= lost.replacement_reference(text, address, &depends_on).is_some());
        let (desired, tags) = (live.spec.clone().into_inner(), live.tags.clone().into_inner());
        holds.then(|| {
            (address.clone(), RestoreTarget { desired, tags, depends_on, deferrable, ..RestoreTarget::from_live((*live).clone()) })
        })
    };
    live.iter().filter(|(address, _)| !targets.contains_key(*address)).filter_map(dependent).collect()
}

/// Whether any resource must be recreated, so that others may have to follow.
pub fn has_lost_resources(targets: &BTreeMap<Address, RestoreTarget>, live_state: &LiveState) -> bool {
    let place = |live: &LiveResource| (live.region.clone(), live.id.clone());
    let present: BTreeSet<_> = live_state.iter().map(place).collect();
    targets.values().filter_map(|target| target.before.as_ref()).any(|before| !present.contains(&place(before)))
}

/// Updates every reference to a lost resource to the new one.
fn rewrite_references_to_lost_resources(
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live: &BTreeMap<Address, &LiveResource>,
) {
    let lost = LostResources::of(targets, live);
    if lost.resources.is_empty() {
        return;
    }
    for declared in stack.resources.values_mut() {
        let (own, before) = (&declared.address, &declared.depends_on);
        rewrite_strings(&mut declared.spec, &mut |text| {
            if let Some(reference) = lost.replacement_reference(text, own, before) {
                *text = reference;
            }
        });
        let mut needs = BTreeSet::new();
        expression::for_each_string(&declared.spec, &mut |text| {
            needs.extend(expression::references(text).into_iter().map(|r| Address::new(r.type_name, r.name)));
        });
        let is_hard = |need: &Address| declared.depends_on.contains(need) && !declared.deferrable.contains(need);
        let found = deferrable_dependencies(declared.resource_type, &declared.spec).into_iter().filter(|need| !is_hard(need));
        let rest = declared.deferrable.iter().filter(|need| !needs.contains(*need)).cloned();
        declared.deferrable = found.chain(rest).collect();
        declared.depends_on.extend(needs);
    }
}

fn rewrite_strings(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(list) => list.iter_mut().for_each(|value| rewrite_strings(value, act)),
        Value::Object(map) => map.values_mut().for_each(|value| rewrite_strings(value, act)),
        _ => {}
    }
}
