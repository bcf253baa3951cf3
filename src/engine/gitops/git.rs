//! A clone of a repository, through the program `git`, which finds the credentials of the user itself.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::Command,
};

use regex_lite::Regex;
use tempfile::TempDir;

use super::RevertError;

/// Variables with which another run of Git names its repository.
const FOREIGN: &[&str] = &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"];

/// A clone with a branch of its remote.
#[derive(Debug)]
pub struct GitClone {
    folder: PathBuf,
    /// Name of the remote, and the branch there.
    remote: String,
    branch: String,
    /// Address of the remote, without credentials.
    url: String,
    /// Holds the work tree, and the clone unless it is one of the user.
    work: TempDir,
}

impl GitClone {
    /// Clones a branch into a temporary folder, which is deleted with this value.
    ///
    /// # Errors
    /// Fails if Git can't read the repository.
    pub fn of_url(url: &str, branch: &str) -> Result<GitClone, RevertError> {
        let work = TempDir::with_prefix("acme-git-")?;
        let folder = work.path().join("clone");
        let mut command = git(work.path());
        command.args(["clone", "--quiet", "--bare", "--single-branch", "--no-tags", "--branch", branch, "--", url]).arg(&folder);
        output("clone", command)?;
        Ok(GitClone { folder, remote: "origin".to_owned(), branch: branch.to_owned(), url: without_credentials(url), work })
    }

    /// Uses a clone of the user, whose files and branches stay as they are.
    ///
    /// # Errors
    /// Fails if it is no clone, is shallow, or has changes that are not committed.
    pub fn of_folder(folder: &Path, url: &str, branch: &str) -> Result<GitClone, RevertError> {
        let shown = folder.display().to_string();
        let run = |arguments: &[&str]| output(arguments.first().copied().unwrap_or_default(), with_arguments(git(folder), arguments));
        if !run(&["status", "--porcelain"])?.is_empty() {
            return Err(RevertError::Dirty(shown));
        }
        if run(&["rev-parse", "--is-shallow-repository"])?.trim() == "true" {
            return Err(RevertError::Shallow(shown));
        }
        let remotes = run(&["remote"])?;
        let is_wanted = |remote: &&str| run(&["remote", "get-url", remote]).is_ok_and(|found| found.trim() == url);
        let remote = remotes.lines().find(is_wanted).unwrap_or("origin").to_owned();
        let found = run(&["remote", "get-url", &remote])?;
        let work = TempDir::with_prefix("acme-git-")?;
        let url = without_credentials(found.trim());
        Ok(GitClone { folder: folder.to_owned(), remote, branch: branch.to_owned(), url, work })
    }

    /// Address of the repository, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Fetches the branch. Returns its last commit.
    pub(super) fn fetch(&self) -> Result<String, RevertError> {
        self.run(&["fetch", "--quiet", "--no-tags", &self.remote, &format!("refs/heads/{}", self.branch)])?;
        Ok(self.run(&["rev-parse", "FETCH_HEAD"])?.trim().to_owned())
    }

    /// Runs a command. Returns what it prints.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, RevertError> {
        output(arguments.first().copied().unwrap_or_default(), with_arguments(git(&self.folder), arguments))
    }

    /// Runs a command in a temporary work tree of a commit, and returns the commit that is there afterwards.
    pub(super) fn commit_in_work_tree(&self, at: &str, arguments: &[&str]) -> Result<String, RevertError> {
        let tree = self.work.path().join("tree");
        let path = tree.display().to_string();
        self.run(&["worktree", "add", "--quiet", "--force", "--detach", &path, at])?;
        let run = |arguments: &[&str]| output(arguments.first().copied().unwrap_or_default(), with_arguments(git(&tree), arguments));
        let made = run(arguments).and_then(|_| run(&["rev-parse", "HEAD"]));
        let removed = self.run(&["worktree", "remove", "--force", &path]);
        let made = made?;
        removed?;
        Ok(made.trim().to_owned())
    }

    /// Pushes a commit to the branch. Returns what Git says if it is refused.
    pub(super) fn push(&self, commit: &str) -> Result<(), RevertError> {
        self.run(&["push", "--quiet", &self.remote, &format!("{commit}:refs/heads/{}", self.branch)]).map(drop)
    }

    /// Text of a file at a commit; `None` if it has none.
    pub(super) fn file_at(&self, commit: &str, path: &str) -> Result<Option<String>, RevertError> {
        let is_there = !self.run(&["ls-tree", "--name-only", commit, "--", path])?.is_empty();
        if is_there { self.run(&["show", &format!("{commit}:{path}")]).map(Some) } else { Ok(None) }
    }

    /// Whether a commit is another one, or comes after it.
    ///
    /// # Errors
    /// Fails if the branch can't be read.
    pub fn contains(&self, later: &str, commit: &str) -> Result<bool, RevertError> {
        if later == commit {
            return Ok(true);
        }
        let is_commit = !later.is_empty() && later.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return Ok(false);
        }
        if self.run(&["cat-file", "-e", &format!("{later}^{{commit}}")]).is_err() {
            self.fetch()?;
        }
        Ok(self.run(&["merge-base", "--is-ancestor", commit, later]).is_ok())
    }
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).env("LC_ALL", "C");
    for variable in FOREIGN {
        command.env_remove(variable);
    }
    if !io::stdin().is_terminal() {
        command.env("GIT_TERMINAL_PROMPT", "0");
    }
    command
}

fn with_arguments(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

fn output(name: &str, mut command: Command) -> Result<String, RevertError> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&done.stdout) } else { said };
    let message = without_credentials(&said.split_whitespace().collect::<Vec<_>>().join(" "));
    Err(RevertError::Git { command: name.to_owned(), message })
}

/// The same text, without users and passwords in addresses.
fn without_credentials(text: &str) -> String {
    // A valid pattern.
    Regex::new("://[^/@\\s'\"]*@").map_or_else(|_| String::new(), |pattern| pattern.replace_all(text, "://").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_addresses_are_not_shown() {
        let said = "fatal: unable to access 'https://me:hunter2@git.example.com/a.git/': refused";
        assert_eq!(without_credentials(said), "fatal: unable to access 'https://git.example.com/a.git/': refused");
        assert_eq!(without_credentials("git@git.example.com:a.git"), "git@git.example.com:a.git");
        assert_eq!(without_credentials("ssh://git@git.example.com/a.git"), "ssh://git.example.com/a.git");
    }
}
