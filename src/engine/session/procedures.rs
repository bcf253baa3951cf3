//! Values that procedures have moved: read from the backend, used instead of those of the definition, and written before each step.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{LockedSession, ProposedPlan, Result, Session, SessionError};
use crate::{
    definition::{self, LoadOptions, Location},
    engine::{
        backend::{Backend, BucketCreation},
        procedure_record::{MovedValue, ProcedureName, ProcedureRecord, StoredRecord},
    },
};

impl Session {
    /// Procedures of the stack that have started; empty until the session is connected.
    pub fn procedure_record(&self) -> &ProcedureRecord {
        &self.record.record
    }

    /// Values that procedures have moved, by name. They replace those of the definition.
    pub fn moved_values(&self) -> BTreeMap<String, MovedValue> {
        self.record.record.moved_values(&self.defined_values)
    }

    /// Values of the definition, of all names that procedures can move.
    pub fn defined_values(&self) -> &BTreeMap<String, Value> {
        &self.defined_values
    }

    /// Sentences about the moved values, for the heading of a plan.
    pub(super) fn moved_value_notes(&self) -> Vec<String> {
        let note = |(name, moved): (String, MovedValue)| {
            let value = shown(&moved.value);
            format!("`{name}` is {value}, moved by `acme {}`; set it in the definition", moved.procedure.command())
        };
        self.moved_values().into_iter().map(note).collect()
    }

    /// Compiles the definition with other values, for a plan that is not applied.
    ///
    /// # Errors
    /// Fails if the definition is not valid with these values.
    pub fn compile_with(&mut self, values: &BTreeMap<String, Value>) -> Result<()> {
        if let Some((name, _)) = self.options.definition.set.iter().find(|(name, _)| values.contains_key(name)) {
            let is_cutover = self.stack.procedures.as_ref().and_then(|all| all.cutover.as_ref()).is_some_and(|one| one.value == *name);
            let procedure = if is_cutover { ProcedureName::Cutover } else { ProcedureName::Failover };
            return Err(SessionError::MovedValue { name: name.clone(), value: shown(&values[name]), command: procedure.command() });
        }
        let mut moved: BTreeMap<String, Value> = self.moved_values().into_iter().map(|(name, moved)| (name, moved.value)).collect();
        moved.extend(values.clone());
        self.use_values(moved)
    }

    /// Reads the record of the procedures, and compiles the definition again if they have moved values. A stack without procedures makes no call.
    pub(super) async fn read_moved_values(&mut self, backend: &Backend) -> Result<()> {
        if self.stack.procedures.is_none() {
            return Ok(());
        }
        let stored = StoredRecord::read(backend, &self.stack.name, &self.stack.environment).await?;
        self.set_record(stored)
    }

    /// Same for commands that use no backend otherwise.
    pub(super) async fn find_moved_values(&mut self, account: &str) -> Result<()> {
        if self.stack.procedures.is_none() {
            return Ok(());
        }
        let backend = self.select_backend(account, BucketCreation::Never).await?.backend;
        self.read_moved_values(&backend).await
    }

    fn set_record(&mut self, stored: StoredRecord) -> Result<()> {
        self.record = stored;
        let moved = self.moved_values();
        if let Some((name, _)) = self.options.definition.set.iter().find(|(name, _)| moved.contains_key(name)) {
            let (name, moved) = (name.clone(), moved[name].clone());
            let command = moved.procedure.command();
            return Err(SessionError::MovedValue { name, value: shown(&moved.value), command });
        }
        self.use_values(moved.into_iter().map(|(name, moved)| (name, moved.value)).collect())
    }

    fn use_values(&mut self, moved: BTreeMap<String, Value>) -> Result<()> {
        if self.options.definition.moved_values == moved {
            return Ok(());
        }
        self.options.definition.moved_values = moved;
        self.compile()
    }

    /// Compiles the definition again with the moved values, and with the account and the region as far as they are known.
    pub(super) fn compile(&mut self) -> Result<()> {
        let region = self.region().to_owned();
        let options = LoadOptions { location: self.location.clone(), ..self.options.definition.clone() };
        let mut stack = match definition::load(&self.source, &options) {
            Ok(stack) => stack,
            Err(problems) => return Err(SessionError::InvalidDefinition { definition: self.source.clone(), problems }),
        };
        if let Some(pinned) = stack.region.clone().filter(|pinned| *pinned != region) {
            return Err(SessionError::PinnedRegion { pinned, requested: region });
        }
        stack.set_region(&region);
        self.stack = stack;
        self.use_external_values();
        Ok(())
    }

    /// Compiles the definition again, if it depends on the account or the region and does not contain them.
    pub(super) fn set_location(&mut self, account: &str) -> Result<()> {
        if !self.stack.has_unknown_location {
            return Ok(());
        }
        self.location = Location { account: Some(account.to_owned()), region: Some(self.region().to_owned()) };
        self.compile()
    }
}

impl ProposedPlan<'_> {
    /// Writes the record of the procedures before the plan is applied, which was made with the values in it.
    ///
    /// # Errors
    /// Fails if the lease is lost, or if the record can't be written.
    pub async fn write_procedure_record(&mut self, record: ProcedureRecord) -> Result<()> {
        // The plan was made with the stack as it is compiled.
        self.locked.store_procedure_record(record).await
    }
}

impl LockedSession {
    /// Compiles the definition with other values, for a plan that is then applied after they are recorded.
    ///
    /// # Errors
    /// Fails if the definition is not valid with these values.
    pub fn compile_with(&mut self, values: &BTreeMap<String, Value>) -> Result<()> {
        self.session_mut().compile_with(values)
    }

    /// Writes the record of the procedures, and compiles the definition with the values that it has.
    ///
    /// # Errors
    /// Fails if the lease is lost, if the record can't be written, or if the definition is not valid with these values.
    pub async fn write_procedure_record(&mut self, record: ProcedureRecord) -> Result<()> {
        self.store_procedure_record(record).await?;
        let stored = self.session().record.clone();
        self.session_mut().set_record(stored)
    }

    async fn store_procedure_record(&mut self, record: ProcedureRecord) -> Result<()> {
        if let Some(lease) = self.lease() {
            lease.ensure_held_or_renew().await?;
        }
        let stack = &self.session().stack;
        let stored = self.session().record.replace(self.backend(), &stack.name, &stack.environment, record).await?;
        self.session_mut().record = stored;
        Ok(())
    }

    /// Reads the record again, now that no other run can change it, and ends the procedures whose values the definition has by now.
    pub(super) async fn settle_procedures(&mut self) -> Result<()> {
        let backend = self.backend().clone();
        self.session_mut().read_moved_values(&backend).await?;
        let mut record = self.session().procedure_record().clone();
        if record.remove_settled(&self.session().defined_values) {
            self.write_procedure_record(record).await?;
        }
        Ok(())
    }

    /// Forgets all procedures, because the stack was deleted.
    ///
    /// # Errors
    /// Fails if the record can't be written.
    pub async fn forget_procedures(&mut self) -> Result<()> {
        if self.session().procedure_record().procedures.is_empty() {
            return Ok(());
        }
        self.write_procedure_record(ProcedureRecord::default()).await
    }
}

/// A value as in YAML.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
