//! `acme forget`: lets go of resources, which stay in AWS as they are.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::{FAILED, GlobalArguments, LockArguments, StackArguments, apply, complete, confirm, lock, open, refusal::refuse};
use crate::{
    aws::types::resource_type,
    core::Address,
    engine::session::{FORGET, LockedSession, SessionError},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Addresses of resources to forget, such as `vpc.main`.
    #[arg(value_name = "TYPE.NAME", add = ArgValueCompleter::new(complete::addresses))]
    addresses: Vec<String>,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(mut arguments: Arguments) -> Result<u8> {
    let is_address = |text: &str| Address::parse(text).is_some_and(|address| resource_type(&address.type_name).is_some());
    let first = arguments.target.take_positional(is_address);
    let texts: Vec<String> = first.into_iter().chain(std::mem::take(&mut arguments.addresses)).collect();
    let mut addresses = BTreeSet::new();
    for text in &texts {
        addresses.insert(Address::parse(text).ok_or_else(|| SessionError::InvalidAddress(text.clone()))?);
    }
    if addresses.is_empty() {
        refuse!("address", "no resource is named\n  help: name the resources to forget, as in `acme forget vpc.main`");
    }
    let arguments = &arguments;
    let session = open::open(&arguments.target, &arguments.global).await?;
    let mut locked = arguments.lock.lock(session, FORGET, arguments.yes, &arguments.global).await?;
    let ended = run_with_lease(arguments, &mut locked, &addresses).await;
    lock::release(locked).await;
    ended
}

async fn run_with_lease(arguments: &Arguments, locked: &mut LockedSession, addresses: &BTreeSet<Address>) -> Result<u8> {
    let global = &arguments.global;
    let proposed = locked.plan_forget(addresses).await?;
    apply::show_plan(proposed.plan(), proposed.session(), global)?;
    let stack = proposed.session().stack();
    let forgotten = proposed.plan().summary().forget;
    let count = if forgotten == 1 { "1 resource".to_owned() } else { format!("{forgotten} resources") };
    let question = format!(
        "Remove the ownership tags of {count} of {} ({})? Nothing else changes, and acme no longer manages them.",
        stack.name, stack.environment
    );
    if !arguments.yes && !confirm(&question)? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    let (ended, took) = apply::run_plan(proposed, &arguments.target, global, true, None).await?;
    let code = apply::report_outcome(&ended, FORGET, locked.session(), took);
    open::print_stats(locked.session(), global);
    Ok(code)
}
