//! Brings one step to its verified end: call, settle, compare again, bring what is left.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::settle::{Poller, Until};
use crate::{
    aws::{ADDRESS, Error, Result, STACK, Sort},
    cloud::{Call, Cloud},
    discover::visible_tags,
    kind::{Kind, Live},
    plan::{FieldDiff, Op, diff},
    resource::{Changed, Tags},
};

/// All one step needs; it shares nothing with other steps.
pub struct Job {
    pub cloud: Arc<Cloud>,
    pub kind: &'static Kind,
    pub op: Op,
    pub call: Call,
    /// The wanted spec, every reference resolved; `Null` for deletions.
    pub spec: Value,
    /// What is there.
    pub before: Option<Live>,
    pub poller: Poller,
    /// Ids of live resources of the type's parent type.
    pub parents: Vec<String>,
    /// Hears AWS's status in between.
    pub status: mpsc::UnboundedSender<String>,
}

/// How often what a read shows to be missing is brought by a further update. EKS takes one kind of change at a time.
const ROUNDS: usize = 8;

/// How long reads may lag behind a change: IAM takes about 8 s, EC2 a few.
const READ_LAG: Duration = Duration::from_secs(20);

/// Types that usually take this long are deleted in the background, and waited for. The others are gone when AWS says so; where
/// another service still sees them for a moment, its refusal of what comes next is waited out.
const ASYNCHRONOUS: Duration = Duration::from_secs(20);

impl Job {
    /// Does the step. Gives what is there afterwards; `None` after a deletion.
    ///
    /// # Errors
    /// What AWS answered, or that AWS did not keep what it was told.
    pub async fn run(self) -> Result<Option<Live>> {
        match (self.op, &self.before) {
            (Op::Create, _) => self.create().await.map(Some),
            (Op::Update, Some(before)) => {
                let before = before.clone();
                self.update(before).await.map(Some)
            }
            (Op::Delete, Some(before)) => self.delete(before).await.map(|()| None),
            (Op::Forget, Some(before)) => self.forget(before).await.map(|()| None),
            (_, None) => Err(Error::new(Sort::Refused, "NothingThere", "there is nothing to change")),
        }
    }

    async fn create(&self) -> Result<Live> {
        let (id, brought) = {
            let _under_way = self.poller.under_way();
            let id = patiently(self.patience(), || self.cloud.create(self.kind, &self.call, &self.spec)).await?;
            if self.kind.taggable && !self.kind.tags_on_create {
                let untagged = Tags::new();
                patiently(self.patience(), || self.cloud.retag(self.kind, &id, None, &untagged, &self.call.tags)).await?;
            }
            let created = (self.kind.created)(&self.spec)?;
            let missing = diff(&self.spec, &created, &[]);
            if !missing.is_empty() {
                self.bring(&id, &created, &missing).await?;
            }
            (id, missing)
        };
        // AWS takes tags and resource in one call or refuses both, so they need no reading back.
        let sent = self.kind.tags_on_create.then(|| self.call.tags.clone());
        self.verified(&id, sent, brought).await
    }

    async fn update(&self, before: Live) -> Result<Live> {
        let brought = {
            let _under_way = self.poller.under_way();
            let aligned = (self.kind.align)(&self.spec, &before.spec);
            let missing = diff(&self.spec, &aligned, &[]);
            if !missing.is_empty() {
                self.bring(&before.id, &aligned, &missing).await?;
            }
            self.tag(&before).await?;
            missing
        };
        self.verified(&before.id, None, brought).await
    }

