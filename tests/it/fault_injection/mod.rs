//! For every write of a run: the write is rejected, alone or with all later ones, its response is lost, or acme is killed around it.
//! Afterwards, the resources are those before the run or the desired ones, and nothing else. A killed run is continued and rolled back from
//! another machine, which has only the backend; data may be lost only if a warning names its resource. Uses the binary, over sockets,
//! against ministack; boto3 checks the result.
//!
//! `ACME_BINARY=target/release/acme cargo test --test it fault_injection::scenarios::exhaustive -- --ignored --nocapture` tests every write of
//! the reference stack's first apply, of five edits and of its destroy, and again with every third call throttled, which takes a while, of the
//! stack gitops, and of a definition of all types, which is made from their lifecycles;
//! `EXHAUST=<names with commas>` selects scenarios, `EXHAUST_AT=<number>` one write, `EXHAUST_MODE=<names with commas>` failures. The default
//! run tests some writes of small stacks.

mod all_types;
mod content;
mod scenarios;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::Read,
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use serde_json::{Value, json};

use self::content::{difference, unannounced_losses};
use crate::{
    acme::{Acme, CommandOutput},
    proxy::{Faults, Kill, Proxy, WriteFault},
    standin::{ScriptRunner, Standin, StandinKind},
};

/// Run under test: from one definition, or from nothing, to another.
struct Scenario {
    name: &'static str,
    /// `apply` or `destroy`.
    command: &'static str,
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
    const ALL: &[FaultMode] =
        &[FaultMode::Refused, FaultMode::ResponseLost, FaultMode::KilledBefore, FaultMode::KilledAfter, FaultMode::RollbackRefused];
    const KILLS: &[FaultMode] = &[FaultMode::KilledBefore, FaultMode::KilledAfter];
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

/// State from which each case of a scenario begins.
struct Base {
    acme: Acme,
    /// What can't be created again: contents, key material, addresses.
    data: Value,
}

impl Worker {
    fn start(throttle: Option<usize>) -> Worker {
        let standin = Standin::start(StandinKind::Ministack);
        let mut witness = ScriptRunner::start(&standin.url, include_str!("content.py"));
        // The first read makes services create the default resources of every account.
        assert_eq!(witness.run_script(), json!({}), "a fresh account holds something");
        standin.save("nothing");
        Worker { standin, witness, throttle }
    }

    /// Creates the initial resources of a case, with data in them.
    fn prepare(&mut self, scenario: &Scenario, more: &[&str]) -> Base {
        self.standin.load("nothing");
        let acme = Acme::at_endpoint(&self.standin.url).with_args(more).with_shared_backend();
        if let Some(from) = &scenario.from {
            acme.apply(from);
            self.standin.run_boto3(include_str!("fill.py"));
        }
        self.standin.save("base");
        Base { acme, data: self.witness.run_script()["data"].take() }
    }

    fn run_baseline(&mut self, scenario: &Scenario, more: &[&str]) -> Baseline {
        let base = self.prepare(scenario, more);
        let before = self.witness.run_script();
        let proxy = Proxy::start(&self.standin.url, Faults::default());
        base.acme.with_endpoint(&proxy.url).run(scenario.command, &scenario.to, &["--yes"]).assert_success();
        Baseline { before, after: self.witness.run_script(), writes: proxy.take_calls().writes() }
    }

