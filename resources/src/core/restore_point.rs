//! Newest backup of a resource, and the fields of a new resource that restore it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Problem, Result, Source};

/// Newest backup of a resource, and how a new one of the same type gets its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// Fields of the new resource by name, with their values: those that name the backup, and those that AWS takes from it.
    pub fields: Map<String, Value>,
    /// Time of the data, in milliseconds since 1970.
    pub data_time: u64,
    /// Kind of the backup, for a report: "point-in-time recovery".
    pub kind: String,
}

impl RestorePoint {
    /// Creates one from the spec of the new resource without the backup and with it. Only the fields that differ are kept.
    ///
    /// # Errors
    /// Fails if a spec can't be serialized.
    pub fn from_specs<R: Serialize>(without: &R, with: &R, data_time: u64, kind: impl Into<String>) -> Result<RestorePoint> {
        let (without, with) = (serde_json::to_value(without)?, serde_json::to_value(with)?);
        let mut fields = match with {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.retain(|name, value| without.get(name) != Some(value));
        Ok(RestorePoint { fields, data_time, kind: kind.into() })
    }
}

/// Result of a search for the newest backup of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum NewestBackup {
    /// A backup that a new resource can restore.
    Found(RestorePoint),
    /// None, with the reason and the remedy. The pointer is into the spec of the resource with the backups.
    Missing(Problem),
}

/// Where the time of the newest backup comes from; that of the simulated cloud is in milliseconds since 1970, `None` while there is no backup.
pub type BackupSource<'a, A> = Source<'a, A, Option<u64>>;
