//! For every write of a run: the write is rejected, alone or with all later ones, its response is lost, or acme is killed around it.
//! Afterwards, the resources are those before the run or the desired ones, and nothing else. Uses the binary, over sockets, against
//! ministack; boto3 checks the result.
//!
//! `ACME_BINARY=target/release/acme cargo test --test it fault_injection::exhaustive -- --ignored --nocapture` tests every write of the reference
//! stack's first apply and of five edits, and again with every third call throttled, which takes a while; `EXHAUST=<names with commas>`
//! selects scenarios, `EXHAUST_AT=<number>` one write. The default run tests some writes of a small stack.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::{self, Write},
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, repository_stack, write_file},
    end_to_end::EditableStack,
    proxy::{Faults, Kill, Proxy, WriteFault},
    standin::{ScriptRunner, Standin, StandinKind},
};

/// Run under test: from one definition, or from nothing, to another.
struct Scenario {
    name: &'static str,
    from: Option<PathBuf>,
    to: PathBuf,
    /// Whether it deletes resources, after which it only goes forward.
    deletes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FaultMode {
    Refused,
    ResponseLost,
    KilledBefore,
    KilledAfter,
    /// The write is rejected, and so is the rollback; `rollback` continues.
    RollbackRefused,
}

impl FaultMode {
    const ALL: [FaultMode; 5] =
        [FaultMode::Refused, FaultMode::ResponseLost, FaultMode::KilledBefore, FaultMode::KilledAfter, FaultMode::RollbackRefused];
}

/// Number of the write, from 1, and its failure.
#[derive(Clone, Copy)]
struct FaultCase {
    mode: FaultMode,
    at: usize,
}

/// Result and number of writes of a run without failures.
struct Baseline {
    before: Value,
    after: Value,
    writes: usize,
}

/// Results of the cases of one mode.
#[derive(Default)]
struct Tally {
    tried: usize,
    passed: usize,
    /// Runs that succeeded despite the failure.
    completed: usize,
    /// Runs with fewer writes than the one without failures, so that none was injected.
    without_fault: usize,
}

/// Environment for consecutive cases.
struct Worker {
    standin: Standin,
    witness: ScriptRunner,
    /// Interval of throttled calls.
    throttle: Option<usize>,
}

impl Worker {
    fn start(throttle: Option<usize>) -> Worker {
        let standin = Standin::start(StandinKind::Ministack);
        let mut witness = ScriptRunner::start(&standin.url, include_str!("exhaust/content.py"));
        // The first read makes services create the default resources of every account.
        assert_eq!(witness.run_script(), json!({}), "a fresh account holds something");
        standin.save("nothing");
        Worker { standin, witness, throttle }
    }

    /// Creates the initial resources of a case, and returns the acme with their history.
    fn prepare(&self, scenario: &Scenario, more: &[&str]) -> Acme {
        self.standin.load("nothing");
        let acme = Acme::at_endpoint(&self.standin.url).with_args(more);
        if let Some(from) = &scenario.from {
            acme.apply(from);
        }
        self.standin.save("base");
        acme
    }

    fn run_baseline(&mut self, scenario: &Scenario, more: &[&str]) -> Baseline {
        let base = self.prepare(scenario, more);
        let before = self.witness.run_script();
        let proxy = Proxy::start(&self.standin.url, Faults::default());
        base.with_endpoint(&proxy.url).apply(&scenario.to);
        Baseline { before, after: self.witness.run_script(), writes: proxy.take_calls().writes() }
    }