    /// Runs one case. `Ok` contains whether a failure was injected, and whether the run succeeded anyway.
    fn run_case(&mut self, base: &Base, scenario: &Scenario, right: &Baseline, case: FaultCase) -> Result<(bool, bool), String> {
        self.standin.load("base");
        let (acme, child) = (base.acme.with_copied_state(), Arc::new(Mutex::new(None::<Child>)));
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
        let done = run_killable(&acme.with_endpoint(&proxy.url), scenario, &child);
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
                let back = self.check_rolled_back(&done, right, base);
                back.map_err(|wrong| describe("rollback", wrong)).map(|()| (true, false))
            }
            FaultMode::KilledBefore | FaultMode::KilledAfter => {
                if done.code != -1 {
                    return Err(describe("the run", format!("it was not killed\n{}", done.combined_output())));
                }
                self.standin.save("crash");
                let proxy = Proxy::start(&self.standin.url, throttled);
                let acme = acme.with_endpoint(&proxy.url);
                let done = acme.with_copied_state().on_another_machine().run(scenario.command, &scenario.to, &["--yes"]);
                let forward = self.check(&done, 0, &right.after).map_err(|wrong| describe("the next run", wrong));
                self.standin.load("crash");
                let done = acme.on_another_machine().run("rollback", &scenario.to, &["--yes"]);
                let back = self.check_rolled_back(&done, right, base).map_err(|wrong| describe("rollback", wrong));
                match (forward, back) {
                    (Ok(()), Ok(())) => Ok((true, true)),
                    (forward, back) => Err([forward.err(), back.err()].into_iter().flatten().collect::<Vec<_>>().join("\n")),
                }
            }
        }
    }

    fn check(&mut self, done: &CommandOutput, code: i32, content: &Value) -> Result<(), String> {
        let now = self.witness.run_script();
        Worker::compare(done, code, difference(content, &now))
    }

    /// Checks that everything is as before, and that the output names the resources of which something is lost.
    fn check_rolled_back(&mut self, done: &CommandOutput, right: &Baseline, base: &Base) -> Result<(), String> {
        let now = self.witness.run_script();
        let lost = unannounced_losses(&base.data, &now["data"], &done.combined_output());
        Worker::compare(done, 0, difference(&right.before, &now) + &lost)
    }

    fn compare(done: &CommandOutput, code: i32, difference: String) -> Result<(), String> {
        if done.code == code && difference.is_empty() {
            return Ok(());
        }
        let screen = done.combined_output().replace('\n', "\n    ");
        Err(format!("exit code {}, not {code}?\n  difference:\n{difference}  screen:\n    {screen}", done.code))
    }
}

/// Runs the scenario; `child` contains the process meanwhile.
fn run_killable(acme: &Acme, scenario: &Scenario, child: &Mutex<Option<Child>>) -> CommandOutput {
    let (mut stdout, mut stderr) = {
        let mut slot = child.lock().expect("the child");
        let mut command = acme.command(scenario.command, &scenario.to, &["--yes"]);
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

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tried, {} passed", self.tried, self.passed)?;
        write!(f, " ({} came to the wanted end all the same, {} met no trouble)", self.completed, self.without_fault)
    }
}

/// Tests every `step`-th write of a scenario in these modes, in parallel. Returns the failures.
fn run_scenario(places: &mut [Worker], scenario: &Scenario, more: &[&str], modes: &[FaultMode], step: usize) -> Vec<String> {
    let name = format!("{}{}", scenario.name, if places[0].throttle.is_some() { ", throttled" } else { "" });
    let right = places[0].run_baseline(scenario, more);
    let only: Option<usize> = std::env::var("EXHAUST_AT").ok().and_then(|at| at.parse().ok());
    let chosen = |mode: FaultMode, at: usize| only.map_or((at + mode as usize).is_multiple_of(step), |only| at == only);
    let picked = std::env::var("EXHAUST_MODE").unwrap_or_default();
    let modes = modes.iter().filter(|mode| picked.is_empty() || picked.split(',').any(|name| name == format!("{mode:?}")));
    let modes: Vec<FaultMode> = modes.copied().collect();
    let all = (1..=right.writes).flat_map(|at| modes.iter().map(move |&mode| FaultCase { mode, at }));
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

fn run_scenarios(scenarios: &[Scenario], more: &[&str], (workers, throttle): (usize, Option<usize>), modes: &[FaultMode], step: usize) {
    let _turn = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places: Vec<Worker> = thread::scope(|scope| {
        let starting: Vec<_> = (0..workers).map(|_| scope.spawn(move || Worker::start(throttle))).collect();
        starting.into_iter().map(|place| place.join().expect("a place")).collect()
    });
    let picked = std::env::var("EXHAUST").unwrap_or_default();
    let failed: Vec<String> = scenarios
        .iter()
        .filter(|s| picked.is_empty() || picked.split(',').any(|name| name == s.name))
        .flat_map(|s| run_scenario(&mut places, s, more, modes, step))
        .collect();
    assert!(failed.is_empty(), "{} cases failed:\n\n{}", failed.len(), failed.join("\n\n"));
}
