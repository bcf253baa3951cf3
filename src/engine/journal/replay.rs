//! Reads a journal: past calls, open calls, and the resources to restore in a rollback.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{CallAction, CallResult, FORMAT, Intent, JournalState, Line, Record, RunInfo, RunPhase};
use crate::core::{Address, LiveResource, Tags};

/// Parsed journal.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Description of the run; `None` if even that is unreadable.
    pub run: Option<RunInfo>,
    /// Readable records, in order.
    pub lines: Vec<Line>,
    /// State of the run.
    pub state: JournalState,
    /// Checksum of the last line.
    pub checksum: String,
    /// Damage, if any. Records after it are ignored.
    pub damage: Option<Damage>,
}

/// First damaged line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal {what}")]
pub struct Damage {
    /// Line number, starting at 1.
    pub line: usize,
    /// Problem of the line.
    pub what: String,
}

/// Resource changed by a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TouchedResource {
    /// Resource at the address before the run; `None` if there was none.
    pub before: Option<LiveResource>,
    /// Region in which the run creates it, if it is not the stack's.
    pub region: Option<String>,
    /// Last desired spec; `null` for a deletion.
    pub desired: Value,
    /// Desired tags.
    pub tags: Tags,
    /// Dependencies.
    pub depends_on: BTreeSet<Address>,
    /// Those of the dependencies that can follow it.
    pub deferrable: BTreeSet<Address>,
    /// Idempotency token of the last create.
    pub token: String,
    /// Physical ids the run created at the address.
    pub created_ids: BTreeSet<String>,
    /// Physical ids of the resources at the address for which AWS confirmed an update, after which no deletion started.
    pub updated_ids: BTreeSet<String>,
    /// Time of a create without a response, in milliseconds since 1970; `None` if every response is known.
    pub unanswered_create: Option<u64>,
    /// Time of the first creation at the address, in milliseconds since 1970.
    pub first_created_at: Option<u64>,
    /// Time of the last possible creation at the address, in milliseconds since 1970: lagging reads may not show it yet.
    pub last_created_at: Option<u64>,
    /// Whether the run created, or may have created, a resource at the address.
    pub may_have_created: bool,
    /// Whether the run started to delete the previous resource, which may have emptied it.
    pub delete_started: bool,
    /// Resource that a call about the address last started to delete, in the run or its rollback.
    pub last_deleted: Option<LiveResource>,
    /// Whether the run restored a deleted resource within its recovery window, which has data.
    pub woken: bool,
    /// Whether the run removed its ownership tags.
    pub forgotten: bool,
    /// Whether the run tried to delete it, made no other call, and did not know all its details: if it still exists, it counts as before.
    pub only_deleted: bool,
}

/// Length of the end of a line: `,"sum":"0123456789abcdef"}`.
const CHECKSUM_LEN: usize = 8 + 16 + 2;

/// Returns the line's text with its checksum, which covers all lines up to this one, so that every change or omission is detected.
pub(super) fn with_checksum(line: &Line, before: &str) -> Result<(String, String), serde_json::Error> {
    let mut text = serde_json::to_string(line)?;
    text.pop();
    let sum = chained_checksum(before, &text);
    text.push_str(&format!(",\"sum\":\"{sum}\"}}"));
    Ok((text, sum))
}

fn chained_checksum(before: &str, text: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(text).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a journal. Never fails: unreadable lines are [`Replay::damage`]. An incomplete last line was cut off by a crash and is not
/// damage, because its call never went out.
pub fn replay(bytes: &[u8]) -> Replay {
    let mut replay = Replay::default();
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        match parse_line(text, &replay.checksum).and_then(|(line, seal)| {
            let state = replay.state.next(&line.record).map_err(|illegal| format!("is out of order: {illegal}"))?;
            if line.n == state.last { Ok((line, seal, state)) } else { Err("is out of order".to_owned()) }
        }) {
            Ok((line, seal, state)) => {
                if let Record::Begin(begin) = &line.record {
                    replay.run = Some((**begin).clone());
                }
                replay.lines.push(line);
                (replay.state, replay.checksum) = (state, seal);
            }
            Err(what) => {
                replay.damage = Some(Damage { line: number + 1, what });
                break;
            }
        }
    }
    replay
}

