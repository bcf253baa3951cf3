//! Runs as the history tells them.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use super::{History, RevisionSummary};
use crate::{
    core::{Address, Error, Live, Result},
    engine::{
        journal::{Action, Begin, Damage, End, Intent, Outcome, Phase, Record, Replay},
        plan::{self, Change, Nulls, between},
    },
};

/// One run in a few words.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who ran what.
    pub begin: Begin,
    /// When it began, milliseconds since 1970.
    pub began: u64,
    /// When it ended, milliseconds since 1970; `None`: it did not.
    pub ended: Option<u64>,
    /// How it ended; `None`: it did not.
    pub outcome: Option<Outcome>,
    /// How much it did on its way forward.
    pub counts: Counts,
    /// Whether something of it is left to be gone on with or undone.
    pub unfinished: bool,
}

/// How many resources were treated how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Deleted or given up.
    pub delete: usize,
}

/// One run with all it did.
#[derive(Clone, Debug)]
pub struct Told {
    /// The run.
    pub entry: Entry,
    /// What it did, in order.
    pub done: Vec<Change>,
    /// Why it went back, if it did.
    pub why: Option<String>,
    /// What it did on its way back, in order.
    pub undone: Vec<Change>,
    /// What AWS refused, or gave no answer to.
    pub failed: Vec<Failed>,
    /// Where its journal can't be believed any more.
    pub damage: Option<Damage>,
}

/// A call that did not end well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The resource.
    pub address: Address,
    /// What was tried.
    pub action: Action,
    /// AWS's code; `None`: no answer came, so that it may have taken effect.
    pub code: Option<String>,
}

impl History {
    /// The latest runs, the last one first, and how many there were before. `None` where nothing of one can be read.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn entries(&self, limit: usize) -> Result<(Vec<(u64, Option<Entry>)>, usize)> {
        let mut numbers = self.numbers().await?;
        let earlier = numbers.len().saturating_sub(limit);
        numbers.drain(..earlier);
        let read = |number| async move { Ok::<_, Error>((number, self.entry(number).await?)) };
        let mut entries: Vec<_> = stream::iter(numbers.into_iter().rev().map(read)).buffered(16).try_collect().await?;
        mark_unfinished(&mut entries);
        Ok((entries, earlier))
    }

    async fn entry(&self, number: u64) -> Result<Option<Entry>> {
        // One object, where a journal may be hundreds.
        if let Some(stored) = self.stored_revision(number).await? {
            return Ok(Some(Entry::of_summary(&stored.summary)));
        }
        Ok(Entry::of_journal(&self.journal(number).await?))
    }

    /// One run with all it did; `None` when nothing of it can be read.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn told(&self, number: u64) -> Result<Option<Told>> {
        let (replay, stored) = (self.journal(number).await?, self.stored_revision(number).await?);
        let Some(mut entry) = stored.map(|stored| Entry::of_summary(&stored.summary)).or_else(|| Entry::of_journal(&replay)) else {
            return Ok(None);
        };
        let left = self.snapshot().await?.unfinished().await?;
        entry.unfinished = left.iter().filter_map(|replay| replay.begin.as_ref()).any(|begin| begin.revision == number);
        let damage = replay.damage.clone();
        let mut told = Told { entry, done: Vec::new(), why: None, undone: Vec::new(), failed: Vec::new(), damage };
        told.follow(&replay);
        Ok(Some(told))
    }
}

/// The last run is unfinished when it left something to do, and with it those it went on from.
fn mark_unfinished(entries: &mut [(u64, Option<Entry>)]) {
    let mut left = match entries.first() {
        Some((number, Some(entry))) if !entry.outcome.is_some_and(Outcome::is_settled) => Some(*number),
        _ => None,
    };
    for (number, entry) in entries {
        if let Some(entry) = entry.as_mut().filter(|_| left == Some(*number)) {
            entry.unfinished = true;
            left = entry.begin.continues;
        }
    }
}

impl Entry {
    fn of_summary(summary: &RevisionSummary) -> Entry {
        let mut counts = Counts::default();
        for (op, _) in &summary.done {
            match op.as_str() {
                "create" => counts.create += 1,
                "update" => counts.update += 1,
                _ => counts.delete += 1,
            }
        }
        Entry {
            begin: summary.begin.clone(),
            began: summary.began,
            ended: Some(summary.ended),
            outcome: Some(summary.outcome),
            counts,
            unfinished: false,
        }
    }

