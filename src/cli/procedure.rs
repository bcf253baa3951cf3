//! What `acme cutover`, `acme failover` and `acme failback` have in common.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    DONE, FAILED, GlobalArguments, INCOMPLETE, INTERRUPTED, LockArguments, OutputFormat, StackArguments, WAITING, advice, apply, lock,
    open, refusal,
};
use crate::{
    definition::procedures::Gates,
    engine::{
        backend::BucketCreation,
        discover::LiveState,
        plan::Goal,
        procedure_record::ProcedureName,
        run::RunResult,
        session::{LockedSession, ProposedPlan, Session},
    },
    procedures::{
        events::ProcedureEvent,
        gates::{GateChecker, GatesReport},
        run::{Frontend, Outcome},
    },
    report::{
        self, Style,
        procedure::{PlannedStep, render_event, render_steps, status_json, steps_json},
    },
};

/// Options of every procedure.
#[derive(Debug, Args)]
pub struct ProcedureArguments {
    #[command(flatten)]
    pub target: StackArguments,
    /// Show the steps with their changes, and the gates as they are now; change nothing.
    #[arg(long, conflicts_with_all = ["status", "yes", "no_rollback"])]
    pub plan: bool,
    /// Show how far the procedure is.
    #[arg(long, conflicts_with_all = ["yes", "no_rollback"])]
    pub status: bool,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    pub yes: bool,
    /// After a closed gate or a failed step, stay at the step instead of returning to the values from before.
    #[arg(long)]
    pub no_rollback: bool,
    #[command(flatten)]
    pub lock: LockArguments,
    #[command(flatten)]
    pub global: GlobalArguments,
}

/// Steps that a command would take: each with its label and values.
pub type Steps = Vec<(String, BTreeMap<String, Value>)>;

/// Shows the plan of each step, and the gates now. Makes no changes.
pub async fn show_plan(arguments: &ProcedureArguments, steps: impl FnOnce(&Session) -> Result<Steps>, gates: GatesOf) -> Result<u8> {
    let global = &arguments.global;
    let mut session = open::open(&arguments.target, global).await?;
    let state = session.discover_with_history().await?;
    apply::warn_unfinished(&state.history().unfinished, &session);
    let reports = check_gates(&session, state.live_state(), gates(&session)).await?;
    let mut planned = Vec::new();
    for (label, values) in steps(&session)? {
        session.compile_with(&values)?;
        session.choose_values(&state, Goal::Apply).await?;
        planned.push(PlannedStep { label, values, plan: session.plan(&state, Goal::Apply).await? });
    }
    let reports: Vec<(&str, GatesReport)> = reports.iter().map(|(title, report, _)| (*title, report.clone())).collect();
    let bake = gates(&session).into_iter().map(|(_, _, bake)| bake).max().unwrap_or_default();
    match global.output {
        OutputFormat::Json => report::print_json(&steps_json(&planned, &reports))?,
        _ => report::print(&render_steps(&planned, &reports, bake)),
    }
    if planned.is_empty() {
        report::eprint("No changes.");
    }
    open::print_stats(&session, global);
    Ok(if planned.iter().any(|step| !step.plan.obstacles.is_empty()) { FAILED } else { DONE })
}

