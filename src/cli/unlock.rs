//! `acme unlock`.

use anyhow::Result;
use clap::Args;

use super::{DONE, FAILED, GlobalArguments, StackArguments, confirm, context::Session, refusal::refuse};
use crate::{
    engine::backend::{BucketCreation, EXPIRY, Lease},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Never ask; without it and without a terminal, refuse.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let (name, environment) = (&session.stack.name, &session.stack.environment);
    let account = session.account().await?;
    let backend = session.backend(&arguments.global, &account, BucketCreation::Never).await?.backend;
    let Some(held) = Lease::holder(&backend, name, environment).await? else {
        report::eprint(&format!("{name} ({environment}) is free already."));
        return Ok(DONE);
    };
    let silent = report::format_duration(held.holder.since_last_heartbeat());
    report::eprint(&format!("{name} ({environment}) is held by {}.\nIts last sign of life was {silent} ago.", held.holder));
    let question = if held.holder.since_last_heartbeat() < EXPIRY && !held.holder.has_exited() {
        "That run seems to live. Free the stack all the same? The run notices within seconds, and stops half way."
    } else {
        "Free the stack?"
    };
    if !arguments.yes && !confirm(question)? {
        report::eprint("Nothing was done.");
        return Ok(FAILED);
    }
    if !Lease::unlock(&backend, name, environment, &held).await? {
        refuse!("declined", "that run has ended by itself: nothing was done");
    }
    report::eprint(&format!("{name} ({environment}) is free. `acme plan` shows what that run left to do."));
    Ok(DONE)
}
