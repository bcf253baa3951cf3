//! The operations of a resource type without its Rust type: one implementation serves all types.

use std::{any::Any, marker::PhantomData};

use futures::future::BoxFuture;
use schemars::{Schema, schema_for};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    AccountLimit, BackupSource, CallContext, Connections, Created, CreatedResource, Cx, Declared, DeclaredResource, Deletion, Error,
    ErrorKind, ExchangePart, Existing, GateReport, GateSource, LeftoverRequest, Leftovers, LiveResource, Named, NewestBackup, Observed,
    OwnFacts, Phase, PlannedSpecs, PreflightContext, Prerequisite, PriceContext, Pricing, Problem, Questions, Resource, Result, Scope,
    Source, Stage, StageFields, TagChange, UsageKey, problem::parse,
};

/// Operations of a resource type.
pub trait Operations: Send + Sync {
    /// JSON schema of the spec.
    fn schema(&self) -> Schema;
    /// JSON schema of the outputs.
    fn outputs_schema(&self) -> Schema;
    /// Returns the canonical form with every default, or all problems.
    fn parse(&self, spec: &Value) -> std::result::Result<Value, Vec<Problem>>;
    /// Returns the canonical form of a spec that AWS reported, without the checks of a definition.
    ///
    /// # Errors
    /// Fails if the spec does not have the type's shape.
    fn canonical(&self, spec: &Value) -> Result<Value>;
    /// See [`Spec::after_create`].
    fn after_create(&self, spec: &Value) -> Result<Value>;
    /// See [`super::Spec::dropped`].
    fn dropped(&self, spec: &Value) -> Result<Value>;
    /// See [`Resource::check_declared`].
    fn check_declared(&self, declared: DeclaredResource<'_>) -> Vec<Problem>;
    /// Normalizes a live spec for comparison with the desired one, see [`Resource::normalize`].
    fn normalize(&self, wanted: &Value, live: &Value) -> Value;
    /// See [`Resource::replaces`].
    fn replaces(&self, wanted: &Value, live: &Value) -> Vec<&'static str>;
    /// See [`Resource::conflicts_with`].
    fn conflicts_with(&self, wanted: &Value, live: &Value) -> bool;
    /// See [`Resource::deletion_effect`].
    fn deletion_effect(&self, spec: &Value) -> Option<String>;
    /// See [`Resource::leaves_snapshot`].
    fn leaves_snapshot(&self, spec: &Value) -> bool;
    /// See [`Resource::adoption_obstacle`].
    fn adoption_obstacle(&self, spec: &Value) -> Option<String>;
    /// See [`Resource::conflict_groups`].
    fn conflict_groups(&self, spec: &Value) -> Vec<String>;
    /// See [`Resource::provides`].
    fn provides(&self, spec: &Value) -> Vec<String>;
    /// See [`Resource::may_provide`].
    fn may_provide(&self, spec: &Value) -> Option<String>;
    /// See [`Resource::requires`].
    fn requires(&self, spec: &Value) -> Vec<String>;
    /// See [`Resource::exclusive_uses`].
    fn exclusive_uses(&self, spec: &Value) -> Vec<String>;
    /// See [`Resource::public_names`].
    fn public_names(&self, spec: &Value) -> Vec<String>;
    /// See [`Resource::exchange`].
    fn exchange<'a>(&'a self, to: &'a dyn Connections, parts: &'a [ExchangeTarget<'a>]) -> BoxFuture<'a, Result<Vec<Option<String>>>>;
    /// See [`Resource::preflight`]; without connections for the simulated cloud. `pointers` are the fields that the plan sets, `None` for all.
    fn preflight<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        pointers: Option<&'a [String]>,
    ) -> BoxFuture<'a, Vec<Problem>>;
    /// See [`Resource::effects`].
    fn effects<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>, spec: &'a Value)
    -> BoxFuture<'a, Vec<String>>;
    /// See [`Resource::choices`].
    fn choices<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Vec<String>>;
    /// See [`Resource::account_limit`].
    fn account_limit<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Option<AccountLimit>>;
    /// See [`Resource::OWN_FACTS`].
    fn own_facts(&self, spec: &Value) -> Option<OwnFacts>;
    /// Whether its resources have facts of their own.
    fn has_own_facts(&self) -> bool;
    /// See [`Resource::stands_for`].
    fn stands_for(&self) -> Vec<&'static str>;
    /// See [`Resource::irreversible_change`].
    fn irreversible_change(&self, wanted: &Value, live: &Value) -> Option<String>;
    /// See [`Resource::stages`].
    fn stages(&self, wanted: &Value, live: &Value, passed: &[String]) -> Vec<StageFields>;
    /// See [`Resource::first_version`].
    fn first_version<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        passed: &'a [String],
    ) -> BoxFuture<'a, Option<String>>;
    /// See [`Resource::follow`].
    fn follow<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        wanted: &'a Value,
        live: &'a Value,
        passed: &'a [String],
    ) -> BoxFuture<'a, Vec<(String, StageFields)>>;
    /// See [`Resource::gates`].
    fn gates<'a>(
        &'a self,
        source: GateSource<'a, dyn Connections>,
        live: &'a LiveResource,
        spec: &'a Value,
        planned: &'a PlannedSpecs,
    ) -> BoxFuture<'a, Result<GateReport>>;
    /// See [`Resource::risks`]: pairs of a JSON pointer and a reason.
    fn risks(&self, spec: &Value) -> Vec<(String, &'static str)>;
    /// See [`Resource::price`].
    fn price(&self, spec: &Value, context: &PriceContext<'_>) -> Pricing;
    /// See [`Resource::USAGE`].
    fn usage_keys(&self) -> &'static [UsageKey];
    /// See [`Resource::prerequisites`].
    fn prerequisites(&self, spec: &Value) -> Vec<Prerequisite>;
    /// See [`Resource::list`].
    fn list<'a>(&'a self, to: &'a dyn Connections, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<LiveResource>>>;
    /// See [`Resource::create`].
    fn create<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, spec: &'a Value) -> BoxFuture<'a, Result<CreatedResource>>;
    /// See [`Resource::update`]; `pointers` are the fields that differ.
    fn update<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        live: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<()>>;
    /// See [`Resource::finish_creation`]; `pointers` say what the create call couldn't set.
    fn finish_creation<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        created: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<CreatedResource>>;
    /// See [`Resource::delete`].
    fn delete<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, live: &'a LiveResource) -> BoxFuture<'a, Result<Deletion>>;
    /// See [`Resource::retag`].
    fn retag<'a>(&'a self, to: &'a dyn Connections, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>>;
    /// See [`Resource::contents`].
    fn contents<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    /// See [`Resource::explain`].
    fn explain<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    /// See [`Resource::leftovers`].
    fn leftovers<'a>(
        &'a self,
        to: &'a dyn Connections,
        live: &'a LiveResource,
        request: &'a LeftoverRequest,
    ) -> BoxFuture<'a, Result<Leftovers>>;
    /// See [`Resource::health`].
    fn health<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<Phase>>>;
    /// See [`Resource::newest_backup`]; `spec` is that of the new resource.
    fn newest_backup<'a>(
        &'a self,
        backups: BackupSource<'a, dyn Connections>,
        spec: &'a Value,
        source: &'a LiveResource,
    ) -> BoxFuture<'a, Result<NewestBackup>>;
    /// See [`Resource::blockers`].
    fn blockers<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<String>>>;
}

