//! Changes made outside acme.

use super::{ConnectedSession, DiscoveryDepth, Result, SessionError, StackState};
use crate::engine::{
    history::RevisionSummary,
    plan::{Change, Goal, RecordedState, drift, drift_from_plan, plan},
    run::RunHistory,
};

/// Changes made outside acme since the last finished run; without a recorded run, differences from the definition.
pub struct Drift {
    /// Changes.
    pub changes: Vec<Change>,
    /// Record of the last finished run in this region and account.
    pub recorded: Option<RecordedState>,
    /// Live resources.
    pub state: StackState,
}

impl Drift {
    /// Run that the changes are relative to; `None` if they are relative to the definition.
    pub fn since(&self) -> Option<&RevisionSummary> {
        self.recorded.as_ref()?;
        self.state.history.latest.as_ref().map(|latest| &latest.summary)
    }
}

impl ConnectedSession {
    /// Compares live resources with the record of the last finished run.
    ///
    /// # Errors
    /// Fails if the history or live resources can't be read, or if the stack was never applied.
    pub async fn drift(&self, depth: DiscoveryDepth) -> Result<Drift> {
        let history = RunHistory::read(&self.history()).await.map_err(SessionError::History)?;
        let state = self.state(history, depth).await?;
        let (session, account) = (self.session(), self.account());
        let (stack, region) = (session.stack(), session.region());
        let recorded = state.history.recorded_state(region, account, |_| true);
        if recorded.is_none() {
            session.require_live(&state)?;
        }
        let changes = match &recorded {
            Some(recorded) => drift(stack, recorded, &state.live_state),
            None => drift_from_plan(plan(stack, &state.live_state, Goal::Apply, region, account)),
        };
        Ok(Drift { changes, recorded, state })
    }
}
