//! Hostile conditions: random input in every file, two runs at the same time, killed, stopped and interrupted processes,
//! expiring credentials, names and texts with control characters, and secrets that must never be visible.

mod concurrent_runs;
mod damaged_journals;
mod expired_credentials;
mod fuzz;
mod interrupts;
mod journal_properties;
mod lease_takeover;
mod names;
mod overhead;
mod read_lag;
mod secrets;
mod texts;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use acme::simulator::{Behaviour, Simulator};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::acme::{Acme, CommandOutput, write_file};

/// A runner with this number of cases, unless `ACME_CASES` is set.
fn proptest_runner(usual: u32) -> TestRunner {
    let cases = std::env::var("ACME_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() })
}

/// A stack before and after: with a creation, a change, a replacement and a deletion.
const BEFORE: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a }
    old: { vpc: main, cidr: 10.0.9.0/24, availability_zone: eu-west-1a }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
  ecr_repository: { kept: {}, gone: {} }
";
const AFTER: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.3.0/24, availability_zone: eu-west-1b }
  security_group:
    web: { vpc: main, ingress: [{ port: 8443, cidr: 0.0.0.0/0 }] }
  elastic_ip: { nat: {} }
  nat_gateway: { nat: { subnet: a, elastic_ip: nat } }
  ecr_repository: { kept: {}, new: {} }
";

/// A stack on a simulated cloud, brought to [`BEFORE`].
struct TestStack {
    folder: tempfile::TempDir,
    acme: Acme,
    before: PathBuf,
    after: PathBuf,
}

impl TestStack {
    fn new() -> TestStack {
        let bench = TestStack::in_folder(tempfile::tempdir().expect("a folder"));
        bench.acme.apply(&bench.before);
        bench
    }
    fn in_folder(folder: tempfile::TempDir) -> TestStack {
        let acme = Acme::local(&folder.path().join("cloud"));
        let (before, after) = (write_file(folder.path(), "before.yaml", BEFORE), write_file(folder.path(), "after.yaml", AFTER));
        TestStack { folder, acme, before, after }
    }
    /// The same in another folder.
    fn copy(&self) -> TestStack {
        let folder = tempfile::tempdir().expect("a folder");
        copy_dir(&self.cloud(), &folder.path().join("cloud"));
        TestStack::in_folder(folder)
    }
    fn cloud(&self) -> PathBuf {
        self.folder.path().join("cloud")
    }
    fn backend(&self) -> PathBuf {
        self.cloud().join("backend/eu-west-1")
    }
    fn journal(&self, revision: u64) -> PathBuf {
        self.backend().join(format!("shop/default/revisions/{revision:06}/journal"))
    }
    /// Content of the cloud, by type and id.
    fn live_resources(&self) -> BTreeMap<String, Value> {
        Simulator::open(self.cloud(), "eu-west-1", Behaviour::default()).expect("the cloud can be read").dump()
    }
    /// Starts a command; its output goes to files in the folder.
    fn spawn(&self, fault: &str, command: &str, stack: &Path, more: &[&str]) -> Child {
        let mut whole: Command = self.acme.command(command, stack, more);
        whole.env("ACME_LOCAL_FAULT", fault).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        whole.spawn().expect("acme starts")
    }
    /// Applies [`AFTER`], and crashes at the k-th call.
    fn apply_until_crash(&self, fault: &str) {
        let done = self.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", &self.after, &["--yes"]);
        assert_eq!(done.code, -1, "it did not crash:\n{}", done.combined_output());
    }
    /// Asserts that the resources match [`AFTER`].
    fn assert_apply_completes(&self) -> CommandOutput {
        let done = self.acme.run("apply", &self.after, &["--yes"]).assert_success();
        self.acme.assert_no_changes(&self.after);
        let plan = self.acme.plan(&self.after);
        assert_eq!(
            plan.0["summary"]["unchanged"],
            self.live_resources().len(),
            "something is there twice: {:?}",
            sorted_addresses(&self.live_resources())
        );
        done
    }
}

/// Addresses of live resources, sorted, with duplicates.
fn sorted_addresses(content: &BTreeMap<String, Value>) -> Vec<String> {
    let address = |live: &Value| live["tags"]["acme:address"].as_str().unwrap_or("unmarked").to_owned();
    let mut all: Vec<String> = content.values().map(address).collect();
    all.sort();
    all
}

/// Resources by address, without ids, which change when a resource is recreated.
fn tags_by_address(content: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    content.values().map(|live| (live["tags"]["acme:address"].as_str().unwrap_or_default().to_owned(), live["tags"].clone())).collect()
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Sends a signal by its name.
fn send_signal(child: &Child, name: &str) {
    assert!(send_signal_to_pid(child.id(), name), "SIG{name} could not be sent");
}

/// Uses the shell's `kill`: not every machine has a program of that name.
fn send_signal_to_pid(process: u32, signal: &str) -> bool {
    Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status().expect("sh runs").success()
}

/// Output and exit code. A command that does not end fails the test, instead of hanging the test run.
fn wait_for_exit(child: Child) -> CommandOutput {
    let id = child.id();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    if let Ok(output) = end.recv_timeout(Duration::from_secs(240)) {
        return CommandOutput::from_output(output.expect("it ends"));
    }
    let killed = send_signal_to_pid(id, "KILL");
    let said = end.recv().expect("the thread sends once").map(CommandOutput::from_output).map(|done| done.combined_output());
    panic!("it did not end in four minutes (killed: {killed}): {said:?}")
}
