//! `acme unlock`.

use anyhow::Result;
use clap::Args;

use super::{DONE, FAILED, GlobalArguments, StackArguments, confirm, open, refusal::refuse};
use crate::{
    engine::backend::{BucketCreation, EXPIRY},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let connected = open::open(&arguments.target, &arguments.global).await?.connect(BucketCreation::Never).await?;
    let stack = connected.session().stack();
    let (name, environment) = (&stack.name, &stack.environment);
    let Some(held) = connected.lease_holder().await? else {
        report::eprint(&format!("{name} ({environment}) is not locked."));
        return Ok(DONE);
    };
    let silent = report::format_duration(held.holder.since_last_heartbeat());
    report::eprint(&format!("{name} ({environment}) is locked by {}.\nThe last heartbeat was {silent} ago.", held.holder));
    let question = if held.holder.since_last_heartbeat() < EXPIRY && !held.holder.has_exited() {
        "That run seems to be active. Remove its lease anyway? The run stops within seconds and remains unfinished."
    } else {
        "Remove the lease?"
    };
    if !arguments.yes && !confirm(question)? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    if !connected.unlock(&held).await? {
        refuse!("declined", "that run has already ended: no changes made");
    }
    report::eprint(&format!("Removed the lease of {name} ({environment}). `acme plan` shows the remaining changes."));
    Ok(DONE)
}
