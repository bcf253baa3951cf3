//! Resources that lists by ownership tags don't show: recorded ones whose tags were removed, and others with a desired unique key.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;

use super::{LiveState, address_of, find_by_id, is_deleted_with_parent, scope};
use crate::{
    aws::types,
    core::{Address, LiveResource, Phase, ResourceType, Result, Scope, expression},
    definition::{DesiredResource, Stack},
    engine::{
        cloud::Cloud,
        plan::{TakenKeys, resolve_spec},
    },
};

/// A resource that a record or a journal names.
#[derive(Clone)]
pub struct RecordedResource {
    /// Its address.
    pub address: Address,
    /// Its type.
    pub resource_type: &'static ResourceType,
    /// Region, if it is not the stack's.
    pub region: Option<String>,
    /// Physical id.
    pub id: String,
}

impl RecordedResource {
    fn is(&self, live: &LiveResource) -> bool {
        live.type_name == self.resource_type.name && live.id == self.id && live.region == self.region
    }
}

/// Looks up recorded resources that no list showed, by id. One that no longer has the stack's ownership tags is added to
/// [`LiveState::lost`]; one that has them, and was hidden because its parent lost its own, to [`LiveState::live`].
///
/// # Errors
/// Fails if the type of a declared resource can't be read; others are warnings.
pub async fn find_recorded(cloud: &Cloud, stack: &Stack, recorded: &[RecordedResource], live_state: &mut LiveState) -> Result<()> {
    let is_shown = |one: &RecordedResource, live_state: &LiveState| {
        live_state.iter().chain(&live_state.elsewhere).any(|live| one.is(live) && (stack.owns(&live.tags) || live.phase == Phase::Deleting))
    };
    // Children are looked up within their parents, which may have lost their tags, too.
    for nested in [false, true] {
        let missing = recorded.iter().filter(|one| one.resource_type.parent.is_some() == nested);
        let missing: Vec<&RecordedResource> = missing.filter(|one| !is_shown(one, live_state)).collect();
        let state = &*live_state;
        let lookups = missing
            .into_iter()
            .map(|one| async move { (one, find_by_id(cloud, stack, one.resource_type, (one.region.as_deref(), &one.id), state).await) });
        for (one, found) in join_all(lookups).await {
            let live = match found {
                Ok(Some(live)) if live.phase != Phase::Deleting => live,
                Ok(_) => continue,
                // Its parent is about to be deleted, and a warning names its type.
                Err(error) if is_deleted_with_parent(one.resource_type, &error, live_state) => continue,
                Err(error) if stack.resources.contains_key(&one.address) => return Err(error),
                Err(error) => {
                    live_state.warnings.push(format!("Can't find out whether `{}` ({}) still exists: {error}.", one.address, one.id));
                    continue;
                }
            };
            let of_type = live_state.live.entry(one.resource_type.name).or_default();
            of_type.retain(|other| !one.is(other));
            match stack.owns(&live.tags) {
                true => of_type.push(live),
                false => drop(live_state.lost.insert(one.address.clone(), live)),
            }
        }
    }
    Ok(())
}

/// Adds resources of others that have a unique key of a declared resource that does not exist, within resources that do: a security group of
/// the same name in the VPC, a listener with the same port of the load balancer. Types with physical names list such resources themselves.
/// Without permission to read them, the plan has a warning.
pub async fn find_taken_keys(cloud: &Cloud, stack: &Stack, live_state: &mut LiveState) {
    let state = &*live_state;
    let mut known = owned_resources(stack, state);
    known.extend(state.lost.iter().map(|(address, live)| (address.clone(), live)));
    let known = &known;
    let mut missing: BTreeMap<(&str, Option<String>), Vec<&DesiredResource>> = BTreeMap::new();
    for declared in stack.resources.values().filter(|declared| !known.contains_key(&declared.address)) {
        if has_keys_within_others(declared.resource_type) && refers_to_known(declared, known) {
            missing.entry((declared.resource_type.name, declared.region.clone())).or_default().push(declared);
        }
    }
    let lists = missing.into_values().map(|declared| async move {
        let (kind, region) = (declared[0].resource_type, declared[0].region.as_deref());
        let scope = Scope { any_owner: true, bypass_tag_index: true, tag_index: None, ..scope(stack, kind, region, state) };
        if kind.parent.is_some() && scope.parent_ids.is_empty() {
            return Ok(Vec::new());
        }
        let found =
            cloud.list(kind, &scope).await.map_err(|error| format!("Can't see other resources of the type `{}`: {error}.", kind.name))?;
        let is_other = |live: &LiveResource| live.phase != Phase::Deleting && !stack.owns(&live.tags);
        let of_type = state.live.get(kind.name).into_iter().flatten().chain(state.lost.values());
        let known_ids: BTreeSet<(&str, Option<&str>)> =
            of_type.filter(|live| live.type_name == kind.name).map(|live| (live.id.as_str(), live.region.as_deref())).collect();
        let is_known = |live: &LiveResource| known_ids.contains(&(live.id.as_str(), live.region.as_deref()));
        let specs: Vec<Value> = declared.iter().map(|declared| resolve_spec(declared, known)).collect();
        let taken = TakenKeys::of(kind, &specs);
        let takes_key = |live: &LiveResource| taken.taken_by(&live.spec).is_some();
        Ok::<_, String>(found.into_iter().filter(|live| is_other(live) && !is_known(live) && takes_key(live)).collect::<Vec<_>>())
    });
    for found in join_all(lists).await {
        match found {
            Err(warning) => live_state.warnings.push(warning),
            Ok(found) => {
                for live in found {
                    if let Some(kind) = types::resource_type(&live.type_name) {
                        live_state.live.entry(kind.name).or_default().push(live);
                    }
                }
            }
        }
    }
}

/// Whether the type has a unique key with a reference, and no list shows others' resources with that key.
fn has_keys_within_others(kind: &ResourceType) -> bool {
    let shows_named = kind.lookup.is_some() || kind.naming.is_some() && kind.parent.is_some();
    let within = kind.unique_keys.iter().any(|key| key.len() > 1 || kind.naming.is_none());
    within && !shows_named && kind.identity.is_empty()
}

/// Whether a resource refers to one that exists, in or outside the stack.
fn refers_to_known(declared: &DesiredResource, known: &BTreeMap<Address, &LiveResource>) -> bool {
    let mut references = declared.resource_type.references(&declared.spec).into_iter();
    declared.depends_on.iter().any(|dependency| known.contains_key(dependency))
        || references.any(|reference| expression::references(&reference.value).is_empty())
}

fn owned_resources<'a>(stack: &Stack, live_state: &'a LiveState) -> BTreeMap<Address, &'a LiveResource> {
    let owned = live_state.iter().chain(&live_state.elsewhere).filter(|live| stack.owns(&live.tags));
    owned.filter_map(|live| Some((address_of(live)?, live))).collect()
}
