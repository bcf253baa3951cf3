//! Plans as text.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde_json::Value;

use super::{
    Place, Style, format_duration,
    layout::{self, WIDTH},
    value::{AddressNames, is_empty_value},
};
use crate::{
    aws::types,
    core::{Address, Tags, printable_line},
    definition::sections,
    engine::plan::{
        Action, Change, ChangedBy, FieldDiff, Op, Plan, PlannedGates, Reason, ReplacementOrder, RiskyValue, Summary, critical_path,
    },
};

/// Options for the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Shows unchanged resources, and everything that `full` shows.
    pub all: bool,
    /// Shows every change of a large plan, every field of new resources, and every line of the cost.
    pub full: bool,
}

/// Context of a change on the screen.
struct RenderContext<'a> {
    options: RenderOptions,
    /// Tag changes already listed above all changes.
    shared_tags: TagChanges<'a>,
    /// Whether the heading above states that these are no longer declared.
    in_undeclared_section: bool,
    names: &'a AddressNames,
    /// Gates that are closed, or can't be checked.
    gates: &'a [PlannedGates],
}

/// Indentation of a field, in columns.
const FIELD_INDENT: usize = 6;

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
        for change in shown {
            write_change(out, change, &around)?;
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
    for needed in &plan.prerequisites {
        writeln!(out, "  {} {}", Style::Added.paint("+"), Style::Added.paint(needed.to_string()))?;
        writeln!(out, "      {}", Style::Faint.paint("the whole account needs it once; acme never deletes it"))?;
    }
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
        writeln!(out, "Plan: {}; {} unchanged.", summary.describe(), summary.unchanged)?;
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
    list(out, "Left out, because they need what is left out:", excluded.map(|(address, by)| belongs(address, by)).collect())
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

/// Key, old value and new value of changed tags.
type TagChanges<'a> = Vec<(&'a str, &'a str, &'a str)>;

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

fn tag_changes(change: &Change) -> TagChanges<'_> {
    let Some((before, after)) = &change.tags else { return Vec::new() };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let differ = after.keys().chain(gone).filter(|key| before.get(*key) != after.get(*key));
    differ.map(|key| (key.as_str(), tag_or_none(before, key), tag_or_none(after, key))).collect()
}

fn tag_or_none<'a>(tags: &'a Tags, key: &str) -> &'a str {
    tags.get(key).map_or("none", String::as_str)
}

fn write_change(out: &mut dyn Write, change: &Change, context: &RenderContext<'_>) -> std::fmt::Result {
    let names = context.names;
    let (symbol, style) = match change.action {
        Action::None => (" ", Style::Faint),
        Action::Create => ("+", Style::Added),
        Action::Update => ("~", Style::Changed),
        Action::Replace => ("±", Style::Removed),
        Action::Delete => ("-", Style::Removed),
        Action::Forget => ("×", Style::Changed),
    };
    let address = change.address.to_string();
    let tags = tag_changes(change);
    let is_shared = !tags.is_empty() && tags == context.shared_tags;
    let why = if is_shared && change.fields.is_empty() {
        "tags, as above".to_owned()
    } else {
        change_reason(change, context.in_undeclared_section)
    };
    let why = match &change.region {
        Some(region) if why.is_empty() => format!("in {region}"),
        Some(region) => format!("in {region}; {why}"),
        None => why,
    };
    let gap = match address.chars().count() + why.chars().count() + 6 {
        _ if why.is_empty() => "",
        ..=WIDTH => "  ",
        _ => "\n      ",
    };
    writeln!(out, "  {} {}{gap}{}", style.paint(symbol), style.paint(&address), Style::Faint.paint(why))?;
    match change.action {
        Action::Create if !context.options.shows_all() => {
            for line in create_summary(change, names) {
                writeln!(out, "      {}", Style::Faint.paint(line))?;
            }
            write_risks(out, change, names)?;
        }
        Action::Create | Action::Update | Action::Replace => {
            for field in &change.fields {
                write_field(out, field, change.action, names)?;
            }
            write_risks(out, change, names)?;
            for words in &change.impact {
                writeln!(out, "      {} {words}", Style::Changed.paint("impact:"))?;
            }
            match is_shared {
                true if change.fields.is_empty() => {}
                true => writeln!(out, "      tags, as above")?,
                false => {
                    for (key, old, new) in tags {
                        let by = changed_by(change.tags_changed_by.get(key).copied());
                        writeln!(out, "      tag {}: {} → {}{by}", printable_line(key), printable_line(old), printable_line(new))?;
                    }
                }
            }
        }
        Action::None | Action::Delete | Action::Forget => {}
    }
    for stage in &change.stages {
        let gates = if stage.gates.is_empty() { String::new() } else { format!(", after the gates {}", stage.gates.join(", ")) };
        let at = stage.at.as_ref().map(|at| format!(", while {} has {}", at.address, printable_line(&at.version))).unwrap_or_default();
        let step = format!("step: {} → {}{at}{gates}", printable_line(&stage.from), printable_line(&stage.to));
        writeln!(out, "      {}", Style::Faint.paint(step))?;
        for gates in context.gates.iter().filter(|gates| gates.address == change.address && gates.to == stage.to) {
            for words in &gates.closed {
                writeln!(out, "        {} {}", Style::Changed.paint("closed now:"), printable_line(words))?;
            }
            for words in &gates.unchecked {
                writeln!(out, "        {}", Style::Faint.paint(printable_line(words)))?;
            }
        }
    }
    for effect in &change.effects {
        writeln!(out, "      {}", printable_line(effect))?;
    }
    let others: Vec<String> = change.exchanged_with.iter().filter(|other| **other != change.address).map(ToString::to_string).collect();
    if !others.is_empty() {
        writeln!(out, "      in one call with: {}", others.join(", "))?;
    }
    for (words, fields) in [("reset first:", &change.detach), ("set last:", &change.attach)] {
        if !fields.is_empty() {
            let fields: Vec<&str> = fields.iter().map(|field| field.trim_start_matches('/')).collect();
            writeln!(out, "      {words} {}", fields.join(", "))?;
        }
    }
    Ok(())
}

