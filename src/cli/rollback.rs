//! `acme rollback`: undo an unfinished run, the last finished one, or go back to an earlier revision; or the last release of a service in Git.

mod service;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{
    FAILED, GlobalArguments, LockArguments, StackArguments,
    apply::{journal_damages, report_outcome, run_plan, show_plan},
    lock, open,
};
use crate::{
    engine::session::{LockedSession, ProposedPlan},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Return to the state after this revision, instead of undoing the last run.
    #[arg(long, value_name = "REVISION", value_parser = super::parse_whole::<u64>)]
    to: Option<u64>,
    /// Undo the last release of this service, which Argo CD installs: revert its commit in the Git repository, push, and wait for Argo CD.
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    service: Option<String>,
    /// Clone of the Git repository, for `--service`. Its files stay as they are. Default: a temporary clone of `platform.argocd.repository`.
    #[arg(long, value_name = "DIR", requires = "service")]
    repo: Option<PathBuf>,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if let Some(service) = &arguments.service {
        return service::run(arguments, service).await;
    }
    let session = open::open(&arguments.target, &arguments.global).await?;
    let mut locked = arguments.lock.lock(session, "rollback", arguments.yes, &arguments.global).await?;
    let ended = run_with_lease(arguments, &mut locked).await;
    lock::release(locked).await;
    ended
}

async fn run_with_lease(arguments: &Arguments, locked: &mut LockedSession) -> Result<u8> {
    let global = &arguments.global;
    let proposed = locked.plan_rollback(arguments.to).await?;
    for damage in journal_damages(proposed.unfinished_runs()) {
        report::eprint(&format!("warning: {damage}. acme undoes the changes recorded before it; later changes remain."));
    }
    show_plan(proposed.plan(), proposed.session(), global)?;
    if !confirm_rollback(arguments, &proposed)? {
        return Ok(FAILED);
    }
    let (ended, took) = run_plan(proposed, &arguments.target, global, true, None).await?;
    let code = report_outcome(&ended, "rollback", locked.session(), took);
    open::print_stats(locked.session(), global);
    Ok(code)
}

fn confirm_rollback(arguments: &Arguments, proposed: &ProposedPlan<'_>) -> Result<bool> {
    if proposed.plan().is_empty() || arguments.yes {
        return Ok(true);
    }
    let stack = proposed.session().stack();
    let agreed = super::confirm(&format!("Roll back {} ({})?", stack.name, stack.environment))?;
    if !agreed {
        report::eprint("No changes made.");
    }
    Ok(agreed)
}
