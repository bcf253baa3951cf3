//! Outputs of stacks: their values, and what other stacks can read of them.
//!
//! The record of a run has the outputs as the definition has them, with references. Their values follow from the resources in the record, so they
//! are right after a rollback, too, and there are no secrets that the record does not have.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{backend::Backend, history::History};
use crate::core::{Address, EnvironmentName, LiveResource, Result, StackName, expression};

/// Outputs of a stack at a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedOutputs {
    /// Number of the revision.
    pub revision: u64,
    /// Values by name; `null`: the resource does not exist.
    pub values: BTreeMap<String, Value>,
}

/// Returns outputs with every reference resolved; `null` if the resource does not exist.
pub fn resolve(outputs: &BTreeMap<String, Value>, live: &BTreeMap<Address, LiveResource>) -> BTreeMap<String, Value> {
    let resolve_known = |value: &Value| {
        expression::resolve(value, &|reference| live.get(&Address::new(reference.type_name, reference.name))?.output(reference.output))
    };
    let null_if_unresolved = |value: Value| if expression::has_reference(&value) { Value::Null } else { value };
    outputs.iter().map(|(name, value)| (name.clone(), null_if_unresolved(resolve_known(value)))).collect()
}

/// Reads the outputs of a stack; `None` if it does not exist.
///
/// # Errors
/// Fails if the backend can't be read.
pub async fn read(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<Option<RecordedOutputs>> {
    let history = History::new(backend.clone(), stack, environment);
    let Some(latest) = history.snapshot().await?.latest().await?.0 else { return Ok(None) };
    let Some(live) = latest.live(|_| true).filter(|live| !live.is_empty()) else { return Ok(None) };
    Ok(Some(RecordedOutputs { revision: latest.summary.run.revision, values: resolve(&latest.summary.outputs, &live) }))
}
