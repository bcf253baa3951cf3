//! A run from its first journal line to its last: executes a plan, and rolls back after a failure.

mod undo;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::sync::mpsc;

pub(in crate::engine) use self::undo::{UndoPlan, find_forgotten, restore_targets};

use crate::{
    aws::types,
    core::{Address, Error, ErrorKind, LiveResource, Result},
    definition::Stack,
    engine::{
        backend::Lease,
        cloud::Cloud,
        discover::{Hints, LiveState, address_of},
        execute::{self, Event, ExecuteOptions, JournaledCloud, StopSignal, execute},
        history::{FORMAT, History, Revision, Snapshot, StoredRevision, was_kept},
        journal::{Journal, Record, Replay, RunInfo, RunOutcome, TouchedResource, touched_resources},
        plan::{NullMeans, Op, Plan, RecordedState},
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
    /// Description of the run; `revision` and `continues` are set here.
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
    /// Resources that had to be recreated.
    pub fn recreated(&self) -> Vec<&Address> {
        match self {
            RollbackOutcome::Attempted(outcome) => {
                outcome.completed.iter().filter(|(_, op)| *op == Op::Create).map(|(address, _)| address).collect()
            }
            RollbackOutcome::Failed(_) => Vec::new(),
        }
    }
    /// Whether everything is as it was before.
    pub fn is_complete(&self) -> bool {
        matches!(self, RollbackOutcome::Attempted(outcome) if outcome.is_success())
    }
}

/// Unfinished runs of a stack.
#[derive(Clone, Debug, Default)]
pub struct UnfinishedRuns {
    /// Journals, in chronological order.
    pub journals: Vec<Replay>,
    /// Changed resources.
    pub touched: BTreeMap<Address, TouchedResource>,
    /// Last revision, if it is unreadable.
    pub unreadable_revision: Option<u64>,
}

impl UnfinishedRuns {
    /// Reads the unfinished runs.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(history: &History) -> Result<UnfinishedRuns> {
        UnfinishedRuns::of(&history.snapshot().await?).await
    }

    async fn of(snapshot: &Snapshot<'_>) -> Result<UnfinishedRuns> {
        let journals = snapshot.unfinished().await?;
        let touched = touched_resources(&journals);
        let unreadable_revision = if journals.is_empty() { snapshot.unreadable_revision().await? } else { None };
        Ok(UnfinishedRuns { journals, touched, unreadable_revision })
    }

    /// Unfinished revision.
    pub fn revision(&self) -> Option<u64> {
        self.journals.last()?.run.as_ref().map(|begin| begin.revision)
    }

    /// Hints for discovery before an apply.
    pub fn hints(&self) -> Hints {
        Hints { known_ids: BTreeMap::new(), ..discovery_hints(&self.touched) }
    }

    /// Whether the next run continues the unfinished ones, so that its rollback undoes them, too. Not if they were kept on purpose, or if a
    /// resource was deleted that can't be restored: then only the way forward remains.
    fn should_continue(&self) -> bool {
        self.journals.last().is_some_and(|last| !was_kept(last)) && !self.journals.iter().any(Replay::has_cleaned_up)
    }

    /// Tokens of creates without a response, to repeat them with the same parameters.
    fn retry_tokens(&self, stack: &Stack) -> BTreeMap<Address, String> {
        let unanswered = self.touched.iter().filter(|(address, touched)| {
            touched.unanswered_create.is_some() && stack.resources.get(*address).is_some_and(|declared| declared.spec == touched.desired)
        });
        unanswered.map(|(address, touched)| (address.clone(), touched.token.clone())).collect()
    }
}

/// History of a stack. It is not the state: without it, plans are the same.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    /// Unfinished runs of a stack.
    pub unfinished: UnfinishedRuns,
    /// Latest finished run that was not undone.
    pub latest: Option<StoredRevision>,
    /// Resources changed by later runs that were neither finished nor undone.
    pub uncertain: BTreeSet<Address>,
}