    /// Runs one case. `Ok` contains whether a failure was injected, and whether the run succeeded anyway.
    fn run_case(&mut self, base: &Acme, scenario: &Scenario, right: &Baseline, case: FaultCase) -> Result<(bool, bool), String> {
        self.standin.load("base");
        let (acme, child) = (base.with_copied_state(), Arc::new(Mutex::new(None::<Child>)));
        let victim = child.clone();
        let kill = Kill(Arc::new(move || {
            if let Some(child) = victim.lock().expect("the child").as_mut() {
                child.kill().expect("it can be killed");
            }
        }));
        let trouble = match case.mode {
            FaultMode::Refused => WriteFault::Refuse,
            FaultMode::RollbackRefused => WriteFault::RefuseFromHere,
            FaultMode::ResponseLost => WriteFault::LoseResponse,
            FaultMode::KilledBefore => WriteFault::KillBefore(kill),
            FaultMode::KilledAfter => WriteFault::KillAfter(kill),
        };
        let throttled = Faults { throttle_every: self.throttle, ..Faults::default() };
        let proxy = Proxy::start(&self.standin.url, Faults { at_write: Some((case.at, trouble)), ..throttled.clone() });
        let done = apply_killable(&acme.with_endpoint(&proxy.url), &scenario.to, &child);
        proxy.wait_until_idle();
        let Some(call) = proxy.faulted_write() else {
            return self.check(&done, 0, &right.after).map(|()| (false, true));
        };
        let describe = |what: &str, wrong: String| format!("{call}: {what}: {wrong}");
        match case.mode {
            FaultMode::Refused | FaultMode::ResponseLost => {
                let forward = done.code == 0 && (case.mode == FaultMode::ResponseLost || scenario.deletes);
                let ended = if forward { self.check(&done, 0, &right.after) } else { self.check(&done, 1, &right.before) };
                ended.map_err(|wrong| describe("the run", wrong)).map(|()| (true, forward))
            }
            // If nothing had to be undone, it is not stuck.
            FaultMode::RollbackRefused if done.code == 1 => {
                self.check(&done, 1, &right.before).map_err(|wrong| describe("the run", wrong)).map(|()| (true, false))
            }
            FaultMode::RollbackRefused => {
                if done.code != 3 {
                    return Err(describe("the run", format!("it is not left unfinished\n{}", done.combined_output())));
                }
                let proxy = Proxy::start(&self.standin.url, throttled);
                let done = acme.with_endpoint(&proxy.url).run("rollback", &scenario.to, &["--yes"]);
                self.check(&done, 0, &right.before).map_err(|wrong| describe("rollback", wrong)).map(|()| (true, false))
            }
            FaultMode::KilledBefore | FaultMode::KilledAfter => {
                if done.code != -1 {
                    return Err(describe("the run", format!("it was not killed\n{}", done.combined_output())));
                }
                self.standin.save("crash");
                let proxy = Proxy::start(&self.standin.url, throttled);
                let acme = acme.with_endpoint(&proxy.url);
                let done = acme.with_copied_state().run("apply", &scenario.to, &["--yes"]);
                let forward = self.check(&done, 0, &right.after).map_err(|wrong| describe("the next apply", wrong));
                self.standin.load("crash");
                let done = acme.run("rollback", &scenario.to, &["--yes"]);
                let back = self.check(&done, 0, &right.before).map_err(|wrong| describe("rollback", wrong));
                match (forward, back) {
                    (Ok(()), Ok(())) => Ok((true, true)),
                    (forward, back) => Err([forward.err(), back.err()].into_iter().flatten().collect::<Vec<_>>().join("\n")),
                }
            }
        }
    }

