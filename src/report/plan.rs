//! Plans as text.

mod change;
mod fold;
mod listing;
mod outputs;

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use self::change::{FIELD_INDENT, RenderContext, TagChanges, tag_changes, write_change};
use self::outputs::write_outputs;
pub use self::{
    change::risks,
    listing::{details, listing},
};
use super::{Place, Style, format_duration, layout::WIDTH, value::AddressNames};
use crate::{
    core::{Address, printable_line},
    definition::sections,
    engine::plan::{Action, Change, ChangedBy, Op, Plan, Reason, Summary, critical_path},
};

/// Options for the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Shows unchanged resources, and everything that `full` shows.
    pub all: bool,
    /// Shows every change of a large plan, every field of new resources, and every line of the cost.
    pub full: bool,
}

/// Renders a plan.
pub fn render(plan: &Plan, options: RenderOptions) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, plan, options);
    out
}

/// Writes a plan.
///
/// # Errors
/// Fails if `out` fails.
pub fn write(out: &mut dyn Write, plan: &Plan, options: RenderOptions) -> std::fmt::Result {
    let names = &AddressNames::from_plan(plan);
    let mut around = write_head(out, plan, options, names)?;
    let sections = sections_of(plan, options);
    let several = sections.len() > 1;
    let folds = !options.shows_all() && sections.values().map(|(_, changes)| changes.len()).sum::<usize>() > FOLD_ABOVE_CHANGES;
    for (name, changes) in sections.into_values() {
        if several {
            let counts = if folds { format!(": {}", Summary::of_changes(&changes).describe()) } else { String::new() };
            writeln!(out, " {}{counts}", Style::Heading.paint(name))?;
            around.in_undeclared_section = name == UNDECLARED;
        }
        let folds = folds && changes.iter().filter(|change| is_plain_create(change)).count() > FOLD_ABOVE_CREATIONS;
        let (folded, shown): (Vec<&Change>, Vec<&Change>) = changes.into_iter().partition(|change| folds && is_plain_create(change));
        let (shown, alike) = if options.shows_all() { (shown, Vec::new()) } else { fold::without_alike(shown) };
        for change in shown {
            write_change(out, change, &around)?;
        }
        for group in &alike {
            fold::write_alike(out, group, &around)?;
        }
        write_folded(out, &folded)?;
    }
    write_tail(out, plan, options)
}

/// A plan in parts, to be folded: each section with its name and counts, and what is below the sections.
pub struct PlanParts {
    /// Name and counts (`network: 34 to create`), and text.
    pub sections: Vec<(String, String)>,
    /// Notes and changes that concern all sections.
    pub head: String,
    /// Counts, estimated time, cost, warnings and obstacles.
    pub tail: String,
}

/// Renders a plan in parts, with every change.
pub fn render_parts(plan: &Plan) -> PlanParts {
    let (options, names) = (RenderOptions::default(), &AddressNames::from_plan(plan));
    let mut parts = PlanParts { sections: Vec::new(), head: String::new(), tail: String::new() };
    // Writing to a string cannot fail.
    let Ok(mut around) = write_head(&mut parts.head, plan, options, names) else { return parts };
    for (name, changes) in sections_of(plan, options).into_values() {
        around.in_undeclared_section = name == UNDECLARED;
        let mut text = String::new();
        let _ = changes.iter().try_for_each(|change| write_change(&mut text, change, &around));
        parts.sections.push((format!("{name}: {}", Summary::of_changes(&changes).describe()), text));
    }
    let _ = write_tail(&mut parts.tail, plan, options);
    parts
}

/// The changes to show, by section.
fn sections_of(plan: &Plan, options: RenderOptions) -> BTreeMap<usize, (&str, Vec<&Change>)> {
    let mut sections: BTreeMap<usize, (&str, Vec<&Change>)> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| options.all || change.action != Action::None) {
        let (place, name) = section(change);
        sections.entry(place).or_insert((name, Vec::new())).1.push(change);
    }
    sections
}

