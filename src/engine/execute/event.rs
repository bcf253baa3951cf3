//! What a run tells while it goes on. All that is shown of it is made from these alone.

use petgraph::{Direction::Incoming, graph::DiGraph};
use serde::Serialize;

use crate::{
    core::{Address, Error},
    engine::{
        journal::RunOutcome,
        plan::{Op, Plan, Step},
    },
};

/// Format of the events as JSON; `docs/json.md` describes it.
pub const FORMAT: &str = "acme-events/2";

/// What happens while a plan is carried out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// [`FORMAT`].
        format: &'static str,
        /// `apply`, `destroy` or `rollback`.
        command: String,
        /// Name of the stack.
        stack: String,
        /// Name of the environment.
        environment: String,
        /// Number of its revision.
        revision: u64,
    },
    /// What lies ahead, on the way forward and once more on the way back.
    Planned {
        /// Whether this takes back what a run did.
        rolling_back: bool,
        /// What comes before the pivot.
        apply: Vec<PlannedStep>,
        /// What comes after it.
        clean_up: Vec<PlannedStep>,
    },
    /// A step began.
    StepStarted {
        /// The resource.
        address: Address,
        /// What is done.
        op: Op,
        /// Usual time in seconds.
        estimated_seconds: u64,
    },
    /// AWS's own words on the way.
    StepWaiting {
        /// The resource.
        address: Address,
        /// What is done.
        op: Op,
        /// What AWS says.
        status: String,
    },
    /// A step ended well.
    StepDone {
        /// The resource.
        address: Address,
        /// What was done.
        op: Op,
        /// Physical id, unless deleted.
        id: Option<String>,
        /// Time it took, in milliseconds.
        milliseconds: u64,
    },
    /// A step failed.
    StepFailed {
        /// The resource.
        address: Address,
        /// What was tried.
        op: Op,
        /// AWS's error code, or one of ours.
        code: String,
        /// What AWS says.
        message: String,
        /// AWS's request id.
        request_id: Option<String>,
    },
    /// A step is not waited for any longer, because the user asked to stop.
    StepInterrupted {
        /// The resource.
        address: Address,
        /// What was begun.
        op: Op,
    },
    /// The user asked to stop.
    StopRequested,
    /// From here on what was done is undone.
    RollingBack {
        /// Why.
        reason: String,
    },
    /// The run ended, but that could not be written down.
    RunNotRecorded {
        /// Why not.
        message: String,
    },
    /// The run ended.
    RunEnded {
        /// How.
        outcome: RunOutcome,
        /// Whether the user asked to stop.
        interrupted: bool,
    },
}

/// A step that lies ahead.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedStep {
    /// The resource.
    pub address: Address,
    /// What will be done.
    pub op: Op,
    /// Usual time in seconds.
    pub estimated_seconds: u64,
    /// The steps it waits for: indexes into the list it stands in.
    pub depends_on: Vec<usize>,
}

impl Event {
    /// A plan that is about to be carried out.
    pub fn planned(plan: &Plan, rolling_back: bool) -> Event {
        let planned_steps = |graph: &DiGraph<Step, ()>| {
            let step = |node| {
                let step: &Step = &graph[node];
                PlannedStep {
                    address: plan.changes[step.change].address.clone(),
                    op: step.op,
                    estimated_seconds: plan.estimate(step).as_secs(),
                    depends_on: graph.neighbors_directed(node, Incoming).map(|need| need.index()).collect(),
                }
            };
            graph.node_indices().map(step).collect()
        };
        Event::Planned { rolling_back, apply: planned_steps(&plan.apply), clean_up: planned_steps(&plan.clean_up) }
    }

    /// A step that failed.
    pub fn failed(address: Address, op: Op, error: &Error) -> Event {
        let Error { code, message, request_id, .. } = error.clone();
        Event::StepFailed { address, op, code, message, request_id }
    }
}
