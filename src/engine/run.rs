//! A run from its first journal line to its last: executes a plan, and rolls back after a failure.

mod run_history;
mod undo;
mod unfinished;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::sync::mpsc;

use self::run_history::discovery_hints;
pub use self::{
    run_history::{RunHistory, UnfinishedRuns},
    unfinished::wait_until_visible,
};
pub(in crate::engine) use self::{
    run_history::{touched_names, touched_regions},
    undo::{UndoPlan, find_forgotten, plan_restore_with_leftovers, restore_targets},
    unfinished::reset_presumed_fields,
};

use crate::{
    aws::types,
    core::{Address, Error, ErrorKind, LiveResource, Result},
    definition::Stack,
    engine::{
        backend::{Lease, with_patience},
        cloud::Cloud,
        discover::LiveState,
        execute::{self, Event, ExecuteOptions, JournaledCloud, StopSignal, execute},
        history::{FORMAT, History, Revision},
        journal::{Journal, Record, Replay, RunInfo, RunOutcome, touched_resources},
        plan::{DeclaredFields, NullMeans, Op, Plan, add_fields},
    },
};

/// Context of a run.
pub(in crate::engine) struct Run {
    /// Cloud of the resources.
    pub cloud: Arc<Cloud>,
    /// History of the stack.
    pub history: History,
    /// Lease of the stack; `None` if no other process can change it.
    pub lease: Option<Arc<Lease>>,
    /// Interrupt by the user.
    pub stop: StopSignal,
    /// Receiver of events.
    pub events: mpsc::UnboundedSender<Event>,
    /// Maximum number of parallel steps. Default: the executor's.
    pub parallelism: Option<NonZeroUsize>,
    /// Description of the run; `revision`, `continues` and `undoes_alone` are set here.
    pub info: RunInfo,
}

/// Outcome of a run.
#[derive(Debug)]
pub struct RunResult {
    /// Number of the revision.
    pub revision: u64,
    /// Outcome.
    pub outcome: RunOutcome,
    /// Executed steps.
    pub execution: execute::ExecuteOutcome,
    /// Rollback, if attempted.
    pub rollback: Option<RollbackOutcome>,
    /// Whether the user interrupted the run.
    pub interrupted: bool,
}

/// Result of a rollback.
#[derive(Debug)]
pub enum RollbackOutcome {
    /// Attempted, with any failures.
    Attempted(execute::ExecuteOutcome),
    /// Could not start.
    Failed(Error),
}

impl RollbackOutcome {
    /// Whether everything is as it was before.
    pub fn is_complete(&self) -> bool {
        matches!(self, RollbackOutcome::Attempted(outcome) if outcome.is_success())
    }
}

