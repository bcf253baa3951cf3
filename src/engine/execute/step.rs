//! Brings one step to its verified end: call, settle, compare again, bring what is left.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    blocker::Blockers,
    hands::{About, Hands},
    patience::Again,
    settle::{Likeness, Poller, Until},
    stop::Stop,
};
use crate::{
    core::{ADDRESS, CreatedLive, Deletion, ENVIRONMENT, Error, Live, Phase, Result, STACK, Sort, Tags},
    engine::{
        discover::{unmarked, visible_tags},
        journal::Action,
        plan::{FieldDiff, First, Nulls, Op, diff},
    },
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
    /// Whether an earlier try of this run may have made it already.
    pub tried: bool,
    /// Whether AWS's own deletion protection is lifted before it is deleted.
    pub unprotect: bool,
    pub poller: Poller,
    /// Ids of live resources of the type's parent type.
    pub parents: Vec<String>,
    /// Hears AWS's status in between.
    pub status: mpsc::UnboundedSender<String>,
    pub stop: Stop,
    /// How many steps of the plan's first half are of the same type.
    pub of_type: u32,
    /// Tells who is in the way of a deletion.
    pub blockers: Arc<Blockers>,
}

/// How often a create is tried whose answer does not come.
const TRIES: usize = 4;

/// How often what a read shows to be missing is brought by a further update. EKS takes one kind of change at a time.
const ROUNDS: usize = 8;

/// How much longer reads may lag behind a change than behind a creation.
const MORE_LAG: Duration = Duration::from_secs(5);

/// Types that usually take this long are deleted in the background, and waited for. The others are gone when AWS says so; where
/// another service still sees them for a moment, its refusal of what comes next is waited out.
pub const ASYNCHRONOUS: Duration = Duration::from_secs(20);

impl Job {
    /// Does the step. Gives what is there afterwards; `None` after a deletion.
    ///
    /// # Errors
    /// What AWS answered, or that AWS did not keep what it was told.
    pub async fn run(mut self) -> Result<Option<Live>> {
        if self.op == Op::Create {
            return self.create().await.map(Some);
        }
        match (self.op, &self.about.before) {
            (Op::Update, Some(before)) => self.update(before).await.map(Some),
            (Op::Delete, Some(before)) => self.delete(before).await.map(|()| None),
            (Op::Forget, Some(before)) => self.forget(before).await.map(|()| None),
            (Op::Create, Some(_)) | (_, None) => Err(Error::new(Sort::Refused, "NothingThere", "there is nothing to change")),
        }
    }

    async fn create(&mut self) -> Result<Live> {
        let kind = self.about.kind;
        let created = match self.make().await {
            Err(error) if self.insists() && is_lost(&error) => {
                self.give_in(&error);
                self.make().await?
            }
            made => made?,
        };
        let id = created.id();
        let brought = {
            let _under_way = self.poller.under_way();
            if kind.is_taggable() && !kind.is_tagged_on_create() {
                self.retag((id, None), &Tags::new(), &self.about.call.tags, Action::Tag).await?;
            }
            let left = kind.operations.after_create(&self.about.spec)?;
            let missing = self.missing(&left);
            if missing.is_empty() { Some(missing) } else { self.bring(&self.bare(id, left), missing).await? }
        };
        if let CreatedLive::Whole(live) = &created
            && brought.as_ref().is_some_and(Vec::is_empty)
            && self.is_as_wanted(live)
        {
            return Ok((**live).clone());
        }
        // AWS takes tags and resource in one call or refuses both, so they need no reading back.
        let sent = kind.is_tagged_on_create().then(|| self.about.call.tags.clone());
        self.verified(created.id(), None, sent, brought).await
    }

    /// Whether the answer to the create call shows that there is nothing left to do, so that reading it again would tell nothing new.
    fn is_as_wanted(&self, live: &Live) -> bool {
        let kind = self.about.kind;
        let tagged = !kind.is_taggable() || visible_tags(&live.tags, &self.about.call.tags) == self.about.call.tags;
        live.phase == Phase::Ready && tagged && self.missing(&kind.operations.normalize(&self.about.spec, &live.spec)).is_empty()
    }

