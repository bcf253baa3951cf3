//! The last import of a stack, for the list of stacks. It is a memory: nothing depends on it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::backend::{Backend, Key, WriteCondition, actor};
use crate::core::{EnvironmentName, Result, StackName};

/// Name and version of the format.
const FORMAT: &str = "acme-import-record/1";

/// An import that tagged resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRecord {
    format: String,
    /// Time of its end, in milliseconds since 1970.
    pub at: u64,
    /// User: `user@host`.
    pub actor: String,
    /// Number of resources that it tagged.
    pub resources: usize,
}

impl ImportRecord {
    /// An import that ends now.
    pub fn now(resources: usize) -> ImportRecord {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        ImportRecord { format: FORMAT.to_owned(), at, actor: actor(), resources }
    }

    /// Reads the last import; `None` without one, or in another format.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<Option<ImportRecord>> {
        let object = backend.get(&Key::import(stack, environment)).await?;
        let record: Option<ImportRecord> = object.and_then(|object| serde_json::from_slice(&object.bytes).ok());
        Ok(record.filter(|record| record.format == FORMAT))
    }

    /// Writes the import.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn write(&self, backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<()> {
        backend.put(&Key::import(stack, environment), &serde_json::to_vec(self)?, &WriteCondition::Always).await.map(|_| ())
    }
}
