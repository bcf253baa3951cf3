//! Updates that are alike, as one entry.

use std::{collections::BTreeMap, fmt::Write};

use super::change::{RenderContext, tag_changes, write_details};
use crate::{
    engine::plan::{Action, Change, ChangedBy, FieldDiff, Reason},
    report::Style,
};

/// Number of updates that are alike above which they are one entry.
const FOLD_ABOVE_ALIKE: usize = 10;

/// Takes out the updates that are shown as one entry: more than a few of a type, with the same fields and values.
pub(super) fn without_alike(changes: Vec<&Change>) -> (Vec<&Change>, Vec<Vec<&Change>>) {
    if changes.len() <= FOLD_ABOVE_ALIKE {
        return (changes, Vec::new());
    }
    let mut groups: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    for change in changes.iter().copied().filter(|change| is_plain_update(change)) {
        groups.entry(likeness(change)).or_default().push(change);
    }
    groups.retain(|_, group| group.len() > FOLD_ABOVE_ALIKE);
    let is_folded = |change: &&Change| is_plain_update(change) && groups.contains_key(&likeness(change));
    let shown = changes.iter().copied().filter(|change| !is_folded(change)).collect();
    (shown, groups.into_values().collect())
}

/// Whether an update has nothing that a reviewer must see for each resource.
fn is_plain_update(change: &Change) -> bool {
    let is_plain = |field: &FieldDiff| field.risks.is_empty() && field.risk.is_none() && !field.forces_replacement;
    let is_yours = |by: Option<&ChangedBy>| by.is_none_or(|by| *by == ChangedBy::You);
    change.action == Action::Update
        && change.reason == Reason::Differs
        && change.moved_from.is_none()
        && change.irreversible.is_none()
        && change.impact.is_empty()
        && change.effects.is_empty()
        && change.stages.is_empty()
        && change.exchanged_with.is_empty()
        && change.fields.iter().all(|field| is_plain(field) && is_yours(field.changed_by.as_ref()))
        && change.tags_changed_by.values().all(|by| is_yours(Some(by)))
}

/// Text that is the same for updates that are alike.
fn likeness(change: &Change) -> String {
    let fields: Vec<String> = change.fields.iter().map(|field| format!("{} {} {}", field.pointer, field.before, field.after)).collect();
    format!("{} {:?} {fields:?} {:?} {:?} {:?}", change.address.type_name, change.region, tag_changes(change), change.attach, change.detach)
}

/// Writes updates that are alike: their number, the first and the last address, and what changes.
pub(super) fn write_alike(out: &mut dyn Write, group: &[&Change], context: &RenderContext<'_>) -> std::fmt::Result {
    let [first, .., last] = group else { return Ok(()) };
    let heading = format!("{} {}", group.len(), first.address.type_name);
    let region = first.region.as_ref().map(|region| format!("in {region}; ")).unwrap_or_default();
    let why = format!("{region}in place, all alike; `--full` lists them");
    writeln!(out, "  {} {}  {}", Style::Changed.paint("~"), Style::Changed.paint(heading), Style::Faint.paint(why))?;
    writeln!(out, "      {}", Style::Faint.paint(format!("{} … {}", first.address, last.address)))?;
    write_details(out, first, context)
}
