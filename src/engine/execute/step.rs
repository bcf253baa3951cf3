//! Runs one step to its verified end: makes the call, waits, compares, and applies remaining differences.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    blockers::Blockers,
    journaled_cloud::{JournaledCloud, StepTarget},
    retry::Idempotency,
    stop::StopSignal,
    wait::{Condition, Matcher, Poller, Status, WaitLimits},
};
use crate::{
    aws::types,
    core::{
        ADDRESS_TAG, Address, CreatedResource, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, LiveResource, Phase, REGION_TAG, Result,
        STACK_TAG, Tags,
    },
    engine::{
        discover::{has_visible_tags, visible_tags, without_ownership_tags},
        journal::CallAction,
        plan::{FieldDiff, NullMeans, Op, ReplacementOrder, add_unset_diffs, diff, unset_diffs},
    },
};

/// Input of one step; it shares nothing with other steps.
pub struct StepTask {
    pub journaled_cloud: JournaledCloud,
    pub op: Op,
    pub target: StepTarget,
    /// State of the resource after an earlier step of this run.
    pub live: Option<LiveResource>,
    /// Versions before and after one of several steps of an update.
    pub stage: Option<(String, String)>,
    /// For a replacement, the order of creation and deletion.
    pub replacement_order: Option<ReplacementOrder>,
    /// Meaning of `null` in the desired spec.
    pub null_means: NullMeans,
    /// Whether an earlier run may have created it already.
    pub maybe_created: bool,
    /// Whether an earlier attempt of this run may have created it already.
    pub attempted: bool,
    /// Whether this run created the resource, or one that it depends on: IAM may not know its tags yet.
    pub is_about_new_resource: bool,
    /// Whether to disable AWS's deletion protection before the deletion.
    pub disable_deletion_protection: bool,
    /// Whether a create call of this run returned the resource to delete: some calls return what exists.
    pub returned_by_create: bool,
    pub poller: Poller,
    /// Maximum waits.
    pub limits: WaitLimits,
    /// Ids of live resources of the type's parent type.
    pub parents: Vec<String>,
    /// Receiver of AWS's status.
    pub status: mpsc::UnboundedSender<Status>,
    pub stop: StopSignal,
    /// Number of apply-phase steps of the same type.
    pub steps_of_type: u32,
    /// Blockers of a deletion.
    pub blockers: Arc<Blockers>,
    /// Live resources that it depends on.
    pub dependencies: Vec<LiveResource>,
    /// Part in a call that changes several resources.
    pub exchange: Exchange,
    /// Whether the plan deletes the resource in which this one lives, and with it this one.
    pub parent_is_deleted: bool,
    /// Receiver of accepted changes that reads do not show.
    pub unconfirmed: Arc<Mutex<Vec<(Address, String)>>>,
}

/// Part of a step in a call that changes several resources.
pub enum Exchange {
    /// None: it makes its own calls.
    None,
    /// Makes the call for all these.
    First(Vec<StepTarget>),
    /// The call was made by another step.
    Made,
}

/// Maximum number of attempts of a create without a response.
pub(super) const MAX_CREATE_ATTEMPTS: usize = 4;

/// Types with this typical duration are deleted in the background, so acme waits for them. Others are gone when the call returns; if
/// another service still sees them for a moment, the next call is retried.
pub const ASYNC_DELETE_THRESHOLD: Duration = Duration::from_secs(20);

impl StepTask {
    /// Runs the step. Returns the live resource; `None` after a deletion.
    ///
    /// # Errors
    /// Returns errors of AWS, and an error if AWS did not apply the requested settings.
    pub async fn run(mut self) -> Result<Option<LiveResource>> {
        if !matches!(self.exchange, Exchange::None) {
            return self.exchange().await;
        }
        if self.op == Op::Create {
            return self.create().await.map(Some);
        }
        match (self.op, self.live.as_ref().or(self.target.before.as_ref())) {
            (Op::Update | Op::Attach | Op::Prune, Some(live)) => self.update(live).await.map(Some),
            (Op::Detach, Some(before)) => self.detach(before).await.map(Some),
            (Op::Delete, Some(_)) if self.returned_by_create => Ok(None),
            (Op::Delete, Some(before)) if self.parent_is_deleted => self.delete_with_parent(before).await.map(|()| None),
            (Op::Delete, Some(before)) => self.delete(before).await.map(|()| None),
            (Op::Forget, Some(before)) => self.forget(before).await.map(|()| None),
            (Op::Create, Some(_)) | (_, None) => Err(Error::new(ErrorKind::Rejected, "NothingThere", "there is nothing to change")),
        }
    }

