//! What a `list` shall return, and what is known before it asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use super::Result;
use crate::resource::Tags;

/// Mark: the stack's name.
pub const STACK: &str = "acme:stack";
/// Mark: the environment's name.
pub const ENVIRONMENT: &str = "acme:environment";
/// Mark: the resource's address in the stack.
pub const ADDRESS: &str = "acme:address";
/// Mark: what becomes of the data, when the definition says so.
pub const ON_DELETE: &str = "acme:on-delete";

/// Stands beside marks that a list told from something else than tags, because a crash came before those were set: none of them is there.
pub const UNMARKED: &str = "acme:unmarked";

/// What a `list` shall return: all of one stack and environment, plus what has a wanted name without our marks.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Physical names start with this unless the user set one: `<stack>-<environment>-`.
    pub prefix: String,
    /// Physical names that the definition gives to resources of this type.
    pub wanted: BTreeSet<String>,
    /// Ids of live parents, see [`crate::resource::Resource::PARENT`].
    pub parents: Vec<String>,
    /// ARN → tags of all that carries the stack's marks, from the tagging API; `None` when that could not be asked.
    pub index: Option<BTreeMap<String, Tags>>,
    /// Tags that a create call carried, by physical id: no need to ask for them.
    pub sent: BTreeMap<String, Tags>,
    /// Ask the services for tags even where the index has them: it lags behind changes.
    pub fresh: bool,
}

impl Scope {
    /// Whether reading this one's details is worth calls: its name is wanted, has our prefix, or the index knows its ARN.
    pub fn covers(&self, name: &str, arn: &str) -> bool {
        self.wanted.contains(name) || name.starts_with(&self.prefix) || self.index.as_ref().is_some_and(|index| index.contains_key(arn))
    }
    /// Its tags as they were sent or as the index has them, which saves a call per resource. `None`: ask the service.
    pub fn tags(&self, arn: &str) -> Option<Tags> {
        let name = || arn.rsplit([':', '/']).next().and_then(|name| self.sent.get(name));
        let indexed = || self.index.as_ref().filter(|_| !self.fresh).and_then(|index| index.get(arn));
        self.sent.get(arn).or_else(name).or_else(indexed).cloned()
    }
    /// Its tags as [`Scope::tags`] knows them, else as the service answers. `None`: it is gone.
    ///
    /// # Errors
    /// What the service answers.
    pub async fn tags_or(&self, arn: &str, ask: impl Future<Output = Result<Option<Tags>>>) -> Result<Option<Tags>> {
        match self.tags(arn) {
            Some(tags) => Ok(Some(tags)),
            None => ask.await,
        }
    }
    /// Whether these tags carry this stack's marks.
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(STACK) == Some(&self.stack) && tags.get(ENVIRONMENT) == Some(&self.environment)
    }
    /// IAM path of the stack: `/acme/<stack>/<environment>/`.
    pub fn iam_path(&self) -> String {
        format!("/acme/{}/{}/", self.stack, self.environment)
    }
    /// EC2's filters for the stack's marks.
    pub fn ec2_filters(&self) -> Vec<aws_sdk_ec2::types::Filter> {
        [(STACK, &self.stack), (ENVIRONMENT, &self.environment)]
            .into_iter()
            .map(|(key, value)| aws_sdk_ec2::types::Filter::builder().name(format!("tag:{key}")).values(value).build())
            .collect()
    }
}
