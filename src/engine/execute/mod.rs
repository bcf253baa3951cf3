//! Execution of a plan: apply, point of no return, clean-up. Only this stage makes changes.

mod blockers;
mod event;
mod exchange;
mod executor;
mod gates;
mod handover;
mod journaled_cloud;
mod retry;
mod step;
mod step_target;
mod stop;
mod verify;
mod wait;
mod walk;
mod with_parent;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
};

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

/// A failed step.
#[derive(Debug)]
pub struct StepFailure {
    /// Address of the resource.
    pub address: Address,
    /// Operation.
    pub op: Op,
    /// Reason.
    pub error: Error,
}

/// Result of executing a plan.
#[derive(Debug, Default)]
pub struct ExecuteOutcome {
    /// Successful steps.
    pub completed: Vec<(Address, Op)>,
    /// Failed steps.
    pub failed: Vec<StepFailure>,
    /// Steps that acme stopped waiting for after an interrupt; AWS may still complete them.
    pub interrupted_steps: Vec<(Address, Op)>,
    /// Steps that wait for a person, with the instruction.
    pub waiting: Vec<(Address, Op, String)>,
    /// Accepted changes that reads do not show yet.
    pub unconfirmed: Vec<(Address, String)>,
    /// Steps not started.
    pub not_started: Vec<(Address, Op)>,
    /// Whether the user interrupted the run.
    pub interrupted: bool,
    /// Whether everything new was created and verified, so that only deletions are left.
    pub past_commit_point: bool,
    /// Live resources, by address.
    pub live: BTreeMap<Address, LiveResource>,
    /// Resources that were deleted, and restored with their ids and data within their recovery window.
    pub undeleted: BTreeSet<Address>,
    /// Resources restored with a different value, or without their data.
    pub not_restored: Vec<(Address, String)>,
}

impl ExecuteOutcome {
    /// Whether every step succeeded.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
            && self.waiting.is_empty()
            && self.interrupted_steps.is_empty()
            && self.not_started.is_empty()
            && !self.interrupted
    }
    /// Created resources with new ids.
    pub fn created(&self) -> Vec<&Address> {
        let created = self.completed.iter().filter(|(address, op)| *op == Op::Create && !self.undeleted.contains(address));
        created.map(|(address, _)| address).collect()
    }
    /// Whether nothing but steps that wait for a person, and those that depend on them, is left.
    pub fn only_waits(&self) -> bool {
        !self.waiting.is_empty() && self.failed.is_empty() && self.interrupted_steps.is_empty() && !self.interrupted
    }
}

/// Options for executing a plan.
pub struct ExecuteOptions {
    /// Shared context of the steps.
    pub journaled_cloud: JournaledCloud,
    /// Interrupt. After it, calls in flight finish, and no step is started or waited for.
    pub stop: StopSignal,
    /// Receiver of events.
    pub events: mpsc::UnboundedSender<Event>,
    /// Meaning of `null` in a desired spec.
    pub null_means: NullMeans,
    /// Whether this undoes a run: then there is no point of no return, and as much as possible is restored.
    pub rolling_back: bool,
    /// Tokens of creates without a response in an earlier run: repeating the call returns the same resource.
    pub retry_tokens: BTreeMap<Address, String>,
    /// Maximum number of parallel steps. Default: 64.
    pub parallelism: Option<NonZeroUsize>,
}

/// Executes a plan without obstacles: apply, point of no return, clean-up.
///
/// In the apply phase, no step starts after a failure, because all steps can be undone. In the clean-up, nothing can be undone, so the
/// other steps continue, and failed steps are retried once at the end. The same applies to a rollback.
pub(in crate::engine) async fn execute(stack: &Stack, plan: &Plan, live_state: LiveState, options: ExecuteOptions) -> ExecuteOutcome {
    let rolling_back = options.rolling_back;
    // Without a progress display there is no receiver; the outcome has the same information.
    options.events.send(Event::planned(plan, rolling_back)).ok();
    let mut executor = Executor::new(stack, plan, live_state, options);
    // After an interrupt, nothing irreversible may happen.
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
    executor.into_outcome()
}

/// Error code of a step that acme stopped waiting for after an interrupt.
const INTERRUPTED: &str = "Interrupted";