/// The gates of a procedure: when they are checked, what they are, and the time for which they must stay open.
pub type GatesOf = fn(&Session) -> Vec<(&'static str, Gates, Duration)>;

async fn check_gates(
    session: &Session,
    live_state: &LiveState,
    gates: Vec<(&'static str, Gates, Duration)>,
) -> Result<Vec<(&'static str, GatesReport, Duration)>> {
    let checker = GateChecker::new(session, live_state.iter().cloned())?;
    let mut reports = Vec::new();
    for (title, gates, bake) in gates {
        reports.push((title, checker.check(&gates).await, bake));
    }
    Ok(reports)
}

/// Shows how far a procedure is.
pub async fn show_status(arguments: &ProcedureArguments, name: ProcedureName, step: fn(&Session) -> Option<String>) -> Result<u8> {
    let connected = open::open(&arguments.target, &arguments.global).await?.connect(BucketCreation::Never).await?;
    let session = connected.session();
    let (stack, record) = (session.stack(), session.procedure_record());
    if arguments.global.output == OutputFormat::Json {
        report::print_json(&status_json(&stack.name, &stack.environment, record))?;
        return Ok(DONE);
    }
    match record.procedures.get(&name) {
        None => report::print(&format!("There is no {} under way: the values of the definition are in use.\n", name.command())),
        Some(state) => report::print(&report::procedure::render_status(name, state, step(session).as_deref())),
    }
    Ok(DONE)
}

/// Runs a procedure under the lease: takes it, asks `question`, and reports how it ended.
pub async fn run(
    arguments: &ProcedureArguments,
    name: ProcedureName,
    command: &'static str,
    question: &str,
    goes_back: bool,
    act: impl AsyncFnOnce(&mut LockedSession, &TextFrontend<'_>) -> Result<Outcome>,
) -> Result<u8> {
    let session = open::open(&arguments.target, &arguments.global).await?;
    let mut locked = arguments.lock.lock(session, command, arguments.yes, &arguments.global).await?;
    let outcome = run_with_lease(arguments, name, command, question, &mut locked, act).await;
    lock::release(locked).await;
    Ok(match outcome? {
        None => FAILED,
        Some(Outcome::Returned(_)) if goes_back => DONE,
        Some(Outcome::Finished | Outcome::NoChanges(_)) => DONE,
        Some(Outcome::Refused(_) | Outcome::Returned(_)) => FAILED,
        Some(Outcome::Stopped(_) | Outcome::Stuck(_)) => INCOMPLETE,
        Some(Outcome::Interrupted) => INTERRUPTED,
        Some(Outcome::Waiting) => WAITING,
    })
}

/// How it ended; `None` if the user does not confirm.
async fn run_with_lease(
    arguments: &ProcedureArguments,
    name: ProcedureName,
    command: &'static str,
    question: &str,
    locked: &mut LockedSession,
    act: impl AsyncFnOnce(&mut LockedSession, &TextFrontend<'_>) -> Result<Outcome>,
) -> Result<Option<Outcome>> {
    let unfinished = locked.run_history().await?.unfinished.clone();
    apply::warn_unfinished(&unfinished, locked.session());
    if !arguments.yes && !super::confirm(question)? {
        report::eprint("No changes made.");
        return Ok(None);
    }
    let frontend = TextFrontend { arguments, command, told: RefCell::new(None), interrupted: listen() };
    let outcome = match act(locked, &frontend).await {
        Ok(outcome) => outcome,
        // Earlier steps stay: the command continues from there.
        Err(error) if locked.session().procedure_record().procedures.contains_key(&name) => {
            report::eprint(&format!("{} {}", Style::Removed.paint(refusal::label(&error)), refusal::message(&error)));
            Outcome::Stopped("the step could not be planned or recorded, see above".to_owned())
        }
        Err(error) => return Err(error),
    };
    frontend.tell(&ProcedureEvent::ProcedureEnded {
        procedure: command.to_owned(),
        outcome: outcome.name(),
        reason: outcome.reason().map(str::to_owned),
    });
    report_outcome(&outcome, name, command, locked.session());
    open::print_stats(locked.session(), &arguments.global);
    Ok(Some(outcome))
}

/// Reports how a procedure ended, with the next commands.
fn report_outcome(outcome: &Outcome, name: ProcedureName, command: &str, session: &Session) {
    let again = session.command_line(command);
    let back = format!("{} --back", session.command_line(name.command()));
    let next = format!("  help: `{again}` continues,\n        `{back}` returns to the values from before");
    let values =
        |session: &Session| session.procedure_record().procedures.get(&name).map(|state| report::procedure::shown_values(&state.values));
    let text = match outcome {
        Outcome::Finished => match values(session) {
            Some(values) => format!("{} {command}: {values}.\n  help: set this in the definition", Style::Added.paint("Finished:")),
            None => format!("{} {command}: the values of the definition are in use.", Style::Added.paint("Finished:")),
        },
        Outcome::NoChanges(reason) => format!("{} {reason}.", Style::Added.paint("No changes:")),
        Outcome::Refused(reason) => format!("{} no changes made: {reason}.", Style::Removed.paint("Refused:")),
        Outcome::Returned(reason) => format!("{} {reason}.\nThe values from before are in use again.", Style::Changed.paint("Returned:")),
        Outcome::Stopped(reason) => format!("{} {reason}.\n{next}", Style::Removed.paint("Stopped:")),
        Outcome::Interrupted => format!("{} it stays at this step.\n{next}", Style::Changed.paint("Interrupted:")),
        Outcome::Waiting => format!("{} a step waits for a person, see above.\n{next}", Style::Changed.paint("Waiting:")),
        Outcome::Stuck(reason) => format!("{} {reason}.\n{next}", Style::Removed.paint("Stuck:")),
    };
    let text = advice::complete(&text);
    report::eprint(&text);
    report::github::summarize_outcome(command, &text);
}

/// Listens for an interrupt during the whole procedure: one between two watches counts for the next.
fn listen() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        apply::wait_for_signal().await;
        sender.send_replace(true);
    });
    receiver
}

/// Shows a procedure as text or as lines of JSON.
pub struct TextFrontend<'a> {
    arguments: &'a ProcedureArguments,
    command: &'static str,
    /// Gates shown last: while they stay the same, they are not shown again.
    told: RefCell<Option<(String, GatesReport)>>,
    /// Whether the user has interrupted the procedure.
    interrupted: watch::Receiver<bool>,
}

impl Frontend for TextFrontend<'_> {
    async fn apply(&self, proposed: ProposedPlan<'_>, label: &str, roll_back: bool) -> Result<(RunResult, Duration)> {
        let global = &self.arguments.global;
        apply::show_plan(proposed.plan(), proposed.session(), global)?;
        apply::run_plan(proposed, &self.arguments.target, global, roll_back, Some(label.to_owned())).await
    }

    fn report(&self, ended: &RunResult, session: &Session, took: Duration) {
        apply::report_outcome(ended, self.command, session, took);
    }

    fn tell(&self, event: &ProcedureEvent) {
        if self.arguments.global.output == OutputFormat::Json {
            report::print_json_line(event).ok();
            return;
        }
        if let ProcedureEvent::GatesChecked { procedure, gates, left_seconds } = event {
            let now = (procedure.clone(), gates.clone());
            let is_known = self.told.borrow().as_ref() == Some(&now);
            if is_known && *left_seconds > 0 {
                return;
            }
            self.told.replace(Some(now));
            if is_known {
                report::eprint("The gates stayed open.");
                return;
            }
        }
        let is_needed = !self.arguments.global.quiet || matches!(event, ProcedureEvent::Returning { .. });
        if let Some(text) = render_event(event).filter(|_| is_needed) {
            report::eprint(&text);
        }
    }

    async fn interrupted(&self) {
        // Without a listener, nothing can interrupt it.
        if self.interrupted.clone().wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending().await
        }
    }
}
