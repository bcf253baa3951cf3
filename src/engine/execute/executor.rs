//! Executor of steps: the input and the result of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use petgraph::graph::DiGraph;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    Event, ExecuteOptions, ExecuteOutcome, INTERRUPTED, StepFailure,
    blockers::Blockers,
    handover::{handovers, with_handovers},
    step::{ASYNC_DELETE_THRESHOLD, StepTask},
    wait::{Status, WaitLimits, Waiters},
    walk::{Next, StepRunner, walk},
};
use crate::{
    aws::types,
    core::{Address, Error, LiveResource, ResourceType, Timeouts, trace},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{self, LiveState},
        plan::{Action, NullMeans, Op, Plan, ReplacementOrder, Step},
    },
};

/// Default of the maximum number of parallel steps. AWS's rate limits apply per action, below.
const MAX_PARALLEL_STEPS: usize = 64;

/// Interval between reminders of what a person has to do.
const REMINDER_INTERVAL: Duration = Duration::from_secs(300);

/// Starts a task for each step, and records its result.
pub(super) struct Executor<'a> {
    pub(super) stack: &'a Stack,
    pub(super) plan: &'a Plan,
    live_state: LiveState,
    waiters: Waiters,
    pub(super) options: ExecuteOptions,
    pub(super) outcome: ExecuteOutcome,
    pub(super) run_id: String,
    /// Addresses at which this run started a creation: a second attempt looks for the resource first.
    attempted: BTreeSet<Address>,
    /// Addresses at which this run, or the part of it that was interrupted, created a resource.
    created: BTreeSet<Address>,
    /// Number of apply-phase steps by type.
    steps_of_type: BTreeMap<&'a str, u32>,
    blockers: Arc<Blockers>,
    /// See [`ExecuteOutcome::unconfirmed`].
    unconfirmed: Arc<Mutex<Vec<(Address, String)>>>,
    /// Whether other steps continue after a failure.
    pub(super) keep_going: bool,
}