impl RunHistory {
    /// Reads the history.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(history: &History) -> Result<RunHistory> {
        let snapshot = history.snapshot().await?;
        let unfinished = UnfinishedRuns::of(&snapshot).await?;
        let (latest, since) = snapshot.latest().await?;
        let unknown = since.iter().flat_map(|replay| touched_resources(std::slice::from_ref(replay)).into_keys()).collect();
        Ok(RunHistory { unfinished, latest, uncertain: unknown })
    }

    /// Record of the latest run in this region and account, at the `wanted` addresses; `None` without a record.
    pub fn recorded_state(&self, region: &str, account: &str, wanted: impl Fn(&Address) -> bool) -> Option<RecordedState> {
        let here = |stored: &&StoredRevision| stored.summary.run.region == region && stored.summary.run.account == account;
        let live = self.latest.as_ref().filter(here)?.live(wanted)?;
        Some(RecordedState { live, uncertain: self.uncertain.clone() })
    }
}

impl RunHistory {
    /// Hints for discovery before an apply: results of unfinished runs, and details that need an extra read.
    pub fn hints(&self, region: &str, account: &str) -> Hints {
        let has_own_reads = |address: &Address| types::resource_type(&address.type_name).is_some_and(|kind| !kind.own_read.is_empty());
        let reliable = self.unfinished.journals.is_empty() && self.unfinished.unreadable_revision.is_none() && self.uncertain.is_empty();
        let recorded = if reliable { self.recorded_state(region, account, has_own_reads) } else { None };
        let specs =
            |recorded: RecordedState| merge_own_reads(BTreeMap::new(), recorded.live.iter().map(|(address, live)| (address, &live.spec)));
        let own_reads = recorded.map(specs);
        Hints { own_reads, ..self.unfinished.hints() }
    }
}

