//! Cloud access with a journal: writes the intent, makes the call, and writes the result.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    aws::CallGuard,
    core::{Address, CallContext, CreatedResource, Deletion, Error, ErrorKind, ExchangeTarget, LiveResource, ResourceType, Result, Tags},
    engine::{
        backend::Lease,
        cloud::Cloud,
        journal::{CallAction, CallResult, Intent, Journal, Record},
        plan::Op,
    },
};

/// Shared context of all steps of a run.
#[derive(Clone)]
pub struct JournaledCloud {
    /// The cloud. Reads use it directly; changes use the methods below.
    pub cloud: Arc<Cloud>,
    /// Journal, which records every intent before its call.
    pub journal: Journal,
    /// Lease of the stack; `None` if no other process can change it.
    pub lease: Option<Arc<Lease>>,
    /// Resources as the last run recorded them, if this run read only what a deletion takes.
    pub recorded: Option<Arc<BTreeMap<Address, LiveResource>>>,
}

/// Resource of a step.
pub struct StepTarget {
    pub address: Address,
    pub kind: &'static ResourceType,
    pub op: Op,
    pub call: CallContext,
    /// Desired spec; `null` for deletions.
    pub spec: Value,
    /// Fields of `spec` that must have no value, see [`crate::definition::DesiredResource::unset_fields`].
    pub unset: Vec<String>,
    /// Resource at the address when the run started.
    pub before: Option<LiveResource>,
    pub depends_on: BTreeSet<Address>,
    pub deferrable: BTreeSet<Address>,
}

impl StepTarget {
    /// What an exchange does at this address.
    fn exchange_action(&self) -> CallAction {
        match self.op {
            Op::Create => CallAction::Create,
            Op::Delete | Op::Forget => CallAction::Delete,
            _ => CallAction::Update,
        }
    }
}

impl JournaledCloud {
    pub(super) async fn create(&self, target: &StepTarget) -> Result<CreatedResource> {
        let call = || self.cloud.create(target.kind, &target.call, &target.spec);
        let dormant = target.call.dormant.as_deref();
        self.journaled(target, CallAction::Create, dormant, |created: &CreatedResource| Some(created.id().to_owned()), call).await
    }

    pub(super) async fn update(&self, target: &StepTarget, live: &LiveResource, desired: &Value, pointers: &[String]) -> Result<()> {
        let call = || self.cloud.update(target.kind, &target.call, live, desired, pointers);
        self.journaled(target, CallAction::Update, Some(&live.id), |()| None, call).await
    }

    pub(super) async fn finish_creation(
        &self,
        target: &StepTarget,
        created: &LiveResource,
        pointers: &[String],
    ) -> Result<CreatedResource> {
        let call = || self.cloud.finish_creation(target.kind, &target.call, created, &target.spec, pointers);
        self.journaled(target, CallAction::Update, Some(&created.id), |_| None, call).await
    }

    pub(super) async fn retag(
        &self,
        target: &StepTarget,
        live: (&str, Option<&str>),
        from: &Tags,
        to: &Tags,
        action: CallAction,
    ) -> Result<()> {
        let (id, arn) = live;
        let call = || self.cloud.retag(target.kind, (target.call.region.as_deref(), id), arn, from, to);
        self.journaled(target, action, Some(id), |()| None, call).await
    }

    /// Changes all these resources of one type in one call; `spec` is `null` for those that are deleted.
    pub(super) async fn exchange(&self, parts: &[StepTarget]) -> Result<()> {
        let Some(kind) = parts.first().map(|part| part.kind) else { return Ok(()) };
        let mut intents = Vec::new();
        for part in parts {
            let action = part.exchange_action();
            // The old half of a replacement is the state before the creation.
            let id = part.before.as_ref().filter(|_| action != CallAction::Create).map(|live| live.id.clone());
            intents.push((part, action, id));
        }
        let call = || async {
            let targets: Vec<ExchangeTarget<'_>> = parts
                .iter()
                .map(|part| ExchangeTarget {
                    call: &part.call,
                    before: part.before.as_ref(),
                    after: Some(&part.spec).filter(|spec| !spec.is_null()),
                })
                .collect();
            self.cloud.exchange(kind, &targets).await
        };
        self.journaled_all(intents, |index, ids: &Vec<Option<String>>| ids.get(index).cloned().flatten(), call).await.map(|_| ())
    }

