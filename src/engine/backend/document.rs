//! JSON documents in the backend with the name and version of their format. Two processes don't overwrite each other's.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Backend, Key, WriteCondition, WriteResult, with_patience};
use crate::core::{Error, ErrorKind, Result};

/// A kind of documents.
#[derive(Clone, Copy, Debug)]
pub struct DocumentFormat {
    /// Name and version: `acme-drill/1`.
    pub name: &'static str,
    /// Code of errors about them.
    pub code: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Document<T> {
    format: String,
    #[serde(flatten)]
    content: T,
}

impl DocumentFormat {
    /// Reads a document and its version in the backend; `None` if there is none.
    ///
    /// # Errors
    /// Fails if it can't be read, or if another version of acme wrote it.
    pub async fn read<T: DeserializeOwned>(self, backend: &Backend, key: &Key) -> Result<Option<(T, String)>> {
        let Some(object) = backend.get(key).await? else { return Ok(None) };
        let document = serde_json::from_slice::<Document<T>>(&object.bytes).ok().filter(|document| document.format == self.name);
        let document = document.ok_or_else(|| {
            let message = format!("`{key}` in the backend is damaged, or another version of acme wrote it");
            Error::new(ErrorKind::Rejected, self.code, message)
        })?;
        Ok(Some((document.content, object.version)))
    }

    /// Writes a document in place of this version, and returns the new one; `None` if another process has written meanwhile. Retries while the
    /// backend is unreachable.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub async fn write<T: Serialize>(self, backend: &Backend, key: &Key, content: &T, version: Option<&str>) -> Result<Option<String>> {
        let bytes = serde_json::to_vec_pretty(&Document { format: self.name.to_owned(), content })?;
        let condition = version.map_or(WriteCondition::IfAbsent, |version| WriteCondition::IfVersion(version.to_owned()));
        Ok(match with_patience(|| backend.put(key, &bytes, &condition)).await? {
            WriteResult::Done(version) => Some(version),
            WriteResult::Conflict => None,
        })
    }
}
