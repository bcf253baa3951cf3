//! Every write that a run makes is refused, alone or with all after it, its answer lost, or acme killed around it: what is there
//! afterwards is what was there before, or what was asked for, and nothing else. Through the binary, over sockets, against ministack;
//! looked at by boto3.
//!
//! `ACME_BINARY=target/release/acme cargo test --test it exhaust::exhaustive -- --ignored --nocapture` does so at every write of the reference
//! stack's first apply and of five edits, and again with every third call throttled, which takes a while; `EXHAUST=<names with commas>`
//! picks scenarios, `EXHAUST_AT=<number>` one write. The ordinary run does it at some writes of a small stack.

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
    acme::{Acme, Done, stack, write},
    flow::Edited,
    proxy::{Faults, Kill, Proxy, Trouble},
    standin::{Standin, StandinKind, Witness},
};

/// A run that is disturbed: from one definition, or from nothing, to another.
struct Scenario {
    name: &'static str,
    from: Option<PathBuf>,
    to: PathBuf,
    /// Whether it deletes something, after which it only goes forward.
    clears: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Refused,
    Lost,
    KilledBefore,
    KilledAfter,
    /// It is refused, and so is going back; `rollback` goes on from there.
    Stuck,
}

impl Mode {
    const ALL: [Mode; 5] = [Mode::Refused, Mode::Lost, Mode::KilledBefore, Mode::KilledAfter, Mode::Stuck];
}

/// Which write, counted from 1, and what happens to it.
#[derive(Clone, Copy)]
struct Case {
    mode: Mode,
    at: usize,
}

/// What an undisturbed run leaves and takes.
struct Undisturbed {
    before: Value,
    after: Value,
    writes: usize,
}

/// How the cases of one mode went.
#[derive(Default)]
struct Tally {
    tried: usize,
    passed: usize,
    /// Runs that came to their wanted end all the same.
    forward: usize,
    /// Runs that made fewer writes than the undisturbed one, so that nothing happened to them.
    untroubled: usize,
}

/// Where one case after another takes place.
struct Place {
    standin: Standin,
    witness: Witness,
    /// Every so many calls of a run are refused as too many.
    throttle: Option<usize>,
}

impl Place {
    fn start(throttle: Option<usize>) -> Place {
        let standin = Standin::start(StandinKind::Ministack);
        let mut witness = Witness::start(&standin.url, include_str!("exhaust/content.py"));
        // A first look has services make what every account holds.
        assert_eq!(witness.look(), json!({}), "a fresh account holds something");
        standin.save("nothing");
        Place { standin, witness, throttle }
    }

    /// Makes what is there when a case begins, and gives the acme that remembers having made it.
    fn base(&self, scenario: &Scenario, more: &[&str]) -> Acme {
        self.standin.load("nothing");
        let acme = Acme::on(&self.standin.url).with(more);
        if let Some(from) = &scenario.from {
            acme.apply(from);
        }
        self.standin.save("base");
        acme
    }

    fn undisturbed(&mut self, scenario: &Scenario, more: &[&str]) -> Undisturbed {
        let base = self.base(scenario, more);
        let before = self.witness.look();
        let proxy = Proxy::start(&self.standin.url, Faults::default());
        base.at(&proxy.url).apply(&scenario.to);
        Undisturbed { before, after: self.witness.look(), writes: proxy.take().writes() }
    }