fn parse_line(text: &[u8], before: &str) -> Result<(Line, String), String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not text".to_owned())?;
    let body_end = text.len().checked_sub(CHECKSUM_LEN).filter(|at| text.is_char_boundary(*at)).ok_or("is too short")?;
    let (body, checksum) = text.split_at(body_end);
    let checksum = checksum.strip_prefix(",\"sum\":\"").and_then(|seal| seal.strip_suffix("\"}")).ok_or("has no checksum")?;
    if checksum != chained_checksum(before, body) {
        return Err("was changed: its checksum does not match".to_owned());
    }
    let line: Line = serde_json::from_str(&format!("{body}}}")).map_err(|error| format!("can't be read: {error}"))?;
    match &line.record {
        Record::Begin(begin) if begin.format != FORMAT => Err(format!("has the format {}, not {FORMAT}", begin.format)),
        _ => Ok((line, checksum.to_owned())),
    }
}

impl Replay {
    /// Whether there is something left to continue or undo.
    pub fn is_unfinished(&self) -> bool {
        match self.state.phase {
            RunPhase::New => false,
            RunPhase::Ended(outcome) => !outcome.is_final(),
            RunPhase::Applying | RunPhase::CleaningUp | RunPhase::RollingBack => true,
        }
    }

    /// Whether the run deleted a resource after the point of no return: it may not be possible to recreate it.
    pub fn has_cleaned_up(&self) -> bool {
        let mut past_commit_point = false;
        let mut leaving = BTreeSet::new();
        for line in &self.lines {
            match &line.record {
                Record::CommitPoint => past_commit_point = true,
                Record::Rollback { .. } => return false,
                Record::Intent(intent) if past_commit_point && matches!(intent.action, CallAction::Delete | CallAction::Forget) => {
                    leaving.insert(line.n);
                }
                Record::Result { intent: of, result: end } if leaving.contains(of) && !matches!(end, CallResult::Rejected { .. }) => {
                    return true;
                }
                _ => {}
            }
        }
        // A call without a result may have taken effect.
        leaving.iter().any(|n| self.state.open_intents.contains(n))
    }

    /// Numbers of the intents that AWS rejected.
    fn rejected_intents(&self) -> BTreeSet<u64> {
        let refused = self.lines.iter().filter_map(|line| match &line.record {
            Record::Result { intent: of, result: CallResult::Rejected { .. } } => Some(*of),
            _ => None,
        });
        refused.collect()
    }
}