impl<'a> Executor<'a> {
    /// Executor for the plan's apply phase.
    pub(super) fn new(stack: &'a Stack, plan: &'a Plan, live_state: LiveState, options: ExecuteOptions) -> Executor<'a> {
        let recorded = plan.changes.iter().filter(|change| change.leftover_stage.is_none());
        let mut live: BTreeMap<Address, LiveResource> =
            recorded.filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
        for change in plan.changes.iter().filter(|change| change.action == Action::None) {
            if let Some(live) = live.get_mut(&change.address) {
                set_write_only(stack, &change.address, live);
            }
        }
        let created = live_state.hints.started_creates.clone();
        let mut steps_of_type = BTreeMap::new();
        for step in plan.apply.node_weights() {
            *steps_of_type.entry(plan.changes[step.change].address.type_name.as_str()).or_default() += 1;
        }
        Executor {
            stack,
            plan,
            live_state,
            waiters: Waiters::new(options.journaled_cloud.cloud.clone(), options.stop.clone()),
            blockers: Arc::new(deletion_blockers(stack, plan, options.journaled_cloud.cloud.clone())),
            keep_going: options.rolling_back,
            unconfirmed: Arc::default(),
            options,
            outcome: ExecuteOutcome { live, not_restored: plan.not_restored.clone(), ..ExecuteOutcome::default() },
            run_id: run_id(),
            attempted: BTreeSet::new(),
            created,
            steps_of_type,
        }
    }

    /// Outcome of all graphs.
    pub(super) fn into_outcome(mut self) -> ExecuteOutcome {
        self.outcome.unconfirmed = std::mem::take(&mut *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner));
        self.outcome
    }

    /// Walks one graph; with `again`, failed steps are retried once. Returns true if every step succeeded.
    pub(super) async fn run_graph(&mut self, graph: &DiGraph<Step, ()>, retry_failed: bool) -> bool {
        let limit = self.options.parallelism.map_or(MAX_PARALLEL_STEPS, NonZeroUsize::get);
        let mut results = walk(graph, limit, self).await;
        let retry = retry_failed && !self.outcome.interrupted && self.outcome.failed.iter().all(|failure| is_retryable(&failure.error));
        if retry && !self.outcome.failed.is_empty() {
            self.outcome.failed.clear();
            let rest = graph.filter_map(|node, step| (!matches!(results[node.index()], Some(Ok(_)))).then_some(*step), |_, ()| Some(()));
            results = walk(&rest, limit, self).await;
            let unstarted = rest.node_indices().zip(&results).filter(|(_, end)| end.is_none());
            let unstarted: Vec<Step> = unstarted.map(|(node, _)| rest[node]).collect();
            self.mark_not_started(unstarted);
        } else {
            let unstarted = graph.node_indices().zip(&results).filter(|(_, end)| end.is_none());
            let unstarted: Vec<Step> = unstarted.map(|(node, _)| graph[node]).collect();
            self.mark_not_started(unstarted);
        }
        results.iter().all(|end| matches!(end, Some(Ok(_))))
    }

    fn mark_not_started(&mut self, steps: Vec<Step>) {
        let plan = self.plan;
        self.outcome.not_started.extend(steps.into_iter().map(|step| (plan.changes[step.change].address.clone(), step.op)));
    }

    /// Records that the journal can't be written: no call may go out without its journal entry.
    pub(super) fn record_journal_error(&mut self, error: Error) {
        let address = Address::new("journal", &self.plan.stack);
        self.outcome.failed.push(StepFailure { address, op: Op::Update, error });
    }

    /// Values that a restored resource has lost.
    fn lost_values(&self, address: &Address, live: &LiveResource) -> Option<String> {
        let (kind, wanted) = (types::resource_type(&address.type_name)?, &self.stack.resources.get(address)?.spec);
        let value = |spec: &Value, at: &str| spec.pointer(at).filter(|value| !value.is_null()).cloned();
        let words = kind.assigned_by_aws.iter().filter_map(|at| {
            let (was, is) = (value(wanted, at)?, value(&live.spec, at)?);
            (was != is).then(|| format!("{} is {is}, formerly {was}", at.trim_start_matches('/')))
        });
        let words = Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())?;
        Some(format!("was recreated, and AWS could not restore all values: {words}"))
    }

    /// Whether a creation of this run, at another address, returned this resource.
    fn was_returned_by_create(&self, address: &Address, old: &LiveResource) -> bool {
        let created = self.outcome.completed.iter().filter(|(other, op)| *op == Op::Create && other != address);
        created.filter_map(|(other, _)| self.outcome.live.get(other)).any(|live| live.is_same_as(old))
    }

    /// Ids of live resources of a type in a region.
    fn live_ids(&self, kind: &str, region: Option<&str>) -> Vec<String> {
        let from = self.outcome.live.range(Address::new(kind, "")..);
        let of_kind = from.take_while(|(address, _)| address.type_name == kind);
        of_kind.filter(|(_, live)| live.region.as_deref() == region).map(|(_, live)| live.id.clone()).collect()
    }

    fn step_task(&mut self, step: &Step, status: mpsc::UnboundedSender<Status>) -> Result<StepTask, Error> {
        let target = self.step_target(step)?;
        let exchange = self.exchange(step)?;
        let change = &self.plan.changes[step.change];
        let (address, kind, region) = (&change.address, target.kind, target.call.region.clone());
        let live = change.before.as_ref();
        let (stack, live_state) = (self.stack, &self.live_state);
        let parents = kind.parent.map(|parent| self.live_ids(parent, region.as_deref())).unwrap_or_default();
        let poller = self.waiters.poller(kind, region.clone(), || {
            let mut scope = discover::scope(stack, kind, region.as_deref(), live_state);
            let named = self.plan.name_overrides.iter().filter(|(address, _)| address.type_name == kind.name);
            scope.lookup.extend(named.map(|(_, name)| name.clone()));
            if self.options.null_means == NullMeans::Unmanaged {
                scope.own_reads = Some(own_reads(stack, self.plan, kind));
            }
            // Resources changed by this run are read again, because the index lags.
            if let Some(index) = &mut scope.tag_index {
                for change in changed_arns(self.plan) {
                    index.remove(change);
                }
            }
            scope
        });
        let maybe_created = self.live_state.hints.started_creates.contains(address);
        let attempted = step.op == Op::Create && !self.attempted.insert(address.clone());
        let declared = self.stack.resources.get(address);
        let is_about_new_resource = match step.op {
            Op::Create => target.depends_on.iter().any(|need| self.created.contains(need)),
            Op::Update | Op::Attach | Op::Prune => target.depends_on.iter().chain([address]).any(|new| self.created.contains(new)),
            // The run that is undone created it.
            Op::Delete => change.disable_deletion_protection,
            Op::Detach | Op::Forget => false,
        };
        let dependencies = target.depends_on.iter().filter_map(|need| self.outcome.live.get(need).cloned()).collect();
        Ok(StepTask {
            journaled_cloud: self.options.journaled_cloud.clone(),
            op: step.op,
            target,
            exchange,
            live: self.outcome.live.get(address).filter(|_| matches!(step.op, Op::Attach | Op::Prune) || step.stage.is_some()).cloned(),
            stage: step.stage.and_then(|stage| change.stages.get(stage)).map(|stage| (stage.from.clone(), stage.to.clone())),
            replacement_order: change.replacement_order,
            null_means: self.options.null_means,
            maybe_created,
            attempted,
            is_about_new_resource,
            disable_deletion_protection: change.disable_deletion_protection,
            returned_by_create: step.op == Op::Delete && live.is_some_and(|old| self.was_returned_by_create(address, old)),
            poller,
            limits: WaitLimits::new(kind, declared.and_then(|declared| declared_timeout(declared.timeouts, step.op)))
                .wait_for_person(self.options.journaled_cloud.cloud.wait_for_person()),
            parents,
            status,
            stop: self.options.stop.clone(),
            steps_of_type: self.steps_of_type.get(address.type_name.as_str()).copied().unwrap_or_default(),
            blockers: self.blockers.clone(),
            dependencies,
            unconfirmed: self.unconfirmed.clone(),
            parent_is_deleted: step.op == Op::Delete && live.is_some_and(|live| self.deletes_parent_of(live)),
        })
    }
}

