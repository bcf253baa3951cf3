//! How a definition names its backend.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A backend as it is named: `PATH`, `s3`, `s3://BUCKET` or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendLocation {
    /// A folder of this machine.
    Folder(PathBuf),
    /// The usual bucket of the account and region.
    DefaultBucket,
    /// A bucket, or a part of one.
    Bucket {
        /// Its name.
        name: String,
        /// What keys begin with; empty, or without slashes around it.
        prefix: String,
    },
}

impl FromStr for BackendLocation {
    type Err = String;
    fn from_str(text: &str) -> Result<BackendLocation, String> {
        if text == "s3" {
            return Ok(BackendLocation::DefaultBucket);
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_end_matches('/');
            let fits = (3..=63).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
                && !name.starts_with(['-', '.'])
                && !name.ends_with(['-', '.']);
            if !fits {
                return Err(format!("`{name}` can't name a bucket: 3 to 63 small letters, digits, hyphens and dots"));
            }
            if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(format!("`{prefix}` can't begin a key: write names between single slashes"));
            }
            return Ok(BackendLocation::Bucket { name: name.to_owned(), prefix: prefix.to_owned() });
        }
        if text.is_empty() || text.contains("://") {
            return Err(format!("`{text}` is no backend"));
        }
        if text.starts_with('~') {
            return Err(format!("`{text}` is not the path of a folder: only a shell knows what `~` is"));
        }
        Ok(BackendLocation::Folder(text.into()))
    }
}

impl fmt::Display for BackendLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendLocation::Folder(path) => write!(f, "{}", path.display()),
            BackendLocation::DefaultBucket => f.write_str("s3"),
            BackendLocation::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            BackendLocation::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl BackendLocation {
    /// The same, with the path of a folder taken from `base` on.
    pub fn relative_to(self, base: &Path) -> BackendLocation {
        match self {
            BackendLocation::Folder(path) => BackendLocation::Folder(base.join(path)),
            other => other,
        }
    }
}
