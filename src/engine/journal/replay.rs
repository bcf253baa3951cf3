//! Reads a journal back: what happened, what is open, and what has to be put back to undo it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{CallAction, CallResult, FORMAT, Intent, JournalState, Line, Record, RunInfo, RunPhase};
use crate::core::{Address, LiveResource, Tags};

/// A journal as it was read.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Who ran what; `None` when not even that could be read.
    pub run: Option<RunInfo>,
    /// The records that could be read, in order.
    pub lines: Vec<Line>,
    /// Where the run stands.
    pub state: JournalState,
    /// What the last line was sealed with.
    pub checksum: String,
    /// Where it is damaged, if it is. What comes after is not believed.
    pub damage: Option<Damage>,
}

/// Where a journal cannot be believed any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal {what}")]
pub struct Damage {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// A resource that a run touched.
#[derive(Clone, Debug, PartialEq)]
pub struct TouchedResource {
    /// What stood at the address before the run; `None`: nothing.
    pub before: Option<LiveResource>,
    /// The spec that the run wanted last; `null` when it wanted it gone.
    pub desired: Value,
    /// The tags it wanted.
    pub tags: Tags,
    /// What it needs.
    pub depends_on: BTreeSet<Address>,
    /// Idempotency token of the last create.
    pub token: String,
    /// Physical ids the run made there.
    pub created_ids: BTreeSet<String>,
    /// Since when a create has been without an answer, milliseconds since 1970; `None`: every answer is known.
    pub unanswered_create: Option<u64>,
    /// When something was last made there, or may have been, milliseconds since 1970: reads that lag behind do not show it yet.
    pub last_created_at: Option<u64>,
    /// Whether the run made something there, or may have.
    pub may_have_created: bool,
    /// Whether the run took its marks off.
    pub forgotten: bool,
}

/// Length of what a line ends with: `,"sum":"0123456789abcdef"}`.
const CHECKSUM_LEN: usize = 8 + 16 + 2;

/// The line's text, sealed: the sum covers all lines up to this one, so that none can be changed or left out unseen.
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

/// Reads a journal. Never fails: what cannot be read is [`Replay::damage`]. A last line without its end was cut off by a crash and is no
/// damage: its call never went out.
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
    let text = std::str::from_utf8(text).map_err(|_| "is no text".to_owned())?;
    let body_end = text.len().checked_sub(CHECKSUM_LEN).filter(|at| text.is_char_boundary(*at)).ok_or("is too short")?;
    let (body, checksum) = text.split_at(body_end);
    let checksum = checksum.strip_prefix(",\"sum\":\"").and_then(|seal| seal.strip_suffix("\"}")).ok_or("has no sum")?;
    if checksum != chained_checksum(before, body) {
        return Err("was changed: its sum is wrong".to_owned());
    }
    let line: Line = serde_json::from_str(&format!("{body}}}")).map_err(|error| format!("can't be read: {error}"))?;
    match &line.record {
        Record::Begin(begin) if begin.format != FORMAT => Err(format!("is of the format {}, not {FORMAT}", begin.format)),
        _ => Ok((line, checksum.to_owned())),
    }
}

impl Replay {
    /// Whether something is left to be gone on with or undone.
    pub fn is_unfinished(&self) -> bool {
        match self.state.phase {
            RunPhase::New => false,
            RunPhase::Ended(outcome) => !outcome.is_final(),
            RunPhase::Applying | RunPhase::CleaningUp | RunPhase::RollingBack => true,
        }
    }

    /// Whether the run deleted something on its way forward, after everything new was there: it may hold what can't be made anew.
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
        // A call without a result may have been served.
        leaving.iter().any(|n| self.state.open_intents.contains(n))
    }

    /// Numbers of the intents that AWS refused.
    fn rejected_intents(&self) -> BTreeSet<u64> {
        let refused = self.lines.iter().filter_map(|line| match &line.record {
            Record::Result { intent: of, result: CallResult::Rejected { .. } } => Some(*of),
            _ => None,
        });
        refused.collect()
    }
}

/// Everything that a run and the unfinished ones it goes on from touched on their way forward, by address; `chain` is in order of
/// time. The first intent about a resource tells what was there before.
pub fn touched_resources(chain: &[Replay]) -> BTreeMap<Address, TouchedResource> {
    let mut touched: BTreeMap<Address, TouchedResource> = BTreeMap::new();
    // Type and id of what stood at the addresses touched so far.
    let mut seen = BTreeSet::new();
    for replay in chain {
        let mut forward = true;
        let mut calls: BTreeMap<u64, &Intent> = BTreeMap::new();
        let refused = replay.rejected_intents();
        for line in &replay.lines {
            match &line.record {
                Record::Rollback { .. } => forward = false,
                Record::Intent(intent) => {
                    // What undoing makes anew must be found again too, but is itself no reason to undo.
                    if forward && !touched.contains_key(&intent.address) && !is_old_half(intent, &mut seen) {
                        touched.insert(intent.address.clone(), TouchedResource::from_intent(intent));
                    }
                    let Some(entry) = touched.get_mut(&intent.address) else { continue };
                    calls.insert(line.n, intent);
                    // What stands where AWS refused to make something, if anything does, is not this run's.
                    if intent.action == CallAction::Create && !refused.contains(&line.n) {
                        entry.may_have_created = true;
                        entry.token.clone_from(&intent.token);
                        entry.unanswered_create = Some(line.at);
                        entry.last_created_at = Some(line.at);
                    }
                    entry.forgotten |= intent.action == CallAction::Forget;
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
                        (CallAction::Delete, CallResult::Done { .. })
                            if intent.id.as_ref().is_some_and(|id| entry.created_ids.contains(id)) =>
                        {
                            entry.last_created_at = None;
                        }
                        _ => {}
                    }
                }
                Record::Begin(_) | Record::CommitPoint | Record::End { .. } => {}
            }
        }
    }
    touched
}

/// Whether this is about what stood at an address that is touched already: the old half of a replacement that a crash left over goes
/// by a name of its own afterwards, but is put back under the first one.
fn is_old_half(intent: &Intent, seen: &mut BTreeSet<(String, String)>) -> bool {
    intent.before.as_ref().is_some_and(|old| !seen.insert((old.type_name.clone(), old.id.clone())))
}

impl TouchedResource {
    /// Whether there is nothing to undo: nothing stood there, and AWS refused to make anything.
    pub fn has_nothing_to_undo(&self) -> bool {
        self.before.is_none() && !self.may_have_created
    }

    fn from_intent(intent: &Intent) -> TouchedResource {
        TouchedResource {
            before: intent.before.clone(),
            desired: intent.desired.clone(),
            tags: intent.tags.clone(),
            depends_on: intent.depends_on.clone(),
            token: String::new(),
            created_ids: BTreeSet::new(),
            unanswered_create: None,
            last_created_at: None,
            may_have_created: false,
            forgotten: false,
        }
    }

    /// What was put back without a value it had, because AWS could not give that again, is not put back a second time for its sake.
    fn accept_new_values(&mut self, again: &Value) {
        let Some(before) = self.before.as_mut().and_then(|live| live.spec.as_object_mut()) else { return };
        for (key, value) in before {
            if again.get(key).is_some_and(Value::is_null) {
                *value = Value::Null;
            }
        }
    }
}
