//! Carries a plan out: build, pivot, clear. The only stage that changes anything.

mod blockers;
mod event;
mod executor;
mod journaled_cloud;
mod retry;
mod step;
mod stop;
mod wait;
mod walk;

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::{
    core::{Address, Error, LiveResource},
    definition::Stack,
    engine::{
        discover::LiveState,
        journal::Record,
        plan::{NullMeans, Op, Plan},
    },
};
pub use event::{Event, FORMAT, PlannedStep};
use executor::Executor;
pub use journaled_cloud::JournaledCloud;
pub use stop::StopSignal;

/// A step that failed.
#[derive(Debug)]
pub struct StepFailure {
    /// The resource.
    pub address: Address,
    /// What was tried.
    pub op: Op,
    /// Why.
    pub error: Error,
}

/// How carrying out a plan ended.
#[derive(Debug, Default)]
pub struct ExecuteOutcome {
    /// Steps that ended well.
    pub completed: Vec<(Address, Op)>,
    /// Steps that failed.
    pub failed: Vec<StepFailure>,
    /// Steps that were not waited for, because the user asked to stop: how far they got, AWS tells.
    pub interrupted_steps: Vec<(Address, Op)>,
    /// Steps that were not tried.
    pub not_started: Vec<(Address, Op)>,
    /// Whether the user interrupted.
    pub interrupted: bool,
    /// Whether everything new was made and verified, so that only deletions are left.
    pub past_commit_point: bool,
    /// What is there now, by address.
    pub live: BTreeMap<Address, LiveResource>,
    /// What was put back with another value than it had, in words.
    pub not_restored: Vec<(Address, String)>,
}

impl ExecuteOutcome {
    /// Whether every step ended well.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && self.interrupted_steps.is_empty() && self.not_started.is_empty() && !self.interrupted
    }
}

/// How a plan is carried out.
pub struct ExecuteOptions {
    /// What the steps work with.
    pub journaled_cloud: JournaledCloud,
    /// Once asked, the calls that are out are finished and nothing more is begun or waited for.
    pub stop: StopSignal,
    /// Hears what happens.
    pub events: mpsc::UnboundedSender<Event>,
    /// What `null` in a wanted spec means.
    pub null_means: NullMeans,
    /// Whether a run is undone: there is no pivot then, and as much as possible is put back.
    pub rolling_back: bool,
    /// Tokens of creates that an earlier run left without an answer: the same call again gives the same resource.
    pub retry_tokens: BTreeMap<Address, String>,
}

/// Carries out a plan without obstacles: build, pivot, clear.
///
/// In the first half a failed step starts nothing more: it can all be undone. In the second half there is no way back, so the other
/// steps go on, and what failed is tried once more at the end. The same when undoing.
pub async fn execute(stack: &Stack, plan: &Plan, live_state: LiveState, options: ExecuteOptions) -> ExecuteOutcome {
    let rolling_back = options.rolling_back;
    // Nobody listens when progress is not shown; the outcome says it all the same.
    options.events.send(Event::planned(plan, rolling_back)).ok();
    let mut executor = Executor::new(stack, plan, live_state, options);
    // Who asked to stop wants nothing to become final.
    let applied = executor.run_graph(&plan.apply, rolling_back).await && !executor.outcome.interrupted;
    if applied {
        executor.outcome.past_commit_point = true;
        if !rolling_back && let Err(error) = executor.options.journaled_cloud.journal.write(Record::CommitPoint).await {
            executor.record_journal_error(error);
        }
    }
    executor.keep_going = true;
    if applied && executor.outcome.failed.is_empty() {
        executor.run_graph(&plan.clean_up, true).await;
    } else {
        executor.outcome.not_started.extend(plan.clean_up.node_weights().map(|step| (plan.changes[step.change].address.clone(), step.op)));
    }
    executor.outcome
}

/// Code of the error of a step that was not waited for, because the user asked to stop.
const INTERRUPTED: &str = "Interrupted";
