//! Differences of a stack between two points in time, in the plan's terms.

use std::collections::BTreeMap;

use super::{
    Action, Change, NullMeans, Plan, Reason, RecordedState, RestoreTarget, diff,
    diff::flag_important_and_risky,
    matching,
    planner::{fields_set_by_create, new_change},
    target_stack,
};
use crate::{
    aws::types,
    core::{Address, LiveResource, Tags},
    definition::Stack,
    engine::discover::{LiveState, visible_tags},
};

/// Differences between two states of a stack: one entry per changed address.
pub fn diff_states(before: &BTreeMap<Address, LiveResource>, after: &BTreeMap<Address, LiveResource>) -> Vec<Change> {
    let gone = before.keys().filter(|address| !after.contains_key(*address));
    let mut changes: Vec<Change> = after
        .keys()
        .chain(gone)
        .filter_map(|address| diff_resource(address, before.get(address), after.get(address), NullMeans::Unset))
        .collect();
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    changes
}

/// Difference between two states of a resource; `None` if they are equal, or this version does not have the type.
pub fn diff_resource(
    address: &Address,
    before: Option<&LiveResource>,
    after: Option<&LiveResource>,
    null_means: NullMeans,
) -> Option<Change> {
    let kind = types::resource_type(&address.type_name)?;
    let bare_change = |action, reason| new_change(address.clone(), kind, action, reason, before);
    match (before, after) {
        (None, None) => None,
        (Some(_), None) => Some(bare_change(Action::Delete, Reason::NoLongerExists)),
        (None, Some(after)) => {
            let id = Some(after.id.clone()).filter(|id| !id.is_empty());
            Some(Change { fields: fields_set_by_create(kind, &after.spec), id, ..bare_change(Action::Create, Reason::DoesNotExist) })
        }
        (Some(before), Some(after)) => {
            let mut fields = diff(&after.spec, &kind.comparable(&after.spec, &before.spec), &kind.replaces, null_means);
            flag_important_and_risky(kind, &mut fields, &after.spec, &before.spec);
            let tags = [before, after].map(|live| visible_tags(&live.tags, &Tags::new()));
            let [old, new] = tags;
            let tags = (kind.is_taggable() && old != new).then_some((old, new));
            let (action, reason) = match () {
                () if !before.is_same_as(after) => (Action::Replace, Reason::IdChanged { id: after.id.clone() }),
                () if !fields.is_empty() || tags.is_some() => (Action::Update, Reason::Differs),
                () => return None,
            };
            Some(Change { fields, tags, ..bare_change(action, reason) })
        }
    }
}

/// Changes since the last finished run, made outside acme.
pub fn drift(definition: &Stack, recorded: &RecordedState, live_state: &LiveState) -> Vec<Change> {
    let known = |address: &Address| !recorded.uncertain.contains(address);
    let mut then: BTreeMap<Address, LiveResource> =
        recorded.live.iter().filter(|(address, _)| known(address)).map(|(address, live)| (address.clone(), live.clone())).collect();
    // The record may be older than the setting.
    then.values_mut().for_each(|live| definition.ignored_tags.remove_from(&mut live.tags));
    let targets: BTreeMap<Address, RestoreTarget> =
        recorded.live.iter().map(|(address, live)| (address.clone(), RestoreTarget::from_live(live.clone()))).collect();
    // Recorded resources are looked up like declared ones, to find even those without ownership tags.
    let stack = target_stack(definition, &targets);
    let matched = matching::match_resources(&stack, live_state);
    let mut now: BTreeMap<Address, LiveResource> =
        matched.live.iter().filter(|(address, _)| known(address)).map(|(address, live)| (address.clone(), (*live).clone())).collect();
    for (address, live) in live_state.lost.iter().filter(|(address, _)| known(address)) {
        now.entry(address.clone()).or_insert_with(|| live.clone());
    }
    for (number, live) in matched.left_over.into_iter().enumerate() {
        now.insert(Address::new(&live.type_name, format!("left-over-{}", number + 1)), live.clone());
    }
    diff_states(&then, &now)
}

/// Differences between the definition and live resources: a reversed plan.
pub fn drift_from_plan(plan: Plan) -> Vec<Change> {
    let changed = plan.changes.into_iter().filter(|change| change.action != Action::None);
    changed
        .map(|mut change| {
            match change.action {
                Action::Create => (change.action, change.reason, change.fields) = (Action::Delete, Reason::NoLongerExists, Vec::new()),
                Action::Delete | Action::Forget => {
                    let fields = change
                        .before
                        .as_ref()
                        .and_then(|live| Some(fields_set_by_create(types::resource_type(&live.type_name)?, &live.spec)));
                    let fields = fields.unwrap_or_default();
                    (change.action, change.reason, change.fields) = (Action::Create, Reason::DoesNotExist, fields);
                }
                Action::None | Action::Update | Action::Replace => {
                    // Drifted resources are only reported, with changes in place.
                    (change.action, change.reason) = (Action::Update, Reason::Differs);
                    for field in &mut change.fields {
                        std::mem::swap(&mut field.before, &mut field.after);
                        field.forces_replacement = false;
                        field.risk = None;
                    }
                    change.tags = change.tags.map(|(before, after)| (after, before));
                }
            }
            Change { replacement_order: None, irreversible: None, ..change }
        })
        .collect()
}
