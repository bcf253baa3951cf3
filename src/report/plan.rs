//! A plan as text.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde_json::Value;

use super::{
    Style, duration,
    nested::{self, WIDTH},
    value::{Names, is_none},
};
use crate::{
    aws::types,
    core::Tags,
    definition::sections,
    engine::plan::{Action, By, Change, FieldDiff, First, Plan, Reason, critical_path},
};

/// What to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// Unchanged resources, and every field of what is made.
    pub all: bool,
}

/// What stands around a change on the screen.
struct Around<'a> {
    show: Show,
    /// Tags that were told of before all changes.
    shared: TagChanges<'a>,
    /// The heading above says that these are no longer declared.
    headed: bool,
    names: &'a Names,
}

/// Columns before a field.
const FIELD: usize = 6;

/// The whole plan, readable at a glance.
pub fn render(plan: &Plan, show: Show) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, plan, show);
    out
}

/// Writes the whole plan, readable at a glance.
///
/// # Errors
/// When `out` fails.
pub fn write(out: &mut dyn Write, plan: &Plan, show: Show) -> std::fmt::Result {
    let names = &Names::of_plan(plan);
    let title = format!("{} ({}) in {}, account {}", plan.stack, plan.environment, plan.region, plan.account);
    writeln!(out, "{}", Style::Heading.of(title))?;
    let shared = shared_tags(plan);
    if let Some((tags, count)) = &shared {
        writeln!(out, "  {} {}", Style::Changed.of("~"), Style::Changed.of(format!("tags of {count} resources")))?;
        for (key, old, new) in tags {
            writeln!(out, "      {key}: {old} → {new}")?;
        }
    }
    let mut around = Around { show, shared: shared.map(|(tags, _)| tags).unwrap_or_default(), headed: false, names };
    let mut sections: BTreeMap<usize, (&str, Vec<&Change>)> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| show.all || change.action != Action::None) {
        let (place, name) = section(change);
        sections.entry(place).or_insert((name, Vec::new())).1.push(change);
    }
    let several = sections.len() > 1;
    for (name, changes) in sections.into_values() {
        if several {
            writeln!(out, " {}", Style::Heading.of(name))?;
            around.headed = name == UNDECLARED;
        }
        for change in changes {
            write_change(out, change, &around)?;
        }
    }
    writeln!(out)?;
    let summary = plan.summary();
    if plan.is_empty() {
        let noun = if summary.unchanged == 1 { "resource is" } else { "resources are" };
        writeln!(out, "Nothing to do: {} {noun} as declared.", summary.unchanged)?;
    } else {
        let counts = [("create", summary.create), ("change", summary.update), ("replace", summary.replace), ("delete", summary.delete)];
        let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} to {word}")).collect();
        writeln!(out, "Plan: {}; {} unchanged.", counts.join(", "), summary.unchanged)?;
        let half = if plan.build.node_count() > 0 { &plan.build } else { &plan.clear };
        let path = critical_path(half, |step| plan.usual(step));
        let mut path: Vec<String> = path.iter().map(|node| plan.changes[half[*node].change].address.to_string()).collect();
        path.dedup();
        write_path(out, plan.usual_time(), &path)?;
        write_pivot(out, plan)?;
    }
    write_notes(out, plan)
}

/// What the reader should know, and what stands in the way.
pub fn notes(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_notes(&mut out, plan);
    out
}

/// The section that a change stands under, and its place among the sections.
fn section(change: &Change) -> (usize, &str) {
    let place = change.section.as_deref().and_then(|section| sections::NAMES.iter().position(|name| *name == section));
    match (place, change.section.as_deref()) {
        (Some(place), Some(section)) => (place, section),
        (_, Some(_)) => (sections::NAMES.len(), "resources"),
        (_, None) => (sections::NAMES.len() + 1, UNDECLARED),
    }
}

/// Heading of what no section declares.
const UNDECLARED: &str = "no longer declared";