    /// A missing resource counts as deleted.
    pub(super) async fn delete(&self, target: &StepTarget, live: &LiveResource) -> Result<Deletion> {
        let call = || async {
            let deleted = self.cloud.delete(target.kind, &target.call, live).await;
            deleted.or_else(|error| if error.is_not_found() { Ok(Deletion::Requested) } else { Err(error) })
        };
        self.journaled(target, CallAction::Delete, Some(&live.id), |_| None, call).await
    }

    /// The resource to which a rollback returns, with the details that were not read as recorded, and whether it has all of them.
    fn with_recorded_details(&self, target: &StepTarget) -> (Option<LiveResource>, bool) {
        let (Some(before), Some(recorded)) = (&target.before, &self.recorded) else { return (target.before.clone(), true) };
        match recorded.get(&target.address).filter(|recorded| recorded.is_same_as(before)) {
            Some(recorded) => (Some(LiveResource { spec: recorded.spec.clone(), ..before.clone() }), true),
            None => (Some(before.clone()), false),
        }
    }

    async fn journaled<T, F: Future<Output = Result<T>>>(
        &self,
        target: &StepTarget,
        action: CallAction,
        id: Option<&str>,
        created_id: impl Fn(&T) -> Option<String>,
        call: impl FnOnce() -> F,
    ) -> Result<T> {
        let intent = (target, action, id.map(str::to_owned));
        self.journaled_all(vec![intent], |_, value| created_id(value), call).await
    }

    /// Makes one call for several resources; `created_id` returns the id of the one with this number, if the call created it.
    async fn journaled_all<T, F: Future<Output = Result<T>>>(
        &self,
        intents: Vec<(&StepTarget, CallAction, Option<String>)>,
        created_id: impl Fn(usize, &T) -> Option<String>,
        call: impl FnOnce() -> F,
    ) -> Result<T> {
        if let Some(lease) = &self.lease {
            lease.ensure_held_or_renew().await?;
        }
        let mut numbers = Vec::new();
        for (target, action, id) in intents {
            let (before, complete) = self.with_recorded_details(target);
            let intent = Intent {
                address: target.address.clone(),
                action,
                token: target.call.token.clone(),
                region: target.call.region.clone(),
                id,
                before,
                complete,
                desired: target.spec.clone(),
                tags: target.call.tags.clone(),
                depends_on: target.depends_on.clone(),
                deferrable: target.deferrable.clone(),
            };
            numbers.push(self.journal.write(Record::Intent(Box::new(intent))).await?);
        }
        let (result, sent) = match &self.lease {
            Some(lease) => {
                // Writing may have taken a long time, because the backend was unreachable for the renewals, too.
                lease.ensure_held_or_renew().await?;
                let leased = lease.start_call()?;
                let guard = CallGuard::new(move || leased.ensure_held());
                let result = guard.scope(call()).await;
                // The refusal of one attempt is not an error of AWS, and some types ignore errors of optional calls.
                (guard.refusal().cloned().map_or(result, Err), guard.has_sent())
            }
            None => (call().await, true),
        };
        for (index, number) in numbers.into_iter().enumerate() {
            let outcome = match &result {
                Ok(value) => CallResult::Done { id: created_id(index, value) },
                Err(Error { kind: ErrorKind::Unavailable, .. }) => CallResult::Unknown,
                // The calls before the refused one may have taken effect.
                Err(error) if error.is_lease_lost() && sent => CallResult::Unknown,
                Err(error) => CallResult::Rejected { code: error.code.clone() },
            };
            self.journal.enqueue(Record::Result { intent: number, result: outcome })?;
        }
        result
    }
}
