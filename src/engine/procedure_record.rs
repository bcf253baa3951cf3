//! Record of the procedures of a stack: how far each of them is, and the values that it has moved.
//!
//! It is written under the lease, before each step, and every command that loads a definition with procedures reads it: otherwise the next apply
//! would undo a cut-over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backend::{Backend, DocumentFormat, Key};
use crate::core::{EnvironmentName, Error, ErrorKind, Result, StackName};

/// Format of the record.
const FORMAT: DocumentFormat = DocumentFormat { name: "acme-procedure/1", code: "ProcedureRecord" };

/// A procedure that moves values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcedureName {
    /// `acme cutover`.
    Cutover,
    /// `acme failover` and `acme failback`.
    Failover,
}

impl ProcedureName {
    /// Command that runs it.
    pub fn command(self) -> &'static str {
        match self {
            ProcedureName::Cutover => "cutover",
            ProcedureName::Failover => "failover",
        }
    }
}

/// How far a procedure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcedurePhase {
    /// The values are being applied, or their gates are checked.
    Stepping,
    /// The last step is done, and its gates held.
    Finished,
    /// The old platform is being deleted, or was.
    Decommissioned,
    /// The values from before the procedure are being applied.
    Returning,
    /// A failback is under way.
    FailingBack,
}

/// State of a procedure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcedureState {
    /// How far it is.
    pub phase: ProcedurePhase,
    /// Values before the procedure, by name.
    pub before: BTreeMap<String, Value>,
    /// Values since then, by name.
    pub values: BTreeMap<String, Value>,
    /// Start of the procedure, in milliseconds since 1970.
    pub started_at: u64,
    /// Last write, in milliseconds since 1970.
    pub changed_at: u64,
    /// User of the last write: `user@host`.
    pub actor: String,
}

/// Procedures of a stack that have started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcedureRecord {
    /// Their states.
    pub procedures: BTreeMap<ProcedureName, ProcedureState>,
}

/// A value that a procedure has moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MovedValue {
    /// Its value.
    pub value: Value,
    /// The procedure.
    pub procedure: ProcedureName,
}

/// The record in the backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredRecord {
    /// Its content; empty if there is none.
    pub record: ProcedureRecord,
    /// Version of the object; `None` if there is none.
    version: Option<String>,
}

impl ProcedureRecord {
    /// Values that procedures have moved. `defined` are those of the definition.
    pub fn moved_values(&self, defined: &BTreeMap<String, Value>) -> BTreeMap<String, MovedValue> {
        let active = self.procedures.iter().filter(|(_, state)| !state.is_settled(defined));
        let moved = active.flat_map(|(procedure, state)| {
            let moved = |value: &Value| MovedValue { value: value.clone(), procedure: *procedure };
            state.values.iter().map(move |(name, value)| (name.clone(), moved(value)))
        });
        moved.collect()
    }

    /// Removes the procedures that have ended: the definition has their values itself. Returns whether there were any.
    pub fn remove_settled(&mut self, defined: &BTreeMap<String, Value>) -> bool {
        let before = self.procedures.len();
        self.procedures.retain(|_, state| !state.is_settled(defined));
        self.procedures.len() != before
    }
}

impl ProcedureState {
    /// Whether it has finished, and the definition has the same values.
    fn is_settled(&self, defined: &BTreeMap<String, Value>) -> bool {
        let is_final = matches!(self.phase, ProcedurePhase::Finished | ProcedurePhase::Decommissioned);
        is_final && self.values.iter().all(|(name, value)| defined.get(name).is_none_or(|own| own == value))
    }
}

impl StoredRecord {
    /// Reads the record of a stack's environment.
    ///
    /// # Errors
    /// Fails if it can't be read, or if another version of acme wrote it.
    pub async fn read(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<StoredRecord> {
        let key = Key::procedures(stack, environment);
        let found = FORMAT.read(backend, &key).await?;
        Ok(found.map_or_else(StoredRecord::default, |(record, version)| StoredRecord { record, version: Some(version) }))
    }

    /// Writes another record, if this one is still the stored one.
    ///
    /// # Errors
    /// Fails if it can't be written, or if another process has written meanwhile.
    pub async fn replace(
        &self,
        backend: &Backend,
        stack: &StackName,
        environment: &EnvironmentName,
        record: ProcedureRecord,
    ) -> Result<StoredRecord> {
        let key = Key::procedures(stack, environment);
        let version = FORMAT.write(backend, &key, &record, self.version.as_deref()).await?;
        version.map(|version| StoredRecord { record, version: Some(version) }).ok_or_else(|| {
            let message = "another run has changed the record of the procedures: run the command again";
            Error::new(ErrorKind::Conflict, "ProcedureRecord", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(share: i64) -> BTreeMap<String, Value> {
        [("share".to_owned(), json!(share))].into()
    }

    fn record(phase: ProcedurePhase, share: i64) -> ProcedureRecord {
        let state =
            ProcedureState { phase, before: values(0), values: values(share), started_at: 1, changed_at: 2, actor: "me@here".into() };
        ProcedureRecord { procedures: [(ProcedureName::Cutover, state)].into() }
    }

    #[test]
    fn values_are_moved_until_the_definition_has_them() {
        let half = record(ProcedurePhase::Stepping, 50);
        assert_eq!(half.moved_values(&values(0))["share"], MovedValue { value: json!(50), procedure: ProcedureName::Cutover });
        assert_eq!(half.moved_values(&values(50)).len(), 1, "it has not finished");
        let mut finished = record(ProcedurePhase::Finished, 100);
        assert_eq!(finished.moved_values(&values(0)).len(), 1);
        assert!(!finished.remove_settled(&values(0)));
        assert_eq!(finished.moved_values(&values(100)), BTreeMap::new());
        assert!(finished.remove_settled(&values(100)));
        assert_eq!(finished, ProcedureRecord::default());
    }

    #[tokio::test]
    async fn only_one_of_two_writers_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let backend = Backend::folder(folder.path());
        let (stack, environment) = ("shop".parse().expect("a name"), "production".parse().expect("a name"));
        let empty = StoredRecord::read(&backend, &stack, &environment).await.expect("no record");
        assert_eq!(empty, StoredRecord::default());
        let first = empty.replace(&backend, &stack, &environment, record(ProcedurePhase::Stepping, 1)).await.expect("written");
        assert_eq!(StoredRecord::read(&backend, &stack, &environment).await.expect("a record"), first);
        let late = empty.replace(&backend, &stack, &environment, record(ProcedurePhase::Stepping, 10)).await;
        assert_eq!(late.expect_err("it exists").code, "ProcedureRecord");
        let second = first.replace(&backend, &stack, &environment, record(ProcedurePhase::Finished, 100)).await.expect("written");
        assert_eq!(StoredRecord::read(&backend, &stack, &environment).await.expect("a record"), second);
        std::fs::write(folder.path().join("shop/production/procedure.json"), "{}").expect("written");
        assert!(StoredRecord::read(&backend, &stack, &environment).await.is_err());
    }
}
