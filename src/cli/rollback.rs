//! `acme rollback`: undo an unfinished run, the last finished one, or go back to an earlier revision.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{
    FAILED, GlobalArguments, LockArguments, StackArguments,
    apply::{journal_damages, open_backend, progress_mode, release_lease, report_outcome, show_plan},
    context::Session,
    refusal::refuse,
};
use crate::{
    core::{Address, Tags},
    engine::{
        backend::Lease,
        discover::{Hints, address_of, discover, discover_without_index},
        history::{History, LastCompletedRun},
        journal::touched_resources,
        plan::{NullMeans, Plan, plan_restore, target_stack},
        run::{ApplyRequest, UndoPlan, UnfinishedRuns, find_forgotten, restore_targets},
    },
    report::{self, progress},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Return to the state after this revision, instead of undoing the last run.
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let account = session.account().await?;
    let backend = open_backend(&session, &arguments.global, &account, arguments.yes).await?;
    let lease = Arc::new(arguments.lock.acquire(&backend, &session.stack, "rollback").await?);
    let history = session.history(&backend);
    let who = (arguments.target.clone(), account, Some(lease.clone()));
    let ended = run_with_lease(arguments, &session, who, history).await;
    release_lease(&lease).await;
    ended
}

/// Definition, account, and lease.
type RunIdentity = (StackArguments, String, Option<Arc<Lease>>);

async fn run_with_lease(arguments: &Arguments, session: &Session, who: RunIdentity, history: History) -> Result<u8> {
    let global = &arguments.global;
    let unfinished = UnfinishedRuns::read(&history).await?;
    if unfinished.journals.is_empty() {
        return undo_finished(arguments, session, who, history).await;
    }
    if arguments.to.is_some() {
        refuse!(
            "unfinished-run",
            "the last run is unfinished: undo it with `acme rollback`, or finish it with `acme apply`, then try again"
        );
    }
    for damage in journal_damages(&unfinished) {
        report::eprint(&format!("warning: {damage}. acme undoes the changes recorded before it; later changes remain."));
    }
    let undo_plan = UndoPlan::plan(&session.cloud, &session.stack, &unfinished.touched, &who.1).await?;
    show_plan(&undo_plan.plan, session, global)?;
    if !confirm_rollback(arguments, session, &undo_plan.plan)? {
        return Ok(FAILED);
    }
    let (events, progress_task) = progress::spawn(progress_mode(global));
    let run = session.run("rollback", who, history, events)?;
    let begun = Instant::now();
    let ended = run.roll_back(undo_plan, &unfinished).await?;
    progress_task.await?;
    let code = report_outcome(&ended, "rollback", session, begun.elapsed());
    session.print_stats(global);
    Ok(code)
}

/// Undoes the last finished run, or all since a revision. Recreated resources are empty; protection from deletion applies as usual.
async fn undo_finished(arguments: &Arguments, session: &Session, who: RunIdentity, history: History) -> Result<u8> {
    let global = &arguments.global;
    let (mut targets, touched) = match arguments.to {
        None => {
            let number = match history.last_completed_run().await? {
                LastCompletedRun::Run(number) => number,
                LastCompletedRun::None => {
                    refuse!("nothing-to-undo", "there is no run of {} ({}) to undo", session.stack.name, session.stack.environment)
                }
                LastCompletedRun::Unreadable(number) => refuse!(
                    "lost-journal",
                    "can't read the journal of revision {number}, so that run can't be undone: `acme apply` applies the definition, `acme \
                     rollback --to REVISION` restores the state after an earlier run"
                ),
            };
            let touched = touched_resources(&history.chain(number).await?);
            (restore_targets(&touched), touched)
        }
        Some(number) => {
            let Some(revision) = history.revision(number).await? else {
                refuse!("no-revision", "there is no record of revision {number}: run `acme history` to list revisions");
            };
            let world = discover(&session.cloud, &session.stack, Hints::default()).await?;
            let absent = |address: Address| {
                (
                    address,
                    crate::engine::plan::RestoreTarget {
                        before: None,
                        desired: Value::Null,
                        tags: Tags::new(),
                        depends_on: Default::default(),
                        created_by_undone_run: false,
                    },
                )
            };
            let mut targets: BTreeMap<_, _> = world.iter().filter_map(address_of).map(absent).collect();
            for (address, live) in revision.live {
                let target = absent(address.clone()).1;
                targets.insert(address, crate::engine::plan::RestoreTarget { before: Some(live), ..target });
            }
            (targets, BTreeMap::new())
        }
    };
    targets.values_mut().for_each(|target| target.created_by_undone_run = false);
    let mut stack = target_stack(&session.stack.name, &session.stack.environment, &targets);
    let mut world = discover_without_index(&session.cloud, &stack, Hints::default()).await?;
    find_forgotten(&session.cloud, &stack, &touched, &mut world).await?;
    let plan = plan_restore(&mut stack, &targets, &world, session.cloud.region(), &who.1);
    show_plan(&plan, session, global)?;
    if !confirm_rollback(arguments, session, &plan)? {
        return Ok(FAILED);
    }
    let (events, progress_task) = progress::spawn(progress_mode(global));
    let run = session.run("rollback", who, history, events)?;
    let begun = Instant::now();
    let options = ApplyRequest {
        stack: &stack,
        plan: &plan,
        live_state: world,
        null_means: NullMeans::Unset,
        covers_whole_stack: arguments.to.is_some(),
        roll_back_on_failure: true,
    };
    let ended = run.apply(options, &UnfinishedRuns::default()).await?;
    progress_task.await?;
    let code = report_outcome(&ended, "rollback", session, begun.elapsed());
    session.print_stats(global);
    Ok(code)
}

fn confirm_rollback(arguments: &Arguments, session: &Session, plan: &Plan) -> Result<bool> {
    if plan.is_empty() || arguments.yes {
        return Ok(true);
    }
    let agreed = super::confirm(&format!("Roll back {} ({})?", session.stack.name, session.stack.environment))?;
    if !agreed {
        report::eprint("No changes made.");
    }
    Ok(agreed)
}