    fn check(&mut self, done: &CommandOutput, code: i32, content: &Value) -> Result<(), String> {
        let difference = difference(content, &self.witness.run_script());
        if done.code == code && difference.is_empty() {
            return Ok(());
        }
        let screen = done.combined_output();
        let lines: Vec<&str> = screen.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n    ");
        Err(format!("exit code {}, not {code}?\n  difference:\n{difference}  screen:\n    {tail}", done.code))
    }
}

/// Runs apply; `child` contains the process meanwhile.
fn apply_killable(acme: &Acme, stack: &Path, child: &Mutex<Option<Child>>) -> CommandOutput {
    let (mut stdout, mut stderr) = {
        let mut slot = child.lock().expect("the child");
        let mut command = acme.command("apply", stack, &["--yes"]);
        let mut started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts");
        let pipes = (started.stdout.take().expect("a pipe"), started.stderr.take().expect("a pipe"));
        *slot = Some(started);
        pipes
    };
    let stdout_reader = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let mut text = Vec::new();
    stderr.read_to_end(&mut text).expect("the output can be read");
    let stdout = stdout_reader.join().expect("the reader").expect("the output can be read");
    let status = child.lock().expect("the child").take().expect("the child").wait().expect("it ends");
    CommandOutput::from_output(std::process::Output { status, stdout, stderr: text })
}

/// Differences between two contents, one line per value.
fn difference(expected: &Value, found: &Value) -> String {
    let (expected, found) = (flatten(expected), flatten(found));
    let mut text = String::new();
    for (sign, lines) in [("missing", expected.difference(&found)), ("too much", found.difference(&expected))] {
        for line in lines.take(15) {
            let _ = writeln!(text, "    {sign}: {line}");
        }
    }
    text
}

/// Every value with its path; the items of a type are identified by their ownership tags.
fn flatten(content: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (kind, items) in content.as_object().into_iter().flatten() {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for item in items.as_array().into_iter().flatten() {
            let name = ["/tags/acme:address", "/Name", "/AliasName"].iter().find_map(|at| item.pointer(at)?.as_str()).unwrap_or("unmarked");
            let number = seen.entry(name.to_owned()).and_modify(|number| *number += 1).or_insert(1);
            collect_leaves(&format!("{kind} {name} #{number} "), item, &mut all);
        }
    }
    all
}

fn collect_leaves(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| collect_leaves(&format!("{path}/{key}"), value, into)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(number, value)| collect_leaves(&format!("{path}/{number}"), value, into));
        }
        leaf => drop(into.insert(format!("{path} = {leaf}"))),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tried, {} passed", self.tried, self.passed)?;
        write!(f, " ({} came to the wanted end all the same, {} met no trouble)", self.completed, self.without_fault)
    }
}

/// Tests every `step`-th write of a scenario in every mode, in parallel. Returns the failures.
fn run_scenario(places: &mut [Worker], scenario: &Scenario, more: &[&str], step: usize) -> Vec<String> {
    let name = format!("{}{}", scenario.name, if places[0].throttle.is_some() { ", throttled" } else { "" });
    let right = places[0].run_baseline(scenario, more);
    let only: Option<usize> = std::env::var("EXHAUST_AT").ok().and_then(|at| at.parse().ok());
    let chosen = |mode: FaultMode, at: usize| only.map_or((at + mode as usize).is_multiple_of(step), |only| at == only);
    let all = (1..=right.writes).flat_map(|at| FaultMode::ALL.map(|mode| FaultCase { mode, at }));
    let cases: Mutex<VecDeque<FaultCase>> = Mutex::new(all.filter(|case| chosen(case.mode, case.at)).collect());
    let tallies: Mutex<BTreeMap<FaultMode, Tally>> = Mutex::default();
    let failed: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for place in places {
            scope.spawn(|| {
                let base = place.prepare(scenario, more);
                loop {
                    let Some(case) = cases.lock().expect("the cases").pop_front() else { break };
                    let ended = place.run_case(&base, scenario, &right, case);
                    let mut tallies = tallies.lock().expect("the tallies");
                    let tally = tallies.entry(case.mode).or_default();
                    tally.tried += 1;
                    match ended {
                        Ok((troubled, forward)) => {
                            tally.passed += 1;
                            tally.completed += usize::from(troubled && forward);
                            tally.without_fault += usize::from(!troubled);
                        }
                        Err(wrong) => {
                            let wrong = format!("{name}, write {} of {} {:?}: {wrong}", case.at, right.writes, case.mode);
                            eprintln!("{wrong}");
                            failed.lock().expect("the failures").push(wrong);
                        }
                    }
                }
            });
        }
    });
    for (mode, tally) in tallies.into_inner().expect("the tallies") {
        eprintln!("{name} ({} writes), {mode:?}: {tally}", right.writes);
    }
    failed.into_inner().expect("the failures")
}

/// One at a time: each uses the maximum number of stand-ins.
static SERIAL: Mutex<()> = Mutex::new(());

fn run_scenarios(scenarios: &[Scenario], more: &[&str], (workers, throttle): (usize, Option<usize>), step: usize) {
    let _turn = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places: Vec<Worker> = thread::scope(|scope| {
        let starting: Vec<_> = (0..workers).map(|_| scope.spawn(move || Worker::start(throttle))).collect();
        starting.into_iter().map(|place| place.join().expect("a place")).collect()
    });
    let picked = std::env::var("EXHAUST").unwrap_or_default();
    let failed: Vec<String> = scenarios
        .iter()
        .filter(|s| picked.is_empty() || picked.split(',').any(|name| name == s.name))
        .flat_map(|s| run_scenario(&mut places, s, more, step))
        .collect();
    assert!(failed.is_empty(), "{} cases failed:\n\n{}", failed.len(), failed.join("\n\n"));
}

