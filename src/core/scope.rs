//! What a `list` shall return, and what is known before it asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use super::{ADDRESS_TAG, ENVIRONMENT_TAG, Result, STACK_TAG, Spec, Tags};

/// What a `list` shall return: all of one stack and environment, plus what has a wanted name without our marks.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Physical names start with this unless the user set one: `<stack>-<environment>-`.
    pub prefix: String,
    /// Physical names that the definition gives to resources of this type, or what it has instead, see
    /// [`crate::core::Resource::WANTED`].
    pub lookup: BTreeSet<String>,
    /// Names of settings that the definition has, by address; see [`crate::core::Resource::ASKED`].
    pub read_by_name: BTreeMap<String, BTreeSet<String>>,
    /// Pointers to the fields with the fact `own_read` that are worth their reads, by address: those that the definition or the record has.
    /// `None`: read them all.
    pub own_reads: Option<BTreeMap<String, Vec<String>>>,
    /// Ids of live parents, see [`crate::core::Resource::PARENT`].
    pub parent_ids: Vec<String>,
    /// ARN → tags of all that carries the stack's marks, from the tagging API; `None` when that could not be asked.
    pub tag_index: Option<BTreeMap<String, Tags>>,
    /// Tags that a create call carried, by physical id: no need to ask for them.
    pub tags_on_create: BTreeMap<String, Tags>,
    /// Ask the services for tags even where the index has them: it lags behind changes.
    pub bypass_tag_index: bool,
    /// Physical id of the one resource that is looked for, whoever's it is. A list may return others besides.
    pub adopt: Option<String>,
    /// Physical ids of the resources that are waited for; `None`: all of the stack's. A list may return others besides, but reads the
    /// details of these only.
    pub ids: Option<BTreeSet<String>>,
}

impl Scope {
    /// Whether reading this one's details is worth calls: it is waited for, or where all are read, [`Scope::may_own`] it.
    pub fn covers(&self, name: &str, arn: &str) -> bool {
        match (&self.adopt, &self.ids) {
            (Some(id), _) => id_matches(id, name, arn),
            (None, Some(ids)) => ids.iter().any(|id| id_matches(id, name, arn)),
            (None, None) => self.may_own(name, arn),
        }
    }
    /// Whether the stack may own this one: its name is wanted, has our prefix, or the index knows its ARN.
    pub fn may_own(&self, name: &str, arn: &str) -> bool {
        self.lookup.contains(name) || name.starts_with(&self.prefix) || self.tag_index.as_ref().is_some_and(|index| index.contains_key(arn))
    }
    /// Its tags as they were sent or as the index has them, which saves a call per resource. `None`: ask the service.
    pub fn tags(&self, arn: &str) -> Option<Tags> {
        let name = || arn.rsplit([':', '/']).next().and_then(|name| self.tags_on_create.get(name));
        let indexed = || self.tag_index.as_ref().filter(|_| !self.bypass_tag_index).and_then(|index| index.get(arn));
        self.tags_on_create.get(arn).or_else(name).or_else(indexed).cloned()
    }
    /// Its tags as [`Scope::tags`] knows them, else as the service answers. `None`: it is gone.
    ///
    /// # Errors
    /// What the service answers.
    pub async fn tags_or_fetch(&self, arn: &str, ask: impl Future<Output = Result<Option<Tags>>>) -> Result<Option<Tags>> {
        match self.tags(arn) {
            Some(tags) => Ok(Some(tags)),
            None => ask.await,
        }
    }
    /// The settings to ask for by their names, of the resource with these tags.
    pub fn read_by_name(&self, tags: &Tags) -> impl Iterator<Item = &String> {
        tags.get(ADDRESS_TAG).and_then(|address| self.read_by_name.get(address)).into_iter().flatten()
    }
    /// Which fields with the fact `own_read` to read of the resource with these tags; the others stand at their default.
    pub fn own_reads_to_make<S: Spec>(&self, tags: &Tags) -> S::Changes {
        let all = || S::FIELDS.iter().filter(|field| field.own_read).map(|field| field.pointer.to_owned()).collect::<Vec<_>>();
        match &self.own_reads {
            Some(wanted) if self.adopt.is_none() => {
                let wanted = tags.get(ADDRESS_TAG).and_then(|address| wanted.get(address));
                S::changes(wanted.map(Vec::as_slice).unwrap_or_default())
            }
            _ => S::changes(&all()),
        }
    }
    /// Whether these tags carry this stack's marks. Whoever's it is, what is looked for is welcome.
    pub fn owns(&self, tags: &Tags) -> bool {
        self.adopt.is_some() || (tags.get(STACK_TAG) == Some(&self.stack) && tags.get(ENVIRONMENT_TAG) == Some(&self.environment))
    }
    /// IAM path of the stack: `/acme/<stack>/<environment>/`.
    pub fn iam_path(&self) -> String {
        format!("/acme/{}/{}/", self.stack, self.environment)
    }
}

/// Whether an id means the resource of this name and ARN; ids may hold the parent's name before it.
fn id_matches(id: &str, name: &str, arn: &str) -> bool {
    id == name || id == arn || has_last_parts(arn, id) || has_last_parts(id, name)
}

/// Whether the last parts of a name or ARN are these.
fn has_last_parts(whole: &str, end: &str) -> bool {
    !end.is_empty() && whole.strip_suffix(end).is_some_and(|rest| rest.ends_with(['/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_only_the_given_ids() {
        let all = Scope { prefix: "shop-test-".into(), lookup: ["users".to_owned()].into(), ..Scope::default() };
        assert!(all.covers("users", "") && all.covers("shop-test-orders", "") && !all.covers("other", ""));
        let some = Scope { ids: Some(["main/orders".to_owned(), "arn:aws:x:::thing/users".to_owned()].into()), ..all };
        assert!(some.covers("orders", "") && some.covers("", "arn:aws:x:::thing/users"));
        assert!(!some.covers("other", "") && !some.covers("shop-test-orders", ""));
        assert!(some.may_own("users", "") && some.may_own("shop-test-orders", ""));
    }
}
