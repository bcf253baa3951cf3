//! Keys of objects in a backend. They are made only from checked names and numbers, so that none leaves its place.

use std::{fmt, str::FromStr};

use crate::core::{EnvironmentName, StackName};

/// Key of an object, or of objects below it: `<stack>/<environment>/revisions/000007/journal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Lease of a stack's environment.
    pub fn lease(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/lease.json"))
    }
    /// Record of the drill that fills a stack's environment.
    pub fn drill(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/drill.json"))
    }
    /// Result of the last drift check of a stack's environment.
    pub fn drift(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/drift.json"))
    }
    /// Record of the last import of a stack's environment.
    pub fn import(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/import.json"))
    }
    /// Environments of a stack.
    pub fn environments(stack: &StackName) -> Key {
        Key(stack.to_string())
    }
    /// Revisions of a stack's environment.
    pub fn revisions(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/revisions"))
    }
    /// Record of the latest remote run of a stack's environment.
    pub fn remote_run(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/remote.json"))
    }
    /// Packages of remote runs of a stack's environment.
    pub fn remote_packages(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/remote"))
    }
    /// Package of the remote run with this id, which has letters, digits and hyphens, below [`Key::remote_packages`].
    pub fn remote_package(&self, run: &str) -> Key {
        let run: String = run.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        Key(format!("{self}/{run}.json"))
    }
    /// Record of the procedures of a stack's environment.
    pub fn procedures(stack: &StackName, environment: &EnvironmentName) -> Key {
        Key(format!("{stack}/{environment}/procedure.json"))
    }
    /// Journal of the revision with this number, below [`Key::revisions`].
    pub fn journal(&self, revision: u64) -> Key {
        Key(format!("{self}/{revision:06}/journal"))
    }
    /// Record of the revision with this number, below [`Key::revisions`].
    pub fn record(&self, revision: u64) -> Key {
        Key(format!("{self}/{revision:06}/revision.json"))
    }
    /// Piece of an object.
    pub(super) fn piece(&self, number: u64) -> Key {
        Key(format!("{self}/{number:08}"))
    }
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = String;
    /// Parses names separated by single slashes; each of them has letters, digits, `-`, `_` and dots, but not only dots.
    fn from_str(text: &str) -> Result<Key, String> {
        let fits = |name: &str| {
            name.bytes().any(|b| b != b'.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if text.split('/').all(fits) { Ok(Key(text.to_owned())) } else { Err(format!("`{text}` is not a valid key")) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_backend() {
        let (stack, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
        assert_eq!(Key::lease(&stack, &environment).as_str(), "shop/production/lease.json");
        assert_eq!(Key::revisions(&stack, &environment).journal(7).as_str(), "shop/production/revisions/000007/journal");
        for wrong in ["", "/a", "a/", "a//b", "..", "a/../b", "a/./b", "C:\\a", "a\0"] {
            assert!(wrong.parse::<Key>().is_err(), "{wrong}");
        }
    }
}
