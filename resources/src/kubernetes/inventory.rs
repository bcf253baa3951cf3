//! The kinds of objects that a stack has in a cluster.
//!
//! Kubernetes lists objects by kind only. So that no kind is forgotten once the definition lacks it, a ConfigMap names the kinds of the
//! stack's objects, and the path of each custom one, which saves a call per kind: like the parent of an ApplySet of kubectl,
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#alternative-kubectl-apply-f-directory-prune>.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use kube::api::DynamicObject;
use serde_json::json;

use super::{
    Cluster, applied,
    kinds::{Kind, KindName},
};
use crate::core::{ENVIRONMENT_TAG, ErrorKind, Result, STACK_TAG, Tags, ok_or_not_found};

/// Namespace of the ConfigMaps.
const NAMESPACE: &str = "kube-system";
/// Label with the stack's name.
pub(super) const STACK_LABEL: &str = "acme/stack";
/// Label with the environment's name.
pub(super) const ENVIRONMENT_LABEL: &str = "acme/environment";

/// The labels by which acme finds objects.
pub(super) const LABELS: [&str; 2] = [STACK_LABEL, ENVIRONMENT_LABEL];

/// The inventory of a stack and environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inventory {
    stack: String,
    environment: String,
}

impl Inventory {
    /// Of this stack and environment.
    pub(super) fn new(stack: &str, environment: &str) -> Inventory {
        Inventory { stack: stack.to_owned(), environment: environment.to_owned() }
    }
    /// Of the stack in these ownership tags.
    pub(super) fn of_owner(tags: &Tags) -> Option<Inventory> {
        Some(Inventory::new(tags.get(STACK_TAG)?, tags.get(ENVIRONMENT_TAG)?))
    }
    /// Labels of the stack's objects.
    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        [(STACK_LABEL, &self.stack), (ENVIRONMENT_LABEL, &self.environment)]
    }
    /// Selects the stack's objects.
    pub(super) fn selector(&self) -> String {
        format!("{STACK_LABEL}={},{ENVIRONMENT_LABEL}={}", self.stack, self.environment)
    }
    fn name(&self) -> String {
        format!("acme-{}-{}", self.stack, self.environment)
    }
}

fn config_map() -> Option<Kind> {
    Kind::built_in(&KindName::of("v1", "ConfigMap")?)
}

/// Kind as a key of a ConfigMap, of which slashes can't be part: `apps_v1_Deployment`.
fn key(kind: &KindName) -> String {
    kind.to_string().replace('/', "_")
}

fn parse_key(key: &str) -> Option<KindName> {
    let (api_version, kind) = key.rsplit_once('_')?;
    KindName::of(&api_version.replace('_', "/"), kind)
}

/// The kinds in the inventory of a stack, each with its path, see [`Kind::path`]; without a path for kinds of Kubernetes itself.
fn entries(inventory: &DynamicObject) -> BTreeMap<KindName, &str> {
    let data = inventory.data.get("data").and_then(|data| data.as_object());
    data.into_iter().flatten().filter_map(|(key, path)| Some((parse_key(key)?, path.as_str().unwrap_or_default()))).collect()
}

/// The kinds in the inventory of a stack.
pub(super) fn kinds_of(inventory: &DynamicObject) -> BTreeSet<KindName> {
    entries(inventory).into_keys().collect()
}

