//! Rehearses a plan: applies it to the simulated cloud, once without failures and then with every failure of every single call, and
//! compares the result with the expected one.
//!
//! Each run simulates a process: it has its own runtime, which is dropped when the process "crashes", and its own folder with a copy of
//! the seeded cloud and an empty backend. A run after a crash has only that folder.

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

/// Injected failure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    None,
    /// The call is rejected.
    Rejected,
    /// The call takes effect, but its response is lost.
    ResponseLost,
    /// The process crashes before it.
    CrashedBefore,
    /// The process crashes after it took effect.
    CrashedAfter,
    /// The call is rejected, and so are all later calls, or those from the middle of the rollback on.
    Stuck,
}

/// Next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// `acme apply` again.
    Apply,
    /// `acme rollback`.
    Rollback,
}

/// One kind of failure, over all calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Injected failure.
    pub fault: Fault,
    /// Next command, if the run is unfinished.
    pub recovery: Option<Recovery>,
    /// Number of calls tested.
    pub cases: usize,
    /// Number of cases that ended like the run without failures.
    pub completed: usize,
    /// Number of cases that ended in the previous state.
    pub rolled_back: usize,
    /// Number of these with recreated resources, which have new ids.
    pub recreated: usize,
}

impl Tally {
    /// Number of cases that ended as expected.
    pub fn passed(&self) -> usize {
        self.completed + self.rolled_back
    }
}

/// Case that did not end as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseFailure {
    /// Injected failure.
    pub fault: Fault,
    /// Next command.
    pub recovery: Option<Recovery>,
    /// Number of the call.
    pub call: u64,
    /// `create`, `update`, `retag` or `delete`; `None` if the call was never made.
    pub action: Option<&'static str>,
    /// Resource of the call.
    pub address: Option<String>,
    /// Result of the case.
    pub reason: String,
    /// Differences from the expected content.
    pub differences: Vec<Difference>,
}

/// Result of a rehearsal.
#[derive(Clone, Debug)]
pub struct RehearsalReport {
    /// Number of mutating calls without failures.
    pub calls: u64,
    /// One entry per kind of failure.
    pub tallies: Vec<Tally>,
    /// Cases that did not end as expected.
    pub failures: Vec<CaseFailure>,
}

/// A plan, and a simulated cloud for its rehearsal.
pub struct Rehearsal {
    stack: Stack,
    goal: Goal,
    region: String,
    account: String,
    planned: Vec<(Address, Action)>,
    throttle_every: Option<u64>,
    folder: TempDir,
    before: CloudContents,
}

/// Initial cloud of a rehearsal.
#[derive(Clone, Copy)]
pub enum Seed<'a> {
    /// Copy of a simulated cloud.
    Simulated(&'a Simulator),
    /// Live resources of another cloud.
    LiveState(&'a LiveState),
}

/// Successful end of a case.
enum CaseSuccess {
    Completed(Comparison),
    RolledBack(Comparison),
}

/// End of a case.
struct Case {
    fault: Fault,
    recovery: Option<Recovery>,
    result: std::result::Result<CaseSuccess, CaseFailure>,
}

impl Rehearsal {
    /// Prepares a rehearsal of `plan` in a temporary folder. Optionally throttles every n-th call.
    ///
    /// # Errors
    /// Fails if the folder can't be written.
    pub fn new(stack: Stack, goal: Goal, plan: &Plan, seed: Seed<'_>, throttle_every: Option<u64>) -> Result<Rehearsal> {
        let folder = tempfile::tempdir().map_err(|error| folder_error(&std::env::temp_dir(), &error))?;
        let sandbox = Sandbox::new(folder.path().join("seed"));
        if let Seed::Simulated(local) = seed {
            local.copy(&sandbox.cloud())?;
        }
        let local = Simulator::with_behaviour(sandbox.cloud(), &plan.region, Behaviour::default())?.with_account(&plan.account);
        if let Seed::LiveState(live_state) = seed {
            for live in live_state.iter() {
                local.seed(live.clone())?;
            }
            for live in live_state.iter() {
                local.seed_references(resource_type_of(live)?, live.region.as_deref(), &live.spec)?;
            }
            for declared in stack.resources.values() {
                local.seed_references(declared.resource_type, declared.region.as_deref(), &declared.spec)?;
            }
        }
        let (region, planned, before) = (plan.region.clone(), planned_actions(plan), local.dump());
        Ok(Rehearsal { stack, goal, region, account: plan.account.clone(), planned, throttle_every, folder, before })
    }

    /// Rehearses each failure with each call, `jobs` cases in parallel, until `stop` is true.
    ///
    /// # Errors
    /// Fails if the temporary folder can't be read or written.
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

    /// Creates a folder with a copy of the initial cloud.
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
                "the plan on the simulated cloud differs: {}",
                describe_plan_difference(&exit.planned, &self.planned)
            )));
        }
        match &exit.status {
            ExitStatus::Done if again.planned.is_empty() => Ok(CaseSuccess::Completed(Comparison::Same)),
            ExitStatus::Done => Err(failure(format!("a second plan shows changes: {}", describe_plan_difference(&again.planned, &[])))),
            ExitStatus::Stuck(why) => Err(failure(why.clone())),
            ExitStatus::RolledBack | ExitStatus::Crashed => Err(failure("the plan fails on the simulated cloud".to_owned())),
        }
    }

    /// Runs one failure of one call, with every possible next command.
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
                // It succeeded: the failed call was no longer needed, or was retried.
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

    /// Compares the end of a process with the expected one.
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
                    ExitStatus::Done => "it completed".to_owned(),
                    ExitStatus::RolledBack => "it rolled back".to_owned(),
                };
                let wanted = if recovery == Some(Recovery::Apply) { after } else { &rolled_back };
                return Err((why, differences(compare(wanted, &exit.content))));
            }
        };
        match compare(wanted, &exit.content) {
            Comparison::Different(left) => {
                let said = if exit.status == ExitStatus::Done { "it reports success" } else { "it reports a rollback" };
                Err((said.to_owned(), left))
            }
            likeness => Ok(passed(likeness)),
        }
    }
}

impl Fault {
    /// Failure of the call with this number.
    fn faults_for_call(self, call: u64) -> Faults {
        let (one, none) = (|| [call].into(), Faults::default());
        match self {
            Fault::None => none,
            Fault::Rejected => Faults { refuse: one(), ..none },
            Fault::ResponseLost => Faults { lose_answer: one(), ..none },
            Fault::CrashedBefore => Faults { crash_before: one(), ..none },
            Fault::CrashedAfter => Faults { crash_after: one(), ..none },
            // Undoing the calls so far takes about as many calls: in every other case, half of them succeed.
            Fault::Stuck => {
                Faults { refuse: one(), refuse_from: Some(call + 1 + if call.is_multiple_of(2) { call / 2 } else { 0 }), ..none }
            }
        }
    }

    /// Possible next commands, each on a copy.
    fn recoveries(self) -> &'static [Option<Recovery>] {
        match self {
            Fault::None | Fault::Rejected | Fault::ResponseLost => &[None],
            Fault::CrashedBefore | Fault::CrashedAfter | Fault::Stuck => &[Some(Recovery::Apply), Some(Recovery::Rollback)],
        }
    }
}

/// Addresses and actions of a plan.
fn planned_actions(plan: &Plan) -> Vec<(Address, Action)> {
    // Nothing in the sandbox makes resources that a deletion could leave behind.
    let changes = plan.changes.iter().filter(|change| change.action != Action::None && change.leftover_stage.is_none());
    changes.map(|change| (change.address.clone(), change.action)).collect()
}

/// Differences between two plans.
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
