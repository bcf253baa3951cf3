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

use super::{INTERRUPTED, stop::Stop};
use crate::{
    core::{Error, Live, Phase, ResourceType, Result, Scope, Sort, Tags},
    engine::cloud::Cloud,
};

/// Tells one resource from all others.
pub type Likeness = Arc<dyn Fn(&Live) -> bool + Send + Sync>;

/// What is waited for.
#[derive(Clone)]
pub enum Until {
    /// What has this id can be used.
    Ready(String),
    /// What has this id can be used, and no change of it is still to come.
    Quiet(String),
    /// What has this id is no longer there.
    Gone(String),
    /// There is one like this, in whatever phase; or none was seen for as long as a new one may stay unseen.
    Seen(Likeness),
}

impl Until {
    /// The id of what is waited for; `None` where it is not known.
    fn id(&self) -> Option<&String> {
        match self {
            Until::Ready(id) | Until::Quiet(id) | Until::Gone(id) => Some(id),
            Until::Seen(_) => None,
        }
    }
}

struct Request {
    until: Until,
    /// What it was before the call: reads that lag behind, and changes that mend it, show the same failure for a while.
    was: Option<Phase>,
    since: Instant,
    /// When it is looked for next.
    due: Instant,
    /// Tags that the create call carried.
    sent: Option<Tags>,
    /// Parents that may have been made since the poller began.
    parents: Vec<String>,
    reply: oneshot::Sender<Result<Option<Live>>>,
    status: mpsc::UnboundedSender<String>,
}

/// Hands out one poller per type.
pub struct Settler {
    cloud: Arc<Cloud>,
    stop: Stop,
    pollers: BTreeMap<&'static str, Poller>,
}

/// The poller of one type.
#[derive(Clone)]
pub struct Poller {
    requests: mpsc::UnboundedSender<Request>,
    /// Calls of this type under way: reading waits for them, so that one read answers all.
    under_way: Arc<AtomicUsize>,
}

/// While this lives, the poller of the type holds its next read back.
pub struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Settler {
    /// Pollers over `cloud`, which end every wait when the user asks to stop.
    pub fn new(cloud: Arc<Cloud>, stop: Stop) -> Settler {
        Settler { cloud, stop, pollers: BTreeMap::new() }
    }
    /// The poller of a type; `scope` is what its reads return.
    pub fn poller(&mut self, kind: &'static ResourceType, scope: impl FnOnce() -> Scope) -> Poller {
        let (cloud, stop) = (self.cloud.clone(), self.stop.clone());
        let poller = self.pollers.entry(kind.name).or_insert_with(|| {
            let (requests, inbox) = mpsc::unbounded_channel();
            let under_way = Arc::new(AtomicUsize::new(0));
            tokio::spawn(poll(cloud, stop, kind, scope(), inbox, under_way.clone()));
            Poller { requests, under_way }
        });
        poller.clone()
    }
}

