//! A plan as text.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use super::{Style, duration, value::Names};
use crate::{
    plan::{Action, By, Change, FieldDiff, First, Plan, Reason, critical_path},
    resource::Tags,
};

/// What to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// Unchanged resources, and every field of what is made.
    pub all: bool,
}

/// The whole plan, readable at a glance.
pub fn render(plan: &Plan, show: Show) -> String {
    let names = Names::of_plan(plan);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_plan(&mut out, plan, show, &names);
    out
}

fn write_plan(out: &mut String, plan: &Plan, show: Show, names: &Names) -> std::fmt::Result {
    let title = format!("{} ({}) in {}, account {}", plan.stack, plan.environment, plan.region, plan.account);
    writeln!(out, "{}", Style::Heading.of(title))?;
    for change in plan.changes.iter().filter(|change| show.all || change.action != Action::None) {
        write_change(out, change, show, names)?;
    }
    writeln!(out)?;
    let summary = plan.summary();
    if plan.is_empty() {
        writeln!(out, "Nothing to do: {} resources are as declared.", summary.unchanged)?;
    } else {
        let counts = [("create", summary.create), ("change", summary.update), ("replace", summary.replace), ("delete", summary.delete)];
        let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} to {word}")).collect();
        writeln!(out, "Plan: {}; {} unchanged.", counts.join(", "), summary.unchanged)?;
        let path = critical_path(&plan.build, |step| plan.usual(step));
        let path: Vec<String> = path.iter().map(|node| plan.changes[plan.build[*node].change].address.to_string()).collect();
        let along = if path.is_empty() { String::new() } else { format!(", along {}", path.join(" → ")) };
        writeln!(out, "Usual time: {}{along}.", duration(plan.usual_time()))?;
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

fn write_notes(out: &mut String, plan: &Plan) -> std::fmt::Result {
    for warning in &plan.warnings {
        writeln!(out, "{} {warning}", Style::Changed.of("Warning:"))?;
    }
    for obstacle in &plan.obstacles {
        writeln!(out, "{} {}.", Style::Removed.of(format!("Blocked[{}]:", obstacle.code)), obstacle.message)?;
        writeln!(out, "  help: {}", obstacle.help)?;
    }
    Ok(())
}

/// Changes alone, whatever they come from.
pub fn changes(changes: &[Change], names: &Names) -> String {
    let mut out = String::new();
    for change in changes {
        // Writing to a string cannot fail.
        let _ = write_change(&mut out, change, Show::default(), names);
    }
    out
}

/// The line between what can be undone and what cannot.
fn write_pivot(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let clear = plan.clear.node_count();
    if clear > 0 && plan.build.node_count() > 0 {
        let noun = if clear == 1 { "deletion begins" } else { "deletions begin" };
        writeln!(out, "Pivot: {clear} {noun} only after everything above is made and verified.")?;
    }
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        if let Some(what) = &change.irreversible {
            writeln!(out, "{} {}: {what}.", Style::Removed.of("Cannot be undone:"), change.address)?;
        }
    }
    Ok(())
}

fn write_change(out: &mut String, change: &Change, show: Show, names: &Names) -> std::fmt::Result {
    let (symbol, style) = match change.action {
        Action::None => (" ", Style::Faint),
        Action::Create => ("+", Style::Added),
        Action::Update => ("~", Style::Changed),
        Action::Replace => ("±", Style::Removed),
        Action::Delete => ("-", Style::Removed),
        Action::Forget => ("×", Style::Changed),
    };
    let address = change.address.to_string();
    let why = why(change);
    let gap = if why.is_empty() { "" } else { "  " };
    writeln!(out, "  {} {}{gap}{}", style.of(symbol), style.of(&address), Style::Faint.of(why))?;
    match change.action {
        Action::Create if !show.all => {
            let summary = summary(&change.fields, names);
            if !summary.is_empty() {
                writeln!(out, "      {}", Style::Faint.of(summary))?;
            }
        }
        Action::Create | Action::Update | Action::Replace => {
            for field in &change.fields {
                write_field(out, field, change.action, names)?;
            }
            if let Some((before, after)) = &change.tags {
                write_tags(out, before, after, &change.tags_by)?;
            }
        }
        Action::None | Action::Delete | Action::Forget => {}
    }
    Ok(())
}

fn why(change: &Change) -> String {
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
        Reason::NotDeclared if change.action == Action::Forget => "no longer declared; stays in AWS".to_owned(),
        Reason::NotDeclared if change.by == Some(By::Outside) => "not declared, made outside".to_owned(),
        Reason::NotDeclared => "no longer declared".to_owned(),
        Reason::Destroyed if change.action == Action::Forget => "stays in AWS".to_owned(),
        Reason::Destroyed => String::new(),
        Reason::Undone => "made by what is undone".to_owned(),
        Reason::Gone => "gone".to_owned(),
        Reason::Another { id } => format!("another one stands there ({id})"),
        Reason::LeftOver => format!("left over from an interrupted run ({})", change.id.as_deref().unwrap_or_default()),
    }
}

/// The few fields that tell one resource from another, on one line of at most 80 columns.
fn summary(fields: &[FieldDiff], names: &Names) -> String {
    let mut line = String::new();
    for field in fields.iter().filter(|f| !matches!(f.after, Value::Bool(_) | Value::Null) && f.at != "/name") {
        let text = format!("{} {}", field.at.trim_start_matches('/'), names.show(&field.after));
        if text.ends_with(" none") || line.chars().count() + text.chars().count() > 70 {
            continue;
        }
        line = if line.is_empty() { text } else { format!("{line}, {text}") };
    }
    line
}

fn write_field(out: &mut String, field: &FieldDiff, action: Action, names: &Names) -> std::fmt::Result {
    let name = field.at.trim_start_matches('/').replace('/', ".");
    let forces = if field.forces_replacement { Style::Removed.of("  (forces replacement)").to_string() } else { String::new() };
    let mark = format!("{forces}{}", who(field.by));
    match (&field.before, &field.after) {
        (_, after) if action == Action::Create => {
            if !after.is_null() {
                writeln!(out, "      {name}: {}", names.show(after))?;
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            writeln!(out, "      {name}:{mark}")?;
            for gone in before.iter().filter(|v| !after.contains(v)) {
                writeln!(out, "        {} {}", Style::Removed.of("-"), names.show(gone))?;
            }
            for new in after.iter().filter(|v| !before.contains(v)) {
                writeln!(out, "        {} {}", Style::Added.of("+"), names.show(new))?;
            }
        }
        (before, after) => writeln!(out, "      {name}: {} → {}{mark}", names.show(before), names.show(after))?,
    }
    Ok(())
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

fn write_tags(out: &mut String, before: &Tags, after: &Tags, by: &BTreeMap<String, By>) -> std::fmt::Result {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone).filter(|key| before.get(*key) != after.get(*key)) {
        let [old, new] = [before, after].map(|tags| tags.get(key).map_or("none", String::as_str));
        writeln!(out, "      tag {key}: {old} → {new}{}", who(by.get(key).copied()))?;
    }
    Ok(())
}
