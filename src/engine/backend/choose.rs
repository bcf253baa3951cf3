//! Which backend: the one that is named, or the one that is usual where the stack is.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use super::{Backend, s3::S3};
use crate::{
    aws::Aws,
    core::{Error, Result, Sort},
    definition::Location,
};

/// Where the stack is.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// In the simulated cloud kept in this folder.
    Local(&'a Path),
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
pub enum Consent<'a> {
    /// Nothing, as nothing is going to be kept. A usual bucket that is not there holds nothing.
    Nothing,
    /// Nothing either, and a usual bucket that nobody named is looked for only where this user's own folder says that it has moved there:
    /// the rest is known without a call.
    NoLook,
    /// The usual bucket, if it is named. Nobody can be asked.
    IfNamed,
    /// The same, and what the user says yes to; the text is a question.
    Ask(&'a dyn Fn(&str) -> io::Result<bool>),
}

/// A backend, and what people should know about it.
#[derive(Clone, Debug)]
pub struct Choice {
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
pub async fn choose(named: Option<&Location>, declared: Option<&Location>, place: Place<'_>, consent: Consent<'_>) -> Result<Choice> {
    let (aws, account) = match (place, named) {
        (Place::Local(_), Some(Location::Folder(path))) => return Ok(Choice { backend: Backend::folder(path), note: None }),
        (Place::Local(dir), _) => return Ok(Choice { backend: Backend::folder(dir.join("backend")), note: None }),
        (Place::Aws { aws, account }, _) => (aws, account),
    };
    let part = format!("{account}-{}", aws.region);
    let folder = state_folder().map(|folder| folder.join(&part));
    let usual = || S3::new(aws.s3.clone(), format!("acme-{part}"), String::new(), Some(account.to_owned()));
    let kept_in = |bucket: &str| Some(format!("History and locks are kept in the bucket {bucket}."));
    let agreed = |question: &str| match consent {
        Consent::Ask(ask) => ask(question).map_err(|error| Error::new(Sort::Refused, "Terminal", error.to_string())),
        Consent::Nothing | Consent::NoLook | Consent::IfNamed => Ok(false),
    };
    match named.or(declared) {
        Some(Location::Folder(path)) => Ok(Choice { backend: Backend::folder(path.join(part)), note: None }),
        Some(Location::UsualBucket) => match (usual().find().await?, consent) {
            (Some(there), _) => {
                folder.iter().for_each(|folder| moved(folder));
                Ok(Choice { backend: Backend::S3(there), note: None })
            }
            (None, Consent::Nothing | Consent::NoLook) => Ok(Choice { backend: Backend::S3(usual()), note: None }),
            (None, Consent::IfNamed | Consent::Ask(_)) => {
                usual().make(aws.tls).await?;
                folder.iter().for_each(|folder| moved(folder));
                Ok(Choice { backend: Backend::S3(usual()), note: Some(format!("Made the bucket acme-{part} for history and locks.")) })
            }
        },
        Some(Location::Bucket { name, prefix }) => {
            let prefix = if prefix.is_empty() { format!("{part}/") } else { format!("{prefix}/{part}/") };
            let s3 = S3::new(aws.s3.clone(), name.clone(), prefix, None);
            if let Some(there) = s3.clone().find().await? {
                return Ok(Choice { backend: Backend::S3(there), note: None });
            }
            if !agreed(&format!("There is no bucket {name}. Make it in {}, for history and locks?", aws.region))? {
                let message = format!("there is no bucket `{name}` to keep history and locks in: make it, or say `--backend s3`");
                return Err(Error::new(Sort::Gone, "NoSuchBucket", message));
            }
            s3.make(aws.tls).await?;
            Ok(Choice { backend: Backend::S3(s3), note: None })
        }
        None => {
            let folder = folder?;
            if (!matches!(consent, Consent::NoLook) || folder.join(MOVED).exists())
                && let Some(there) = usual().find().await?
            {
                moved(&folder);
                return Ok(Choice { backend: Backend::S3(there), note: kept_in(&format!("acme-{part}")) });
            }
            // Who uses the folder already was asked before.
            let question =
                format!("Make the bucket acme-{part}, so that others see the history of this stack, and that it is being changed?");
            if !folder.exists() && agreed(&question)? {
                usual().make(aws.tls).await?;
                return Ok(Choice { backend: Backend::S3(usual()), note: kept_in(&format!("acme-{part}")) });
            }
            let note = format!(
                "History and locks are kept in {}, seen by this machine only; `--backend s3` shares them through a bucket.",
                folder.display()
            );
            Ok(Choice { backend: Backend::folder(folder), note: Some(note) })
        }
    }
}

/// In a folder whose records are of no use, since a bucket has come into use.
const MOVED: &str = "moved-to-bucket";

/// Has a folder say that a bucket is in use. Where that can't be written, plans believe older records for their labels.
fn moved(folder: &Path) {
    if folder.exists() && !folder.join(MOVED).exists() {
        std::fs::write(folder.join(MOVED), "").ok();
    }
}

/// Where this user's programs keep what is neither configuration nor cache.
fn state_folder() -> Result<PathBuf> {
    let home = || Some(env::home_dir()?.join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    let state = state.ok_or_else(|| {
        Error::new(Sort::Refused, "NoHome", "this user has no home folder to keep history and locks in: choose one by `--backend PATH`")
    })?;
    Ok(state.join("acme"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_named_by_a_text() {
        for (text, read) in [
            ("s3", "s3"),
            ("s3://some-bucket", "s3://some-bucket"),
            ("s3://some-bucket/", "s3://some-bucket"),
            ("s3://some-bucket/a/b/", "s3://some-bucket/a/b"),
            ("./s3", "./s3"),
            ("/var/lib/acme", "/var/lib/acme"),
        ] {
            assert_eq!(text.parse::<Location>().map(|location| location.to_string()), Ok(read.to_owned()));
        }
        for text in ["", "s3://", "s3://Some_Bucket", "s3://-bucket", "s3://some-bucket//a", "s3://some-bucket/../a", "gs://b", "~/acme"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn the_simulated_cloud_keeps_to_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (bucket, other) = (Location::UsualBucket, Location::Folder(folder.path().join("other")));
        for (named, declared, expected) in [
            (None, None, "sim/backend/key"),
            (None, Some(&other), "sim/backend/key"),
            (Some(&bucket), None, "sim/backend/key"),
            (Some(&other), Some(&bucket), "other/key"),
        ] {
            let sim = folder.path().join("sim");
            let choice = choose(named, declared, Place::Local(&sim), Consent::Nothing).await.expect("a folder");
            choice.backend.put("key", b"", &super::super::When::Any).await.expect("it can be written");
            std::fs::remove_file(folder.path().join(expected)).expect("it is there");
        }
    }
}
