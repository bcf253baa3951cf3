//! The journal of a run: the intent before every mutating call, and the result after it.
//!
//! Append-only JSON lines, durable in the backend before the call goes out. It shows the open calls after a crash, a kill or a lost
//! response, and rollbacks are derived from it. It is not the state: a damaged or missing journal deletes nothing and changes no plan.
//! Specs contain no secrets (there is no field for one), so the journal contains none.

mod replay;
mod state;
mod writer;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Address, LiveResource, Tags};

pub use replay::{Damage, Replay, TouchedResource, replay, touched_resources};
pub use state::{IllegalTransition, JournalState, RunPhase};
pub use writer::Journal;

/// Name and version of the format.
pub const FORMAT: &str = "acme-journal/2";

/// Line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the record, starting at 1.
    pub n: u64,
    /// Time, in milliseconds since 1970.
    pub at: u64,
    /// Record.
    #[serde(flatten)]
    pub record: Record,
}

/// Content of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// A run starts.
    Begin(Box<RunInfo>),
    /// The account lacked a prerequisite, which acme created. It stays.
    Prerequisite {
        /// Name.
        name: String,
    },
    /// A mutating call is about to go out.
    Intent(Box<Intent>),
    /// Outcome.
    Result {
        /// Number of the intent.
        intent: u64,
        /// Outcome.
        result: CallResult,
    },
    /// Point of no return: everything new exists and is verified; from now on, the run only goes forward.
    CommitPoint,
    /// The rollback starts.
    Rollback {
        /// Reason.
        reason: String,
    },
    /// The run ended.
    End {
        /// Outcome.
        outcome: RunOutcome,
    },
}

/// Description of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`FORMAT`].
    pub format: String,
    /// Number of the revision.
    pub revision: u64,
    /// Unfinished revision that this one continues.
    pub continues: Option<u64>,
    /// Whether a failure undoes this run alone, because the one that it continues was kept, or deleted something for good. `acme rollback`
    /// undoes both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undoes_alone: bool,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// Command: `apply`, `destroy`, `rollback`.
    pub command: String,
    /// Step of a procedure: `cutover: step 2 of 4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedure: Option<String>,
    /// User: `user@host`.
    pub actor: String,
    /// Git commit of the definition, if it is in a repository.
    pub commit: Option<String>,
    /// SHA-256 of the definition's text, in hex.
    pub definition: String,
}

/// Intent of a mutating call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Address of the resource.
    pub address: Address,
    /// Operation.
    pub action: CallAction,
    /// Idempotency token.
    pub token: String,
    /// Region of the resource, if it is not the stack's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Physical id, except for creations; for those, the id of the deleted resource that the call restores.
    pub id: Option<String>,
    /// Exact resource at this address before the run; `None` if there was none.
    pub before: Option<LiveResource>,
    /// Whether `before` has all details. A deletion reads only some, and has the others from the record of the last run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    /// Desired spec; `null` for deletions.
    pub desired: Value,
    /// Desired tags.
    pub tags: Tags,
    /// Dependencies of the resource; a rollback uses the reverse order.
    pub depends_on: BTreeSet<Address>,
    /// Those of the dependencies that can follow it, see [`crate::definition::DesiredResource::deferrable`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deferrable: BTreeSet<Address>,
}

/// Operation of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallAction {
    /// Creates it.
    Create,
    /// Changes it in place.
    Update,
    /// Changes its tags.
    Tag,
    /// Deletes it.
    Delete,
    /// Removes the ownership tags.
    Forget,
}

/// Result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum CallResult {
    /// AWS made or accepted the change.
    Done {
        /// Physical id of the created resource.
        id: Option<String>,
    },
    /// AWS rejected the call.
    Rejected {
        /// AWS error code.
        code: String,
    },
    /// The response was lost: the call may have taken effect.
    Unknown,
}

/// Outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The resources match the definition.
    Done,
    /// The run failed or was interrupted, and everything is as before.
    RolledBack,
    /// The run failed or was interrupted, and completed steps were kept.
    Kept,
    /// Steps wait for a person; completed steps were kept, and the next apply continues the run.
    Waiting,
    /// The run could be neither finished nor undone.
    Stuck,
}

impl RunOutcome {
    /// Whether there is nothing left to continue or undo.
    pub fn is_final(self) -> bool {
        matches!(self, RunOutcome::Done | RunOutcome::RolledBack)
    }
}
