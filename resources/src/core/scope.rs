//! Scope of a `list`, and information available before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use super::{ADDRESS_TAG, ENVIRONMENT_TAG, IgnoredTags, Observed, Resource, Result, STACK_TAG, Shared, Spec, Tags, TypeInfo};

/// Scope of a `list`: all resources of one stack and environment, plus those with a desired name but without ownership tags.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region to read, if it is not the stack's.
    pub region: Option<String>,
    /// Prefix of physical names, unless the user set one: `<stack>-<environment>-`.
    pub prefix: String,
    /// Physical names of declared resources of this type, or the values used instead, see
    /// [`crate::core::ResourceType::lookup`].
    pub lookup: BTreeSet<String>,
    /// Names of declared settings, by address; see [`crate::core::ResourceType::read_by_name`].
    pub read_by_name: BTreeMap<String, BTreeSet<String>>,
    /// Pointers to the fields with the fact `own_read` to read, by address: those in the definition or the record. `None`: all.
    pub own_reads: Option<BTreeMap<String, Vec<String>>>,
    /// Ids of live parents, see [`crate::core::ResourceType::parent`].
    pub parent_ids: Vec<String>,
    /// ARN → tags of all resources with the stack's ownership tags, from the tagging API; `None` if it was not available.
    pub tag_index: Option<Shared<BTreeMap<String, Tags>>>,
    /// Tags in create calls, by physical id, which need no read.
    pub tags_on_create: BTreeMap<String, Tags>,
    /// Whether the index has every declared resource of this type, so that none can be missing from it.
    pub declared_in_index: bool,
    /// Whether to read tags from the services even if the index has them, because it lags behind changes.
    pub bypass_tag_index: bool,
    /// Whether the whole stack is about to be deleted. Ids, tags, deletion protection and references are enough then: fields that need further
    /// calls may have their defaults.
    pub shallow: bool,
    /// Tags that the engine removes from the results, see [`IgnoredTags`].
    pub ignored_tags: IgnoredTags,
    /// Whether to return the resources of others, too, as far as the scope's parents, names or ids don't exclude them.
    pub any_owner: bool,
    /// Physical ids of adopted resources outside the stack's IAM path, which lists by path don't show.
    pub outside_path: BTreeSet<String>,
    /// Whether the stack may have resources that no record names: adopted ones outside its IAM path are then looked for in the whole account.
    pub search_outside_path: bool,
    /// Physical id of a single resource to look up, in or outside the stack. A list may return others, too.
    pub adopt: Option<String>,
    /// Physical ids of the awaited resources; `None`: all of the stack's. A list may return others, too, but reads the details of
    /// these only.
    pub ids: Option<BTreeSet<String>>,
}

