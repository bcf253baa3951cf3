//! Revisions of a stack: the runs, their times and outcomes. A history, not the state: without it, plans are the same,
//! except that fields which a definition no longer sets are left alone, and that changes of outputs are not shown.

mod run_progress;
mod run_summary;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    core::{Address, EnvironmentName, LiveResource, Result, StackName},
    engine::{
        backend::{Backend, HeldLease, Key, Lease, WriteCondition, with_patience},
        journal::{Journal, Replay, RunInfo, RunOutcome, RunPhase, replay},
        plan::DeclaredFields,
    },
};

pub use run_progress::{CallProgress, CallState, ProgressPhase, RunProgress};
pub use run_summary::{ChangeCounts, FailedCall, RunDetails, RunSummary};
pub use stored::{RevisionSummary, StoredRevision};

/// Revisions of one stack and environment.
#[derive(Clone, Debug)]
pub struct History {
    backend: Backend,
    key: Key,
    stack: StackName,
    environment: EnvironmentName,
}

/// Record of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Name and version of the format, [`FORMAT`].
    pub format: String,
    /// First record of the run.
    pub run: RunInfo,
    /// Start, in milliseconds since 1970.
    pub started_at: u64,
    /// End, in milliseconds since 1970.
    pub ended_at: u64,
    /// Outcome.
    pub outcome: RunOutcome,
    /// Actions in order, each with an address.
    pub done: Vec<(String, Address)>,
    /// Types and regions, other than the stack's, of the resources.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub other_regions: BTreeSet<(String, String)>,
    /// Resources of the stack after the run.
    pub live: BTreeMap<Address, LiveResource>,
    /// Fields that the definition set: what it sets no longer returns to its default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: DeclaredFields,
    /// Outputs of the definition, with references.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
}

/// Last run that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastCompletedRun {
    /// No run.
    None,
    /// Successful run with this number.
    Run(u64),
    /// Unreadable run with this number, which prevents undoing earlier ones.
    Unreadable(u64),
}

/// Command of a run that only undoes others.
pub const ROLLBACK: &str = "rollback";

/// Name and version of the format of a [`Revision`].
pub const FORMAT: &str = "acme-revision/2";

impl History {
    /// Creates the history of a stack and environment.
    pub fn new(backend: Backend, stack: &StackName, environment: &EnvironmentName) -> History {
        let key = Key::revisions(stack, environment);
        History { backend, key, stack: stack.clone(), environment: environment.clone() }
    }

    /// Whether the run that began at this time, in milliseconds since 1970, is under way: its process holds the lease and seems to be active.
    /// One that began before the holder took the lease is another one.
    async fn is_under_way(&self, started_at: u64) -> Result<bool> {
        match Lease::held(&self.backend, &self.stack, &self.environment).await? {
            Some(HeldLease::By { holder, .. }) => Ok(holder.since <= started_at && holder.seems_active()),
            Some(HeldLease::Damaged { .. }) | None => Ok(false),
        }
    }

    /// Returns the numbers of all revisions, the latest last.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn revision_numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.backend.list(&self.key).await?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Returns the journal of a revision, up to any damage.
    ///
    /// # Errors
    /// Fails if the backend can't be read; a damaged journal is not an error.
    pub async fn journal(&self, number: u64) -> Result<Replay> {
        Ok(replay(&self.backend.read_appended(&self.key.journal(number)).await?.unwrap_or_default()))
    }

    /// Returns the record of a finished revision; `None` if it is unfinished or its record is invalid.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn revision(&self, number: u64) -> Result<Option<Revision>> {
        Ok(self.stored_revision(number).await?.and_then(|stored| stored.revision()))
    }

    /// Same, with unparsed resources.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn stored_revision(&self, number: u64) -> Result<Option<StoredRevision>> {
        let object = self.backend.get(&self.key.record(number)).await?;
        Ok(object.and_then(|object| StoredRevision::parse(object.bytes)))
    }

    /// Lists the revisions and reads the record of the last one, once for all later queries.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn snapshot(&self) -> Result<Snapshot<'_>> {
        let numbers = self.revision_numbers().await?;
        let last = match numbers.last() {
            Some(number) => self.stored_revision(*number).await?,
            None => None,
        };
        Ok(Snapshot { history: self, numbers, last })
    }

    /// Returns a run and the unfinished ones it continues, in chronological order.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn chain(&self, number: u64) -> Result<Vec<Replay>> {
        let mut chain = Vec::new();
        let mut number = Some(number);
        while let Some(n) = number {
            let replay = self.journal(n).await?;
            number = replay.run.as_ref().and_then(|begin| begin.continues).filter(|earlier| *earlier < n);
            chain.push(replay);
        }
        chain.reverse();
        Ok(chain)
    }

    /// Returns the last run, if it can be undone.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn last_completed_run(&self) -> Result<LastCompletedRun> {
        for number in self.revision_numbers().await?.into_iter().rev() {
            let replay = self.journal(number).await?;
            match replay.state.phase {
                RunPhase::Ended(RunOutcome::Done) => return Ok(LastCompletedRun::Run(number)),
                RunPhase::Ended(RunOutcome::RolledBack) => continue,
                _ => {}
            }
            let readable = replay.run.is_some() && replay.damage.is_none();
            let undone = self.stored_revision(number).await?.is_some_and(|stored| stored.summary.outcome == RunOutcome::RolledBack);
            if !readable && !undone {
                return Ok(LastCompletedRun::Unreadable(number));
            }
        }
        Ok(LastCompletedRun::None)
    }

    /// Returns the fields that the definition of the last finished run before this one set, and its outputs.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn declared_before(&self, number: u64) -> Result<(DeclaredFields, BTreeMap<String, Value>)> {
        for earlier in self.revision_numbers().await?.into_iter().rev().filter(|earlier| *earlier < number) {
            if let Some(stored) = self.stored_revision(earlier).await?
                && matches!(stored.summary.outcome, RunOutcome::Done | RunOutcome::Kept)
            {
                return Ok((stored.summary.declared, stored.summary.outputs));
            }
        }
        Ok((DeclaredFields::new(), BTreeMap::new()))
    }

    /// Creates the journal of the next revision.
    pub fn start_journal(&self, number: u64) -> Journal {
        Journal::new(self.backend.clone(), self.key.journal(number))
    }

    /// Writes the record of a finished run; retries while the backend is unreachable.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn save(&self, revision: &Revision) -> Result<()> {
        let text = serde_json::to_vec(revision)?;
        let key = self.key.record(revision.run.revision);
        with_patience(|| self.backend.put(&key, &text, &WriteCondition::Always)).await.map(|_| ())
    }
}

