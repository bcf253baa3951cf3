//! Entries of the history.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use super::{History, RevisionSummary};
use crate::{
    core::{Address, Error, LiveResource, Result},
    engine::{
        journal::{CallAction, CallResult, Damage, Intent, Record, Replay, RunInfo, RunOutcome, RunPhase},
        plan::{self, Change, NullMeans, diff_resource},
    },
};

/// Summary of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// First record of the run.
    pub run: RunInfo,
    /// Start, in milliseconds since 1970.
    pub started_at: u64,
    /// End, in milliseconds since 1970; `None` if it is unfinished.
    pub ended_at: Option<u64>,
    /// Outcome; `None` if it is unfinished.
    pub outcome: Option<RunOutcome>,
    /// Number of changes before any rollback.
    pub counts: ChangeCounts,
    /// Whether it can be continued or undone: work remains, and no process does it now.
    pub unfinished: bool,
    /// Whether a process works on it now.
    pub running: bool,
}

/// Number of resources by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Created.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Deleted or forgotten.
    pub delete: usize,
}

/// A run with all its steps.
#[derive(Clone, Debug)]
pub struct RunDetails {
    /// Summary.
    pub summary: RunSummary,
    /// Actions in order.
    pub changes: Vec<Change>,
    /// Reason for the rollback, if any.
    pub rollback_reason: Option<String>,
    /// Actions of the rollback, in order.
    pub rolled_back_changes: Vec<Change>,
    /// Failed calls and calls without a response.
    pub failed_calls: Vec<FailedCall>,
    /// Damage of its journal, if any.
    pub damage: Option<Damage>,
}

/// Failed call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedCall {
    /// Address of the resource.
    pub address: Address,
    /// Operation.
    pub action: CallAction,
    /// AWS error code; `None` without a response, so that the call may have taken effect.
    pub code: Option<String>,
}

impl History {
    /// Returns the latest runs, the last one first, and the number of earlier ones. `None` for unreadable runs.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn recent_runs(&self, limit: usize) -> Result<(Vec<(u64, Option<RunSummary>)>, usize)> {
        let mut numbers = self.revision_numbers().await?;
        let omitted = numbers.len().saturating_sub(limit);
        numbers.drain(..omitted);
        let read = |number| async move { Ok::<_, Error>((number, self.run_summary(number).await?)) };
        let mut runs: Vec<_> = stream::iter(numbers.into_iter().rev().map(read)).buffered(16).try_collect().await?;
        mark_unfinished(&mut runs);
        if let Some((_, Some(last))) = runs.first()
            && last.outcome.is_none()
            && self.is_under_way(last.started_at).await?
        {
            mark_running(&mut runs);
        }
        Ok((runs, omitted))
    }

    async fn run_summary(&self, number: u64) -> Result<Option<RunSummary>> {
        // One object, while a journal may have hundreds.
        if let Some(stored) = self.stored_revision(number).await? {
            return Ok(Some(RunSummary::from_revision(&stored.summary)));
        }
        Ok(RunSummary::from_journal(&self.journal(number).await?))
    }

    /// Returns a run with all its steps; `None` if it is unreadable.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn run_details(&self, number: u64) -> Result<Option<RunDetails>> {
        let (replay, stored) = (self.journal(number).await?, self.stored_revision(number).await?);
        let Some(mut summary) =
            stored.map(|stored| RunSummary::from_revision(&stored.summary)).or_else(|| RunSummary::from_journal(&replay))
        else {
            return Ok(None);
        };
        let left = self.snapshot().await?.unfinished().await?;
        summary.unfinished = left.iter().filter_map(|replay| replay.run.as_ref()).any(|begin| begin.revision == number);
        if summary.unfinished && summary.outcome.is_none() && self.is_under_way(summary.started_at).await? {
            (summary.running, summary.unfinished) = (true, false);
        }
        let damage = replay.damage.clone();
        let mut details = RunDetails {
            summary,
            changes: Vec::new(),
            rollback_reason: None,
            rolled_back_changes: Vec::new(),
            failed_calls: Vec::new(),
            damage,
        };
        details.add_calls(&replay);
        Ok(Some(details))
    }
}

