//! What a run tells while it goes on. All that is shown of it is made from these alone.

use petgraph::{Direction::Incoming, graph::DiGraph};
use serde::Serialize;

use crate::{
    core::{Address, Error},
    engine::{
        journal::Outcome,
        plan::{Op, Plan, Step},
    },
};

/// Format of the events as JSON; `docs/json.md` describes it.
pub const FORMAT: &str = "acme-events/1";

/// What happens while a plan is carried out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The run began.
    Began {
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
        undoing: bool,
        /// What comes before the pivot.
        build: Vec<Ahead>,
        /// What comes after it.
        clear: Vec<Ahead>,
    },
    /// A step began.
    Started {
        /// The resource.
        address: Address,
        /// What is done.
        op: Op,
        /// Usual time in seconds.
        usual_seconds: u64,
    },
    /// AWS's own words on the way.
    Settling {
        /// The resource.
        address: Address,
        /// What is done.
        op: Op,
        /// What AWS says.
        status: String,
    },
    /// A step ended well.
    Done {
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
    Failed {
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
    Cut {
        /// The resource.
        address: Address,
        /// What was begun.
        op: Op,
    },
    /// The user asked to stop.
    Stopping,
    /// From here on what was done is undone.
    RollingBack {
        /// Why.
        why: String,
    },
    /// The run ended, but that could not be written down.
    Unrecorded {
        /// Why not.
        message: String,
    },
    /// The run ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// Whether the user asked to stop.
        interrupted: bool,
    },
}

/// A step that lies ahead.
#[derive(Clone, Debug, Serialize)]
pub struct Ahead {
    /// The resource.
    pub address: Address,
    /// What will be done.
    pub op: Op,
    /// Usual time in seconds.
    pub usual_seconds: u64,
    /// The steps it waits for: indexes into the list it stands in.
    pub after: Vec<usize>,
}

impl Event {
    /// A plan that is about to be carried out.
    pub fn planned(plan: &Plan, undoing: bool) -> Event {
        let ahead = |graph: &DiGraph<Step, ()>| {
            let step = |node| {
                let step: &Step = &graph[node];
                Ahead {
                    address: plan.changes[step.change].address.clone(),
                    op: step.op,
                    usual_seconds: plan.usual(step).as_secs(),
                    after: graph.neighbors_directed(node, Incoming).map(|need| need.index()).collect(),
                }
            };
            graph.node_indices().map(step).collect()
        };
        Event::Planned { undoing, build: ahead(&plan.build), clear: ahead(&plan.clear) }
    }

    /// A step that failed.
    pub fn failed(address: Address, op: Op, error: &Error) -> Event {
        let Error { code, message, request_id, .. } = error.clone();
        Event::Failed { address, op, code, message, request_id }
    }
}
