//! The contract as it was before `#[spec]`: what has not moved yet.

use std::{future::Future, time::Duration};

use futures::future::BoxFuture;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Actions, Call, Changed, Connections, CreatedLive, Data, Deletion, Live, OnDelete, OneWay, Operations, Phase, Problem, ResourceType,
    Result, Retag, Scope, Service, Tagging, Tags, TypeInfo,
    resource_type::{api, both, parse, typed},
    spec::Naming,
};
use crate::aws::{Aws, tags};

/// One AWS resource type. The implementing struct *is* what a user writes, and the shape live state is read into.
///
/// Never use `skip_serializing_if`: an absent `Option` serialises to `null`, and `null` means "left to AWS, not compared".
pub trait Resource: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// Name in YAML, snake_case, equal to the file's name.
    const TYPE: &'static str;
    /// The service it belongs to; decides how it is tagged and paced.
    const SERVICE: Service;
    /// Fields (JSON pointers into the spec) whose change needs a new resource.
    const REPLACE: &'static [&'static str] = &[];
    /// Sets of fields of which two resources can't have all in common: a replacement that keeps such a set deletes the old one first. Where
    /// none of them has `/name`, a name may occur once; [`Resource::IDENTITY`] is one of them too.
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[];
    /// Fields whose value AWS draws where none is asked for. What is put back asks for the value it had; where AWS can't give that
    /// again, any will do.
    const DRAWN: &'static [&'static str] = &[];
    /// Rules for the physical name. `Some` means that the spec has a field `name: Option<String>`, filled by the compiler
    /// with `<stack>-<environment>-<name>` when absent, unique in its scope, and part of the identity. Where the compiler chose it, a
    /// replacement gets another one, so that the new one can stand beside the old one.
    const NAME: Option<Naming> = None;
    /// Field whose wanted values make others of the type worth a look at their marks, where it has no name: the tagging API lags.
    const WANTED: Option<&'static str> = None;
    /// Field with settings by name, of which AWS lists some only when they are asked for by their names: [`Scope::asked`].
    const ASKED: Option<&'static str> = None;
    /// Fields that identify an untaggable resource within its parent; empty means "by its marks".
    const IDENTITY: &'static [&'static str] = &[];
    /// The type whose ids [`Scope::parents`] holds while this one is listed. Without a parent there is nothing to list.
    const PARENT: Option<&'static str> = None;
    /// How its ARNs begin after the account, with the service: `rds:db:`. `None`: this type is always listed, because the
    /// tagging API does not show it (IAM roles), or because there are so many that asking the service is cheaper (subnets).
    const ARN: Option<&'static str> = None;
    /// The IAM actions of its calls, for `acme policy`.
    const ACTIONS: Actions;
    /// Whether it carries tags; if not, `list` synthesises the marks.
    const TAGGABLE: bool = true;
    /// Whether `create` sets the tags; if not, the engine sets them right after.
    const TAGS_ON_CREATE: bool = true;
    /// Usual time until it can be used: orders the critical path and paces polling.
    const USUAL: Duration = Duration::from_secs(2);
    /// What deleting one loses, and so what `on_delete` may say.
    const DATA: Data = Data::None;
    /// The boolean field with which AWS itself refuses deletion.
    const PROTECTION: Option<&'static str> = None;
    /// The boolean field that has AWS make changes at once: then those that are [`Phase::Pending`] are waited for.
    const AT_ONCE: Option<&'static str> = None;
    /// What a change in place disturbs, in words, by field.
    const DISTURBS: &'static [(&'static str, &'static str)] = &[];
    /// Fields that AWS changes one way only.
    const ONE_WAY: &'static [OneWay] = &[];
    /// Whether AWS refuses to delete one while another resource refers to it.
    const HELD: bool = true;
    /// What others may read as `{{ type.name.output }}`, besides `id`. A field `arn`, where there is one, is the ARN.
    type Outputs: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Reads every resource of this type that is in `scope`, in as few calls as the API allows, all pages.
    fn list(aws: &Aws, scope: &Scope) -> impl Future<Output = Result<Vec<Observed<Self>>>> + Send;
    /// The one call that brings it into being, tagged in the same call; returns the id at once.
    fn create(&self, cx: &Cx<'_>) -> impl Future<Output = Result<String>> + Send;
    /// The spec AWS has right after [`Resource::create`]: fields that call cannot set stand at AWS's default here. What
    /// differs from `self` is brought by [`Resource::update`] at once, before the first read.
    fn created(&self) -> Self {
        self.clone()
    }
    /// Brings `before` to `self`, making the calls for what `changed` names and no others.
    fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> impl Future<Output = Result<()>> + Send;
    /// Asks AWS to delete it and returns; the engine waits. "Already gone" may be returned as the error it is.
    fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> impl Future<Output = Result<()>> + Send;
    /// Changes its tags. Written only where a service has no calls that serve all its types (IAM).
    fn retag(aws: &Aws, change: &Retag<'_>) -> impl Future<Output = Result<()>> + Send {
        tags::retag(aws, Self::SERVICE, change)
    }
    /// What is inside that deletion would lose, in words ("3 images"); `None` when empty. Asked only for types with
    /// [`Data::Contents`] that are about to be deleted.
    fn contents(_aws: &Aws, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// Why AWS did not do what it was told last, in its own words. Asked only when reading shows that it did not.
    fn explain(_aws: &Aws, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// What holds it that is none of the stack's, in words ("network interface eni-1"). Asked only when AWS refuses to delete it as in use
    /// and nothing of the stack is known to use it.
    fn held_by(_aws: &Aws, _id: &str, _live: &Self) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// Rules that the types cannot express; `at` is a JSON pointer into the spec. Strings may still hold `${…}` references.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
    /// Fields that AWS can't bring from `live` to `self`, though it may change them between other values: like [`Resource::REPLACE`],
    /// for these two.
    fn replaces(&self, _live: &Self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Whether a new one can't stand beside `live`, as far as [`Resource::EXCLUSIVE`] can't tell: the old one is deleted first then.
    fn excludes(&self, _live: &Self) -> bool {
        false
    }
    /// Adjusts a live spec that means the same as `self` but reads differently ("16" asked, "16.4" reported).
    fn align(&self, _live: &mut Self) {}
}

/// A resource as AWS reports it, in the shape a user would write.
pub struct Observed<R: Resource> {
    /// The physical id: what most of the service's calls take (an ARN where they take ARNs).
    pub id: String,
    /// All its tags, acme's marks among them.
    pub tags: Tags,
    /// Whether it can be used.
    pub phase: Phase,
    /// Its attributes.
    pub spec: R,
    /// What others may refer to.
    pub outputs: R::Outputs,
}

/// What a call needs besides the spec.
pub struct Cx<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// Address in the stack, `subnet.private-a`.
    pub address: &'a str,
    /// Every tag the resource shall carry, marks included.
    pub tags: &'a Tags,
    /// Idempotency token, the same for every try of this call; at most 64 characters of `[a-z0-9-]`.
    pub token: &'a str,
    /// What becomes of its data; never anything but `Delete` for types without data.
    pub on_delete: OnDelete,
    /// Stack name.
    pub stack: &'a str,
    /// Environment name.
    pub environment: &'a str,
}

impl<'a> Cx<'a> {
    /// The context of a call.
    pub fn new(aws: &'a Aws, call: &'a Call) -> Cx<'a> {
        Cx {
            aws,
            address: &call.address,
            tags: &call.tags,
            token: &call.token,
            on_delete: call.on_delete,
            stack: &call.stack,
            environment: &call.environment,
        }
    }
}

struct Erased<R>(std::marker::PhantomData<fn() -> R>);

impl ResourceType {
    /// Erases a type that has not moved yet.
    pub fn legacy<R: Resource>() -> ResourceType {
        let info = TypeInfo {
            always_listed: R::ARN.is_none(),
            actions: R::ACTIONS,
            tagging: match (R::TAGGABLE, R::TAGS_ON_CREATE) {
                (false, _) => Tagging::Untaggable,
                (true, false) => Tagging::AfterCreate,
                (true, true) => Tagging::OnCreate,
            },
            typical: R::USUAL,
            data: R::DATA,
            blocked_by_dependents: R::HELD,
            ..TypeInfo::new(R::TYPE, R::SERVICE, "", "")
        };
        ResourceType {
            replaces: R::REPLACE.to_vec(),
            unique_keys: R::EXCLUSIVE.iter().map(|key| key.to_vec()).collect(),
            assigned_by_aws: R::DRAWN.to_vec(),
            naming: R::NAME,
            lookup: R::WANTED,
            read_by_name: R::ASKED,
            identity: R::IDENTITY.to_vec(),
            parent: R::PARENT,
            protects_deletion: R::PROTECTION,
            apply_immediately: R::AT_ONCE,
            impact: R::DISTURBS.to_vec(),
            one_way: R::ONE_WAY.to_vec(),
            legacy_arn: R::ARN,
            ..ResourceType::new(info, &[], Box::new(Erased::<R>(std::marker::PhantomData)))
        }
    }
}

fn cx<'a>(aws: &'a Aws, call: &'a Call) -> Cx<'a> {
    Cx {
        aws,
        address: &call.address,
        tags: &call.tags,
        token: &call.token,
        on_delete: call.on_delete,
        stack: &call.stack,
        environment: &call.environment,
    }
}

impl<R: Resource> Operations for Erased<R> {
    fn schema(&self) -> Schema {
        schema_for!(R)
    }
    fn outputs_schema(&self) -> Schema {
        schema_for!(R::Outputs)
    }
    fn parse(&self, spec: Value) -> std::result::Result<Value, Vec<Problem>> {
        parse(&spec, R::check)
    }
    fn after_create(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(typed::<R>(spec)?.created())?)
    }
    fn normalize(&self, wanted: &Value, live: &Value) -> Value {
        let normalized = |(wanted, mut live): (R, R)| {
            wanted.align(&mut live);
            serde_json::to_value(&live).ok()
        };
        both(wanted, live).and_then(normalized).unwrap_or_else(|| live.clone())
    }
    fn replaces(&self, wanted: &Value, live: &Value) -> Vec<&'static str> {
        both::<R>(wanted, live).map(|(wanted, live)| wanted.replaces(&live)).unwrap_or_default()
    }
    fn excludes(&self, wanted: &Value, live: &Value) -> bool {
        both::<R>(wanted, live).is_some_and(|(wanted, live)| wanted.excludes(&live))
    }
    fn list<'a>(&'a self, to: &'a dyn Connections, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Live>>> {
        Box::pin(async move { R::list(api(to)?, scope).await?.into_iter().map(erase).collect() })
    }
    fn create<'a>(&'a self, to: &'a dyn Connections, call: &'a Call, spec: &'a Value) -> BoxFuture<'a, Result<CreatedLive>> {
        Box::pin(async move { typed::<R>(spec)?.create(&cx(api(to)?, call)).await.map(CreatedLive::Id) })
    }
    fn update<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a Call,
        live: &'a Live,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { typed::<R>(spec)?.update(&cx(api(to)?, call), &live.id, &typed(&live.spec)?, &Changed(pointers.to_vec())).await },
        )
    }
    fn delete<'a>(&'a self, to: &'a dyn Connections, call: &'a Call, live: &'a Live) -> BoxFuture<'a, Result<Deletion>> {
        Box::pin(async move { R::delete(&cx(api(to)?, call), &live.id, &typed(&live.spec)?).await.map(|()| Deletion::Requested) })
    }
    fn retag<'a>(&'a self, to: &'a dyn Connections, change: &'a Retag<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { R::retag(api(to)?, change).await })
    }
    fn contents<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::contents(api(to)?, id).await })
    }
    fn explain<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::explain(api(to)?, id).await })
    }
    fn blockers<'a>(&'a self, to: &'a dyn Connections, live: &'a Live) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::held_by(api(to)?, &live.id, &typed(&live.spec)?).await })
    }
}

fn erase<R: Resource>(observed: Observed<R>) -> Result<Live> {
    Ok(Live {
        kind: R::TYPE.to_owned(),
        id: observed.id,
        tags: observed.tags,
        phase: observed.phase,
        spec: serde_json::to_value(observed.spec)?,
        outputs: serde_json::to_value(observed.outputs)?,
        version: None,
    })
}