/// Sets the fields that AWS never reports to their declared values, which calls use and the run records.
fn set_write_only(stack: &Stack, address: &Address, live: &mut LiveResource) {
    if let (Some(declared), Some(kind)) = (stack.resources.get(address), types::resource_type(&address.type_name)) {
        kind.set_write_only(&declared.spec, live);
    }
}

/// Timeout of an operation, if the definition sets one.
fn declared_timeout(timeouts: Timeouts, op: Op) -> Option<Duration> {
    match op {
        Op::Create => timeouts.create,
        Op::Update | Op::Attach | Op::Prune | Op::Detach => timeouts.update,
        Op::Delete | Op::Forget => timeouts.delete,
    }
}

/// Seed that makes this run's tokens unique.
fn run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

/// Blockers of this plan's deletions.
fn deletion_blockers(stack: &Stack, plan: &Plan, cloud: Arc<Cloud>) -> Blockers {
    let steps = plan.apply.node_weights().chain(plan.clean_up.node_weights()).filter(|step| step.op == Op::Delete);
    let deleting: Vec<&LiveResource> = steps.filter_map(|step| plan.changes[step.change].before.as_ref()).collect();
    let has_slow_deletes = deleting
        .iter()
        .any(|live| types::deletable_type(&live.type_name).is_some_and(|kind| kind.typical_duration >= ASYNC_DELETE_THRESHOLD));
    Blockers::new(cloud, stack.clone(), deleting.into_iter().map(|live| live.id.clone()).collect(), has_slow_deletes)
}

/// Whether a retry may help: not without valid credentials, the lease or the journal.
fn is_retryable(error: &Error) -> bool {
    !error.is_credential_error() && !error.is_lease_lost() && !error.is_journal_error()
}

/// Fields with the fact `own_read` that the definition has, or had before, of what a plan changes.
fn own_reads(stack: &Stack, plan: &Plan, kind: &ResourceType) -> BTreeMap<String, Vec<String>> {
    if kind.own_read.is_empty() {
        return BTreeMap::new();
    }
    let changes = plan.changes.iter().filter(|change| change.address.type_name == kind.name && change.action != Action::None);
    changes
        .map(|change| {
            let declared = stack.resources.get(&change.address).map(|declared| kind.own_reads(&declared.spec));
            let before = change.before.as_ref().map(|live| kind.own_reads(&live.spec));
            (change.address.to_string(), declared.into_iter().chain(before).flatten().collect())
        })
        .collect()
}

/// ARNs of resources that a plan changes.
fn changed_arns(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.changes.iter().filter(|change| change.action != Action::None).filter_map(|change| change.before.as_ref()?.arn())
}

