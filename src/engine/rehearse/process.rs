//! One process of a rehearsal: an acme command in its own runtime, with a simulated cloud and a backend in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use super::{CloudContents, Rehearsal};
use crate::{
    core::{Address, Error, ErrorKind, Result, private_files},
    engine::{
        backend::Backend,
        cloud::Cloud,
        execute,
        journal::RunOutcome,
        plan::{Action, Plan},
        run::{RollbackOutcome, RunResult},
        session::{LockedSession, ProposedPlan, RunOptions},
    },
    simulator::{Behaviour, CrashMode, FaultHit, Faults, Simulator},
};

/// Command of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessCommand {
    /// Apply.
    Apply,
    /// Undo the unfinished run.
    Rollback,
}

/// End of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It reported success.
    Done,
    /// It reported a rollback.
    RolledBack,
    /// It crashed.
    Crashed,
    /// It could neither finish nor roll back, or not even start.
    Stuck(String),
}

/// Result of a process.
pub struct ProcessExit {
    pub status: ExitStatus,
    /// Plan, if it got that far.
    pub planned: Vec<(Address, Action)>,
    /// Number of mutating calls.
    pub calls: u64,
    pub faulted_calls: Vec<FaultHit>,
    pub content: CloudContents,
}

/// Folder of a process.
pub struct Sandbox(PathBuf);

impl Sandbox {
    pub fn new(folder: PathBuf) -> Sandbox {
        Sandbox(folder)
    }
    pub fn cloud(&self) -> PathBuf {
        self.0.join("cloud")
    }
    pub fn backend(&self) -> PathBuf {
        self.0.join("backend")
    }
    /// Copies it to another folder.
    pub fn copy(&self, folder: PathBuf) -> Result<Sandbox> {
        copy_folder(&self.0, &folder).map_err(|error| folder_error(&folder, &error))?;
        Ok(Sandbox(folder))
    }
    pub fn remove(self) {
        // It is deleted with all the others anyway.
        drop(fs::remove_dir_all(self.0));
    }
}

pub fn folder_error(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Rejected, "Rehearsal", format!("{}: {error}", path.display()))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    private_files::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Timeout, longer than every wait of a correct run.
const TIMEOUT: Duration = Duration::from_secs(300);

impl Rehearsal {
    /// Runs a process until it ends or crashes.
    pub(super) fn run_process(&self, sandbox: &Sandbox, command: ProcessCommand, faults: Faults) -> Result<ProcessExit> {
        let halted = Arc::new(Notify::new());
        let faults = Faults { crash: CrashMode::Halt(halted.clone()), throttle_every: self.throttle_every, ..faults };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(ErrorKind::Rejected, "Rehearsal", error.to_string()))?;
        let mut planned = Vec::new();
        let (status, cloud) = runtime.block_on(async {
            let behaviour = Behaviour { faults, ..Behaviour::default() };
            let local = Simulator::with_behaviour(sandbox.cloud(), &self.region, behaviour)?.with_account(&self.account);
            let cloud = Arc::new(Cloud::Simulated(Box::new(local)));
            let session = LockedSession::in_sandbox(self.stack.clone(), &self.account, cloud.clone(), Backend::folder(sandbox.backend()));
            let ended = async {
                match command {
                    ProcessCommand::Apply => self.apply(session, &mut planned).await,
                    ProcessCommand::Rollback => rollback(session).await,
                }
            };
            let status = tokio::select! {
                biased;
                () = halted.notified() => ExitStatus::Crashed,
                ended = tokio::time::timeout(TIMEOUT, ended) => match ended {
                    Ok(Ok(how)) => how,
                    Ok(Err(error)) => ExitStatus::Stuck(error.to_string()),
                    Err(_) => ExitStatus::Stuck(format!("still running after {} s", TIMEOUT.as_secs())),
                },
            };
            Ok::<_, Error>((status, cloud))
        })?;
        // Dropping it stops everything in progress.
        drop(runtime);
        let Cloud::Simulated(local) = &*cloud else {
            return Err(Error::new(ErrorKind::Rejected, "Rehearsal", "this is not a simulated cloud"));
        };
        Ok(ProcessExit { status, planned, calls: local.mutating_calls(), faulted_calls: local.fault_hits(), content: local.dump() })
    }

    async fn apply(&self, mut session: LockedSession, planned: &mut Vec<(Address, Action)>) -> Result<ExitStatus> {
        let proposed = session.plan(self.goal).await?;
        planned.extend(super::planned_actions(proposed.plan()));
        if let Some(blocked) = blocked_status(proposed.plan()) {
            return Ok(blocked);
        }
        if proposed.has_nothing_to_do() {
            return Ok(ExitStatus::Done);
        }
        run(proposed).await
    }
}

async fn rollback(mut session: LockedSession) -> Result<ExitStatus> {
    if session.unfinished_runs().await?.journals.is_empty() {
        // The process crashed before it wrote its first record, and so before any change.
        return Ok(ExitStatus::RolledBack);
    }
    let proposed = session.plan_rollback(None).await?;
    if let Some(blocked) = blocked_status(proposed.plan()) {
        return Ok(blocked);
    }
    run(proposed).await
}

async fn run(proposed: ProposedPlan<'_>) -> Result<ExitStatus> {
    let (events, _) = mpsc::unbounded_channel();
    Ok(exit_status(&proposed.check()?.apply(RunOptions::new(events)).await?))
}

fn blocked_status(plan: &Plan) -> Option<ExitStatus> {
    plan.obstacles.first().map(|obstacle| ExitStatus::Stuck(format!("the plan is blocked: {}", obstacle.message)))
}

fn exit_status(ended: &RunResult) -> ExitStatus {
    match ended.outcome {
        RunOutcome::Done => ExitStatus::Done,
        RunOutcome::RolledBack => ExitStatus::RolledBack,
        RunOutcome::Kept | RunOutcome::Waiting | RunOutcome::Stuck => {
            let mut why = failures(&ended.execution);
            match &ended.rollback {
                Some(RollbackOutcome::Attempted(back)) => why.extend(failures(back)),
                Some(RollbackOutcome::Failed(error)) => why.push(error.to_string()),
                None => {}
            }
            ExitStatus::Stuck(why.join("; "))
        }
    }
}

fn failures(outcome: &execute::ExecuteOutcome) -> Vec<String> {
    outcome.failed.iter().map(|failure| format!("{} {} failed: {}", failure.op, failure.address, failure.error)).collect()
}
