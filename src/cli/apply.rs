//! `acme apply` and `acme destroy`: plan, confirm, execute, and roll back after a failure.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use tokio::sync::mpsc;

use super::{
    DONE, FAILED, GlobalArguments, INCOMPLETE, INTERRUPTED, LockArguments, OutputFormat, StackArguments, WAITING, advice,
    cost::CostArguments,
    git, lock, open, outputs, plan,
    refusal::refuse,
    remote,
    saved::{self, OpenedPlan},
    selection::SelectionArguments,
};
use crate::{
    engine::{
        execute::{self, StopSignal},
        journal::{Replay, RunOutcome},
        outputs::resolve,
        plan::{Goal, Plan},
        remote::DEFAULT_PROJECT,
        run::{RunResult, UnfinishedRuns},
        saved_plan::SavedPlan,
        session::{LockedSession, ProposedPlan, RunOptions, Session},
    },
    report::{self, Style, outcome::OutcomeReport, plan::RenderOptions, progress},
};

#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) target: StackArguments,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Keep completed steps after a failure instead of rolling back.
    #[arg(long)]
    pub(super) no_rollback: bool,
    /// Show every change of a large plan, every field of new resources, and every line of the cost.
    #[arg(long)]
    pub(super) full: bool,
    /// Run the plan in the account of the stack, in a build of the CodeBuild project PROJECT (`acme-runner` if omitted), and show its events.
    /// Ctrl-C leaves the build running; `acme remote` follows it again.
    #[arg(long, value_name = "PROJECT", num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT_PROJECT)]
    #[arg(value_parser = remote::parse_project)]
    pub(super) remote: Option<String>,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
    #[command(flatten)]
    pub(super) cost: CostArguments,
    #[command(flatten)]
    pub(super) lock: LockArguments,
    #[command(flatten)]
    pub(super) global: GlobalArguments,
}

pub async fn run(arguments: &Arguments, goal: Goal) -> Result<u8> {
    if arguments.remote.is_some() {
        remote::refuse_unsupported(&arguments.global)?;
    }
    let Opened { arguments, goal, session, saved } = open_target(arguments, goal).await?;
    match &arguments.remote {
        Some(project) => remote::run(&arguments, goal, session, saved, project).await,
        None => run_goal(&arguments, goal, session, saved.as_ref().map(|(saved, file)| (saved, file.as_path()))).await,
    }
}

/// What is to be applied.
struct Opened {
    /// With the definition of the saved plan, if there is one.
    arguments: Arguments,
    goal: Goal,
    session: Session,
    saved: Option<(SavedPlan, PathBuf)>,
}

async fn open_target(arguments: &Arguments, goal: Goal) -> Result<Opened> {
    match saved::read(&arguments.target, &arguments.selection, goal)? {
        Some(OpenedPlan { saved, file, target, is_expected }) => {
            let source = open::read(&target)?;
            let options = open::session_options(&target, &arguments.global);
            let plan_again = options.command_line("plan", &source.path);
            advice::select(&target, options);
            saved.check_definition(&source, &file, &plan_again)?;
            let mut arguments = Arguments { target, ..arguments.clone() };
            // A saved plan has been reviewed.
            arguments.yes = true;
            if !is_expected {
                arguments.global.region.get_or_insert_with(|| saved.region.clone());
            }
            let session = open::open_source(source, &arguments.target, &arguments.global).await?;
            Ok(Opened { goal, arguments, session, saved: Some((saved, file)) })
        }
        None => {
            if goal == Goal::Destroy && arguments.selection.replaces() {
                refuse!("replace", "`destroy` deletes resources and replaces none: remove `--replace`");
            }
            let mut session = open::open(&arguments.target, &arguments.global).await?;
            session.select(arguments.selection.selection()?);
            Ok(Opened { arguments: arguments.clone(), goal, session, saved: None })
        }
    }
}

/// Saved plan, and its file.
type SavedPlanFile<'a> = Option<(&'a SavedPlan, &'a Path)>;

