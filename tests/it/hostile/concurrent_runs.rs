//! Two concurrent runs of one stack, started and killed at random times.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use acme::engine::journal::{Record, Replay, replay};
use serde_json::Value;

use super::{TestStack, send_signal, wait_for_exit};

impl TestStack {
    fn lease_fence(&self) -> u64 {
        let lease = fs::read(self.backend().join("shop/default/lease.json")).expect("a lease");
        let lease: Value = serde_json::from_slice(&lease).expect("JSON");
        lease["fence"].as_u64().expect("a fence")
    }
    /// Stops the process, but not while it holds a file lock, which would block all other processes.
    fn pause_outside_locks(&self, child: &Child) {
        let turns = [self.backend().join("lock"), self.cloud().join("cloud.lock")];
        let free = |path: &PathBuf| File::open(path).expect("a lock").try_lock().is_ok();
        loop {
            send_signal(child, "STOP");
            // Its threads stop one after the other.
            sleep(Duration::from_millis(20));
            if turns.iter().all(free) {
                return;
            }
            send_signal(child, "CONT");
        }
    }
    /// All journals, in order.
    fn journals(&self) -> Vec<Replay> {
        let folder = self.backend().join("shop/default/revisions");
        let mut numbers: Vec<_> = fs::read_dir(folder).expect("revisions").map(|entry| entry.expect("an entry").path()).collect();
        numbers.sort();
        numbers.iter().map(|path| replay(&fs::read(path.join("journal")).unwrap_or_default())).collect()
    }
}

/// Asserts that records of different runs don't interleave, and that each journal is valid.
fn assert_single_writer(journals: &[Replay]) {
    let mut over = 0;
    for journal in journals.iter().filter(|journal| !journal.lines.is_empty()) {
        assert_eq!(journal.damage, None);
        assert!(matches!(journal.lines[0].record, Record::Begin(_)));
        assert!(journal.lines[0].at >= over, "revision {:?} began while another was writing", journal.run);
        assert!(journal.lines.windows(2).all(|two| two[0].at <= two[1].at));
        over = journal.lines[journal.lines.len() - 1].at;
    }
}

fn run_rounds(rounds: usize) {
    let bench = TestStack::new();
    let mut fence = bench.lease_fence();
    let mut killed = 0;
    let start = |stack| bench.spawn("settle:0.001", "apply", stack, &["--yes", "--lock-timeout", "60"]);
    // The duration of a run on this machine limits the random times.
    let begin = Instant::now();
    wait_for_exit(start(&bench.after)).assert_success();
    let usual = begin.elapsed();
    let within = |part: f64| usual.mul_f64(part * fastrand::f64());
    for round in 0..rounds {
        let (one, two) = if round % 2 == 0 { (&bench.before, &bench.after) } else { (&bench.after, &bench.before) };
        let first = start(one);
        sleep(within(1.0));
        let second = start(two);
        let (victim, survivor) = if fastrand::bool() { (first, second) } else { (second, first) };
        sleep(within(1.0));
        send_signal(&victim, "KILL");
        killed += usize::from(wait_for_exit(victim).code == -1);
        let done = wait_for_exit(survivor);
        assert_eq!(done.code, 0, "round {round}: the other run did not succeed\n{}", done.combined_output());
        let now = bench.lease_fence();
        assert!(now > fence, "round {round}: fence {now} after {fence}");
        fence = now;
    }
    let journals = bench.journals();
    assert_single_writer(&journals);
    let writing = journals.iter().filter(|journal| journal.is_unfinished()).count();
    eprintln!("{rounds} rounds, {killed} killed, {writing} of them while writing, {} revisions, fence {fence}", journals.len());
    assert!(journals.len() as u64 <= fence, "a run without a lease of its own");
    bench.assert_apply_completes();
}

#[test]
fn concurrent_runs_take_turns_even_when_killed() {
    run_rounds(10);
}

mod exhaustive {
    #[test]
    #[ignore = "takes minutes"]
    fn concurrent_runs_take_turns_a_hundred_times() {
        super::run_rounds(100);
    }
}

/// A holder that is stopped beyond its lease's expiry notices that another one took over, and makes no further calls.
#[test]
#[ignore = "full run"]
fn paused_run_does_nothing_after_losing_its_lease() {
    let bench = TestStack::new();
    let first = bench.spawn("settle:0.05", "apply", &bench.after, &["--yes"]);
    bench.wait_for_intents(2, 2);
    bench.pause_outside_locks(&first);
    let second = bench.spawn("", "apply", &bench.after, &["--yes", "--lock-timeout", "200"]);
    let done = wait_for_exit(second);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    let (content, fence) = (bench.live_resources(), bench.lease_fence());
    send_signal(&first, "CONT");
    let back = wait_for_exit(first);
    assert_eq!(back.code, 3, "{}", back.combined_output());
    assert!(back.stderr.contains("LeaseLost"), "{}", back.combined_output());
    // It may have been stopped while it wrote the intents of several steps; each call itself checks the lease again.
    assert_eq!((bench.live_resources(), bench.lease_fence()), (content, fence));
    bench.assert_apply_completes();
}