impl Run {
    /// Executes a plan. If it fails or is interrupted, and `roll_back` is set, restores everything that this run and the unfinished ones
    /// before it changed, see [`UnfinishedRuns::undone_together`].
    ///
    /// # Errors
    /// Fails if the run can't start: then no changes were made.
    pub(in crate::engine) async fn apply(mut self, request: ApplyRequest<'_>, unfinished: &UnfinishedRuns) -> Result<RunResult> {
        let ApplyRequest { stack, plan, live_state, null_means, covers_whole_stack, roll_back_on_failure, declared } = request;
        let should_continue = unfinished.should_continue();
        let journals = if should_continue { unfinished.undone_together().to_vec() } else { Vec::new() };
        for needed in &plan.prerequisites {
            if let Some(lease) = &self.lease {
                lease.ensure_held_or_renew().await?;
            }
            self.cloud.create_prerequisite(needed).await?;
        }
        self.info.undoes_alone = !should_continue && unfinished.revision().is_some();
        let (journal, started_at) = self.start(unfinished.revision()).await?;
        for needed in &plan.prerequisites {
            journal.write(Record::Prerequisite { name: needed.to_string() }).await?;
        }
        let recorded = if live_state.hints.shallow { Some(Arc::new(self.recorded().await)) } else { None };
        let options = ExecuteOptions {
            journaled_cloud: JournaledCloud { recorded: recorded.clone(), ..self.journaled_cloud(&journal) },
            stop: self.stop.clone(),
            events: self.events.clone(),
            null_means,
            rolling_back: false,
            retry_tokens: unfinished.retry_tokens(stack),
            parallelism: self.parallelism,
        };
        let execution = execute(stack, plan, live_state, options).await;
        self.report_losses(&execution);
        let interrupted = execution.interrupted;
        let mut live = execution.live.clone();
        // What a deletion left standing is known without its details, which are recorded as they were.
        for (address, recorded) in recorded.iter().flat_map(|recorded| recorded.iter()) {
            if let Some(live) = live.get_mut(address).filter(|live| live.is_same_as(recorded)) {
                live.clone_from(recorded);
            }
        }
        let mut rollback = None;
        let outcome = if execution.is_success() {
            RunOutcome::Done
        } else if execution.only_waits() {
            // Undoing it would undo what the person is about to do.
            RunOutcome::Waiting
        } else if execution.failed.iter().any(|failure| prevents_rollback(&failure.error)) {
            RunOutcome::Stuck
        } else if !roll_back_on_failure {
            RunOutcome::Kept
        } else if has_irreversible_deletes(plan, &execution) {
            // A resource is lost for good: from now on, the run only goes forward.
            RunOutcome::Stuck
        } else {
            let tried = self.undo(&journal, stack, journals, &failure_summary(&execution), &mut live).await;
            let whole = tried.is_complete();
            rollback = Some(tried);
            if whole { RunOutcome::RolledBack } else { RunOutcome::Stuck }
        };
        if !covers_whole_stack {
            live = self.with_recorded_rest(live, stack).await;
        }
        // What a partial plan leaves out is as it was.
        let is_whole = outcome == RunOutcome::Done && plan.partial.as_ref().is_none_or(|partial| partial.left_out.is_empty());
        let declared = if is_whole { declared } else { self.as_recorded(declared.fields).await };
        self.finish(&journal, started_at, outcome, &execution, (live, declared)).await;
        Ok(RunResult { revision: self.info.revision, outcome, execution, rollback, interrupted })
    }

    /// Rolls back unfinished runs, as a separate run that continues the last of them.
    ///
    /// # Errors
    /// Fails if the run can't start: then no changes were made.
    pub(in crate::engine) async fn roll_back(mut self, mut undo: UndoPlan, unfinished: &UnfinishedRuns) -> Result<RunResult> {
        let (journal, started_at) = self.start(unfinished.revision()).await?;
        journal.write(Record::Rollback { reason: "requested".to_owned() }).await?;
        let execution = self.execute_undo(&journal, &mut undo).await?;
        let interrupted = execution.interrupted;
        let outcome = if execution.is_success() { RunOutcome::RolledBack } else { RunOutcome::Stuck };
        let live = self.with_recorded_rest(execution.live.clone(), &undo.stack).await;
        let declared = self.as_recorded(DeclaredFields::new()).await;
        self.finish(&journal, started_at, outcome, &execution, (live, declared)).await;
        Ok(RunResult { revision: self.info.revision, outcome, execution, rollback: None, interrupted })
    }

    async fn start(&mut self, continues: Option<u64>) -> Result<(Journal, u64)> {
        self.info.revision = self.history.revision_numbers().await?.last().copied().unwrap_or(0).saturating_add(1);
        self.info.continues = continues;
        let journal = self.history.start_journal(self.info.revision);
        journal.write(Record::Begin(Box::new(self.info.clone()))).await?;
        let RunInfo { command, stack, environment, revision, .. } = self.info.clone();
        // Without a progress display there is no receiver.
        self.events.send(Event::RunStarted { format: execute::FORMAT, command, stack, environment, revision }).ok();
        Ok((journal, unix_millis(SystemTime::now())))
    }

    fn journaled_cloud(&self, journal: &Journal) -> JournaledCloud {
        JournaledCloud { cloud: self.cloud.clone(), journal: journal.clone(), lease: self.lease.clone(), recorded: None }
    }

