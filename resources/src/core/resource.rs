//! The contract of a resource type: its fields, and the calls that read and change it.
//!
//! A type is one file in `src/aws/types/`; further parts are in a folder with the type's name. Generics end at
//! [`super::ResourceType::of`]: the engine works with plain data.

use std::{any::Any, collections::BTreeSet, future::Future, ops::Deref};

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    AccountLimit, BackupSource, CallContext, Declared, Error, ErrorKind, GateReport, GateSource, LeftoverRequest, Leftovers, NewestBackup,
    Phase, PlannedSpecs, Pointer, Prerequisite, PriceContext, Pricing, Problem, Questions, Result, Scope, ServiceInfo, Spec, Stage,
    TagChange, Tags, TypeInfo, UsageKey,
};

/// A resource type. The implementing struct is the spec that users write, and the shape of live state; facts about a field are stated at
/// the field, see [`macro@acme_macros::spec`].
///
/// Never use `skip_serializing_if`: an absent `Option` serializes to `null`, and `null` means "unmanaged, not compared".
pub trait Resource: Spec {
    /// Facts about the type.
    const TYPE: TypeInfo;
    /// Facts that differ among its resources. A constant, so that specs of types without such facts need not be parsed for it.
    const OWN_FACTS: Option<fn(&Self) -> Option<OwnFacts>> = None;
    /// Quantities that depend on its usage and count in [`Resource::price`]. A definition states them under `usage`.
    const USAGE: &'static [UsageKey] = &[];
    /// Back end of its calls.
    type Api: Api;
    /// Outputs for `{{ type.name.output }}`, besides `id`. A field `arn`, if present, is the ARN.
    ///
    /// An output that follows from the spec, region and account has the pattern `#[schemars(extend("x-acme-determined" = "{name}"))]`: the
    /// planner knows it before the resource exists. Patterns are like [`TypeInfo::id`], with `{type.field}` for a field or output of the
    /// referenced resources, and `{arn:text}` and `{id:text}` for the rest of the ARN or id after a text.
    ///
    /// The simulator generates other outputs from their names. If a name is not enough, the field has a pattern of plausible values,
    /// `#[schemars(extend("x-acme-simulated" = "eni-{hex17}"))]`, with `{label}` for the id as part of a host name and `{simulated_domain}`
    /// for the domain of host names in addition. A list has a list of patterns, a map the patterns of a key and its value.
    ///
    /// An output that every update changes, such as the number of a version, states `#[schemars(extend("x-acme-updated" = true))]`: what refers to
    /// it changes in the same plan.
    type Outputs: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Types of AWS for which it stands, if these are several, for the documentation.
    fn stands_for() -> Vec<&'static str> {
        Vec::new()
    }
    /// Lists every resource of this type in scope, all pages, with as few calls as the API allows.
    fn list(api: &Self::Api, scope: &Scope) -> impl Future<Output = Result<Vec<Observed<Self>>>> + Send;
    /// Makes the single call that creates it, with its tags, and returns its id, or the complete resource if the response has it.
    fn create(&self, cx: &Cx<'_, Self::Api>) -> impl Future<Output = Result<Created<Self>>> + Send;
    /// Changes `live` to `self`, making the calls for what `changes` names and no others.
    fn update(&self, cx: &Cx<'_, Self::Api>, live: &Existing<Self>, changes: Self::Changes) -> impl Future<Output = Result<()>> + Send;
    /// Sets what the create call couldn't set, after a `create` that returned the complete resource. Returns the resource if the responses of
    /// these calls show it completely, else its id, and the engine reads it. The default is an update and a read.
    fn finish_creation(
        &self,
        cx: &Cx<'_, Self::Api>,
        created: Observed<Self>,
        changes: Self::Changes,
    ) -> impl Future<Output = Result<Created<Self>>> + Send {
        async move {
            let live = Existing { id: created.id, spec: created.spec, version: created.version };
            self.update(cx, &live, changes).await?;
            Ok(Created::Id(live.id))
        }
    }
    /// Requests its deletion and returns; the engine waits. May return a "not found" error.
    fn delete(cx: &Cx<'_, Self::Api>, live: &Existing<Self>) -> impl Future<Output = Result<Deletion>> + Send;

    /// Checks rules between fields that facts can't express. Strings may still contain `${…}` references.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
    /// Checks rules between it and the resources it refers to, and about its region. Messages name the resources by address. Facts state that
    /// fields are unique among resources of the type.
    fn check_declared(_declared: &Declared<'_, Self>) -> Vec<Problem> {
        Vec::new()
    }
    /// Asks AWS about values that a plan is about to set, the fields in `changes`, and returns a problem for each one that AWS would
    /// reject. Called after the plan, for resources that it creates, replaces or changes. Strings may still contain `${…}` references.
    fn preflight(&self, _questions: &Questions<'_, Self::Api>, _changes: Self::Changes) -> impl Future<Output = Vec<Problem>> + Send {
        async { Vec::new() }
    }
    /// Asks what the changes of a plan do besides the fields that differ, each effect on a line: the objects of a chart that change. Called for
    /// resources that the plan creates, replaces or changes. Strings may still contain `${…}` references.
    fn effects(&self, _questions: &Questions<'_, Self::Api>) -> impl Future<Output = Vec<String>> + Send {
        async { Vec::new() }
    }
    /// Asks AWS for the values of the field that a definition may leave to acme, in order of preference; empty if AWS does not answer.
    fn choices(_questions: &Questions<'_, Self::Api>) -> impl Future<Output = Vec<String>> + Send {
        async { Vec::new() }
    }
    /// Asks AWS how many resources of this type the account can have in the region, and how many it has; `None` without an answer. Called after
    /// the plan, if it creates some.
    fn account_limit(_questions: &Questions<'_, Self::Api>) -> impl Future<Output = Option<AccountLimit>> + Send {
        async { None }
    }
    /// What a change in place from `live` loses for good, for the plan: "the earlier password is not known".
    fn irreversible_change(&self, _live: &Self) -> Option<String> {
        None
    }
    /// Steps of an update from `live` whose order matters to other resources, the last one with `self`: one for each minor version of Kubernetes.
    /// `passed` are the versions that a resource it refers to passes in the same plan, from the present one on. The steps of both alternate: a
    /// version starts when all resources have reached the one before. Strings may still contain `${…}` references.
    fn stages(&self, _live: &Self, _passed: &[String]) -> Vec<Stage<Self>> {
        Vec::new()
    }
    /// For an update without steps: the first of the versions in `passed`, see [`Resource::stages`], with which AWS accepts it. It then comes as
    /// early as possible; by default, it follows the last version.
    fn first_version(&self, _questions: &Questions<'_, Self::Api>, _passed: &[String]) -> impl Future<Output = Option<String>> + Send {
        async { None }
    }
    /// Asks AWS which steps keep a resource running while one that it refers to passes versions, see [`Resource::stages`]: each with the version in
    /// `passed` at which it comes, in their order. A field that the definition leaves to AWS may change, too: the version of an add-on. Called
    /// after the plan, for resources that exist; `live` is the state before the plan. Strings may still contain `${…}` references.
    fn follow(
        &self,
        _questions: &Questions<'_, Self::Api>,
        _live: &Self,
        _passed: &[String],
    ) -> impl Future<Output = Vec<(String, Stage<Self>)>> + Send {
        async { Vec::new() }
    }
    /// Checks what must hold before an update of [`Resource::stages`] starts. Called right before its first call, and for a plan, with what the plan
    /// changes before the step: a gate that these changes open is open.
    ///
    /// What can't be read must not hold a run up for good: it is [`GateReport::unchecked`].
    fn gates(
        &self,
        _source: &GateSource<'_, Self::Api>,
        _live: &Existing<Self>,
        _planned: &PlannedSpecs,
    ) -> impl Future<Output = Result<GateReport>> + Send {
        async { Ok(GateReport::default()) }
    }
    /// Settings that are risky and that no single value shows, which the fact `risky` would state: a rule that is open to the world. Each with a
    /// JSON pointer and the reason. Strings may still contain `${…}` references.
    fn risks(&self) -> Vec<(Pointer, &'static str)> {
        Vec::new()
    }
    /// What it costs in a month. For a type that costs nothing, see [`TypeInfo::without_charge`]. Strings may still contain `${…}` references.
    fn price(&self, _context: &PriceContext<'_>) -> Pricing {
        Pricing::unknown()
    }
    /// What the account must have before this resource is created.
    fn prerequisites(&self) -> Vec<Prerequisite> {
        Vec::new()
    }
    /// Rewrites a live spec that means the same as `self` but reads differently (`16` declared, `16.4` reported).
    fn normalize(&self, _live: &mut Self) {}
    /// Fields that can't be changed from `live` to `self`, even if other values can: like the fact `replaces`, for these two specs.
    fn replaces(&self, _live: &Self) -> Self::Changes {
        Self::Changes::default()
    }
    /// Whether a new resource can't exist beside `live`, for reasons other than unique keys: a replacement then deletes the old one first.
    /// Asked only about two resources that have one of their [`Resource::conflict_groups`] in common.
    fn conflicts_with(&self, _live: &Self) -> bool {
        false
    }
    /// The groups of resources among which some can't exist beside each other, see [`Resource::conflicts_with`], such as the records of a
    /// domain. Strings may still contain `${…}` references.
    fn conflict_groups(&self) -> Vec<String> {
        Vec::new()
    }
    /// What exists once this resource is ready, besides itself: the namespace of a cluster, a kind of objects. Resources that require it depend
    /// on this one. Strings may still contain `${…}` references.
    fn provides(&self) -> Vec<String> {
        Vec::new()
    }
    /// The beginning of names that it perhaps provides, see [`Resource::provides`]: a chart can define kinds of objects. A resource that requires
    /// such a name depends on this one, unless another one surely provides it, or the resource already depends on one that perhaps does.
    fn may_provide(&self) -> Option<String> {
        None
    }
    /// What must exist before this resource is created, see [`Resource::provides`]. Others outside the stack may provide it, too.
    fn requires(&self) -> Vec<String> {
        Vec::new()
    }
    /// What only one resource at a time can use, whatever its type, such as an Elastic IP address: the ids of others. Strings may still contain
    /// `${…}` references.
    fn exclusive_uses(&self) -> Vec<String> {
        Vec::new()
    }
    /// Names under which everyone outside the stack finds it, so that only one of two resources with the same name is ever used: the domain of
    /// a public zone. Strings may still contain `${…}` references.
    fn public_names(&self) -> Vec<String> {
        Vec::new()
    }
    /// Deletes, creates and changes several resources in one call, all or none, for types with [`super::TypeInfo::exchangeable`]. The engine
    /// calls it for resources that can't exist beside each other, when everything that the new ones need exists. Returns for each part the id
    /// of the resource that it created.
    fn exchange(api: &Self::Api, parts: Vec<ExchangePart<'_, Self>>) -> impl Future<Output = Result<Vec<Option<String>>>> + Send {
        let _ = (api, parts);
        async { Err(Error::new(ErrorKind::Rejected, "NotExchangeable", "resources of this type can't be exchanged in one call")) }
    }
    /// What a deletion leaves in AWS, or deletes besides the resource, for the plan: "its automated backups are kept for 7 days".
    fn deletion_effect(&self) -> Option<String> {
        None
    }
    /// Whether its deletion can leave a final snapshot, for types with [`super::DataProtection::Snapshot`].
    fn leaves_snapshot(&self) -> bool {
        true
    }
    /// Reason why an existing resource can't be part of a stack, although its tags can be set: AWS does not delete it.
    fn adoption_obstacle(&self) -> Option<String> {
        None
    }
    /// Changes its tags. Implemented only if the service has no common calls for all its types.
    fn retag<'a>(api: &'a Self::Api, change: &'a TagChange<'a>) -> impl Future<Output = Result<()>> + Send + 'a {
        api.retag(Self::TYPE.service, change)
    }
    /// Describes the contents that a deletion would lose ("3 images"); `None` if empty. Called only before a deletion, for types with
    /// [`super::DataProtection::Contents`].
    fn contents(_api: &Self::Api, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// Returns the service's reason why it did not apply the requested settings. Called only if a read shows that it did not.
    fn explain(_api: &Self::Api, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// Finds what its deletion leaves behind. Called only for a plan that deletes it, for types with
    /// [`super::TypeInfo::leaves_leftovers`]; also if an unfinished run has deleted it already.
    fn leftovers(_api: &Self::Api, _live: &Observed<Self>, _request: &LeftoverRequest) -> impl Future<Output = Leftovers> + Send {
        async { Leftovers::default() }
    }
    /// Tells how a ready resource is doing, as far as `list` does not see it: the pods of a chart, the targets of a target group. `None`: a
    /// ready one is healthy. Called to show it to a person, and by the gates of procedures, which a resource passes with [`Phase::Ready`].
    fn health(_api: &Self::Api, _live: &Existing<Self>) -> impl Future<Output = Result<Option<Phase>>> + Send {
        async { Ok(None) }
    }
    /// Finds the newest backup of `source`, a resource of this type that may belong to another environment, for a new resource with this spec.
    /// Only for types with [`super::TypeInfo::restorable`]. It makes no changes, and `source` keeps serving.
    fn newest_backup(
        &self,
        _backups: &BackupSource<'_, Self::Api>,
        _source: &Existing<Self>,
    ) -> impl Future<Output = Result<NewestBackup>> + Send {
        let message = format!("acme can't restore a {} from a backup", Self::TYPE.name);
        async move { Ok(NewestBackup::Missing(Problem::new(Pointer::ROOT, message))) }
    }
    /// Lists resources outside the stack that still use it ("network interface eni-1"). Called only if its deletion fails as in use and no
    /// resource of the stack is known to use it.
    fn blockers(_api: &Self::Api, _live: &Existing<Self>) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
}

/// A back end: clients of AWS, or of a cluster.
pub trait Api: Any + Send + Sync {
    /// Changes tags with the calls that serve all types of a service.
    fn retag<'a>(&'a self, service: &ServiceInfo, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>>;
}

/// Back ends of a run.
pub trait Connections: Send + Sync {
    /// The back ends, each as its own type.
    fn backends(&self) -> Vec<&dyn Any>;
}

/// A resource as reported by the back end, in the shape of the spec.
pub struct Observed<R: Resource> {
    /// Physical id, the parameter of most of the service's calls (an ARN if they use ARNs).
    pub id: String,
    /// All tags, including ownership tags.
    pub tags: Tags,
    /// Phase of its life: pending, ready, failed or deleted.
    pub phase: Phase,
    /// Attributes.
    pub spec: R,
    /// Outputs for references.
    pub outputs: R::Outputs,
    /// Token that prevents a change from overwriting another one (an ETag, a lock token), if the service has one.
    pub version: Option<String>,
}

impl<R: Resource> Observed<R> {
    /// Creates a ready resource.
    pub fn new(id: impl Into<String>, tags: Tags, spec: R, outputs: R::Outputs) -> Observed<R> {
        Observed { id: id.into(), tags, phase: Phase::Ready, spec, outputs, version: None }
    }
    /// Sets the phase.
    pub fn phase(self, phase: Phase) -> Observed<R> {
        Observed { phase, ..self }
    }
    /// Sets the version.
    pub fn version(self, version: Option<String>) -> Observed<R> {
        Observed { version, ..self }
    }
}

/// Outputs of a type whose only output is the ARN.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArnOutput {
    /// Amazon resource name.
    pub arn: String,
}

/// A resource that a call changes or deletes.
pub struct Existing<R> {
    /// Physical id.
    pub id: String,
    /// Attributes as last read, or as the create call left them.
    pub spec: R,
    /// See [`Observed::version`].
    pub version: Option<String>,
}

/// Part of an exchange: what was there before, and what is there afterwards.
pub struct ExchangePart<'a, R> {
    /// Address, tags, token and others.
    pub call: &'a CallContext,
    /// The resource that is deleted or changed.
    pub before: Option<Existing<R>>,
    /// The resource that is created, or the one in `before` after the change.
    pub after: Option<R>,
}

