//! `acme unlock`.

use std::io::IsTerminal;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::{DONE, FAILED, Global, Target, context};
use crate::{
    aws::{Aws, Settings},
    backend::{Backend, Consent, Lease, Place, choose},
    report,
    stack::Stack,
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
    let stack = context::load(&arguments.target)?;
    let (name, environment) = (&stack.name, &stack.environment);
    let backend = backend(&stack, &arguments.global).await?;
    let Some(held) = Lease::holder(&backend, name, environment).await? else {
        report::talk(&format!("{name} ({environment}) is free already."));
        return Ok(DONE);
    };
    let silent = report::duration(held.holder.silent());
    report::talk(&format!("{name} ({environment}) is held by {}.\nIts last sign of life was {silent} ago.", held.holder));
    if !arguments.yes {
        if !std::io::stdin().is_terminal() {
            bail!("there is no terminal to ask on: pass --yes to go ahead without a question");
        }
        if !report::confirm("Free it? A run that lives stops where it is.")? {
            report::talk("Nothing was done.");
            return Ok(FAILED);
        }
    }
    if !Lease::unlock(&backend, name, environment, &held).await? {
        bail!("that run has ended by itself: nothing was done");
    }
    report::talk(&format!("{name} ({environment}) is free. `acme plan` shows what that run left to do."));
    Ok(DONE)
}

async fn backend(stack: &Stack, global: &Global) -> Result<Backend> {
    let (named, declared) = (global.backend.as_ref(), stack.backend.as_ref());
    let choice = if let Some(dir) = &global.local {
        choose(named, declared, Place::Local(dir), Consent::Nothing).await?
    } else {
        let region = stack.region.clone().or_else(|| global.region.clone());
        let (profile, endpoint_url) = (global.profile.clone(), global.endpoint_url.clone());
        let aws = Aws::connect(Settings { region, profile, endpoint_url, http_client: None }).await?;
        let account = aws.account().await.context("AWS does not know who calls")?;
        choose(named, declared, Place::Aws { aws: &aws, account: &account }, Consent::Nothing).await?
    };
    Ok(choice.backend)
}