    /// What is known of a resource that has not been read yet.
    fn bare(&self, id: &str, spec: Value) -> Live {
        Live {
            kind: self.about.kind.name.to_owned(),
            id: id.to_owned(),
            tags: Tags::new(),
            phase: Phase::Ready,
            spec,
            outputs: Value::Null,
            version: None,
        }
    }

    /// Whether it is put back with a value that AWS may have given to somebody else.
    fn insists(&self) -> bool {
        let asked = |at: &&str| self.about.spec.pointer(at).is_some_and(|value| !value.is_null());
        self.nulls == Nulls::Absent && self.about.kind.assigned_by_aws.iter().any(asked)
    }

    /// From here on, what AWS draws will do.
    fn give_in(&mut self, error: &Error) {
        for at in &self.about.kind.assigned_by_aws {
            if let Some(value) = self.about.spec.pointer_mut(at).map(Value::take).filter(|value| !value.is_null()) {
                // Nobody listens when progress is not shown.
                self.status.send(format!("{} {value} can't be had again, so any is taken: {error}", at.trim_start_matches('/'))).ok();
            }
        }
    }

    /// Makes it. Where no answer came, or a first try failed later on, it is looked for before it is made again: there may be one. The
    /// same where an earlier run began to make it and AWS says that there is one.
    async fn make(&self) -> Result<CreatedLive> {
        let mut unanswered = self.claimed;
        let mut tries = 0;
        if self.tried
            && let Some(id) = self.made().await?
        {
            return Ok(CreatedLive::Id(id));
        }
        loop {
            let made = {
                let _under_way = self.poller.under_way();
                self.patiently(Again::AfterAnswer, || self.called()).await
            };
            let error = match made {
                Ok(created) => return Ok(created),
                Err(error) if error.sort == Sort::Unreachable || (unanswered && error.sort == Sort::Exists) => error,
                Err(error) => return Err(error),
            };
            unanswered = true;
            if let Some(id) = self.made().await? {
                return Ok(CreatedLive::Id(id));
            }
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
        }
    }

    /// What is somebody else's is not waited for.
    async fn called(&self) -> Result<CreatedLive> {
        self.hands.create(&self.about).await.map_err(|error| match error.sort {
            Sort::Gone | Sort::Conflict if self.insists() => Error { sort: Sort::Refused, ..error },
            _ => error,
        })
    }

