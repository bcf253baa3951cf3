//! Location of a backend.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Location of a backend: `PATH`, `s3`, `s3://BUCKET` or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendLocation {
    /// A folder on this machine.
    Folder(PathBuf),
    /// The default bucket of the account and region.
    DefaultBucket,
    /// A bucket, or a prefix in one.
    Bucket {
        /// Its name.
        name: String,
        /// Prefix of keys; empty, or without leading and trailing slashes.
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
                return Err(format!("`{name}` is not a valid bucket name: use 3 to 63 lowercase letters, digits, hyphens and dots"));
            }
            if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(format!("`{prefix}` is not a valid prefix: write names separated by single slashes"));
            }
            return Ok(BackendLocation::Bucket { name: name.to_owned(), prefix: prefix.to_owned() });
        }
        if text.is_empty() || text.contains("://") {
            return Err(format!("`{text}` is not a valid backend"));
        }
        if text.starts_with('~') {
            return Err(format!("`{text}` is not a valid path: only a shell expands `~`"));
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
    /// Resolves the path of a folder relative to `base`.
    pub fn relative_to(self, base: &Path) -> BackendLocation {
        match self {
            BackendLocation::Folder(path) => BackendLocation::Folder(base.join(path)),
            other => other,
        }
    }
}
