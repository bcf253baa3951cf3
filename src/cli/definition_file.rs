//! The file of a definition: an argument, or the default file in the current folder.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{StackArguments, refusal::refuse};

/// Names of the default file.
pub const DEFAULT_FILES: [&str; 2] = ["acme.yaml", "stack.yaml"];

impl StackArguments {
    /// Path of the definition or saved plan.
    ///
    /// # Errors
    /// Fails if no file is named, and the current folder has none or both of the default ones.
    pub fn path(&self) -> Result<PathBuf> {
        match (&self.file, &self.file_option) {
            (Some(file), Some(option)) => {
                refuse!(
                    "definition-file",
                    "both `{}` and `--file {}` name a definition: remove one of them",
                    file.display(),
                    option.display()
                )
            }
            (Some(file), None) | (None, Some(file)) => Ok(file.clone()),
            (None, None) => default_file(Path::new("")),
        }
    }

    /// Same arguments for another file.
    pub fn with_path(&self, file: PathBuf) -> StackArguments {
        StackArguments { file: Some(file), file_option: None, ..self.clone() }
    }

    /// Takes the first positional argument if it is not the file, because `--file` names that or `is_other` recognizes the argument.
    pub fn take_positional(&mut self, is_other: impl FnOnce(&str) -> bool) -> Option<String> {
        let first = self.file.as_ref()?.to_str()?.to_owned();
        if self.file_option.is_none() && !is_other(&first) {
            return None;
        }
        self.file = None;
        Some(first)
    }
}

/// Whether an argument is a definition, in a command whose arguments can be others, such as an address.
pub fn is_definition(path: &Path) -> bool {
    path.exists() || path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Whether the current folder has a default file.
pub fn has_default_file() -> bool {
    DEFAULT_FILES.iter().any(|file| Path::new(file).is_file())
}

/// Default file in a folder.
///
/// # Errors
/// Fails if it has none or both.
pub fn default_file(folder: &Path) -> Result<PathBuf> {
    let [first, second] = DEFAULT_FILES.map(|name| folder.join(name));
    match (first.is_file(), second.is_file()) {
        (true, false) => Ok(first),
        (false, true) => Ok(second),
        (true, true) => refuse!(
            "definition-file",
            "both `{}` and `{}` are in this folder: name one of them, or remove the other",
            DEFAULT_FILES[0],
            DEFAULT_FILES[1]
        ),
        (false, false) => refuse!(
            "definition-file",
            "no definition is named, and neither `{}` nor `{}` is in this folder: name the file, or create one with `acme new NAME`",
            DEFAULT_FILES[0],
            DEFAULT_FILES[1]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_only_default_file() {
        let folder = tempfile::tempdir().unwrap();
        let found = || default_file(folder.path()).map_err(|error| error.to_string());
        assert!(found().unwrap_err().contains("neither"));
        std::fs::write(folder.path().join("stack.yaml"), "").unwrap();
        assert_eq!(found(), Ok(folder.path().join("stack.yaml")));
        std::fs::write(folder.path().join("acme.yaml"), "").unwrap();
        assert!(found().unwrap_err().contains("both"));
        std::fs::remove_file(folder.path().join("stack.yaml")).unwrap();
        assert_eq!(found(), Ok(folder.path().join("acme.yaml")));
    }
}
