//! Runs that are asked to stop: once, twice, and with what was done to be kept.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    thread::sleep,
    time::Duration,
};

use acme::engine::journal::{Record, replay};

use super::{Bench, addresses, finished, signal};

/// Slow enough that a signal finds it at work.
const SLOW: &str = "settle:0.05";

impl Bench {
    /// Waits until the run of this revision has written so many intents.
    pub fn under_way(&self, revision: u64, intents: usize) {
        loop {
            let read = replay(&fs::read(self.journal(revision)).unwrap_or_default());
            if read.lines.iter().filter(|line| matches!(line.record, Record::Intent(_))).count() >= intents {
                return;
            }
            assert!(read.state.phase != acme::engine::journal::Phase::Ended(acme::engine::journal::Outcome::Done), "it was over too soon");
            sleep(Duration::from_millis(2));
        }
    }
}

fn once(name: &str) {
    let bench = Bench::new();
    let before = bench.content();
    let run = bench.start(SLOW, "apply", &bench.after, &["--yes"]);
    bench.under_way(2, 3);
    signal(&run, name);
    let done = finished(run);
    assert_eq!(done.code, 130, "{}", done.screen());
    for part in ["Stopping:", "Everything is as it was before."] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
    }
    let read = replay(&fs::read(bench.journal(2)).expect("a journal"));
    assert!(read.state.open.is_empty(), "what was under way was not finished");
    assert_eq!(super::specs(&bench.content()), super::specs(&before));
    bench.acme.settled(&bench.before);
    bench.ends_right();
}

#[test]
fn a_run_that_is_interrupted_puts_back_what_was_there() {
    once("INT");
}

#[test]
fn a_run_that_is_terminated_puts_back_what_was_there() {
    once("TERM");
}

#[test]
fn a_run_that_is_interrupted_twice_stops_at_once() {
    let bench = Bench::new();
    let mut run = bench.start("settle:0.5", "apply", &bench.after, &["--yes"]);
    bench.under_way(2, 3);
    signal(&run, "INT");
    let mut said = BufReader::new(run.stderr.take().expect("stderr"));
    let mut line = String::new();
    while !line.contains("Stopping:") {
        line.clear();
        assert!(said.read_line(&mut line).expect("text") > 0, "it ended without a word");
    }
    signal(&run, "INT");
    said.read_to_string(&mut line).expect("text");
    assert_eq!(finished(run).code, 130, "{line}");
    let read = replay(&fs::read(bench.journal(2)).expect("a journal"));
    assert!(read.is_unfinished());
    let back = bench.copy();
    let done = bench.ends_right();
    assert!(done.stderr.contains("did not finish"), "{}", done.screen());
    back.acme.run("rollback", &back.after, &["--yes"]).ok();
    back.acme.settled(&back.before);
}

#[test]
fn what_an_interrupted_run_did_is_kept_on_request() {
    let bench = Bench::new();
    let before = addresses(&bench.content());
    let run = bench.start(SLOW, "apply", &bench.after, &["--yes", "--no-rollback"]);
    bench.under_way(2, 3);
    signal(&run, "INT");
    let done = finished(run);
    assert_eq!(done.code, 130, "{}", done.screen());
    assert!(done.stderr.contains("and kept") && done.stderr.contains("acme rollback"), "{}", done.screen());
    assert_ne!(addresses(&bench.content()), before, "nothing was kept");
    let back = bench.copy();
    bench.ends_right();
    back.acme.run("rollback", &back.after, &["--yes"]).ok();
    assert_eq!(addresses(&back.content()), before);
    back.acme.settled(&back.before);
}
