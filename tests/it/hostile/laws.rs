//! Laws of the journal, told a second time from what they are for.

use std::collections::{BTreeMap, BTreeSet};

use acme::{
    core::{Address, Live, Phase, Tags},
    engine::journal::{Action, Begin, End, FORMAT, Intent, Line, Outcome, Record, State, replay, touched},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cases;

/// Whether this is what a run may write, judged as a whole: not by a state, but by what must be true of all of it.
fn legal(records: &[Record]) -> bool {
    let position = |wanted: fn(&Record) -> bool| records.iter().position(wanted);
    let count = |wanted: fn(&Record) -> bool| records.iter().filter(|record| wanted(record)).count();
    let is_end = |record: &Record| matches!(record, Record::End { .. });
    let once = count(|r| matches!(r, Record::Begin(_))) <= 1
        && count(|r| *r == Record::Pivot) <= 1
        && count(|r| matches!(r, Record::Rollback { .. })) <= 1
        && count(is_end) <= 1;
    let first = records.is_empty() || matches!(records[0], Record::Begin(_));
    let last = position(is_end).is_none_or(|at| at + 1 == records.len());
    let pivot = position(|r| *r == Record::Pivot);
    let back = position(|r| matches!(r, Record::Rollback { .. }));
    // Results answer an intent before them, once; what was open when going back began is not answered any more.
    let intent = |n: u64| n >= 1 && matches!(records.get(n as usize - 1), Some(Record::Intent(_)));
    let mut answers: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        let Record::Result { of, .. } = record else { continue };
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
        Some(Record::End { outcome: Outcome::Done }) => pivot.is_some() && back.is_none() && answered(0, records.len()),
        Some(Record::End { outcome: Outcome::RolledBack }) => back.is_some_and(|back| answered(back, records.len())),
        _ => true,
    };
    once && first && last && turns && ends
}

fn begin() -> Record {
    let text = || "x".to_owned();
    Record::Begin(Box::new(Begin {
        format: FORMAT.to_owned(),
        revision: 1,
        continues: None,
        stack: text(),
        environment: text(),
        region: text(),
        account: text(),
        command: "apply".to_owned(),
        actor: text(),
        commit: None,
        definition: text(),
    }))
}

fn live(name: usize) -> Live {
    let spec = json!({ "name": format!("n{name}") });
    Live {
        kind: "vpc".into(),
        id: format!("vpc-{name}"),
        tags: Tags::new(),
        phase: Phase::Ready,
        spec,
        outputs: Value::Null,
        version: None,
    }
}

fn intent(name: usize, action: Action) -> Record {
    Record::Intent(Box::new(Intent {
        address: Address::new("vpc", format!("n{name}")),
        action,
        token: format!("t{name}"),
        id: (action != Action::Create).then(|| format!("vpc-{name}")),
        before: (action != Action::Create).then(|| live(name)),
        expected: if action == Action::Delete { Value::Null } else { json!({ "name": format!("n{name}") }) },
        tags: Tags::new(),
        needs: BTreeSet::new(),
    }))
}

/// Any record; results answer anything, even what comes later.
fn record() -> impl Strategy<Value = Record> {
    let action = proptest::sample::select(vec![Action::Create, Action::Update, Action::Tag, Action::Delete, Action::Forget]);
    let end = prop_oneof![
        Just(End::Done { id: Some("vpc-made".into()) }),
        Just(End::Done { id: None }),
        Just(End::Refused { code: "No".into() }),
        Just(End::Unknown)
    ];
    let outcome = proptest::sample::select(vec![Outcome::Done, Outcome::RolledBack, Outcome::Kept, Outcome::Stuck]);
    prop_oneof![
        1 => Just(begin()),
        6 => (0usize..5, action).prop_map(|(name, action)| intent(name, action)),
        8 => (0u64..14, end).prop_map(|(of, end)| Record::Result { of, end }),
        1 => Just(Record::Pivot),
        1 => Just(Record::Rollback { why: "so".into() }),
        2 => outcome.prop_map(|outcome| Record::End { outcome }),
    ]
}

/// A legal journal: of what comes, what is legal is taken.
fn journal() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(record(), 0..60).prop_map(|records| {
        let mut journal = vec![begin()];
        for record in records {
            journal.push(record);
            if !legal(&journal) {
                journal.pop();
            }
        }
        journal
    })
}

