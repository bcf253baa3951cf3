//! Which backend: the one that is named, or the one that is usual where the stack is.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use super::{Backend, s3::S3};
use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Result},
    definition::BackendLocation,
};

/// Where the stack is.
#[derive(Clone, Copy)]
pub enum CloudLocation<'a> {
    /// In the simulated cloud kept in this folder.
    Simulated(&'a Path),
    /// In an account.
    Aws {
        /// Its clients.
        aws: &'a Aws,
        /// Its id.
        account: &'a str,
    },
}

/// What may be made to keep things in.
#[derive(Clone, Copy)]
pub enum BucketCreation<'a> {
    /// Nothing, as nothing is going to be kept. A usual bucket that is not there holds nothing.
    Never,
    /// Nothing either, and a usual bucket that nobody named is looked for only where this user's own folder says that it has moved there:
    /// the rest is known without a call.
    NeverSkipLookup,
    /// The usual bucket, if it is named. Nobody can be asked.
    IfRequested,
    /// The same, and what the user says yes to; the text is a question.
    Ask(&'a dyn Fn(&str) -> io::Result<bool>),
}

/// A backend, and what people should know about it.
#[derive(Clone, Debug)]
pub struct SelectedBackend {
    /// The backend.
    pub backend: Backend,
    /// A sentence or two.
    pub note: Option<String>,
}

/// The backend to use: `named` for this run, else `declared` in the definition, else the usual one. Asks AWS about buckets only.
///
/// Accounts and regions are kept apart by a folder each, unless the backend has them in its name. The simulated cloud keeps to its
/// own folder, whatever the definition says.
///
/// # Errors
/// When a bucket may not be used, is missing, or cannot be made.
pub async fn select_backend(
    requested: Option<&BackendLocation>,
    declared: Option<&BackendLocation>,
    location: CloudLocation<'_>,
    creation: BucketCreation<'_>,
) -> Result<SelectedBackend> {
    let (aws, account) = match (location, requested) {
        (CloudLocation::Simulated(_), Some(BackendLocation::Folder(path))) => {
            return Ok(SelectedBackend { backend: Backend::folder(path), note: None });
        }
        (CloudLocation::Simulated(dir), _) => return Ok(SelectedBackend { backend: Backend::folder(dir.join("backend")), note: None }),
        (CloudLocation::Aws { aws, account }, _) => (aws, account),
    };
    let part = format!("{account}-{}", aws.region);
    let folder = state_folder().map(|folder| folder.join(&part));
    let default_bucket = || S3::new(aws.s3.clone(), format!("acme-{part}"), String::new(), Some(account.to_owned()));
    let kept_in = |bucket: &str| Some(format!("History and locks are kept in the bucket {bucket}."));
    let user_agrees = |question: &str| match creation {
        BucketCreation::Ask(ask) => ask(question).map_err(|error| Error::new(ErrorKind::Rejected, "Terminal", error.to_string())),
        BucketCreation::Never | BucketCreation::NeverSkipLookup | BucketCreation::IfRequested => Ok(false),
    };
    match requested.or(declared) {
        Some(BackendLocation::Folder(path)) => Ok(SelectedBackend { backend: Backend::folder(path.join(part)), note: None }),
        Some(BackendLocation::DefaultBucket) => match (default_bucket().locate().await?, creation) {
            (Some(there), _) => {
                folder.iter().for_each(|folder| mark_moved(folder));
                Ok(SelectedBackend { backend: Backend::S3(there), note: None })
            }
            (None, BucketCreation::Never | BucketCreation::NeverSkipLookup) => {
                Ok(SelectedBackend { backend: Backend::S3(default_bucket()), note: None })
            }
            (None, BucketCreation::IfRequested | BucketCreation::Ask(_)) => {
                default_bucket().create_bucket(aws.tls).await?;
                folder.iter().for_each(|folder| mark_moved(folder));
                Ok(SelectedBackend {
                    backend: Backend::S3(default_bucket()),
                    note: Some(format!("Made the bucket acme-{part} for history and locks.")),
                })
            }
        },
        Some(BackendLocation::Bucket { name, prefix }) => {
            let prefix = if prefix.is_empty() { format!("{part}/") } else { format!("{prefix}/{part}/") };
            let s3 = S3::new(aws.s3.clone(), name.clone(), prefix, None);
            if let Some(there) = s3.clone().locate().await? {
                return Ok(SelectedBackend { backend: Backend::S3(there), note: None });
            }
            if !user_agrees(&format!("There is no bucket {name}. Make it in {}, for history and locks?", aws.region))? {
                let message = format!("there is no bucket `{name}` to keep history and locks in: make it, or say `--backend s3`");
                return Err(Error::new(ErrorKind::NotFound, "NoSuchBucket", message));
            }
            s3.create_bucket(aws.tls).await?;
            Ok(SelectedBackend { backend: Backend::S3(s3), note: None })
        }
        None => {
            let folder = folder?;
            if (!matches!(creation, BucketCreation::NeverSkipLookup) || folder.join(MOVED_MARKER).exists())
                && let Some(there) = default_bucket().locate().await?
            {
                mark_moved(&folder);
                return Ok(SelectedBackend { backend: Backend::S3(there), note: kept_in(&format!("acme-{part}")) });
            }
            // Who uses the folder already was asked before.
            let question =
                format!("Make the bucket acme-{part}, so that others see the history of this stack, and that it is being changed?");
            if !folder.exists() && user_agrees(&question)? {
                default_bucket().create_bucket(aws.tls).await?;
                return Ok(SelectedBackend { backend: Backend::S3(default_bucket()), note: kept_in(&format!("acme-{part}")) });
            }
            let note = format!(
                "History and locks are kept in {}, seen by this machine only; `--backend s3` shares them through a bucket.",
                folder.display()
            );
            Ok(SelectedBackend { backend: Backend::folder(folder), note: Some(note) })
        }
    }
}