    async fn delete(&self, live: &Live) -> Result<()> {
        {
            let _under_way = self.poller.under_way();
            let delete = || async {
                let deleted = self.cloud.delete(self.kind, &self.call, live).await;
                deleted.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })
            };
            patiently(Duration::from_secs(900), delete).await?;
        }
        if self.kind.usual < ASYNCHRONOUS {
            return Ok(());
        }
        self.poller.wait(&live.id, Until::Gone, None, self.parents.clone(), self.status.clone()).await.map(|_| ())
    }

    /// Takes the marks off: from then on it is nobody's.
    async fn forget(&self, live: &Live) -> Result<()> {
        let kept: Tags = live.tags.iter().filter(|(key, _)| !key.starts_with("acme:")).map(|(k, v)| (k.clone(), v.clone())).collect();
        self.cloud.retag(self.kind, &live.id, live.arn(), &live.tags, &kept).await
    }

    /// Reads back, and brings what is missing, until nothing is. `brought` is what was brought just before: a first read that
    /// still lacks exactly that may only lag behind, and is read again before it counts.
    async fn verified(&self, id: &str, sent: Option<Tags>, brought: Vec<FieldDiff>) -> Result<Live> {
        let mut last = (brought, true);
        let mut called = Instant::now();
        let mut pause = Duration::from_millis(250);
        let mut rounds = 0;
        loop {
            let live = self.poller.wait(id, Until::Ready, sent.clone(), self.parents.clone(), self.status.clone()).await?;
            let live = live.ok_or_else(|| Error::new(Sort::Refused, "NotThere", format!("`{id}` is gone")))?;
            let aligned = (self.kind.align)(&self.spec, &live.spec);
            let missing = diff(&self.spec, &aligned, &[]);
            let tagged = !self.kind.taggable || visible_tags(&live.tags, &self.call.tags) == self.call.tags;
            if missing.is_empty() && tagged {
                return Ok(live);
            }
            let state = (missing, tagged);
            if state == last {
                if called.elapsed() > READ_LAG {
                    return Err(not_kept(&state.0));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(3));
                continue;
            }
            if rounds == ROUNDS {
                return Err(not_kept(&state.0));
            }
            let _under_way = self.poller.under_way();
            if !state.0.is_empty() {
                self.bring(id, &aligned, &state.0).await?;
            }
            if !tagged {
                self.tag(&live).await?;
            }
            last = state;
            called = Instant::now();
            rounds += 1;
        }
    }

    async fn bring(&self, id: &str, before: &Value, missing: &[FieldDiff]) -> Result<()> {
        let changed = Changed(missing.iter().map(|field| field.at.clone()).collect());
        patiently(self.patience(), || self.cloud.update(self.kind, &self.call, id, before, &self.spec, &changed)).await
    }

    async fn tag(&self, live: &Live) -> Result<()> {
        let before = visible_tags(&live.tags, &self.call.tags);
        if !self.kind.taggable || before == self.call.tags {
            return Ok(());
        }
        // Marks of another stack are never overwritten.
        if live.tags.get(STACK).is_some_and(|stack| *stack != self.call.stack) {
            let owner = live.tags.get(ADDRESS).cloned().unwrap_or_default();
            return Err(Error::new(Sort::Refused, "NotOurs", format!("`{}` belongs to another stack as `{owner}`", live.id)));
        }
        patiently(self.patience(), || self.cloud.retag(self.kind, &live.id, live.arn(), &before, &self.call.tags)).await
    }

    /// How long "not yet" and "in use" are waited for.
    fn patience(&self) -> Duration {
        (self.kind.usual * 3).max(Duration::from_secs(120))
    }
}

fn not_kept(missing: &[FieldDiff]) -> Error {
    let fields: Vec<String> =
        missing.iter().map(|f| format!("{} is {}, wanted {}", f.at.trim_start_matches('/'), f.before, f.after)).collect();
    Error::new(Sort::Refused, "NotKept", format!("AWS did not keep what it was told: {}", fields.join("; ")))
}

/// The one retry policy above the SDK's: what AWS says will pass is tried again with growing pauses, for at most `patience`.
async fn patiently<T, F: Future<Output = Result<T>>>(patience: Duration, call: impl Fn() -> F) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(500);
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let patience = match error.sort {
            Sort::Conflict => patience,
            // IAM takes about 8 s, rarely more than a minute; longer means that the role really lacks what is asked.
            Sort::NotYet | Sort::Throttled => patience.min(Duration::from_secs(120)),
            // What was made a moment ago may not be known everywhere yet.
            Sort::Gone => patience.min(Duration::from_secs(30)),
            _ => return Err(error),
        };
        if start.elapsed() + pause > patience {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}
