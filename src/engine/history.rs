//! The revisions of a stack: who did what when, and how it ended. A memory, not the state: without it every plan is the same.

mod run_summary;
mod stored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    core::{Address, LiveResource, Result},
    engine::{
        backend::{Backend, WriteCondition},
        journal::{Journal, Replay, RunInfo, RunOutcome, RunPhase, replay},
    },
};

pub use run_summary::{ChangeCounts, FailedCall, RunDetails, RunSummary};
pub use stored::{RevisionSummary, StoredRevision};

/// The revisions of one stack and environment.
#[derive(Clone, Debug)]
pub struct History {
    backend: Backend,
    key: String,
}

/// What is kept of a run that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Name and version of the format, [`FORMAT`].
    pub format: String,
    /// Who ran what.
    pub run: RunInfo,
    /// When it began, milliseconds since 1970.
    pub started_at: u64,
    /// When it ended, milliseconds since 1970.
    pub ended_at: u64,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it did, in order: an action and an address.
    pub done: Vec<(String, Address)>,
    /// What the stack consisted of afterwards.
    pub live: BTreeMap<Address, LiveResource>,
}

/// The last run that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastCompletedRun {
    /// There is none.
    None,
    /// It ended well, under this number.
    Run(u64),
    /// What the run of this number did can't be read any more, so that nothing from before it can be undone by itself.
    Unreadable(u64),
}

/// Name and version of the format of a [`Revision`].
pub const FORMAT: &str = "acme-revision/2";

impl History {
    /// The history of a stack's environment.
    pub fn new(backend: Backend, stack: &str, environment: &str) -> History {
        History { backend, key: format!("{stack}/{environment}/revisions") }
    }

    /// Numbers of all revisions, the latest last.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn revision_numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.backend.list(&self.key).await?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The journal of a revision, as far as it can be believed.
    ///
    /// # Errors
    /// When the backend can't be read; a damaged journal is no error.
    pub async fn journal(&self, number: u64) -> Result<Replay> {
        Ok(replay(&self.backend.read_appended(&self.object_key(number, "journal")).await?.unwrap_or_default()))
    }

    /// What was kept of a revision when it ended; `None` when it did not end, or what was kept can't be understood.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn revision(&self, number: u64) -> Result<Option<Revision>> {
        Ok(self.stored_revision(number).await?.and_then(|stored| stored.revision()))
    }

    /// The same with its resources unparsed.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn stored_revision(&self, number: u64) -> Result<Option<StoredRevision>> {
        let object = self.backend.get(&self.object_key(number, "revision.json")).await?;
        Ok(object.and_then(|object| StoredRevision::parse(object.bytes)))
    }

    /// Lists the revisions and reads what is stored of the last one, once for all questions about the present.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn snapshot(&self) -> Result<Snapshot<'_>> {
        let numbers = self.revision_numbers().await?;
        let last = match numbers.last() {
            Some(number) => self.stored_revision(*number).await?,
            None => None,
        };
        Ok(Snapshot { history: self, numbers, last })
    }

    /// A run and the unfinished ones it went on from, in order of time.
    ///
    /// # Errors
    /// When the backend can't be read.
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

    /// What the last run did, as far as it left something to undo.
    ///
    /// # Errors
    /// When the backend can't be read.
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

    /// A new journal, of the next revision.
    pub fn start_journal(&self, number: u64) -> Journal {
        Journal::new(self.backend.clone(), self.object_key(number, "journal"))
    }

    /// Keeps what is to be remembered of a run that is over.
    ///
    /// # Errors
    /// When the backend can't be written.
    pub async fn save(&self, revision: &Revision) -> Result<()> {
        let text = serde_json::to_vec(revision)?;
        self.backend.put(&self.object_key(revision.run.revision, "revision.json"), &text, &WriteCondition::Always).await.map(|_| ())
    }

    fn object_key(&self, number: u64, name: &str) -> String {
        format!("{}/{number:06}/{name}", self.key)
    }
}

/// A history at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    history: &'a History,
    numbers: Vec<u64>,
    /// What is stored of the last revision.
    last: Option<StoredRevision>,
}

impl Snapshot<'_> {
    /// The unfinished run and those it went on from, in order of time; empty when the last one left nothing to do.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn unfinished(&self) -> Result<Vec<Replay>> {
        let Some(last) = self.numbers.last().copied() else { return Ok(Vec::new()) };
        // What a run wrote when it was over outweighs a journal that was cut short since, and is one read.
        if self.last.as_ref().is_some_and(|stored| stored.summary.outcome.is_final()) {
            return Ok(Vec::new());
        }
        let chain = self.history.chain(last).await?;
        Ok(if chain.last().is_some_and(Replay::is_unfinished) { chain } else { Vec::new() })
    }

    /// The last revision, if its journal can't be read and nothing was kept of it either: what that run did can't be told.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn unreadable_revision(&self) -> Result<Option<u64>> {
        match self.numbers.last().copied() {
            Some(last) if self.last.is_none() && self.history.journal(last).await?.run.is_none() => Ok(Some(last)),
            _ => Ok(None),
        }
    }

    /// The latest run that ended, if it was not undone: where the stack stood when nobody but acme had touched it. With it the journals
    /// of the runs since that were neither finished nor undone.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn latest(self) -> Result<(Option<StoredRevision>, Vec<Replay>)> {
        let Snapshot { history, numbers, mut last } = self;
        let (mut undone_from, mut since) = (u64::MAX, Vec::new());
        for (back, number) in numbers.into_iter().rev().enumerate() {
            if number >= undone_from {
                continue;
            }
            let stored = if back == 0 { last.take() } else { history.stored_revision(number).await? };
            if stored.as_ref().is_some_and(|record| matches!(record.summary.outcome, RunOutcome::Done | RunOutcome::Kept)) {
                return Ok((stored, since));
            }
            let replay = history.journal(number).await?;
            if replay.state.phase != RunPhase::Ended(RunOutcome::RolledBack) {
                since.push(replay);
                continue;
            }
            // What it went on from was undone with it.
            let mut undone = replay.run.and_then(|begin| begin.continues);
            while let Some(number) = undone.filter(|earlier| *earlier < undone_from) {
                undone_from = number;
                undone = history.journal(number).await?.run.and_then(|begin| begin.continues);
            }
        }
        Ok((None, since))
    }
}

/// Whether a run was left standing on purpose: what it did is the new starting point.
pub fn was_kept(replay: &Replay) -> bool {
    replay.state.phase == RunPhase::Ended(RunOutcome::Kept)
}
