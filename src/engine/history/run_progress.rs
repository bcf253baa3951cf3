//! How far a run is, read from its journal: also for a run of another process.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    core::{Address, Result},
    engine::{
        history::History,
        journal::{CallAction, CallResult, Record, Replay, RunInfo, RunOutcome, RunPhase},
    },
};

/// Progress of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunProgress {
    /// Number of the revision.
    pub revision: u64,
    /// `apply`, `destroy` or `rollback`.
    pub command: String,
    /// Step of a procedure.
    pub procedure: Option<String>,
    /// `user@host`.
    pub actor: String,
    /// Start, in milliseconds since 1970.
    pub started_at: u64,
    /// Time of the last record, in milliseconds since 1970.
    pub last_at: u64,
    /// What the run does now.
    pub phase: ProgressPhase,
    /// Whether a process works on it now. One that neither runs nor ended is unfinished.
    pub running: bool,
    /// Outcome; `None` until it ends.
    pub outcome: Option<RunOutcome>,
    /// Reason of the rollback, if there is one.
    pub rollback_reason: Option<String>,
    /// Calls in order.
    pub calls: Vec<CallProgress>,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressPhase {
    /// It creates and changes.
    Applying,
    /// It deletes, after the point of no return.
    CleaningUp,
    /// It undoes what it did.
    RollingBack,
    /// Nothing: it ended.
    Ended,
}

/// A mutating call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallProgress {
    /// Address of the resource.
    pub address: Address,
    /// Operation.
    pub action: CallAction,
    /// Start, in milliseconds since 1970.
    pub started_at: u64,
    /// End, in milliseconds since 1970; `None` while it runs, or if it was never answered.
    pub ended_at: Option<u64>,
    /// Whether AWS accepted it.
    pub state: CallState,
    /// AWS's error code, if AWS rejected it.
    pub code: Option<String>,
    /// Whether it is part of a rollback.
    pub undo: bool,
}

/// State of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It has no answer yet.
    Running,
    /// AWS made or accepted the change.
    Done,
    /// AWS rejected it.
    Rejected,
    /// The answer was lost.
    Unknown,
}

impl History {
    /// Returns the progress of the last run; `None` if there was none, or its journal is unreadable.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn last_run_progress(&self) -> Result<Option<RunProgress>> {
        let Some(number) = self.revision_numbers().await?.last().copied() else { return Ok(None) };
        let mut progress = RunProgress::of(&self.journal(number).await?);
        if let Some(run) = progress.as_mut().filter(|run| run.phase != ProgressPhase::Ended) {
            run.running = self.is_under_way(run.started_at).await?;
        }
        Ok(progress)
    }
}

impl RunProgress {
    /// Progress that a journal shows.
    fn of(replay: &Replay) -> Option<RunProgress> {
        let RunInfo { revision, command, procedure, actor, .. } = replay.run.clone()?;
        let (phase, outcome) = match replay.state.phase {
            RunPhase::New | RunPhase::Applying => (ProgressPhase::Applying, None),
            RunPhase::CleaningUp => (ProgressPhase::CleaningUp, None),
            RunPhase::RollingBack => (ProgressPhase::RollingBack, None),
            RunPhase::Ended(outcome) => (ProgressPhase::Ended, Some(outcome)),
        };
        let mut calls: Vec<CallProgress> = Vec::new();
        let mut numbers = BTreeMap::new();
        let mut rollback_reason = None;
        for line in &replay.lines {
            match &line.record {
                Record::Intent(intent) => {
                    numbers.insert(line.n, calls.len());
                    let (address, action) = (intent.address.clone(), intent.action);
                    calls.push(CallProgress {
                        address,
                        action,
                        started_at: line.at,
                        ended_at: None,
                        state: CallState::Running,
                        code: None,
                        undo: rollback_reason.is_some(),
                    });
                }
                Record::Result { intent, result } => {
                    if let Some(call) = numbers.get(intent).and_then(|at| calls.get_mut(*at)) {
                        call.ended_at = Some(line.at);
                        (call.state, call.code) = match result {
                            CallResult::Done { .. } => (CallState::Done, None),
                            CallResult::Rejected { code } => (CallState::Rejected, Some(code.clone())),
                            CallResult::Unknown => (CallState::Unknown, None),
                        };
                    }
                }
                Record::Rollback { reason } => rollback_reason = Some(reason.clone()),
                Record::Begin(_) | Record::Prerequisite { .. } | Record::CommitPoint | Record::End { .. } => {}
            }
        }
        let (started_at, last_at) = (replay.lines.first()?.at, replay.lines.last()?.at);
        Some(RunProgress {
            revision,
            command,
            procedure,
            actor,
            started_at,
            last_at,
            phase,
            running: false,
            outcome,
            rollback_reason,
            calls,
        })
    }
}