impl Scope {
    /// Whether to read this resource's details: it is awaited, or, if all are read, [`Scope::may_own`] it.
    pub fn covers(&self, name: &str, arn: &str) -> bool {
        match (&self.adopt, &self.ids) {
            (Some(id), _) => id_matches(id, name, arn),
            (None, Some(ids)) => ids.iter().any(|id| id_matches(id, name, arn)),
            (None, None) => self.may_own(name, arn),
        }
    }
    /// The index, if it has every resource of the stack and this type: listing the account is unnecessary then.
    pub fn complete_index(&self) -> Option<&BTreeMap<String, Tags>> {
        let whole = self.declared_in_index && !self.bypass_tag_index && !self.any_owner && self.adopt.is_none() && self.ids.is_none();
        self.tag_index.as_deref().filter(|_| whole)
    }
    /// Physical ids of the awaited resources, if no others are looked for.
    pub fn waited_for(&self) -> Option<&BTreeSet<String>> {
        self.ids.as_ref().filter(|_| self.adopt.is_none())
    }
    /// Whether the stack may own this resource: its name is desired, has the stack's prefix, or the index has its ARN.
    pub fn may_own(&self, name: &str, arn: &str) -> bool {
        self.lookup.contains(name) || name.starts_with(&self.prefix) || self.tag_index.as_ref().is_some_and(|index| index.contains_key(arn))
    }
    /// ARNs of a type in the index, by their last part: for lists that report names alone.
    pub fn indexed_arns(&self, kind: &TypeInfo) -> BTreeMap<&str, &str> {
        let arns = self.tag_index.iter().flat_map(|index| index.keys()).filter(|arn| kind.matches_arn(arn));
        arns.filter_map(|arn| Some((arn.rsplit([':', '/']).next()?, arn.as_str()))).collect()
    }
    /// Returns its tags from the create call or the index, which saves a call per resource. `None`: read them from the service.
    pub fn tags(&self, arn: &str) -> Option<Tags> {
        let name = || arn.rsplit([':', '/']).next().and_then(|name| self.tags_on_create.get(name));
        let indexed = || self.tag_index.as_ref().filter(|_| !self.bypass_tag_index).and_then(|index| index.get(arn));
        self.tags_on_create.get(arn).or_else(name).or_else(indexed).cloned()
    }
    /// Same, for a type whose ids may contain slashes or colons, so that the last part of an ARN could be the id of another resource.
    pub fn tags_by_id(&self, id: &str, arn: &str) -> Option<Tags> {
        let indexed = || self.tag_index.as_ref().filter(|_| !self.bypass_tag_index).and_then(|index| index.get(arn));
        self.tags_on_create.get(id).or_else(indexed).cloned()
    }
    /// Returns its tags from [`Scope::tags`], otherwise from the service. `None`: it no longer exists.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn tags_or_fetch(&self, arn: &str, ask: impl Future<Output = Result<Option<Tags>>>) -> Result<Option<Tags>> {
        match self.tags(arn) {
            Some(tags) => Ok(Some(tags)),
            None => ask.await,
        }
    }
    /// Returns the settings to read by name, for the resource with these tags.
    pub fn read_by_name(&self, tags: &Tags) -> impl Iterator<Item = &String> {
        tags.get(ADDRESS_TAG).and_then(|address| self.read_by_name.get(address)).into_iter().flatten()
    }
    /// Returns the fields with the fact `own_read` to read for the resource with these tags; the others keep their default.
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
    /// Ids of the resources to read that a list by the stack's IAM path may lack: the one to adopt, or the awaited ones outside the path.
    /// `None`: those of the desired names.
    pub fn ids_outside_path(&self) -> Option<Vec<&String>> {
        match (&self.adopt, &self.ids) {
            (Some(id), _) => Some(vec![id]),
            (None, Some(ids)) => Some(ids.intersection(&self.outside_path).collect()),
            (None, None) => None,
        }
    }
    /// Whether these tags contain the stack's ownership tags, or the scope includes the resources of others.
    pub fn owns(&self, tags: &Tags) -> bool {
        self.adopt.is_some()
            || self.any_owner
            || (tags.get(STACK_TAG) == Some(&self.stack) && tags.get(ENVIRONMENT_TAG) == Some(&self.environment))
    }
    /// Collects the resources that carry this stack's ownership tags.
    ///
    /// # Errors
    /// Returns the first resource's read error.
    pub fn collect_owned<R: Resource>(&self, read: impl Iterator<Item = Result<Observed<R>>>) -> Result<Vec<Observed<R>>> {
        read.filter(|one| one.as_ref().map_or(true, |one| self.owns(&one.tags))).collect()
    }
    /// IAM path of the stack: `/acme/<stack>/<environment>/`.
    pub fn iam_path(&self) -> String {
        super::iam_path(&self.stack, &self.environment)
    }
}

/// Whether an id belongs to the resource with this name and ARN; ids may start with the parent's name.
fn id_matches(id: &str, name: &str, arn: &str) -> bool {
    id == name || id == arn || has_last_parts(arn, id) || has_last_parts(id, name)
}

/// Whether a name or ARN ends with these parts.
fn has_last_parts(whole: &str, end: &str) -> bool {
    !end.is_empty() && whole.strip_suffix(end).is_some_and(|rest| rest.ends_with(['/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_index_only_for_a_whole_stack_with_fresh_tags() {
        let scope = Scope { tag_index: Some(Shared::default()), declared_in_index: true, ..Scope::default() };
        assert!(scope.complete_index().is_some());
        for other in [
            Scope { declared_in_index: false, ..scope.clone() },
            Scope { tag_index: None, ..scope.clone() },
            Scope { bypass_tag_index: true, ..scope.clone() },
            Scope { any_owner: true, ..scope.clone() },
            Scope { adopt: Some("id".into()), ..scope.clone() },
            Scope { ids: Some(BTreeSet::new()), ..scope.clone() },
        ] {
            assert!(other.complete_index().is_none(), "{other:?}");
        }
    }

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