/// All resources changed by a run and the unfinished ones it continues, before any rollback, by address; `chain` is in chronological
/// order. The first intent about a resource contains the previous state.
pub fn touched_resources(chain: &[Replay]) -> BTreeMap<Address, TouchedResource> {
    let mut touched: BTreeMap<Address, TouchedResource> = BTreeMap::new();
    // Type, region and id of the resources at the addresses changed so far.
    let mut seen = BTreeSet::new();
    for replay in chain {
        let mut forward = true;
        let mut calls: BTreeMap<u64, &Intent> = BTreeMap::new();
        let refused = replay.rejected_intents();
        for line in &replay.lines {
            match &line.record {
                Record::Rollback { .. } => forward = false,
                Record::Intent(intent) => {
                    // Resources recreated by a rollback must be found again, too, but don't need a rollback themselves.
                    if forward && !touched.contains_key(&intent.address) && !is_old_half(intent, &mut seen) {
                        touched.insert(intent.address.clone(), TouchedResource::from_intent(intent));
                    }
                    let Some(entry) = touched.get_mut(&intent.address) else { continue };
                    calls.insert(line.n, intent);
                    // A resource at an address where AWS rejected a creation does not belong to this run.
                    if intent.action == CallAction::Create && !refused.contains(&line.n) {
                        entry.may_have_created = true;
                        entry.woken |= forward && intent.id.is_some();
                        entry.token.clone_from(&intent.token);
                        entry.region.clone_from(&intent.region);
                        entry.unanswered_create = Some(line.at);
                        entry.last_created_at = Some(line.at);
                        entry.first_created_at.get_or_insert(line.at);
                    }
                    let is_previous = entry.before.as_ref().is_some_and(|before| intent.id.as_ref() == Some(&before.id));
                    if intent.action == CallAction::Delete {
                        let deleted = intent.before.as_ref().filter(|before| intent.id.as_ref() == Some(&before.id));
                        entry.last_deleted = deleted.cloned();
                        entry.updated_ids.retain(|id| intent.id.as_ref() != Some(id));
                    }
                    entry.delete_started |= forward && intent.action == CallAction::Delete && is_previous;
                    entry.forgotten |= intent.action == CallAction::Forget;
                    entry.only_deleted &= intent.action == CallAction::Delete;
                    if forward && !intent.desired.is_null() {
                        entry.desired = intent.desired.clone();
                    }
                }
                Record::Result { intent: of, result: end } => {
                    let Some(intent) = calls.get(of) else { continue };
                    let Some(entry) = touched.get_mut(&intent.address) else { continue };
                    match (intent.action, end) {
                        (CallAction::Create, CallResult::Done { id }) => {
                            if !forward {
                                entry.accept_new_values(&intent.desired);
                            }
                            entry.created_ids.extend(id.clone());
                            entry.unanswered_create = None;
                            entry.last_created_at = Some(line.at);
                        }
                        (CallAction::Update, CallResult::Done { .. }) => entry.updated_ids.extend(intent.id.clone()),
                        (CallAction::Delete, CallResult::Done { .. })
                            if intent.region == entry.region && intent.id.as_ref().is_some_and(|id| entry.created_ids.contains(id)) =>
                        {
                            entry.last_created_at = None;
                        }
                        _ => {}
                    }
                }
                Record::Begin(_) | Record::Prerequisite { .. } | Record::CommitPoint | Record::End { .. } => {}
            }
        }
    }
    touched
}

/// Whether this is about the resource at an address that was changed before: the old resource of an interrupted replacement later has
/// an address of its own, but is restored under the first one.
fn is_old_half(intent: &Intent, seen: &mut BTreeSet<(String, Option<String>, String)>) -> bool {
    intent.before.as_ref().is_some_and(|old| !seen.insert((old.type_name.clone(), old.region.clone(), old.id.clone())))
}

impl TouchedResource {
    /// Whether this is a resource that the run created, or may have created, not the previous one at the address.
    pub fn may_have_created(&self, live: &LiveResource) -> bool {
        self.may_have_created && self.before.as_ref().is_none_or(|before| !before.is_same_as(live))
    }

    /// Whether there is nothing to undo: there was no resource, and AWS rejected the creation.
    pub fn has_nothing_to_undo(&self) -> bool {
        self.before.is_none() && !self.may_have_created
    }

    fn from_intent(intent: &Intent) -> TouchedResource {
        TouchedResource {
            before: intent.before.clone(),
            region: intent.region.clone(),
            desired: intent.desired.clone(),
            tags: intent.tags.clone(),
            depends_on: intent.depends_on.clone(),
            deferrable: intent.deferrable.clone(),
            token: String::new(),
            created_ids: BTreeSet::new(),
            updated_ids: BTreeSet::new(),
            unanswered_create: None,
            first_created_at: None,
            last_created_at: None,
            may_have_created: false,
            delete_started: false,
            last_deleted: None,
            woken: false,
            forgotten: false,
            only_deleted: !intent.complete,
        }
    }

    /// A resource restored without an old value, because AWS could not provide it, is not restored again because of that value.
    fn accept_new_values(&mut self, again: &Value) {
        let Some(before) = self.before.as_mut().and_then(|live| live.spec.as_object_mut()) else { return };
        for (key, value) in before {
            if again.get(key).is_some_and(Value::is_null) {
                *value = Value::Null;
            }
        }
    }
}
