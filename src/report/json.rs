//! JSON output. Every document states its format and version.

use serde_json::{Value, json};

use super::time;
use crate::{
    definition::Stack,
    engine::{
        history::{Revision, RunDetails, RunSummary},
        plan::{Action, Change, Plan, Summary},
        session::IgnoredDrift,
    },
};

/// Plan in the format `acme-plan/2`. `changes` has one entry per address that changes.
pub fn plan(plan: &Plan) -> Value {
    let mut document = json!({
        "format": "acme-plan/2",
        "stack": plan.stack,
        "environment": plan.environment,
        "region": plan.region,
        "account": plan.account,
        "simulated": plan.is_simulated,
        "summary": plan.summary(),
        "estimated_seconds": plan.estimated_time().as_secs(),
        "changes": plan.changes.iter().filter(|change| change.action != Action::None).collect::<Vec<_>>(),
        "gates": plan.gates,
        "prerequisites": plan.prerequisites,
        "obstacles": plan.obstacles,
        "notes": plan.notes,
        "stacks": plan.stacks,
        "existing": plan.existing,
        "outputs": plan.outputs,
        "warnings": plan.warnings,
    });
    if let Some(partial) = &plan.partial {
        document["selection"] = json!(partial);
    }
    if let Some(costs) = &plan.costs {
        document["cost"] = super::cost::json(costs);
    }
    document
}

/// Summaries of runs, format `acme-history/2`.
pub fn history(stack: &str, environment: &str, entries: &[(u64, Option<RunSummary>)]) -> Value {
    let entries = entries.iter().map(|(number, entry)| entry.as_ref().map_or_else(|| json!({ "revision": number }), run_summary));
    json!({ "format": HISTORY_FORMAT, "stack": stack, "environment": environment, "revisions": entries.collect::<Vec<_>>() })
}

/// One run with all its steps, format `acme-history/2`.
pub fn run_details(told: &RunDetails) -> Value {
    let begin = &told.summary.run;
    json!({
        "format": HISTORY_FORMAT,
        "stack": begin.stack,
        "environment": begin.environment,
        "region": begin.region,
        "account": begin.account,
        "revision": run_summary(&told.summary),
        "changes": told.changes,
        "rolled_back_because": told.rollback_reason,
        "rolled_back": told.rolled_back_changes,
        "failed": told.failed_calls,
        "damage": told.damage.as_ref().map(ToString::to_string),
    })
}

/// Differences between two revisions, format `acme-history/2`.
pub fn comparison(from: &Revision, to: &Revision, changes: &[Change]) -> Value {
    json!({
        "format": HISTORY_FORMAT,
        "stack": to.run.stack,
        "environment": to.run.environment,
        "from": from.run.revision,
        "to": to.run.revision,
        "summary": summary_counts(changes),
        "changes": changes,
    })
}

/// Changes made outside acme, format `acme-drift/2`. `since` is the revision compared with, `null` for the definition.
pub fn drift(stack: &Stack, region: &str, account: &str, since: Option<u64>, changes: &[Change], ignored: &[IgnoredDrift]) -> Value {
    json!({
        "format": "acme-drift/2",
        "stack": stack.name,
        "environment": stack.environment,
        "region": region,
        "account": account,
        "since": since,
        "summary": summary_counts(changes),
        "changes": changes,
        "ignored": ignored,
    })
}

const HISTORY_FORMAT: &str = "acme-history/2";

fn summary_counts(changes: &[Change]) -> Value {
    let Summary { create, update, replace, delete, .. } = Summary::of(changes);
    json!({ "create": create, "update": update, "replace": replace, "delete": delete })
}

/// Summary of a run.
pub fn run_summary(entry: &RunSummary) -> Value {
    let begin = &entry.run;
    json!({
        "revision": begin.revision,
        "command": begin.command,
        "procedure": begin.procedure,
        "actor": begin.actor,
        "started_at": time::utc(entry.started_at),
        "ended_at": entry.ended_at.map(time::utc),
        "outcome": entry.outcome,
        "unfinished": entry.unfinished,
        "running": entry.running,
        "continues": begin.continues,
        "commit": begin.commit,
        "definition": begin.definition,
        "counts": entry.counts,
    })
}
