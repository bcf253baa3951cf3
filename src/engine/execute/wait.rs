//! Waiting by polling: one poller per type serves all waiting steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{INTERRUPTED, stop::StopSignal};
use crate::{
    core::{Error, ErrorKind, LiveResource, Phase, ResourceType, Result, Scope, Tags, trace},
    engine::cloud::Cloud,
};

/// Distinguishes one resource from all others.
pub type Matcher = Arc<dyn Fn(&LiveResource) -> bool + Send + Sync>;

/// Awaited condition.
#[derive(Clone)]
pub enum Condition {
    /// The resource is ready.
    Ready(AwaitedId),
    /// The resource is ready, and has no pending change.
    Stable(AwaitedId),
    /// The resource with this id no longer exists.
    Deleted(String),
    /// A matching resource exists, in any phase; or none appeared for as long as a new one may stay invisible.
    Visible(Matcher),
}

/// Id of an awaited resource.
#[derive(Clone, Debug)]
pub struct AwaitedId {
    /// Id before the call.
    pub id: String,
    /// Id after it, if the call renames the resource.
    pub renamed: Option<String>,
}

impl From<&str> for AwaitedId {
    fn from(id: &str) -> AwaitedId {
        AwaitedId { id: id.to_owned(), renamed: None }
    }
}

impl AwaitedId {
    /// The resource among those that were read.
    fn find<'a>(&self, found: &'a BTreeMap<String, LiveResource>) -> Option<&'a LiveResource> {
        self.renamed.as_ref().and_then(|id| found.get(id)).or_else(|| found.get(&self.id))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Ready(awaited) => write!(f, "until `{}` is ready", awaited.id),
            Condition::Stable(awaited) => write!(f, "until `{}` is ready and has no pending change", awaited.id),
            Condition::Deleted(id) => write!(f, "until `{id}` is deleted"),
            Condition::Visible(_) => f.write_str("until a read shows what an earlier call may have created"),
        }
    }
}

impl Condition {
    /// Possible ids of the awaited resource, if known.
    fn ids(&self) -> Option<Vec<&String>> {
        match self {
            Condition::Ready(awaited) | Condition::Stable(awaited) => Some([&awaited.id].into_iter().chain(&awaited.renamed).collect()),
            Condition::Deleted(id) => Some(vec![id]),
            Condition::Visible(_) => None,
        }
    }
}

struct WaitRequest {
    condition: Condition,
    /// Resource before the call: lagging reads, and changes that fix a failed resource, show the old failure for a while.
    phase_before: Option<Phase>,
    started: Instant,
    /// Time of the next read.
    due: Instant,
    /// Tags in the create call.
    sent_tags: Option<Tags>,
    limits: WaitLimits,
    /// Last read that showed it.
    last_seen: Option<Instant>,
    /// Parents possibly created since the poller started.
    parents: Vec<String>,
    reply: oneshot::Sender<Result<Option<LiveResource>>>,
    status: mpsc::UnboundedSender<Status>,
}

/// Status of a running step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// AWS's status.
    Reported(String),
    /// Instruction for a person, without which the resource does not become ready.
    ActionNeeded(String),
}

/// Maximum waits of a step.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// While AWS reports progress.
    progressing: Duration,
    /// While AWS reports none.
    idle: Duration,
    /// While it waits for a person.
    person: Duration,
    /// Set by the definition.
    pub declared: Option<Duration>,
}

impl WaitLimits {
    /// Those that the definition declares, or those of the type: at least ten minutes, and ten times the typical duration.
    pub fn new(kind: &ResourceType, declared: Option<Duration>) -> WaitLimits {
        let idle = (kind.typical_duration * 10).max(Duration::from_secs(600));
        WaitLimits {
            progressing: declared.unwrap_or(kind.longest_duration.max(idle)),
            idle: declared.unwrap_or(idle),
            person: declared.unwrap_or(idle),
            declared,
        }
    }

    /// Sets the wait for a person, unless the definition sets one.
    pub fn wait_for_person(self, wait: Option<Duration>) -> WaitLimits {
        WaitLimits { person: self.declared.or(wait).unwrap_or(self.person), ..self }
    }
}

