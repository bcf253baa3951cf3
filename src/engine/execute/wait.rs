//! Waiting is reading again: one poller per type answers all who wait.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    core::{Error, ErrorKind, LiveResource, Phase, ResourceType, Result, Scope, Tags},
    engine::cloud::Cloud,
};

/// Tells one resource from all others.
pub type Matcher = Arc<dyn Fn(&LiveResource) -> bool + Send + Sync>;

/// What is waited for.
#[derive(Clone)]
pub enum Condition {
    /// What has this id can be used.
    Ready(String),
    /// What has this id can be used, and no change of it is still to come.
    Stable(String),
    /// What has this id is no longer there.
    Deleted(String),
    /// There is one like this, in whatever phase; or none was seen for as long as a new one may stay unseen.
    Visible(Matcher),
}

impl Condition {
    /// The id of what is waited for; `None` where it is not known.
    fn id(&self) -> Option<&String> {
        match self {
            Condition::Ready(id) | Condition::Stable(id) | Condition::Deleted(id) => Some(id),
            Condition::Visible(_) => None,
        }
    }
}

struct WaitRequest {
    condition: Condition,
    /// What it was before the call: reads that lag behind, and changes that mend it, show the same failure for a while.
    phase_before: Option<Phase>,
    started: Instant,
    /// When it is looked for next.
    due: Instant,
    /// Tags that the create call carried.
    sent_tags: Option<Tags>,
    /// Parents that may have been made since the poller began.
    parents: Vec<String>,
    reply: oneshot::Sender<Result<Option<LiveResource>>>,
    status: mpsc::UnboundedSender<String>,
}

/// Hands out one poller per type.
pub struct Waiters {
    cloud: Arc<Cloud>,
    stop: StopSignal,
    pollers: BTreeMap<&'static str, Poller>,
}

/// The poller of one type.
#[derive(Clone)]
pub struct Poller {
    requests: mpsc::UnboundedSender<WaitRequest>,
    /// Calls of this type under way: reading waits for them, so that one read answers all.
    in_flight: Arc<AtomicUsize>,
}

/// While this lives, the poller of the type holds its next read back.
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiters {
    /// Pollers over `cloud`, which end every wait when the user asks to stop.
    pub fn new(cloud: Arc<Cloud>, stop: StopSignal) -> Waiters {
        Waiters { cloud, stop, pollers: BTreeMap::new() }
    }
    /// The poller of a type; `scope` is what its reads return.
    pub fn poller(&mut self, kind: &'static ResourceType, scope: impl FnOnce() -> Scope) -> Poller {
        let (cloud, stop) = (self.cloud.clone(), self.stop.clone());
        let poller = self.pollers.entry(kind.name).or_insert_with(|| {
            let (requests, inbox) = mpsc::unbounded_channel();
            let in_flight = Arc::new(AtomicUsize::new(0));
            tokio::spawn(run_poller(cloud, stop, kind, scope(), inbox, in_flight.clone()));
            Poller { requests, in_flight }
        });
        poller.clone()
    }
}

impl Poller {
    /// Says that a call of this type is under way.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.in_flight.clone())
    }
    /// Waits. `was` is what it was before the call; `status` hears AWS's own words in between.
    ///
    /// # Errors
    /// When it failed, did not get there within ten times its usual time (at least ten minutes), or can't be read.
    pub async fn wait(
        &self,
        condition: Condition,
        phase_before: Option<Phase>,
        sent_tags: Option<Tags>,
        parents: Vec<String>,
        status: mpsc::UnboundedSender<String>,
    ) -> Result<Option<LiveResource>> {
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let request = WaitRequest { condition, phase_before, started, due: started + FIRST_POLL_DELAY, sent_tags, parents, reply, status };
        let stopped = || Error::new(ErrorKind::Rejected, "Stopped", "the poller stopped");
        self.requests.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// How long a new resource may stay invisible before that is an error.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(90);

/// How long after a call its result is first read.
const FIRST_POLL_DELAY: Duration = Duration::from_millis(20);

/// What is due this much later is read along: one read answers all.
const BATCH_WINDOW: Duration = Duration::from_millis(250);

/// Longest time between two looks at something.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(15);

/// Answers requests: sleeps until one is due, reads those that are due, and by id alone where all ids are known.
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
    let timeout = (kind.typical_duration * 10).max(Duration::from_secs(600));
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
                let message = "not waited for any longer";
                for request in waiting.drain(..) {
                    drop(request.reply.send(Err(Error::new(ErrorKind::Rejected, INTERRUPTED, message))));
                }
                continue;
            }
        }
        // Others of this type are about to be waited for too: let them come along, within reason.
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
        scope
            .tags_on_create
            .extend(due_requests.iter_mut().filter_map(|request| Some((request.condition.id()?.clone(), request.sent_tags.take()?))));
        scope.ids = due_requests.iter().map(|request| request.condition.id().cloned()).collect();
        // The index shows nothing that was just made: what is looked for without its id is looked for everywhere.
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
        for request in due_requests {
            match evaluate(&request, &found, timeout, cloud.visibility_delay()) {
                Some(answer) => drop(request.reply.send(answer)),
                None => waiting.push(request.rescheduled(kind)),
            }
        }
    }
}

