//! The journal of one run: before every call that changes something its intent, after it the result.
//!
//! Append-only JSON lines, safe in the backend before the call goes out. What a crash, a kill or a lost answer leaves open can be told
//! from it, and undoing is derived from it. It is an aid, not the state: a journal that is damaged or gone deletes nothing and changes
//! no plan. Specs hold no secrets (there is no field for one), so neither does it.

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

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the record, from 1.
    pub n: u64,
    /// When it was written, milliseconds since 1970.
    pub at: u64,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// A run begins.
    Begin(Box<RunInfo>),
    /// A call that changes something is about to go out.
    Intent(Box<Intent>),
    /// How it ended.
    Result {
        /// Number of the intent.
        intent: u64,
        /// How.
        result: CallResult,
    },
    /// All that is new is there and verified; from here on the run only goes forward.
    CommitPoint,
    /// From here on the run is undone.
    Rollback {
        /// Why.
        reason: String,
    },
    /// The run is over.
    End {
        /// How.
        outcome: RunOutcome,
    },
}

/// Who runs what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`FORMAT`].
    pub format: String,
    /// Number of the revision.
    pub revision: u64,
    /// The unfinished revision that this one goes on from.
    pub continues: Option<u64>,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// What is done: `apply`, `destroy`, `rollback`.
    pub command: String,
    /// Who runs it: `user@host`.
    pub actor: String,
    /// The definition's git commit, where it is in a repository.
    pub commit: Option<String>,
    /// SHA-256 of the definition's text, hex.
    pub definition: String,
}

/// A call that is about to change something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The resource.
    pub address: Address,
    /// What is done.
    pub action: CallAction,
    /// Idempotency token.
    pub token: String,
    /// Physical id, unless it is made.
    pub id: Option<String>,
    /// What stood at this address before the run, exactly; `None`: nothing.
    pub before: Option<LiveResource>,
    /// The spec that is wanted; `null` for deletions.
    pub desired: Value,
    /// The tags that are wanted.
    pub tags: Tags,
    /// What the resource needs: undoing goes the other way.
    pub depends_on: BTreeSet<Address>,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallAction {
    /// Makes it.
    Create,
    /// Changes it in place.
    Update,
    /// Changes its tags.
    Tag,
    /// Deletes it.
    Delete,
    /// Takes the marks off.
    Forget,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum CallResult {
    /// AWS did it, or took it on.
    Done {
        /// Physical id of what was made.
        id: Option<String>,
    },
    /// AWS refused.
    Rejected {
        /// AWS's code.
        code: String,
    },
    /// No answer came: it may have taken effect.
    Unknown,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// All is as wanted.
    Done,
    /// It failed or was interrupted, and everything is as before.
    RolledBack,
    /// It failed or was interrupted, and what was done was kept.
    Kept,
    /// It could be neither finished nor undone.
    Stuck,
}

impl RunOutcome {
    /// Whether nothing is left to be gone on with or undone.
    pub fn is_final(self) -> bool {
        matches!(self, RunOutcome::Done | RunOutcome::RolledBack)
    }
}