fn write_notes(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    for warning in &plan.warnings {
        writeln!(out, "{} {warning}", Style::Changed.of("Warning:"))?;
    }
    for obstacle in &plan.obstacles {
        writeln!(out, "{} {}.", Style::Removed.of(format!("Blocked[{}]:", obstacle.code)), obstacle.message)?;
        if let Some(place) = &obstacle.place {
            writeln!(out, "  --> {place}")?;
        }
        writeln!(out, "  help: {}", obstacle.help)?;
    }
    Ok(())
}

/// The usual time and the road that takes it, on as many lines as it takes.
fn write_path(out: &mut dyn Write, usual: Duration, path: &[String]) -> std::fmt::Result {
    let mut line = format!("Usual time: {}", duration(usual));
    for (number, address) in path.iter().enumerate() {
        let link = if number == 0 { ", along" } else { " →" };
        // One column is for what follows it.
        if line.chars().count() + link.chars().count() + address.chars().count() + 2 < WIDTH {
            write!(line, "{link} {address}")?;
        } else {
            writeln!(out, "{line}{}", if number == 0 { "," } else { " →" })?;
            line = format!("  {}{address}", if number == 0 { "along " } else { "" });
        }
    }
    writeln!(out, "{line}.")
}

/// Changes alone, whatever they come from.
pub fn changes(changes: &[Change], names: &Names) -> String {
    let mut out = String::new();
    let around = Around { show: Show::default(), shared: Vec::new(), headed: false, names };
    for change in changes {
        // Writing to a string cannot fail.
        let _ = write_change(&mut out, change, &around);
    }
    out
}

/// The line between what can be undone and what cannot.
fn write_pivot(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    let clear = plan.clear.node_count();
    if clear > 0 && plan.build.node_count() > 0 {
        let noun = if clear == 1 { "deletion begins" } else { "deletions begin" };
        writeln!(out, "Pivot: {clear} {noun} only after everything above is made and verified.")?;
    }
    let mut irreversible = plan.changes.iter().filter(|change| change.action != Action::None && change.irreversible.is_some()).peekable();
    if irreversible.peek().is_some() {
        writeln!(out, "{}", Style::Removed.of("Cannot be undone:"))?;
    }
    for change in irreversible {
        writeln!(out, "  {}: {}", change.address, change.irreversible.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// Key, old value and new value of tags that change.
type TagChanges<'a> = Vec<(&'a str, &'a str, &'a str)>;

/// So many resources whose tags change alike are told of once.
const ALIKE: usize = 3;

/// How the tags of most resources change, and of how many: a tag of the stack is one on each.
fn shared_tags(plan: &Plan) -> Option<(TagChanges<'_>, usize)> {
    let mut counts: BTreeMap<TagChanges<'_>, usize> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| change.tags_by.values().all(|by| *by == By::You)) {
        *counts.entry(tag_changes(change)).or_default() += 1;
    }
    counts.remove(&Vec::new());
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= ALIKE)
}

fn tag_changes(change: &Change) -> TagChanges<'_> {
    let Some((before, after)) = &change.tags else { return Vec::new() };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let differ = after.keys().chain(gone).filter(|key| before.get(*key) != after.get(*key));
    differ.map(|key| (key.as_str(), tag(before, key), tag(after, key))).collect()
}

fn tag<'a>(tags: &'a Tags, key: &str) -> &'a str {
    tags.get(key).map_or("none", String::as_str)
}

fn write_change(out: &mut dyn Write, change: &Change, around: &Around<'_>) -> std::fmt::Result {
    let names = around.names;
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
    let is_shared = !tags.is_empty() && tags == around.shared;
    let why = if is_shared && change.fields.is_empty() { "tags, as above".to_owned() } else { why(change, around.headed) };
    let gap = match address.chars().count() + why.chars().count() + 6 {
        _ if why.is_empty() => "",
        ..=WIDTH => "  ",
        _ => "\n      ",
    };
    writeln!(out, "  {} {}{gap}{}", style.of(symbol), style.of(&address), Style::Faint.of(why))?;
    match change.action {
        Action::Create if !around.show.all => {
            let summary = summary(change, names);
            if !summary.is_empty() {
                writeln!(out, "      {}", Style::Faint.of(summary))?;
            }
            write_risks(out, change, names)?;
        }
        Action::Create | Action::Update | Action::Replace => {
            for field in &change.fields {
                write_field(out, field, change.action, names)?;
            }
            write_risks(out, change, names)?;
            for words in &change.disturbs {
                writeln!(out, "      {} {words}", Style::Changed.of("disturbs:"))?;
            }
            match is_shared {
                true if change.fields.is_empty() => {}
                true => writeln!(out, "      tags, as above")?,
                false => {
                    for (key, old, new) in tags {
                        writeln!(out, "      tag {key}: {old} → {new}{}", who(change.tags_by.get(key).copied()))?;
                    }
                }
            }
        }
        Action::None | Action::Delete | Action::Forget => {}
    }
    Ok(())
}

