//! What programs read. Every document names its format and the version of that.

use serde_json::{Value, json};

use super::time;
use crate::{
    definition::Stack,
    engine::{
        history::{Revision, RunDetails, RunSummary},
        plan::{Action, Change, Plan, Summary},
    },
};

/// The whole plan, format `acme-plan/2`. `changes` holds one entry per address that is not unchanged.
pub fn plan(plan: &Plan) -> Value {
    json!({
        "format": "acme-plan/2",
        "stack": plan.stack,
        "environment": plan.environment,
        "region": plan.region,
        "account": plan.account,
        "summary": plan.summary(),
        "usual_seconds": plan.estimated_time().as_secs(),
        "changes": plan.changes.iter().filter(|change| change.action != Action::None).collect::<Vec<_>>(),
        "obstacles": plan.obstacles,
        "warnings": plan.warnings,
    })
}

/// Runs in a few words each, format `acme-history/2`.
pub fn history(stack: &str, environment: &str, entries: &[(u64, Option<RunSummary>)]) -> Value {
    let entries = entries.iter().map(|(number, entry)| entry.as_ref().map_or_else(|| json!({ "revision": number }), run_summary));
    json!({ "format": HISTORY_FORMAT, "stack": stack, "environment": environment, "revisions": entries.collect::<Vec<_>>() })
}

/// One run with all it did, format `acme-history/2`.
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

/// What lies between two revisions, format `acme-history/2`.
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

/// What changed outside, format `acme-drift/2`. `since` is the number of the revision it is seen from, `null` for the definition.
pub fn drift(stack: &Stack, region: &str, account: &str, since: Option<u64>, changes: &[Change]) -> Value {
    json!({
        "format": "acme-drift/2",
        "stack": stack.name,
        "environment": stack.environment,
        "region": region,
        "account": account,
        "since": since,
        "summary": summary_counts(changes),
        "changes": changes,
    })
}

const HISTORY_FORMAT: &str = "acme-history/2";

fn summary_counts(changes: &[Change]) -> Value {
    let Summary { create, update, replace, delete, .. } = Summary::of(changes);
    json!({ "create": create, "update": update, "replace": replace, "delete": delete })
}

fn run_summary(entry: &RunSummary) -> Value {
    let begin = &entry.run;
    json!({
        "revision": begin.revision,
        "command": begin.command,
        "actor": begin.actor,
        "began": time::utc(entry.started_at),
        "ended": entry.ended_at.map(time::utc),
        "outcome": entry.outcome,
        "unfinished": entry.unfinished,
        "continues": begin.continues,
        "commit": begin.commit,
        "definition": begin.definition,
        "counts": entry.counts,
    })
}