/// Result of a create call.
pub enum Created<R: Resource> {
    /// Physical id; the rest is read.
    Id(String),
    /// Complete resource: another read would have no new information.
    Complete(Observed<R>),
}

impl<R: Resource> Created<R> {
    /// Takes id and attributes from the answer of a create call.
    ///
    /// # Errors
    /// When the answer has no resource or no id.
    pub fn from_reply<T>(
        resource: Option<T>,
        id: impl FnOnce(&T) -> Option<String>,
        read: impl FnOnce(T) -> Result<Observed<R>>,
    ) -> Result<Created<R>> {
        let resource = resource.ok_or_else(|| Error::missing_field(R::TYPE.name))?;
        let id = id(&resource).ok_or_else(|| Error::missing_field("id"))?;
        Ok(Created::from_answer(id, read(resource)))
    }
    /// Complete resource if the response can be parsed, otherwise the id: the resource exists in any case and must not be lost.
    pub fn from_answer(id: String, read: Result<Observed<R>>) -> Created<R> {
        read.map_or(Created::Id(id), Created::Complete)
    }
}

impl<R: Resource> From<String> for Created<R> {
    fn from(id: String) -> Created<R> {
        Created::Id(id)
    }
}

/// Progress of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// In progress; the engine waits until the resource no longer exists.
    Requested,
    /// First part done ("disabled"): once the resource is ready again, `delete` is called for the next.
    NeedsAnotherCall(String),
}