    /// Undoes this run and the chain it continues; updates `live`, the resources of the stack.
    async fn undo(
        &self,
        journal: &Journal,
        stack: &Stack,
        mut journals: Vec<Replay>,
        reason: &str,
        live: &mut BTreeMap<Address, LiveResource>,
    ) -> RollbackOutcome {
        let tried = async {
            journal.write(Record::Rollback { reason: reason.to_owned() }).await?;
            self.events.send(Event::RollingBack { reason: reason.to_owned() }).ok();
            journals.push(with_patience(|| self.history.journal(self.info.revision)).await?);
            let touched = touched_resources(&journals);
            let mut undo_plan = UndoPlan::plan(&self.cloud, stack, &touched, &self.info.account).await?;
            if let Some(obstacle) = undo_plan.plan.obstacles.first() {
                return Err(Error::new(ErrorKind::Rejected, "Obstacle", format!("{}: {}", obstacle.message, obstacle.help)));
            }
            let outcome = self.execute_undo(journal, &mut undo_plan).await?;
            // A leftover under another address is at its own address again.
            let stands: BTreeSet<(&str, &str)> = outcome.live.values().map(|live| (live.type_name.as_str(), live.id.as_str())).collect();
            // One that was to get another address, and did not, stays as it is.
            let is_changed = |address: &Address, live: &LiveResource| {
                let mut changes = undo_plan.plan.changes.iter();
                changes.any(|change| change.address == *address || change.before.as_ref().is_some_and(|before| before.is_same_as(live)))
            };
            live.retain(|address, live| {
                let is_undone =
                    undo_plan.stack.resources.contains_key(address) && (outcome.live.contains_key(address) || is_changed(address, live));
                !is_undone && !stands.contains(&(live.type_name.as_str(), live.id.as_str()))
            });
            live.extend(outcome.live.clone());
            Ok(outcome)
        };
        match tried.await {
            Ok(outcome) => RollbackOutcome::Attempted(outcome),
            Err(error) => RollbackOutcome::Failed(error),
        }
    }

    async fn execute_undo(&self, journal: &Journal, undo: &mut UndoPlan) -> Result<execute::ExecuteOutcome> {
        let journaled_cloud = self.journaled_cloud(journal);
        // A second interrupt ends the process; the first one may have caused this rollback.
        let options = ExecuteOptions {
            journaled_cloud,
            stop: StopSignal::never(),
            events: self.events.clone(),
            null_means: NullMeans::Unset,
            rolling_back: true,
            retry_tokens: BTreeMap::new(),
            parallelism: self.parallelism,
        };
        let execution = execute(&undo.stack, &undo.plan, std::mem::take(&mut undo.live_state), options).await;
        self.report_losses(&execution);
        Ok(execution)
    }

    /// Reports what a rollback could not restore.
    fn report_losses(&self, execution: &execute::ExecuteOutcome) {
        for (address, message) in &execution.not_restored {
            self.events.send(Event::NotRestored { address: address.clone(), message: message.clone() }).ok();
        }
    }

    /// Resources of the stack after a partial run: the rest is as recorded. Without a record, only that part is known.
    async fn with_recorded_rest(&self, mut live: BTreeMap<Address, LiveResource>, part: &Stack) -> BTreeMap<Address, LiveResource> {
        let latest = async { self.history.snapshot().await?.latest().await };
        let latest = latest.await.ok().and_then(|(latest, _)| latest);
        let rest = latest.and_then(|latest| latest.live(|address| !part.resources.contains_key(address)));
        live.extend(rest.unwrap_or_default());
        live
    }

    /// Fields of an unfinished run, with those of the record: it may not have returned them to their defaults yet. Outputs are those of the
    /// record.
    async fn as_recorded(&self, mut fields: DeclaredFields) -> Declared {
        let latest = async { self.history.snapshot().await?.latest().await };
        let recorded = latest.await.ok().and_then(|(latest, _)| latest).map(|latest| latest.summary);
        let (recorded, outputs) = recorded.map(|recorded| (recorded.declared, recorded.outputs)).unwrap_or_default();
        add_fields(&mut fields, recorded);
        Declared { fields, outputs }
    }

