//! Waiting is reading again: one poller per type answers all who wait.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

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

struct Request {
    until: Until,
    /// What it was before the call: reads that lag behind, and changes that mend it, show the same failure for a while.
    was: Option<Phase>,
    since: Instant,
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
        let request = Request { until, was, since: Instant::now(), sent, parents, reply, status };
        let stopped = || Error::new(Sort::Refused, "Stopped", "the poller stopped");
        self.requests.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// How long a new resource may stay invisible before that is an error.
const INVISIBLE: Duration = Duration::from_secs(90);

async fn poll(
    cloud: Arc<Cloud>,
    stop: Stop,
    kind: &'static ResourceType,
    mut scope: Scope,
    mut inbox: mpsc::UnboundedReceiver<Request>,
    under_way: Arc<AtomicUsize>,
) {
    let mut waiting: Vec<Request> = Vec::new();
    let first = Duration::from_millis(20);
    let longest = (kind.typical / 10).clamp(Duration::from_secs(1), Duration::from_secs(15));
    let mut pause = first;
    let mut unread: Option<Instant> = None;
    loop {
        if waiting.is_empty() {
            let Some(request) = inbox.recv().await else { return };
            waiting.push(request);
            pause = first;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
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
        let known = waiting.len();
        while let Ok(request) = inbox.try_recv() {
            waiting.push(request);
        }
        pause = if waiting.len() > known { first } else { (pause * 2).max(Duration::from_millis(250)).min(longest) };
        scope.parents.extend(waiting.iter_mut().flat_map(|request| std::mem::take(&mut request.parents)));
        scope.sent.extend(waiting.iter_mut().filter_map(|request| match &request.until {
            Until::Ready(id) | Until::Quiet(id) => Some((id.clone(), request.sent.take()?)),
            _ => None,
        }));
        scope.parents.sort();
        scope.parents.dedup();
        // The index shows nothing that was just made: what is looked for without its id is looked for everywhere.
        let looked_for = waiting.iter().any(|request| matches!(request.until, Until::Seen(_)));
        let everywhere = looked_for.then(|| Scope { index: None, ..scope.clone() });
        let found = match cloud.list(kind, everywhere.as_ref().unwrap_or(&scope)).await {
            Ok(found) => found.into_iter().map(|live| (live.id.clone(), live)).collect::<BTreeMap<_, _>>(),
            Err(error) => {
                let passes = matches!(error.sort, Sort::Throttled | Sort::Unreachable | Sort::Gone | Sort::NotYet);
                if passes && unread.get_or_insert_with(Instant::now).elapsed() < INVISIBLE {
                    continue;
                }
                for request in waiting.drain(..) {
                    drop(request.reply.send(Err(error.clone())));
                }
                unread = None;
                continue;
            }
        };
        unread = None;
        let patience = (kind.typical * 10).max(Duration::from_secs(600));
        let mut still = Vec::new();
        for request in waiting.drain(..) {
            match answer(&request, &found, patience, cloud.lag()) {
                Some(answer) => drop(request.reply.send(answer)),
                None => still.push(request),
            }
        }
        waiting = still;
    }
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