/// A history at one point in time.
#[derive(Debug)]
pub struct Snapshot<'a> {
    history: &'a History,
    numbers: Vec<u64>,
    /// Record of the last revision.
    last: Option<StoredRevision>,
}

impl Snapshot<'_> {
    /// Returns the unfinished run and those it continues, in chronological order; empty if the last run is finished.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn unfinished(&self) -> Result<Vec<Replay>> {
        let Some(mut last) = self.numbers.last().copied() else { return Ok(Vec::new()) };
        // The record of a finished run takes precedence over a journal that was truncated later, and is a single read.
        let mut summary = self.last.as_ref().map(|stored| stored.summary.clone());
        while let Some(finished) = summary.filter(|summary| summary.outcome.is_final()) {
            // After a run that undid itself alone, the one that it continued is unfinished as before.
            let undid_itself = finished.outcome == RunOutcome::RolledBack && finished.run.undoes_alone;
            let Some(earlier) = finished.run.continues.filter(|earlier| undid_itself && *earlier < last) else { return Ok(Vec::new()) };
            last = earlier;
            summary = self.history.stored_revision(last).await?.map(|stored| stored.summary);
        }
        let chain = self.history.chain(last).await?;
        Ok(if chain.last().is_some_and(Replay::is_unfinished) { chain } else { Vec::new() })
    }

    /// Returns the last revision if neither its journal nor its record can be read: the changes of that run are unknown.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn unreadable_revision(&self) -> Result<Option<u64>> {
        match self.numbers.last().copied() {
            Some(last) if self.last.is_none() && self.history.journal(last).await?.run.is_none() => Ok(Some(last)),
            _ => Ok(None),
        }
    }

    /// Returns the latest finished run that was not undone: the state of the stack before changes outside acme. Also returns the journals
    /// of later runs that were neither finished nor undone.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn latest(self) -> Result<(Option<StoredRevision>, Vec<Replay>)> {
        let Snapshot { history, numbers, mut last } = self;
        let (mut undone_from, mut since) = (u64::MAX, Vec::new());
        for (back, number) in numbers.into_iter().rev().enumerate() {
            if number >= undone_from {
                continue;
            }
            let stored = if back == 0 { last.take() } else { history.stored_revision(number).await? };
            if stored
                .as_ref()
                .is_some_and(|record| matches!(record.summary.outcome, RunOutcome::Done | RunOutcome::Kept | RunOutcome::Waiting))
            {
                return Ok((stored, since));
            }
            let replay = history.journal(number).await?;
            if replay.state.phase != RunPhase::Ended(RunOutcome::RolledBack) {
                since.push(replay);
                continue;
            }
            // The runs it continues were undone with it, by a failure only the last ones.
            let on_request = replay.run.as_ref().is_some_and(|begin| begin.command == ROLLBACK);
            let earlier = |run: Option<RunInfo>| run.filter(|begin| on_request || !begin.undoes_alone).and_then(|begin| begin.continues);
            let mut undone = earlier(replay.run);
            while let Some(number) = undone.filter(|earlier| *earlier < undone_from) {
                undone_from = number;
                undone = earlier(history.journal(number).await?.run);
            }
        }
        Ok((None, since))
    }
}

/// Whether a run was kept on purpose, or waits for a person: its result is the new starting point.
pub fn was_kept(replay: &Replay) -> bool {
    matches!(replay.state.phase, RunPhase::Ended(RunOutcome::Kept | RunOutcome::Waiting))
}
