//! What became of a stack between two points in time, in the plan's own terms.

use std::collections::BTreeMap;

use super::{
    Action, Change, Nulls, Plan, Reason, Recorded, Target, diff,
    diff::point_out,
    pair,
    planner::{change, set_fields},
    target_stack,
};
use crate::{
    aws::types,
    core::{Address, Live, Tags},
    engine::discover::{World, visible_tags},
};

/// What leads from one state of a stack to another: one entry per address that is not the same in both.
pub fn difference(before: &BTreeMap<Address, Live>, after: &BTreeMap<Address, Live>) -> Vec<Change> {
    let gone = before.keys().filter(|address| !after.contains_key(*address));
    let mut changes: Vec<Change> =
        after.keys().chain(gone).filter_map(|address| between(address, before.get(address), after.get(address), Nulls::Absent)).collect();
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    changes
}

/// What leads from one state of a resource to another; `None` when they are the same, or of a type this version does not know.
pub fn between(address: &Address, before: Option<&Live>, after: Option<&Live>, nulls: Nulls) -> Option<Change> {
    let kind = types::kind(&address.kind)?;
    let bare = |action, reason| change(address.clone(), kind, action, reason, before);
    match (before, after) {
        (None, None) => None,
        (Some(_), None) => Some(bare(Action::Delete, Reason::Gone)),
        (None, Some(after)) => {
            let id = Some(after.id.clone()).filter(|id| !id.is_empty());
            Some(Change { fields: set_fields(kind, &after.spec), id, ..bare(Action::Create, Reason::NotThere) })
        }
        (Some(before), Some(after)) => {
            let mut fields = diff(&after.spec, &kind.operations.normalize(&after.spec, &before.spec), &kind.replaces, nulls);
            point_out(kind, &mut fields);
            let tags = [before, after].map(|live| visible_tags(&live.tags, &Tags::new()));
            let [old, new] = tags;
            let tags = (kind.is_taggable() && old != new).then_some((old, new));
            let (action, reason) = match () {
                () if before.id != after.id => (Action::Replace, Reason::Another { id: after.id.clone() }),
                () if !fields.is_empty() || tags.is_some() => (Action::Update, Reason::Differs),
                () => return None,
            };
            Some(Change { fields, tags, ..bare(action, reason) })
        }
    }
}

/// What changed since the last finished run, by others than acme.
pub fn drift(stack: &str, environment: &str, recorded: &Recorded, world: &World) -> Vec<Change> {
    let known = |address: &Address| !recorded.unknown.contains(address);
    let then: BTreeMap<Address, Live> =
        recorded.live.iter().filter(|(address, _)| known(address)).map(|(address, live)| (address.clone(), live.clone())).collect();
    let targets: BTreeMap<Address, Target> =
        recorded.live.iter().map(|(address, live)| (address.clone(), Target::was(live.clone()))).collect();
    // What was recorded is looked for as if it were declared: so are found even those which carry no marks.
    let stack = target_stack(stack, environment, &targets);
    let paired = pair::pair(&stack, world);
    let mut now: BTreeMap<Address, Live> =
        paired.live.iter().filter(|(address, _)| known(address)).map(|(address, live)| (address.clone(), (*live).clone())).collect();
    for (number, live) in paired.left_over.into_iter().enumerate() {
        now.insert(Address::new(&live.kind, format!("left-over-{}", number + 1)), live.clone());
    }
    difference(&then, &now)
}

/// What is not as declared, seen from the definition: a plan the other way round.
pub fn reversed(plan: Plan) -> Vec<Change> {
    let changed = plan.changes.into_iter().filter(|change| change.action != Action::None);
    changed
        .map(|mut change| {
            match change.action {
                Action::Create => (change.action, change.reason, change.fields) = (Action::Delete, Reason::Gone, Vec::new()),
                Action::Delete | Action::Forget => {
                    let fields = change.before.as_ref().and_then(|live| Some(set_fields(types::kind(&live.kind)?, &live.spec)));
                    let fields = fields.unwrap_or_default();
                    (change.action, change.reason, change.fields) = (Action::Create, Reason::NotThere, fields);
                }
                Action::None | Action::Update | Action::Replace => {
                    // Nothing happens to what has drifted: it differs where it stands.
                    (change.action, change.reason) = (Action::Update, Reason::Differs);
                    for field in &mut change.fields {
                        std::mem::swap(&mut field.before, &mut field.after);
                        field.forces_replacement = false;
                        field.risk = None;
                    }
                    change.tags = change.tags.map(|(before, after)| (after, before));
                }
            }
            Change { first: None, irreversible: None, ..change }
        })
        .collect()
}