/// Part of an exchange, see [`ExchangePart`].
pub struct ExchangeTarget<'a> {
    /// Parameters of the call besides the spec.
    pub call: &'a CallContext,
    /// The resource that is deleted or changed.
    pub before: Option<&'a LiveResource>,
    /// Spec of the resource that is created, or of the one in `before` after the change.
    pub after: Option<&'a Value>,
}

struct TypedOperations<R>(PhantomData<fn() -> R>);

/// The operations of `R`.
pub(super) fn operations_of<R: Resource>() -> Box<dyn Operations> {
    Box::new(TypedOperations::<R>(PhantomData))
}

impl<R: Resource> Operations for TypedOperations<R> {
    fn schema(&self) -> Schema {
        schema_for!(R)
    }
    fn outputs_schema(&self) -> Schema {
        schema_for!(R::Outputs)
    }
    fn parse(&self, spec: &Value) -> std::result::Result<Value, Vec<Problem>> {
        parse(spec, R::check)
    }
    fn canonical(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?)?)
    }
    fn after_create(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?.after_create())?)
    }
    fn dropped(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?.dropped())?)
    }
    fn check_declared(&self, declared: DeclaredResource<'_>) -> Vec<Problem> {
        R::check_declared(&Declared::new(declared))
    }
    fn normalize(&self, wanted: &Value, live: &Value) -> Value {
        let normalized = |(wanted, mut live): (R, R)| {
            wanted.normalize(&mut live);
            serde_json::to_value(&live).ok()
        };
        deserialize_both(wanted, live).and_then(normalized).unwrap_or_else(|| live.clone())
    }
    fn replaces(&self, wanted: &Value, live: &Value) -> Vec<&'static str> {
        deserialize_both::<R>(wanted, live).map(|(wanted, live)| R::pointers(&wanted.replaces(&live))).unwrap_or_default()
    }
    fn conflicts_with(&self, wanted: &Value, live: &Value) -> bool {
        let conflict = |(wanted, live): (R, R)| {
            let groups = live.conflict_groups();
            wanted.conflict_groups().iter().any(|group| groups.contains(group)) && wanted.conflicts_with(&live)
        };
        deserialize_both::<R>(wanted, live).is_some_and(conflict)
    }
    fn deletion_effect(&self, spec: &Value) -> Option<String> {
        deserialize_spec::<R>(spec).ok()?.deletion_effect()
    }
    fn leaves_snapshot(&self, spec: &Value) -> bool {
        deserialize_spec::<R>(spec).is_ok_and(|spec| spec.leaves_snapshot())
    }
    fn adoption_obstacle(&self, spec: &Value) -> Option<String> {
        deserialize_spec::<R>(spec).ok()?.adoption_obstacle()
    }
    fn conflict_groups(&self, spec: &Value) -> Vec<String> {
        deserialize_spec::<R>(spec).map(|spec| spec.conflict_groups()).unwrap_or_default()
    }
    fn provides(&self, spec: &Value) -> Vec<String> {
        deserialize_spec::<R>(spec).map(|spec| spec.provides()).unwrap_or_default()
    }
    fn may_provide(&self, spec: &Value) -> Option<String> {
        deserialize_spec::<R>(spec).ok()?.may_provide()
    }
    fn requires(&self, spec: &Value) -> Vec<String> {
        deserialize_spec::<R>(spec).map(|spec| spec.requires()).unwrap_or_default()
    }
    fn exclusive_uses(&self, spec: &Value) -> Vec<String> {
        deserialize_spec::<R>(spec).map(|spec| spec.exclusive_uses()).unwrap_or_default()
    }
    fn public_names(&self, spec: &Value) -> Vec<String> {
        deserialize_spec::<R>(spec).map(|spec| spec.public_names()).unwrap_or_default()
    }
    fn exchange<'a>(&'a self, to: &'a dyn Connections, parts: &'a [ExchangeTarget<'a>]) -> BoxFuture<'a, Result<Vec<Option<String>>>> {
        Box::pin(async move {
            let part = |target: &ExchangeTarget<'a>| {
                let before = target.before.map(to_existing::<R>).transpose()?;
                Ok(ExchangePart { call: target.call, before, after: target.after.map(deserialize_spec::<R>).transpose()? })
            };
            R::exchange(api(to)?, parts.iter().map(part).collect::<Result<_>>()?).await
        })
    }
    fn preflight<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        pointers: Option<&'a [String]>,
    ) -> BoxFuture<'a, Vec<Problem>> {
        Box::pin(async move {
            let (Ok(spec), Ok(api)) = (deserialize_spec::<R>(spec), to.map(api).transpose()) else { return Vec::new() };
            let all = || R::FIELDS.iter().map(|field| field.pointer.to_owned()).collect::<Vec<_>>();
            let changes = pointers.map_or_else(|| R::changes(&all()), R::changes);
            spec.preflight(&Questions::new(api, context), changes).await
        })
    }
    fn effects<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
    ) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let (Ok(spec), Ok(api)) = (deserialize_spec::<R>(spec), to.map(api).transpose()) else { return Vec::new() };
            spec.effects(&Questions::new(api, context)).await
        })
    }
    fn choices<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let Ok(api) = to.map(api).transpose() else { return Vec::new() };
            R::choices(&Questions::new(api, context)).await
        })
    }
    fn account_limit<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Option<AccountLimit>> {
        Box::pin(async move {
            let Ok(api) = to.map(api).transpose() else { return None };
            R::account_limit(&Questions::new(api, context)).await
        })
    }
    fn own_facts(&self, spec: &Value) -> Option<OwnFacts> {
        R::OWN_FACTS.and_then(|facts| facts(&deserialize_spec::<R>(spec).ok()?))
    }
    fn has_own_facts(&self) -> bool {
        R::OWN_FACTS.is_some()
    }
    fn stands_for(&self) -> Vec<&'static str> {
        R::stands_for()
    }
    fn irreversible_change(&self, wanted: &Value, live: &Value) -> Option<String> {
        let (wanted, live) = deserialize_both::<R>(wanted, live)?;
        wanted.irreversible_change(&live)
    }
    fn stages(&self, wanted: &Value, live: &Value, passed: &[String]) -> Vec<StageFields> {
        let Some((parsed, live)) = deserialize_both::<R>(wanted, live) else { return Vec::new() };
        parsed.stages(&live, passed).into_iter().map(|stage| to_stage_fields(stage, wanted)).collect()
    }
    fn first_version<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        passed: &'a [String],
    ) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            let (Ok(spec), Ok(api)) = (deserialize_spec::<R>(spec), to.map(api).transpose()) else { return None };
            spec.first_version(&Questions::new(api, context), passed).await
        })
    }
    fn follow<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        wanted: &'a Value,
        live: &'a Value,
        passed: &'a [String],
    ) -> BoxFuture<'a, Vec<(String, StageFields)>> {
        Box::pin(async move {
            let (Some((spec, live)), Ok(api)) = (deserialize_both::<R>(wanted, live), to.map(api).transpose()) else { return Vec::new() };
            let stages = spec.follow(&Questions::new(api, context), &live, passed).await;
            stages.into_iter().map(|(at, stage)| (at, to_stage_fields(stage, wanted))).collect()
        })
    }
    fn gates<'a>(
        &'a self,
        source: GateSource<'a, dyn Connections>,
        live: &'a LiveResource,
        spec: &'a Value,
        planned: &'a PlannedSpecs,
    ) -> BoxFuture<'a, Result<GateReport>> {
        Box::pin(async move { deserialize_spec::<R>(spec)?.gates(&connected(source)?, &to_existing(live)?, planned).await })
    }
    fn risks(&self, spec: &Value) -> Vec<(String, &'static str)> {
        let found = deserialize_spec::<R>(spec).map(|spec| spec.risks()).unwrap_or_default();
        found.into_iter().map(|(pointer, reason)| (pointer.into_string(), reason)).collect()
    }
    fn price(&self, spec: &Value, context: &PriceContext<'_>) -> Pricing {
        match deserialize_spec::<R>(spec) {
            Ok(spec) => spec.price(context),
            Err(_) => Pricing::default().without("a value that its price depends on is not known yet"),
        }
    }
    fn usage_keys(&self) -> &'static [UsageKey] {
        R::USAGE
    }
    fn prerequisites(&self, spec: &Value) -> Vec<Prerequisite> {
        deserialize_spec::<R>(spec).map(|spec| spec.prerequisites()).unwrap_or_default()
    }
    fn list<'a>(&'a self, to: &'a dyn Connections, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<LiveResource>>> {
        Box::pin(async move { R::list(api(to)?, scope).await?.into_iter().map(to_live_resource).collect() })
    }
    fn create<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, spec: &'a Value) -> BoxFuture<'a, Result<CreatedResource>> {
        Box::pin(async move { to_created_resource(deserialize_spec::<R>(spec)?.create(&Cx { api: api(to)?, call }).await?) })
    }
    fn finish_creation<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        created: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<CreatedResource>> {
        Box::pin(async move {
            let (wanted, created) = (deserialize_spec::<R>(spec)?, to_observed::<R>(created)?);
            to_created_resource(wanted.finish_creation(&Cx { api: api(to)?, call }, created, R::changes(pointers)).await?)
        })
    }
    fn update<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        live: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            deserialize_spec::<R>(spec)?.update(&Cx { api: api(to)?, call }, &to_existing(live)?, R::changes(pointers)).await
        })
    }
    fn delete<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, live: &'a LiveResource) -> BoxFuture<'a, Result<Deletion>> {
        Box::pin(async move { R::delete(&Cx { api: api(to)?, call }, &to_existing(live)?).await })
    }
    fn retag<'a>(&'a self, to: &'a dyn Connections, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { R::retag(api(to)?, change).await })
    }
    fn contents<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::contents(api(to)?, id).await })
    }
    fn explain<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::explain(api(to)?, id).await })
    }
    fn leftovers<'a>(
        &'a self,
        to: &'a dyn Connections,
        live: &'a LiveResource,
        request: &'a LeftoverRequest,
    ) -> BoxFuture<'a, Result<Leftovers>> {
        Box::pin(async move { Ok(R::leftovers(api(to)?, &to_observed::<R>(live)?, request).await) })
    }
    fn health<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<Phase>>> {
        Box::pin(async move { R::health(api(to)?, &to_existing(live)?).await })
    }
    fn newest_backup<'a>(
        &'a self,
        backups: BackupSource<'a, dyn Connections>,
        spec: &'a Value,
        source: &'a LiveResource,
    ) -> BoxFuture<'a, Result<NewestBackup>> {
        Box::pin(async move { deserialize_spec::<R>(spec)?.newest_backup(&connected(backups)?, &to_existing(source)?).await })
    }
    fn blockers<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::blockers(api(to)?, &to_existing(live)?).await })
    }
}