impl Cluster {
    /// Returns the kinds of the stack's objects, and remembers their paths.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn inventory(&self, inventory: &Inventory) -> Result<BTreeSet<KindName>> {
        let Some(kind) = config_map() else { return Ok(BTreeSet::new()) };
        let found = self.get(&kind, Some(NAMESPACE), &inventory.name()).await?;
        let entries = found.as_ref().map(entries).unwrap_or_default();
        entries.iter().for_each(|(name, path)| self.remember_kind(name, path));
        let kinds: BTreeSet<KindName> = entries.into_keys().collect();
        let mut known = self.inventories.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(kinds.iter().map(|kind| (inventory.clone(), kind.clone())));
        Ok(kinds)
    }

    /// Adds a kind before the first object of it is created.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn add_to_inventory(&self, inventory: &Inventory, added: &KindName) -> Result<()> {
        let entry = (inventory.clone(), added.clone());
        if self.inventories.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry) {
            return Ok(());
        }
        let Some(kind) = config_map() else { return Ok(()) };
        let name = inventory.name();
        let labels: serde_json::Map<_, _> = inventory.labels().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let path = if Kind::built_in(added).is_some() { String::new() } else { self.kind(added).await?.path() };
        let patch = json!({ "data": { key(added): path } });
        // A merge patch keeps the keys that other calls add at the same time; so does the second attempt, if another call created the object.
        loop {
            match self.merge(&kind, Some(NAMESPACE), &name, &patch).await {
                Err(error) if error.is_not_found() => {}
                merged => break merged.map(drop)?,
            };
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
                "data": patch["data"],
            });
            match self.create(&kind, Some(NAMESPACE), &object).await {
                Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                created => break created.map(drop)?,
            }
        }
        self.inventories.lock().unwrap_or_else(PoisonError::into_inner).insert(entry);
        Ok(())
    }

    /// Removes a kind after the deletion of an object, if it was the last one of its kind, and the inventory with the last kind. One that
    /// waits for a finalizer counts as deleted: the record has its id. One that was applied in another version of the kind does not count.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn remove_from_inventory(&self, inventory: &Inventory, removed: &KindName) -> Result<()> {
        let Some(config_map) = config_map() else { return Ok(()) };
        let objects = self.list_kind(removed, &inventory.selector()).await?.unwrap_or_default();
        let is_inventory =
            |object: &DynamicObject| removed.is("", "ConfigMap") && object.metadata.name.as_deref() == Some(&inventory.name());
        let is_staying = |object: &&DynamicObject| object.metadata.deletion_timestamp.is_none() && !is_inventory(object);
        let staying: Vec<&DynamicObject> = objects.iter().filter(is_staying).collect();
        let is_of_version = |object: &&DynamicObject| applied::api_version(object).is_none_or(|version| version == removed.api_version());
        if staying.iter().any(is_of_version) {
            return Ok(());
        }
        let mut gone = BTreeSet::from([removed.clone()]);
        let left = loop {
            let is_gone = |(other, kind): &(Inventory, KindName)| other == inventory && gone.contains(kind);
            self.inventories.lock().unwrap_or_else(PoisonError::into_inner).retain(|entry| !is_gone(entry));
            let keys: BTreeMap<String, Option<&str>> = gone.iter().map(|kind| (key(kind), None)).collect();
            let patch = json!({ "data": keys });
            let merged = self.merge(&config_map, Some(NAMESPACE), &inventory.name(), &patch).await;
            let Some(left) = ok_or_not_found(merged)? else { return Ok(()) };
            // A run that was stopped may have left an entry for another version of the kind.
            gone = kinds_of(&left).into_iter().filter(|kind| staying.is_empty() && kind.is(&removed.group, &removed.kind)).collect();
            if gone.is_empty() {
                break left;
            }
        };
        let is_empty = left.data.get("data").and_then(|data| data.as_object()).is_none_or(|data| data.is_empty());
        if is_empty {
            // Another call may have added a kind since.
            match self.delete(&config_map, Some(NAMESPACE), &inventory.name(), Some(&left)).await {
                Err(error) if !matches!(error.kind, ErrorKind::NotFound | ErrorKind::Conflict) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_for_kinds() {
        for (api_version, name) in [("v1", "Namespace"), ("apps/v1", "Deployment"), ("karpenter.sh/v1", "NodePool")] {
            let kind = KindName::of(api_version, name).expect("a kind");
            let key = key(&kind);
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{key}");
            assert_eq!(parse_key(&key), Some(kind));
        }
    }
}
