//! Where acme keeps its memory: revisions, journals and the lease. A folder, or an S3 bucket. Never the state: that is AWS itself.
//!
//! Keys are paths: `<stack>/<environment>/lease.json`, `<stack>/<environment>/revisions/000007/journal`.

mod folder;
mod holder;
mod lease;

use std::{path::PathBuf, time::Duration};

use crate::aws::{Error, Result, Sort};
use folder::Folder;
pub use {
    holder::{Holder, actor},
    lease::{EXPIRY, Held, Lease},
};

/// Where acme keeps its memory.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A folder of this machine.
    Folder(Folder),
}

/// What is kept under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Names this version of it.
    pub version: String,
}

/// When a write may take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Any,
    /// Only if there is nothing under the key.
    Absent,
    /// Only if what is there is of this version.
    Version(String),
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is kept; this is its version.
    Done(String),
    /// The condition did not hold: somebody else was first.
    Conflict,
}

impl Backend {
    /// One kept in a folder, which is made when there is none.
    pub fn folder(path: impl Into<PathBuf>) -> Backend {
        Backend::Folder(Folder::new(path.into()))
    }

    /// How long apart the pieces of a journal go out at least.
    pub fn pace(&self) -> Duration {
        match self {
            Backend::Folder(_) => Duration::ZERO,
        }
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Object>> {
        match self {
            Backend::Folder(folder) => folder.get(key).map_err(|e| broken(key, &e)),
        }
    }

    /// Keeps `bytes` under `key`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; a condition that does not hold is [`Written::Conflict`].
    pub async fn put(&self, key: &str, bytes: &[u8], when: &When) -> Result<Written> {
        match self {
            Backend::Folder(folder) => folder.put(key, bytes, when).map_err(|e| broken(key, &e)),
        }
    }

    /// Adds a piece to the end of what [`Backend::read`] gives; safe on disk when this returns. `number` counts the pieces of one
    /// writer from 0; a piece that is there already is a conflict.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn append(&self, key: &str, number: u64, bytes: &[u8]) -> Result<Written> {
        match self {
            Backend::Folder(folder) => folder.append(key, number, bytes).map_err(|e| broken(key, &e)),
        }
    }

    /// All pieces appended under `key`, in order; `None` when there are none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Backend::Folder(folder) => folder.read(key).map_err(|e| broken(key, &e)),
        }
    }

    /// Names one level below `key`, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn list(&self, key: &str) -> Result<Vec<String>> {
        match self {
            Backend::Folder(folder) => folder.list(key).map_err(|e| broken(key, &e)),
        }
    }

    /// Removes what is kept under `key`; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self {
            Backend::Folder(folder) => folder.delete(key).map_err(|e| broken(key, &e)),
        }
    }
}

fn broken(key: &str, error: &std::io::Error) -> Error {
    Error::new(Sort::Refused, "Backend", format!("`{key}` of the backend: {error}"))
}