    async fn create(&mut self) -> Result<LiveResource> {
        let kind = self.target.kind;
        let created = match self.create_or_find().await {
            Err(error) if self.requires_old_values() && is_value_unavailable(&error) => {
                self.accept_new_values(&error);
                self.create_or_find().await?
            }
            made => made?,
        };
        self.is_about_new_resource = true;
        let (created, applied) = {
            let _under_way = self.poller.in_flight();
            if kind.is_taggable() && !kind.is_tagged_on_create() {
                self.retag((created.id(), None), &Tags::new(), &self.target.call.tags, CallAction::Tag).await?;
            }
            let left = kind.operations.after_create(&self.target.spec)?;
            let missing = self.remaining_changes(&left);
            match &created {
                _ if missing.is_empty() => (created, Some(missing)),
                CreatedResource::Complete(live) => self.finish_creation(live, missing).await?,
                CreatedResource::Id(id) => {
                    let applied = self.apply_changes(&self.unread_resource(id, left), missing).await?;
                    (created, applied)
                }
            }
        };
        match created {
            CreatedResource::Complete(live) if self.matches_desired(&live) => Ok(*live),
            // The calls that set the tags were accepted, so these need no reading back.
            created => self.verify(created.id(), None, kind.is_taggable().then(|| self.target.call.tags.clone()), applied).await,
        }
    }

