//! Saved plans: made from a plan, and checked against a new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{ConnectedSession, ProposedPlan, Result, Session, SessionError, StackState, command_line::shell_quoted, selection::options};
use crate::{
    core::Error,
    definition::Source,
    engine::{
        plan::{Goal, Plan},
        saved_plan::{DefinitionSource, SavedPlan, sha256},
    },
};

impl Session {
    /// Makes a saved plan, to be applied later exactly as shown. `commit` is that of the definition.
    ///
    /// # Errors
    /// Fails if the plan has obstacles, or if the backend can't be read.
    pub async fn save_plan(&self, state: &StackState, plan: &Plan, goal: Goal, commit: Option<String>) -> Result<SavedPlan> {
        if !plan.obstacles.is_empty() {
            return Err(SessionError::Blocked { obstacles: plan.obstacles.clone() });
        }
        let revision = self.history(state).await?.revision_numbers().await?.last().copied();
        let definition = DefinitionSource {
            file: self.source.path.clone(),
            sha256: sha256(self.source.text_for(&self.stack.environment).as_bytes()),
            files: file_hashes(&self.source, &self.stack.environment),
            commit,
            env: self.options.definition.environment.clone(),
            set: self.options.definition.set.clone(),
            values: self.source.values_files().map(str::to_owned).collect(),
        };
        Ok(SavedPlan::new(plan, &self.stack, (goal, self.selection.clone()), definition, revision).map_err(Error::from)?)
    }
}

/// Hashes of the files of a definition for an environment, by their paths.
fn file_hashes(source: &Source, environment: &str) -> BTreeMap<String, String> {
    source.texts_for(environment).map(|(path, text)| (path.to_owned(), sha256(text.as_bytes()))).collect()
}

impl SavedPlan {
    /// Refuses a definition that has changed since the plan. `file` is the path of the saved plan, and `plan_again` the command line that plans.
    ///
    /// # Errors
    /// Fails with [`SessionError::StaleDefinition`].
    pub fn check_definition(&self, definition: &Source, file: &Path, plan_again: &str) -> Result<()> {
        if sha256(definition.text_for(&self.environment).as_bytes()) == self.definition.sha256 {
            return Ok(());
        }
        let (then, now) = (&self.definition.files, file_hashes(definition, &self.environment));
        let paths: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let changed: Vec<&str> = paths.into_iter().filter(|path| then.get(*path) != now.get(*path)).map(String::as_str).collect();
        // A plan for a runner has other paths.
        let file_shown = if then.is_empty() || changed.is_empty() || changed.len() == then.len() + now.len() {
            definition.path.clone()
        } else {
            changed.join("` or `")
        };
        let commit = self.definition.commit.clone();
        Err(SessionError::StaleDefinition { file: file_shown, commit, help: self.replan_hint(file, plan_again) })
    }

    fn replan_hint(&self, file: &Path, plan_again: &str) -> String {
        let destroy = if self.goal == Goal::Destroy { " --destroy" } else { "" };
        format!("plan again with `{plan_again}{destroy}{} --out {}`", options(&self.selection), shell_quoted(&file.display().to_string()))
    }
}

impl ProposedPlan<'_> {
    /// Refuses a plan that differs from the saved one. `file` is the path of the saved plan.
    ///
    /// # Errors
    /// Fails if the definition or the changes differ, or if the history can't be read.
    pub(super) async fn check_saved(&self, saved: &SavedPlan, file: &Path) -> Result<()> {
        self.locked.connected().check_saved(saved, &self.plan, file).await
    }
}

impl ConnectedSession {
    /// Refuses a plan that differs from the saved one. `file` is the path of the saved plan.
    ///
    /// # Errors
    /// Fails if the definition or the changes differ, or if the history can't be read.
    pub async fn check_saved(&self, saved: &SavedPlan, plan: &Plan, file: &Path) -> Result<()> {
        let session = self.session();
        let plan_again = session.command_line("plan");
        saved.check_definition(session.source(), file, &plan_again)?;
        let stacks = saved.changed_stacks(plan);
        let latest = self.history().revision_numbers().await?.last().copied();
        let differences = saved.differences(plan);
        if differences.is_empty() {
            return Ok(());
        }
        let cause = if stacks.is_empty() { "the live state has changed" } else { "another stack has changed" };
        let mut differences: Vec<String> = stacks.into_iter().chain(differences).collect();
        if let Some(revision) = latest.filter(|_| saved.revision != latest) {
            differences.push(format!("revision {revision} is newer than the plan (see `acme history`)"));
        }
        let user = session.options.remote_user.as_ref().and_then(|user| user.plan_again.as_ref());
        let help = user.map_or_else(|| saved.replan_hint(file, &plan_again), |line| format!("plan again with `{line}`"));
        Err(SessionError::StalePlan { cause, file: file.display().to_string(), differences, help })
    }
}
