//! One change of a plan as text.

use std::fmt::Write;

use serde_json::Value;

use super::{RenderOptions, UNDECLARED};
use crate::{
    aws::types,
    core::{Tags, printable_line},
    engine::plan::{Action, Change, ChangedBy, FieldDiff, MoveReason, MovedFrom, PlannedGates, Reason, ReplacementOrder, RiskyValue},
    report::{
        Style,
        layout::{self, WIDTH},
        value::{AddressNames, is_empty_value},
    },
};

/// Context of a change on the screen.
pub(super) struct RenderContext<'a> {
    pub(super) options: RenderOptions,
    /// Tag changes already listed above all changes.
    pub(super) shared_tags: TagChanges<'a>,
    /// Whether the heading above states that these are no longer declared.
    pub(super) in_undeclared_section: bool,
    pub(super) names: &'a AddressNames,
    /// Gates that are closed, or can't be checked.
    pub(super) gates: &'a [PlannedGates],
}

/// Indentation of a field, in columns.
pub(super) const FIELD_INDENT: usize = 6;

/// Key, old value and new value of changed tags.
pub(super) type TagChanges<'a> = Vec<(&'a str, &'a str, &'a str)>;

pub(super) fn tag_changes(change: &Change) -> TagChanges<'_> {
    let Some((before, after)) = &change.tags else { return Vec::new() };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let differ = after.keys().chain(gone).filter(|key| before.get(*key) != after.get(*key));
    differ.map(|key| (key.as_str(), tag_or_none(before, key), tag_or_none(after, key))).collect()
}

fn tag_or_none<'a>(tags: &'a Tags, key: &str) -> &'a str {
    tags.get(key).map_or("none", String::as_str)
}

pub(super) fn write_change(out: &mut dyn Write, change: &Change, context: &RenderContext<'_>) -> std::fmt::Result {
    let (symbol, style) = match change.action {
        Action::None => (" ", Style::Faint),
        Action::Create => ("+", Style::Added),
        Action::Update => ("~", Style::Changed),
        Action::Replace => ("±", Style::Removed),
        Action::Delete => ("-", Style::Removed),
        Action::Forget => ("×", Style::Changed),
    };
    let address = change.address.to_string();
    let why = reason_with_region(change, context);
    let gap = match address.chars().count() + why.chars().count() + 6 {
        _ if why.is_empty() => "",
        ..=WIDTH => "  ",
        _ => "\n      ",
    };
    writeln!(out, "  {} {}{gap}{}", style.paint(symbol), style.paint(&address), Style::Faint.paint(why))?;
    write_details(out, change, context)
}

/// Whether the tags of a change are already listed above all changes.
fn has_shared_tags(change: &Change, context: &RenderContext<'_>) -> bool {
    let tags = tag_changes(change);
    !tags.is_empty() && tags == context.shared_tags
}

/// Reason for a change, after its region if that is not the plan's; may be empty.
pub(super) fn reason_with_region(change: &Change, context: &RenderContext<'_>) -> String {
    let why = if has_shared_tags(change, context) && change.fields.is_empty() {
        "tags, as above".to_owned()
    } else {
        change_reason(change, context.in_undeclared_section)
    };
    match &change.region {
        Some(region) if why.is_empty() => format!("in {region}"),
        Some(region) => format!("in {region}; {why}"),
        None => why,
    }
}

/// Former address of a resource, how it is known to be the same, and its name if that has another key.
fn moved_from(change: &Change) -> Option<String> {
    let MovedFrom { address, because } = change.moved_from.as_ref()?;
    let named = types::resource_type(&address.type_name).is_some_and(|kind| kind.naming.is_some());
    let how = match because {
        MoveReason::Declared => "under `moved`",
        MoveReason::UniqueKey if named => "same name",
        MoveReason::UniqueKey => "same unique key",
        MoveReason::EqualFields => "same fields",
    };
    let name =
        change.before.as_ref().and_then(|live| live.spec.get("name")?.as_str()).filter(|_| named && *because == MoveReason::Declared);
    let is_kept = change.action != Action::Replace && !change.fields.iter().any(|field| field.pointer == "/name");
    let kept = name.filter(|_| is_kept).map(|name| format!(", keeps the name {}", printable_line(name))).unwrap_or_default();
    Some(format!("→ moved from {address} ({how}){kept}"))
}

/// Writes what is below the heading of a change: fields, risks, impact, tags and steps.
pub(super) fn write_details(out: &mut dyn Write, change: &Change, context: &RenderContext<'_>) -> std::fmt::Result {
    let names = context.names;
    let tags = tag_changes(change);
    let is_shared = has_shared_tags(change, context);
    if let Some(moved) = moved_from(change) {
        writeln!(out, "      {}", Style::Changed.paint(moved))?;
    }
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
    // A risky value has a line of its own, but one inside a list does not show the other items.
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
