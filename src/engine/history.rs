//! The revisions of a stack: who did what when, and how it ended. A memory, not the state: without it every plan is the same.

mod entry;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    core::{Address, Live, Result},
    engine::{
        backend::{Backend, When},
        journal::{Begin, Journal, Outcome, Phase, Replay, replay},
    },
};

pub use entry::{Counts, Entry, Failed, Told};

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
    pub begin: Begin,
    /// When it began, milliseconds since 1970.
    pub began: u64,
    /// When it ended, milliseconds since 1970.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did, in order: an action and an address.
    pub done: Vec<(String, Address)>,
    /// What the stack consisted of afterwards.
    pub live: BTreeMap<Address, Live>,
}

/// The last run that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastDone {
    /// There is none.
    None,
    /// It ended well, under this number.
    Run(u64),
    /// What the run of this number did can't be read any more, so that nothing from before it can be undone by itself.
    Lost(u64),
}

/// Name and version of the format of a [`Revision`].
pub const FORMAT: &str = "acme-revision/1";

impl History {
    /// The history of a stack's environment.
    pub fn new(backend: Backend, stack: &str, environment: &str) -> History {
        History { backend, key: format!("{stack}/{environment}/revisions") }
    }

    /// Numbers of all revisions, the latest last.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.backend.list(&self.key).await?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The journal of a revision, as far as it can be believed.
    ///
    /// # Errors
    /// When the backend can't be read; a damaged journal is no error.
    pub async fn journal(&self, number: u64) -> Result<Replay> {
        Ok(replay(&self.backend.read(&self.under(number, "journal")).await?.unwrap_or_default()))
    }

    /// What was kept of a revision when it ended; `None` when it did not end, or what was kept can't be understood.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn revision(&self, number: u64) -> Result<Option<Revision>> {
        let object = self.backend.get(&self.under(number, "revision.json")).await?;
        Ok(object.and_then(|object| serde_json::from_slice(&object.bytes).ok()))
    }

    /// The latest run that ended, if it was not undone: where the stack stood when nobody but acme had touched it. With it the journals
    /// of the runs since that were neither finished nor undone.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn latest(&self) -> Result<(Option<Revision>, Vec<Replay>)> {
        let (mut before, mut since) = (u64::MAX, Vec::new());
        for number in self.numbers().await?.into_iter().rev() {
            if number >= before {
                continue;
            }
            let revision = self.revision(number).await?;
            if revision.as_ref().is_some_and(|revision| matches!(revision.outcome, Outcome::Done | Outcome::Kept)) {
                return Ok((revision, since));
            }
            let replay = self.journal(number).await?;
            if replay.state.phase != Phase::Ended(Outcome::RolledBack) {
                since.push(replay);
                continue;
            }
            // What it went on from was undone with it.
            let mut undone = replay.begin.and_then(|begin| begin.continues);
            while let Some(number) = undone.filter(|earlier| *earlier < before) {
                before = number;
                undone = self.journal(number).await?.begin.and_then(|begin| begin.continues);
            }
        }
        Ok((None, since))
    }

    /// The unfinished run and those it went on from, in order of time; empty when the last one left nothing to do.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn unfinished(&self) -> Result<Vec<Replay>> {
        let Some(last) = self.numbers().await?.last().copied() else { return Ok(Vec::new()) };
        // What a run wrote when it was over outweighs a journal that was cut short since, and is one read.
        if self.revision(last).await?.is_some_and(|revision| revision.outcome.is_settled()) {
            return Ok(Vec::new());
        }
        let chain = self.chain(last).await?;
        Ok(if chain.last().is_some_and(Replay::is_unfinished) { chain } else { Vec::new() })
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
            number = replay.begin.as_ref().and_then(|begin| begin.continues).filter(|earlier| *earlier < n);
            chain.push(replay);
        }
        chain.reverse();
        Ok(chain)
    }

    /// What the last run did, as far as it left something to undo.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn last_done(&self) -> Result<LastDone> {
        for number in self.numbers().await?.into_iter().rev() {
            let replay = self.journal(number).await?;
            match replay.state.phase {
                Phase::Ended(Outcome::Done) => return Ok(LastDone::Run(number)),
                Phase::Ended(Outcome::RolledBack) => continue,
                _ => {}
            }
            let whole = replay.begin.is_some() && replay.damage.is_none();
            let undone = self.revision(number).await?.is_some_and(|revision| revision.outcome == Outcome::RolledBack);
            if !whole && !undone {
                return Ok(LastDone::Lost(number));
            }
        }
        Ok(LastDone::None)
    }

    /// The last revision, if its journal can't be read and nothing was kept of it either: what that run did can't be told.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn lost(&self) -> Result<Option<u64>> {
        let Some(last) = self.numbers().await?.last().copied() else { return Ok(None) };
        let lost = self.revision(last).await?.is_none() && self.journal(last).await?.begin.is_none();
        Ok(Some(last).filter(|_| lost))
    }

    /// A new journal, of the next revision.
    pub fn begin(&self, number: u64) -> Journal {
        Journal::new(self.backend.clone(), self.under(number, "journal"))
    }

    /// Keeps what is to be remembered of a run that is over.
    ///
    /// # Errors
    /// When the backend can't be written.
    pub async fn keep(&self, revision: &Revision) -> Result<()> {
        let text = serde_json::to_vec(revision)?;
        self.backend.put(&self.under(revision.begin.revision, "revision.json"), &text, &When::Any).await.map(|_| ())
    }

    fn under(&self, number: u64, name: &str) -> String {
        format!("{}/{number:06}/{name}", self.key)
    }
}

/// Whether a run was left standing on purpose: what it did is the new starting point.
pub fn was_kept(replay: &Replay) -> bool {
    replay.state.phase == Phase::Ended(Outcome::Kept)
}
