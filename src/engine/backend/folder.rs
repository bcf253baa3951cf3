//! Backend in a folder on this machine.

use std::{
    fs,
    io::{ErrorKind, Result, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{Key, Object, WriteCondition, WriteResult};
use crate::core::{file_lock, private_files};

/// Folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Folder {
        Folder { path }
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Object>> {
        match fs::read(self.path.join(key.as_str())) {
            Ok(bytes) => Ok(Some(Object { version: version(&bytes), bytes })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Compares and writes while holding a lock on the folder. The content is renamed into place, so that readers see all or nothing.
    pub(super) fn put(&self, key: &Key, bytes: &[u8], condition: &WriteCondition) -> Result<WriteResult> {
        let path = self.path.join(key.as_str());
        private_files::create_dir_all(path.parent().unwrap_or(&self.path))?;
        let lock_path = self.path.join("lock");
        // Dropping `held` releases the lock.
        let lock_file = private_files::open_options().create(true).truncate(false).write(true).open(&lock_path)?;
        file_lock::lock(&lock_file, &lock_path, file_lock::TIMEOUT)?;
        let there = self.get(key)?;
        let is_met = match (condition, &there) {
            (WriteCondition::Always, _) | (WriteCondition::IfAbsent, None) => true,
            (WriteCondition::IfVersion(wanted), Some(there)) => *wanted == there.version,
            (WriteCondition::IfAbsent, Some(_)) | (WriteCondition::IfVersion(_), None) => false,
        };
        if !is_met {
            return Ok(WriteResult::Conflict);
        }
        let new = path.with_added_extension(format!("new-{}", std::process::id()));
        let mut file = private_files::open_options().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&new, &path)?;
        Ok(WriteResult::Done(version(bytes)))
    }

    /// Appends a piece. The first piece creates the file, which must not exist.
    pub(super) fn append(&self, key: &Key, number: u64, bytes: &[u8]) -> Result<WriteResult> {
        let path = self.path.join(key.as_str());
        private_files::create_dir_all(path.parent().unwrap_or(&self.path))?;
        let opened = if number == 0 {
            private_files::open_options().create_new(true).append(true).open(&path)
        } else {
            private_files::open_options().append(true).open(&path)
        };
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(WriteResult::Conflict),
            Err(error) => return Err(error),
        };
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok(WriteResult::Done(number.to_string()))
    }

    pub(super) fn read_appended(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self.get(key)?.map(|object| object.bytes))
    }

    /// Names at the top, folders only: the lock is a file.
    pub(super) fn list_root(&self) -> Result<Vec<String>> {
        Ok(list_folder(&self.path)?.into_iter().filter(|name| self.path.join(name).is_dir()).collect())
    }

    pub(super) fn list(&self, key: &Key) -> Result<Vec<String>> {
        list_folder(&self.path.join(key.as_str()))
    }

    pub(super) fn delete(&self, key: &Key) -> Result<()> {
        match fs::remove_file(self.path.join(key.as_str())) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Names in a folder, sorted; a missing one is empty.
fn list_folder(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
