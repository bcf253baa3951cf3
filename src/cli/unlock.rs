//! `acme unlock`.

use anyhow::Result;
use clap::Args;

use super::{DONE, FAILED, Global, Target, agreed, context::Session, refusal::refuse};
use crate::{
    engine::backend::{Consent, EXPIRY, Lease},
    report,
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

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let (name, environment) = (&session.stack.name, &session.stack.environment);
    let account = session.account().await?;
    let backend = session.backend(&arguments.global, &account, Consent::Nothing).await?.backend;
    let Some(held) = Lease::holder(&backend, name, environment).await? else {
        report::talk(&format!("{name} ({environment}) is free already."));
        return Ok(DONE);
    };
    let silent = report::duration(held.holder.silent());
    report::talk(&format!("{name} ({environment}) is held by {}.\nIts last sign of life was {silent} ago.", held.holder));
    let question = if held.holder.silent() < EXPIRY && !held.holder.is_gone() {
        "That run seems to live. Free the stack all the same? The run notices within seconds, and stops half way."
    } else {
        "Free the stack?"
    };
    if !arguments.yes && !agreed(question)? {
        report::talk("Nothing was done.");
        return Ok(FAILED);
    }
    if !Lease::unlock(&backend, name, environment, &held).await? {
        refuse!("declined", "that run has ended by itself: nothing was done");
    }
    report::talk(&format!("{name} ({environment}) is free. `acme plan` shows what that run left to do."));
    Ok(DONE)
}