/// `headed` says that the heading above says that it is no longer declared.
fn why(change: &Change, headed: bool) -> String {
    let order = match change.first {
        Some(First::Old) if change.action == Action::Replace => ", the old one goes first",
        Some(First::New) => ", the new one comes first",
        _ => "",
    };
    match &change.reason {
        Reason::NotThere if change.by == Some(By::Outside) => "deleted outside".to_owned(),
        Reason::AsDeclared | Reason::NotThere => String::new(),
        Reason::Differs => "in place".to_owned(),
        Reason::CannotChange { fields } => {
            let fields: Vec<&str> = fields.iter().map(|f| f.trim_start_matches('/').split('/').next().unwrap_or_default()).collect();
            format!("replaced: {} can't change in place{order}", fields.join(", "))
        }
        Reason::Failed { status } => format!("replaced: AWS reports `{status}`{order}"),
        Reason::NotDeclared if headed && change.action == Action::Forget => "stays in AWS".to_owned(),
        Reason::NotDeclared if change.action == Action::Forget => "no longer declared; stays in AWS".to_owned(),
        Reason::NotDeclared if change.by == Some(By::Outside) => "not declared, made outside".to_owned(),
        Reason::NotDeclared if headed => String::new(),
        Reason::NotDeclared => UNDECLARED.to_owned(),
        Reason::Destroyed if change.action == Action::Forget => "stays in AWS".to_owned(),
        Reason::Destroyed => String::new(),
        Reason::Undone => "made by what is undone".to_owned(),
        Reason::Gone => "gone".to_owned(),
        Reason::Another { id } => format!("another one stands there ({id})"),
        Reason::LeftOver => format!("left over from an interrupted run ({})", change.id.as_deref().unwrap_or_default()),
    }
}

/// The few fields that tell one resource from another, on one line of at most 80 columns.
fn summary(change: &Change, names: &Names) -> String {
    let mut line = String::new();
    for field in change.fields.iter().filter(|field| field.at != "/name" && tells(change, field)) {
        let text = format!("{} {}", field.at.trim_start_matches('/'), names.show(&field.after));
        if text.ends_with(" none") || line.chars().count() + text.chars().count() > 70 {
            continue;
        }
        line = if line.is_empty() { text } else { format!("{line}, {text}") };
    }
    line
}

/// Whether a field tells one resource from another. Of switches only those do that are important and not at their default; a risky value is
/// pointed out on a line of its own.
fn tells(change: &Change, field: &FieldDiff) -> bool {
    match field.after {
        Value::Null => false,
        Value::Bool(_) if !field.important || field.risk.is_some() => false,
        Value::Bool(_) => {
            let schema = types::kind(&change.address.kind).map(|kind| kind.schema());
            let default = schema.and_then(|schema| schema.pointer(&format!("/properties{}/default", field.at)));
            default != Some(&field.after)
        }
        _ => true,
    }
}

/// The risky values of a change: what is risky, and why.
pub fn risks(change: &Change, names: &Names) -> Vec<(String, &'static str)> {
    let risk = |field: &FieldDiff| Some((format!("{} {}", field.at.trim_start_matches('/'), names.show(&field.after)), field.risk?));
    change.fields.iter().filter_map(risk).collect()
}

