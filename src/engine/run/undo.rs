//! What undoing a run takes: reads what its calls touched, and plans to restore it.

use std::collections::BTreeMap;

use super::{discovery_hints, merge_own_reads, reset_presumed_fields, wait_until_visible};
use crate::{
    aws::types::{leftover_type, resource_type},
    core::{Address, LiveResource, Phase, Result, STACK_TAG},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{Hints, LiveState, discover, discover_without_index, find_by_id, resource_type_of},
        journal::TouchedResource,
        leftovers::LeftoverSearch,
        plan::{Plan, RestoreTarget, dependents_of_lost_resources, has_lost_resources, plan_restore, target_stack},
    },
};

/// Plan of a rollback.
pub(in crate::engine) struct UndoPlan {
    /// Resources to restore, and resources to find and delete.
    pub stack: Stack,
    /// Plan.
    pub plan: Plan,
    /// Live resource.
    pub live_state: LiveState,
}

impl UndoPlan {
    /// Reads live resources and plans to undo the changes in `touched`. `definition` has the stack's name and dependencies.
    ///
    /// # Errors
    /// Fails if live resources can't be read.
    pub(in crate::engine) async fn plan(
        cloud: &Cloud,
        definition: &Stack,
        touched: &BTreeMap<Address, TouchedResource>,
        account: &str,
    ) -> Result<UndoPlan> {
        let mut targets = restore_targets(touched);
        let mut stack = target_stack(definition, &targets);
        keep_timeouts(&mut stack, definition);
        let mut live_state = discover_without_index(cloud, &stack, undo_hints(touched)).await?;
        if wait_until_visible(cloud, &live_state, touched).await {
            live_state = discover_without_index(cloud, &stack, undo_hints(touched)).await?;
        }
        if has_lost_resources(&targets, &live_state) {
            let dependents = dependents_of_lost_resources(definition, &targets, &discover(cloud, definition, undo_hints(touched)).await?);
            if !dependents.is_empty() {
                targets.extend(dependents);
                stack = target_stack(definition, &targets);
                keep_timeouts(&mut stack, definition);
                live_state = discover_without_index(cloud, &stack, undo_hints(touched)).await?;
            }
        }
        find_forgotten(cloud, &stack, touched, &mut live_state).await?;
        find_untagged(cloud, &stack, touched, &mut live_state).await?;
        reset_presumed_fields(&mut live_state, touched)?;
        let search = LeftoverSearch { cloud, stack: definition, touched };
        let plan = plan_restore_with_leftovers(&search, &mut stack, &targets, &live_state, account).await?;
        Ok(UndoPlan { stack, plan, live_state })
    }
}

/// Plans to restore `targets`, and to delete what the deletions leave behind. `stack` is as in [`plan_restore`].
///
/// # Errors
/// Fails if what they leave behind can't be looked for.
pub(in crate::engine) async fn plan_restore_with_leftovers(
    search: &LeftoverSearch<'_>,
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live_state: &LiveState,
    account: &str,
) -> Result<Plan> {
    let location = (search.cloud.region(), account);
    let mut restored = stack.clone();
    let plan = plan_restore(&mut restored, targets, live_state, &[], location);
    let leftovers = search.find_rolled_back(&plan, live_state).await?;
    if leftovers.is_empty() {
        *stack = restored;
        return Ok(plan);
    }
    Ok(plan_restore(stack, targets, live_state, &leftovers, location))
}

/// A rollback waits as long as the definition allows, too.
fn keep_timeouts(stack: &mut Stack, definition: &Stack) {
    for (address, target) in &mut stack.resources {
        target.timeouts = definition.resources.get(address).map(|declared| declared.timeouts).unwrap_or_default();
    }
}

/// Adds resources whose ownership tags were removed to the live resources.
///
/// # Errors
/// Fails if its type can't be read.
pub(in crate::engine) async fn find_forgotten(
    cloud: &Cloud,
    stack: &Stack,
    touched: &BTreeMap<Address, TouchedResource>,
    live_state: &mut LiveState,
) -> Result<()> {
    let forgotten = touched.iter().filter(|(_, touched)| touched.forgotten);
    for (address, live) in forgotten.filter_map(|(address, touched)| Some((address, touched.before.as_ref()?))) {
        let kind = resource_type_of(live)?;
        live_state.hints.known_ids.insert(address.clone(), live.id.clone());
        if live_state.iter().any(|other| other.is_same_as(live)) {
            continue;
        }
        let found = find_by_id(cloud, stack, kind, (live.region.as_deref(), &live.id), live_state).await?;
        live_state.live.entry(kind.name).or_default().extend(found.filter(|found| !found.tags.contains_key(STACK_TAG)));
    }
    Ok(())
}

/// Adds resources that the runs created, and whose tags were removed since: the journal has their ids.
async fn find_untagged(
    cloud: &Cloud,
    stack: &Stack,
    touched: &BTreeMap<Address, TouchedResource>,
    live_state: &mut LiveState,
) -> Result<()> {
    for (address, touched) in touched {
        let Some(kind) = resource_type(&address.type_name) else { continue };
        for id in &touched.created_ids {
            let is_same = |live: &LiveResource| live.type_name == kind.name && live.id == *id && live.region == touched.region;
            if live_state.iter().any(is_same) {
                continue;
            }
            let found = find_by_id(cloud, stack, kind, (touched.region.as_deref(), id), live_state).await?;
            // One that belongs to a stack by now is not this run's any more.
            let untagged = found.filter(|live| !live.tags.contains_key(STACK_TAG) && live.phase != Phase::Deleting);
            let ours = untagged.map(|live| LiveResource { tags: touched.tags.clone().into(), ..live });
            live_state.live.entry(kind.name).or_default().extend(ours);
        }
    }
    Ok(())
}

/// Targets for undoing a run; resources created by the run have no data yet, except for those that it restored.
pub(in crate::engine) fn restore_targets(touched: &BTreeMap<Address, TouchedResource>) -> BTreeMap<Address, RestoreTarget> {
    // What controllers made is not restored: they make it again.
    let is_left_behind = |address: &Address| leftover_type(&address.type_name).is_some();
    let touched = touched.iter().filter(|(address, touched)| !touched.has_nothing_to_undo() && !is_left_behind(address));
    touched.map(|(address, touched)| (address.clone(), restore_target(touched))).collect()
}

fn restore_target(touched: &TouchedResource) -> RestoreTarget {
    RestoreTarget {
        before: touched.before.clone(),
        region: touched.region.clone(),
        desired: touched.desired.clone(),
        tags: touched.tags.clone(),
        depends_on: touched.depends_on.clone(),
        deferrable: touched.deferrable.clone(),
        created_ids: touched.created_ids.clone(),
        delete_started: touched.delete_started,
        created_by_undone_run: !touched.woken,
        only_deleted: touched.only_deleted,
    }
}

/// Hints for discovery before a rollback: the details that the runs read before, which the stack to restore has, or set. What they did not
/// read would look as if it had been absent before, and be removed.
fn undo_hints(touched: &BTreeMap<Address, TouchedResource>) -> Hints {
    let desired = touched.iter().map(|(address, touched)| (address, &touched.desired));
    let before = touched.iter().filter_map(|(address, touched)| Some((address, &*touched.before.as_ref()?.spec)));
    Hints { own_reads: Some(merge_own_reads(BTreeMap::new(), desired.chain(before))), ..discovery_hints(touched) }
}