impl Poller {
    /// Says that a call of this type is under way.
    pub fn under_way(&self) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.under_way.clone())
    }
    /// Waits. `was` is what it was before the call; `status` hears AWS's own words in between.
    ///
    /// # Errors
    /// When it failed, did not get there within ten times its usual time (at least ten minutes), or can't be read.
    pub async fn wait(
        &self,
        until: Until,
        was: Option<Phase>,
        sent: Option<Tags>,
        parents: Vec<String>,
        status: mpsc::UnboundedSender<String>,
    ) -> Result<Option<Live>> {
        let (reply, answer) = oneshot::channel();
        let since = Instant::now();
        let request = Request { until, was, since, due: since + FIRST, sent, parents, reply, status };
        let stopped = || Error::new(Sort::Refused, "Stopped", "the poller stopped");
        self.requests.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// How long a new resource may stay invisible before that is an error.
const INVISIBLE: Duration = Duration::from_secs(90);

/// How long after a call its result is first read.
const FIRST: Duration = Duration::from_millis(20);

/// What is due this much later is read along: one read answers all.
const TOGETHER: Duration = Duration::from_millis(250);

/// Longest time between two looks at something.
const LONGEST: Duration = Duration::from_secs(15);

/// Answers requests: sleeps until one is due, reads those that are due, and by id alone where all ids are known.
async fn poll(
    cloud: Arc<Cloud>,
    stop: Stop,
    kind: &'static ResourceType,
    mut scope: Scope,
    mut inbox: mpsc::UnboundedReceiver<Request>,
    under_way: Arc<AtomicUsize>,
) {
    let mut waiting: Vec<Request> = Vec::new();
    let mut parents: BTreeSet<String> = scope.parents.iter().cloned().collect();
    let mut unread: Option<Instant> = None;
    let patience = (kind.typical * 10).max(Duration::from_secs(600));
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
            () = stop.asked() => {
                let message = "not waited for any longer";
                for request in waiting.drain(..) {
                    drop(request.reply.send(Err(Error::new(Sort::Refused, INTERRUPTED, message))));
                }
                continue;
            }
        }
        // Others of this type are about to be waited for too: let them come along, within reason.
        let held = Instant::now();
        while under_way.load(Ordering::Relaxed) > 0 && held.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while let Ok(request) = inbox.try_recv() {
            waiting.push(request);
        }
        let soon = Instant::now() + TOGETHER;
        let (mut asked, later): (Vec<Request>, Vec<Request>) = waiting.into_iter().partition(|request| request.due <= soon);
        waiting = later;
        parents.extend(asked.iter_mut().flat_map(|request| std::mem::take(&mut request.parents)));
        if parents.len() > scope.parents.len() {
            scope.parents = parents.iter().cloned().collect();
        }
        scope.sent.extend(asked.iter_mut().filter_map(|request| Some((request.until.id()?.clone(), request.sent.take()?))));
        scope.ids = asked.iter().map(|request| request.until.id().cloned()).collect();
        // The index shows nothing that was just made: what is looked for without its id is looked for everywhere.
        let index = if scope.ids.is_none() { scope.index.take() } else { None };
        let read = cloud.list(kind, &scope).await;
        scope.index = index.or(scope.index);
        let found = match read {
            Ok(found) => found.into_iter().map(|live| (live.id.clone(), live)).collect::<BTreeMap<_, _>>(),
            Err(error) => {
                let passes = matches!(error.sort, Sort::Throttled | Sort::Unreachable | Sort::Gone | Sort::NotYet);
                if passes && unread.get_or_insert_with(Instant::now).elapsed() < INVISIBLE {
                    waiting.extend(asked.into_iter().map(|request| request.again(kind)));
                    continue;
                }
                for request in asked {
                    drop(request.reply.send(Err(error.clone())));
                }
                unread = None;
                continue;
            }
        };
        unread = None;
        for request in asked {
            match answer(&request, &found, patience, cloud.lag()) {
                Some(answer) => drop(request.reply.send(answer)),
                None => waiting.push(request.again(kind)),
            }
        }
    }
}

impl Request {
    /// The same, due again after a pause.
    fn again(self, kind: &ResourceType) -> Request {
        let expected = match self.until {
            // How long a creation takes is known; of a change and a deletion it is not.
            Until::Ready(_) | Until::Quiet(_) if self.was.is_none() => Some(kind.typical),
            _ => None,
        };
        let pause = pause(kind.typical, expected, self.since.elapsed());
        Request { due: Instant::now() + pause, ..self }
    }
}

/// Time until the next look at something that was waited for this long: a tenth of the typical time, and a few seconds when the
/// expected end is near; a tenth of the time waited where no end is expected. What is there long before
/// its time, as on a stand-in, is noticed too: no pause is longer than the time waited so far.
fn pause(usual: Duration, expected: Option<Duration>, waited: Duration) -> Duration {
    let shortest = (usual / 10).clamp(Duration::from_secs(1), Duration::from_millis(2500));
    let near = |expected: Duration| expected.abs_diff(waited) <= usual / 10;
    let pause = expected.map_or(waited / 10, |expected| if near(expected) { shortest } else { usual / 10 }).clamp(shortest, LONGEST);
    pause.min(waited.max((usual / 100).clamp(Duration::from_millis(250), Duration::from_secs(1))))
}