/// Reason for a change. `headed`: the heading above states that the resource is no longer declared.
fn change_reason(change: &Change, in_undeclared_section: bool) -> String {
    let order = match change.replacement_order {
        Some(ReplacementOrder::DestroyBeforeCreate) if change.action == Action::Replace => ", old one deleted first",
        Some(ReplacementOrder::CreateBeforeDestroy) => ", new one created first",
        Some(ReplacementOrder::Exchange) => ", old one deleted in the same call",
        _ => "",
    };
    match &change.reason {
        Reason::DoesNotExist if change.changed_by == Some(ChangedBy::Outside) => "deleted outside acme".to_owned(),
        Reason::DoesNotExist if change.dormant.is_some() => "restored, within its recovery window".to_owned(),
        Reason::UpToDate | Reason::DoesNotExist => String::new(),
        Reason::NotSelected => "not selected".to_owned(),
        Reason::Requested => format!("replaced, as requested{order}"),
        Reason::Differs => "in place".to_owned(),
        Reason::Waiting { instruction } => format!("waits for a person: {instruction}"),
        Reason::ImmutableFields { fields } => {
            let fields: Vec<&str> = fields.iter().map(|f| f.trim_start_matches('/').split('/').next().unwrap_or_default()).collect();
            let kept = change.kept_for.as_ref().map(|by| format!("; the old one stays in AWS, because data of {by} needs it"));
            format!("replaced: {} can't change in place{order}{}", fields.join(", "), kept.unwrap_or_default())
        }
        Reason::Failed { status } => format!("replaced: AWS reports `{}`{order}", printable_line(status)),
        Reason::NotInDefinition if in_undeclared_section && change.action == Action::Forget => "stays in AWS".to_owned(),
        Reason::NotInDefinition if change.action == Action::Forget => "no longer declared; stays in AWS".to_owned(),
        Reason::NotInDefinition if change.changed_by == Some(ChangedBy::Outside) => "not declared, created outside acme".to_owned(),
        Reason::NotInDefinition if in_undeclared_section => String::new(),
        Reason::NotInDefinition => UNDECLARED.to_owned(),
        Reason::Forgotten => "leaves the stack, stays in AWS".to_owned(),
        Reason::Destroyed if change.action == Action::Forget => "stays in AWS".to_owned(),
        Reason::Destroyed => String::new(),
        Reason::StillNeeded { by } => format!("stays in AWS, because data of {by} needs it"),
        Reason::RolledBack => "created by the run being undone".to_owned(),
        Reason::NoLongerExists => "gone".to_owned(),
        Reason::IdChanged { id } => format!("a different resource exists there ({id})"),
        Reason::LeftBehind { by } => format!("left behind by {by}"),
        Reason::LeftOver => format!("left over from an interrupted run ({})", change.id.as_deref().unwrap_or_default()),
    }
}

/// Columns for the fields of a created resource.
const SUMMARY_WIDTH: usize = WIDTH - FIELD_INDENT;
/// Columns for fields that are not important, so that the number of other fields has room.
const OTHERS_WIDTH: usize = 56;

