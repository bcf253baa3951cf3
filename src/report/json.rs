//! A plan as JSON, format `acme-plan/1`.

use serde_json::{Value, json};

use crate::plan::{Action, Plan};

/// The whole plan. `changes` holds one entry per address that is not unchanged.
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
