//! `acme rollback`: undo an unfinished run, the last finished one, or go back to an earlier revision.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{
    FAILED, Global, Lock, Target,
    apply::{damages, mode, released, remembered, show, tell},
    context::Session,
    refusal::refuse,
};
use crate::{
    core::{Address, Tags},
    engine::{
        backend::Lease,
        discover::{Hints, address_of, discover, discover_afresh},
        history::{History, LastDone},
        journal::touched,
        plan::{Nulls, Plan, restore, target_stack},
        run::{Forward, Unfinished, WayBack, find_given_up, targets},
    },
    report::{self, progress},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Go back to how the stack was after this revision, instead of undoing the last run.
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Never ask; without it and without a terminal, refuse.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: Lock,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let account = session.account().await?;
    let backend = remembered(&session, &arguments.global, &account, arguments.yes).await?;
    let lease = Arc::new(arguments.lock.take(&backend, &session.stack, "rollback").await?);
    let history = session.history(&backend);
    let who = (arguments.target.clone(), account, Some(lease.clone()));
    let ended = held(arguments, &session, who, history).await;
    released(&lease).await;
    ended
}

/// The definition, the account, and the lease.
type Who = (Target, String, Option<Arc<Lease>>);

async fn held(arguments: &Arguments, session: &Session, who: Who, history: History) -> Result<u8> {
    let global = &arguments.global;
    let unfinished = Unfinished::read(&history).await?;
    if unfinished.chain.is_empty() {
        return undo(arguments, session, who, history).await;
    }
    if arguments.to.is_some() {
        refuse!(
            "unfinished-run",
            "the last run did not finish: undo it with `acme rollback`, or finish it with `acme apply`, before going back further"
        );
    }
    for damage in damages(&unfinished) {
        report::talk(&format!("warning: {damage}. What it says before that is undone; what came after is left as it is."));
    }
    let back = WayBack::plan(&session.cloud, &session.stack, &unfinished.touched, &who.1).await?;
    show(&back.plan, session, global)?;
    if !agreed(arguments, session, &back.plan)? {
        return Ok(FAILED);
    }
    let (events, shown) = progress::show(mode(global));
    let run = session.run("rollback", who, history, events)?;
    let begun = Instant::now();
    let ended = run.roll_back(back, &unfinished).await?;
    shown.await?;
    let code = tell(&ended, "rollback", session, begun.elapsed());
    session.stats(global);
    Ok(code)
}

/// Undoes the last finished run, or all since a revision. What it makes anew is empty; what it deletes is protected as ever.
async fn undo(arguments: &Arguments, session: &Session, who: Who, history: History) -> Result<u8> {
    let global = &arguments.global;
    let (mut targets, touched) = match arguments.to {
        None => {
            let number = match history.last_done().await? {
                LastDone::Run(number) => number,
                LastDone::None => {
                    refuse!("nothing-to-undo", "there is no run of {} ({}) to undo", session.stack.name, session.stack.environment)
                }
                LastDone::Lost(number) => refuse!(
                    "lost-journal",
                    "the journal of revision {number} can't be read, so what that run did can't be undone: `acme apply` brings the stack to \
                     its definition, `acme rollback --to REVISION` to how it was after an earlier run"
                ),
            };
            let touched = touched(&history.chain(number).await?);
            (targets(&touched), touched)
        }
        Some(number) => {
            let Some(revision) = history.revision(number).await? else {
                refuse!("no-revision", "there is no record of revision {number}: `acme history` lists those there are");
            };
            let world = discover(&session.cloud, &session.stack, Hints::default()).await?;
            let gone = |address: Address| {
                (
                    address,
                    crate::engine::plan::Target {
                        before: None,
                        expected: Value::Null,
                        tags: Tags::new(),
                        needs: Default::default(),
                        fresh: false,
                    },
                )
            };
            let mut targets: BTreeMap<_, _> = world.iter().filter_map(address_of).map(gone).collect();
            for (address, live) in revision.live {
                let target = gone(address.clone()).1;
                targets.insert(address, crate::engine::plan::Target { before: Some(live), ..target });
            }
            (targets, BTreeMap::new())
        }
    };
    targets.values_mut().for_each(|target| target.fresh = false);
    let mut stack = target_stack(&session.stack.name, &session.stack.environment, &targets);
    let mut world = discover_afresh(&session.cloud, &stack, Hints::default()).await?;
    find_given_up(&session.cloud, &stack, &touched, &mut world).await?;
    let plan = restore(&mut stack, &targets, &world, session.cloud.region(), &who.1);
    show(&plan, session, global)?;
    if !agreed(arguments, session, &plan)? {
        return Ok(FAILED);
    }
    let (events, shown) = progress::show(mode(global));
    let run = session.run("rollback", who, history, events)?;
    let begun = Instant::now();
    let way = Forward { stack: &stack, plan: &plan, world, nulls: Nulls::Absent, whole: arguments.to.is_some(), roll_back: true };
    let ended = run.apply(way, &Unfinished::default()).await?;
    shown.await?;
    let code = tell(&ended, "rollback", session, begun.elapsed());
    session.stats(global);
    Ok(code)
}

fn agreed(arguments: &Arguments, session: &Session, plan: &Plan) -> Result<bool> {
    if plan.is_empty() || arguments.yes {
        return Ok(true);
    }
    let agreed = super::agreed(&format!("Go back in {} ({})?", session.stack.name, session.stack.environment))?;
    if !agreed {
        report::talk("Nothing was done.");
    }
    Ok(agreed)
}
