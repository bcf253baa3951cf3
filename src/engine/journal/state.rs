//! What may follow what in a journal, as one function.

use std::collections::BTreeSet;

use super::{Record, RunOutcome};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// Not begun.
    #[default]
    New,
    /// Making and changing.
    Applying,
    /// Past the pivot: deleting what is no longer wanted.
    CleaningUp,
    /// Undoing.
    RollingBack,
    /// Over.
    Ended(RunOutcome),
}

/// A run as its journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// How far it is.
    pub phase: RunPhase,
    /// Number of the last record.
    pub last: u64,
    /// Intents without a result.
    pub open_intents: BTreeSet<u64>,
}

/// A record that may not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{record} may not follow in phase {phase:?}")]
pub struct IllegalTransition {
    /// The phase it came in.
    pub phase: RunPhase,
    /// The record's name.
    pub record: &'static str,
}

impl JournalState {
    /// The state after `record`, which is the next one.
    ///
    /// # Errors
    /// When that record may not come now.
    pub fn next(&self, record: &Record) -> Result<JournalState, IllegalTransition> {
        let mut next = JournalState { phase: self.phase, last: self.last + 1, open_intents: self.open_intents.clone() };
        let name = match (self.phase, record) {
            (RunPhase::New, Record::Begin(_)) => {
                next.phase = RunPhase::Applying;
                return Ok(next);
            }
            (RunPhase::Applying | RunPhase::CleaningUp | RunPhase::RollingBack, Record::Intent(_)) => {
                next.open_intents.insert(next.last);
                return Ok(next);
            }
            (RunPhase::Applying | RunPhase::CleaningUp | RunPhase::RollingBack, Record::Result { intent: of, .. })
                if self.open_intents.contains(of) =>
            {
                next.open_intents.remove(of);
                return Ok(next);
            }
            (RunPhase::Applying, Record::CommitPoint) if self.open_intents.is_empty() => {
                next.phase = RunPhase::CleaningUp;
                return Ok(next);
            }
            // What is open now is looked at afresh.
            (RunPhase::Applying | RunPhase::CleaningUp, Record::Rollback { .. }) => {
                next.phase = RunPhase::RollingBack;
                next.open_intents.clear();
                return Ok(next);
            }
            (RunPhase::CleaningUp, Record::End { outcome: RunOutcome::Done }) if self.open_intents.is_empty() => {
                next.phase = RunPhase::Ended(RunOutcome::Done);
                return Ok(next);
            }
            (RunPhase::RollingBack, Record::End { outcome: RunOutcome::RolledBack }) if self.open_intents.is_empty() => {
                next.phase = RunPhase::Ended(RunOutcome::RolledBack);
                return Ok(next);
            }
            (
                RunPhase::Applying | RunPhase::CleaningUp | RunPhase::RollingBack,
                Record::End { outcome: outcome @ (RunOutcome::Kept | RunOutcome::Stuck) },
            ) => {
                next.phase = RunPhase::Ended(*outcome);
                return Ok(next);
            }
            (_, Record::Begin(_)) => "a beginning",
            (_, Record::Intent(_)) => "an intent",
            (_, Record::Result { .. }) => "a result",
            (_, Record::CommitPoint) => "the pivot",
            (_, Record::Rollback { .. }) => "a rollback",
            (_, Record::End { .. }) => "this end",
        };
        Err(IllegalTransition { phase: self.phase, record: name })
    }
}