    /// A run of which no revision was kept: it did not end, or could not keep one.
    fn of_journal(replay: &Replay) -> Option<Entry> {
        let (first, last) = (replay.lines.first()?, replay.lines.last()?);
        let outcome = match replay.state.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        };
        let mut counts = Counts::default();
        for call in steps(&calls(replay)).into_iter().filter(|call| call.forward) {
            match call.intent.action {
                Action::Create => counts.create += 1,
                Action::Update | Action::Tag => counts.update += 1,
                Action::Delete | Action::Forget => counts.delete += 1,
            }
        }
        let ended = outcome.map(|_| last.at);
        Some(Entry { begin: replay.begin.clone()?, began: first.at, ended, outcome, counts, unfinished: false })
    }
}

impl Told {
    fn follow(&mut self, replay: &Replay) {
        self.why = replay.lines.iter().find_map(|line| match &line.record {
            Record::Rollback { why } => Some(why.clone()),
            _ => None,
        });
        let calls = calls(replay);
        for call in steps(&calls) {
            // What was read from AWS and is put back is compared whole.
            let put_back = !call.forward || self.entry.begin.command == "rollback";
            let change = change(call, if put_back { Nulls::Absent } else { Nulls::LeftToAws });
            if call.forward { self.done.extend(change) } else { self.undone.extend(change) }
        }
        for (number, call) in calls.iter().enumerate() {
            let code = match call.end {
                Some(End::Done { .. }) => continue,
                Some(End::Refused { code }) => Some(code.clone()),
                Some(End::Unknown) | None => None,
            };
            // What went well at last did not fail.
            if !calls[number + 1..].iter().any(|later| later.repeats(call)) {
                self.failed.push(Failed { address: call.intent.address.clone(), action: call.intent.action, code });
            }
        }
    }
}

/// A call of a run.
struct Call<'a> {
    intent: &'a Intent,
    /// How it ended; `None`: that is not known.
    end: Option<&'a End>,
    /// Whether it was on the way forward.
    forward: bool,
}

impl Call<'_> {
    fn is_done(&self) -> bool {
        matches!(self.end, Some(End::Done { .. }))
    }
    fn repeats(&self, earlier: &Call<'_>) -> bool {
        let what = |call: &Call<'_>| (call.intent.address.clone(), call.intent.action, call.forward);
        what(self) == what(earlier)
    }
}

/// All calls of a run, in order.
fn calls(replay: &Replay) -> Vec<Call<'_>> {
    let ends = replay.lines.iter().filter_map(|line| match &line.record {
        Record::Result { of, end } => Some((*of, end)),
        _ => None,
    });
    let ends: BTreeMap<u64, &End> = ends.collect();
    let mut forward = true;
    let mut calls = Vec::new();
    for line in &replay.lines {
        match &line.record {
            Record::Rollback { .. } => forward = false,
            Record::Intent(intent) => calls.push(Call { intent, end: ends.get(&line.n).copied(), forward }),
            _ => {}
        }
    }
    calls
}

/// The calls that took effect. What was made or changed by several calls comes once.
fn steps<'a, 'b>(calls: &'b [Call<'a>]) -> Vec<&'b Call<'a>> {
    let mut seen = BTreeSet::new();
    let mut first = |call: &&Call<'a>| {
        let key = (call.forward, &call.intent.address);
        if matches!(call.intent.action, Action::Delete | Action::Forget) {
            seen.remove(&key);
            return true;
        }
        seen.insert(key)
    };
    calls.iter().filter(|call| call.is_done()).filter(|call| first(call)).collect()
}

/// What a call did, in the plan's terms.
fn change(call: &Call<'_>, nulls: Nulls) -> Option<Change> {
    let intent = call.intent;
    let (address, before) = (&intent.address, intent.before.as_ref());
    let made = match call.end {
        Some(End::Done { id }) => id.as_deref().unwrap_or_default(),
        _ => "",
    };
    let wanted = |id: &str| Live {
        kind: address.kind.clone(),
        id: id.to_owned(),
        tags: intent.tags.clone(),
        phase: crate::core::Phase::Ready,
        version: None,
        spec: intent.expected.clone(),
        outputs: Value::Null,
    };
    match intent.action {
        Action::Create => between(address, None, Some(&wanted(made)), nulls),
        Action::Update | Action::Tag => between(address, before, Some(&wanted(before.map_or("", |live| &live.id))), nulls),
        Action::Delete => between(address, before, None, nulls),
        Action::Forget => Some(Change { action: plan::Action::Forget, ..between(address, before, None, nulls)? }),
    }
}