/// One of each, small enough for the default run.
const SMALL: &str = "
stack: small
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, description: Data, ingress: [{ port: 5432, security_group: web }] }
  iam_role: { app: { trust: { services: [ec2.amazonaws.com] }, policies: [AmazonEC2ContainerRegistryReadOnly] } }
  s3_bucket: { files: { versioning: true, on_delete: delete } }
  dns_zone: { main: { domain: small.example.com } }
  dns_record: { mail: { zone: main, domain: small.example.com, type: MX, values: [10 mail.example.com] } }
  ecr_repository: { app: { keep_last: 5, on_delete: delete } }
  secret: { key: { generate: { length: 20 }, on_delete: delete } }
";

/// An update, a replacement, a deletion and a creation.
fn small_edit() -> String {
    SMALL
        .replace("small.example.com", "other.example.com")
        .replace("10 mail.example.com", "20 mail.example.com")
        .replace("description: Data", "description: The data")
        .replace("ecr_repository: { app:", "ecr_repository: { other:")
        .replace("versioning: true", "versioning: false")
}

fn small_scenarios(folder: &Path) -> [Scenario; 2] {
    let small = write_file(folder, "small.yaml", SMALL);
    let edited = write_file(folder, "edited.yaml", &small_edit());
    [
        Scenario { name: "first apply", from: None, to: small.clone(), deletes: false },
        Scenario { name: "edit", from: Some(small), to: edited, deletes: true },
    ]
}

#[test]
fn small_stack_survives_faults_at_some_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    run_scenarios(&small_scenarios(folder.path()), &[], (2, None), 6);
}

mod exhaustive {
    use super::{run_reference_stack, run_scenarios, small_scenarios};

    #[test]
    #[ignore = "takes minutes"]
    fn small_stack_survives_faults_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        run_scenarios(&small_scenarios(folder.path()), &[], (4, None), 1);
    }

    #[test]
    #[ignore = "takes many minutes"]
    fn reference_stack_survives_faults_at_every_write() {
        run_reference_stack((4, None));
    }

    #[test]
    #[ignore = "takes an hour"]
    fn throttled_reference_stack_survives_faults_at_every_write() {
        run_reference_stack((4, Some(3)));
    }
}

fn run_reference_stack(workers: (usize, Option<usize>)) {
    let reference = repository_stack("reference.yaml");
    let edited = |edits: &[fn(&mut EditableStack)]| {
        let mut edited = EditableStack::load(&reference);
        edits.iter().for_each(|edit| edit(&mut edited));
        edited
    };
    let update = |s: &mut EditableStack| {
        s.set("/environments/production/db_class", json!("db.m6g.xlarge"));
        s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
    };
    // The new zone and its records exist beside the old ones; the old node group is deleted first.
    let replacement = |s: &mut EditableStack| {
        s.set("/dns/zone", json!("store.example.com"));
        s.set("/environments/production/instance_type", json!("m6i.xlarge"));
    };
    let deletion = |s: &mut EditableStack| s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment", "stock"]));
    let creation = |s: &mut EditableStack| s.value_at("/dns/records")["text"] = json!({ "type": "TXT", "values": ["v=spf1 -all"] });
    let nat = |s: &mut EditableStack| s.set("/environments/production/nat", json!("single"));
    let edits = [
        ("update", edited(&[update]), false),
        ("replacement", edited(&[replacement]), true),
        ("deletion", edited(&[deletion]), true),
        ("mix", edited(&[update, replacement, deletion, creation, nat]), true),
        ("one NAT gateway", edited(&[nat]), true),
    ];
    let mut scenarios = vec![Scenario { name: "first apply", from: None, to: reference.clone(), deletes: false }];
    let edit = |(name, edited, clears): &(&'static str, EditableStack, bool)| {
        let (from, to) = (Some(reference.clone()), edited.write());
        Scenario { name, from, to, deletes: *clears }
    };
    scenarios.extend(edits.iter().map(edit));
    run_scenarios(&scenarios, &["--env", "production"], workers, 1);
}
