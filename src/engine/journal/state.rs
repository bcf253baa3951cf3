//! What may follow what in a journal, as one function.

use std::collections::BTreeSet;

use super::{Outcome, Record};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not begun.
    #[default]
    New,
    /// Making and changing.
    Building,
    /// Past the pivot: deleting what is no longer wanted.
    Clearing,
    /// Undoing.
    RollingBack,
    /// Over.
    Ended(Outcome),
}

/// A run as its journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How far it is.
    pub phase: Phase,
    /// Number of the last record.
    pub last: u64,
    /// Intents without a result.
    pub open: BTreeSet<u64>,
}

/// A record that may not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{record} may not follow in phase {phase:?}")]
pub struct Illegal {
    /// The phase it came in.
    pub phase: Phase,
    /// The record's name.
    pub record: &'static str,
}

impl State {
    /// The state after `record`, which is the next one.
    ///
    /// # Errors
    /// When that record may not come now.
    pub fn next(&self, record: &Record) -> Result<State, Illegal> {
        let mut next = State { phase: self.phase, last: self.last + 1, open: self.open.clone() };
        let name = match (self.phase, record) {
            (Phase::New, Record::Begin(_)) => {
                next.phase = Phase::Building;
                return Ok(next);
            }
            (Phase::Building | Phase::Clearing | Phase::RollingBack, Record::Intent(_)) => {
                next.open.insert(next.last);
                return Ok(next);
            }
            (Phase::Building | Phase::Clearing | Phase::RollingBack, Record::Result { of, .. }) if self.open.contains(of) => {
                next.open.remove(of);
                return Ok(next);
            }
            (Phase::Building, Record::Pivot) if self.open.is_empty() => {
                next.phase = Phase::Clearing;
                return Ok(next);
            }
            // What is open now is looked at afresh.
            (Phase::Building | Phase::Clearing, Record::Rollback { .. }) => {
                next.phase = Phase::RollingBack;
                next.open.clear();
                return Ok(next);
            }
            (Phase::Clearing, Record::End { outcome: Outcome::Done }) if self.open.is_empty() => {
                next.phase = Phase::Ended(Outcome::Done);
                return Ok(next);
            }
            (Phase::RollingBack, Record::End { outcome: Outcome::RolledBack }) if self.open.is_empty() => {
                next.phase = Phase::Ended(Outcome::RolledBack);
                return Ok(next);
            }
            (
                Phase::Building | Phase::Clearing | Phase::RollingBack,
                Record::End { outcome: outcome @ (Outcome::Kept | Outcome::Stuck) },
            ) => {
                next.phase = Phase::Ended(*outcome);
                return Ok(next);
            }
            (_, Record::Begin(_)) => "a beginning",
            (_, Record::Intent(_)) => "an intent",
            (_, Record::Result { .. }) => "a result",
            (_, Record::Pivot) => "the pivot",
            (_, Record::Rollback { .. }) => "a rollback",
            (_, Record::End { .. }) => "this end",
        };
        Err(Illegal { phase: self.phase, record: name })
    }
}
