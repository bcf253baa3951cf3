//! Promotions in a Git repository, and how to revert them.

mod git;
mod promotion;

use std::io;

pub use git::GitClone;
pub use promotion::{Promotion, Revert, short};

/// Why a promotion can't be reverted. Nothing was pushed.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// Git can't be started, or a folder can't be written.
    #[error("can't run `git`: {0}")]
    Program(#[from] io::Error),
    /// Git refused a command.
    #[error("`git {command}` failed: {message}")]
    Git {
        /// Its command, without arguments.
        command: String,
        /// What it said, without credentials.
        message: String,
    },
    /// The clone has changes that are not committed.
    #[error("the clone `{0}` has changes that are not committed: commit or stash them")]
    Dirty(String),
    /// The clone lacks older commits.
    #[error("the clone `{0}` lacks older commits: run `git fetch --unshallow` in it")]
    Shallow(String),
    /// No promotion is left, or the last one is the first image.
    #[error("{0}")]
    Nothing(String),
    /// The commit changed other things, too.
    #[error("{0}")]
    Mixed(String),
    /// Others have pushed meanwhile.
    #[error("{0}")]
    Overtaken(String),
}
