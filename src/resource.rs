//! The contract every resource type fulfils: what a user may write, how AWS is read and changed.
//!
//! A type is one file in `src/resources/`; where it has a second subject, that lies in a folder of the type's name. Generics end in
//! [`crate::kind::Kind::of`]; the engine sees data only.

use std::{collections::BTreeMap, future::Future, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use crate::core::spec::Naming;
use crate::{
    aws::{
        Aws, Result, Scope, Service,
        tags::{self, Retag},
    },
    permissions::Actions,
    types::OneWay,
};

/// Tags of a resource, acme's marks among them.
pub type Tags = BTreeMap<String, String>;

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

/// Whether a live resource can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase", content = "status")]
pub enum Phase {
    /// It can be used.
    Ready,
    /// It can be used; changes that AWS has taken on are still to come.
    Pending(String),
    /// On its way, in AWS's own words.
    Settling(String),
    /// It is there but does not work, and won't before somebody mends what is wrong, in AWS's own words.
    Degraded(String),
    /// It will not become ready, in AWS's own words.
    Failed(String),
    /// On its way out.
    Leaving,
}

/// What deleting a resource loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing that a new one would not have.
    None,
    /// A data set of which AWS can take a final snapshot: `on_delete: snapshot` (default), `retain` or `delete`.
    Snapshot,
    /// Contents: deletion is refused while there are any, unless `on_delete: delete`.
    Contents,
    /// A key or secret that AWS deletes only after a window; `on_delete: delete` takes the shortest window.
    Window,
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

/// JSON pointers of what differs.
#[derive(Clone, Debug, Default)]
pub struct Changed(pub Vec<String>);

impl Changed {
    /// Whether the field at `pointer`, or anything below it, differs.
    pub fn has(&self, pointer: &str) -> bool {
        self.0.iter().any(|p| p == pointer || p.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/')))
    }
    /// Whether any of these fields differs.
    pub fn any(&self, pointers: &[&str]) -> bool {
        pointers.iter().any(|p| self.has(p))
    }
}

/// Something wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer below the spec.
    pub at: String,
    /// What is wrong, without a final period.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a remedy of its own.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { at: at.into(), message: message.into(), help: None }
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}