impl WaitRequest {
    /// The same, due again after a pause.
    fn rescheduled(self, kind: &ResourceType) -> WaitRequest {
        let expected = match self.condition {
            // How long a creation takes is known; of a change and a deletion it is not.
            Condition::Ready(_) | Condition::Stable(_) if self.phase_before.is_none() => Some(kind.typical_duration),
            _ => None,
        };
        let interval = poll_interval(kind.typical_duration, expected, self.started.elapsed());
        WaitRequest { due: Instant::now() + interval, ..self }
    }
}

/// Time until the next look at something that was waited for this long: a tenth of the typical time, and a few seconds when the
/// expected end is near; a tenth of the time waited where no end is expected. What is there long before
/// its time, as on a stand-in, is noticed too: no pause is longer than the time waited so far.
fn poll_interval(typical: Duration, expected: Option<Duration>, waited: Duration) -> Duration {
    let shortest = (typical / 10).clamp(Duration::from_secs(1), Duration::from_millis(2500));
    let near = |expected: Duration| expected.abs_diff(waited) <= typical / 10;
    let interval =
        expected.map_or(waited / 10, |expected| if near(expected) { shortest } else { typical / 10 }).clamp(shortest, MAX_POLL_INTERVAL);
    interval.min(waited.max((typical / 100).clamp(Duration::from_millis(250), Duration::from_secs(1))))
}

/// What a read answers one who waits; `None`: keep waiting.
fn evaluate(
    request: &WaitRequest,
    found: &BTreeMap<String, LiveResource>,
    timeout: Duration,
    lag: Duration,
) -> Option<Result<Option<LiveResource>>> {
    let waited = request.started.elapsed();
    let as_before = |phase: &Phase| request.phase_before.as_ref() == Some(phase) && waited < VISIBILITY_TIMEOUT;
    let (id, status) = match &request.condition {
        Condition::Visible(likeness) => {
            let seen = found.values().find(|live| likeness(live)).cloned();
            return (seen.is_some() || waited > lag).then_some(Ok(seen));
        }
        Condition::Deleted(id) => match found.get(id).map(|live| &live.phase) {
            None => return Some(Ok(None)),
            Some(phase @ Phase::Failed(status)) if as_before(phase) => (id, status.clone()),
            Some(Phase::Failed(status)) => return Some(Err(failed_error(status))),
            Some(Phase::Progressing(status) | Phase::Degraded(status)) => (id, status.clone()),
            Some(Phase::Ready | Phase::PendingChanges(_)) if waited > VISIBILITY_TIMEOUT => (id, "still there".to_owned()),
            Some(Phase::Ready | Phase::PendingChanges(_) | Phase::Deleting) => (id, "deleting".to_owned()),
        },
        Condition::Ready(id) | Condition::Stable(id) => match found.get(id) {
            Some(live) => match &live.phase {
                Phase::PendingChanges(status) if matches!(request.condition, Condition::Stable(_)) => (id, status.clone()),
                Phase::Ready | Phase::PendingChanges(_) => return Some(Ok(Some(live.clone()))),
                Phase::Degraded(status) if waited > lag => return Some(Err(failed_error(status))),
                Phase::Degraded(status) => (id, status.clone()),
                phase @ Phase::Failed(status) if as_before(phase) => (id, status.clone()),
                Phase::Failed(status) => return Some(Err(failed_error(status))),
                Phase::Progressing(status) => (id, status.clone()),
                Phase::Deleting => (id, "deleting".to_owned()),
            },
            None if waited > VISIBILITY_TIMEOUT => {
                let message = format!("`{id}` did not become visible within {} s", VISIBILITY_TIMEOUT.as_secs());
                return Some(Err(Error::new(ErrorKind::Rejected, "NotVisible", message)));
            }
            None => (id, "not visible yet".to_owned()),
        },
    };
    if waited > timeout {
        let message = format!("`{id}` is still `{status}` after {} s", waited.as_secs());
        return Some(Err(Error::new(ErrorKind::Rejected, "TimedOut", message)));
    }
    // Nobody listens when progress is not shown.
    request.status.send(status).ok();
    None
}

fn failed_error(status: &str) -> Error {
    Error::new(ErrorKind::Rejected, "Failed", format!("AWS reports `{status}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a creation that usually takes so many seconds is looked at, until so many seconds have passed.
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

    #[test]
    fn notices_an_early_finish_quickly() {
        assert!(poll_times(2, 3).windows(2).all(|pair| pair[1] - pair[0] <= 1.0));
        for usual in [2, 8, 90, 540] {
            let early = poll_times(usual, 10);
            assert!(early.windows(2).all(|pair| pair[1] - pair[0] <= pair[0].max(1.0) + 0.001), "{early:?}");
        }
    }
}
