//! `acme apply` and `acme destroy`: plan, confirm, execute, and roll back after a failure.

use std::{
    io::IsTerminal,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use tokio::sync::mpsc;

use super::{
    DONE, FAILED, GlobalArguments, INCOMPLETE, INTERRUPTED, LockArguments, OutputFormat, StackArguments,
    context::{Context, DiscoveryDepth, Session},
    outputs, plan,
    refusal::refuse,
    saved,
};
use crate::{
    engine::{
        backend::{Backend, BucketCreation, Lease},
        execute::{self, StopSignal},
        history::History,
        journal::{FORMAT, Replay, RunInfo, RunOutcome},
        plan::{Goal, NullMeans, Plan},
        run::{ApplyRequest, Run, RunHistory, RunResult, UnfinishedRuns},
        saved_plan::{SavedPlan, sha256},
    },
    report::{self, Style, outcome::OutcomeReport, plan::RenderOptions, progress},
};

#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    /// Keep completed steps after a failure instead of rolling back.
    #[arg(long)]
    no_rollback: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments, goal: Goal) -> Result<u8> {
    match saved::read(&arguments.target)? {
        Some(saved) if goal == Goal::Apply => {
            saved::check_definition(&saved, &arguments.target.file)?;
            let mut arguments = arguments.clone();
            let path = std::mem::replace(&mut arguments.target, saved::stack_arguments(&saved)).file;
            // A saved plan has been reviewed.
            arguments.yes = true;
            arguments.global.region.get_or_insert_with(|| saved.region.clone());
            run_goal(&arguments, saved.goal, Some((&saved, &path))).await
        }
        _ => run_goal(arguments, goal, None).await,
    }
}

/// Saved plan, and its file.
type SavedPlanFile<'a> = Option<(&'a SavedPlan, &'a Path)>;

async fn run_goal(arguments: &Arguments, goal: Goal, from: SavedPlanFile<'_>) -> Result<u8> {
    let global = &arguments.global;
    let session = Session::open(&arguments.target, global).await?;
    let account = session.account().await?;
    let backend = open_backend(&session, global, &account, arguments.yes).await?;
    let lease = Arc::new(arguments.lock.acquire(&backend, &session.stack, goal.command()).await?);
    let ended = run_with_lease(arguments, goal, from, session, account, &backend, lease.clone()).await;
    release_lease(&lease).await;
    ended
}

/// Selects the backend of a run. Asks whether to create a bucket if there is a terminal.
pub async fn open_backend(session: &Session, global: &GlobalArguments, account: &str, yes: bool) -> Result<Backend> {
    let ask = |question: &str| report::confirm(question);
    let may_ask = !yes && std::io::stdin().is_terminal();
    let choice = session.backend(global, account, if may_ask { BucketCreation::Ask(&ask) } else { BucketCreation::IfRequested }).await?;
    if let Some(note) = choice.note.filter(|_| !global.quiet) {
        report::eprint(&note);
    }
    Ok(choice.backend)
}

/// Releases the lease. After a failure, it expires.
pub async fn release_lease(lease: &Lease) {
    if let Err(error) = lease.release().await {
        report::eprint(&format!("{} {error}", Style::Changed.paint("warning:")));
    }
}