/// Takes the lease, plans, and applies the plan.
pub(super) async fn run_goal(arguments: &Arguments, goal: Goal, session: Session, saved: SavedPlanFile<'_>) -> Result<u8> {
    let mut locked = arguments.lock.lock(session, goal.command(), arguments.yes, &arguments.global).await?;
    let ended = run_with_lease(arguments, goal, &mut locked, saved).await;
    lock::release(locked).await;
    ended
}

async fn run_with_lease(arguments: &Arguments, goal: Goal, locked: &mut LockedSession, saved: SavedPlanFile<'_>) -> Result<u8> {
    let global = &arguments.global;
    let unfinished = locked.run_history().await?.unfinished.clone();
    warn_unfinished(&unfinished, locked.session());
    let mut proposed = match saved {
        Some((saved, file)) => locked.plan_saved(saved, file).await?,
        None => locked.plan(goal).await?,
    };
    let costs = arguments.cost.estimate(proposed.session(), proposed.plan()).await?;
    proposed.set_costs(costs);
    show_plan_with(proposed.plan(), proposed.session(), global, RenderOptions { full: arguments.full, ..RenderOptions::default() })?;
    arguments.cost.check(proposed.plan().costs.as_ref())?;
    if proposed.has_nothing_to_do() {
        let text = format!("{} no changes.", Style::Added.paint("Done:"));
        // The plan says that there is nothing to delete.
        let is_said = goal == Goal::Destroy && global.output == OutputFormat::Text && !global.quiet;
        if !is_said {
            report::eprint(&text);
        }
        report::github::summarize_outcome(goal.command(), &text);
        open::print_stats(proposed.session(), global);
        let values = (goal == Goal::Apply).then(|| {
            let changes = &proposed.plan().changes;
            let live = changes.iter().filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
            resolve(&proposed.session().stack().outputs, &live)
        });
        // The process is about to end: freeing a large plan would take a tenth of its time.
        std::mem::forget(proposed);
        if let Some(values) = values {
            outputs::print_with_title(&values, global)?;
        }
        return Ok(DONE);
    }
    let rolls_back = proposed.rolls_back() && !arguments.no_rollback;
    if !proposed.plan().is_empty() && !arguments.yes && !confirm_goal(goal, proposed.session(), rolls_back)? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    // A runner has no repository.
    let commit = git::commit(&arguments.target.path()?).or_else(|| saved.and_then(|(saved, _)| saved.definition.commit.clone()));
    let (ended, took) = run_plan_of_commit(proposed, commit, global, !arguments.no_rollback, None).await?;
    if ended.outcome == RunOutcome::Done
        && goal == Goal::Destroy
        && arguments.selection.is_empty()
        && saved.is_none_or(|(saved, _)| saved.selection.is_empty())
    {
        locked.forget_procedures().await?;
    }
    let session = locked.session();
    let code = report_outcome(&ended, goal.command(), session, took);
    open::print_stats(session, global);
    if ended.outcome == RunOutcome::Done && goal == Goal::Apply {
        outputs::print_with_title(&resolve(&session.stack().outputs, &ended.execution.live), global)?;
    }
    std::mem::forget(ended);
    Ok(code)
}

/// Applies a plan that was shown and confirmed, and shows its events. `procedure` is the step of a procedure, for the history. Returns the
/// outcome and the time it took.
pub async fn run_plan(
    proposed: ProposedPlan<'_>,
    target: &StackArguments,
    global: &GlobalArguments,
    roll_back_on_failure: bool,
    procedure: Option<String>,
) -> Result<(RunResult, Duration)> {
    run_plan_of_commit(proposed, git::commit(&target.path()?), global, roll_back_on_failure, procedure).await
}

/// Same, for a definition of this commit.
async fn run_plan_of_commit(
    proposed: ProposedPlan<'_>,
    commit: Option<String>,
    global: &GlobalArguments,
    roll_back_on_failure: bool,
    procedure: Option<String>,
) -> Result<(RunResult, Duration)> {
    let checked = proposed.check()?;
    let (events, progress_task) = progress::spawn(progress_mode(global));
    let stop = stop_on_interrupt(events.downgrade());
    let begun = Instant::now();
    let ended = checked.apply(RunOptions { stop, commit, procedure, roll_back_on_failure, ..RunOptions::new(events) }).await?;
    progress_task.await?;
    Ok((ended, begun.elapsed()))
}

