//! Whether a live resource can be used.

use serde::{Deserialize, Serialize};

/// Whether a live resource can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase", content = "status")]
pub enum Phase {
    /// It can be used.
    Ready,
    /// It can be used; changes that AWS has accepted are not applied yet.
    PendingChanges(String),
    /// Not ready yet, in AWS's own words.
    Progressing(String),
    /// It is there but does not work, and won't until someone fixes what is wrong, in AWS's own words.
    Degraded(String),
    /// It will not become ready, in AWS's own words.
    Failed(String),
    /// Being deleted.
    Deleting,
}
