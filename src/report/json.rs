//! What programs read. Every document names its format and the version of that.

use serde_json::{Value, json};

use super::time;
use crate::{
    definition::Stack,
    engine::{
        history::{Entry, Revision, Told},
        plan::{Action, Change, Plan, Summary},
    },
};

/// The whole plan, format `acme-plan/1`. `changes` holds one entry per address that is not unchanged.
pub fn plan(plan: &Plan) -> Value {
    json!({
        "format": "acme-plan/1",
        "stack": plan.stack,
        "environment": plan.environment,
        "region": plan.region,
        "account": plan.account,
        "summary": plan.summary(),
        "usual_seconds": plan.usual_time().as_secs(),
        "changes": plan.changes.iter().filter(|change| change.action != Action::None).collect::<Vec<_>>(),
        "obstacles": plan.obstacles,
        "warnings": plan.warnings,
    })
}

/// Runs in a few words each, format `acme-history/1`.
pub fn history(stack: &str, environment: &str, entries: &[(u64, Option<Entry>)]) -> Value {
    let entries = entries.iter().map(|(number, entry)| entry.as_ref().map_or_else(|| json!({ "revision": number }), revision));
    json!({ "format": HISTORY, "stack": stack, "environment": environment, "revisions": entries.collect::<Vec<_>>() })
}

/// One run with all it did, format `acme-history/1`.
pub fn told(told: &Told) -> Value {
    let begin = &told.entry.begin;
    json!({
        "format": HISTORY,
        "stack": begin.stack,
        "environment": begin.environment,
        "region": begin.region,
        "account": begin.account,
        "revision": revision(&told.entry),
        "changes": told.done,
        "rolled_back_because": told.why,
        "rolled_back": told.undone,
        "failed": told.failed,
        "damage": told.damage.as_ref().map(ToString::to_string),
    })
}

/// What lies between two revisions, format `acme-history/1`.
pub fn between(from: &Revision, to: &Revision, changes: &[Change]) -> Value {
    json!({
        "format": HISTORY,
        "stack": to.begin.stack,
        "environment": to.begin.environment,
        "from": from.begin.revision,
        "to": to.begin.revision,
        "summary": counts(changes),
        "changes": changes,
    })
}

/// What changed outside, format `acme-drift/1`. `since` is the number of the revision it is seen from, `null` for the definition.
pub fn drift(stack: &Stack, region: &str, account: &str, since: Option<u64>, changes: &[Change]) -> Value {
    json!({
        "format": "acme-drift/1",
        "stack": stack.name,
        "environment": stack.environment,
        "region": region,
        "account": account,
        "since": since,
        "summary": counts(changes),
        "changes": changes,
    })
}

const HISTORY: &str = "acme-history/1";

fn counts(changes: &[Change]) -> Value {
    let Summary { create, update, replace, delete, .. } = Summary::of(changes);
    json!({ "create": create, "update": update, "replace": replace, "delete": delete })
}

fn revision(entry: &Entry) -> Value {
    let begin = &entry.begin;
    json!({
        "revision": begin.revision,
        "command": begin.command,
        "actor": begin.actor,
        "began": time::utc(entry.began),
        "ended": entry.ended.map(time::utc),
        "outcome": entry.outcome,
        "unfinished": entry.unfinished,
        "continues": begin.continues,
        "commit": begin.commit,
        "definition": begin.definition,
        "counts": entry.counts,
    })
}
