//! Runs, and differences between revisions, as text.

use std::time::Duration;

use super::{AddressNames, Style, format_duration, plan, time};
use crate::engine::{
    history::{FailedCall, RunDetails, RunSummary},
    journal::{CallAction, RunInfo, RunOutcome},
    plan::{Change, Summary},
};

/// Renders a table of runs, at most 80 columns wide. A `!` marks unfinished runs.
pub fn render_list(entries: &[(u64, Option<RunSummary>)]) -> String {
    let rows: Vec<Row> = entries.iter().map(|(number, entry)| Row::of(*number, entry.as_ref())).collect();
    let widest = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let rest = [widest(|r| &r.number), widest(|r| &r.when), widest(|r| &r.command), widest(|r| r.outcome), widest(|r| &r.counts)];
    let took = widest(|r| &r.duration);
    // The mark and the gaps take 14 columns.
    let who = widest(|r| &r.actor).min(80_usize.saturating_sub(14 + took + rest.iter().sum::<usize>()).max(4));
    let [number, when, command, outcome, counts] = rest;
    let line = |row: &Row| {
        let mark = Style::Changed.paint(if row.unfinished { "!" } else { " " });
        let (word, gap) = (row.style.paint(row.outcome), outcome - row.outcome.len());
        let (who_ran, before) = (truncate(&row.actor, who), format!("{:>number$}  {:when$}", row.number, row.when));
        let after = format!("{:gap$}  {:counts$}  {:>took$}", "", row.counts, row.duration);
        format!("{mark} {before}  {who_ran:who$}  {:command$}  {word}{}\n", row.command, after.trim_end())
    };
    rows.iter().map(line).collect()
}

struct Row {
    unfinished: bool,
    number: String,
    when: String,
    actor: String,
    command: String,
    outcome: &'static str,
    style: Style,
    counts: String,
    duration: String,
}

impl Row {
    fn of(number: u64, entry: Option<&RunSummary>) -> Row {
        let (outcome, style) = entry.map_or(("unreadable", Style::Removed), outcome_label);
        Row {
            unfinished: entry.is_some_and(|entry| entry.unfinished),
            number: number.to_string(),
            when: entry.map(|entry| time::local(entry.started_at)).unwrap_or_default(),
            actor: entry.map(|entry| entry.run.actor.clone()).unwrap_or_default(),
            command: entry.map(|entry| command_label(&entry.run)).unwrap_or_default(),
            outcome,
            style,
            counts: entry.map(format_counts).unwrap_or_default(),
            duration: entry.and_then(elapsed).unwrap_or_default(),
        }
    }
}

/// Command of a run, or the step of a procedure.
fn command_label(run: &RunInfo) -> String {
    run.procedure.clone().unwrap_or_else(|| run.command.clone())
}

fn truncate(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Outcome in a word or two.
pub fn outcome_word(entry: &RunSummary) -> &'static str {
    outcome_label(entry).0
}

fn outcome_label(entry: &RunSummary) -> (&'static str, Style) {
    match entry.outcome {
        Some(RunOutcome::Done) => ("done", Style::Added),
        Some(RunOutcome::RolledBack) => ("rolled back", Style::Changed),
        Some(RunOutcome::Kept) => ("kept", Style::Changed),
        Some(RunOutcome::Waiting) => ("waiting", Style::Changed),
        Some(RunOutcome::Stuck) => ("stuck", Style::Removed),
        None if entry.running => ("running", Style::Changed),
        None => ("unfinished", Style::Removed),
    }
}

fn format_counts(entry: &RunSummary) -> String {
    let counts = [("+", entry.counts.create), ("~", entry.counts.update), ("-", entry.counts.delete)];
    let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(sign, n)| format!("{sign}{n}")).collect();
    counts.join(" ")
}

fn elapsed(entry: &RunSummary) -> Option<String> {
    Some(format_duration(Duration::from_millis(entry.ended_at?.saturating_sub(entry.started_at))))
}

