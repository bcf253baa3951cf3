//! Phases of a live resource.

use serde::{Deserialize, Serialize};

/// Whether a live resource can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase", content = "status")]
pub enum Phase {
    /// Ready for use.
    Ready,
    /// Ready for use, but accepted changes are not applied yet.
    PendingChanges(String),
    /// Not ready yet, with AWS's status.
    Progressing(String),
    /// Broken until the cause is fixed, with AWS's status.
    Degraded(String),
    /// Failed permanently, with AWS's status.
    Failed(String),
    /// Being deleted.
    Deleting,
}
