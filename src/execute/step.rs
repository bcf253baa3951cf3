//! Brings one step to its verified end: call, settle, compare again, bring what is left.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    hands::{About, Hands},
    settle::{Likeness, Poller, Until},
    stop::Stop,
};
use crate::{
    aws::{ADDRESS, ENVIRONMENT, Error, Result, STACK, Sort},
    discover::{unmarked, visible_tags},
    journal::Action,
    kind::Live,
    plan::{FieldDiff, First, Nulls, Op, diff},
    resource::{Changed, Phase, Tags},
};

/// All one step needs; it shares nothing with other steps.
pub struct Job {
    pub hands: Hands,
    pub op: Op,
    pub about: About,
    /// For a replacement, which half comes first.
    pub first: Option<First>,
    /// What `null` in the wanted spec means.
    pub nulls: Nulls,
    /// Whether an earlier run may have made it already.
    pub claimed: bool,
    /// Whether AWS's own deletion protection is lifted before it is deleted.
    pub unprotect: bool,
    pub poller: Poller,
    /// Ids of live resources of the type's parent type.
    pub parents: Vec<String>,
    /// Hears AWS's status in between.
    pub status: mpsc::UnboundedSender<String>,
    pub stop: Stop,
}

/// How often a create is tried whose answer does not come.
const TRIES: usize = 4;

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
        match (self.op, &self.about.before) {
            (Op::Create, _) => self.create().await.map(Some),
            (Op::Update, Some(before)) => self.update(before).await.map(Some),
            (Op::Delete, Some(before)) => self.delete(before).await.map(|()| None),
            (Op::Forget, Some(before)) => self.forget(before).await.map(|()| None),
            (_, None) => Err(Error::new(Sort::Refused, "NothingThere", "there is nothing to change")),
        }
    }

    async fn create(&self) -> Result<Live> {
        let kind = self.about.kind;
        let id = self.make().await?;
        let brought = {
            let _under_way = self.poller.under_way();
            if kind.taggable && !kind.tags_on_create {
                self.retag((&id, None), &Tags::new(), &self.about.call.tags, Action::Tag).await?;
            }
            let created = (kind.created)(&self.about.spec)?;
            let missing = self.missing(&created);
            if missing.is_empty() { Some(missing) } else { self.bring(&id, &created, missing).await? }
        };
        // AWS takes tags and resource in one call or refuses both, so they need no reading back.
        let sent = kind.tags_on_create.then(|| self.about.call.tags.clone());
        self.verified(&id, None, sent, brought).await
    }

    /// Makes it. Where no answer came, it is looked for before it is made again: the call may have been served. The same where an
    /// earlier run began to make it and AWS says that there is one.
    async fn make(&self) -> Result<String> {
        let mut unanswered = self.claimed;
        let mut tries = 0;
        loop {
            let made = {
                let _under_way = self.poller.under_way();
                self.patiently(self.patience(), Again::AfterAnswer, || self.hands.create(&self.about)).await
            };
            let error = match made {
                Ok(id) => return Ok(id),
                Err(error) if error.sort == Sort::Unreachable || (unanswered && error.sort == Sort::Exists) => error,
                Err(error) => return Err(error),
            };
            unanswered = true;
            let found = self.poller.wait(Until::Seen(self.likeness()), None, None, self.parents.clone(), self.status.clone()).await?;
            if let Some(live) = found {
                return Ok(live.id);
            }
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
        }
    }

    /// Tells what this step made from all else: by its marks, else by its name or by what identifies its type.
    fn likeness(&self) -> Likeness {
        let about = &self.about;
        // The old half of a replacement carries the same marks while it stands beside the new one.
        let beside = about.before.as_ref().filter(|_| self.first != Some(First::Old)).map(|live| live.id.clone());
        let (kind, call, spec) = (about.kind, about.call.clone(), about.spec.clone());
        Arc::new(move |live: &Live| {
            if live.phase == Phase::Leaving || beside.as_ref() == Some(&live.id) {
                return false;
            }
            let mark = |key: &str| live.tags.get(key).map(String::as_str);
            let ours = mark(STACK) == Some(&call.stack) && mark(ENVIRONMENT) == Some(&call.environment);
            if ours && mark(ADDRESS) == Some(&call.address) {
                return true;
            }
            let same =
                |pointer: &str| spec.pointer(pointer).is_some_and(|value| !value.is_null() && live.spec.pointer(pointer) == Some(value));
            let named = kind.naming.is_some() && mark(STACK).is_none() && same("/name");
            named || (!kind.identity.is_empty() && kind.identity.iter().all(|pointer| same(pointer)))
        })
    }

    async fn update(&self, before: &Live) -> Result<Live> {
        let brought = {
            let _under_way = self.poller.under_way();
            let aligned = (self.about.kind.align)(&self.about.spec, &before.spec);
            let missing = self.missing(&aligned);
            let brought = if missing.is_empty() { Some(missing) } else { self.bring(&before.id, &aligned, missing).await? };
            self.tag(before).await?;
            brought
        };
        self.verified(&before.id, Some(before.phase.clone()), None, brought).await
    }

    async fn delete(&self, live: &Live) -> Result<()> {
        {
            let _under_way = self.poller.under_way();
            if let Some(pointer) = self.about.kind.protection.filter(|_| self.unprotect) {
                self.unprotect(live, pointer).await?;
            }
            self.patiently(Duration::from_secs(900), Again::Always, || self.hands.delete(&self.about, live)).await?;
        }
        if self.about.kind.usual < ASYNCHRONOUS {
            return Ok(());
        }
        self.poller
            .wait(Until::Gone(live.id.clone()), Some(live.phase.clone()), None, self.parents.clone(), self.status.clone())
            .await
            .map(|_| ())
    }

    async fn unprotect(&self, live: &Live, pointer: &str) -> Result<()> {
        let mut open = live.spec.clone();
        match open.pointer_mut(pointer) {
            Some(field) if *field == Value::Bool(true) => *field = Value::Bool(false),
            _ => return Ok(()),
        }
        let changed = Changed(vec![pointer.to_owned()]);
        self.patiently(self.patience(), Again::Always, || self.hands.update(&self.about, &live.id, &live.spec, &open, &changed)).await
    }

    /// Takes the marks off: from then on it is nobody's.
    async fn forget(&self, live: &Live) -> Result<()> {
        self.retag((&live.id, live.arn()), &live.tags, &unmarked(&live.tags), Action::Forget).await
    }

    /// Reads back, and brings what is missing, until nothing is. `brought` is what was brought just before: a first read that
    /// still lacks exactly that may only lag behind, and is read again before it counts; `None` when no answer came to that.
    async fn verified(&self, id: &str, was: Option<Phase>, sent: Option<Tags>, brought: Option<Vec<FieldDiff>>) -> Result<Live> {
        let about = &self.about;
        let mut last = brought.map(|missing| (missing, true));
        let mut called = Instant::now();
        let mut pause = Duration::from_millis(250);
        let mut rounds = 0;
        loop {
            let ready = Until::Ready(id.to_owned());
            let live = self.poller.wait(ready, was.clone(), sent.clone(), self.parents.clone(), self.status.clone()).await?;
            let live = live.ok_or_else(|| Error::new(Sort::Refused, "NotThere", format!("`{id}` is gone")))?;
            let aligned = (about.kind.align)(&about.spec, &live.spec);
            let missing = self.missing(&aligned);
            let tagged = !about.kind.taggable || visible_tags(&live.tags, &about.call.tags) == about.call.tags;
            if missing.is_empty() && tagged {
                return Ok(live);
            }
            let state = (missing, tagged);
            if last.as_ref() == Some(&state) {
                // What has no "unset" in AWS's API stays.
                if tagged && state.0.iter().all(|field| field.after.is_null()) {
                    return Ok(live);
                }
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
            let answered = state.0.is_empty() || self.bring(id, &aligned, state.0.clone()).await?.is_some();
            if !tagged {
                self.tag(&live).await?;
            }
            last = answered.then_some(state);
            called = Instant::now();
            rounds += 1;
        }
    }

    fn missing(&self, live: &Value) -> Vec<FieldDiff> {
        diff(&self.about.spec, live, &[], self.nulls)
    }

    /// Makes the calls for what is missing, and gives that back; `None` when no answer came, so that only reading again tells.
    async fn bring(&self, id: &str, before: &Value, missing: Vec<FieldDiff>) -> Result<Option<Vec<FieldDiff>>> {
        let changed = Changed(missing.iter().map(|field| field.at.clone()).collect());
        let update = || self.hands.update(&self.about, id, before, &self.about.spec, &changed);
        match self.patiently(self.patience(), Again::AfterAnswer, update).await {
            Ok(()) => Ok(Some(missing)),
            Err(error) if error.sort == Sort::Unreachable => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, live: &Live) -> Result<()> {
        let call = &self.about.call;
        let before = visible_tags(&live.tags, &call.tags);
        if !self.about.kind.taggable || before == call.tags {
            return Ok(());
        }
        // Marks of another stack are never overwritten.
        if live.tags.get(STACK).is_some_and(|stack| *stack != call.stack) {
            let owner = live.tags.get(ADDRESS).cloned().unwrap_or_default();
            return Err(Error::new(Sort::Refused, "NotOurs", format!("`{}` belongs to another stack as `{owner}`", live.id)));
        }
        self.retag((&live.id, live.arn()), &before, &call.tags, Action::Tag).await
    }

    async fn retag(&self, live: (&str, Option<&str>), from: &Tags, to: &Tags, action: Action) -> Result<()> {
        self.patiently(self.patience(), Again::Always, || self.hands.retag(&self.about, live, from, to, action)).await
    }

    /// The one retry policy above the SDK's: what AWS says will pass is tried again with growing pauses, for at most `patience`.
    async fn patiently<T, F: Future<Output = Result<T>>>(&self, patience: Duration, again: Again, call: impl Fn() -> F) -> Result<T> {
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
                Sort::Unreachable if again == Again::Always => patience.min(Duration::from_secs(60)),
                _ => return Err(error),
            };
            if start.elapsed() + pause > patience || self.stop.is_asked() {
                return Err(error);
            }
            self.status.send(format!("{}, trying again", error.code)).ok();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.asked() => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// How long "not yet" and "in use" are waited for.
    fn patience(&self) -> Duration {
        (self.about.kind.usual * 3).max(Duration::from_secs(120))
    }
}

fn not_kept(missing: &[FieldDiff]) -> Error {
    let fields: Vec<String> =
        missing.iter().map(|f| format!("{} is {}, wanted {}", f.at.trim_start_matches('/'), f.before, f.after)).collect();
    Error::new(Sort::Refused, "NotKept", format!("AWS did not keep what it was told: {}", fields.join("; ")))
}

/// Whether a call may simply be made again when no answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It has the same effect when made twice.
    Always,
    /// It may have been served: look first.
    AfterAnswer,
}