impl Deletion {
    /// Result of a delete call that needs no further call.
    ///
    /// # Errors
    /// Returns the error of the call.
    pub fn requested<T, E: Into<Error>>(answer: std::result::Result<T, E>) -> Result<Deletion> {
        answer.map(|_| Deletion::Requested).map_err(Into::into)
    }
}

/// Parameters of a call besides the spec: the back end, to which it dereferences, and the parameters of the call.
pub struct Cx<'a, A> {
    /// The back end.
    pub api: &'a A,
    /// Address, tags, token and others.
    pub call: &'a CallContext,
}

impl<A> Deref for Cx<'_, A> {
    type Target = A;
    fn deref(&self) -> &A {
        self.api
    }
}

/// Facts of one resource, where they are not those of its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFacts {
    /// Treatment of its data, if the definition sets none.
    pub on_delete: Option<OnDelete>,
    /// IAM actions that reading it needs, on all resources.
    pub read_actions: Vec<String>,
    /// IAM actions that creating, changing and deleting it needs, on all resources.
    pub change_actions: Vec<String>,
    /// Its outputs among those of the type.
    pub outputs: BTreeSet<String>,
}

/// Treatment of a resource's data when it is removed from the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// Deleted after a final snapshot, from which the type's field `snapshot` restores it.
    Snapshot,
    /// Left in AWS, no longer managed.
    Retain,
    /// Deleted with all data.
    Delete,
}