    /// Resources as the last run recorded them. Without a record, they are known without the details that a deletion does not read.
    async fn recorded(&self) -> BTreeMap<Address, LiveResource> {
        let latest = async { self.history.snapshot().await?.latest().await };
        latest.await.ok().and_then(|(latest, _)| latest).and_then(|latest| latest.live(|_| true)).unwrap_or_default()
    }

    /// Writes the record of a run. A failure is only reported, because the changes are already made.
    async fn finish(
        &self,
        journal: &Journal,
        started_at: u64,
        outcome: RunOutcome,
        execution: &execute::ExecuteOutcome,
        (live, declared): (BTreeMap<Address, LiveResource>, Declared),
    ) {
        let done = execution.completed.iter().map(|(address, op)| (op.to_string(), address.clone())).collect();
        let format = FORMAT.to_owned();
        let other_regions = live.values().filter_map(|live| Some((live.type_name.clone(), live.region.clone()?))).collect();
        let ended_at = unix_millis(SystemTime::now());
        let Declared { fields: declared, outputs } = declared;
        let revision =
            Revision { format, run: self.info.clone(), started_at, ended_at, outcome, done, other_regions, live, declared, outputs };
        let ended = async {
            journal.write(Record::End { outcome }).await?;
            self.history.save(&revision).await
        };
        if let Err(error) = ended.await {
            self.events.send(Event::RunNotRecorded { message: error.to_string() }).ok();
        }
        self.events.send(Event::RunEnded { outcome, interrupted: execution.interrupted }).ok();
    }
}

/// Work to execute.
pub(in crate::engine) struct ApplyRequest<'a> {
    /// Goal.
    pub stack: &'a Stack,
    /// Plan.
    pub plan: &'a Plan,
    /// Live resource.
    pub live_state: LiveState,
    /// Meaning of `null` in the stack's specs.
    pub null_means: NullMeans,
    /// Whether the plan covers all live resources, not only those in `stack`.
    pub covers_whole_stack: bool,
    /// Whether to roll back after a failure.
    pub roll_back_on_failure: bool,
    /// What to record of the definition.
    pub declared: Declared,
}

/// What a run records of its definition.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Declared {
    /// See [`Revision::declared`].
    pub fields: DeclaredFields,
    /// See [`Revision::outputs`].
    pub outputs: BTreeMap<String, Value>,
}

/// Adds the fields with the fact `own_read` that these specs have.
pub(in crate::engine) fn merge_own_reads<'a>(
    mut all: BTreeMap<Address, Vec<String>>,
    specs: impl Iterator<Item = (&'a Address, &'a Value)>,
) -> BTreeMap<Address, Vec<String>> {
    for (address, spec) in specs {
        let pointers = types::resource_type(&address.type_name).map(|kind| kind.own_reads(spec)).unwrap_or_default();
        all.entry(address.clone()).or_default().extend(pointers);
    }
    all
}

/// Whether a resource may be lost that can't be restored.
fn has_irreversible_deletes(plan: &Plan, execution: &execute::ExecuteOutcome) -> bool {
    let late = |address: &Address| plan.clean_up.node_weights().any(|step| plan.changes[step.change].address == *address);
    let leaves = |op: Op| matches!(op, Op::Delete | Op::Forget);
    execution.past_commit_point
        && (execution.completed.iter().any(|(address, op)| leaves(*op) && late(address))
            || execution.failed.iter().any(|failure| leaves(failure.op) && failure.error.kind == ErrorKind::Unavailable))
}

/// Whether a failure also prevents every call of a rollback.
fn prevents_rollback(error: &Error) -> bool {
    error.is_credential_error() || error.is_lease_lost() || error.is_journal_error()
}

fn failure_summary(execution: &execute::ExecuteOutcome) -> String {
    match execution.failed.first() {
        Some(failure) => format!("{} {} failed: {}", failure.op, failure.address, failure.error.code),
        None => "interrupted".to_owned(),
    }
}

/// Current time, in milliseconds since 1970.
fn unix_millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
