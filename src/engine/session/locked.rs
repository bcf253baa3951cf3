//! Sessions that know their account and backend, and those that hold the lease.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DiscoveryDepth, ProposedPlan, Result, Session, SessionOptions, StackState, proposed_plan::Task};
use crate::{
    core,
    definition::{Location, Source, Stack},
    engine::{
        backend::{Backend, HeldLease, Lease, LeaseWait},
        cloud::Cloud,
        history::History,
        plan::{Goal, Selection},
        procedure_record::StoredRecord,
        run::{RunHistory, UnfinishedRuns},
        saved_plan::SavedPlan,
    },
};

/// A session with the checked account and the backend. It can read the history and take the lease.
pub struct ConnectedSession {
    session: Session,
    account: String,
    backend: Backend,
    note: Option<String>,
}

impl ConnectedSession {
    pub(super) fn new(session: Session, account: String, backend: Backend, note: Option<String>) -> ConnectedSession {
        ConnectedSession { session, account, backend, note }
    }

    /// Session without account and backend.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Account of the credentials.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Storage of history and locks.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Note for the user about the backend: where it is, whether it was created.
    pub fn backend_note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Revisions of this stack.
    pub fn history(&self) -> History {
        self.session.history_in(&self.backend)
    }

    /// Returns the stack's lease, unless it is free.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn held_lease(&self) -> Result<Option<HeldLease>> {
        let stack = &self.session.stack;
        Ok(Lease::held(&self.backend, &stack.name, &stack.environment).await?)
    }

    /// Removes the lease from its holder, which stops within seconds, or replaces a damaged one. False if it is no longer the same.
    ///
    /// # Errors
    /// Fails if the backend can't be read or written.
    pub async fn unlock(&self, held: &HeldLease) -> Result<bool> {
        let stack = &self.session.stack;
        Ok(Lease::unlock(&self.backend, &stack.name, &stack.environment, held).await?)
    }

    /// Acquires the stack's lease for `command`. While another run holds it, waits for up to `wait` and reports the holder to `on_wait`.
    ///
    /// # Errors
    /// Fails with `Locked` if another run still holds it after that, or if the backend can't be used.
    pub async fn lock(mut self, command: &str, wait: Duration, on_wait: impl FnMut(LeaseWait<'_>)) -> Result<LockedSession> {
        let stack = &self.session.stack;
        let lease = Lease::acquire(&self.backend, &stack.name, &stack.environment, command, wait, on_wait).await?;
        self.resolve_external().await;
        let mut locked = LockedSession { connected: self, lease: Some(Arc::new(lease)), run_history: None };
        if let Err(error) = locked.settle_procedures().await {
            // Otherwise, the next run would wait until the lease expires.
            locked.release().await.ok();
            return Err(error);
        }
        Ok(locked)
    }

    /// Reads what the stack uses and does not own.
    pub(super) async fn resolve_external(&mut self) {
        self.session.resolve_external(&self.account).await;
    }

    pub(super) async fn state(&self, history: RunHistory, depth: DiscoveryDepth) -> Result<StackState> {
        self.session.discover_after(self.account.clone(), history, depth).await
    }
}

/// A session that holds the stack's lease, the only one that can make changes. End it with [`LockedSession::release`]; the lease of one
/// that is dropped expires.
///
/// A plan borrows the session mutably: it is applied or dropped before the next one is made, and none outlives the lease.
pub struct LockedSession {
    connected: ConnectedSession,
    /// `None` in the sandbox of a rehearsal.
    lease: Option<Arc<Lease>>,
    /// History read for the next plan.
    run_history: Option<RunHistory>,
}