/// Marks the last run, and those it continues, as unfinished if work remains.
fn mark_unfinished(runs: &mut [(u64, Option<RunSummary>)]) {
    let mut left = runs.first().map(|(number, _)| *number);
    let mut found = false;
    for (number, entry) in runs {
        if let Some(entry) = entry.as_mut().filter(|_| left == Some(*number)) {
            found |= !entry.outcome.is_some_and(RunOutcome::is_final);
            entry.unfinished = found;
            // A run that undid itself alone leaves the one that it continued as it was.
            let undid_itself = entry.outcome == Some(RunOutcome::RolledBack) && entry.run.undoes_alone;
            left = entry.run.continues.filter(|_| found || undid_itself);
        }
    }
}

/// Marks the last run as running. Neither it nor those that it continues can be continued by another command meanwhile.
fn mark_running(runs: &mut [(u64, Option<RunSummary>)]) {
    for (number, (_, entry)) in runs.iter_mut().enumerate() {
        if let Some(entry) = entry {
            (entry.running, entry.unfinished) = (number == 0, false);
        }
    }
}

impl RunSummary {
    fn from_revision(summary: &RevisionSummary) -> RunSummary {
        let mut counts = ChangeCounts::default();
        let mut updated = BTreeSet::new();
        for (op, address) in &summary.done {
            match op.as_str() {
                "create" => counts.create += 1,
                "update" | "prune" => drop(updated.insert(address)),
                "delete" | "forget" => counts.delete += 1,
                // Parts of a creation or update, or of a deletion.
                _ => {}
            }
        }
        counts.update = updated.len();
        RunSummary {
            run: summary.run.clone(),
            started_at: summary.started_at,
            ended_at: Some(summary.ended_at),
            outcome: Some(summary.outcome),
            counts,
            unfinished: false,
            running: false,
        }
    }

    /// Summary of a run without a record: it is unfinished, or could not write one.
    fn from_journal(replay: &Replay) -> Option<RunSummary> {
        let (first, last) = (replay.lines.first()?, replay.lines.last()?);
        let outcome = match replay.state.phase {
            RunPhase::Ended(outcome) => Some(outcome),
            _ => None,
        };
        let mut counts = ChangeCounts::default();
        for call in effective_calls(&calls(replay)).into_iter().filter(|call| call.forward) {
            match call.intent.action {
                CallAction::Create => counts.create += 1,
                CallAction::Update | CallAction::Tag => counts.update += 1,
                CallAction::Delete | CallAction::Forget => counts.delete += 1,
            }
        }
        let ended_at = outcome.map(|_| last.at);
        Some(RunSummary { run: replay.run.clone()?, started_at: first.at, ended_at, outcome, counts, unfinished: false, running: false })
    }
}

impl RunDetails {
    fn add_calls(&mut self, replay: &Replay) {
        self.rollback_reason = replay.lines.iter().find_map(|line| match &line.record {
            Record::Rollback { reason: why } => Some(why.clone()),
            _ => None,
        });
        let calls = calls(replay);
        let final_specs = final_specs(&calls);
        for call in effective_calls(&calls) {
            // A spec read from AWS and restored is compared in full.
            let put_back = !call.forward || self.summary.run.command == "rollback";
            let null_means = if put_back { NullMeans::Unset } else { NullMeans::Unmanaged };
            let change = call_change(call, call.id().and_then(|id| final_specs.get(&id)).copied(), null_means);
            if call.forward { self.changes.extend(change) } else { self.rolled_back_changes.extend(change) }
        }
        for (number, call) in calls.iter().enumerate() {
            let code = match call.result {
                Some(CallResult::Done { .. }) => continue,
                Some(CallResult::Rejected { code }) => Some(code.clone()),
                Some(CallResult::Unknown) | None => None,
            };
            // A step that finally succeeded did not fail.
            if !calls[number + 1..].iter().any(|later| later.is_retry_of(call)) {
                self.failed_calls.push(FailedCall { address: call.intent.address.clone(), action: call.intent.action, code });
            }
        }
    }
}

/// Call of a run.
struct JournaledCall<'a> {
    intent: &'a Intent,
    /// Result; `None` if unknown.
    result: Option<&'a CallResult>,
    /// Whether it happened before the rollback.
    forward: bool,
}

