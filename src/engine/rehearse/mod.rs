//! Rehearses a plan: carries it out on the simulated cloud, once undisturbed and then with every single call going wrong in every way,
//! and compares what is there in the end with what must be.
//!
//! Each run is a process as far as the engine can tell: it has a runtime of its own, which is dropped when the process "dies", and a
//! folder of its own with a copy of the seeded cloud and an empty backend. What comes after a crash knows what that folder holds.

mod content;
mod process;

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde::Serialize;
use tempfile::TempDir;

use crate::{
    core::{Address, Result},
    definition::Stack,
    engine::{
        discover::{World, kind_of},
        plan::{Action, Goal, Plan},
    },
    simulator::{Behaviour, Faults, Local, Struck},
};
pub use content::{Content, Difference, Likeness, compare};
use process::{Command, Exit, How, Place, broken};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    Nothing,
    /// It is refused.
    Refused,
    /// It takes effect, but its answer is lost.
    Lost,
    /// The process dies before it.
    CrashedBefore,
    /// The process dies after it took effect.
    CrashedAfter,
    /// It is refused, and so is everything after it, or from half way back.
    Stuck,
}

/// What is done afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The same again.
    Apply,
    /// `acme rollback`.
    Rollback,
}

/// One way in which a call goes wrong, over all calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// What goes wrong.
    pub fault: Fault,
    /// What is done afterwards, where the run leaves something to do.
    pub then: Option<Then>,
    /// Calls it was tried with.
    pub cases: usize,
    /// Ended as the undisturbed run.
    pub forward: usize,
    /// Ended as before.
    pub back: usize,
    /// Of those, how many have something that was made anew and so has another id.
    pub anew: usize,
}

impl Tally {
    /// How many ended as they must.
    pub fn passed(&self) -> usize {
        self.forward + self.back
    }
}

/// A case that did not end as it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// What was done afterwards.
    pub then: Option<Then>,
    /// Number of the call.
    pub call: u64,
    /// `create`, `update`, `retag` or `delete`; `None` when that call was never made.
    pub action: Option<&'static str>,
    /// What the call was about.
    pub address: Option<String>,
    /// How that ended.
    pub why: String,
    /// What is not as it must be.
    pub left: Vec<Difference>,
}

/// What a rehearsal found.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many mutating calls the undisturbed run makes.
    pub calls: u64,
    /// One entry per way in which calls go wrong.
    pub tallies: Vec<Tally>,
    /// What did not end as it must.
    pub failures: Vec<Failure>,
}

/// A plan, and a simulated cloud to rehearse it on.
pub struct Rehearsal {
    stack: Stack,
    goal: Goal,
    region: String,
    planned: Vec<(Address, Action)>,
    throttle_every: Option<u64>,
    folder: TempDir,
    before: Content,
}