impl Run {
    /// Executes a plan. If it fails or is interrupted, and `roll_back` is set, restores everything that this run and the unfinished one
    /// before it changed.
    ///
    /// # Errors
    /// Fails if the run can't start: then no changes were made.
    pub(in crate::engine) async fn apply(mut self, request: ApplyRequest<'_>, unfinished: &UnfinishedRuns) -> Result<RunResult> {
        let ApplyRequest { stack, plan, live_state, null_means, covers_whole_stack, roll_back_on_failure } = request;
        let should_continue = unfinished.should_continue();
        let journals = if should_continue { unfinished.journals.clone() } else { Vec::new() };
        let (journal, started_at) = self.start(unfinished.revision().filter(|_| should_continue)).await?;
        let options = ExecuteOptions {
            journaled_cloud: self.journaled_cloud(&journal),
            stop: self.stop.clone(),
            events: self.events.clone(),
            null_means,
            rolling_back: false,
            retry_tokens: unfinished.retry_tokens(stack),
        };
        let shallow = live_state.hints.shallow;
        let execution = execute(stack, plan, live_state, options).await;
        let interrupted = execution.interrupted;
        let mut live = execution.live.clone();
        if shallow {
            self.restore_recorded_details(&mut live).await;
        }
        let mut rollback = None;
        let outcome = if execution.is_success() {
            RunOutcome::Done
        } else if execution.failed.iter().any(|failure| failure.error.is_credential_error() || failure.error.code == "LeaseLost") {
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
        self.finish(&journal, started_at, outcome, &execution, live).await;
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
        self.finish(&journal, started_at, outcome, &execution, live).await;
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
        JournaledCloud { cloud: self.cloud.clone(), journal: journal.clone(), lease: self.lease.clone() }
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
            journals.push(self.history.journal(self.info.revision).await?);
            let touched = touched_resources(&journals);
            let mut undo_plan = UndoPlan::plan(&self.cloud, stack, &touched, &self.info.account).await?;
            if let Some(obstacle) = undo_plan.plan.obstacles.first() {
                return Err(Error::new(ErrorKind::Rejected, "Obstacle", format!("{}: {}", obstacle.message, obstacle.help)));
            }
            let outcome = self.execute_undo(journal, &mut undo_plan).await?;
            // A leftover under another address is at its own address again.
            let stands: BTreeSet<(&str, &str)> = outcome.live.values().map(|live| (live.type_name.as_str(), live.id.as_str())).collect();
            live.retain(|address, live| {
                !undo_plan.stack.resources.contains_key(address) && !stands.contains(&(live.type_name.as_str(), live.id.as_str()))
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
        };
        Ok(execute(&undo.stack, &undo.plan, std::mem::take(&mut undo.live_state), options).await)
    }

    /// Resources of the stack after a partial run: the rest is as recorded. Without a record, only that part is known.
    async fn with_recorded_rest(&self, mut live: BTreeMap<Address, LiveResource>, part: &Stack) -> BTreeMap<Address, LiveResource> {
        let latest = async { self.history.snapshot().await?.latest().await };
        let latest = latest.await.ok().and_then(|(latest, _)| latest);
        let rest = latest.and_then(|latest| latest.live(|address| !part.resources.contains_key(address)));
        live.extend(rest.unwrap_or_default());
        live
    }

    /// What a deletion left standing is known without its details, which are recorded as they were.
    async fn restore_recorded_details(&self, live: &mut BTreeMap<Address, LiveResource>) {
        let latest = async { self.history.snapshot().await?.latest().await };
        let latest = if live.is_empty() { None } else { latest.await.ok().and_then(|(latest, _)| latest) };
        let recorded = latest.and_then(|latest| latest.live(|address| live.contains_key(address))).unwrap_or_default();
        for (address, recorded) in recorded {
            if let Some(live) = live.get_mut(&address).filter(|live| live.id == recorded.id) {
                *live = recorded;
            }
        }
    }

    /// Writes the record of a run. A failure is only reported, because the changes are already made.
    async fn finish(
        &self,
        journal: &Journal,
        started_at: u64,
        outcome: RunOutcome,
        execution: &execute::ExecuteOutcome,
        live: BTreeMap<Address, LiveResource>,
    ) {
        let done = execution.completed.iter().map(|(address, op)| (op.to_string(), address.clone())).collect();
        let format = FORMAT.to_owned();
        let revision =
            Revision { format, run: self.info.clone(), started_at, ended_at: unix_millis(SystemTime::now()), outcome, done, live };
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

fn discovery_hints(touched: &BTreeMap<Address, TouchedResource>) -> Hints {
    let started_creates = touched.iter().filter(|(_, touched)| touched.may_have_created).map(|(address, _)| address.clone());
    let ids = touched.iter().filter_map(|(address, touched)| Some((address.clone(), touched.before.as_ref()?.id.clone())));
    Hints { started_creates: started_creates.collect(), known_ids: ids.collect(), ..Hints::default() }
}

/// Waits until resources created just before a crash must be visible. Returns true if another read may show more.
pub async fn wait_until_visible(cloud: &Cloud, live_state: &LiveState, touched: &BTreeMap<Address, TouchedResource>) -> bool {
    let seen: BTreeSet<Address> = live_state.iter().filter_map(address_of).collect();
    let unseen = touched.iter().filter(|(address, touched)| !seen.contains(address) && touched.last_created_at.is_some());
    let unseen: Vec<(&Address, &TouchedResource)> = unseen.collect();
    let Some(latest) = unseen.iter().filter_map(|(_, touched)| touched.last_created_at).max() else { return false };
    let kinds = unseen.iter().filter_map(|(address, _)| types::resource_type(&address.type_name));
    let delay = kinds.map(|kind| cloud.visibility_delay_of(kind)).max().unwrap_or_else(|| cloud.visibility_delay());
    // The age at the time of the read counts; by now, it may be visible.
    let age = |at: SystemTime| Duration::from_millis(unix_millis(at).saturating_sub(latest));
    if delay <= age(live_state.read_at.unwrap_or_else(SystemTime::now)) {
        return false;
    }
    tokio::time::sleep(delay.saturating_sub(age(SystemTime::now()))).await;
    true
}

/// Whether a resource may be lost that can't be restored.
fn has_irreversible_deletes(plan: &Plan, execution: &execute::ExecuteOutcome) -> bool {
    let late = |address: &Address| plan.clean_up.node_weights().any(|step| plan.changes[step.change].address == *address);
    let leaves = |op: Op| matches!(op, Op::Delete | Op::Forget);
    execution.past_commit_point
        && (execution.completed.iter().any(|(address, op)| leaves(*op) && late(address))
            || execution.failed.iter().any(|failure| leaves(failure.op) && failure.error.kind == ErrorKind::Unavailable))
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