/// In a folder whose records are of no use, since a bucket has come into use.
const MOVED_MARKER: &str = "moved-to-bucket";

/// Has a folder say that a bucket is in use. Where that can't be written, plans believe older records for their labels.
fn mark_moved(folder: &Path) {
    if folder.exists() && !folder.join(MOVED_MARKER).exists() {
        std::fs::write(folder.join(MOVED_MARKER), "").ok();
    }
}

/// Where this user's programs keep what is neither configuration nor cache.
fn state_folder() -> Result<PathBuf> {
    let home = || Some(env::home_dir()?.join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    let state = state.ok_or_else(|| {
        Error::new(
            ErrorKind::Rejected,
            "NoHome",
            "this user has no home folder to keep history and locks in: choose one by `--backend PATH`",
        )
    })?;
    Ok(state.join("acme"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_backend_locations() {
        for (text, read) in [
            ("s3", "s3"),
            ("s3://some-bucket", "s3://some-bucket"),
            ("s3://some-bucket/", "s3://some-bucket"),
            ("s3://some-bucket/a/b/", "s3://some-bucket/a/b"),
            ("./s3", "./s3"),
            ("/var/lib/acme", "/var/lib/acme"),
        ] {
            assert_eq!(text.parse::<BackendLocation>().map(|location| location.to_string()), Ok(read.to_owned()));
        }
        for text in ["", "s3://", "s3://Some_Bucket", "s3://-bucket", "s3://some-bucket//a", "s3://some-bucket/../a", "gs://b", "~/acme"] {
            assert!(text.parse::<BackendLocation>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn keeps_the_simulated_cloud_in_its_own_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (bucket, other) = (BackendLocation::DefaultBucket, BackendLocation::Folder(folder.path().join("other")));
        for (named, declared, expected) in [
            (None, None, "sim/backend/key"),
            (None, Some(&other), "sim/backend/key"),
            (Some(&bucket), None, "sim/backend/key"),
            (Some(&other), Some(&bucket), "other/key"),
        ] {
            let sim = folder.path().join("sim");
            let choice = select_backend(named, declared, CloudLocation::Simulated(&sim), BucketCreation::Never).await.expect("a folder");
            choice.backend.put("key", b"", &super::super::WriteCondition::Always).await.expect("it can be written");
            std::fs::remove_file(folder.path().join(expected)).expect("it is there");
        }
    }
}
