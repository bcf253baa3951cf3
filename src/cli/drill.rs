//! `acme drill`: restore the newest backups into another environment, measure, and delete it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::{
    DONE, FAILED, GlobalArguments, INCOMPLETE, INTERRUPTED, LockArguments, OutputFormat, StackArguments,
    apply::{report_outcome, run_plan, show_plan, wait_for_signal, warn_unfinished},
    lock, open, plan,
    refusal::{label, message, refuse},
};
use crate::{
    core::{LiveResource, list_first, parse_timeout},
    definition::procedures::{Drill, Gates},
    engine::{
        journal::RunOutcome,
        plan::Goal,
        run::RunResult,
        session::{LockedSession, Session, SessionError},
    },
    procedures::{
        check_programs,
        drill::{self, DrillPhase, DrillRecord, DrillResult, Measured, RecordStore},
        gates::{GateChecker, GatesReport},
    },
    report::{self, Style, drill::DrillNames, plan::RenderOptions, progress::present_participle, time},
};

#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Show the backups, the gates, and the changes; make no changes.
    #[arg(long, conflicts_with_all = ["keep", "destroy"])]
    plan: bool,
    /// Keep the environment, also after a failure.
    #[arg(long)]
    keep: bool,
    /// Delete what an earlier drill has left, and restore nothing.
    #[arg(long, conflicts_with = "keep")]
    destroy: bool,
    /// Longest wait for the gates, such as `30m`. Default: what is left of `rto`, at least `10m`; without a goal, `30m`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    gate_timeout: Option<Duration>,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    parse_timeout(text).ok_or_else(|| "write `90s`, `45m` or `2h`, at most `168h`".to_owned())
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let text = open::read(&arguments.target)?;
    let source = open::open_source(text.clone(), &arguments.target, &arguments.global).await?;
    let Some(drill) = source.stack().procedures.as_ref().and_then(|procedures| procedures.drill.clone()) else {
        refuse!("no-procedure", "the definition has no drill: add `procedures.drill`, see `acme explain procedure`");
    };
    let target = StackArguments { env: Some(drill.environment.clone()), ..arguments.target.clone() };
    let side = open::open_source(text, &target, &arguments.global).await?;
    let problems = drill::problems(source.source(), &drill, source.stack(), side.stack());
    if !problems.is_empty() {
        return Err(SessionError::InvalidDefinition { definition: source.source().clone(), problems }.into());
    }
    // Expressions in them have the values of the side environment.
    let procedures = side.stack().procedures.as_ref();
    let gates = procedures.and_then(|procedures| procedures.drill.as_ref()).map(|drill| drill.gates.clone()).unwrap_or_default();
    check_programs(&side, &gates)?;
    let mut run = DrillRun { arguments, target, drill, gates, source };
    if arguments.plan {
        return run.show(side).await;
    }
    let mut locked = arguments.lock.lock(side, "drill", arguments.yes, &arguments.global).await?;
    let ended = run.run_with_lease(&mut locked).await;
    lock::release(locked).await;
    ended
}

/// A run of the command.
struct DrillRun<'a> {
    arguments: &'a Arguments,
    /// The side environment.
    target: StackArguments,
    drill: Drill,
    /// Gates of the side environment.
    gates: Gates,
    /// The environment with the backups, which is only read.
    source: Session,
}

