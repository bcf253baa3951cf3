//! Saved plans: made from a plan, and checked against a new one.

use std::path::Path;

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
            commit,
            env: self.options.definition.environment.clone(),
            set: self.options.definition.set.clone(),
            values: self.source.values_files().map(str::to_owned).collect(),
        };
        Ok(SavedPlan::new(plan, &self.stack, (goal, self.selection.clone()), definition, revision).map_err(Error::from)?)
    }
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
        let (definition, commit) = (definition.path.clone(), self.definition.commit.clone());
        Err(SessionError::StaleDefinition { file: definition, commit, help: self.replan_hint(file, plan_again) })
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
        let latest = self.history().revision_numbers().await?.last().copied();
        let mut differences = saved.differences(plan);
        if differences.is_empty() {
            return Ok(());
        }
        if let Some(revision) = latest.filter(|_| saved.revision != latest) {
            differences.push(format!("revision {revision} is newer than the plan (see `acme history`)"));
        }
        let user = session.options.remote_user.as_ref().and_then(|user| user.plan_again.as_ref());
        let help = user.map_or_else(|| saved.replan_hint(file, &plan_again), |line| format!("plan again with `{line}`"));
        Err(SessionError::StalePlan { file: file.display().to_string(), differences, help })
    }
}