/// What a read answers one who waits; `None`: keep waiting.
fn answer(request: &Request, found: &BTreeMap<String, Live>, patience: Duration, lag: Duration) -> Option<Result<Option<Live>>> {
    let waited = request.since.elapsed();
    let as_before = |phase: &Phase| request.was.as_ref() == Some(phase) && waited < INVISIBLE;
    let (id, status) = match &request.until {
        Until::Seen(likeness) => {
            let seen = found.values().find(|live| likeness(live)).cloned();
            return (seen.is_some() || waited > lag).then_some(Ok(seen));
        }
        Until::Gone(id) => match found.get(id).map(|live| &live.phase) {
            None => return Some(Ok(None)),
            Some(phase @ Phase::Failed(status)) if as_before(phase) => (id, status.clone()),
            Some(Phase::Failed(status)) => return Some(Err(failed(status))),
            Some(Phase::Settling(status) | Phase::Degraded(status)) => (id, status.clone()),
            Some(Phase::Ready | Phase::Pending(_)) if waited > INVISIBLE => (id, "still there".to_owned()),
            Some(Phase::Ready | Phase::Pending(_) | Phase::Leaving) => (id, "deleting".to_owned()),
        },
        Until::Ready(id) | Until::Quiet(id) => match found.get(id) {
            Some(live) => match &live.phase {
                Phase::Pending(status) if matches!(request.until, Until::Quiet(_)) => (id, status.clone()),
                Phase::Ready | Phase::Pending(_) => return Some(Ok(Some(live.clone()))),
                Phase::Degraded(status) if waited > lag => return Some(Err(failed(status))),
                Phase::Degraded(status) => (id, status.clone()),
                phase @ Phase::Failed(status) if as_before(phase) => (id, status.clone()),
                Phase::Failed(status) => return Some(Err(failed(status))),
                Phase::Settling(status) => (id, status.clone()),
                Phase::Leaving => (id, "deleting".to_owned()),
            },
            None if waited > INVISIBLE => {
                let message = format!("`{id}` did not become visible within {} s", INVISIBLE.as_secs());
                return Some(Err(Error::new(Sort::Refused, "NotVisible", message)));
            }
            None => (id, "not visible yet".to_owned()),
        },
    };
    if waited > patience {
        let message = format!("`{id}` is still `{status}` after {} s", waited.as_secs());
        return Some(Err(Error::new(Sort::Refused, "TimedOut", message)));
    }
    // Nobody listens when progress is not shown.
    request.status.send(status).ok();
    None
}

fn failed(status: &str) -> Error {
    Error::new(Sort::Refused, "Failed", format!("AWS reports `{status}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a creation that usually takes so many seconds is looked at, until so many seconds have passed.
    fn looks(usual: u64, end: u64) -> Vec<f64> {
        let (usual, end) = (Duration::from_secs(usual), Duration::from_secs(end));
        let mut looks = vec![FIRST];
        while let Some(waited) = looks.last().copied().filter(|waited| *waited < end) {
            looks.push(waited + pause(usual, Some(usual), waited));
        }
        looks.iter().map(Duration::as_secs_f64).collect()
    }

    #[test]
    fn looks_are_rare_at_first_and_frequent_near_the_usual_time() {
        let cluster = looks(540, 540);
        let between =
            |from: f64, to: f64| cluster.windows(2).filter(move |pair| pair[0] >= from && pair[0] < to).map(|pair| pair[1] - pair[0]);
        assert!(cluster.len() < 65, "{cluster:?}");
        assert!(between(60.0, 200.0).all(|pause| pause > 10.0), "{cluster:?}");
        assert!(between(490.0, 540.0).all(|pause| pause <= 2.6), "{cluster:?}");
        assert!(looks(540, 480).len() < 40);
    }

    #[test]
    fn what_is_there_at_once_is_noticed_at_once() {
        assert!(looks(2, 3).windows(2).all(|pair| pair[1] - pair[0] <= 1.0));
        for usual in [2, 8, 90, 540] {
            let early = looks(usual, 10);
            assert!(early.windows(2).all(|pair| pair[1] - pair[0] <= pair[0].max(1.0) + 0.001), "{early:?}");
        }
    }
}
