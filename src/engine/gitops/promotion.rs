//! The last promotion of a service, and the commit that reverts it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{GitClone, RevertError};
use crate::core::is_unprintable;

/// Commits of a service that are searched for a promotion.
const MAX_COMMITS: &str = "500";
/// Pushes while others push, too.
const MAX_PUSHES: usize = 5;

/// The last promotion of a service in an environment that was not reverted.
#[derive(Debug)]
pub struct Promotion {
    /// Folder with the values that promotions change.
    folder: String,
    /// File with them.
    file: String,
    /// Commit.
    pub commit: String,
    /// Its first line.
    pub subject: String,
    /// Author and time.
    pub by: String,
    is_merge: bool,
}

/// A commit that reverts a promotion, which is not pushed yet.
#[derive(Debug)]
pub struct Revert {
    /// The promotion.
    pub promotion: Promotion,
    /// The commit; another one after the push, if others have pushed meanwhile.
    pub commit: String,
    /// Last commit of the branch, on which it is based.
    base: String,
    /// Image that runs now.
    pub before: String,
    /// Image that runs then.
    pub after: String,
}

impl GitClone {
    /// Makes a commit that reverts the last promotion of a service.
    ///
    /// # Errors
    /// Fails without a promotion, and for one that has also changed other files.
    pub fn revert_promotion(&self, folder: &str, file: &str) -> Result<Revert, RevertError> {
        let base = self.fetch()?;
        let promotion = self.last_promotion(&base, folder, file)?;
        self.refuse_first(&promotion)?;
        self.refuse_mixed(&promotion)?;
        let commit = self.revert(&promotion, &base)?;
        let (before, after) = (self.image_at(&base, file)?, self.image_at(&commit, file)?);
        Ok(Revert { promotion, commit, base, before, after })
    }

    /// Pushes a revert. If others have pushed meanwhile, it is made again after their commits, unless they have changed the service.
    ///
    /// # Errors
    /// Fails if the push is refused.
    pub fn push_revert(&self, revert: &mut Revert) -> Result<(), RevertError> {
        for _ in 1..MAX_PUSHES {
            let Err(refused) = self.push(&revert.commit) else { return Ok(()) };
            let base = self.fetch()?;
            if base == revert.base {
                return Err(refused);
            }
            let Promotion { folder, file, commit, .. } = &revert.promotion;
            if self.last_promotion(&base, folder, file)?.commit != *commit {
                return Err(RevertError::Overtaken(
                    "another release of the service was pushed meanwhile: run the command again".to_owned(),
                ));
            }
            revert.commit = self.revert(&revert.promotion, &base)?;
            revert.base = base;
        }
        self.push(&revert.commit)
    }

    /// The newest commit that changed the folder and was not reverted: reverting a revert would bring the refused release back.
    fn last_promotion(&self, head: &str, folder: &str, file: &str) -> Result<Promotion, RevertError> {
        let listed = self.run(&["log", "--format=%H", "--max-count", MAX_COMMITS, head, "--", folder])?;
        let mut reverted: BTreeSet<String> = BTreeSet::new();
        for commit in listed.lines() {
            let message = self.run(&["show", "--no-patch", "--format=%B", commit])?;
            let undone = reverted_commit(&message);
            if let Some(undone) = undone {
                // A revert that was reverted itself has no effect.
                if !reverted.contains(commit) {
                    reverted.insert(undone.to_owned());
                }
                continue;
            }
            if reverted.contains(commit) {
                continue;
            }
            let shown = self.run(&["show", "--no-patch", "--format=%P%n%an, %ad%n%s", "--date=iso", commit])?;
            let mut lines = shown.lines().map(|line| line.replace(is_unprintable, " "));
            let is_merge = lines.next().is_some_and(|parents| parents.split(' ').count() > 1);
            let (by, subject) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            return Ok(Promotion { folder: folder.to_owned(), file: file.to_owned(), commit: commit.to_owned(), subject, by, is_merge });
        }
        Err(RevertError::Nothing(format!("no commit of {} has changed `{folder}` that is not reverted already", self.branch())))
    }

    fn refuse_first(&self, promotion: &Promotion) -> Result<(), RevertError> {
        let parent = format!("{}^1", promotion.commit);
        let has_parent = self.run(&["rev-parse", "--verify", "--quiet", &parent]).is_ok();
        if has_parent && !self.image_at(&parent, &promotion.file)?.is_empty() {
            return Ok(());
        }
        let message = format!("{} brought the first image, so there is none to return to", short(&promotion.commit));
        Err(RevertError::Nothing(message))
    }

    fn refuse_mixed(&self, promotion: &Promotion) -> Result<(), RevertError> {
        let Promotion { commit, folder, .. } = promotion;
        let parent = format!("{commit}^1");
        let changed = self.run(&["diff", "--name-only", "-z", "--no-renames", &parent, commit])?;
        let below = format!("{folder}/");
        let others: Vec<&str> = changed.split('\0').filter(|path| !path.is_empty() && !path.starts_with(&below)).collect();
        let (Some(first), count) = (others.first(), others.len()) else { return Ok(()) };
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let (short, first) = (short(commit), first.replace(is_unprintable, " "));
        let message = format!(
            "the last change, {short}, has changed other files, too: `{first}`{more}. Run `git revert {short}` to revert all of it, or \
             `git checkout {short}^ -- {folder}` and `git commit` to return this service alone"
        );
        Err(RevertError::Mixed(message))
    }

    fn revert(&self, promotion: &Promotion, base: &str) -> Result<String, RevertError> {
        let mut arguments = vec!["revert", "--no-edit"];
        if promotion.is_merge {
            arguments.extend(["--mainline", "1"]);
        }
        arguments.push(&promotion.commit);
        self.commit_in_work_tree(base, &arguments)
    }

    /// The image in the values of a service at a commit; empty if there is none.
    fn image_at(&self, commit: &str, file: &str) -> Result<String, RevertError> {
        let text = self.file_at(commit, file)?.unwrap_or_default();
        let values: Value = serde_saphyr::from_str(&text).unwrap_or(Value::Null);
        let image = values.get("image").and_then(Value::as_str).unwrap_or_default();
        Ok(image.replace(is_unprintable, " "))
    }
}

/// The commit that a commit reverts, as `git revert` writes it.
fn reverted_commit(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("This reverts commit ")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    rest.get(..end).filter(|commit| commit.len() >= 40)
}

/// The start of a commit's id.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_commit_that_a_commit_reverts() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(reverted_commit(&format!("Revert \"x\"\n\nThis reverts commit {id}.\n")), Some(id));
        assert_eq!(reverted_commit(&format!("Revert \"x\"\n\nThis reverts commit {id}, reversing\nchanges made to y.")), Some(id));
        assert_eq!(reverted_commit("Release\n"), None);
    }
}
