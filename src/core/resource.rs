//! The contract of a resource type: what a user may write, and how it is read and changed.
//!
//! A type is one file in `src/aws/types/`; a second subject of it lies in a folder of the type's name. Generics end in
//! [`super::ResourceType::of`]: the engine sees data only.

use std::{any::Any, future::Future, ops::Deref};

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CallContext, Phase, Problem, Result, Scope, Service, Spec, TagChange, Tags, TypeInfo};

/// A resource type. The implementing struct *is* what a user writes, and the shape live state is read into; what is true of a field is said
/// at the field, by [`macro@acme_macros::spec`].
///
/// Never use `skip_serializing_if`: an absent `Option` serializes to `null`, and `null` means "unmanaged, not compared".
pub trait Resource: Spec {
    /// What is true of the type as a whole.
    const TYPE: TypeInfo;
    /// The back end whose calls it makes.
    type Api: Api;
    /// What others may read as `{{ type.name.output }}`, besides `id`. A field `arn`, where there is one, is the ARN.
    type Outputs: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Reads every resource of this type that is in scope, in as few calls as the API allows, all pages.
    fn list(api: &Self::Api, scope: &Scope) -> impl Future<Output = Result<Vec<Observed<Self>>>> + Send;
    /// Makes the one call that creates it, tagged in the same call, and returns its id at once, or all of it where the answer tells.
    fn create(&self, cx: &Cx<'_, Self::Api>) -> impl Future<Output = Result<Created<Self>>> + Send;
    /// Changes `live` to `self`, making the calls for what `changes` names and no others.
    fn update(&self, cx: &Cx<'_, Self::Api>, live: &Existing<Self>, changes: Self::Changes) -> impl Future<Output = Result<()>> + Send;
    /// Asks for its deletion and returns; the engine waits. A "not found" may be returned as the error it is.
    fn delete(cx: &Cx<'_, Self::Api>, live: &Existing<Self>) -> impl Future<Output = Result<Deletion>> + Send;

    /// Rules between fields that facts can't express. Strings may still hold `${…}` references.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
    /// Rewrites a live spec that means the same as `self` but reads differently (`16` declared, `16.4` reported).
    fn normalize(&self, _live: &mut Self) {}
    /// Fields that can't be changed from `live` to `self`, though they may be between other values: like the fact `replaces`, for these two.
    fn replaces(&self, _live: &Self) -> Self::Changes {
        Self::Changes::default()
    }
    /// Whether a new one can't exist beside `live`, where unique keys can't tell: a replacement then deletes the old one first.
    fn conflicts_with(&self, _live: &Self) -> bool {
        false
    }
    /// Changes its tags. Written only where the service has no calls that serve all its types.
    fn retag<'a>(api: &'a Self::Api, change: &'a TagChange<'a>) -> impl Future<Output = Result<()>> + Send + 'a {
        api.retag(Self::TYPE.service, change)
    }
    /// What is inside that deletion would lose ("3 images"); `None` when empty. Asked only of types with [`super::Data::Contents`] that are
    /// about to be deleted.
    fn contents(_api: &Self::Api, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// Why the requested settings were not applied, in the service's own words. Asked only when reading shows that they were not.
    fn explain(_api: &Self::Api, _id: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
    /// What outside the stack still uses it ("network interface eni-1"). Asked only when its deletion is refused as in use and nothing of the
    /// stack is known to use it.
    fn blockers(_api: &Self::Api, _live: &Existing<Self>) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }
}

/// A back end: the clients of AWS, or those of a cluster.
pub trait Api: Any + Send + Sync {
    /// Changes tags with the calls that serve all types of a service.
    fn retag<'a>(&'a self, service: Service, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>>;
}

/// All back ends that a run is connected to.
pub trait Connections: Send + Sync {
    /// Them, each as its own type.
    fn backends(&self) -> Vec<&dyn Any>;
}

/// A resource as the back end reports it, in the shape a user would write.
pub struct Observed<R: Resource> {
    /// The physical id: what most of the service's calls take (an ARN where they take ARNs).
    pub id: String,
    /// All its tags, ownership tags included.
    pub tags: Tags,
    /// Whether it can be used.
    pub phase: Phase,
    /// Its attributes.
    pub spec: R,
    /// What others may refer to.
    pub outputs: R::Outputs,
    /// The token that a change must carry so that it does not overwrite another one (an ETag, a lock token), where the service has one.
    pub version: Option<String>,
}

impl<R: Resource> Observed<R> {
    /// One that is ready.
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

/// A resource that a call changes or deletes.
pub struct Existing<R> {
    /// The physical id.
    pub id: String,
    /// Its attributes as they were last read, or as the create call left them.
    pub spec: R,
    /// See [`Observed::version`].
    pub version: Option<String>,
}

/// What a create call answered.
pub enum Created<R: Resource> {
    /// The physical id; the rest is read.
    Id(String),
    /// All of it: reading it again would tell nothing new.
    Complete(Observed<R>),
}

impl<R: Resource> Created<R> {
    /// All of it where the answer can be read, else the id: the resource exists either way and must not be lost.
    pub fn from_answer(id: String, read: Result<Observed<R>>) -> Created<R> {
        read.map_or(Created::Id(id), Created::Complete)
    }
}

impl<R: Resource> From<String> for Created<R> {
    fn from(id: String) -> Created<R> {
        Created::Id(id)
    }
}

/// What is left to do of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is on its way; the engine waits until it is gone.
    Requested,
    /// This was the first half ("disabled"): once the resource is ready again, `delete` is called for the next.
    NeedsAnotherCall(String),
}

/// What a call needs besides the spec: the back end, into which it dereferences, and the facts of the call.
pub struct Cx<'a, A> {
    /// The back end.
    pub api: &'a A,
    /// Address, tags, token and the like.
    pub call: &'a CallContext,
}

impl<A> Deref for Cx<'_, A> {
    type Target = A;
    fn deref(&self) -> &A {
        self.api
    }
}

/// What happens to a resource's data when it leaves the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// Deleted after a final snapshot was taken, from which the type's field `snapshot` makes it again.
    Snapshot,
    /// Left in AWS, no longer managed.
    Retain,
    /// Deleted with all data.
    Delete,
}
