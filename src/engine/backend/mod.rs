//! Where acme keeps its memory: revisions, journals and the lease. A folder, or an S3 bucket. Never the state: that is AWS itself.
//!
//! Keys are paths: `<stack>/<environment>/lease.json`, `<stack>/<environment>/revisions/000007/journal`.

mod folder;
mod holder;
mod lease;
mod s3;
mod select;

use std::{path::PathBuf, time::Duration};

use crate::core::{Error, ErrorKind, Result};
use folder::Folder;
use s3::S3;
pub use {
    holder::{Holder, actor},
    lease::{EXPIRY, HeldLease, Lease},
    select::{BucketCreation, CloudLocation, SelectedBackend, select_backend},
};

/// Where acme keeps its memory.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A folder of this machine.
    Folder(Folder),
    /// A bucket.
    S3(S3),
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
pub enum WriteCondition {
    /// Always.
    Always,
    /// Only if there is nothing under the key.
    IfAbsent,
    /// Only if what is there is of this version.
    IfVersion(String),
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteResult {
    /// It is kept; this is its version.
    Done(String),
    /// The condition did not hold: somebody else was first, and wrote something else.
    Conflict,
}

impl Backend {
    /// One kept in a folder, which is made when there is none.
    pub fn folder(path: impl Into<PathBuf>) -> Backend {
        Backend::Folder(Folder::new(path.into()))
    }

    /// One kept in a bucket. `prefix` is empty or ends with a slash; `owner` is the account that must own the bucket, if that matters.
    pub fn bucket(client: aws_sdk_s3::Client, bucket: &str, prefix: &str, owner: Option<&str>) -> Backend {
        Backend::S3(S3::new(client, bucket.to_owned(), prefix.to_owned(), owner.map(str::to_owned)))
    }

    /// How long apart the pieces of a journal go out at least.
    pub fn min_append_interval(&self) -> Duration {
        match self {
            Backend::Folder(_) => Duration::ZERO,
            // Every piece is a request that is paid for.
            Backend::S3(_) => Duration::from_millis(100),
        }
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Object>> {
        match self {
            Backend::Folder(folder) => folder.get(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.get(key).await,
        }
    }

    /// Keeps `bytes` under `key`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; a condition that does not hold is [`Written::Conflict`].
    pub async fn put(&self, key: &str, bytes: &[u8], condition: &WriteCondition) -> Result<WriteResult> {
        match self {
            Backend::Folder(folder) => folder.put(key, bytes, condition).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.put(key, bytes, condition).await,
        }
    }

    /// Adds a piece to the end of what [`Backend::read`] gives; safe on disk when this returns. `number` counts the pieces of one
    /// writer from 0; a piece that is there already is a conflict.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn append(&self, key: &str, number: u64, bytes: &[u8]) -> Result<WriteResult> {
        match self {
            Backend::Folder(folder) => folder.append(key, number, bytes).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.append(key, number, bytes).await,
        }
    }

    /// All pieces appended under `key`, in order; `None` when there are none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read_appended(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Backend::Folder(folder) => folder.read_appended(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.read_appended(key).await,
        }
    }

    /// Names one level below `key`, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn list(&self, key: &str) -> Result<Vec<String>> {
        match self {
            Backend::Folder(folder) => folder.list(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.list(key).await,
        }
    }

    /// Removes what is kept under `key`; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self {
            Backend::Folder(folder) => folder.delete(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.delete(key).await,
        }
    }
}

fn backend_error(key: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Rejected, "Backend", format!("`{key}` of the backend: {error}"))
}