    /// What an earlier call made, once it must be visible.
    async fn made(&self) -> Result<Option<String>> {
        let found = self.poller.wait(Until::Seen(self.likeness()), None, None, self.parents.clone(), self.status.clone()).await?;
        Ok(found.map(|live| live.id))
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
            let aligned = self.about.kind.operations.normalize(&self.about.spec, &before.spec);
            let missing = self.missing(&aligned);
            let brought =
                if missing.is_empty() { Some(missing) } else { self.bring(&Live { spec: aligned, ..before.clone() }, missing).await? };
            self.tag(before).await?;
            brought
        };
        self.verified(&before.id, Some(before.phase.clone()), None, brought).await
    }

    async fn delete(&self, live: &Live) -> Result<()> {
        let mut live = live.clone();
        {
            let _under_way = self.poller.under_way();
            if let Some(pointer) = self.about.kind.protects_deletion.filter(|_| self.unprotect) {
                self.unprotect(&live, pointer).await?;
            }
            while let Deletion::More(words) = self.patiently(Again::Always, || self.hands.delete(&self.about, &live)).await? {
                // Nobody listens when progress is not shown.
                self.status.send(words).ok();
                let ready = Until::Ready(live.id.clone());
                let waited = self.poller.wait(ready, Some(live.phase.clone()), None, self.parents.clone(), self.status.clone()).await?;
                let Some(ready) = waited else { return Ok(()) };
                live = ready;
            }
        }
        if self.about.kind.typical < ASYNCHRONOUS {
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
        let pointers = [pointer.to_owned()];
        self.patiently(Again::Always, || self.hands.update(&self.about, live, &open, &pointers)).await
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
            let at_once = about.kind.apply_immediately.is_some_and(|at| about.spec.pointer(at) == Some(&Value::Bool(true)));
            let ready = if at_once { Until::Quiet(id.to_owned()) } else { Until::Ready(id.to_owned()) };
            let live = self.poller.wait(ready, was.clone(), sent.clone(), self.parents.clone(), self.status.clone()).await?;
            let live = live.ok_or_else(|| Error::new(Sort::Refused, "NotThere", format!("`{id}` is gone")))?;
            let aligned = about.kind.operations.normalize(&about.spec, &live.spec);
            let missing = self.missing(&aligned);
            let tagged = !about.kind.is_taggable() || visible_tags(&live.tags, &about.call.tags) == about.call.tags;
            if missing.is_empty() && tagged {
                return Ok(live);
            }
            let state = (missing, tagged);
            if last.as_ref() == Some(&state) {
                // What has no "unset" in AWS's API stays.
                if tagged && state.0.iter().all(|field| field.after.is_null()) {
                    return Ok(live);
                }
                if called.elapsed() > self.hands.cloud.lag() + MORE_LAG {
                    return Err(self.not_kept(&state.0, &live).await);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(3));
                continue;
            }
            if rounds == ROUNDS {
                return Err(self.not_kept(&state.0, &live).await);
            }
            let _under_way = self.poller.under_way();
            let answered = state.0.is_empty() || self.bring(&Live { spec: aligned, ..live.clone() }, state.0.clone()).await?.is_some();
            if !tagged {
                self.tag(&live).await?;
            }
            last = answered.then_some(state);
            called = Instant::now();
            rounds += 1;
        }
    }

    fn missing(&self, live: &Value) -> Vec<FieldDiff> {
        let mut missing = diff(&self.about.spec, live, &[], self.nulls);
        if self.op == Op::Create && self.nulls == Nulls::Absent {
            // What AWS drew instead of what was lost is told, and stays.
            missing.retain(|field| !self.about.kind.assigned_by_aws.contains(&field.at.as_str()));
        }
        missing
    }

    /// What AWS has and what it was told: fields, and tags. Where AWS says why, that too.
    async fn not_kept(&self, missing: &[FieldDiff], live: &Live) -> Error {
        let mut kept: Vec<String> =
            missing.iter().map(|f| format!("{} is {}, wanted {}", f.at.trim_start_matches('/'), f.before, f.after)).collect();
        let wanted = &self.about.call.tags;
        let has = visible_tags(&live.tags, wanted);
        let keys: BTreeSet<&String> =
            if self.about.kind.is_taggable() { has.keys().chain(wanted.keys()).collect() } else { BTreeSet::new() };
        for key in keys.into_iter().filter(|key| has.get(*key) != wanted.get(*key)) {
            let word = |tags: &Tags| tags.get(key).map_or("absent".to_owned(), |value| format!("`{value}`"));
            kept.push(format!("tag {key} is {}, wanted {}", word(&has), word(wanted)));
        }
        // Where it can't be asked, the rest has to do.
        let why = if missing.is_empty() { None } else { self.hands.cloud.explain(self.about.kind, &live.id).await.ok().flatten() };
        kept.extend(why.map(|why| format!("AWS says: {why}")));
        Error::new(Sort::Refused, "NotKept", format!("AWS did not keep what it was told: {}", kept.join("; ")))
    }

    /// Makes the calls for what is missing, and gives that back; `None` when no answer came, so that only reading again tells.
    async fn bring(&self, live: &Live, missing: Vec<FieldDiff>) -> Result<Option<Vec<FieldDiff>>> {
        let pointers: Vec<String> = missing.iter().map(|field| field.at.clone()).collect();
        let update = || self.hands.update(&self.about, live, &self.about.spec, &pointers);
        match self.patiently(Again::AfterAnswer, update).await {
            Ok(()) => Ok(Some(missing)),
            Err(error) if error.sort == Sort::Unreachable => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, live: &Live) -> Result<()> {
        let call = &self.about.call;
        let before = visible_tags(&live.tags, &call.tags);
        if !self.about.kind.is_taggable() || before == call.tags {
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
        self.patiently(Again::Always, || self.hands.retag(&self.about, live, from, to, action)).await
    }
}

/// Whether AWS refused because of what was asked for, not because of who asks or how often.
fn is_lost(error: &Error) -> bool {
    matches!(error.sort, Sort::Refused | Sort::Exists) && !error.code.contains("LimitExceeded")
}
