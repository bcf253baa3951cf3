//! Selection of the backend: the configured one, or the default of the stack's location.

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

/// Location of the stack.
#[derive(Clone, Copy)]
pub enum CloudLocation<'a> {
    /// Simulated cloud.
    Simulated {
        /// Its folder.
        folder: &'a Path,
        /// Region of the stack.
        region: &'a str,
    },
    /// AWS account.
    Aws {
        /// Clients.
        aws: &'a Aws,
        /// Account id.
        account: &'a str,
    },
}

/// Permission to create a bucket or folder for records.
#[derive(Clone, Copy)]
pub enum BucketCreation<'a> {
    /// Creates nothing, because the command stores nothing. A missing default bucket counts as empty.
    Never,
    /// Creates nothing either, and looks for the default bucket, if not configured, only if a note in the user's folder names it: this
    /// saves a call.
    NeverSkipLookup,
    /// Creates the default bucket if it is configured. There is no terminal to ask.
    IfRequested,
    /// Same, and creates the default bucket if the user confirms; the text is the question.
    Ask(&'a dyn Fn(&str) -> io::Result<bool>),
}

/// A backend, with a note for the user.
#[derive(Clone, Debug)]
pub struct SelectedBackend {
    /// Selected backend.
    pub backend: Backend,
    /// Note for the user, one or two sentences.
    pub note: Option<String>,
}

/// Selects the backend: `named` for this run, else `declared` in the definition, else the default. Calls AWS only for buckets.
///
/// Accounts and regions have separate folders, unless the backend's name contains them. The simulated cloud always uses its own
/// folder.
///
/// # Errors
/// Fails if a bucket is missing, can't be used, or can't be created.
pub async fn select_backend(
    requested: Option<&BackendLocation>,
    declared: Option<&BackendLocation>,
    location: CloudLocation<'_>,
    creation: BucketCreation<'_>,
) -> Result<SelectedBackend> {
    let (aws, account) = match (location, requested) {
        (CloudLocation::Simulated { .. }, Some(BackendLocation::Folder(path))) => {
            return Ok(SelectedBackend { backend: Backend::folder(path), note: None });
        }
        (CloudLocation::Simulated { folder, region }, _) => {
            let backend = Backend::folder(folder.join("backend").join(region));
            return Ok(SelectedBackend { backend, note: None });
        }
        (CloudLocation::Aws { aws, account }, _) => (aws, account),
    };
    let part = format!("{account}-{}", aws.region);
    let folder = state_folder().map(|folder| folder.join(&part));
    let default_bucket = || S3::new(aws.s3.clone(), format!("acme-{part}"), String::new(), Some(account.to_owned()));
    let kept_in = |bucket: &str| Some(format!("History and locks are stored in the bucket {bucket}."));
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
                    note: Some(format!("Created the bucket acme-{part} for history and locks.")),
                })
            }
        },
        Some(BackendLocation::Bucket { name, prefix }) => {
            let prefix = if prefix.is_empty() { format!("{part}/") } else { format!("{prefix}/{part}/") };
            let s3 = S3::new(aws.s3.clone(), name.clone(), prefix, None);
            if let Some(there) = s3.clone().locate().await? {
                return Ok(SelectedBackend { backend: Backend::S3(there), note: None });
            }
            if !user_agrees(&format!("The bucket {name} does not exist. Create it in {} for history and locks?", aws.region))? {
                let message = format!("the bucket `{name}` for history and locks does not exist: create it, or pass `--backend s3`");
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
            // A user with records in the folder was asked before.
            let question = format!("Create the bucket acme-{part}, to share the history and locks of this stack?");
            if !folder.exists() && user_agrees(&question)? {
                default_bucket().create_bucket(aws.tls).await?;
                return Ok(SelectedBackend { backend: Backend::S3(default_bucket()), note: kept_in(&format!("acme-{part}")) });
            }
            let note = format!(
                "History and locks are stored in {} on this machine only; `--backend s3` shares them through a bucket.",
                folder.display()
            );
            Ok(SelectedBackend { backend: Backend::folder(folder), note: Some(note) })
        }
    }
}

/// Note in a folder whose records are obsolete, because a bucket is in use now.
const MOVED_MARKER: &str = "moved-to-bucket";

/// Writes a note into the folder that a bucket is in use. Without it, plans would use older records for their labels.
fn mark_moved(folder: &Path) {
    if folder.exists() && !folder.join(MOVED_MARKER).exists() {
        std::fs::write(folder.join(MOVED_MARKER), "").ok();
    }
}

/// Folder for this user's application state.
fn state_folder() -> Result<PathBuf> {
    let home = || Some(env::home_dir()?.join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    let state = state.ok_or_else(|| {
        Error::new(
            ErrorKind::Rejected,
            "NoHome",
            "the user has no home folder for history and locks: choose a folder with `--backend PATH`",
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
            (None, None, "sim/backend/eu-west-1/key"),
            (None, Some(&other), "sim/backend/eu-west-1/key"),
            (Some(&bucket), None, "sim/backend/eu-west-1/key"),
            (Some(&other), Some(&bucket), "other/key"),
        ] {
            let sim = folder.path().join("sim");
            let location = CloudLocation::Simulated { folder: &sim, region: "eu-west-1" };
            let choice = select_backend(named, declared, location, BucketCreation::Never).await.expect("a folder");
            choice
                .backend
                .put(&"key".parse().expect("a key"), b"", &super::super::WriteCondition::Always)
                .await
                .expect("it can be written");
            std::fs::remove_file(folder.path().join(expected)).expect("it is there");
        }
    }
}
