//! `acme unlock`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, FAILED, GlobalArguments, OutputFormat, StackArguments, confirm, open, refusal::refuse};
use crate::{
    definition::Stack,
    engine::backend::{BucketCreation, HeldLease, TAKEOVER_DELAY},
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
    let Some(held) = connected.held_lease().await? else {
        report::eprint(&format!("{name} ({environment}) is not locked."));
        print_result(arguments, stack, false)?;
        return Ok(DONE);
    };
    let question = match &held {
        HeldLease::Damaged { problem, .. } => {
            report::eprint(&format!("The lease of {name} ({environment}) is damaged: {problem}."));
            "Replace the lease? Another run may be active."
        }
        HeldLease::By { holder, .. } => {
            let silent = report::format_duration(holder.since_last_heartbeat());
            report::eprint(&format!(
                "{name} ({environment}) is locked by {holder}.\nThe last heartbeat was {silent} ago, by the clock of this machine."
            ));
            if holder.seems_active() {
                "That run seems to be active. Remove its lease anyway? The run stops within seconds and remains unfinished."
            } else {
                "Remove the lease?"
            }
        }
    };
    if !arguments.yes && !confirm(question)? {
        report::eprint("No changes made.");
        print_result(arguments, stack, false)?;
        return Ok(FAILED);
    }
    if !connected.unlock(&held).await? {
        refuse!("declined", "that run has already ended: no changes made");
    }
    report::eprint(&format!(
        "Removed the lease of {name} ({environment}). `{}` shows the remaining changes.",
        connected.session().command_line("plan")
    ));
    if !matches!(&held, HeldLease::By { holder, .. } if holder.has_exited()) {
        let seconds = TAKEOVER_DELAY.as_secs();
        report::eprint(&format!("The next run waits until the last calls of the old one have ended, for up to {seconds} s."));
    }
    print_result(arguments, stack, true)?;
    Ok(DONE)
}

/// Prints for programs whether a lease was removed.
fn print_result(arguments: &Arguments, stack: &Stack, removed: bool) -> Result<()> {
    if arguments.global.output == OutputFormat::Json {
        let result = json!({ "format": "acme-unlock/1", "stack": stack.name.to_string(), "environment": stack.environment.to_string(), "removed": removed });
        report::print_json(&result)?;
    }
    Ok(())
}
