//! The list of stacks, as text and JSON.

use serde_json::{Value, json};

use super::{Place, Style, json::run_summary, time};
use crate::engine::{
    backend::HeldLease,
    session::{RegionalStack, StackList, StackOverview},
};

/// Gap between columns.
const GAP: &str = "  ";

/// Name and version of the JSON format.
const FORMAT: &str = "acme-stacks/1";

/// A table of stacks for each account, one per line, and those of other regions with global resources.
pub fn render(list: &StackList, place: &Place<'_>) -> String {
    let StackList { stacks, elsewhere } = list;
    let Place { account, region, .. } = place;
    let mut accounts: Vec<&str> = stacks.iter().map(|overview| overview.account.as_str()).collect();
    // The account of the credentials is first.
    accounts.sort_by_key(|other| (other != account, *other));
    accounts.dedup();
    let tables = accounts.into_iter().map(|account| {
        let of_account: Vec<&StackOverview> = stacks.iter().filter(|overview| overview.account == account).collect();
        table(&of_account, &Place { account, ..*place })
    });
    let mut text = tables.collect::<Vec<_>>().join("\n");
    if stacks.is_empty() {
        text = format!("No stacks in account {account}, {region}.");
        // The list below names another region.
        text.push_str(if elsewhere.is_empty() { " `--region` lists those of another region.\n" } else { "\n" });
    }
    if !elsewhere.is_empty() {
        let one = |one: &RegionalStack| {
            let RegionalStack { stack, environment, region, resources } = one;
            let resources = if *resources == 1 { "1 resource".to_owned() } else { format!("{resources} resources") };
            format!("{stack} ({environment}) in {region}, {resources}")
        };
        let listed: Vec<String> = elsewhere.iter().map(one).collect();
        text.push_str(&format!("Global resources of stacks in other regions: {}.\n", listed.join("; ")));
        let first = elsewhere.iter().map(|one| one.region.as_str()).min().unwrap_or_default();
        text.push_str(&format!("  help: `--region {first}` lists the stacks there.\n"));
    }
    text
}

/// The stacks of an account.
fn table(stacks: &[&StackOverview], place: &Place<'_>) -> String {
    let Place { account, region, .. } = place;
    let heads = ["STACK", "ENVIRONMENT", "RESOURCES", "LAST RUN", "DRIFT", "LOCK"].map(str::to_owned);
    let rows: Vec<[String; 6]> = stacks.iter().copied().map(row).collect();
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
    let last_run = match (&overview.imported, &overview.last_run) {
        (Some(import), _) => format!("{} imported, {}", time::local(import.at), import.actor),
        (None, Some(run)) => {
            let outcome = super::history::outcome_word(run);
            format!("{} {} {outcome}, {}", time::local(run.started_at), run.run.command, run.run.actor)
        }
        (None, None) => "no record".to_owned(),
    };
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
pub fn json(list: &StackList, account: &str, region: &str) -> Value {
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
            "account": overview.account,
            "resources": overview.resources,
            "last_run": overview.last_run.as_ref().map(run_summary),
            "imported": overview.imported.as_ref().map(|import| {
                json!({ "at": time::utc(import.at), "actor": import.actor, "resources": import.resources })
            }),
            "drift": overview.drift.as_ref().map(|drift| json!({ "checked_at": time::utc(drift.at), "changes": drift.changes })),
            "lock": overview.lease.as_ref().map(lock),
        })
    };
    let stacks: Vec<Value> = list.stacks.iter().map(one).collect();
    let elsewhere = list
        .elsewhere
        .iter()
        .map(|one| json!({ "stack": one.stack, "environment": one.environment, "region": one.region, "resources": one.resources }));
    json!({ "format": FORMAT, "account": account, "region": region, "stacks": stacks, "elsewhere": elsewhere.collect::<Vec<_>>() })
}