    /// Makes the calls for what the create call couldn't set. Gives what they left, as far as their answers tell, and what was sent; `None`
    /// when no answer came.
    async fn finish_creation(&self, created: &LiveResource, missing: Vec<FieldDiff>) -> Result<(CreatedResource, Option<Vec<FieldDiff>>)> {
        let pointers: Vec<String> = missing.iter().map(|field| field.pointer.clone()).collect();
        let finish = || self.journaled_cloud.finish_creation(&self.target, created, &pointers);
        let idempotency = self.idempotency_of(&missing);
        match self.with_retries(idempotency, finish).await {
            Ok(finished) => Ok((finished, Some(missing))),
            Err(error) if error.kind == ErrorKind::Unavailable && idempotency == Idempotency::NotIdempotent => {
                Ok((CreatedResource::Id(created.id.clone()), None))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the response of the create call shows that nothing is left to do, so that another read is unnecessary.
    fn matches_desired(&self, live: &LiveResource) -> bool {
        let kind = self.target.kind;
        let tagged = !kind.is_taggable() || has_visible_tags(&live.tags, &self.target.call.tags);
        live.phase == Phase::Ready && tagged && self.remaining_changes(&kind.operations.normalize(&self.target.spec, &live.spec)).is_empty()
    }

    /// Live resource as known before the first read.
    fn unread_resource(&self, id: &str, spec: Value) -> LiveResource {
        LiveResource { region: self.target.call.region.clone(), ..LiveResource::ready(self.target.kind.name, id, spec) }
    }

    /// Whether the spec asks for an old value that AWS may have assigned elsewhere.
    fn requires_old_values(&self) -> bool {
        let asked = |at: &&str| self.target.spec.pointer(at).is_some_and(|value| !value.is_null());
        self.null_means == NullMeans::Unset && self.target.kind.assigned_by_aws.iter().any(asked)
    }

    /// Accepts any value assigned by AWS from now on.
    fn accept_new_values(&mut self, error: &Error) {
        for at in &self.target.kind.assigned_by_aws {
            if let Some(value) = self.target.spec.pointer_mut(at).map(Value::take).filter(|value| !value.is_null()) {
                // Without a progress display there is no receiver.
                let words = format!("{} {value} is no longer available, any other is accepted: {error}", at.trim_start_matches('/'));
                self.status.send(Status::Reported(words)).ok();
            }
        }
    }

    /// Creates the resource. After a lost response, or a first attempt that failed later, looks for it before creating it again. Does the
    /// same if an earlier run started the creation and AWS reports that it exists.
    async fn create_or_find(&self) -> Result<CreatedResource> {
        let mut unanswered = self.maybe_created;
        let mut attempts = 0;
        if self.attempted
            && let Some(id) = self.find_created().await?
        {
            return Ok(CreatedResource::Id(id));
        }
        loop {
            let created = {
                let _under_way = self.poller.in_flight();
                self.with_retries(Idempotency::NotIdempotent, || self.create_call()).await
            };
            let error = match created {
                Ok(created) => return Ok(created),
                Err(error) if error.kind == ErrorKind::Unavailable || (unanswered && error.kind == ErrorKind::AlreadyExists) => error,
                Err(error) => return Err(error),
            };
            unanswered = true;
            if let Some(id) = self.find_created().await? {
                return Ok(CreatedResource::Id(id));
            }
            attempts += 1;
            if attempts == MAX_CREATE_ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// Resources outside the stack are not waited for.
    async fn create_call(&self) -> Result<CreatedResource> {
        self.journaled_cloud.create(&self.target).await.map_err(|error| match error.kind {
            ErrorKind::NotFound | ErrorKind::Conflict if self.requires_old_values() => Error { kind: ErrorKind::Rejected, ..error },
            _ => error,
        })
    }

    /// Resource created by an earlier call, after the time by which it must be visible.
    pub(super) async fn find_created(&self) -> Result<Option<String>> {
        let found = self.poller.wait(Condition::Visible(self.matcher()), None, None, self.wait_options(), self.status.clone()).await?;
        Ok(found.map(|live| live.id))
    }

    /// Matcher for the resource that this step created: by ownership tags, name, or identifying fields.
    fn matcher(&self) -> Matcher {
        let target = &self.target;
        // During a replacement, the old resource has the same ownership tags.
        let old_id = target
            .before
            .as_ref()
            .filter(|_| self.replacement_order != Some(ReplacementOrder::DestroyBeforeCreate))
            // In another region, the new one may have the same id.
            .filter(|live| live.region == target.call.region)
            .map(|live| live.id.clone());
        let (kind, call, spec) = (target.kind, target.call.clone(), target.spec.clone());
        Arc::new(move |live: &LiveResource| {
            if live.phase == Phase::Deleting || old_id.as_ref() == Some(&live.id) {
                return false;
            }
            let mark = |key: &str| live.tags.get(key).map(String::as_str);
            let ours = mark(STACK_TAG) == Some(&call.stack)
                && mark(ENVIRONMENT_TAG) == Some(&call.environment)
                && mark(REGION_TAG).is_none_or(|region| call.tags.get(REGION_TAG).is_none_or(|own| own == region));
            if ours && mark(ADDRESS_TAG) == Some(&call.address) {
                return true;
            }
            let same =
                |pointer: &str| spec.pointer(pointer).is_some_and(|value| !value.is_null() && live.spec.pointer(pointer) == Some(value));
            let named = kind.naming.is_some() && mark(STACK_TAG).is_none() && same("/name");
            named || (!kind.identity.is_empty() && kind.identity.iter().all(|pointer| same(pointer)))
        })
    }

    async fn update(&self, before: &LiveResource) -> Result<LiveResource> {
        let passed = self.pass_gates(before).await?;
        let before = passed.as_ref().unwrap_or(before);
        let applied = {
            let _under_way = self.poller.in_flight();
            let normalized = self.target.kind.operations.normalize(&self.target.spec, &before.spec);
            let missing = self.remaining_changes(&normalized);
            self.apply_with_tags(&LiveResource { spec: normalized.into(), ..before.clone() }, missing).await?
        };
        self.verify(&before.id, Some(before.phase.clone()), None, applied).await
    }

    /// Makes the calls for remaining differences and for the tags, and returns those differences; `None` if a response was lost.
    pub(super) async fn apply_with_tags(&self, live: &LiveResource, missing: Vec<FieldDiff>) -> Result<Option<Vec<FieldDiff>>> {
        // A new name changes the ARN by which AWS sets tags.
        let is_renamed = self.id_after_rename(&live.id).is_some();
        if is_renamed {
            self.tag(live).await?;
        }
        let applied = if missing.is_empty() { Some(missing) } else { self.apply_changes(live, missing).await? };
        if !is_renamed {
            self.tag(live).await?;
        }
        Ok(applied)
    }

    /// The id that a resource with this id gets from the update, if that renames it, see [`crate::core::TypeInfo::permanent_id`].
    pub(super) fn id_after_rename(&self, id: &str) -> Option<String> {
        self.target.kind.permanent_id?;
        let name = self.target.spec.get("name")?.as_str()?;
        (name != id).then(|| name.to_owned())
    }

    /// Resets fields of a resource that is about to be deleted. The deletions that follow show whether it took effect.
    async fn detach(&self, live: &LiveResource) -> Result<LiveResource> {
        let spec = &self.target.spec;
        let pointers: Vec<String> = diff(spec, &live.spec, &[], NullMeans::Unset).into_iter().map(|field| field.pointer).collect();
        let _under_way = self.poller.in_flight();
        self.with_retries(Idempotency::Idempotent, || self.journaled_cloud.update(&self.target, live, spec, &pointers)).await?;
        Ok(LiveResource { spec: spec.clone().into(), ..live.clone() })
    }

    pub(super) async fn delete(&self, live: &LiveResource) -> Result<()> {
        let mut live = live.clone();
        {
            let _under_way = self.poller.in_flight();
            if let Some(pointer) = self.target.kind.protects_deletion.filter(|_| self.disable_deletion_protection) {
                self.disable_deletion_protection(&live, pointer).await?;
            }
            while let Deletion::NeedsAnotherCall(words) =
                self.with_retries(Idempotency::Idempotent, || self.journaled_cloud.delete(&self.target, &live)).await?
            {
                // Without a progress display there is no receiver.
                self.status.send(Status::Reported(words)).ok();
                let ready = Condition::Ready(live.id.as_str().into());
                let waited = self.poller.wait(ready, Some(live.phase.clone()), None, self.wait_options(), self.status.clone()).await?;
                let Some(ready) = waited else { return Ok(()) };
                // Reads of something left behind show its phase only.
                let spec = if types::leftover_type(&live.type_name).is_some() { live.spec } else { ready.spec.clone() };
                live = LiveResource { spec, ..ready };
            }
        }
        // A controller may have to let go of what is in a cluster, which takes as long as that needs.
        if self.target.kind.typical_duration < ASYNC_DELETE_THRESHOLD && !self.target.kind.deleted_with_parent {
            return Ok(());
        }
        self.poller
            .wait(Condition::Deleted(live.id.clone()), Some(live.phase.clone()), None, self.wait_options(), self.status.clone())
            .await
            .map(|_| ())
    }

    async fn disable_deletion_protection(&self, live: &LiveResource, pointer: &str) -> Result<()> {
        let mut unprotected = live.spec.clone();
        match unprotected.pointer_mut(pointer) {
            Some(field) if *field == Value::Bool(true) => *field = Value::Bool(false),
            _ => return Ok(()),
        }
        let pointers = [pointer.to_owned()];
        self.with_retries(Idempotency::Idempotent, || self.journaled_cloud.update(&self.target, live, &unprotected, &pointers)).await
    }

    /// Removes the ownership tags.
    async fn forget(&self, live: &LiveResource) -> Result<()> {
        self.retag((&live.id, live.arn()), &live.tags, &without_ownership_tags(&live.tags), CallAction::Forget).await
    }

    pub(super) fn wait_options(&self) -> (WaitLimits, Vec<String>) {
        (self.limits, self.parents.clone())
    }

    pub(super) fn remaining_changes(&self, live: &Value) -> Vec<FieldDiff> {
        let mut live = live.clone();
        self.target.kind.ignore_uncompared(&self.target.spec, &mut live);
        let mut missing = diff(&self.target.spec, &live, &[], self.null_means);
        add_unset_diffs(&mut missing, unset_diffs(&self.target.unset, &self.target.spec, &live, &[]));
        if self.op == Op::Create && self.null_means == NullMeans::Unset {
            // A value that AWS assigned instead of a lost one is reported and remains.
            missing.retain(|field| !self.target.kind.assigned_by_aws.contains(&field.pointer.as_str()));
        }
        missing
    }

    /// Makes the calls for remaining differences, and returns those; `None` if a response was lost, so that only a read shows the result.
    pub(super) async fn apply_changes(&self, live: &LiveResource, missing: Vec<FieldDiff>) -> Result<Option<Vec<FieldDiff>>> {
        let pointers: Vec<String> = missing.iter().map(|field| field.pointer.clone()).collect();
        let update = || self.journaled_cloud.update(&self.target, live, &self.target.spec, &pointers);
        let idempotency = self.idempotency_of(&missing);
        match self.with_retries(idempotency, update).await {
            Ok(()) => Ok(Some(missing)),
            Err(error) if error.kind == ErrorKind::Unavailable && idempotency == Idempotency::NotIdempotent => Ok(None),
            Err(error) if is_quota_exceeded(&error) && self.remove_leaving_entries(live).await? => Ok(None),
            Err(error) if error.is_not_found() => {
                // It may have been deleted outside acme since it was created or read.
                let it = LiveResource { tags: self.target.call.tags.clone().into(), ..live.clone() };
                Err(self.blockers.explain_not_found(&[it], error).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the calls for these differences are repeated after a lost response: otherwise a read shows what is left to do, but none shows
    /// whether a presumed field was set.
    fn idempotency_of(&self, missing: &[FieldDiff]) -> Idempotency {
        match missing.iter().any(|field| self.target.kind.presumed.contains(&field.pointer.as_str())) {
            true => Idempotency::Idempotent,
            false => Idempotency::NotIdempotent,
        }
    }

    /// Removes what leaves before anything is added: the result may fit a quota that the sum exceeds. A read then shows what is left to do.
    async fn remove_leaving_entries(&self, live: &LiveResource) -> Result<bool> {
        let kind = self.target.kind;
        let Some(reduced) = kind.without_leaving_entries(&self.target.spec, &live.spec) else { return Ok(false) };
        let pointers: Vec<String> = diff(&reduced, &live.spec, &[], NullMeans::Unset).into_iter().map(|field| field.pointer).collect();
        let update = || self.journaled_cloud.update(&self.target, live, &reduced, &pointers);
        self.with_retries(Idempotency::NotIdempotent, update).await?;
        Ok(true)
    }

    pub(super) async fn tag(&self, live: &LiveResource) -> Result<()> {
        let call = &self.target.call;
        let before = visible_tags(&live.tags, &call.tags);
        if !self.target.kind.is_taggable() || before == call.tags {
            return Ok(());
        }
        // Ownership tags of another stack are never overwritten.
        if live.tags.get(STACK_TAG).is_some_and(|stack| *stack != call.stack) {
            let owner = live.tags.get(ADDRESS_TAG).cloned().unwrap_or_default();
            return Err(Error::new(ErrorKind::Rejected, "NotOurs", format!("`{}` belongs to another stack as `{owner}`", live.id)));
        }
        self.retag((&live.id, live.arn()), &before, &call.tags, CallAction::Tag).await
    }

    async fn retag(&self, live: (&str, Option<&str>), from: &Tags, to: &Tags, action: CallAction) -> Result<()> {
        self.with_retries(Idempotency::Idempotent, || self.journaled_cloud.retag(&self.target, live, from, to, action)).await
    }
}

/// Whether AWS rejected an addition because of a quota: `LimitExceeded`, `RulesPerSecurityGroupLimitExceeded`, `TooManyCertificates`.
fn is_quota_exceeded(error: &Error) -> bool {
    error.kind == ErrorKind::Rejected && (error.code.contains("LimitExceeded") || error.code.starts_with("TooMany"))
}

/// Whether AWS rejected the request itself, not the caller or the request rate.
fn is_value_unavailable(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Rejected | ErrorKind::AlreadyExists) && !error.code.contains("LimitExceeded")
}