impl<R: Resource> Named for R {
    const NAME: &'static str = R::TYPE.name;
}

/// Returns the back end of this type.
fn api<A: Any>(to: &dyn Connections) -> Result<&A> {
    let found = to.backends().into_iter().find_map(|one| one.downcast_ref::<A>());
    found.ok_or_else(|| Error::new(ErrorKind::Rejected, "NotConnected", "not connected to the back end of this resource type"))
}

/// The same source with the back end of this type.
fn connected<'a, A: Any, S>(source: Source<'a, dyn Connections, S>) -> Result<Source<'a, A, S>> {
    Ok(match source {
        Source::Api(to) => Source::Api(api(to)?),
        Source::Simulated(facts) => Source::Simulated(facts),
    })
}

fn deserialize_spec<R: DeserializeOwned>(value: &Value) -> Result<R> {
    R::deserialize(value).map_err(Error::from)
}

/// A stage without the Rust type; `wanted` is the desired spec.
fn to_stage_fields<R: Resource>(stage: Stage<R>, wanted: &Value) -> StageFields {
    let fields = match serde_json::to_value(&stage.spec) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let differing = fields.into_iter().filter(|(name, value)| wanted.get(name).unwrap_or(&Value::Null) != value).collect();
    StageFields { fields: differing, from: stage.from, to: stage.to, gates: stage.gates, at: None }
}

