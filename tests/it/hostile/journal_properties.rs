//! Laws of the journal, in a second, independent formulation.

use std::collections::{BTreeMap, BTreeSet};

use acme::{
    core::{Address, LiveResource, Tags},
    engine::journal::{CallAction, CallResult, FORMAT, Intent, JournalState, Line, Record, RunInfo, RunOutcome, replay, touched_resources},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::proptest_runner;

/// Whether a run may write these records, checked as a whole, not step by step.
fn is_legal(records: &[Record]) -> bool {
    let position = |wanted: fn(&Record) -> bool| records.iter().position(wanted);
    let count = |wanted: fn(&Record) -> bool| records.iter().filter(|record| wanted(record)).count();
    let is_end = |record: &Record| matches!(record, Record::End { .. });
    let once = count(|r| matches!(r, Record::Begin(_))) <= 1
        && count(|r| *r == Record::CommitPoint) <= 1
        && count(|r| matches!(r, Record::Rollback { .. })) <= 1
        && count(is_end) <= 1;
    let first = records.is_empty() || matches!(records[0], Record::Begin(_));
    let last = position(is_end).is_none_or(|at| at + 1 == records.len());
    let pivot = position(|r| *r == Record::CommitPoint);
    let back = position(|r| matches!(r, Record::Rollback { .. }));
    // Each result belongs to one earlier intent; intents open at the start of a rollback get no result.
    let intent = |n: u64| n >= 1 && matches!(records.get(n as usize - 1), Some(Record::Intent(_)));
    let mut answers: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        let Record::Result { intent: of, .. } = record else { continue };
        let parted = back.is_some_and(|back| (*of as usize) < back + 1 && back < at);
        if !intent(*of) || *of as usize > at || parted || answers.insert(*of, at).is_some() {
            return false;
        }
    }
    let answered = |from: usize, until: usize| {
        (from..until).all(|at| !matches!(records[at], Record::Intent(_)) || answers.get(&(at as u64 + 1)).is_some_and(|by| *by < until))
    };
    let turns = pivot.is_none_or(|pivot| back.is_none_or(|back| pivot < back) && answered(0, pivot));
    let ends = match records.last() {
        Some(Record::End { outcome: RunOutcome::Done }) => pivot.is_some() && back.is_none() && answered(0, records.len()),
        Some(Record::End { outcome: RunOutcome::RolledBack }) => back.is_some_and(|back| answered(back, records.len())),
        _ => true,
    };
    once && first && last && turns && ends
}

fn begin_record() -> Record {
    let text = || "x".to_owned();
    Record::Begin(Box::new(RunInfo {
        format: FORMAT.to_owned(),
        revision: 1,
        continues: None,
        undoes_alone: false,
        stack: text(),
        environment: text(),
        region: text(),
        account: text(),
        command: "apply".to_owned(),
        procedure: None,
        actor: text(),
        commit: None,
        definition: text(),
    }))
}

fn live_resource(name: usize) -> LiveResource {
    LiveResource::ready("vpc", format!("vpc-{name}"), json!({ "name": format!("n{name}") }))
}

fn intent_record(name: usize, action: CallAction) -> Record {
    Record::Intent(Box::new(Intent {
        address: Address::new("vpc", format!("n{name}")),
        action,
        token: format!("t{name}"),
        region: None,
        id: (action != CallAction::Create).then(|| format!("vpc-{name}")),
        before: (action != CallAction::Create).then(|| live_resource(name)),
        complete: false,
        desired: if action == CallAction::Delete { Value::Null } else { json!({ "name": format!("n{name}") }) },
        tags: Tags::new(),
        depends_on: BTreeSet::new(),
        deferrable: BTreeSet::new(),
    }))
}

/// Any record; results may belong to any intent, even a later one.
fn any_record() -> impl Strategy<Value = Record> {
    let action =
        proptest::sample::select(vec![CallAction::Create, CallAction::Update, CallAction::Tag, CallAction::Delete, CallAction::Forget]);
    let end = prop_oneof![
        Just(CallResult::Done { id: Some("vpc-made".into()) }),
        Just(CallResult::Done { id: None }),
        Just(CallResult::Rejected { code: "No".into() }),
        Just(CallResult::Unknown)
    ];
    let outcome = proptest::sample::select(vec![RunOutcome::Done, RunOutcome::RolledBack, RunOutcome::Kept, RunOutcome::Stuck]);
    prop_oneof![
        1 => Just(begin_record()),
        6 => (0usize..5, action).prop_map(|(name, action)| intent_record(name, action)),
        8 => (0u64..14, end).prop_map(|(intent, result)| Record::Result { intent, result }),
        1 => Just(Record::CommitPoint),
        1 => Just(Record::Rollback { reason: "so".into() }),
        2 => outcome.prop_map(|outcome| Record::End { outcome }),
    ]
}

/// A legal journal: the legal ones of a sequence of records.
fn any_journal() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(any_record(), 0..60).prop_map(|records| {
        let mut journal = vec![begin_record()];
        for record in records {
            journal.push(record);
            if !is_legal(&journal) {
                journal.pop();
            }
        }
        journal
    })
}

/// A stored journal, written by hand: each line ends with a checksum over all lines before it.
fn encode(records: &[Record]) -> Vec<u8> {
    let (mut text, mut sum) = (String::new(), String::new());
    for (record, n) in records.iter().zip(1..) {
        let mut line = serde_json::to_string(&Line { n, at: 1000 + n, record: record.clone() }).expect("JSON");
        line.truncate(line.len() - 1);
        let digest = Sha256::digest(format!("{sum}{line}"));
        sum = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{line},\"sum\":\"{sum}\"}}\n");
    }
    text.into_bytes()
}

