//! `acme cutover`: move clients to the new platform in steps, with gates between them.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{
    procedure::{self, ProcedureArguments, Steps},
    refusal::refuse,
};
use crate::{
    definition::procedures::{Cutover, Gates},
    engine::{
        procedure_record::{ProcedureName, ProcedurePhase},
        session::Session,
    },
    procedures::run::{ProcedureRun, remaining_steps, step_label},
    report::procedure::AFTER_EACH_STEP,
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Return to the value from before the cut-over.
    #[arg(long, conflicts_with_all = ["plan", "status", "no_rollback"])]
    back: bool,
    /// After the last step, delete the old platform: set the values in `decommission`.
    #[arg(long, conflicts_with_all = ["status", "back"])]
    decommission: bool,
    #[command(flatten)]
    procedure: ProcedureArguments,
}

const NAME: ProcedureName = ProcedureName::Cutover;

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let common = &arguments.procedure;
    let cutover = match super::open::procedures(&common.target)?.and_then(|procedures| procedures.cutover) {
        Some(cutover) => cutover,
        None => refuse!("no-procedure", "the definition has no cut-over: add `procedures.cutover`, see `acme explain procedure`"),
    };
    if arguments.decommission && cutover.decommission.is_empty() {
        refuse!("no-procedure", "`procedures.cutover` has no `decommission`: add the values that delete the old platform");
    }
    if common.plan {
        let decommission = arguments.decommission;
        return procedure::show_plan(common, |session| steps(session, &cutover, decommission), gates).await;
    }
    if common.status {
        return procedure::show_status(common, NAME, step).await;
    }
    let question = match (arguments.back, arguments.decommission) {
        (true, _) => format!("Return `{}` to its value from before the cut-over?", cutover.value),
        (_, true) => "Delete the old platform? There is no way back to it.".to_owned(),
        _ => {
            let failure = if common.no_rollback { "stays at the step" } else { "returns to the value from before" };
            let steps: Vec<String> = cutover.steps.iter().map(ToString::to_string).collect();
            format!("A closed gate {failure}.\nMove `{}` through {}?", cutover.value, steps.join(", "))
        }
    };
    procedure::run(common, NAME, "cutover", &question, arguments.back, async |locked, frontend| {
        let mut run = ProcedureRun::new(locked, frontend, !common.no_rollback);
        match (arguments.back, arguments.decommission) {
            (true, _) => run.back(NAME).await,
            (_, true) => run.decommission(&cutover).await,
            _ => run.cutover(&cutover).await,
        }
    })
    .await
}

/// The rest of the steps.
fn steps(session: &Session, cutover: &Cutover, decommission: bool) -> Result<Steps> {
    if decommission {
        return Ok(vec![("cutover: decommission".to_owned(), cutover.decommission.clone())]);
    }
    let state = session.procedure_record().procedures.get(&NAME);
    if state.is_some_and(|state| matches!(state.phase, ProcedurePhase::Finished | ProcedurePhase::Decommissioned)) {
        return Ok(Vec::new());
    }
    let values = state.map_or_else(|| session.defined_values(), |state| &state.values);
    let steps = remaining_steps(&cutover.steps, values.get(&cutover.value).and_then(Value::as_i64), state.is_some());
    Ok(steps.into_iter().map(|step| (step_label(&cutover.steps, step), [(cutover.value.clone(), step.into())].into())).collect())
}

fn gates(session: &Session) -> Vec<(&'static str, Gates, Duration)> {
    let cutover = session.stack().procedures.as_ref().and_then(|procedures| procedures.cutover.as_ref());
    let Some(cutover) = cutover else { return Vec::new() };
    vec![(AFTER_EACH_STEP, cutover.gates.clone(), cutover.bake), ("before the last step", cutover.before_last.clone(), Duration::ZERO)]
}

fn step(session: &Session) -> Option<String> {
    let cutover = session.stack().procedures.as_ref()?.cutover.as_ref()?;
    let value = session.procedure_record().procedures.get(&NAME)?.values.get(&cutover.value)?.as_i64()?;
    Some(step_label(&cutover.steps, value))
}