fn deserialize_both<R: DeserializeOwned>(wanted: &Value, live: &Value) -> Option<(R, R)> {
    Some((deserialize_spec(wanted).ok()?, deserialize_spec(live).ok()?))
}

fn to_live_resource<R: Resource>(observed: Observed<R>) -> Result<LiveResource> {
    let outputs = serde_json::to_value(observed.outputs)?;
    Ok(LiveResource {
        type_name: R::TYPE.name.to_owned(),
        id: observed.id,
        permanent_id: R::TYPE.permanent_id_in(&outputs),
        tags: observed.tags.into(),
        phase: observed.phase,
        spec: serde_json::to_value(observed.spec)?.into(),
        outputs: outputs.into(),
        // The engine knows which region it asked.
        region: None,
        version: observed.version,
    })
}

fn to_created_resource<R: Resource>(created: Created<R>) -> Result<CreatedResource> {
    Ok(match created {
        Created::Id(id) => CreatedResource::Id(id),
        Created::Complete(observed) => CreatedResource::Complete(Box::new(to_live_resource(observed)?)),
    })
}

fn to_observed<R: Resource>(live: &LiveResource) -> Result<Observed<R>> {
    Ok(Observed {
        id: live.id.clone(),
        tags: live.tags.clone().into_inner(),
        phase: live.phase.clone(),
        spec: deserialize_spec(&live.spec)?,
        outputs: R::Outputs::deserialize(&*live.outputs)?,
        version: live.version.clone(),
    })
}

fn to_existing<R: DeserializeOwned>(live: &LiveResource) -> Result<Existing<R>> {
    Ok(Existing { id: live.id.clone(), spec: deserialize_spec(&live.spec)?, version: live.version.clone() })
}
