//! Storage for revisions, journals and the lease: a folder or an S3 bucket. It never holds the state: that is AWS itself.
//!
//! Keys are paths: `<stack>/<environment>/lease.json`, `<stack>/<environment>/revisions/000007/journal`; see [`Key`].

mod document;
mod folder;
mod holder;
mod key;
mod lease;
mod patience;
mod s3;
mod select;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use crate::{
    aws::Aws,
    core::{EnvironmentName, Error, ErrorKind, Result, StackName},
};
use folder::Folder;
use s3::S3;
pub use {
    document::DocumentFormat,
    holder::{Holder, act_for, actor},
    key::Key,
    lease::{HeldLease, Lease, LeaseWait, LeasedCall, TAKEOVER_DELAY, TERM},
    patience::with_patience,
    select::{BucketCreation, CloudLocation, SelectedBackend, select_backend},
};

/// Storage for records, journals and leases.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A folder on this machine.
    Folder(Folder),
    /// A bucket.
    S3(S3),
}

/// Content of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Version of the content.
    pub version: String,
}

/// Condition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteCondition {
    /// Always.
    Always,
    /// Only if the key does not exist.
    IfAbsent,
    /// Only if the content has this version.
    IfVersion(String),
}

/// Result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteResult {
    /// Written, with this version.
    Done(String),
    /// The condition was false: another process wrote different content first.
    Conflict,
}

impl Backend {
    /// Backend in a folder, which is created if it does not exist.
    pub fn folder(path: impl Into<PathBuf>) -> Backend {
        Backend::Folder(Folder::new(path.into()))
    }

    /// Backend in a bucket. `prefix` is empty or ends with a slash; `owner` is the required owner of the bucket, if any.
    pub fn bucket(client: aws_sdk_s3::Client, bucket: &str, prefix: &str, owner: Option<&str>) -> Backend {
        Backend::S3(S3::new(client, bucket.to_owned(), prefix.to_owned(), owner.map(str::to_owned)))
    }

    /// Backend at a place that [`Backend::bucket_place`] returned, in the region of its bucket.
    ///
    /// # Errors
    /// Fails if the text is not a place, or if the bucket does not exist or can't be read.
    pub async fn at_bucket_place(aws: &Aws, place: &str) -> Result<Backend> {
        let parts = place.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let (bucket, prefix) =
            parts.ok_or_else(|| Error::new(ErrorKind::Rejected, "Backend", format!("`{place}` is not a place in a bucket")))?;
        let missing = || Error::new(ErrorKind::NotFound, "NoSuchBucket", format!("the bucket `{bucket}` does not exist"));
        let bucket = S3::new(aws.s3.clone(), bucket.to_owned(), prefix.to_owned(), None);
        Ok(Backend::S3(bucket.locate().await?.ok_or_else(missing)?))
    }

    /// Bucket and prefix, `s3://BUCKET/` or `s3://BUCKET/PREFIX/`; `None` for a folder.
    pub fn bucket_place(&self) -> Option<String> {
        match self {
            Backend::Folder(_) => None,
            Backend::S3(s3) => Some(s3.place()),
        }
    }

    /// Minimum interval between pieces of a journal.
    pub fn min_append_interval(&self) -> Duration {
        match self {
            Backend::Folder(_) => Duration::ZERO,
            // Every piece costs a request.
            Backend::S3(_) => Duration::from_millis(100),
        }
    }

    /// Reads the content of `key`.
    ///
    /// # Errors
    /// Fails if it can't be read.
    pub async fn get(&self, key: &Key) -> Result<Option<Object>> {
        match self {
            Backend::Folder(folder) => folder.get(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.get(key).await,
        }
    }

    /// Writes `bytes` to `key`, completely or not at all.
    ///
    /// # Errors
    /// Fails if it can't be written; a false condition is [`Written::Conflict`].
    pub async fn put(&self, key: &Key, bytes: &[u8], condition: &WriteCondition) -> Result<WriteResult> {
        match self {
            Backend::Folder(folder) => folder.put(key, bytes, condition).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.put(key, bytes, condition).await,
        }
    }

    /// Appends a piece to the content that [`Backend::read`] returns; it is durable when this returns. `number` counts the pieces of one
    /// writer from 0; an existing piece is a conflict.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub async fn append(&self, key: &Key, number: u64, bytes: &[u8]) -> Result<WriteResult> {
        match self {
            Backend::Folder(folder) => folder.append(key, number, bytes).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.append(key, number, bytes).await,
        }
    }

    /// Reads all pieces appended to `key`, in order; `None` if there are none.
    ///
    /// # Errors
    /// Fails if it can't be read.
    pub async fn read_appended(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        match self {
            Backend::Folder(folder) => folder.read_appended(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.read_appended(key).await,
        }
    }

    /// Lists names one level below `key`, sorted.
    ///
    /// # Errors
    /// Fails if it can't be read.
    pub async fn list(&self, key: &Key) -> Result<Vec<String>> {
        match self {
            Backend::Folder(folder) => folder.list(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.list(key).await,
        }
    }

    /// Stacks and environments with records or a lease.
    ///
    /// # Errors
    /// Fails if it can't be read.
    pub async fn stacks(&self) -> Result<BTreeSet<(StackName, EnvironmentName)>> {
        let names = match self {
            Backend::Folder(folder) => folder.list_root().map_err(|error| Error::new(ErrorKind::Rejected, "Backend", error.to_string()))?,
            Backend::S3(s3) => s3.list_root().await?,
        };
        let mut found = BTreeSet::new();
        for stack in names.iter().filter_map(|name| name.parse::<StackName>().ok()) {
            let environments = self.list(&Key::environments(&stack)).await?;
            found.extend(environments.iter().filter_map(|name| name.parse().ok()).map(|environment| (stack.clone(), environment)));
        }
        Ok(found)
    }

    /// Deletes `key`, if it exists.
    ///
    /// # Errors
    /// Fails if it can't be deleted.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        match self {
            Backend::Folder(folder) => folder.delete(key).map_err(|e| backend_error(key, &e)),
            Backend::S3(s3) => s3.delete(key).await,
        }
    }
}

fn backend_error(key: &Key, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Rejected, "Backend", format!("`{key}` in the backend: {error}"))
}
