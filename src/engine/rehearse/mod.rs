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
        discover::{LiveState, resource_type_of},
        plan::{Action, Goal, Plan},
    },
    simulator::{Behaviour, FaultHit, Faults, Simulator},
};
pub use content::{CloudContents, Comparison, Difference, compare};
use process::{ExitStatus, ProcessCommand, ProcessExit, Sandbox, folder_error};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    None,
    /// It is refused.
    Rejected,
    /// It takes effect, but its answer is lost.
    ResponseLost,
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
pub enum Recovery {
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
    pub recovery: Option<Recovery>,
    /// Calls it was tried with.
    pub cases: usize,
    /// Ended as the undisturbed run.
    pub completed: usize,
    /// Ended as before.
    pub rolled_back: usize,
    /// Of those, how many have something that was made anew and so has another id.
    pub recreated: usize,
}

impl Tally {
    /// How many ended as they must.
    pub fn passed(&self) -> usize {
        self.completed + self.rolled_back
    }
}

/// A case that did not end as it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseFailure {
    /// What went wrong.
    pub fault: Fault,
    /// What was done afterwards.
    pub recovery: Option<Recovery>,
    /// Number of the call.
    pub call: u64,
    /// `create`, `update`, `retag` or `delete`; `None` when that call was never made.
    pub action: Option<&'static str>,
    /// What the call was about.
    pub address: Option<String>,
    /// How that ended.
    pub reason: String,
    /// What is not as it must be.
    pub differences: Vec<Difference>,
}

/// What a rehearsal found.
#[derive(Clone, Debug)]
pub struct RehearsalReport {
    /// How many mutating calls the undisturbed run makes.
    pub calls: u64,
    /// One entry per way in which calls go wrong.
    pub tallies: Vec<Tally>,
    /// What did not end as it must.
    pub failures: Vec<CaseFailure>,
}

/// A plan, and a simulated cloud to rehearse it on.
pub struct Rehearsal {
    stack: Stack,
    goal: Goal,
    region: String,
    planned: Vec<(Address, Action)>,
    throttle_every: Option<u64>,
    folder: TempDir,
    before: CloudContents,
}

