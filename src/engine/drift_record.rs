//! The result of the last drift check of a stack, for the list of stacks. It is a memory: nothing depends on it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::backend::{Backend, Key, WriteCondition};
use crate::core::{EnvironmentName, Result, StackName};

/// Name and version of the format.
const FORMAT: &str = "acme-drift-check/1";

/// Result of a drift check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRecord {
    format: String,
    /// Time of the check, in milliseconds since 1970.
    pub at: u64,
    /// Number of resources changed outside acme.
    pub changes: usize,
}

impl DriftRecord {
    /// Result of a check that ends now.
    pub fn now(changes: usize) -> DriftRecord {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        DriftRecord { format: FORMAT.to_owned(), at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), changes }
    }

    /// Reads the last result; `None` without one, or in another format.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<Option<DriftRecord>> {
        let object = backend.get(&Key::drift(stack, environment)).await?;
        let record: Option<DriftRecord> = object.and_then(|object| serde_json::from_slice(&object.bytes).ok());
        Ok(record.filter(|record| record.format == FORMAT))
    }

    /// Writes the result.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn write(&self, backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<()> {
        backend.put(&Key::drift(stack, environment), &serde_json::to_vec(self)?, &WriteCondition::Always).await.map(|_| ())
    }
}