/// Where the cloud comes from that a rehearsal begins with.
#[derive(Clone, Copy)]
pub enum Seed<'a> {
    /// A simulated cloud as it is.
    Local(&'a Local),
    /// What is live elsewhere.
    World(&'a World),
}

/// A way in which one case ended well.
enum Passed {
    Forward(Likeness),
    Back(Likeness),
}

/// How one case ended.
struct Case {
    fault: Fault,
    then: Option<Then>,
    end: std::result::Result<Passed, Failure>,
}

impl Rehearsal {
    /// Makes ready what `plan` needs, in a temporary folder. Every n-th call is throttled when that is wanted.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(stack: Stack, goal: Goal, plan: &Plan, seed: Seed<'_>, throttle_every: Option<u64>) -> Result<Rehearsal> {
        let folder = tempfile::tempdir().map_err(|error| broken(&std::env::temp_dir(), &error))?;
        let place = Place::new(folder.path().join("seed"));
        if let Seed::Local(local) = seed {
            local.copy(&place.cloud())?;
        }
        let local = Local::behaving(place.cloud(), &plan.region, Behaviour::default())?;
        if let Seed::World(world) = seed {
            for live in world.iter() {
                local.seed(live.clone())?;
            }
            for live in world.iter() {
                local.seed_around(kind_of(live)?, &live.spec)?;
            }
            for declared in stack.resources.values() {
                local.seed_around(declared.kind, &declared.spec)?;
            }
        }
        let (region, planned, before) = (plan.region.clone(), actions(plan), local.dump());
        Ok(Rehearsal { stack, goal, region, planned, throttle_every, folder, before })
    }

    /// Rehearses each fault with each call, `jobs` cases at once, until `stop` is true.
    ///
    /// # Errors
    /// When the temporary folder cannot be read or written.
    pub fn run(&self, faults: &[Fault], jobs: NonZeroUsize, stop: &AtomicBool) -> Result<Report> {
        let place = self.place("undisturbed")?;
        let exit = self.process(&place, Command::Forward, Faults::default())?;
        let again = self.process(&place, Command::Forward, Faults::default())?;
        let end = self.undisturbed(&exit, &again);
        let undisturbed = Case { fault: Fault::Nothing, then: None, end };
        if undisturbed.end.is_err() {
            return Ok(report(exit.calls, vec![undisturbed]));
        }
        let queue: Vec<(Fault, u64)> = faults.iter().flat_map(|fault| (1..=exit.calls).map(|call| (*fault, call))).collect();
        let (next, ended) = (AtomicUsize::new(0), Mutex::new(vec![Ok(vec![undisturbed])]));
        std::thread::scope(|threads| {
            for _ in 0..jobs.get() {
                threads.spawn(|| {
                    while !stop.load(Ordering::Relaxed)
                        && let Some((fault, call)) = queue.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let cases = self.case(*fault, *call, &exit.content);
                        ended.lock().unwrap_or_else(PoisonError::into_inner).push(cases);
                    }
                });
            }
        });
        let ended: Result<Vec<Vec<Case>>> = ended.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        Ok(report(exit.calls, ended?.into_iter().flatten().collect()))
    }

    /// A new folder with the cloud as it was before.
    fn place(&self, name: &str) -> Result<Place> {
        Place::new(self.folder.path().join("seed")).copy(self.folder.path().join(name))
    }

    fn undisturbed(&self, exit: &Exit, again: &Exit) -> std::result::Result<Passed, Failure> {
        let failure =
            |why: String| Failure { fault: Fault::Nothing, then: None, call: 0, action: None, address: None, why, left: Vec::new() };
        if exit.planned != self.planned {
            return Err(failure(format!("on the simulated cloud another plan comes out: {}", beyond(&exit.planned, &self.planned))));
        }
        match &exit.how {
            How::Done if again.planned.is_empty() => Ok(Passed::Forward(Likeness::Same)),
            How::Done => Err(failure(format!("something is left to do after it: {}", beyond(&again.planned, &[])))),
            How::Stuck(why) => Err(failure(why.clone())),
            How::RolledBack | How::Crashed => Err(failure("the plan does not go through on the simulated cloud".to_owned())),
        }
    }

    /// One fault of one call, with all that may be done afterwards.
    fn case(&self, fault: Fault, call: u64, after: &Content) -> Result<Vec<Case>> {
        let name = format!("{fault:?}-{call}");
        let place = self.place(&name)?;
        let exit = self.process(&place, Command::Forward, fault.of(call))?;
        let struck = exit.struck.first().cloned();
        let judge = |then, exit: &Exit| {
            let end = self.verdict(then, exit, after).map_err(|(why, left)| {
                let (action, address) = struck.clone().map(|Struck { action, address, .. }| (action, address)).unzip();
                Failure { fault, then, call, action, address, why, left }
            });
            Case { fault, then, end }
        };
        let leaves = matches!(exit.how, How::Crashed) || (fault == Fault::Stuck && matches!(exit.how, How::Stuck(_)));
        let mut cases = Vec::new();
        for then in fault.then() {
            let Some(then) = *then else {
                cases.push(judge(None, &exit));
                continue;
            };
            if !leaves {
                // It came through: whatever the fault met was no longer needed, or tried again.
                cases.push(Case { then: Some(then), ..judge(None, &exit) });
                continue;
            }
            let copy = place.copy(self.folder.path().join(format!("{name}-{then:?}")))?;
            let command = match then {
                Then::Apply => Command::Forward,
                Then::Rollback => Command::Rollback,
            };
            cases.push(judge(Some(then), &self.process(&copy, command, Faults::default())?));
            copy.remove();
        }
        place.remove();
        Ok(cases)
    }

    /// Whether a process ended as it must, and where that is.
    fn verdict(&self, then: Option<Then>, exit: &Exit, after: &Content) -> std::result::Result<Passed, (String, Vec<Difference>)> {
        let back = content::back(&self.before, after, &exit.content);
        let (wanted, passed): (_, fn(Likeness) -> Passed) = match (&exit.how, then) {
            (How::Done, None | Some(Then::Apply)) => (after, Passed::Forward),
            (How::RolledBack, None | Some(Then::Rollback)) => (&back, Passed::Back),
            (how, _) => {
                let why = match how {
                    How::Stuck(why) => format!("stuck: {why}"),
                    How::Crashed => "it crashed a second time".to_owned(),
                    How::Done => "it went forward".to_owned(),
                    How::RolledBack => "it went back".to_owned(),
                };
                let wanted = if then == Some(Then::Apply) { after } else { &back };
                return Err((why, differences(compare(wanted, &exit.content))));
            }
        };
        match compare(wanted, &exit.content) {
            Likeness::Different(left) => {
                let said = if exit.how == How::Done { "it says that all is done" } else { "it says that all is as before" };
                Err((said.to_owned(), left))
            }
            likeness => Ok(passed(likeness)),
        }
    }
}

