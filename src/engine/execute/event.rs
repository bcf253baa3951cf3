//! Events of a run. All output about a run is derived from these.

use petgraph::{Direction::Incoming, graph::DiGraph};
use serde::{Deserialize, Serialize};

use crate::{
    core::{Address, Error},
    engine::{
        journal::RunOutcome,
        plan::{Op, Plan, Step},
    },
};

/// Format of the events as JSON; `docs/json.md` describes it.
pub const FORMAT: &str = "acme-events/2";

/// Event of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The run started.
    RunStarted {
        /// [`FORMAT`]; empty if it was read.
        #[serde(skip_deserializing)]
        format: &'static str,
        /// `apply`, `destroy` or `rollback`.
        command: String,
        /// Name of the stack.
        stack: String,
        /// Name of the environment.
        environment: String,
        /// Number of the revision.
        revision: u64,
    },
    /// Planned steps, sent once for the run and again for its rollback.
    Planned {
        /// Whether these steps undo a run.
        rolling_back: bool,
        /// Steps before the point of no return.
        apply: Vec<PlannedStep>,
        /// Steps after it.
        clean_up: Vec<PlannedStep>,
    },
    /// A step started.
    StepStarted {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// Typical duration, in seconds.
        estimated_seconds: u64,
    },
    /// Status reported by AWS.
    StepWaiting {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// AWS's message.
        status: String,
    },
    /// A person must act before the step can continue. Repeated while the step waits.
    ActionNeeded {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// What to do.
        instruction: String,
    },
    /// A step succeeded.
    StepDone {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// Physical id, unless deleted.
        id: Option<String>,
        /// Duration, in milliseconds.
        milliseconds: u64,
    },
    /// A step failed.
    StepFailed {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// Error code of AWS or acme.
        code: String,
        /// AWS's message.
        message: String,
        /// AWS request id.
        request_id: Option<String>,
    },
    /// acme stopped waiting for a person. The run ends *waiting*, and the next apply continues the run.
    StepSuspended {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
        /// What to do.
        instruction: String,
    },
    /// acme stopped waiting for a step, because the user interrupted the run.
    StepInterrupted {
        /// Address of the resource.
        address: Address,
        /// Operation.
        op: Op,
    },
    /// The user interrupted the run.
    StopRequested,
    /// The rollback started.
    RollingBack {
        /// Reason.
        reason: String,
    },
    /// A rollback could not restore something: a value, or the data of a resource. Sent at its end.
    NotRestored {
        /// Address of the resource.
        address: Address,
        /// What is lost or differs.
        message: String,
    },
    /// The run ended, but its revision could not be written.
    RunNotRecorded {
        /// Error message.
        message: String,
    },
    /// The run ended.
    RunEnded {
        /// Outcome.
        outcome: RunOutcome,
        /// Whether the user interrupted the run.
        interrupted: bool,
    },
}

/// Planned step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Address of the resource.
    pub address: Address,
    /// Operation.
    pub op: Op,
    /// Typical duration, in seconds.
    pub estimated_seconds: u64,
    /// Dependencies: indexes into the same list.
    pub depends_on: Vec<usize>,
}

impl Event {
    /// Event for a plan that is about to be applied.
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

    /// A failed step.
    pub fn failed(address: Address, op: Op, error: &Error) -> Event {
        let Error { code, message, request_id, .. } = error.clone();
        Event::StepFailed { address, op, code, message, request_id }
    }
}