/// Where the cloud comes from that a rehearsal begins with.
#[derive(Clone, Copy)]
pub enum Seed<'a> {
    /// A simulated cloud as it is.
    Simulated(&'a Simulator),
    /// What is live elsewhere.
    LiveState(&'a LiveState),
}

/// A way in which one case ended well.
enum CaseSuccess {
    Completed(Comparison),
    RolledBack(Comparison),
}

/// How one case ended.
struct Case {
    fault: Fault,
    recovery: Option<Recovery>,
    result: std::result::Result<CaseSuccess, CaseFailure>,
}

impl Rehearsal {
    /// Makes ready what `plan` needs, in a temporary folder. Every n-th call is throttled when that is wanted.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(stack: Stack, goal: Goal, plan: &Plan, seed: Seed<'_>, throttle_every: Option<u64>) -> Result<Rehearsal> {
        let folder = tempfile::tempdir().map_err(|error| folder_error(&std::env::temp_dir(), &error))?;
        let sandbox = Sandbox::new(folder.path().join("seed"));
        if let Seed::Simulated(local) = seed {
            local.copy(&sandbox.cloud())?;
        }
        let local = Simulator::with_behaviour(sandbox.cloud(), &plan.region, Behaviour::default())?;
        if let Seed::LiveState(live_state) = seed {
            for live in live_state.iter() {
                local.seed(live.clone())?;
            }
            for live in live_state.iter() {
                local.seed_references(resource_type_of(live)?, &live.spec)?;
            }
            for declared in stack.resources.values() {
                local.seed_references(declared.resource_type, &declared.spec)?;
            }
        }
        let (region, planned, before) = (plan.region.clone(), planned_actions(plan), local.dump());
        Ok(Rehearsal { stack, goal, region, planned, throttle_every, folder, before })
    }

    /// Rehearses each fault with each call, `jobs` cases at once, until `stop` is true.
    ///
    /// # Errors
    /// When the temporary folder cannot be read or written.
    pub fn run(&self, faults: &[Fault], jobs: NonZeroUsize, stop: &AtomicBool) -> Result<RehearsalReport> {
        let sandbox = self.new_sandbox("undisturbed")?;
        let exit = self.run_process(&sandbox, ProcessCommand::Apply, Faults::default())?;
        let again = self.run_process(&sandbox, ProcessCommand::Apply, Faults::default())?;
        let end = self.check_baseline(&exit, &again);
        let baseline = Case { fault: Fault::None, recovery: None, result: end };
        if baseline.result.is_err() {
            return Ok(summarize(exit.calls, vec![baseline]));
        }
        let queue: Vec<(Fault, u64)> = faults.iter().flat_map(|fault| (1..=exit.calls).map(|call| (*fault, call))).collect();
        let (next, ended) = (AtomicUsize::new(0), Mutex::new(vec![Ok(vec![baseline])]));
        std::thread::scope(|threads| {
            for _ in 0..jobs.get() {
                threads.spawn(|| {
                    while !stop.load(Ordering::Relaxed)
                        && let Some((fault, call)) = queue.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let cases = self.run_cases(*fault, *call, &exit.content);
                        ended.lock().unwrap_or_else(PoisonError::into_inner).push(cases);
                    }
                });
            }
        });
        let ended: Result<Vec<Vec<Case>>> = ended.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        Ok(summarize(exit.calls, ended?.into_iter().flatten().collect()))
    }

    /// A new folder with the cloud as it was before.
    fn new_sandbox(&self, name: &str) -> Result<Sandbox> {
        Sandbox::new(self.folder.path().join("seed")).copy(self.folder.path().join(name))
    }

    fn check_baseline(&self, exit: &ProcessExit, again: &ProcessExit) -> std::result::Result<CaseSuccess, CaseFailure> {
        let failure = |reason: String| CaseFailure {
            fault: Fault::None,
            recovery: None,
            call: 0,
            action: None,
            address: None,
            reason,
            differences: Vec::new(),
        };
        if exit.planned != self.planned {
            return Err(failure(format!(
                "on the simulated cloud another plan comes out: {}",
                describe_plan_difference(&exit.planned, &self.planned)
            )));
        }
        match &exit.status {
            ExitStatus::Done if again.planned.is_empty() => Ok(CaseSuccess::Completed(Comparison::Same)),
            ExitStatus::Done => {
                Err(failure(format!("something is left to do after it: {}", describe_plan_difference(&again.planned, &[]))))
            }
            ExitStatus::Stuck(why) => Err(failure(why.clone())),
            ExitStatus::RolledBack | ExitStatus::Crashed => Err(failure("the plan does not go through on the simulated cloud".to_owned())),
        }
    }

    /// One fault of one call, with all that may be done afterwards.
    fn run_cases(&self, fault: Fault, call: u64, after: &CloudContents) -> Result<Vec<Case>> {
        let name = format!("{fault:?}-{call}");
        let sandbox = self.new_sandbox(&name)?;
        let exit = self.run_process(&sandbox, ProcessCommand::Apply, fault.faults_for_call(call))?;
        let struck = exit.faulted_calls.first().cloned();
        let judge = |recovery, exit: &ProcessExit| {
            let end = self.verdict(recovery, exit, after).map_err(|(reason, differences)| {
                let (action, address) = struck.clone().map(|FaultHit { action, address, .. }| (action, address)).unzip();
                CaseFailure { fault, recovery, call, action, address, reason, differences }
            });
            Case { fault, recovery, result: end }
        };
        let needs_recovery =
            matches!(exit.status, ExitStatus::Crashed) || (fault == Fault::Stuck && matches!(exit.status, ExitStatus::Stuck(_)));
        let mut cases = Vec::new();
        for recovery in fault.recoveries() {
            let Some(recovery) = *recovery else {
                cases.push(judge(None, &exit));
                continue;
            };
            if !needs_recovery {
                // It came through: whatever the fault met was no longer needed, or tried again.
                cases.push(Case { recovery: Some(recovery), ..judge(None, &exit) });
                continue;
            }
            let copy = sandbox.copy(self.folder.path().join(format!("{name}-{recovery:?}")))?;
            let command = match recovery {
                Recovery::Apply => ProcessCommand::Apply,
                Recovery::Rollback => ProcessCommand::Rollback,
            };
            cases.push(judge(Some(recovery), &self.run_process(&copy, command, Faults::default())?));
            copy.remove();
        }
        sandbox.remove();
        Ok(cases)
    }

    /// Whether a process ended as it must, and where that is.
    fn verdict(
        &self,
        recovery: Option<Recovery>,
        exit: &ProcessExit,
        after: &CloudContents,
    ) -> std::result::Result<CaseSuccess, (String, Vec<Difference>)> {
        let rolled_back = content::expected_after_rollback(&self.before, after, &exit.content);
        let (wanted, passed): (_, fn(Comparison) -> CaseSuccess) = match (&exit.status, recovery) {
            (ExitStatus::Done, None | Some(Recovery::Apply)) => (after, CaseSuccess::Completed),
            (ExitStatus::RolledBack, None | Some(Recovery::Rollback)) => (&rolled_back, CaseSuccess::RolledBack),
            (how, _) => {
                let why = match how {
                    ExitStatus::Stuck(why) => format!("stuck: {why}"),
                    ExitStatus::Crashed => "it crashed a second time".to_owned(),
                    ExitStatus::Done => "it went forward".to_owned(),
                    ExitStatus::RolledBack => "it went back".to_owned(),
                };
                let wanted = if recovery == Some(Recovery::Apply) { after } else { &rolled_back };
                return Err((why, differences(compare(wanted, &exit.content))));
            }
        };
        match compare(wanted, &exit.content) {
            Comparison::Different(left) => {
                let said = if exit.status == ExitStatus::Done { "it says that all is done" } else { "it says that all is as before" };
                Err((said.to_owned(), left))
            }
            likeness => Ok(passed(likeness)),
        }
    }
}

