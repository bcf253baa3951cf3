//! Changes made outside acme.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ConnectedSession, DiscoveryDepth, Result, SessionError, StackState};
use crate::{
    core::Address,
    definition::Stack,
    engine::{
        history::RevisionSummary,
        plan::{Action, Change, Goal, RecordedState, drift, drift_from_plan, plan},
        run::RunHistory,
    },
};

/// Changes made outside acme since the last finished run; without a recorded run, differences from the definition.
pub struct Drift {
    /// Changes.
    pub changes: Vec<Change>,
    /// Changes that the definition leaves to others.
    pub ignored: Vec<IgnoredDrift>,
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

/// Changed fields of a resource that the definition leaves to others, see the common field `ignore_changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IgnoredDrift {
    /// The resource.
    pub address: Address,
    /// Names of the fields.
    pub fields: BTreeSet<String>,
    /// Reason in the definition.
    pub reason: String,
}

/// Separates changes of fields that the definition ignores.
fn separate_ignored(stack: &Stack, mut changes: Vec<Change>) -> (Vec<Change>, Vec<IgnoredDrift>) {
    let mut all = Vec::new();
    for change in &mut changes {
        if let Some(declared) = stack.resources.get(&change.address).filter(|_| change.action == Action::Update) {
            let ignored = change.fields.extract_if(.., |field| declared.ignored_changes.covers(&field.pointer));
            let fields: BTreeSet<String> = ignored.filter_map(|field| field.pointer.split('/').nth(1).map(str::to_owned)).collect();
            if !fields.is_empty() {
                let reason = declared.ignored_changes.reason.clone();
                all.push(IgnoredDrift { address: change.address.clone(), fields, reason });
            }
        }
    }
    changes.retain(|change| change.action != Action::Update || !change.fields.is_empty() || change.tags.is_some());
    (changes, all)
}

impl ConnectedSession {
    /// Compares live resources with the record of the last finished run.
    ///
    /// # Errors
    /// Fails if the history or live resources can't be read, or if the stack was never applied.
    pub async fn drift(&mut self, depth: DiscoveryDepth) -> Result<Drift> {
        self.resolve_external().await;
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
        let (changes, ignored) = separate_ignored(stack, changes);
        Ok(Drift { changes, ignored, recorded, state })
    }
}