async fn run_with_lease(
    arguments: &Arguments,
    goal: Goal,
    from: SavedPlanFile<'_>,
    session: Session,
    account: String,
    backend: &Backend,
    lease: Arc<Lease>,
) -> Result<u8> {
    let global = &arguments.global;
    let history = session.history(backend);
    let memory = RunHistory::read(&history).await?;
    let unfinished = &memory.unfinished;
    warn_unfinished(unfinished, &arguments.target);
    // A saved plan is compared with one of the same depth, and an unfinished run may still be undone.
    let only_deletes = goal == Goal::Destroy && from.is_none() && unfinished.journals.is_empty();
    let depth = if only_deletes { DiscoveryDepth::ForDeletion } else { DiscoveryDepth::Recorded };
    let mut context = Context::with_history(session, account, &memory, depth).await?;
    let plan = context.plan_with_history(goal, &memory).await?;
    if let Some((saved, path)) = from {
        saved::check_plan(saved, path, &plan, history.revision_numbers().await?.last().copied())?;
    }
    show_plan(&plan, &context.session, global)?;
    if plan.is_empty() && unfinished.journals.is_empty() {
        let text = format!("{} no changes.", Style::Added.paint("Done:"));
        report::eprint(&text);
        report::github::summarize_outcome(goal.command(), &text);
        context.session.print_stats(global);
        if goal == Goal::Apply {
            let live = plan.changes.iter().filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
            outputs::print_with_title(&outputs::resolve_outputs(&context.session.stack, &live), global)?;
        }
        // The process is about to end: freeing a large plan would take a tenth of its time.
        std::mem::forget((context, memory, plan));
        return Ok(DONE);
    }
    if !plan.is_empty() && !arguments.yes && !confirm_goal(goal, &context)? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    let world = std::mem::take(&mut context.live_state);
    let (events, progress_task) = progress::spawn(progress_mode(global));
    let who = (arguments.target.clone(), context.account.clone(), Some(lease));
    let run = context.session.run(goal.command(), who, history, events)?;
    let begun = Instant::now();
    let stack = &context.session.stack;
    let options = ApplyRequest {
        stack,
        plan: &plan,
        live_state: world,
        null_means: NullMeans::Unmanaged,
        covers_whole_stack: true,
        roll_back_on_failure: !arguments.no_rollback,
    };
    let ended = run.apply(options, unfinished).await?;
    progress_task.await?;
    let code = report_outcome(&ended, goal.command(), &context.session, begun.elapsed());
    context.session.print_stats(global);
    if ended.outcome == RunOutcome::Done && goal == Goal::Apply {
        outputs::print_with_title(&outputs::resolve_outputs(stack, &ended.execution.live), global)?;
    }
    std::mem::forget((context, memory, plan, ended));
    Ok(code)
}

/// Shows a plan before it is applied.
///
/// # Errors
/// Fails if it is blocked: then it must not be applied.
pub fn show_plan(plan: &Plan, session: &Session, global: &GlobalArguments) -> Result<()> {
    report::github::summarize_plan(plan);
    session.annotate_obstacles(plan);
    let blocked = !plan.obstacles.is_empty();
    let quiet = global.output == OutputFormat::Json || global.quiet;
    match global.output {
        // A document is one line, like events.
        OutputFormat::Json if blocked => report::print(&format!("{}\n", report::json::plan(plan))),
        _ if blocked || !quiet => plan::print(plan, global.output, RenderOptions::default())?,
        _ => {}
    }
    if blocked {
        refuse!("blocked", "no changes made: the plan is blocked, see above");
    }
    Ok(())
}

/// Output format of a run's events.
pub fn progress_mode(global: &GlobalArguments) -> progress::Mode {
    match global.output {
        _ if global.quiet => progress::Mode::Quiet,
        OutputFormat::Json => progress::Mode::Json,
        _ => progress::Mode::Text,
    }
}

/// Damage of the journals of unfinished runs, if any.
pub fn journal_damages(unfinished: &UnfinishedRuns) -> Vec<String> {
    let what = |replay: &Replay| match (&replay.damage, &replay.run) {
        (Some(damage), _) => Some(damage.to_string()),
        (None, None) => Some("the journal of an unfinished run is missing".to_owned()),
        (None, Some(_)) => None,
    };
    unfinished.journals.iter().filter_map(what).collect()
}