/// The fields of a created resource that matter: all important ones that the definition sets, then as many as fit that distinguish it from
/// another one, and the number of the other fields that the definition sets.
fn create_summary(change: &Change, names: &AddressNames) -> Vec<String> {
    let (mut important, mut others, mut hidden) = (Vec::new(), Vec::new(), 0);
    // A risky value has a line of its own, one inside a list does not stand for the others.
    let has_line = |field: &FieldDiff| field.risks.iter().any(|risk| risk.pointer == field.pointer);
    for field in change.fields.iter().filter(|field| field.pointer != "/name" && !has_line(field)) {
        let text = format!("{} {}", field.pointer.trim_start_matches('/'), names.format(policy_statements(&field.after)));
        let (is_shown, is_default) = (is_distinguishing(change, field), is_default(change, field));
        match () {
            () if text.ends_with(" none") => {}
            () if field.important && is_shown && !is_default => important.push(shortened(&text, SUMMARY_WIDTH)),
            () if is_shown => others.push((text, is_default)),
            () if !is_default => hidden += 1,
            () => {}
        }
    }
    let mut lines: Vec<String> = Vec::new();
    let add = |lines: &mut Vec<String>, text: &str, width: usize| match lines.last_mut() {
        Some(line) if columns(line) + 2 + columns(text) <= width => *line = format!("{line}, {text}"),
        _ => lines.push(text.to_owned()),
    };
    for text in &important {
        add(&mut lines, text, SUMMARY_WIDTH);
    }
    let used = lines.last().map_or(0, |line| columns(line) + 2);
    let fit = used + others.iter().map(|(text, _)| columns(text) + 2).sum::<usize>() <= SUMMARY_WIDTH + 2;
    for (text, is_default) in others {
        let used = lines.last().map_or(0, |line| columns(line) + 2);
        if fit && hidden == 0 || used + columns(&text) <= OTHERS_WIDTH {
            add(&mut lines, &text, SUMMARY_WIDTH);
        } else {
            hidden += usize::from(!is_default);
        }
    }
    match hidden {
        0 => {}
        1 => add(&mut lines, "+ 1 more field", SUMMARY_WIDTH),
        several => add(&mut lines, &format!("+ {several} more fields"), SUMMARY_WIDTH),
    }
    lines
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The statements of a policy; any other value as it is.
fn policy_statements(value: &Value) -> &Value {
    value.get("Statement").unwrap_or(value)
}

/// Whether a field has the default of its type.
fn is_default(change: &Change, field: &FieldDiff) -> bool {
    let schema = types::resource_type(&change.address.type_name).map(|kind| kind.schema());
    schema.and_then(|schema| schema.pointer(&format!("/properties{}/default", field.pointer))) == Some(&field.after)
}

/// Whether a field distinguishes one resource from another. A switch does if it is important and not at its default; a risky value has a
/// line of its own.
fn is_distinguishing(change: &Change, field: &FieldDiff) -> bool {
    match field.after {
        Value::Null => false,
        Value::Bool(_) if !field.important || field.risk.is_some() => false,
        Value::Bool(_) => !is_default(change, field),
        _ => true,
    }
}

/// Risky values of a change, with reasons.
pub fn risks<'a>(change: &'a Change, names: &AddressNames) -> Vec<(String, &'a str)> {
    let of_field = |field: &'a FieldDiff| {
        let value = move |risk: &'a RiskyValue| {
            let below = risk.pointer.strip_prefix(&field.pointer).unwrap_or_default();
            let value = field.after.pointer(below).unwrap_or(&field.after);
            let place: Vec<&str> = risk.pointer.split('/').skip(1).filter(|part| part.parse::<usize>().is_err()).collect();
            (format!("{} {}", place.join("."), shortened(&names.format(value), LONGEST_VALUE)), risk.reason.as_str())
        };
        field.risks.iter().map(value)
    };
    change.fields.iter().flat_map(of_field).collect()
}

/// Longest value of a risk: a rule or a statement is recognised by its beginning.
const LONGEST_VALUE: usize = 100;

/// A text, cut if it is longer.
fn shortened(text: &str, longest: usize) -> String {
    match columns(text) {
        length if length <= longest => text.to_owned(),
        _ => text.chars().take(longest - 1).chain(['…']).collect(),
    }
}

fn write_risks(out: &mut dyn Write, change: &Change, names: &AddressNames) -> std::fmt::Result {
    risks(change, names).into_iter().try_for_each(|(value, why)| writeln!(out, "      {} {value} ({why})", Style::Removed.paint("risky:")))
}

