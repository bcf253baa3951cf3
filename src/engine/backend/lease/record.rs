//! The stored lease.

use serde::{Deserialize, Serialize};

use super::super::{
    Backend, Key, WriteCondition, WriteResult,
    holder::{Holder, now_millis},
};
use crate::core::{Error, ErrorKind, Result};

/// Name and version of the format.
const FORMAT: &str = "acme-lease/2";

/// Stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    pub format: String,
    /// Number that increases with every holder.
    pub fence: u64,
    pub holder: Option<Holder>,
    /// Whether `acme unlock` removed the lease from its holder, whose calls may still be under way. An unknown holder is `None`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

impl LeaseRecord {
    pub(super) fn new(fence: u64, holder: Option<Holder>, revoked: bool) -> LeaseRecord {
        LeaseRecord { format: FORMAT.into(), fence, holder, revoked }
    }

    /// Record that replaces an unreadable one, whose fence number is lost: the time exceeds every number so far.
    pub(super) fn after_damage() -> LeaseRecord {
        LeaseRecord::new(now_millis(), None, true)
    }

    /// Whether a process holds it, or may have a call under way.
    pub(super) fn may_be_in_use(&self) -> bool {
        self.holder.as_ref().map_or(self.revoked, |holder| !holder.has_exited())
    }

    /// Whether this process holds it.
    pub(super) fn is_held_by(&self, holder: Option<&Holder>) -> bool {
        !self.revoked && self.holder.as_ref().map(|holder| &holder.id) == holder.map(|holder| &holder.id)
    }
}

/// A lease in the backend.
pub(super) struct Stored {
    /// Record, or the problem of an unreadable one.
    pub record: Result<LeaseRecord, String>,
    /// Version of the object.
    pub version: String,
}

pub(super) async fn read_stored(backend: &Backend, key: &Key) -> Result<Option<Stored>> {
    let Some(object) = backend.get(key).await? else { return Ok(None) };
    let record = match serde_json::from_slice::<LeaseRecord>(&object.bytes) {
        Err(error) => Err(format!("`{key}` in the backend is not a valid lease ({error})")),
        Ok(record) if record.format != FORMAT => {
            Err(format!("`{key}` in the backend has the format {}, not {FORMAT}: another version of acme wrote it", record.format))
        }
        Ok(record) => Ok(record),
    };
    Ok(Some(Stored { record, version: object.version }))
}

/// Same, but an unreadable lease is an error.
pub(super) async fn read_record(backend: &Backend, key: &Key) -> Result<Option<(LeaseRecord, String)>> {
    let Some(stored) = read_stored(backend, key).await? else { return Ok(None) };
    let refused =
        |what| Error::new(ErrorKind::Rejected, "Lease", format!("{what}; `acme unlock` replaces it if no run is changing the stack"));
    Ok(Some((stored.record.map_err(refused)?, stored.version)))
}

pub(super) async fn write_record(backend: &Backend, key: &Key, record: &LeaseRecord, condition: WriteCondition) -> Result<WriteResult> {
    backend.put(key, &serde_json::to_vec(record)?, &condition).await
}