impl Fault {
    /// What happens to the call of this number.
    fn faults_for_call(self, call: u64) -> Faults {
        let (one, none) = (|| [call].into(), Faults::default());
        match self {
            Fault::None => none,
            Fault::Rejected => Faults { refuse: one(), ..none },
            Fault::ResponseLost => Faults { lose_answer: one(), ..none },
            Fault::CrashedBefore => Faults { crash_before: one(), ..none },
            Fault::CrashedAfter => Faults { crash_after: one(), ..none },
            // To undo the calls so far takes about as many: every other time half of them go through.
            Fault::Stuck => {
                Faults { refuse: one(), refuse_from: Some(call + 1 + if call.is_multiple_of(2) { call / 2 } else { 0 }), ..none }
            }
        }
    }

    /// What is done afterwards, each in a copy.
    fn recoveries(self) -> &'static [Option<Recovery>] {
        match self {
            Fault::None | Fault::Rejected | Fault::ResponseLost => &[None],
            Fault::CrashedBefore | Fault::CrashedAfter | Fault::Stuck => &[Some(Recovery::Apply), Some(Recovery::Rollback)],
        }
    }
}

/// What a plan does to what.
fn planned_actions(plan: &Plan) -> Vec<(Address, Action)> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::None);
    changes.map(|change| (change.address.clone(), change.action)).collect()
}

/// What is in the one plan and not in the other, or the other way round.
fn describe_plan_difference(one: &[(Address, Action)], other: &[(Address, Action)]) -> String {
    let extra = one.iter().filter(|change| !other.contains(change)).map(|(address, action)| format!("{action:?} {address}"));
    let missing = other.iter().filter(|change| !one.contains(change)).map(|(address, action)| format!("no {action:?} {address}"));
    extra.chain(missing).collect::<Vec<_>>().join(", ").to_lowercase()
}

fn differences(likeness: Comparison) -> Vec<Difference> {
    match likeness {
        Comparison::Same | Comparison::Recreated => Vec::new(),
        Comparison::Different(differences) => differences,
    }
}

fn summarize(calls: u64, mut cases: Vec<Case>) -> RehearsalReport {
    cases.sort_by_key(|case| (case.fault, case.recovery));
    let mut tallies: Vec<Tally> = Vec::new();
    let mut failures = Vec::new();
    for case in cases {
        let (fault, recovery) = (case.fault, case.recovery);
        if tallies.last().is_none_or(|last| (last.fault, last.recovery) != (fault, recovery)) {
            tallies.push(Tally { fault, recovery, cases: 0, completed: 0, rolled_back: 0, recreated: 0 });
        }
        let Some(tally) = tallies.last_mut() else { continue };
        tally.cases += 1;
        match case.result {
            Ok(CaseSuccess::Completed(likeness)) => {
                tally.completed += 1;
                tally.recreated += usize::from(likeness == Comparison::Recreated);
            }
            Ok(CaseSuccess::RolledBack(likeness)) => {
                tally.rolled_back += 1;
                tally.recreated += usize::from(likeness == Comparison::Recreated);
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.sort_by_key(|failure| (failure.fault, failure.recovery, failure.call));
    RehearsalReport { calls, tallies, failures }
}