/// Writes what is above the sections, and returns the context of their changes.
fn write_head<'a>(
    out: &mut dyn Write,
    plan: &'a Plan,
    options: RenderOptions,
    names: &'a AddressNames,
) -> Result<RenderContext<'a>, std::fmt::Error> {
    let place = Place { region: &plan.region, account: &plan.account, is_simulated: plan.is_simulated };
    writeln!(out, "{}", place.title(&plan.stack, &plan.environment))?;
    for read in &plan.stacks {
        let text = format!("reads {} ({}) at revision {}", read.stack, read.environment, read.revision);
        writeln!(out, "  {}", Style::Faint.paint(printable_line(&text)))?;
    }
    for used in &plan.existing {
        let text = format!("uses {}: {}", used.address, used.ids.join(", "));
        writeln!(out, "  {}", Style::Faint.paint(printable_line(&text)))?;
    }
    for note in &plan.notes {
        writeln!(out, "  {} {}", Style::Changed.paint("Note:"), printable_line(note))?;
    }
    let shared = shared_tags(plan);
    if let Some((tags, count)) = &shared {
        writeln!(out, "  {} {}", Style::Changed.paint("~"), Style::Changed.paint(format!("tags of {count} resources")))?;
        for (key, old, new) in tags {
            writeln!(out, "      {}: {} → {}", printable_line(key), printable_line(old), printable_line(new))?;
        }
    }
    let shared_tags = shared.map(|(tags, _)| tags).unwrap_or_default();
    Ok(RenderContext { options, shared_tags, in_undeclared_section: false, names, gates: &plan.gates })
}

/// Writes what is below the sections.
fn write_tail(out: &mut dyn Write, plan: &Plan, options: RenderOptions) -> std::fmt::Result {
    write_partial(out, plan)?;
    write_outputs(out, plan)?;
    write_prerequisites(out, plan)?;
    writeln!(out)?;
    let summary = plan.summary();
    if plan.is_empty() {
        match summary.unchanged {
            _ if is_partial(plan) => writeln!(out, "No changes to the selected resources.")?,
            0 => writeln!(out, "No changes: nothing of the stack exists.")?,
            1 => writeln!(out, "No changes: 1 resource matches the definition.")?,
            several => writeln!(out, "No changes: {several} resources match the definition.")?,
        }
    } else {
        writeln!(out, "Plan: {}; {} unchanged.", plan.describe(), summary.unchanged)?;
    }
    if plan.apply.node_count() + plan.clean_up.node_count() > 0 {
        let half = if plan.apply.node_count() > 0 { &plan.apply } else { &plan.clean_up };
        let path = critical_path(half, |step| plan.estimate(step));
        let mut path: Vec<String> = path.iter().map(|node| plan.changes[half[*node].change].address.to_string()).collect();
        path.dedup();
        write_critical_path(out, plan.estimated_time(), &path)?;
        write_commit_point(out, plan)?;
    }
    if let Some(costs) = &plan.costs {
        out.write_str(&super::cost::render(costs, options.shows_all()))?;
    }
    write_notes(out, plan)
}

fn write_prerequisites(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    for needed in &plan.prerequisites {
        writeln!(out, "  {} {}", Style::Added.paint("+"), Style::Added.paint(needed.to_string()))?;
        writeln!(out, "      {}", Style::Faint.paint("the whole account needs it once; acme never deletes it"))?;
    }
    Ok(())
}

impl RenderOptions {
    fn shows_all(self) -> bool {
        self.all || self.full
    }
}

/// Number of changes above which creations that are neither risky nor irreversible are only counted.
const FOLD_ABOVE_CHANGES: usize = 100;

/// Number of such creations in a section above which they are only counted.
const FOLD_ABOVE_CREATIONS: usize = 5;

/// Whether a change only adds something that a reviewer need not look at.
fn is_plain_create(change: &Change) -> bool {
    let is_risky = change.fields.iter().any(|field| field.risk.is_some());
    change.action == Action::Create && !is_risky && change.reason == Reason::DoesNotExist && change.changed_by.is_none()
}

/// Writes what is not shown of a section: `+ 34 more to create: 12 subnet, 6 route_table`.
fn write_folded(out: &mut dyn Write, folded: &[&Change]) -> std::fmt::Result {
    if folded.is_empty() {
        return Ok(());
    }
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for change in folded {
        *types.entry(&change.address.type_name).or_default() += 1;
    }
    let mut types: Vec<(&str, usize)> = types.into_iter().collect();
    types.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let heading = format!("{} to create, not shown without `--full`:", folded.len());
    writeln!(out, "  {} {}", Style::Added.paint("+"), Style::Added.paint(heading))?;
    let mut line = String::new();
    for (number, (name, count)) in types.iter().enumerate() {
        let end = if number + 1 < types.len() { "," } else { "" };
        let word = format!("{count} {name}{end}");
        if !line.is_empty() && FIELD_INDENT + line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{:FIELD_INDENT$}{}", "", Style::Faint.paint(&line))?;
            line.clear();
        }
        line = if line.is_empty() { word } else { format!("{line} {word}") };
    }
    writeln!(out, "{:FIELD_INDENT$}{}", "", Style::Faint.paint(line))
}

fn is_partial(plan: &Plan) -> bool {
    plan.partial.as_ref().is_some_and(|partial| !partial.left_out.is_empty())
}