impl LockedSession {
    /// Session of a rehearsal, in a simulated cloud and a backend that no other process can reach: it needs no lease.
    pub(in crate::engine) fn in_sandbox(stack: Stack, account: &str, cloud: Arc<Cloud>, backend: Backend) -> LockedSession {
        let (source, options) = (Source::new("", ""), SessionOptions::default());
        let session = Session {
            source,
            stack,
            cloud,
            options,
            location: Location::default(),
            record: StoredRecord::default(),
            defined_values: BTreeMap::new(),
            selection: Selection::default(),
            external: None,
            ignored_notes: Vec::new(),
            answers: None,
            opened_at: Instant::now(),
        };
        let connected = ConnectedSession::new(session, account.to_owned(), backend, None);
        LockedSession { connected, lease: None, run_history: None }
    }

    /// Session without the lease.
    pub fn session(&self) -> &Session {
        &self.connected.session
    }

    /// Account and backend of the session.
    pub(super) fn connected(&self) -> &ConnectedSession {
        &self.connected
    }

    /// Account of the credentials.
    pub fn account(&self) -> &str {
        &self.connected.account
    }

    /// Revisions of this stack.
    pub fn history(&self) -> History {
        self.connected.history()
    }

    /// Releases the lease.
    ///
    /// # Errors
    /// Fails if the backend can't be written; then the lease expires.
    pub async fn release(self) -> core::Result<()> {
        match &self.lease {
            Some(lease) => lease.release().await,
            None => Ok(()),
        }
    }

    /// Reads the history that the next plan uses.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn run_history(&mut self) -> Result<&RunHistory> {
        let history = match self.run_history.take() {
            Some(history) => history,
            None => RunHistory::read(&self.history()).await?,
        };
        Ok(self.run_history.insert(history))
    }

    /// Reads all resources of the stack and plans for a goal. An unfinished run is continued.
    ///
    /// # Errors
    /// Fails if the history or live resources can't be read.
    pub async fn plan(&mut self, goal: Goal) -> Result<ProposedPlan<'_>> {
        // An unfinished run may still be rolled back, which takes every detail.
        let is_unfinished = !self.run_history().await?.unfinished.journals.is_empty();
        let depth = match goal {
            Goal::Apply => DiscoveryDepth::Recorded,
            Goal::Destroy if is_unfinished => DiscoveryDepth::RecordedForDeletion,
            Goal::Destroy => DiscoveryDepth::ForDeletion,
        };
        self.plan_in_depth(goal, depth).await
    }

    /// Plans again towards the goal of a saved plan, and refuses a plan that differs from it. `file` is the path of the saved plan.
    ///
    /// # Errors
    /// Fails if the definition or the changes differ, or if the history or live resources can't be read.
    pub async fn plan_saved(&mut self, saved: &SavedPlan, file: &Path) -> Result<ProposedPlan<'_>> {
        self.session_mut().select(saved.selection.clone());
        // The saved plan has every detail, of deletions too.
        let proposed = self.plan_in_depth(saved.goal, DiscoveryDepth::Recorded).await?;
        proposed.check_saved(saved, file).await?;
        Ok(proposed)
    }

    /// Reads all resources of the stack, with the history that was read for this plan.
    pub(super) async fn discover_for_plan(&mut self, depth: DiscoveryDepth) -> Result<StackState> {
        self.run_history().await?;
        let history = self.run_history.take().unwrap_or_default();
        self.connected.state(history, depth).await
    }

    async fn plan_in_depth(&mut self, goal: Goal, depth: DiscoveryDepth) -> Result<ProposedPlan<'_>> {
        let state = self.discover_for_plan(depth).await?;
        self.connected.session.choose_values(&state, goal).await?;
        let plan = self.session().plan(&state, goal).await?;
        let StackState { live_state, history: RunHistory { unfinished, .. }, .. } = state;
        Ok(ProposedPlan::new(self, Task::Reach(goal), plan, live_state, unfinished))
    }

    /// Reads the unfinished runs.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn unfinished_runs(&self) -> Result<UnfinishedRuns> {
        Ok(UnfinishedRuns::read(&self.history()).await?)
    }

    /// The session without the lease, to change its stack before a plan.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.connected.session
    }

    /// Storage of history and locks.
    pub fn backend(&self) -> &Backend {
        &self.connected.backend
    }

    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }
}