/// Whether a call happened before the rollback, and the type and id of its resource.
type CallId<'a> = (bool, &'a str, &'a str);

impl<'a> JournaledCall<'a> {
    /// Resource that it created or changed, if known.
    fn id(&self) -> Option<CallId<'a>> {
        let created = match self.result {
            Some(CallResult::Done { id }) => id.as_deref(),
            _ => None,
        };
        Some((self.forward, self.intent.address.type_name.as_str(), self.intent.id.as_deref().or(created)?))
    }
    fn is_done(&self) -> bool {
        matches!(self.result, Some(CallResult::Done { .. }))
    }
    fn is_retry_of(&self, earlier: &JournaledCall<'_>) -> bool {
        let what = |call: &JournaledCall<'_>| (call.intent.address.clone(), call.intent.action, call.forward);
        what(self) == what(earlier)
    }
}

/// Calls of a run, in order.
fn calls(replay: &Replay) -> Vec<JournaledCall<'_>> {
    let results = replay.lines.iter().filter_map(|line| match &line.record {
        Record::Result { intent: of, result: end } => Some((*of, end)),
        _ => None,
    });
    let ends: BTreeMap<u64, &CallResult> = results.collect();
    let mut forward = true;
    let mut calls = Vec::new();
    for line in &replay.lines {
        match &line.record {
            Record::Rollback { .. } => forward = false,
            Record::Intent(intent) => calls.push(JournaledCall { intent, result: ends.get(&line.n).copied(), forward }),
            _ => {}
        }
    }
    calls
}

/// Specs that the last updates of resources asked for, by direction, type and id: the steps of one resource set it in parts.
fn final_specs<'a>(calls: &[JournaledCall<'a>]) -> BTreeMap<CallId<'a>, &'a Value> {
    let updates = calls.iter().filter(|call| call.is_done() && call.intent.action == CallAction::Update);
    updates.filter_map(|call| Some((call.id()?, &call.intent.desired))).collect()
}

/// Calls that took effect, one per created or changed resource. An update of a resource that is then deleted prepares its deletion.
fn effective_calls<'a, 'b>(calls: &'b [JournaledCall<'a>]) -> Vec<&'b JournaledCall<'a>> {
    let deletions = calls.iter().filter(|call| call.is_done() && call.intent.action == CallAction::Delete);
    let deleted: BTreeSet<CallId<'a>> = deletions.filter_map(JournaledCall::id).collect();
    let prepares = |call: &JournaledCall<'a>| {
        call.intent.action == CallAction::Update && call.intent.before.is_some() && call.id().is_some_and(|id| deleted.contains(&id))
    };
    let mut seen = BTreeSet::new();
    let mut first = |call: &&JournaledCall<'a>| {
        let key = (call.forward, &call.intent.address);
        if matches!(call.intent.action, CallAction::Delete | CallAction::Forget) {
            seen.remove(&key);
            return true;
        }
        seen.insert(key)
    };
    calls.iter().filter(|call| call.is_done() && !prepares(call)).filter(|call| first(call)).collect()
}

/// Action of a call, in the plan's terms.
fn call_change(call: &JournaledCall<'_>, final_spec: Option<&Value>, null_means: NullMeans) -> Option<Change> {
    let intent = call.intent;
    let (address, before) = (&intent.address, intent.before.as_ref());
    let created_id = match call.result {
        Some(CallResult::Done { id }) => id.as_deref().unwrap_or_default(),
        _ => "",
    };
    let wanted = |id: &str| LiveResource {
        tags: intent.tags.clone().into(),
        region: intent.region.clone(),
        ..LiveResource::ready(address.type_name.as_str(), id, final_spec.unwrap_or(&intent.desired).clone())
    };
    match intent.action {
        CallAction::Create => diff_resource(address, None, Some(&wanted(created_id)), null_means),
        CallAction::Update | CallAction::Tag => {
            diff_resource(address, before, Some(&wanted(before.map_or("", |live| &live.id))), null_means)
        }
        CallAction::Delete => diff_resource(address, before, None, null_means),
        CallAction::Forget => Some(Change { action: plan::Action::Forget, ..diff_resource(address, before, None, null_means)? }),
    }
}
