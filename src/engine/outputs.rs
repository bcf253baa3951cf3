//! Outputs of stacks: their values, and what other stacks can read of them.
//!
//! The backend has the outputs as the definition has them, with references. Their values follow from the resources in the record of the latest
//! run, so they are right after a rollback, too, and there are no secrets that the record does not have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    backend::{Backend, Key, WriteCondition, with_patience},
    history::History,
};
use crate::{
    core::{Address, EnvironmentName, LiveResource, Result, StackName, expression},
    definition::Stack,
};

/// Name and version of the format.
const FORMAT: &str = "acme-stack-outputs/1";

/// Outputs in the backend.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct StoredOutputs {
    format: String,
    outputs: BTreeMap<String, Value>,
}

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

/// Writes the outputs of a stack for others, if they differ from those in the backend.
///
/// # Errors
/// Fails if the backend can't be read or written.
pub async fn store(backend: &Backend, stack: &Stack) -> Result<()> {
    let key = Key::outputs(&stack.name, &stack.environment);
    let before = backend.get(&key).await?;
    let stored = before.as_ref().and_then(|object| serde_json::from_slice::<StoredOutputs>(&object.bytes).ok());
    if before.is_none() && stack.outputs.is_empty() || stored.is_some_and(|stored| stored.outputs == stack.outputs) {
        return Ok(());
    }
    let text = serde_json::to_vec(&StoredOutputs { format: FORMAT.to_owned(), outputs: stack.outputs.clone() })?;
    with_patience(|| backend.put(&key, &text, &WriteCondition::Always)).await.map(drop)
}

/// Reads the outputs of a stack; `None` if it does not exist.
///
/// # Errors
/// Fails if the backend can't be read.
pub async fn read(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<Option<RecordedOutputs>> {
    let history = History::new(backend.clone(), stack, environment);
    let Some(latest) = history.snapshot().await?.latest().await?.0 else { return Ok(None) };
    let Some(live) = latest.live(|_| true).filter(|live| !live.is_empty()) else { return Ok(None) };
    let object = backend.get(&Key::outputs(stack, environment)).await?;
    let stored = object.and_then(|object| serde_json::from_slice::<StoredOutputs>(&object.bytes).ok());
    let outputs = stored.map(|stored| stored.outputs).unwrap_or_default();
    Ok(Some(RecordedOutputs { revision: latest.summary.run.revision, values: resolve(&outputs, &live) }))
}