fn write_field(out: &mut dyn Write, field: &FieldDiff, action: Action, names: &AddressNames) -> std::fmt::Result {
    let name = field.pointer.trim_start_matches('/').replace('/', ".");
    let forces = if field.forces_replacement { Style::Removed.paint("  (forces replacement)").to_string() } else { String::new() };
    let mark = format!("{forces}{}", changed_by(field.changed_by));
    if action != Action::Create {
        return layout::write_difference(out, FIELD_INDENT, &name, (&field.before, &field.after), &mark, names);
    }
    if is_empty_value(&field.after) { Ok(()) } else { layout::write_value(out, FIELD_INDENT, &name, &field.after, names) }
}

/// Origin of a change, unless it is the definition.
fn changed_by(by: Option<ChangedBy>) -> String {
    let text = match by {
        None | Some(ChangedBy::You) => return String::new(),
        Some(ChangedBy::Outside) => "  (changed outside acme)",
        Some(ChangedBy::Both) => "  (changed by you and outside acme)",
        Some(ChangedBy::Aws) => "  (AWS's default)",
    };
    Style::Changed.paint(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        core::{Address, LiveResource},
        engine::plan::diff_states,
    };

    fn live_subnet(spec: Value) -> BTreeMap<Address, LiveResource> {
        let live = LiveResource::ready("subnet", "subnet-1", spec);
        BTreeMap::from([(Address::new("subnet", "a"), live)])
    }

    fn spec(is_public: bool) -> Value {
        json!({
            "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24", "availability_zone": "eu-west-1a", "dns64": true,
            "public_ip_on_launch": is_public, "ipv6_index": null, "ipv6_on_launch": false, "hostname_type": null,
            "resource_name_a_record": false, "resource_name_aaaa_record": false,
        })
    }

    fn rendered(changes: &[Change], show: RenderOptions) -> String {
        let mut out = String::new();
        let names = AddressNames::of([]);
        let around = RenderContext { options: show, shared_tags: Vec::new(), in_undeclared_section: false, names: &names, gates: &[] };
        changes.iter().for_each(|change| write_change(&mut out, change, &around).expect("writing to a string"));
        anstream::adapter::strip_str(&out).to_string()
    }

    fn with_risk(mut changes: Vec<Change>) -> Vec<Change> {
        let fields = changes.iter_mut().flat_map(|change| &mut change.fields);
        fields.filter(|field| field.pointer == "/public_ip_on_launch").for_each(|field| {
            field.risk = Some("anyone can reach it".to_owned());
            field.risks = vec![RiskyValue { pointer: field.pointer.clone(), reason: "anyone can reach it".to_owned() }];
        });
        changes
    }

    #[test]
    fn shows_important_fields_of_created_resources_first() {
        let created = |is_public| diff_states(&BTreeMap::new(), &live_subnet(spec(is_public)));
        assert_eq!(
            rendered(&created(true), RenderOptions::default()),
            "  + subnet.a\n      cidr 10.0.0.0/24, public_ip_on_launch true, vpc vpc-1, + 2 more fields\n"
        );
        // A default is not shown.
        assert_eq!(
            rendered(&created(false), RenderOptions::default()),
            "  + subnet.a\n      cidr 10.0.0.0/24, availability_zone eu-west-1a, + 2 more fields\n"
        );
        assert_eq!(
            rendered(&created(false), RenderOptions { full: true, ..RenderOptions::default() }),
            "  + subnet.a\n      cidr: 10.0.0.0/24\n      public_ip_on_launch: false\n      availability_zone: eu-west-1a\n      dns64: true\n      \
             ipv6_on_launch: false\n      resource_name_a_record: false\n      resource_name_aaaa_record: false\n      vpc: vpc-1\n"
        );
    }

    #[test]
    fn flags_risky_values_with_their_reason() {
        assert_eq!(
            rendered(&with_risk(diff_states(&BTreeMap::new(), &live_subnet(spec(true)))), RenderOptions::default()),
            "  + subnet.a\n      cidr 10.0.0.0/24, availability_zone eu-west-1a, + 2 more fields\n      \
             risky: public_ip_on_launch true (anyone can reach it)\n"
        );
        assert_eq!(
            rendered(&with_risk(diff_states(&live_subnet(spec(false)), &live_subnet(spec(true)))), RenderOptions::default()),
            "  ~ subnet.a  in place\n      public_ip_on_launch: false → true\n      risky: public_ip_on_launch true (anyone can reach it)\n"
        );
    }
}