/// Renders one run with all its steps.
pub fn render_run(details: &RunDetails) -> String {
    let entry = &details.summary;
    let begin = &entry.run;
    let title =
        format!("Revision {} of {} ({}) in {}, account {}", begin.revision, begin.stack, begin.environment, begin.region, begin.account);
    let took = elapsed(entry).map(|took| format!(", took {took}")).unwrap_or_default();
    let (word, style) = outcome_label(entry);
    let left = if entry.unfinished && entry.outcome.is_some() { ", unfinished" } else { "" };
    let mut facts = vec![
        ("When", format!("{}{took}", time::local(entry.started_at))),
        ("Who", begin.actor.clone()),
        ("Command", command_label(begin)),
        ("Outcome", format!("{}{left}", style.paint(word))),
    ];
    facts.extend(begin.continues.map(|earlier| ("Continues", format!("revision {earlier}"))));
    facts.push(("Commit", begin.commit.clone().unwrap_or_else(|| "none".to_owned())));
    facts.push(("Definition", begin.definition.clone()));
    let mut out = format!("{}\n", Style::Heading.paint(title));
    for (name, value) in facts {
        out.push_str(&format!("  {name:<10}  {value}\n"));
    }
    let names = AddressNames::of(
        details.changes.iter().chain(&details.rolled_back_changes).filter_map(|change| Some((&change.address, change.before.as_ref()?))),
    );
    if !details.changes.is_empty() {
        out.push_str(&format!("\n{}", plan::render_changes(&details.changes, &names)));
    }
    if let Some(why) = &details.rollback_reason {
        out.push_str(&format!(
            "\n{} {why}\n{}",
            Style::Changed.paint("Rolled back:"),
            plan::render_changes(&details.rolled_back_changes, &names)
        ));
    }
    if !details.failed_calls.is_empty() {
        out.push('\n');
    }
    for failed in &details.failed_calls {
        out.push_str(&render_failure(failed));
    }
    if let Some(damage) = &details.damage {
        out.push_str(&format!("\n{} {damage}\n", Style::Changed.paint("Warning:")));
    }
    out
}

fn render_failure(failed: &FailedCall) -> String {
    let doing = match failed.action {
        CallAction::Create => "creating",
        CallAction::Update => "changing",
        CallAction::Tag => "tagging",
        CallAction::Delete => "deleting",
        CallAction::Forget => "forgetting",
    };
    match &failed.code {
        Some(code) => format!("{} {doing} {}: {code}\n", Style::Removed.paint("Failed:"), failed.address),
        None => format!("{} {doing} {}\n", Style::Removed.paint("No response:"), failed.address),
    }
}

/// Renders the differences between two states of a stack and their number, or `none` if there are none.
pub fn render_difference(title: &str, changes: &[Change], names: &AddressNames, none: &str) -> String {
    let mut out = format!("{}\n{}\n", Style::Heading.paint(title), plan::render_changes(changes, names));
    let summary = Summary::of(changes);
    let counts = [("created", summary.create), ("changed", summary.update), ("recreated", summary.replace), ("deleted", summary.delete)];
    let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    out.push_str(&if counts.is_empty() { format!("{none}\n") } else { format!("{}.\n", counts.join(", ")) });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{history::ChangeCounts, journal::FORMAT};

    #[test]
    fn lists_runs_within_80_columns() {
        let begin = RunInfo {
            format: FORMAT.to_owned(),
            revision: 12_345,
            continues: None,
            undoes_alone: false,
            stack: "shop".to_owned(),
            environment: "production".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            command: "rollback".to_owned(),
            procedure: None,
            actor: format!("{}@example.com", "a".repeat(60)),
            commit: None,
            definition: String::new(),
        };
        let counts = ChangeCounts { create: 120, update: 34, delete: 56 };
        let entry = RunSummary {
            run: begin,
            started_at: 0,
            ended_at: Some(4_000_000),
            outcome: Some(RunOutcome::RolledBack),
            counts,
            unfinished: true,
            running: false,
        };
        let short = RunSummary { outcome: None, ended_at: None, counts: ChangeCounts::default(), ..entry.clone() };
        let text = anstream::adapter::strip_str(&render_list(&[(12_345, Some(entry)), (12_344, Some(short)), (1, None)])).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80 && line == line.trim_end()), "{text}");
        assert!(text.contains("a…  rollback  rolled back  +120 ~34 -56  1 h 06 min\n"), "{text}");
    }
}