/// Resources changed by the intents of these records before any rollback.
fn intended_addresses(records: &[Record]) -> BTreeSet<Address> {
    let forward = records.iter().take_while(|record| !matches!(record, Record::Rollback { .. }));
    forward.filter_map(|record| if let Record::Intent(intent) = record { Some(intent.address.clone()) } else { None }).collect()
}

#[test]
fn accepts_a_record_exactly_when_the_journal_stays_legal() {
    proptest_runner(3000)
        .run(&(any_journal(), proptest::collection::vec(any_record(), 1..20)), |(mut records, next)| {
            let mut state = JournalState::default();
            for record in &records {
                state = state.next(record).map_err(|illegal| TestCaseError::fail(format!("refused: {illegal}")))?;
            }
            for record in next {
                records.push(record);
                let taken = state.next(&records[records.len() - 1]);
                prop_assert_eq!(taken.is_ok(), is_legal(&records), "{:?}", records);
                records.pop();
            }
            Ok(())
        })
        .expect("the model agrees");
}

#[test]
fn every_prefix_lists_exactly_the_addresses_of_its_intents() {
    proptest_runner(1000)
        .run(&(any_journal(), 0.0..=1.0f64), |(records, part)| {
            let bytes = encode(&records);
            let cut = (bytes.len() as f64 * part) as usize;
            let read = replay(&bytes[..cut]);
            let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(&read.damage, &None, "a line without its end is no damage");
            prop_assert_eq!(read.lines.len(), lines);
            let touched = touched_resources(&[read]);
            prop_assert_eq!(touched.keys().cloned().collect::<BTreeSet<_>>(), intended_addresses(&records[..lines]));
            Ok(())
        })
        .expect("changed resources match the intents");
}

/// Possible damage to a journal.
#[derive(Clone, Debug)]
enum Corruption {
    Flip(f64, u8),
    DropLine(f64),
    DuplicateLine(f64),
    SwapLines(f64, f64),
    Truncate(f64),
    /// A complete line with checksum from another journal.
    ForeignLine(f64),
}

fn any_corruption() -> impl Strategy<Value = Corruption> {
    let at = || 0.0..1.0f64;
    prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Corruption::Flip(at, bit)),
        at().prop_map(Corruption::DropLine),
        at().prop_map(Corruption::DuplicateLine),
        (at(), at()).prop_map(|(a, b)| Corruption::SwapLines(a, b)),
        at().prop_map(Corruption::Truncate),
        at().prop_map(Corruption::ForeignLine),
    ]
}

fn corrupt(bytes: &[u8], foreign: &[u8], harm: &Corruption) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    let number = |at: f64| (at * count as f64) as usize;
    match harm {
        Corruption::Flip(at, bit) => {
            let mut bytes = bytes.to_vec();
            let place = (at * bytes.len() as f64) as usize;
            bytes[place] ^= 1 << bit;
            return bytes;
        }
        Corruption::Truncate(at) => return bytes[..(at * bytes.len() as f64) as usize].to_vec(),
        Corruption::DropLine(at) => drop(lines.remove(number(*at))),
        Corruption::DuplicateLine(at) => {
            let copy = lines[number(*at)].clone();
            lines.insert(number(*at), copy);
        }
        Corruption::SwapLines(a, b) => lines.swap(number(*a), number(*b)),
        Corruption::ForeignLine(at) => {
            let other: Vec<&[u8]> = foreign.split_inclusive(|byte| *byte == b'\n').collect();
            lines[number(*at)] = other[1.max((at * other.len() as f64) as usize).min(other.len() - 1)].to_vec();
        }
    }
    lines.concat()
}

/// A rollback with a damaged journal deletes only resources that one with the intact journal would delete, and whose creation was
/// readable.
#[test]
fn corruption_never_adds_anything_to_undo() {
    proptest_runner(3000)
        .run(&(any_journal(), any_journal(), any_corruption()), |(records, mut others, harm)| {
            if let Record::Begin(begin) = &mut others[0] {
                begin.revision = 2;
            }
            others.push(Record::End { outcome: RunOutcome::Stuck });
            let bytes = encode(&records);
            let (whole, read) = (replay(&bytes), replay(&corrupt(&bytes, &encode(&others), &harm)));
            prop_assert!(whole.lines.starts_with(&read.lines));
            let (all, some) = (touched_resources(&[whole]), touched_resources(std::slice::from_ref(&read)));
            for (address, touched) in &some {
                prop_assert!(all.contains_key(address), "{address} is touched by damage alone");
                prop_assert_eq!(&touched.before, &all[address].before);
                prop_assert!(touched.created_ids.is_subset(&all[address].created_ids));
                let refused = |n| {
                    read.lines
                        .iter()
                        .any(|line| matches!(&line.record, Record::Result { intent, result: CallResult::Rejected { .. } } if *intent == n))
                };
                let made = read.lines.iter().any(|line| match &line.record {
                    Record::Intent(intent) => intent.address == *address && intent.action == CallAction::Create && !refused(line.n),
                    _ => false,
                });
                prop_assert_eq!(touched.may_have_created, made);
                // A resource without a recorded creation is not deleted.
                prop_assert_eq!(touched.has_nothing_to_undo(), touched.before.is_none() && !made);
            }
            Ok(())
        })
        .expect("damage makes less, never more");
}
