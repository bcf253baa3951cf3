//! `acme apply` and `acme destroy`: plan, ask, carry out.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, bail};
use clap::Args;

use super::{DONE, FAILED, Global, INTERRUPTED, LEFT, Output, Target, context::Context, outputs, plan};
use crate::{
    execute::{Outcome, execute},
    plan::{Goal, Op},
    report::{self, Style, plan::Show, progress},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Never ask; without it and without a terminal, refuse.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments, goal: Goal) -> Result<u8> {
    let global = &arguments.global;
    let mut context = Context::open(&arguments.target, global).await?;
    let plan = context.plan(goal).await?;
    if global.output == Output::Text && !global.quiet {
        plan::print(&plan, global.output, Show::default())?;
    }
    if !plan.obstacles.is_empty() {
        if global.output == Output::Json || global.quiet {
            plan::print(&plan, global.output, Show::default())?;
        }
        bail!("nothing was done: the plan is blocked, see above");
    }
    if !plan.is_empty() && !arguments.yes && !agreed(goal, &context)? {
        report::talk("Nothing was done.");
        return Ok(FAILED);
    }
    let interrupted = on_interrupt();
    let mode = match global.output {
        _ if global.quiet => progress::Mode::Quiet,
        Output::Text => progress::Mode::Lines,
        Output::Json => progress::Mode::Json,
    };
    let (events, shown) = progress::show(mode);
    let world = std::mem::take(&mut context.world);
    let outcome = execute(&context.stack, &plan, world, context.cloud.clone(), || interrupted.load(Ordering::Relaxed), events).await;
    shown.await?;
    if outcome.failed.is_empty() && !outcome.interrupted && goal == Goal::Apply {
        outputs::print(&outputs::values(&context.stack, &outcome.live), global.output)?;
    }
    context.stats(global);
    Ok(tell(&outcome, goal))
}

/// Asks on a terminal; without one, refuses.
fn agreed(goal: Goal, context: &Context) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: pass --yes to go ahead without a question");
    }
    let question = match goal {
        Goal::Apply => format!("Apply this to {} ({})?", context.stack.name, context.stack.environment),
        Goal::Destroy => format!("Delete all of {} ({})?", context.stack.name, context.stack.environment),
    };
    Ok(report::confirm(&question)?)
}

/// True once the user or CI asked to stop. A second time ends the process at once.
fn on_interrupt() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    tokio::spawn(async move {
        loop {
            signal().await;
            if seen.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(INTERRUPTED));
            }
            report::talk("Stopping: what is under way is finished first. Once more stops at once.");
        }
    });
    asked
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

/// Says how it ended, what is done and what is not.
fn tell(outcome: &Outcome, goal: Goal) -> u8 {
    let again = match goal {
        Goal::Apply => "acme apply",
        Goal::Destroy => "acme destroy",
    };
    if outcome.failed.is_empty() && outcome.left.is_empty() {
        let count = |op| outcome.done.iter().filter(|(_, done)| *done == op).count();
        let counts = [(Op::Create, "created"), (Op::Update, "changed"), (Op::Delete, "deleted"), (Op::Forget, "given up")];
        let counts: Vec<String> =
            counts.iter().filter(|(op, _)| count(*op) > 0).map(|(op, word)| format!("{} {word}", count(*op))).collect();
        let what = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
        report::talk(&format!("{} {what}.", Style::Added.of("Done:")));
        return DONE;
    }
    for failure in &outcome.failed {
        let what = format!("{} {} failed:", progress::doing(failure.op), failure.address);
        report::talk(&format!("{} {what} {}", Style::Removed.of("error:"), failure.error));
    }
    let list = |steps: &[(crate::stack::Address, Op)], word: fn(Op) -> &'static str| {
        let mut text: Vec<String> = steps.iter().take(20).map(|(address, op)| format!("  {} {address}", word(*op))).collect();
        if steps.len() > 20 {
            text.push(format!("  and {} more", steps.len() - 20));
        }
        text.join("\n")
    };
    if !outcome.done.is_empty() {
        report::talk(&format!("Done before that:\n{}", list(&outcome.done, progress::done)));
    }
    if !outcome.left.is_empty() {
        report::talk(&format!("Not begun:\n{}", list(&outcome.left, progress::doing)));
    }
    report::talk(&format!("  help: mend the cause and run `{again}` again: it goes on from here."));
    match (outcome.interrupted, outcome.done.is_empty()) {
        (true, _) => INTERRUPTED,
        (false, true) => FAILED,
        (false, false) => LEFT,
    }
}