impl DrillRun<'_> {
    async fn show(&mut self, mut side: Session) -> Result<u8> {
        let state = self.source.discover().await?;
        let looked_up_at = drill::now();
        let backups = drill::newest_backups(&self.source, &state, side.stack(), &self.drill).await?;
        let state = side.discover_with_history().await?;
        warn_unfinished(&state.history().unfinished, &side);
        drill::restore_from(&mut side, &backups)?;
        side.choose_values(&state, Goal::Apply).await?;
        let plan = side.plan(&state, Goal::Apply).await?;
        let gates = GateChecker::new(&side, state.live_state().iter().cloned())?.check(&self.gates).await;
        let names = self.names(&side);
        match self.arguments.global.output {
            OutputFormat::Json => {
                report::print_json(&report::drill::plan_json(names, &backups, looked_up_at, &gates, report::json::plan(&plan)))?;
            }
            output => {
                report::print(&report::drill::backups(names, &backups, looked_up_at));
                plan::print(&plan, output, RenderOptions::default())?;
                report::print(&report::drill::gates(&gates));
            }
        }
        open::annotate_obstacles(&side, &plan);
        open::print_stats(&side, &self.arguments.global);
        Ok(if plan.obstacles.is_empty() { DONE } else { FAILED })
    }

    async fn run_with_lease(&mut self, locked: &mut LockedSession) -> Result<u8> {
        let stack = locked.session().stack();
        let (mut store, record) = RecordStore::open(locked.backend().clone(), &stack.name, &stack.environment).await?;
        if self.arguments.destroy {
            return self.delete_leftovers(locked, &mut store, record).await;
        }
        let resumed = match record {
            Some(record) if record.is_resumed_by(&self.source.stack().environment, &self.drill.restore) => {
                report::eprint(&format!("Continues the drill of {}.", time::local(record.started_at)));
                Some(record)
            }
            Some(record) => {
                report::eprint(&format!("The drill of {} has left its environment: it is deleted first.", time::local(record.started_at)));
                let code = self.delete_leftovers(locked, &mut store, Some(record)).await?;
                if code != DONE {
                    return Ok(code);
                }
                None
            }
            None => None,
        };
        let (record, measured) = match resumed {
            Some(record @ DrillRecord { phase: DrillPhase::Deleting { .. }, .. }) => {
                let measured = record.measured().cloned().unwrap_or_default();
                (record, measured)
            }
            other => match self.restore(locked, &mut store, other).await {
                Ok(Some(restored)) => restored,
                Ok(None) => return Ok(FAILED),
                Err(error) if store.has_record() => {
                    show_error(&error);
                    report::eprint(&format!("  help: `{}` continues the drill", self.source.command_line("drill")));
                    return Ok(INCOMPLETE);
                }
                Err(error) => return Err(error),
            },
        };
        self.finish(locked, &mut store, record, measured).await
    }

    /// Creates the side environment, and waits for its gates. `None`: the user did not confirm.
    async fn restore(
        &mut self,
        locked: &mut LockedSession,
        store: &mut RecordStore,
        resumed: Option<DrillRecord>,
    ) -> Result<Option<(DrillRecord, Measured)>> {
        let arguments = self.arguments;
        let global = &arguments.global;
        let is_new = resumed.is_none();
        let mut record = match resumed {
            Some(record) => record,
            None => {
                let state = self.source.discover().await?;
                let looked_up_at = drill::now();
                let backups = drill::newest_backups(&self.source, &state, locked.session().stack(), &self.drill).await?;
                DrillRecord::new(&*self.source.stack().environment, looked_up_at, backups)
            }
        };
        drill::restore_from(locked.session_mut(), &record.restored)?;
        let proposed = locked.plan(Goal::Apply).await?;
        let existing = drill::existing(proposed.plan());
        if is_new && !(existing.is_empty() && proposed.unfinished_runs().journals.is_empty()) {
            let session = proposed.session();
            let text: Vec<String> = existing.iter().map(ToString::to_string).collect();
            let what = if text.is_empty() { "an unfinished run".to_owned() } else { list_first(&text, 3) };
            refuse!(
                "drill",
                "`{}` is not empty, and no drill has filled it ({what}): a drill starts from nothing and deletes everything in the end; use an \
                 environment only for drills, or delete this one with `{}`",
                session.stack().environment,
                session.command_line("destroy")
            );
        }
        let session = proposed.session();
        if global.output != OutputFormat::Json && !global.quiet {
            report::print(&report::drill::backups(self.names(session), &record.restored, record.looked_up_at));
        }
        show_plan(proposed.plan(), session, global)?;
        if !self.arguments.yes && !self.confirm(session, is_new)? {
            report::eprint("No changes made.");
            return Ok(None);
        }
        if is_new {
            record.started_at = drill::now();
            store.write(&record).await?;
        }
        let live: Vec<LiveResource> = if proposed.has_nothing_to_do() {
            proposed.plan().changes.iter().filter_map(|change| change.before.clone()).collect()
        } else {
            let (ended, _) = run_plan(proposed, &self.target, global, false, Some("drill: restore".to_owned())).await?;
            if ended.outcome != RunOutcome::Done {
                return Ok(Some((record, unrestored(&ended))));
            }
            ended.execution.live.into_values().collect()
        };
        let spent = Duration::from_millis(drill::now().saturating_sub(record.started_at));
        let timeout = self.arguments.gate_timeout.unwrap_or_else(|| drill::gate_timeout(&self.drill, spent));
        let report_states = |states: &GatesReport| {
            if !global.quiet {
                let closed: Vec<String> = states.closed().map(|(gate, reason)| format!("{gate}: {reason}")).collect();
                report::eprint(&format!("Waiting for {}.", list_first(&closed, 3)));
            }
        };
        let measured = tokio::select! {
            measured = drill::wait_for_gates(locked.session(), live, &self.gates, timeout, report_states) => measured?,
            () = wait_for_signal() => {
                let failures = vec!["the wait for the gates was interrupted".to_owned()];
                Measured { failures, interrupted: true, ..Measured::default() }
            }
        };
        Ok(Some((record, measured)))
    }

    fn confirm(&self, session: &Session, is_new: bool) -> Result<bool> {
        let stack = session.stack();
        let what = if is_new { "Start the drill" } else { "Continue the drill" };
        let end = if self.arguments.keep { "is kept" } else { "is deleted" };
        super::confirm(&format!("In the end, {} {end}.\n{what} of {} in {}?", stack.environment, stack.name, stack.environment))
    }

    /// Reports the result, deletes the side environment, and returns the exit code.
    async fn finish(&self, locked: &mut LockedSession, store: &mut RecordStore, mut record: DrillRecord, measured: Measured) -> Result<u8> {
        let is_json = self.arguments.global.output == OutputFormat::Json;
        let result = DrillResult::new(&self.drill, &record, measured.clone());
        let keep = self.arguments.keep;
        record.phase = if keep { DrillPhase::Kept { result: measured } } else { DrillPhase::Deleting { result: measured } };
        store.write(&record).await?;
        let table = report::drill::result(self.names(locked.session()), &result);
        if !is_json {
            report::print(&table);
        }
        let mut code = match keep {
            true if !result.has_recovered() => INCOMPLETE,
            true => DONE,
            false => self.tear_down(locked, store, &record).await.unwrap_or_else(|error| {
                show_error(&error);
                INCOMPLETE
            }),
        };
        let deleted = !keep && code == DONE;
        if is_json {
            report::print_json_line(&report::drill::json(self.names(locked.session()), &result, deleted))?;
        }
        let text = self.summary(locked.session(), &result, deleted);
        report::eprint(&text);
        report::github::summarize_outcome("drill", &format!("{table}\n{text}"));
        open::print_stats(locked.session(), &self.arguments.global);
        if code == DONE && !result.is_reached() {
            code = if result.measured.interrupted { INTERRUPTED } else { FAILED };
        }
        Ok(code)
    }

    /// The last lines: whether the goals were reached, and what is left.
    fn summary(&self, side: &Session, result: &DrillResult, deleted: bool) -> String {
        let environment = &side.stack().environment;
        let mut lines = vec![match (result.has_recovered(), result.missed()) {
            (false, _) => format!("{} the drill did not recover the platform", Style::Removed.paint("failed:")),
            (true, missed) if missed.is_empty() => format!("{} the drill reached its goals.", Style::Added.paint("Done:")),
            (true, missed) => format!("{} {}", Style::Removed.paint("missed:"), missed.join(", ")),
        }];
        lines.push(match deleted {
            true => format!("  `{environment}` is deleted."),
            false => format!("  `{environment}` still exists; `{} --destroy` deletes it.", self.source.command_line("drill")),
        });
        lines.join("\n")
    }

    /// Deletes what an earlier drill has left.
    async fn delete_leftovers(&self, locked: &mut LockedSession, store: &mut RecordStore, record: Option<DrillRecord>) -> Result<u8> {
        let environment = locked.session().stack().environment.clone();
        let Some(record) = record else {
            report::eprint(&format!("No drill has left anything in `{environment}`."));
            return Ok(DONE);
        };
        if !self.arguments.yes && !super::confirm(&format!("Delete all resources of {} ({environment})?", locked.session().stack().name))? {
            report::eprint("No changes made.");
            return Ok(FAILED);
        }
        let code = self.tear_down(locked, store, &record).await?;
        if code == DONE {
            report::eprint(&format!("{} `{environment}` is deleted.", Style::Added.paint("Done:")));
        }
        Ok(code)
    }

    /// Deletes the side environment with all data, and then the record. Returns the exit code of the deletion.
    async fn tear_down(&self, locked: &mut LockedSession, store: &mut RecordStore, record: &DrillRecord) -> Result<u8> {
        let global = &self.arguments.global;
        let session = locked.session_mut();
        let declared = session.stack().clone();
        // The definition may no longer accept the backups; their fields only matter for what was created with them.
        drop(drill::restore_from(session, &record.restored));
        session.discard_data();
        let proposed = locked.plan(Goal::Destroy).await?;
        if !proposed.has_nothing_to_do() {
            if !proposed.plan().obstacles.is_empty() {
                show_plan(proposed.plan(), proposed.session(), global)?;
            }
            let (ended, took) = run_plan(proposed, &self.target, global, false, Some("drill: deletion".to_owned())).await?;
            if ended.outcome != RunOutcome::Done {
                report_outcome(&ended, Goal::Destroy.command(), locked.session(), took);
                return Ok(INCOMPLETE);
            }
        }
        store.remove().await?;
        locked.session_mut().return_to(declared);
        Ok(DONE)
    }

    fn names<'s>(&'s self, side: &'s Session) -> DrillNames<'s> {
        let source = &self.source.stack().environment;
        DrillNames { stack: &side.stack().name, source, environment: &side.stack().environment }
    }
}

fn show_error(error: &anyhow::Error) {
    report::eprint(&format!("{} {}", Style::Removed.paint(label(error)), message(error)));
}

/// Result of a drill whose resources could not be created.
fn unrestored(ended: &RunResult) -> Measured {
    let execution = &ended.execution;
    let failed =
        execution.failed.iter().map(|failure| format!("{} {}: {}", present_participle(failure.op), failure.address, failure.error));
    let waiting = execution.waiting.iter().map(|(address, _, instruction)| format!("{address} waits for a person: {instruction}"));
    let mut failures: Vec<String> = failed.chain(waiting).collect();
    if failures.is_empty() {
        failures.push("the apply was interrupted".to_owned());
    }
    Measured { failures, interrupted: ended.interrupted, ..Measured::default() }
}