impl Fault {
    /// What happens to the call of this number.
    fn of(self, call: u64) -> Faults {
        let (one, none) = (|| [call].into(), Faults::default());
        match self {
            Fault::Nothing => none,
            Fault::Refused => Faults { refuse: one(), ..none },
            Fault::Lost => Faults { lose: one(), ..none },
            Fault::CrashedBefore => Faults { crash_before: one(), ..none },
            Fault::CrashedAfter => Faults { crash_after: one(), ..none },
            // To undo the calls so far takes about as many: every other time half of them go through.
            Fault::Stuck => {
                Faults { refuse: one(), refuse_from: Some(call + 1 + if call.is_multiple_of(2) { call / 2 } else { 0 }), ..none }
            }
        }
    }

    /// What is done afterwards, each in a copy.
    fn then(self) -> &'static [Option<Then>] {
        match self {
            Fault::Nothing | Fault::Refused | Fault::Lost => &[None],
            Fault::CrashedBefore | Fault::CrashedAfter | Fault::Stuck => &[Some(Then::Apply), Some(Then::Rollback)],
        }
    }
}

/// What a plan does to what.
fn actions(plan: &Plan) -> Vec<(Address, Action)> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::None);
    changes.map(|change| (change.address.clone(), change.action)).collect()
}

/// What is in the one plan and not in the other, or the other way round.
fn beyond(one: &[(Address, Action)], other: &[(Address, Action)]) -> String {
    let extra = one.iter().filter(|change| !other.contains(change)).map(|(address, action)| format!("{action:?} {address}"));
    let missing = other.iter().filter(|change| !one.contains(change)).map(|(address, action)| format!("no {action:?} {address}"));
    extra.chain(missing).collect::<Vec<_>>().join(", ").to_lowercase()
}

fn differences(likeness: Likeness) -> Vec<Difference> {
    match likeness {
        Likeness::Same | Likeness::Anew => Vec::new(),
        Likeness::Different(differences) => differences,
    }
}

fn report(calls: u64, mut cases: Vec<Case>) -> Report {
    cases.sort_by_key(|case| (case.fault, case.then));
    let mut tallies: Vec<Tally> = Vec::new();
    let mut failures = Vec::new();
    for case in cases {
        let (fault, then) = (case.fault, case.then);
        if tallies.last().is_none_or(|last| (last.fault, last.then) != (fault, then)) {
            tallies.push(Tally { fault, then, cases: 0, forward: 0, back: 0, anew: 0 });
        }
        let Some(tally) = tallies.last_mut() else { continue };
        tally.cases += 1;
        match case.end {
            Ok(Passed::Forward(likeness)) => {
                tally.forward += 1;
                tally.anew += usize::from(likeness == Likeness::Anew);
            }
            Ok(Passed::Back(likeness)) => {
                tally.back += 1;
                tally.anew += usize::from(likeness == Likeness::Anew);
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.sort_by_key(|failure| (failure.fault, failure.then, failure.call));
    Report { calls, tallies, failures }
}
