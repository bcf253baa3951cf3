//! Two machines that change one stack: their clocks differ by an hour, one of them stops, or somebody removes its lease. After the first call
//! of the new holder, the old one changes nothing.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use super::{send_signal, send_signal_to_pid, wait_for_exit};
use crate::{
    acme::{Acme, write_file},
    proxy::{Calls, Faults, Kill, Proxy},
    standin::{Standin, StandinKind},
};

const STACK: &str = "
stack: shop
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, ingress: [{ port: 5432, security_group: web }] }
    cache: { vpc: main, ingress: [{ port: 6379, security_group: database }] }
";

/// Replaces the wall clock of a process; the monotonic clock stays. In C, because it is loaded into the process.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long offset(void) { const char *text = getenv("CLOCK_OFFSET"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    int failed = syscall(SYS_gettimeofday, now, zone);
    if (!failed) now->tv_sec += offset();
    return failed;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"#;

/// Library with another wall clock.
fn clock() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, library) = (write_file(folder.path(), "clock.c", CLOCK), folder.path().join("clock.so"));
        let done = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output().expect("a C compiler");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        (folder, library)
    });
    library
}

/// Two machines with the same stack and backend, each with its own way to the endpoint.
struct Machines {
    standin: Standin,
    folder: tempfile::TempDir,
}

impl Machines {
    fn new() -> Machines {
        let machines = Machines { standin: Standin::start(StandinKind::Ministack), folder: tempfile::tempdir().expect("a folder") };
        write_file(machines.folder.path(), "shop.yaml", STACK);
        // The bucket for records.
        machines.acme(&machines.standin.url).destroy(&machines.stack());
        machines
    }
    fn stack(&self) -> PathBuf {
        self.folder.path().join("shop.yaml")
    }
    fn acme(&self, url: &str) -> Acme {
        Acme::at_endpoint(url).with_args(&["--backend", "s3"])
    }
    /// Applies the stack on a machine whose wall clock is wrong by this many seconds.
    fn start(&self, proxy: &Proxy, clock_offset: i32) -> Child {
        let mut command = self.acme(&proxy.url).command("apply", &self.stack(), &["--yes", "--lock-timeout", "400"]);
        command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", clock_offset.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts")
    }
}

/// Waits for the n-th change to the stack.
fn wait_for_change(proxy: &Proxy, n: usize) {
    while proxy.started_changes() < n {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Times of the changes to the stack, not of those to the records.
fn changes(calls: &Calls) -> Vec<Instant> {
    calls.0.iter().filter(|call| call.write && call.service != "s3").map(|call| call.at).collect()
}

fn assert_no_call_after_the_first_of(new: &Calls, old: &Calls) {
    let first = changes(new).into_iter().min().expect("the new holder makes calls");
    let late = changes(old).into_iter().filter(|at| *at >= first).count();
    assert_eq!(late, 0, "{late} calls of the old holder after the first one of the new holder\n{}{}", old.table(), new.table());
    assert!(!changes(old).is_empty(), "the old holder made no call");
}

/// The contender's clock is an hour ahead, so the holder seems to be silent for that long, or behind.
fn check_clocks(holder: i32, contender: i32) {
    let machines = Machines::new();
    let slow = Faults { delay_writes: Duration::from_secs(15), ..Faults::default() };
    let (old, new) = (Proxy::start(&machines.standin.url, slow), Proxy::start(&machines.standin.url, Faults::default()));
    let first = machines.start(&old, holder);
    wait_for_change(&old, 1);
    let started = Instant::now();
    let second = machines.start(&new, contender);
    wait_for_exit(first).assert_success();
    assert!(started.elapsed() > Duration::from_secs(95), "it must work for longer than a takeover takes");
    let end = Instant::now();
    wait_for_exit(second).assert_success();
    // Everything exists: the second run has nothing to change.
    assert!(changes(&new.take_calls()).iter().all(|at| *at >= end), "it did not wait for the holder");
    machines.acme(&machines.standin.url).assert_no_changes(&machines.stack());
}

#[test]
#[ignore = "full run"]
fn a_contender_whose_clock_is_an_hour_ahead_waits_for_a_working_holder() {
    check_clocks(0, 3600);
}

#[test]
#[ignore = "full run"]
fn a_contender_whose_clock_is_an_hour_behind_waits_for_a_working_holder() {
    check_clocks(3600, 0);
}

/// The holder is stopped in the middle of a call, and resumes when the new holder makes its first one.
fn check_stopped_holder(holder: i32, contender: i32) {
    let machines = Machines::new();
    let process: Arc<Mutex<Option<u32>>> = Arc::default();
    let send = |name: &'static str| {
        let process = process.clone();
        Kill(Arc::new(move || {
            let id = process.lock().expect("the process").expect("it runs");
            assert!(send_signal_to_pid(id, name));
            // Its threads stop one after the other.
            std::thread::sleep(Duration::from_millis(50));
        }))
    };
    let old = Proxy::start(&machines.standin.url, Faults { before_change: Some((2, send("STOP"))), ..Faults::default() });
    let new = Proxy::start(&machines.standin.url, Faults { before_change: Some((1, send("CONT"))), ..Faults::default() });
    let mut slot = process.lock().expect("the process");
    let first = machines.start(&old, holder);
    *slot = Some(first.id());
    drop(slot);
    wait_for_change(&old, 2);
    let second = machines.start(&new, contender);
    let done = wait_for_exit(second);
    send_signal(&first, "CONT");
    let back = wait_for_exit(first);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_eq!(back.code, 3, "{}", back.combined_output());
    assert!(back.stderr.contains("LeaseLost"), "{}", back.combined_output());
    assert_no_call_after_the_first_of(&new.take_calls(), &old.take_calls());
    machines.acme(&machines.standin.url).assert_no_changes(&machines.stack());
}

#[test]
#[ignore = "full run"]
fn a_stopped_holder_whose_clock_is_an_hour_behind_changes_nothing_after_the_takeover() {
    check_stopped_holder(0, 3600);
}

#[test]
#[ignore = "full run"]
fn a_stopped_holder_whose_clock_is_an_hour_ahead_changes_nothing_after_the_takeover() {
    check_stopped_holder(3600, 0);
}

#[test]
#[ignore = "full run"]
fn an_unlocked_holder_changes_nothing_after_the_next_run_starts() {
    let machines = Machines::new();
    let slow = Faults { delay_writes: Duration::from_secs(5), ..Faults::default() };
    let (old, new) = (Proxy::start(&machines.standin.url, slow), Proxy::start(&machines.standin.url, Faults::default()));
    let first = machines.start(&old, 3600);
    wait_for_change(&old, 1);
    machines.acme(&machines.standin.url).run("unlock", &machines.stack(), &["--yes"]).assert_success();
    let done = wait_for_exit(machines.start(&new, 0));
    let back = wait_for_exit(first);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_eq!(back.code, 3, "{}", back.combined_output());
    assert!(back.stderr.contains("unlock"), "{}", back.combined_output());
    assert_no_call_after_the_first_of(&new.take_calls(), &old.take_calls());
    machines.acme(&machines.standin.url).assert_no_changes(&machines.stack());
}
