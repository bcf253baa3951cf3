//! The list of stacks, as text and JSON.

use serde_json::{Value, json};

use super::{Place, Style, json::run_summary, time};
use crate::engine::{backend::HeldLease, session::StackOverview};

/// Gap between columns.
const GAP: &str = "  ";

/// Name and version of the JSON format.
const FORMAT: &str = "acme-stacks/1";

/// A table of stacks, one per line.
pub fn render(stacks: &[StackOverview], place: &Place<'_>) -> String {
    let Place { account, region, .. } = place;
    if stacks.is_empty() {
        return format!("No stacks in account {account}, {region}. `--region` lists those of another region.\n");
    }
    let heads = ["STACK", "ENVIRONMENT", "RESOURCES", "LAST RUN", "DRIFT", "LOCK"].map(str::to_owned);
    let rows: Vec<[String; 6]> = stacks.iter().map(row).collect();
    let width = |column: usize| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join(GAP).trim_end().to_owned()
    };
    let title = place.heading(&format!("Stacks in account {account}, {region}"));
    let mut text = format!("{title}\n{}\n", Style::Faint.paint(line(&heads)));
    rows.iter().for_each(|row| text.push_str(&format!("{}\n", line(row))));
    text
}

fn row(overview: &StackOverview) -> [String; 6] {
    let last_run = overview.last_run.as_ref().map_or_else(
        || "no record".to_owned(),
        |run| {
            let outcome = super::history::outcome_word(run);
            format!("{} {} {outcome}, {}", time::local(run.started_at), run.run.command, run.run.actor)
        },
    );
    let drift = overview.drift.as_ref().map_or_else(
        || "not checked".to_owned(),
        |drift| {
            let what = match drift.changes {
                0 => "none".to_owned(),
                1 => "1 change".to_owned(),
                count => format!("{count} changes"),
            };
            format!("{what}, {}", time::local(drift.at))
        },
    );
    let lock = match &overview.lease {
        None => "free".to_owned(),
        Some(HeldLease::By { holder, .. }) => format!("{} by {}", holder.command, holder.actor),
        Some(HeldLease::Damaged { .. }) => "damaged".to_owned(),
    };
    [overview.stack.to_string(), overview.environment.to_string(), overview.resources.to_string(), last_run, drift, lock]
}

/// The same for programs, format `acme-stacks/1`.
pub fn json(stacks: &[StackOverview], account: &str, region: &str) -> Value {
    let lock = |lease: &HeldLease| match lease {
        HeldLease::By { holder, .. } => json!({
            "command": holder.command, "actor": holder.actor, "since": time::utc(holder.since), "last_heartbeat": time::utc(holder.last_heartbeat),
        }),
        HeldLease::Damaged { problem, .. } => json!({ "problem": problem }),
    };
    let one = |overview: &StackOverview| {
        json!({
            "stack": overview.stack,
            "environment": overview.environment,
            "resources": overview.resources,
            "last_run": overview.last_run.as_ref().map(run_summary),
            "drift": overview.drift.as_ref().map(|drift| json!({ "checked_at": time::utc(drift.at), "changes": drift.changes })),
            "lock": overview.lease.as_ref().map(lock),
        })
    };
    json!({ "format": FORMAT, "account": account, "region": region, "stacks": stacks.iter().map(one).collect::<Vec<_>>() })
}
