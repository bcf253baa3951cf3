//! State machine of a journal: the valid order of records, as one function.

use std::collections::BTreeSet;

use super::{Record, RunOutcome};

/// Phase of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// Not started.
    #[default]
    New,
    /// Creating and changing.
    Applying,
    /// After the point of no return: deleting obsolete resources.
    CleaningUp,
    /// Rolling back.
    RollingBack,
    /// Ended.
    Ended(RunOutcome),
}

/// State of a run according to its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// Phase.
    pub phase: RunPhase,
    /// Number of the last record.
    pub last: u64,
    /// Intents without a result.
    pub open_intents: BTreeSet<u64>,
}

/// Record in an invalid phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{record} is not valid in phase {phase:?}")]
pub struct IllegalTransition {
    /// Phase of the run.
    pub phase: RunPhase,
    /// Name of the record.
    pub record: &'static str,
}

impl JournalState {
    /// Returns the state after the next `record`.
    ///
    /// # Errors
    /// Fails if the record is not valid in this phase.
    pub fn next(&self, record: &Record) -> Result<JournalState, IllegalTransition> {
        let mut next = JournalState { phase: self.phase, last: self.last + 1, open_intents: self.open_intents.clone() };
        let name = match (self.phase, record) {
            (RunPhase::New, Record::Begin(_)) => {
                next.phase = RunPhase::Applying;
                return Ok(next);
            }
            (RunPhase::Applying, Record::Prerequisite { .. }) => return Ok(next),
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
            // Open calls are checked again.
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
                Record::End { outcome: outcome @ (RunOutcome::Kept | RunOutcome::Waiting | RunOutcome::Stuck) },
            ) => {
                next.phase = RunPhase::Ended(*outcome);
                return Ok(next);
            }
            (_, Record::Begin(_)) => "a beginning",
            (_, Record::Prerequisite { .. }) => "a prerequisite",
            (_, Record::Intent(_)) => "an intent",
            (_, Record::Result { .. }) => "a result",
            (_, Record::CommitPoint) => "the point of no return",
            (_, Record::Rollback { .. }) => "a rollback",
            (_, Record::End { .. }) => "this end",
        };
        Err(IllegalTransition { phase: self.phase, record: name })
    }
}