impl StepRunner<Step> for Executor<'_> {
    type Output = Option<LiveResource>;
    type Error = Error;

    fn estimate(&self, step: &Step) -> Duration {
        self.plan.estimate(step)
    }

    fn start(&mut self, step: &Step) -> impl Future<Output = Result<Option<LiveResource>, Error>> + Send + 'static {
        let address = self.plan.changes[step.change].address.clone();
        let op = step.op;
        let events = self.options.events.clone();
        let estimated_seconds = self.plan.estimate(step).as_secs();
        events.send(Event::StepStarted { address: address.clone(), op, estimated_seconds }).ok();
        if let Some(lease) = &self.options.journaled_cloud.lease {
            lease.set_step(format!("{op} {address}"));
        }
        let handovers = handovers(self.stack, &self.outcome.live, &address);
        let (status, mut statuses) = mpsc::unbounded_channel();
        let task = self.step_task(step, status);
        let (started_at, started) = (SystemTime::now(), Instant::now());
        let span = trace::new_id();
        trace::in_step(span, async move {
            trace::decision("step", Some(&address), || format!("{op} {address} starts"));
            let result = match task {
                Ok(task) => {
                    let run = task.run();
                    tokio::pin!(run);
                    let mut last: Option<(Status, Instant)> = None;
                    let mut report_status = |status: Status| {
                        let repeat = last.as_ref().is_none_or(|(told, at)| {
                            *told != status || (matches!(status, Status::ActionNeeded(_)) && at.elapsed() >= REMINDER_INTERVAL)
                        });
                        if repeat {
                            last = Some((status.clone(), Instant::now()));
                            let address = address.clone();
                            events
                                .send(match status {
                                    Status::Reported(status) => Event::StepWaiting { address, op, status },
                                    Status::ActionNeeded(instruction) => {
                                        Event::ActionNeeded { address, op, instruction: with_handovers(&instruction, &handovers) }
                                    }
                                })
                                .ok();
                        }
                    };
                    let ended = loop {
                        tokio::select! {
                            ended = &mut run => break ended,
                            Some(status) = statuses.recv() => report_status(status),
                        }
                    };
                    while let Ok(status) = statuses.try_recv() {
                        report_status(status);
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            let failure = result.as_ref().err().map(|error| format!("{}: {}", error.code, error.message));
            trace::step(span, started_at, started.elapsed(), &address, &op, failure);
            let event = match &result {
                Ok(live) => {
                    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    Event::StepDone { address, op, id: live.as_ref().map(|live| live.id.clone()), milliseconds }
                }
                Err(error) if error.code == INTERRUPTED => Event::StepInterrupted { address, op },
                Err(error) if error.is_waiting() => {
                    Event::StepSuspended { address, op, instruction: with_handovers(&error.message, &handovers) }
                }
                Err(error) => Event::failed(address, op, error),
            };
            events.send(event).ok();
            result
        })
    }

    fn on_finished(&mut self, step: &Step, end: &Result<Option<LiveResource>, Error>) -> Next {
        let address = self.plan.changes[step.change].address.clone();
        match end {
            Ok(Some(live)) => {
                if step.op == Op::Create && self.options.null_means == NullMeans::Unset {
                    self.outcome.not_restored.extend(self.lost_values(&address, live).map(|words| (address.clone(), words)));
                }
                if step.op == Op::Create {
                    self.created.insert(address.clone());
                }
                if step.op == Op::Create && self.plan.changes[step.change].dormant.is_some() {
                    self.outcome.undeleted.insert(address.clone());
                }
                // After a replacement, the new resource has this address.
                if step.op != Op::Detach || self.outcome.live.get(&address).is_some_and(|known| known.id == live.id) {
                    let mut live = live.clone();
                    set_write_only(self.stack, &address, &mut live);
                    self.outcome.live.insert(address.clone(), live);
                }
                self.outcome.completed.push((address.clone(), step.op));
                // One step both deletes the old half of what is exchanged and creates the new one.
                if step.op == Op::Create && self.plan.changes[step.change].replacement_order == Some(ReplacementOrder::Exchange) {
                    self.outcome.completed.push((address, Op::Delete));
                }
            }
            Ok(None) => {
                // After a replacement, the new resource has this address.
                let before = self.plan.changes[step.change].before.as_ref();
                if before.zip(self.outcome.live.get(&address)).is_some_and(|(before, live)| live.is_same_as(before)) {
                    self.outcome.live.remove(&address);
                }
                self.outcome.completed.push((address, step.op));
            }
            Err(error) if error.code == INTERRUPTED => self.outcome.interrupted_steps.push((address, step.op)),
            // The steps that do not depend on it go on.
            Err(error) if error.is_waiting() && !self.options.rolling_back => {
                let instruction = with_handovers(&error.message, &handovers(self.stack, &self.outcome.live, &address));
                self.outcome.waiting.push((address, step.op, instruction));
            }
            Err(error) => {
                let keep_going = self.keep_going && is_retryable(error);
                self.outcome.failed.push(StepFailure { address, op: step.op, error: error.clone() });
                return if keep_going { Next::Continue } else { Next::Stop };
            }
        }
        if self.options.stop.is_requested() {
            self.outcome.interrupted = true;
            return Next::Stop;
        }
        Next::Continue
    }
}
