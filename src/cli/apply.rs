//! `acme apply` and `acme destroy`: plan, ask, carry out, and where that fails put back what was there.

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
    DONE, FAILED, Global, INTERRUPTED, LEFT, Lock, Output, Target,
    context::{Context, Depth, Session},
    outputs, plan,
    refusal::refuse,
    saved,
};
use crate::{
    engine::{
        backend::{Backend, Consent, Lease},
        execute::{self, Stop},
        history::History,
        journal::{Begin, FORMAT, Outcome, Replay},
        plan::{Goal, Nulls, Plan},
        run::{Ended, Forward, Memory, Run, Unfinished},
        saved::{Saved, sha256},
    },
    report::{self, Style, outcome::Telling, plan::Show, progress},
};

#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Never ask; without it and without a terminal, refuse.
    #[arg(short, long)]
    yes: bool,
    /// When something fails, keep what was done instead of putting back what was there.
    #[arg(long)]
    no_rollback: bool,
    #[command(flatten)]
    lock: Lock,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments, goal: Goal) -> Result<u8> {
    match saved::open(&arguments.target)? {
        Some(saved) if goal == Goal::Apply => {
            saved::same_definition(&saved, &arguments.target.file)?;
            let mut arguments = arguments.clone();
            let path = std::mem::replace(&mut arguments.target, saved::target(&saved)).file;
            // What was saved was looked at.
            arguments.yes = true;
            arguments.global.region.get_or_insert_with(|| saved.region.clone());
            carry_out(&arguments, saved.goal, Some((&saved, &path))).await
        }
        _ => carry_out(arguments, goal, None).await,
    }
}

/// A plan that was saved, and where.
type From<'a> = Option<(&'a Saved, &'a Path)>;

async fn carry_out(arguments: &Arguments, goal: Goal, from: From<'_>) -> Result<u8> {
    let global = &arguments.global;
    let session = Session::open(&arguments.target, global).await?;
    let account = session.account().await?;
    let backend = remembered(&session, global, &account, arguments.yes).await?;
    let lease = Arc::new(arguments.lock.take(&backend, &session.stack, goal.command()).await?);
    let ended = held(arguments, goal, from, session, account, &backend, lease.clone()).await;
    released(&lease).await;
    ended
}

/// The backend of a run that changes something. Asks whether to make a bucket when there is a terminal to ask on.
pub async fn remembered(session: &Session, global: &Global, account: &str, yes: bool) -> Result<Backend> {
    let ask = |question: &str| report::confirm(question);
    let may_ask = !yes && std::io::stdin().is_terminal();
    let choice = session.backend(global, account, if may_ask { Consent::Ask(&ask) } else { Consent::IfNamed }).await?;
    if let Some(note) = choice.note.filter(|_| !global.quiet) {
        report::talk(&note);
    }
    Ok(choice.backend)
}

/// Gives the lease back. Where that fails it expires by itself.
pub async fn released(lease: &Lease) {
    if let Err(error) = lease.release().await {
        report::talk(&format!("{} {error}", Style::Changed.of("warning:")));
    }
}

async fn held(
    arguments: &Arguments,
    goal: Goal,
    from: From<'_>,
    session: Session,
    account: String,
    backend: &Backend,
    lease: Arc<Lease>,
) -> Result<u8> {
    let global = &arguments.global;
    let history = session.history(backend);
    let memory = Memory::read(&history).await?;
    let unfinished = &memory.unfinished;
    tell_unfinished(unfinished, &arguments.target);
    let mut context = Context::after(session, account, &memory, Depth::Remembered).await?;
    let plan = context.plan_after(goal, &memory).await?;
    if let Some((saved, path)) = from {
        saved::same_plan(saved, path, &plan, history.numbers().await?.last().copied())?;
    }
    show(&plan, &context.session, global)?;
    if plan.is_empty() && unfinished.chain.is_empty() {
        let said = format!("{} nothing to do.", Style::Added.of("Done:"));
        report::talk(&said);
        report::github::outcome(goal.command(), &said);
        context.session.stats(global);
        if goal == Goal::Apply {
            let live = plan.changes.iter().filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
            outputs::conclude(&outputs::values(&context.session.stack, &live), global)?;
        }
        // The process is about to end: freeing a large plan piece by piece would take a tenth of its time.
        std::mem::forget((context, memory, plan));
        return Ok(DONE);
    }
    if !plan.is_empty() && !arguments.yes && !agreed(goal, &context)? {
        report::talk("Nothing was done.");
        return Ok(FAILED);
    }
    let world = std::mem::take(&mut context.world);
    let (events, shown) = progress::show(mode(global));
    let who = (arguments.target.clone(), context.account.clone(), Some(lease));
    let run = context.session.run(goal.command(), who, history, events)?;
    let begun = Instant::now();
    let stack = &context.session.stack;
    let way = Forward { stack, plan: &plan, world, nulls: Nulls::LeftToAws, whole: true, roll_back: !arguments.no_rollback };
    let ended = run.apply(way, unfinished).await?;
    shown.await?;
    let code = tell(&ended, goal.command(), &context.session, begun.elapsed());
    context.session.stats(global);
    if ended.outcome == Outcome::Done && goal == Goal::Apply {
        outputs::conclude(&outputs::values(stack, &ended.forward.live), global)?;
    }
    std::mem::forget((context, memory, plan, ended));
    Ok(code)
}

