//! The record of how far a drill is, in the backend below the environment that it fills. The next run continues from it, or deletes what is left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::goals::Measured;
use crate::{
    core::{Address, EnvironmentName, Error, ErrorKind, RestorePoint, Result, StackName},
    engine::backend::{Backend, DocumentFormat, Key, with_patience},
};

/// Format of the record.
const FORMAT: DocumentFormat = DocumentFormat { name: "acme-drill/1", code: "DrillRecord" };

/// A drill that has started, and is not over until its environment is deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Environment whose backups are restored.
    pub source: String,
    /// Time at which the newest backups were looked up, in milliseconds since 1970.
    pub looked_up_at: u64,
    /// Time at which it started, in milliseconds since 1970.
    pub started_at: u64,
    /// Backups, by the address of the resource that has them, and of the one that restores them.
    pub restored: BTreeMap<Address, RestoredBackup>,
    /// How far it is.
    pub phase: DrillPhase,
}

/// A backup that a drill restores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoredBackup {
    /// Physical id of the resource that has it.
    pub id: String,
    /// Backup, and the fields that restore it.
    pub point: RestorePoint,
}

/// How far a drill is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DrillPhase {
    /// It restores, or waits for its gates.
    Restoring,
    /// It has a result, and deletes its environment.
    Deleting {
        /// Result.
        result: Measured,
    },
    /// It has a result, and leaves its environment to a person.
    Kept {
        /// Result.
        result: Measured,
    },
}

impl DrillRecord {
    /// Creates the record of a drill that starts.
    pub fn new(source: impl Into<String>, looked_up_at: u64, restored: BTreeMap<Address, RestoredBackup>) -> DrillRecord {
        DrillRecord { source: source.into(), looked_up_at, started_at: looked_up_at, restored, phase: DrillPhase::Restoring }
    }
    /// Result, once there is one.
    pub fn measured(&self) -> Option<&Measured> {
        match &self.phase {
            DrillPhase::Restoring => None,
            DrillPhase::Deleting { result } | DrillPhase::Kept { result } => Some(result),
        }
    }
    /// Whether a drill with this source and these resources continues it.
    pub fn is_resumed_by(&self, source: &str, restore: &[Address]) -> bool {
        let same = self.restored.len() == restore.len() && restore.iter().all(|address| self.restored.contains_key(address));
        same && self.source == source && !matches!(self.phase, DrillPhase::Kept { .. })
    }
}

/// The place of the record. Only the holder of the environment's lease writes it.
pub struct RecordStore {
    backend: Backend,
    key: Key,
    /// Version of the record as last read or written; `None` if there is none.
    version: Option<String>,
}

impl RecordStore {
    /// Opens the record of the drill that fills this environment.
    ///
    /// # Errors
    /// Fails if the backend can't be read, or if the record is from a newer acme.
    pub async fn open(backend: Backend, stack: &StackName, environment: &EnvironmentName) -> Result<(RecordStore, Option<DrillRecord>)> {
        let key = Key::drill(stack, environment);
        let (record, version) = FORMAT.read(&backend, &key).await?.unzip();
        Ok((RecordStore { backend, key, version }, record))
    }

    /// Writes the record; retries while the backend is unreachable.
    ///
    /// # Errors
    /// Fails if the backend can't be written, or if another process has written it since.
    pub async fn write(&mut self, record: &DrillRecord) -> Result<()> {
        let Some(version) = FORMAT.write(&self.backend, &self.key, record, self.version.as_deref()).await? else {
            let message = format!("another process has changed `{}`: run the drill again", self.key);
            return Err(Error::new(ErrorKind::Conflict, "RecordChanged", message));
        };
        self.version = Some(version);
        Ok(())
    }

    /// Whether there is a record: the side environment may have resources.
    pub fn has_record(&self) -> bool {
        self.version.is_some()
    }

    /// Removes the record of a drill that is over.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn remove(&mut self) -> Result<()> {
        with_patience(|| self.backend.delete(&self.key)).await?;
        self.version = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_record_survives_until_the_drill_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (stack, environment): (StackName, EnvironmentName) = ("shop".parse().unwrap(), "drill".parse().unwrap());
        let open = || RecordStore::open(Backend::folder(folder.path()), &stack, &environment);
        let (mut store, none) = open().await.unwrap();
        assert_eq!(none, None);
        let address = Address::new("rds_instance", "orders");
        let point = RestorePoint { fields: serde_json::Map::new(), data_time: 1_000, kind: "point-in-time recovery".to_owned() };
        let restored = BTreeMap::from([(address.clone(), RestoredBackup { id: "orders".to_owned(), point })]);
        let mut record = DrillRecord::new("production", 5_000, restored);
        store.write(&record).await.unwrap();
        record.phase = DrillPhase::Kept { result: Measured::default() };
        store.write(&record).await.unwrap();
        let (mut other, read) = open().await.unwrap();
        assert_eq!(read.as_ref(), Some(&record));
        assert!(!record.is_resumed_by("production", std::slice::from_ref(&address)), "its environment was kept");
        record.phase = DrillPhase::Restoring;
        other.write(&record).await.unwrap();
        assert_eq!(store.write(&record).await.unwrap_err().code, "RecordChanged");
        assert!(record.is_resumed_by("production", &[address]));
        assert!(!record.is_resumed_by("staging", &[]));
        other.remove().await.unwrap();
        assert_eq!(open().await.unwrap().1, None);
    }
}