    /// One case, from the base to its end. `Ok` says whether it was troubled, and whether it went forward all the same.
    fn case(&mut self, base: &Acme, scenario: &Scenario, right: &Undisturbed, case: Case) -> Result<(bool, bool), String> {
        self.standin.load("base");
        let (acme, child) = (base.twin(), Arc::new(Mutex::new(None::<Child>)));
        let victim = child.clone();
        let kill = Kill(Arc::new(move || {
            if let Some(child) = victim.lock().expect("the child").as_mut() {
                child.kill().expect("it can be killed");
            }
        }));
        let trouble = match case.mode {
            Mode::Refused => Trouble::Refuse,
            Mode::Stuck => Trouble::RefuseOn,
            Mode::Lost => Trouble::Lose,
            Mode::KilledBefore => Trouble::KillBefore(kill),
            Mode::KilledAfter => Trouble::KillAfter(kill),
        };
        let throttled = Faults { throttle_every: self.throttle, ..Faults::default() };
        let proxy = Proxy::start(&self.standin.url, Faults { at_write: Some((case.at, trouble)), ..throttled.clone() });
        let done = watched(&acme.at(&proxy.url), &scenario.to, &child);
        proxy.rest();
        let Some(call) = proxy.troubled() else {
            return self.expect(&done, 0, &right.after).map(|()| (false, true));
        };
        let told = |what: &str, wrong: String| format!("{call}: {what}: {wrong}");
        match case.mode {
            Mode::Refused | Mode::Lost => {
                let forward = done.code == 0 && (case.mode == Mode::Lost || scenario.clears);
                let ended = if forward { self.expect(&done, 0, &right.after) } else { self.expect(&done, 1, &right.before) };
                ended.map_err(|wrong| told("the run", wrong)).map(|()| (true, forward))
            }
            // Where nothing had to be undone, it is not stuck.
            Mode::Stuck if done.code == 1 => {
                self.expect(&done, 1, &right.before).map_err(|wrong| told("the run", wrong)).map(|()| (true, false))
            }
            Mode::Stuck => {
                if done.code != 3 {
                    return Err(told("the run", format!("it is not left unfinished\n{}", done.screen())));
                }
                let proxy = Proxy::start(&self.standin.url, throttled);
                let done = acme.at(&proxy.url).run("rollback", &scenario.to, &["--yes"]);
                self.expect(&done, 0, &right.before).map_err(|wrong| told("rollback", wrong)).map(|()| (true, false))
            }
            Mode::KilledBefore | Mode::KilledAfter => {
                if done.code != -1 {
                    return Err(told("the run", format!("it was not killed\n{}", done.screen())));
                }
                self.standin.save("crash");
                let proxy = Proxy::start(&self.standin.url, throttled);
                let acme = acme.at(&proxy.url);
                let done = acme.twin().run("apply", &scenario.to, &["--yes"]);
                let forward = self.expect(&done, 0, &right.after).map_err(|wrong| told("the next apply", wrong));
                self.standin.load("crash");
                let done = acme.run("rollback", &scenario.to, &["--yes"]);
                let back = self.expect(&done, 0, &right.before).map_err(|wrong| told("rollback", wrong));
                match (forward, back) {
                    (Ok(()), Ok(())) => Ok((true, true)),
                    (forward, back) => Err([forward.err(), back.err()].into_iter().flatten().collect::<Vec<_>>().join("\n")),
                }
            }
        }
    }

    fn expect(&mut self, done: &Done, code: i32, content: &Value) -> Result<(), String> {
        let difference = difference(content, &self.witness.look());
        if done.code == code && difference.is_empty() {
            return Ok(());
        }
        let screen = done.screen();
        let lines: Vec<&str> = screen.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n    ");
        Err(format!("exit code {}, not {code}?\n  difference:\n{difference}  screen:\n    {tail}", done.code))
    }
}

/// Runs apply; the process stands in `child` meanwhile.
fn watched(acme: &Acme, stack: &Path, child: &Mutex<Option<Child>>) -> Done {
    let (mut stdout, mut stderr) = {
        let mut slot = child.lock().expect("the child");
        let mut command = acme.command("apply", stack, &["--yes"]);
        let mut started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts");
        let pipes = (started.stdout.take().expect("a pipe"), started.stderr.take().expect("a pipe"));
        *slot = Some(started);
        pipes
    };
    let said = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let mut text = Vec::new();
    stderr.read_to_end(&mut text).expect("what it says can be read");
    let stdout = said.join().expect("the reader").expect("what it says can be read");
    let status = child.lock().expect("the child").take().expect("the child").wait().expect("it ends");
    Done::of(std::process::Output { status, stdout, stderr: text })
}

/// What is in one content and not in the other, a line for each value.
fn difference(expected: &Value, found: &Value) -> String {
    let (expected, found) = (values(expected), values(found));
    let mut text = String::new();
    for (sign, lines) in [("missing", expected.difference(&found)), ("too much", found.difference(&expected))] {
        for line in lines.take(15) {
            let _ = writeln!(text, "    {sign}: {line}");
        }
    }
    text
}

/// Every value with its path; the items of a type are named by their marks.
fn values(content: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (kind, items) in content.as_object().into_iter().flatten() {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for item in items.as_array().into_iter().flatten() {
            let name = ["/tags/acme:address", "/Name", "/AliasName"].iter().find_map(|at| item.pointer(at)?.as_str()).unwrap_or("unmarked");
            let number = seen.entry(name.to_owned()).and_modify(|number| *number += 1).or_insert(1);
            leaves(&format!("{kind} {name} #{number} "), item, &mut all);
        }
    }
    all
}

fn leaves(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| leaves(&format!("{path}/{key}"), value, into)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(number, value)| leaves(&format!("{path}/{number}"), value, into));
        }
        leaf => drop(into.insert(format!("{path} = {leaf}"))),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tried, {} passed", self.tried, self.passed)?;
        write!(f, " ({} came to the wanted end all the same, {} met no trouble)", self.forward, self.untroubled)
    }
}