fn write_risks(out: &mut dyn Write, change: &Change, names: &Names) -> std::fmt::Result {
    risks(change, names).into_iter().try_for_each(|(value, why)| writeln!(out, "      {} {value} ({why})", Style::Removed.of("risky:")))
}

fn write_field(out: &mut dyn Write, field: &FieldDiff, action: Action, names: &Names) -> std::fmt::Result {
    let name = field.at.trim_start_matches('/').replace('/', ".");
    let forces = if field.forces_replacement { Style::Removed.of("  (forces replacement)").to_string() } else { String::new() };
    let mark = format!("{forces}{}", who(field.by));
    if action != Action::Create {
        return nested::difference(out, FIELD, &name, (&field.before, &field.after), &mark, names);
    }
    if is_none(&field.after) { Ok(()) } else { nested::value(out, FIELD, &name, &field.after, names) }
}

/// Who changed it, where that is not the reader.
fn who(by: Option<By>) -> String {
    let text = match by {
        None | Some(By::You) => return String::new(),
        Some(By::Outside) => "  (changed outside)",
        Some(By::Both) => "  (changed by you, and outside)",
        Some(By::Aws) => "  (AWS's default)",
    };
    Style::Changed.of(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        core::{Address, Live, Phase},
        engine::plan::difference,
    };

    fn subnets(spec: Value) -> BTreeMap<Address, Live> {
        let live = Live {
            kind: "subnet".into(),
            id: "subnet-1".into(),
            tags: Tags::new(),
            phase: Phase::Ready,
            spec,
            outputs: json!({}),
            version: None,
        };
        BTreeMap::from([(Address::new("subnet", "a"), live)])
    }

    fn spec(is_public: bool) -> Value {
        json!({
            "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24", "availability_zone": "eu-west-1a", "dns64": true,
            "public_ip_on_launch": is_public,
        })
    }

    fn shown(changes: &[Change], show: Show) -> String {
        let mut out = String::new();
        let names = Names::of([]);
        let around = Around { show, shared: Vec::new(), headed: false, names: &names };
        changes.iter().for_each(|change| write_change(&mut out, change, &around).expect("writing to a string"));
        anstream::adapter::strip_str(&out).to_string()
    }

    fn with_risk(mut changes: Vec<Change>) -> Vec<Change> {
        let fields = changes.iter_mut().flat_map(|change| &mut change.fields);
        fields.filter(|field| field.at == "/public_ip_on_launch").for_each(|field| field.risk = Some("anyone can reach it"));
        changes
    }

    #[test]
    fn what_is_created_shows_its_important_fields_first() {
        let created = |is_public| difference(&BTreeMap::new(), &subnets(spec(is_public)));
        assert_eq!(
            shown(&created(true), Show::default()),
            "  + subnet.a\n      public_ip_on_launch true, availability_zone eu-west-1a, cidr 10.0.0.0/24\n"
        );
        // At its default it is not worth a word.
        assert_eq!(
            shown(&created(false), Show::default()),
            "  + subnet.a\n      availability_zone eu-west-1a, cidr 10.0.0.0/24, vpc vpc-1\n"
        );
        assert_eq!(
            shown(&created(false), Show { all: true }),
            "  + subnet.a\n      public_ip_on_launch: false\n      availability_zone: eu-west-1a\n      cidr: 10.0.0.0/24\n      dns64: true\n      \
             vpc: vpc-1\n"
        );
    }

    #[test]
    fn risky_values_are_pointed_out_with_their_reason() {
        assert_eq!(
            shown(&with_risk(difference(&BTreeMap::new(), &subnets(spec(true)))), Show::default()),
            "  + subnet.a\n      availability_zone eu-west-1a, cidr 10.0.0.0/24, vpc vpc-1\n      \
             risky: public_ip_on_launch true (anyone can reach it)\n"
        );
        assert_eq!(
            shown(&with_risk(difference(&subnets(spec(false)), &subnets(spec(true)))), Show::default()),
            "  ~ subnet.a  in place\n      public_ip_on_launch: false → true\n      risky: public_ip_on_launch true (anyone can reach it)\n"
        );
    }
}