/// Writes what a selection takes along and leaves out.
fn write_partial(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    let Some(partial) = &plan.partial else { return Ok(()) };
    let belongs = |address: &Address, by: &Address| format!("{address} (for {by})");
    let list = |out: &mut dyn Write, words: &str, entries: Vec<String>| match entries.is_empty() {
        true => Ok(()),
        false => writeln!(out, "  {words} {}", entries.join(", ")),
    };
    let included = partial.included.iter().map(|(address, by)| belongs(address, by)).collect();
    list(out, "Included, because the selected changes need them:", included)?;
    let excluded = partial.excluded.iter().filter(|(address, _)| partial.left_out.contains_key(address));
    list(out, "Left out with a resource that they depend on:", excluded.map(|(address, by)| belongs(address, by)).collect())
}

/// Renders warnings and obstacles.
pub fn render_notes(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_notes(&mut out, plan);
    out
}

/// Section of a change, and the section's position.
fn section(change: &Change) -> (usize, &str) {
    let place = change.section.as_deref().and_then(|section| sections::SECTION_NAMES.iter().position(|name| *name == section));
    match (place, change.section.as_deref()) {
        (Some(place), Some(section)) => (place, section),
        (_, Some(_)) => (sections::SECTION_NAMES.len(), "resources"),
        (_, None) => (sections::SECTION_NAMES.len() + 1, UNDECLARED),
    }
}

/// Heading for resources that no section declares.
const UNDECLARED: &str = "no longer declared";

fn write_notes(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    if let Some(partial) = plan.partial.as_ref().filter(|partial| !partial.left_out.is_empty()) {
        let counts = Summary::of_actions(partial.left_out.values().copied()).describe();
        writeln!(out, "{} the plan is partial and leaves out {counts}.", Style::Changed.paint("Warning:"))?;
    }
    for warning in &plan.warnings {
        writeln!(out, "{} {warning}", Style::Changed.paint("Warning:"))?;
    }
    for obstacle in &plan.obstacles {
        writeln!(out, "{} {}.", Style::Removed.paint(format!("Blocked[{}]:", obstacle.code)), obstacle.message)?;
        if let Some(place) = &obstacle.location {
            writeln!(out, "  --> {place}")?;
        }
        writeln!(out, "  help: {}", obstacle.help)?;
    }
    Ok(())
}

/// Writes the estimated time and the critical path, on as many lines as necessary.
fn write_critical_path(out: &mut dyn Write, usual: Duration, path: &[String]) -> std::fmt::Result {
    let mut line = format!("Estimated time: {}", format_duration(usual));
    for (number, address) in path.iter().enumerate() {
        let link = if number == 0 { " (critical path:" } else { " →" };
        // Leaves columns for an arrow, or for the end of the sentence.
        if line.chars().count() + link.chars().count() + address.chars().count() + 3 < WIDTH {
            write!(line, "{link} {address}")?;
        } else {
            writeln!(out, "{line}{link}")?;
            line = format!("  {address}");
        }
    }
    writeln!(out, "{line}{}", if path.is_empty() { "." } else { ")." })
}

/// Renders changes alone, from any source.
pub fn render_changes(changes: &[Change], names: &AddressNames) -> String {
    let mut out = String::new();
    let around =
        RenderContext { options: RenderOptions::default(), shared_tags: Vec::new(), in_undeclared_section: false, names, gates: &[] };
    for change in changes {
        // Writing to a string cannot fail.
        let _ = write_change(&mut out, change, &around);
    }
    out
}

/// Writes the point of no return, and the changes that cannot be undone.
fn write_commit_point(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    let clear = plan.clean_up.node_weights().filter(|step| matches!(step.op, Op::Delete | Op::Forget)).count();
    if clear > 0 && plan.apply.node_count() > 0 {
        let noun = if clear == 1 { "deletion starts" } else { "deletions start" };
        writeln!(out, "Point of no return: {clear} {noun} after all other steps are verified.")?;
    }
    let mut irreversible = plan.changes.iter().filter(|change| change.action != Action::None && change.irreversible.is_some()).peekable();
    if irreversible.peek().is_some() {
        writeln!(out, "{}", Style::Removed.paint("Cannot be undone:"))?;
    }
    for change in irreversible {
        writeln!(out, "  {}: {}", change.address, change.irreversible.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// Number of resources from which on an equal tag change is reported once.
const MIN_SHARED_TAG_CHANGES: usize = 3;

/// Tag changes that most resources share, and the number of these resources: a tag of the stack is on each.
fn shared_tags(plan: &Plan) -> Option<(TagChanges<'_>, usize)> {
    let mut counts: BTreeMap<TagChanges<'_>, usize> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| change.tags_changed_by.values().all(|by| *by == ChangedBy::You)) {
        *counts.entry(tag_changes(change)).or_default() += 1;
    }
    counts.remove(&Vec::new());
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= MIN_SHARED_TAG_CHANGES)
}
