//! `acme failover` and `acme failback`: move everything to the standby, and back.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::{
    procedure::{self, ProcedureArguments, Steps},
    refusal::refuse,
};
use crate::{
    definition::procedures::{Failover, Gates},
    engine::{
        procedure_record::{ProcedureName, ProcedurePhase},
        session::Session,
    },
    procedures::run::ProcedureRun,
    report::procedure::{AFTER_EACH_STEP, shown_values},
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Return to the values from before the failover, without gates.
    #[arg(long, conflicts_with_all = ["plan", "status", "no_rollback"])]
    back: bool,
    #[command(flatten)]
    procedure: ProcedureArguments,
}

#[derive(Debug, Args)]
pub struct FailbackArguments {
    #[command(flatten)]
    procedure: ProcedureArguments,
}

const NAME: ProcedureName = ProcedureName::Failover;

fn declared(arguments: &ProcedureArguments) -> Result<Failover> {
    match super::open::procedures(&arguments.target)?.and_then(|procedures| procedures.failover) {
        Some(failover) => Ok(failover),
        None => refuse!("no-procedure", "the definition has no failover: add `procedures.failover`, see `acme explain procedure`"),
    }
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let common = &arguments.procedure;
    let failover = declared(common)?;
    if common.plan {
        return procedure::show_plan(common, |session| Ok(steps(session, &failover)), gates).await;
    }
    if common.status {
        return procedure::show_status(common, NAME, |_| None).await;
    }
    let question = match arguments.back {
        true => "Return to the values from before the failover, without gates?".to_owned(),
        false => format!("Fail over to {}?", shown_values(&failover.values)),
    };
    procedure::run(common, NAME, "failover", &question, arguments.back, async |locked, frontend| {
        let mut run = ProcedureRun::new(locked, frontend, !common.no_rollback);
        if arguments.back { run.back(NAME).await } else { run.failover(&failover).await }
    })
    .await
}

pub async fn run_failback(arguments: &FailbackArguments) -> Result<u8> {
    let common = &arguments.procedure;
    let failover = declared(common)?;
    if common.plan {
        return procedure::show_plan(common, |session| Ok(failback_steps(session, &failover)), failback_gates).await;
    }
    if common.status {
        return procedure::show_status(common, NAME, |_| None).await;
    }
    let question = "Fail back to the values of the definition?";
    procedure::run(common, NAME, "failback", question, false, async |locked, frontend| {
        ProcedureRun::new(locked, frontend, !common.no_rollback).failback(&failover).await
    })
    .await
}

fn steps(session: &Session, failover: &Failover) -> Steps {
    let state = session.procedure_record().procedures.get(&NAME);
    if state.is_some_and(|state| state.phase == ProcedurePhase::Finished) {
        return Vec::new();
    }
    vec![("failover".to_owned(), failover.values.clone())]
}

fn failback_steps(session: &Session, failover: &Failover) -> Steps {
    if !session.procedure_record().procedures.contains_key(&NAME) {
        return Vec::new();
    }
    let defined = session.defined_values();
    let values = failover.values.keys().filter_map(|name| Some((name.clone(), defined.get(name)?.clone())));
    vec![("failback".to_owned(), values.collect())]
}

fn of_stack(session: &Session) -> Option<&Failover> {
    session.stack().procedures.as_ref()?.failover.as_ref()
}

fn gates(session: &Session) -> Vec<(&'static str, Gates, Duration)> {
    let Some(failover) = of_stack(session) else { return Vec::new() };
    vec![("before it", failover.before.clone(), Duration::ZERO), (AFTER_EACH_STEP, failover.gates.clone(), failover.bake)]
}

fn failback_gates(session: &Session) -> Vec<(&'static str, Gates, Duration)> {
    let Some(failover) = of_stack(session) else { return Vec::new() };
    vec![("before it", failover.failback_before.clone(), Duration::ZERO), (AFTER_EACH_STEP, failover.failback_gates.clone(), failover.bake)]
}
