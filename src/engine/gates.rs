//! Gates before the steps of a plan: which of them are closed now. They are checked again right before each step.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use tokio::time::timeout;

use super::{
    cloud::Cloud,
    plan::{Plan, PlannedGates},
};
use crate::{
    aws,
    core::{GateReport, LiveResource},
    definition::Stack,
};

/// Time for the gates of one step. After that, the plan is shown without them.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Checks the gates of a plan, as far as they can be read. Makes no call if no step has gates.
pub async fn check_gates(cloud: &Cloud, stack: &Stack, plan: &Plan) -> Vec<PlannedGates> {
    let steps = plan.changes.iter().enumerate().flat_map(|(number, change)| {
        let steps = plan.steps_of(number).into_iter().zip(change.stages.iter().enumerate());
        steps.filter(|(_, (_, stage))| !stage.gates.is_empty()).map(move |(node, (at, stage))| (change, node, at, stage))
    });
    let checks = steps.filter_map(|(change, node, at, stage)| {
        let (declared, live) = stack.resources.get(&change.address).zip(change.before.as_ref())?;
        let mut wanted = plan.desired_spec(declared);
        stage.apply_to(&mut wanted);
        let mut spec = live.spec.clone().into_inner();
        if let Some(earlier) = at.checked_sub(1).and_then(|at| change.stages.get(at)) {
            earlier.apply_to(&mut spec);
        }
        let live = LiveResource { spec: spec.into(), ..live.clone() };
        let planned = plan.changed_before(stack, node);
        Some(async move {
            let gates = aws::optional_reads(cloud.gates(declared.resource_type, &live, &wanted, &planned));
            let unchecked =
                |words: String| GateReport { unchecked: vec![format!("the gates were not checked: {words}")], ..GateReport::default() };
            let report = match timeout(TIMEOUT, gates).await {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => unchecked(error.message),
                Err(_) => unchecked(format!("no answer within {} s", TIMEOUT.as_secs())),
            };
            PlannedGates { address: change.address.clone(), to: stage.to.clone(), closed: report.unmet, unchecked: report.unchecked }
        })
    });
    let mut reports = join_all(checks).await;
    // Budgets, and what can't be read, are the same before each step.
    let mut known = BTreeSet::new();
    for report in &mut reports {
        let address = report.address.clone();
        report.closed.retain(|words| known.insert((address.clone(), words.clone())));
        report.unchecked.retain(|words| known.insert((address.clone(), words.clone())));
    }
    reports.retain(|report| !report.closed.is_empty() || !report.unchecked.is_empty());
    reports
}