/// Reports that the last run is unfinished.
pub fn warn_unfinished(unfinished: &UnfinishedRuns, target: &StackArguments) {
    let warning = Style::Changed.paint("warning:");
    if let Some(number) = unfinished.unreadable_revision {
        report::eprint(&format!(
            "{warning} can't read the journal of revision {number}, the last run. acme determines its changes from ownership tags."
        ));
    }
    for damage in journal_damages(unfinished) {
        report::eprint(&format!("{warning} {damage}. acme uses the records before it, and determines later changes from ownership tags."));
    }
    let Some(last) = unfinished.journals.last() else { return };
    if let Some(begin) = &last.run {
        report::eprint(&format!(
            "The last run (revision {}, {} by {}) is unfinished.\n  This run continues it; `{}` undoes it instead.",
            begin.revision,
            begin.command,
            begin.actor,
            command_line("rollback", target)
        ));
    }
}

/// Asks for confirmation on a terminal; without one, refuses.
fn confirm_goal(goal: Goal, context: &Context) -> Result<bool> {
    let stack = &context.session.stack;
    super::confirm(&match goal {
        Goal::Apply => format!("Apply this plan to {} ({})?", stack.name, stack.environment),
        Goal::Destroy => format!("Delete all resources of {} ({})?", stack.name, stack.environment),
    })
}

impl Session {
    /// Describes a run of this stack: its definition, account and lease.
    pub fn run(
        &self,
        command: &str,
        (target, account, lease): (StackArguments, String, Option<Arc<Lease>>),
        history: History,
        events: mpsc::UnboundedSender<execute::Event>,
    ) -> Result<Run> {
        Ok(Run {
            cloud: self.cloud.clone(),
            history,
            lease,
            stop: stop_on_interrupt(events.downgrade()),
            events,
            info: RunInfo {
                format: FORMAT.to_owned(),
                revision: 0,
                continues: None,
                stack: self.stack.name.clone(),
                environment: self.stack.environment.clone(),
                region: self.cloud.region().to_owned(),
                account,
                command: command.to_owned(),
                actor: super::actor::name(),
                commit: super::actor::git_commit(&target.file),
                definition: sha256(self.text.as_bytes()),
            },
        })
    }
}

/// Handles interrupts by the user or CI. A second one ends the process at once.
fn stop_on_interrupt(events: mpsc::WeakUnboundedSender<execute::Event>) -> StopSignal {
    let (request, stop) = StopSignal::new();
    tokio::spawn(async move {
        wait_for_signal().await;
        // Without a sender of events, there is no run to interrupt.
        if let Some(events) = events.upgrade() {
            events.send(execute::Event::StopRequested).ok();
        }
        request.send_replace(true);
        wait_for_signal().await;
        report::eprint("\nStopped. `acme apply` continues the run, `acme rollback` undoes it.");
        std::process::exit(i32::from(INTERRUPTED));
    });
    stop
}

async fn wait_for_signal() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = ctrl_c => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    drop(ctrl_c.await);
}

/// Reports the outcome of a run, with remedies if it failed.
pub fn report_outcome(ended: &RunResult, command: &str, session: &Session, took: Duration) -> u8 {
    let source = session.source();
    let outcome_report = OutcomeReport {
        command,
        command_line: &|command| command_line(command, &session.target),
        source: &source,
        locate: &|address| session.locate(&source, address),
        elapsed: took,
    };
    let text = outcome_report.render(ended);
    report::eprint(&text);
    report::github::summarize_outcome(command, &text);
    for failure in &ended.execution.failed {
        session.annotate(
            &failure.address,
            &format!("{} {} failed: {}", progress::present_participle(failure.op), failure.address, failure.error),
        );
    }
    match ended.outcome {
        _ if ended.succeeded(command) => DONE,
        RunOutcome::RolledBack | RunOutcome::Kept if ended.interrupted => INTERRUPTED,
        RunOutcome::RolledBack => FAILED,
        RunOutcome::Kept | RunOutcome::Stuck | RunOutcome::Done => INCOMPLETE,
    }
}

/// Command line of a command on the same stack.
pub fn command_line(command: &str, target: &StackArguments) -> String {
    let env = target.env.as_ref().map(|env| format!(" --env {env}")).unwrap_or_default();
    format!("acme {command} {}{env}", target.file.display())
}
