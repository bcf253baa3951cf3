//! The files of a definition, and whether they have changed since they were read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Files and folders with what a change of them changes.
#[derive(Default)]
pub(super) struct WatchedFiles {
    /// The stack file.
    stack: Option<PathBuf>,
    states: BTreeMap<PathBuf, FileState>,
}

/// Time of the last change and size; `None` if it does not exist or can't be read.
type FileState = Option<(SystemTime, u64)>;

impl WatchedFiles {
    /// Watches a stack file, whose definition is not known yet.
    pub(super) fn of_stack(stack: Option<PathBuf>) -> WatchedFiles {
        let mut files = WatchedFiles { stack, ..WatchedFiles::default() };
        files.watch([]);
        files
    }

    /// Watches these files, the stack file and the folder of values instead of those before. What was watched before has changed if it has since
    /// then. An included file that is missing is a problem of the definition, so its folder is not watched.
    pub(super) fn watch(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let values = self.stack.as_ref().and_then(|stack| Some(stack.parent()?.join("values")));
        let paths: BTreeSet<PathBuf> = files.into_iter().chain(self.stack.clone()).chain(values).collect();
        self.states = paths.into_iter().map(|path| self.states.remove_entry(&path).unwrap_or_else(|| with_state(path))).collect();
    }

    /// Whether a file has changed since [`WatchedFiles::note_changes`].
    pub(super) fn have_changed(&self) -> bool {
        self.states.iter().any(|(path, state)| *state != state_of(path))
    }

    /// Notes the present state of all files.
    pub(super) fn note_changes(&mut self) {
        for (path, state) in &mut self.states {
            *state = state_of(path);
        }
    }
}

fn with_state(path: PathBuf) -> (PathBuf, FileState) {
    let state = state_of(&path);
    (path, state)
}

fn state_of(path: &Path) -> FileState {
    let file = path.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn notices_edits_of_all_files_until_they_are_noted() {
        let folder = tempfile::tempdir().unwrap();
        let [stack, included, values] = ["stack.yaml", "more.yaml", "values"].map(|name| folder.path().join(name));
        fs::write(&stack, "a").unwrap();
        fs::write(&included, "a").unwrap();
        let mut files = WatchedFiles::of_stack(Some(stack.clone()));
        assert!(!files.have_changed());
        files.watch([stack.clone(), included.clone()]);
        assert!(!files.have_changed());

        fs::write(&included, "ab").unwrap();
        assert!(files.have_changed());
        // What was edited during a read has still changed after it.
        files.watch([stack.clone(), included.clone()]);
        assert!(files.have_changed());
        files.note_changes();
        assert!(!files.have_changed());

        for change in [fs::create_dir(&values), fs::remove_file(&included), fs::write(&stack, "abc")] {
            change.unwrap();
        }
        assert!(files.have_changed());
        files.note_changes();
        fs::write(&included, "a").unwrap();
        assert!(files.have_changed(), "a file that is there again");
        files.watch([stack]);
        assert!(!files.have_changed(), "a file that the definition no longer includes");
    }
}