/// Shows a plan before it is applied.
///
/// # Errors
/// Fails if it is blocked: then it can't be applied.
pub fn show_plan(plan: &Plan, session: &Session, global: &GlobalArguments) -> Result<()> {
    show_plan_with(plan, session, global, RenderOptions::default())
}

pub(super) fn show_plan_with(plan: &Plan, session: &Session, global: &GlobalArguments, options: RenderOptions) -> Result<()> {
    report::github::summarize_plan(plan);
    open::annotate_obstacles(session, plan);
    let blocked = !plan.obstacles.is_empty();
    let quiet = global.output == OutputFormat::Json || global.quiet;
    match global.output {
        // A document is one line, like events.
        OutputFormat::Json if blocked => report::print_json_line(&report::json::plan(plan))?,
        _ if blocked || !quiet => plan::print(plan, global.output, options)?,
        _ => {}
    }
    if blocked {
        refuse!("blocked", "no changes made: the plan is blocked, see above");
    }
    Ok(())
}

/// Output format of a run's events.
pub(super) fn progress_mode(global: &GlobalArguments) -> progress::Mode {
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
pub fn warn_unfinished(unfinished: &UnfinishedRuns, session: &Session) {
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
            session.command_line("rollback")
        ));
    }
}

/// Asks for confirmation on a terminal; without one, refuses.
pub(super) fn confirm_goal(goal: Goal, session: &Session, rolls_back: bool) -> Result<bool> {
    let stack = session.stack();
    let failure = match rolls_back {
        true => "If a step fails, everything is rolled back; `--no-rollback` keeps completed steps.",
        false => "If a step fails, completed steps are kept.",
    };
    super::confirm(&match goal {
        Goal::Apply => format!("{failure}\nApply this plan to {} ({})?", stack.name, stack.environment),
        Goal::Destroy => format!("Delete all resources of {} ({})?", stack.name, stack.environment),
    })
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
        report::eprint(&format!("\nStopped. {}.", advice::after_stop()));
        std::process::exit(i32::from(INTERRUPTED));
    });
    stop
}

/// Waits for an interrupt, the end of the terminal, or the end of a CI job.
pub async fn wait_for_signal() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let wait = async |kind: SignalKind| match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        };
        let hang_up = async || if ignores_hang_up() { std::future::pending().await } else { wait(SignalKind::hangup()).await };
        tokio::select! {
            _ = ctrl_c => {}
            () = wait(SignalKind::terminate()) => {}
            () = hang_up() => {}
        }
    }
    #[cfg(not(unix))]
    drop(ctrl_c.await);
}

/// Whether the process was started by `nohup`: a handler would take that away. Only Linux tells.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, so it has the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Reports the outcome of a run, with remedies if it failed.
pub fn report_outcome(ended: &RunResult, command: &str, session: &Session, took: Duration) -> u8 {
    let outcome_report = OutcomeReport {
        command,
        command_line: &|command| session.command_line(command),
        source: session.source(),
        locate: &|address| session.locate(address),
        elapsed: took,
    };
    let text = outcome_report.render(ended);
    report::eprint(&text);
    report::github::summarize_outcome(command, &text);
    for failure in &ended.execution.failed {
        open::annotate(
            session,
            &failure.address,
            &format!("{} {} failed: {}", progress::present_participle(failure.op), failure.address, failure.error),
        );
    }
    match ended.outcome {
        _ if ended.succeeded(command) => DONE,
        RunOutcome::RolledBack | RunOutcome::Kept if ended.interrupted => INTERRUPTED,
        RunOutcome::RolledBack => FAILED,
        RunOutcome::Waiting => WAITING,
        RunOutcome::Kept | RunOutcome::Stuck | RunOutcome::Done => INCOMPLETE,
    }
}
