//! Backups that a drill restores, and its result.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{Style, format_elapsed, procedure::render_gates, time};
use crate::{
    core::Address,
    procedures::{
        drill::{DrillResult, RestoredBackup, RestoredResource},
        gates::GatesReport,
    },
};

/// Environments of a drill.
#[derive(Clone, Copy)]
pub struct DrillNames<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// Environment whose backups are restored.
    pub source: &'a str,
    /// Environment into which they are restored.
    pub environment: &'a str,
}

/// Backups to restore, one a line, with the age of their data at `looked_up_at`.
pub fn backups(names: DrillNames<'_>, backups: &BTreeMap<Address, RestoredBackup>, looked_up_at: u64) -> String {
    let mut text = format!("Restores the newest backups of {} into {}:\n", names.source, names.environment);
    let width = backups.keys().map(|address| address.to_string().len()).max().unwrap_or_default();
    for (address, RestoredBackup { id, point }) in backups {
        let age = std::time::Duration::from_millis(looked_up_at.saturating_sub(point.data_time));
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "  {:width$}  {} of {id}, data from {} ({} old)",
            address.to_string(),
            point.kind,
            time::utc(point.data_time),
            format_elapsed(age)
        );
    }
    text
}

/// Gates with their states, one a line.
pub fn gates(report: &GatesReport) -> String {
    format!("{}\n{}", Style::Heading.paint("Gates, as they are now:"), render_gates(report))
}

/// Result as a table: each restored resource with the age of its data, the time of the recovery, and the goals.
pub fn result(names: DrillNames<'_>, result: &DrillResult) -> String {
    let mut rows = vec![["RESOURCE", "DATA FROM", "RPO", "GOAL", ""].map(str::to_owned)];
    for resource in &result.resources {
        rows.push([
            resource.address.to_string(),
            time::utc(resource.data_time),
            format_elapsed(resource.data_age),
            goal(result.rpo),
            verdict(result.rpo.is_some(), result.meets_rpo(resource)),
        ]);
    }
    let widths: Vec<usize> = (0..4).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or_default()).collect();
    let mut text = format!("Drill of {} ({}), restored into {}:\n\n", names.stack, names.source, names.environment);
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths.iter().copied().chain([0])).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    let took = result.recovery_time.map_or_else(|| "not reached".to_owned(), format_elapsed);
    let met = result.recovery_time.is_some_and(|took| result.rto.is_none_or(|goal| took <= goal));
    let _ = writeln!(text, "\n  RTO  {took}, goal {}{}", goal(result.rto), suffix(&verdict(result.rto.is_some(), met)));
    for line in &result.measured.unchecked {
        let _ = writeln!(text, "  not checked: {line}");
    }
    for line in &result.measured.failures {
        let _ = writeln!(text, "  {} {line}", Style::Removed.paint("failed:"));
    }
    text
}

fn goal(goal: Option<std::time::Duration>) -> String {
    goal.map_or_else(|| "none".to_owned(), format_elapsed)
}

fn verdict(has_goal: bool, is_met: bool) -> String {
    match (has_goal, is_met) {
        (false, _) => String::new(),
        (true, true) => "reached".to_owned(),
        (true, false) => "missed".to_owned(),
    }
}

fn suffix(verdict: &str) -> String {
    if verdict.is_empty() { String::new() } else { format!(": {verdict}") }
}

/// Result as an object of the format `acme-drill/1`. `deleted` says whether the environment is gone.
pub fn json(names: DrillNames<'_>, result: &DrillResult, deleted: bool) -> Value {
    let resource = |resource: &RestoredResource| {
        json!({
            "address": resource.address,
            "source": resource.source,
            "backup": resource.backup,
            "data_from": time::utc(resource.data_time),
            "rpo_seconds": resource.data_age.as_secs(),
            "reached": result.meets_rpo(resource),
        })
    };
    json!({
        "format": "acme-drill/1",
        "stack": names.stack,
        "environment": names.source,
        "drill_environment": names.environment,
        "started_at": time::utc(result.started_at),
        "recovered": result.has_recovered(),
        "reached": result.is_reached(),
        "missed": result.missed(),
        "resources": result.resources.iter().map(resource).collect::<Vec<_>>(),
        "rpo_goal_seconds": result.rpo.map(|goal| goal.as_secs()),
        "rto_seconds": result.recovery_time.map(|took| took.as_secs()),
        "rto_goal_seconds": result.rto.map(|goal| goal.as_secs()),
        "failures": result.measured.failures,
        "unchecked": result.measured.unchecked,
        "interrupted": result.measured.interrupted,
        "deleted": deleted,
    })
}

/// What `--plan` shows, as an object of the format `acme-drill-plan/1`.
pub fn plan_json(
    names: DrillNames<'_>,
    backups: &BTreeMap<Address, RestoredBackup>,
    looked_up_at: u64,
    gates: &GatesReport,
    plan: Value,
) -> Value {
    let backup = |(address, RestoredBackup { id, point }): (&Address, &RestoredBackup)| {
        json!({
            "address": address,
            "source": id,
            "backup": point.kind,
            "data_from": time::utc(point.data_time),
            "rpo_seconds": looked_up_at.saturating_sub(point.data_time) / 1000,
        })
    };
    json!({
        "format": "acme-drill-plan/1",
        "stack": names.stack,
        "environment": names.source,
        "drill_environment": names.environment,
        "resources": backups.iter().map(backup).collect::<Vec<_>>(),
        "gates": gates,
        "plan": plan,
    })
}
