//! Plans for a run on another machine, which takes the lease there.

use super::{ConnectedSession, DiscoveryDepth, Result, Session, StackState};
use crate::{
    definition::BackendLocation,
    engine::{
        plan::{Goal, Plan, Selection},
        run::RunHistory,
    },
};

impl ConnectedSession {
    /// Limits plans to these resources.
    pub fn select(&mut self, selection: Selection) {
        self.session_mut().select(selection);
    }

    /// Reads all resources of the stack and plans for a goal, without the lease: such a plan can be saved, and not applied here.
    ///
    /// # Errors
    /// Fails if the history or live resources can't be read.
    pub async fn plan_unlocked(&mut self, goal: Goal) -> Result<(StackState, Plan)> {
        self.resolve_external().await;
        let history = RunHistory::read(&self.history()).await?;
        // A saved plan has every detail, of deletions too.
        let state = self.state(history, DiscoveryDepth::Recorded).await?;
        self.session_mut().choose_values(&state, goal).await?;
        let plan = self.session().plan(&state, goal).await?;
        Ok((state, plan))
    }
}

impl Session {
    /// Region for the same session on another machine: `None` if the definition has it.
    pub fn region_elsewhere(&self) -> Option<String> {
        let is_declared = self.stack.region.is_some() && self.options.region.is_none();
        (!is_declared).then(|| self.region().to_owned())
    }

    /// Location of the bucket with the history for the same session on another machine: `None` if the definition has it.
    pub fn backend_elsewhere(&self) -> Option<BackendLocation> {
        match (&self.options.backend, &self.stack.backend) {
            (Some(requested), _) => Some(requested.clone()),
            (None, Some(_)) => None,
            // There, the default bucket is not looked for.
            (None, None) => Some(BackendLocation::DefaultBucket),
        }
    }
}