/// A journal as it is kept, written by hand: each line ends with a sum over all before it.
fn text(records: &[Record]) -> Vec<u8> {
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

/// What the intents of these records touched on the way forward.
fn named(records: &[Record]) -> BTreeSet<Address> {
    let forward = records.iter().take_while(|record| !matches!(record, Record::Rollback { .. }));
    forward.filter_map(|record| if let Record::Intent(intent) = record { Some(intent.address.clone()) } else { None }).collect()
}

#[test]
fn a_record_is_taken_exactly_when_the_whole_stays_legal() {
    cases(3000)
        .run(&(journal(), proptest::collection::vec(record(), 1..20)), |(mut records, next)| {
            let mut state = State::default();
            for record in &records {
                state = state.next(record).map_err(|illegal| TestCaseError::fail(format!("refused: {illegal}")))?;
            }
            for record in next {
                records.push(record);
                let taken = state.next(&records[records.len() - 1]);
                prop_assert_eq!(taken.is_ok(), legal(&records), "{:?}", records);
                records.pop();
            }
            Ok(())
        })
        .expect("the model agrees");
}

#[test]
fn every_prefix_names_exactly_what_its_intents_touched() {
    cases(1000)
        .run(&(journal(), 0.0..=1.0f64), |(records, part)| {
            let bytes = text(&records);
            let cut = (bytes.len() as f64 * part) as usize;
            let read = replay(&bytes[..cut]);
            let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(&read.damage, &None, "a line without its end is no damage");
            prop_assert_eq!(read.lines.len(), lines);
            let touched = touched(&[read]);
            prop_assert_eq!(touched.keys().cloned().collect::<BTreeSet<_>>(), named(&records[..lines]));
            Ok(())
        })
        .expect("touched is what the intents say");
}

/// What damage may be done to a journal.
#[derive(Clone, Debug)]
enum Harm {
    Flip(f64, u8),
    Lose(f64),
    Double(f64),
    Swap(f64, f64),
    Cut(f64),
    /// A line, whole and sealed, of another journal.
    Foreign(f64),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = || 0.0..1.0f64;
    prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        at().prop_map(Harm::Lose),
        at().prop_map(Harm::Double),
        (at(), at()).prop_map(|(a, b)| Harm::Swap(a, b)),
        at().prop_map(Harm::Cut),
        at().prop_map(Harm::Foreign),
    ]
}

fn harmed(bytes: &[u8], foreign: &[u8], harm: &Harm) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    let number = |at: f64| (at * count as f64) as usize;
    match harm {
        Harm::Flip(at, bit) => {
            let mut bytes = bytes.to_vec();
            let place = (at * bytes.len() as f64) as usize;
            bytes[place] ^= 1 << bit;
            return bytes;
        }
        Harm::Cut(at) => return bytes[..(at * bytes.len() as f64) as usize].to_vec(),
        Harm::Lose(at) => drop(lines.remove(number(*at))),
        Harm::Double(at) => {
            let copy = lines[number(*at)].clone();
            lines.insert(number(*at), copy);
        }
        Harm::Swap(a, b) => lines.swap(number(*a), number(*b)),
        Harm::Foreign(at) => {
            let other: Vec<&[u8]> = foreign.split_inclusive(|byte| *byte == b'\n').collect();
            lines[number(*at)] = other[1.max((at * other.len() as f64) as usize).min(other.len() - 1)].to_vec();
        }
    }
    lines.concat()
}

/// Whoever deletes by a damaged journal deletes nothing that the whole one would not have deleted, and nothing whose making was not
/// read.
#[test]
fn damage_never_makes_more_to_undo() {
    cases(3000)
        .run(&(journal(), journal(), harm()), |(records, mut others, harm)| {
            if let Record::Begin(begin) = &mut others[0] {
                begin.revision = 2;
            }
            others.push(Record::End { outcome: Outcome::Stuck });
            let bytes = text(&records);
            let (whole, read) = (replay(&bytes), replay(&harmed(&bytes, &text(&others), &harm)));
            prop_assert!(whole.lines.starts_with(&read.lines));
            let (all, some) = (touched(&[whole]), touched(std::slice::from_ref(&read)));
            for (address, touched) in &some {
                prop_assert!(all.contains_key(address), "{address} is touched by damage alone");
                prop_assert_eq!(&touched.before, &all[address].before);
                prop_assert!(touched.made.is_subset(&all[address].made));
                let refused =
                    |n| read.lines.iter().any(|line| matches!(&line.record, Record::Result { of, end: End::Refused { .. } } if *of == n));
                let made = read.lines.iter().any(|line| match &line.record {
                    Record::Intent(intent) => intent.address == *address && intent.action == Action::Create && !refused(line.n),
                    _ => false,
                });
                prop_assert_eq!(touched.created, made);
                // What nothing says to be made is not deleted.
                prop_assert_eq!(touched.is_nothing(), touched.before.is_none() && !made);
            }
            Ok(())
        })
        .expect("damage makes less, never more");
}