/// Tries every `step`-th write of a scenario in every mode, at all places at once. Gives what failed.
fn exhaust(places: &mut [Place], scenario: &Scenario, more: &[&str], step: usize) -> Vec<String> {
    let name = format!("{}{}", scenario.name, if places[0].throttle.is_some() { ", throttled" } else { "" });
    let right = places[0].undisturbed(scenario, more);
    let only: Option<usize> = std::env::var("EXHAUST_AT").ok().and_then(|at| at.parse().ok());
    let chosen = |mode: Mode, at: usize| only.map_or((at + mode as usize).is_multiple_of(step), |only| at == only);
    let all = (1..=right.writes).flat_map(|at| Mode::ALL.map(|mode| Case { mode, at }));
    let cases: Mutex<VecDeque<Case>> = Mutex::new(all.filter(|case| chosen(case.mode, case.at)).collect());
    let tallies: Mutex<BTreeMap<Mode, Tally>> = Mutex::default();
    let failed: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for place in places {
            scope.spawn(|| {
                let base = place.base(scenario, more);
                loop {
                    let Some(case) = cases.lock().expect("the cases").pop_front() else { break };
                    let ended = place.case(&base, scenario, &right, case);
                    let mut tallies = tallies.lock().expect("the tallies");
                    let tally = tallies.entry(case.mode).or_default();
                    tally.tried += 1;
                    match ended {
                        Ok((troubled, forward)) => {
                            tally.passed += 1;
                            tally.forward += usize::from(troubled && forward);
                            tally.untroubled += usize::from(!troubled);
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

/// One at a time: each takes as many stand-ins as may run at once.
static TURN: Mutex<()> = Mutex::new(());

fn all_of(scenarios: &[Scenario], more: &[&str], (workers, throttle): (usize, Option<usize>), step: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places: Vec<Place> = thread::scope(|scope| {
        let starting: Vec<_> = (0..workers).map(|_| scope.spawn(move || Place::start(throttle))).collect();
        starting.into_iter().map(|place| place.join().expect("a place")).collect()
    });
    let picked = std::env::var("EXHAUST").unwrap_or_default();
    let failed: Vec<String> = scenarios
        .iter()
        .filter(|s| picked.is_empty() || picked.split(',').any(|name| name == s.name))
        .flat_map(|s| exhaust(&mut places, s, more, step))
        .collect();
    assert!(failed.is_empty(), "{} cases failed:\n\n{}", failed.len(), failed.join("\n\n"));
}

/// One of each, small enough for the ordinary run.
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

fn small(folder: &Path) -> [Scenario; 2] {
    let small = write(folder, "small.yaml", SMALL);
    let edited = write(folder, "edited.yaml", &small_edit());
    [
        Scenario { name: "first apply", from: None, to: small.clone(), clears: false },
        Scenario { name: "edit", from: Some(small), to: edited, clears: true },
    ]
}

#[test]
fn a_small_stack_survives_trouble_at_some_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    all_of(&small(folder.path()), &[], (2, None), 6);
}

mod exhaustive {
    use super::{all_of, small, the_reference_stack};

    #[test]
    #[ignore = "takes minutes"]
    fn the_small_stack_survives_trouble_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        all_of(&small(folder.path()), &[], (4, None), 1);
    }

    #[test]
    #[ignore = "takes many minutes"]
    fn the_reference_stack_survives_trouble_at_every_write() {
        the_reference_stack((4, None));
    }

    #[test]
    #[ignore = "takes an hour"]
    fn the_throttled_reference_stack_survives_trouble_at_every_write() {
        the_reference_stack((4, Some(3)));
    }
}

fn the_reference_stack(workers: (usize, Option<usize>)) {
    let reference = stack("reference.yaml");
    let edited = |edits: &[fn(&mut Edited)]| {
        let mut edited = Edited::of(&reference);
        edits.iter().for_each(|edit| edit(&mut edited));
        edited
    };
    let update = |s: &mut Edited| {
        s.set("/environments/production/db_class", json!("db.m6g.xlarge"));
        s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
    };
    // The new zone and its records stand beside the old ones; of the node group, the old one goes first.
    let replacement = |s: &mut Edited| {
        s.set("/dns/zone", json!("store.example.com"));
        s.set("/environments/production/instance_type", json!("m6i.xlarge"));
    };
    let deletion = |s: &mut Edited| s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment", "stock"]));
    let creation = |s: &mut Edited| s.at("/dns/records")["text"] = json!({ "type": "TXT", "values": ["v=spf1 -all"] });
    let nat = |s: &mut Edited| s.set("/environments/production/nat", json!("single"));
    let edits = [
        ("update", edited(&[update]), false),
        ("replacement", edited(&[replacement]), true),
        ("deletion", edited(&[deletion]), true),
        ("mix", edited(&[update, replacement, deletion, creation, nat]), true),
        ("one NAT gateway", edited(&[nat]), true),
    ];
    let mut scenarios = vec![Scenario { name: "first apply", from: None, to: reference.clone(), clears: false }];
    let edit = |(name, edited, clears): &(&'static str, Edited, bool)| {
        let (from, to) = (Some(reference.clone()), edited.path());
        Scenario { name, from, to, clears: *clears }
    };
    scenarios.extend(edits.iter().map(edit));
    all_of(&scenarios, &["--env", "production"], workers, 1);
}