/// Shows a plan before it is carried out.
///
/// # Errors
/// When it is blocked: then nothing may be done.
pub fn show(plan: &Plan, session: &Session, global: &Global) -> Result<()> {
    report::github::plan(plan);
    session.annotate_obstacles(plan);
    let blocked = !plan.obstacles.is_empty();
    let quiet = global.output == Output::Json || global.quiet;
    match global.output {
        // One document is one line, as the events are.
        Output::Json if blocked => report::data(&format!("{}\n", report::json::plan(plan))),
        _ if blocked || !quiet => plan::print(plan, global.output, Show::default())?,
        _ => {}
    }
    if blocked {
        refuse!("blocked", "nothing was done: the plan is blocked, see above");
    }
    Ok(())
}

/// How a run's events are shown.
pub fn mode(global: &Global) -> progress::Mode {
    match global.output {
        _ if global.quiet => progress::Mode::Quiet,
        Output::Json => progress::Mode::Json,
        _ => progress::Mode::Text,
    }
}

/// Where the journals of unfinished runs can't be believed.
pub fn damages(unfinished: &Unfinished) -> Vec<String> {
    let what = |replay: &Replay| match (&replay.damage, &replay.begin) {
        (Some(damage), _) => Some(damage.to_string()),
        (None, None) => Some("the journal of an unfinished run is gone".to_owned()),
        (None, Some(_)) => None,
    };
    unfinished.chain.iter().filter_map(what).collect()
}

/// Says that the last run did not finish.
pub fn tell_unfinished(unfinished: &Unfinished, target: &Target) {
    let warning = Style::Changed.of("warning:");
    if let Some(number) = unfinished.lost {
        report::talk(&format!(
            "{warning} the journal of revision {number}, the last run, can't be read. What it did is told from the marks on what is there."
        ));
    }
    for damage in damages(unfinished) {
        report::talk(&format!(
            "{warning} {damage}. What it says before that is believed; the rest is told from the marks on what is there."
        ));
    }
    let Some(last) = unfinished.chain.last() else { return };
    if let Some(begin) = &last.begin {
        report::talk(&format!(
            "The last run (revision {}, {} by {}) did not finish.\n  This goes on from there; `{}` goes back instead.",
            begin.revision,
            begin.command,
            begin.actor,
            command_line("rollback", target)
        ));
    }
}

/// Asks on a terminal; without one, refuses.
fn agreed(goal: Goal, context: &Context) -> Result<bool> {
    let stack = &context.session.stack;
    super::agreed(&match goal {
        Goal::Apply => format!("Apply this to {} ({})?", stack.name, stack.environment),
        Goal::Destroy => format!("Delete all of {} ({})?", stack.name, stack.environment),
    })
}

impl Session {
    /// A run of this stack: of a definition, in an account, with the lease.
    pub fn run(
        &self,
        command: &str,
        (target, account, lease): (Target, String, Option<Arc<Lease>>),
        history: History,
        events: mpsc::UnboundedSender<execute::Event>,
    ) -> Result<Run> {
        Ok(Run {
            cloud: self.cloud.clone(),
            history,
            lease,
            stop: on_interrupt(events.downgrade()),
            events,
            begin: Begin {
                format: FORMAT.to_owned(),
                revision: 0,
                continues: None,
                stack: self.stack.name.clone(),
                environment: self.stack.environment.clone(),
                region: self.cloud.region().to_owned(),
                account,
                command: command.to_owned(),
                actor: super::actor::name(),
                commit: super::actor::commit(&target.file),
                definition: sha256(self.text.as_bytes()),
            },
        })
    }
}

/// Asked once the user or CI wants to stop. A second time ends the process at once.
fn on_interrupt(events: mpsc::WeakUnboundedSender<execute::Event>) -> Stop {
    let (asked, stop) = Stop::new();
    tokio::spawn(async move {
        signal().await;
        // Nothing is left to stop when nobody sends events any more.
        if let Some(events) = events.upgrade() {
            events.send(execute::Event::Stopping).ok();
        }
        asked.send_replace(true);
        signal().await;
        report::talk("\nStopped at once: the next `acme apply` goes on from here, `acme rollback` goes back.");
        std::process::exit(i32::from(INTERRUPTED));
    });
    stop
}

async fn signal() {
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

/// Says how a run ended, and what to do where it did not end well.
pub fn tell(ended: &Ended, command: &str, session: &Session, took: Duration) -> u8 {
    let source = session.source();
    let telling = Telling {
        command,
        line: &|command| command_line(command, &session.target),
        source: &source,
        place: &|address| session.place(&source, address),
        took,
    };
    let said = telling.render(ended);
    report::talk(&said);
    report::github::outcome(command, &said);
    for failure in &ended.forward.failed {
        session.annotate(&failure.address, &format!("{} {} failed: {}", progress::doing(failure.op), failure.address, failure.error));
    }
    match ended.outcome {
        _ if ended.is_well(command) => DONE,
        Outcome::RolledBack | Outcome::Kept if ended.interrupted => INTERRUPTED,
        Outcome::RolledBack => FAILED,
        Outcome::Kept | Outcome::Stuck | Outcome::Done => LEFT,
    }
}

/// How to call a command on the same stack.
pub fn command_line(command: &str, target: &Target) -> String {
    let env = target.env.as_ref().map(|env| format!(" --env {env}")).unwrap_or_default();
    format!("acme {command} {}{env}", target.file.display())
}