/// Pollers, one per type and region.
pub struct Waiters {
    cloud: Arc<Cloud>,
    stop: StopSignal,
    pollers: BTreeMap<(&'static str, Option<String>), Poller>,
}

/// Poller of one type in one region.
#[derive(Clone)]
pub struct Poller {
    requests: mpsc::UnboundedSender<WaitRequest>,
    /// Calls of this type in flight: a read waits for them, so that one read serves all.
    in_flight: Arc<AtomicUsize>,
}

/// Guard that delays the next read of the type's poller.
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiters {
    /// Creates pollers for `cloud`, which end every wait after an interrupt.
    pub fn new(cloud: Arc<Cloud>, stop: StopSignal) -> Waiters {
        Waiters { cloud, stop, pollers: BTreeMap::new() }
    }
    /// Poller of a type in a region; `scope` limits its reads.
    pub fn poller(&mut self, kind: &'static ResourceType, region: Option<String>, scope: impl FnOnce() -> Scope) -> Poller {
        let (cloud, stop) = (self.cloud.clone(), self.stop.clone());
        let poller = self.pollers.entry((kind.name, region)).or_insert_with(|| {
            let (requests, inbox) = mpsc::unbounded_channel();
            let in_flight = Arc::new(AtomicUsize::new(0));
            tokio::spawn(run_poller(cloud, stop, kind, scope(), inbox, in_flight.clone()));
            Poller { requests, in_flight }
        });
        poller.clone()
    }
}

impl Poller {
    /// Registers a call of this type.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.in_flight.clone())
    }
    /// Waits for a condition. `was` is the resource before the call; `status` receives AWS's status.
    ///
    /// # Errors
    /// Fails if the resource failed, is not ready within the limits, or can't be read.
    pub async fn wait(
        &self,
        condition: Condition,
        phase_before: Option<Phase>,
        sent_tags: Option<Tags>,
        (limits, parents): (WaitLimits, Vec<String>),
        status: mpsc::UnboundedSender<Status>,
    ) -> Result<Option<LiveResource>> {
        trace::decision("wait", None, || condition.to_string());
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let due = started + FIRST_POLL_DELAY;
        let request = WaitRequest { condition, phase_before, started, due, sent_tags, limits, last_seen: None, parents, reply, status };
        let stopped = || Error::new(ErrorKind::Rejected, "Stopped", "the poller stopped");
        self.requests.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Maximum time a new resource may stay invisible.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(90);

/// Time after which a resource that was visible and is missing now counts as deleted: reads may lag.
const MISSING_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay of the first read after a call.
const FIRST_POLL_DELAY: Duration = Duration::from_millis(20);

/// Reads due within this time are combined.
const BATCH_WINDOW: Duration = Duration::from_millis(250);

/// Maximum interval between reads.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(15);

/// Serves requests: sleeps until one is due, then reads those that are due, by id if all ids are known.
async fn run_poller(
    cloud: Arc<Cloud>,
    stop: StopSignal,
    kind: &'static ResourceType,
    mut scope: Scope,
    mut inbox: mpsc::UnboundedReceiver<WaitRequest>,
    in_flight: Arc<AtomicUsize>,
) {
    let mut waiting: Vec<WaitRequest> = Vec::new();
    let mut parents: BTreeSet<String> = scope.parent_ids.iter().cloned().collect();
    let mut failing_since: Option<Instant> = None;
    loop {
        let Some(due) = waiting.iter().map(|request| request.due).min() else {
            let Some(request) = inbox.recv().await else { return };
            waiting.push(request);
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            Some(request) = inbox.recv() => {
                waiting.push(request);
                continue;
            }
            () = stop.requested() => {
                let message = "acme stopped waiting";
                for request in waiting.drain(..) {
                    drop(request.reply.send(Err(Error::new(ErrorKind::Rejected, INTERRUPTED, message))));
                }
                continue;
            }
        }
        // More requests of this type are about to arrive: waits a limited time to combine them.
        let held = Instant::now();
        while in_flight.load(Ordering::Relaxed) > 0 && held.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while let Ok(request) = inbox.try_recv() {
            waiting.push(request);
        }
        let soon = Instant::now() + BATCH_WINDOW;
        let (mut due_requests, later): (Vec<WaitRequest>, Vec<WaitRequest>) = waiting.into_iter().partition(|request| request.due <= soon);
        waiting = later;
        parents.extend(due_requests.iter_mut().flat_map(|request| std::mem::take(&mut request.parents)));
        if parents.len() > scope.parent_ids.len() {
            scope.parent_ids = parents.iter().cloned().collect();
        }
        for request in &mut due_requests {
            let id = request.condition.ids().and_then(|ids| ids.first().copied().cloned());
            scope.tags_on_create.extend(id.and_then(|id| Some((id, request.sent_tags.take()?))));
        }
        let ids: Option<Vec<Vec<&String>>> = due_requests.iter().map(|request| request.condition.ids()).collect();
        scope.ids = ids.map(|ids| ids.concat().into_iter().cloned().collect());
        // The index does not show new resources, so a lookup without an id lists everything.
        let index = if scope.ids.is_none() { scope.tag_index.take() } else { None };
        let read = cloud.list(kind, &scope).await;
        scope.tag_index = index.or(scope.tag_index);
        let found = match read {
            Ok(found) => found.into_iter().map(|live| (live.id.clone(), live)).collect::<BTreeMap<_, _>>(),
            Err(error) => {
                let passes =
                    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::NotFound | ErrorKind::NotYetVisible);
                if passes && failing_since.get_or_insert_with(Instant::now).elapsed() < VISIBILITY_TIMEOUT {
                    waiting.extend(due_requests.into_iter().map(|request| request.rescheduled(kind)));
                    continue;
                }
                for request in due_requests {
                    drop(request.reply.send(Err(error.clone())));
                }
                failing_since = None;
                continue;
            }
        };
        failing_since = None;
        for mut request in due_requests {
            if request.condition.ids().is_some_and(|ids| ids.into_iter().any(|id| found.contains_key(id))) {
                request.last_seen = Some(Instant::now());
            }
            match evaluate(&request, &found, cloud.visibility_delay_of(kind)) {
                Some(answer) => drop(request.reply.send(answer)),
                None => waiting.push(request.rescheduled(kind)),
            }
        }
    }
}

impl WaitRequest {
    /// Same request, due again after a pause.
    fn rescheduled(self, kind: &ResourceType) -> WaitRequest {
        let expected = match self.condition {
            // Only the duration of a creation is known, not that of a change or a deletion.
            Condition::Ready(_) | Condition::Stable(_) if self.phase_before.is_none() => Some(kind.typical_duration),
            _ => None,
        };
        let interval = poll_interval(kind.typical_duration, expected, self.started.elapsed());
        WaitRequest { due: Instant::now() + interval, ..self }
    }
}

/// Time until the next read after this wait: a tenth of the typical duration, and a few seconds when the expected end is near;
/// a tenth of the wait so far if no end is expected. No pause is longer than the wait so far, so that a resource that is ready early,
/// as on a stand-in, is noticed soon.
fn poll_interval(typical: Duration, expected: Option<Duration>, waited: Duration) -> Duration {
    let shortest = (typical / 10).clamp(Duration::from_secs(1), Duration::from_millis(2500));
    let near = |expected: Duration| expected.abs_diff(waited) <= typical / 10;
    let interval =
        expected.map_or(waited / 10, |expected| if near(expected) { shortest } else { typical / 10 }).clamp(shortest, MAX_POLL_INTERVAL);
    interval.min(waited.max((typical / 100).clamp(Duration::from_millis(250), Duration::from_secs(1))))
}

/// Result of a read for a waiting step; `None`: keep waiting.
fn evaluate(request: &WaitRequest, found: &BTreeMap<String, LiveResource>, lag: Duration) -> Option<Result<Option<LiveResource>>> {
    let waited = request.started.elapsed();
    let as_before = |phase: &Phase| request.phase_before.as_ref() == Some(phase) && waited < VISIBILITY_TIMEOUT;
    let limits = &request.limits;
    let (id, status, limit) = match &request.condition {
        Condition::Visible(likeness) => {
            let seen = found.values().find(|live| likeness(live)).cloned();
            return (seen.is_some() || waited > lag).then_some(Ok(seen));
        }
        Condition::Deleted(id) => match found.get(id).map(|live| &live.phase) {
            None => return Some(Ok(None)),
            Some(phase @ Phase::Failed(status)) if as_before(phase) => (id, status.clone(), limits.idle),
            Some(Phase::Failed(status)) => return Some(Err(failed_error(status))),
            Some(Phase::Progressing(status)) => (id, status.clone(), limits.progressing),
            Some(Phase::Degraded(status) | Phase::Waiting(status)) => (id, status.clone(), limits.idle),
            Some(Phase::Ready | Phase::PendingChanges(_)) if waited > VISIBILITY_TIMEOUT => (id, "still exists".to_owned(), limits.idle),
            Some(Phase::Ready | Phase::PendingChanges(_) | Phase::Deleting) => (id, "deleting".to_owned(), limits.progressing),
        },
        Condition::Ready(awaited @ AwaitedId { id, .. }) | Condition::Stable(awaited @ AwaitedId { id, .. }) => match awaited.find(found) {
            Some(live) => match &live.phase {
                Phase::PendingChanges(status) if matches!(request.condition, Condition::Stable(_)) => {
                    (id, status.clone(), limits.progressing)
                }
                Phase::Ready | Phase::PendingChanges(_) => return Some(Ok(Some(live.clone()))),
                Phase::Degraded(status) if waited > lag => return Some(Err(failed_error(status))),
                Phase::Degraded(status) => (id, status.clone(), limits.idle),
                phase @ Phase::Failed(status) if as_before(phase) => (id, status.clone(), limits.idle),
                Phase::Failed(status) => return Some(Err(failed_error(status))),
                Phase::Waiting(instruction) if waited > limits.person => return Some(Err(Error::waiting(instruction))),
                Phase::Waiting(instruction) => {
                    // Without a progress display there is no receiver.
                    request.status.send(Status::ActionNeeded(instruction.clone())).ok();
                    return None;
                }
                Phase::Progressing(status) => (id, status.clone(), limits.progressing),
                Phase::Deleting => (id, "deleting".to_owned(), limits.progressing),
            },
            // Between its old name and its new one, reads may show it nowhere.
            None if awaited.renamed.is_some() => (id, "renaming".to_owned(), limits.idle),
            None if request.last_seen.is_some_and(|at| at.elapsed() > lag.max(MISSING_TIMEOUT)) => {
                let message = format!("`{id}` was deleted outside acme while this run waited for it");
                return Some(Err(Error::new(ErrorKind::Rejected, "DeletedOutside", message)));
            }
            None if waited > VISIBILITY_TIMEOUT.max(lag) => {
                let message = format!("`{id}` did not become visible within {} s", VISIBILITY_TIMEOUT.max(lag).as_secs());
                return Some(Err(Error::new(ErrorKind::Rejected, "NotVisible", message)));
            }
            None => (id, "not visible yet".to_owned(), limits.idle),
        },
    };
    if waited > limit {
        let message = format!("`{id}` is still `{status}` after {} s", waited.as_secs());
        return Some(Err(Error::new(ErrorKind::Rejected, "TimedOut", message)));
    }
    // Without a progress display there is no receiver.
    request.status.send(Status::Reported(status)).ok();
    None
}

fn failed_error(status: &str) -> Error {
    Error::new(ErrorKind::Rejected, "Failed", format!("AWS reports `{status}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of reads for a creation with this typical duration, until this many seconds have passed.
    fn poll_times(typical: u64, end: u64) -> Vec<f64> {
        let (typical, end) = (Duration::from_secs(typical), Duration::from_secs(end));
        let mut times = vec![FIRST_POLL_DELAY];
        while let Some(waited) = times.last().copied().filter(|waited| *waited < end) {
            times.push(waited + poll_interval(typical, Some(typical), waited));
        }
        times.iter().map(Duration::as_secs_f64).collect()
    }

    #[test]
    fn polls_rarely_at_first_and_often_near_the_typical_time() {
        let cluster = poll_times(540, 540);
        let between =
            |from: f64, to: f64| cluster.windows(2).filter(move |pair| pair[0] >= from && pair[0] < to).map(|pair| pair[1] - pair[0]);
        assert!(cluster.len() < 65, "{cluster:?}");
        assert!(between(60.0, 200.0).all(|pause| pause > 10.0), "{cluster:?}");
        assert!(between(490.0, 540.0).all(|pause| pause <= 2.6), "{cluster:?}");
        assert!(poll_times(540, 480).len() < 40);
    }

    fn request(phase: Phase, waited: u64) -> (WaitRequest, BTreeMap<String, LiveResource>) {
        let kind = crate::aws::types::resource_type("eks_node_group").expect("a type");
        let started = Instant::now().checked_sub(Duration::from_secs(waited)).expect("the machine has run for longer");
        let request = WaitRequest {
            condition: Condition::Ready("a".into()),
            phase_before: None,
            started,
            due: started,
            sent_tags: None,
            limits: WaitLimits::new(kind, None),
            last_seen: None,
            parents: Vec::new(),
            reply: oneshot::channel().0,
            status: mpsc::unbounded_channel().0,
        };
        let live = LiveResource { phase, ..LiveResource::ready("eks_node_group", "a", serde_json::Value::Null) };
        (request, [("a".to_owned(), live)].into())
    }

    fn error_code((request, found): (WaitRequest, BTreeMap<String, LiveResource>)) -> Option<String> {
        evaluate(&request, &found, Duration::ZERO).map(|ended| ended.expect_err("not ready").code)
    }

    /// Nodes are drained one at a time, for hours.
    #[test]
    fn waits_for_hours_while_aws_reports_progress() {
        let minutes = |minutes: u64| request(Phase::Progressing("UPDATING".into()), minutes * 60);
        assert_eq!(error_code(minutes(20)), None, "it drains");
        let (request_of_an_hour, found) = minutes(0);
        let limits = request_of_an_hour.limits;
        assert_eq!((limits.progressing.as_secs(), limits.idle.as_secs()), (24 * 3600, 1500));
        let declared = WaitLimits::new(crate::aws::types::resource_type("eks_node_group").expect("a type"), Some(Duration::from_secs(1)));
        let overdue = WaitRequest { limits: declared, ..minutes(1).0 };
        assert_eq!(error_code((overdue, found)).as_deref(), Some("TimedOut"));
    }

    #[test]
    fn a_wait_for_a_person_ends_as_such() {
        let waiting = || Phase::Waiting("accept it".into());
        assert_eq!(error_code(request(waiting(), 60)), None);
        let (request, found) = request(waiting(), 60);
        let short = WaitLimits { person: Duration::from_secs(1), ..request.limits };
        let ended = evaluate(&WaitRequest { limits: short, ..request }, &found, Duration::ZERO).expect("it ends").expect_err("not ready");
        assert!(ended.is_waiting() && ended.message == "accept it", "{ended}");
    }

    #[test]
    fn a_resource_that_disappears_was_deleted_by_somebody_else() {
        let (request, _) = request(Phase::Progressing("CREATING".into()), 60);
        let seen = WaitRequest { last_seen: Some(request.started), ..request };
        assert_eq!(error_code((seen, BTreeMap::new())).as_deref(), Some("DeletedOutside"));
    }

    #[test]
    fn notices_an_early_finish_quickly() {
        assert!(poll_times(2, 3).windows(2).all(|pair| pair[1] - pair[0] <= 1.0));
        for usual in [2, 8, 90, 540] {
            let early = poll_times(usual, 10);
            assert!(early.windows(2).all(|pair| pair[1] - pair[0] <= pair[0].max(1.0) + 0.001), "{early:?}");
        }
    }
}
