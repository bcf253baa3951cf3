//! Interrupted runs: once, twice, and with `--no-rollback`.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    thread::sleep,
    time::Duration,
};

use acme::engine::journal::{Record, replay};

use super::{TestStack, send_signal, sorted_addresses, wait_for_exit};

/// Slow enough for a signal during the run.
const SLOW: &str = "settle:0.05";

impl TestStack {
    /// Waits until the run of this revision has written this number of intents.
    pub fn wait_for_intents(&self, revision: u64, intents: usize) {
        loop {
            let read = replay(&fs::read(self.journal(revision)).unwrap_or_default());
            if read.lines.iter().filter(|line| matches!(line.record, Record::Intent(_))).count() >= intents {
                return;
            }
            assert!(!matches!(read.state.phase, acme::engine::journal::RunPhase::Ended(_)), "it was over too soon");
            sleep(Duration::from_millis(2));
        }
    }
}

fn check_interrupted_once(name: &str) {
    let bench = TestStack::new();
    let before = bench.live_resources();
    let run = bench.spawn(SLOW, "apply", &bench.after, &["--yes"]);
    bench.wait_for_intents(2, 3);
    send_signal(&run, name);
    let done = wait_for_exit(run);
    assert_eq!(done.code, 130, "{}", done.combined_output());
    for part in ["Stopping after", "Everything is as it was before."] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
    let read = replay(&fs::read(bench.journal(2)).expect("a journal"));
    assert!(read.state.open_intents.is_empty(), "running steps were not finished");
    assert_eq!(super::tags_by_address(&bench.live_resources()), super::tags_by_address(&before));
    bench.acme.assert_no_changes(&bench.before);
    bench.assert_apply_completes();
}

#[test]
fn interrupted_run_rolls_back() {
    check_interrupted_once("INT");
}

#[test]
fn terminated_run_rolls_back() {
    check_interrupted_once("TERM");
}

#[test]
fn run_stops_at_once_when_interrupted_twice() {
    let bench = TestStack::new();
    let mut run = bench.spawn("settle:0.5", "apply", &bench.after, &["--yes"]);
    bench.wait_for_intents(2, 3);
    send_signal(&run, "INT");
    let mut stderr = BufReader::new(run.stderr.take().expect("stderr"));
    let mut line = String::new();
    while !line.contains("Stopping after") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended without a word");
    }
    send_signal(&run, "INT");
    stderr.read_to_string(&mut line).expect("text");
    assert_eq!(wait_for_exit(run).code, 130, "{line}");
    let read = replay(&fs::read(bench.journal(2)).expect("a journal"));
    assert!(read.is_unfinished());
    let back = bench.copy();
    let done = bench.assert_apply_completes();
    assert!(done.stderr.contains("is unfinished"), "{}", done.combined_output());
    back.acme.run("rollback", &back.after, &["--yes"]).assert_success();
    back.acme.assert_no_changes(&back.before);
}

#[test]
fn interrupted_run_keeps_its_changes_with_no_rollback() {
    let bench = TestStack::new();
    let before = sorted_addresses(&bench.live_resources());
    let run = bench.spawn(SLOW, "apply", &bench.after, &["--yes", "--no-rollback"]);
    bench.wait_for_intents(2, 3);
    send_signal(&run, "INT");
    let done = wait_for_exit(run);
    assert_eq!(done.code, 130, "{}", done.combined_output());
    assert!(done.stderr.contains("and kept") && done.stderr.contains("acme rollback"), "{}", done.combined_output());
    assert_ne!(sorted_addresses(&bench.live_resources()), before, "nothing was kept");
    let back = bench.copy();
    bench.assert_apply_completes();
    back.acme.run("rollback", &back.after, &["--yes"]).assert_success();
    assert_eq!(sorted_addresses(&back.live_resources()), before);
    back.acme.assert_no_changes(&back.before);
}
