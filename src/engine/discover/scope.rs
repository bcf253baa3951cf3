//! Scopes of lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::LiveState;
use crate::{
    aws::types,
    core::{ADDRESS_TAG, ResourceType, Scope, Shared, Tags, expression, iam_path},
    definition::{DesiredResource, Stack},
};

/// Scope of a `list` of this type in a region; `None` is the stack's.
pub fn scope(stack: &Stack, kind: &ResourceType, region: Option<&str>, live_state: &LiveState) -> Scope {
    let of_kind = || declared_in(stack, kind, region);
    // A resource that moves to another region keeps its name, and the index of the old region lags.
    let may_move =
        kind.has_names_by_region() && region.is_some_and(|region| live_state.hints.other_regions.contains(&(kind.name, region.to_owned())));
    let named = || stack.resources.values().filter(|d| d.resource_type.name == kind.name && (may_move || d.region.as_deref() == region));
    let mut parents = BTreeSet::new();
    if let Some(parent) = kind.parent {
        let lost = live_state.lost.values().filter(|live| live.type_name == parent);
        let here = live_state.live.get(parent).into_iter().flatten().chain(lost).filter(|live| live.region.as_deref() == region);
        parents.extend(here.map(|live| live.id.clone()));
        let field = parent_field(kind, parent);
        parents.extend(of_kind().filter_map(|declared| literal_parent(&declared.spec, parent, field.as_deref())));
    }
    Scope {
        stack: stack.name.to_string(),
        environment: stack.environment.to_string(),
        region: region.map(str::to_owned),
        prefix: stack.prefix(),
        lookup: {
            let indexed = addresses_of_kept_names(kind, live_state.index_of(region));
            let wanted = named().filter(|d| !d.has_generated_name || !indexed.contains(d.address.to_string().as_str()));
            let wanted = wanted.filter_map(|d| kind.lookup_name(&d.spec).map(str::to_owned));
            wanted.chain(live_state.hints.names.of_type(kind.name).cloned()).collect()
        },
        read_by_name: match kind.read_by_name {
            Some(field) => of_kind().map(|d| (d.address.to_string(), object_keys(d.spec.pointer(field)))).collect(),
            None => BTreeMap::new(),
        },
        own_reads: own_reads(stack, kind, live_state),
        parent_ids: parents.into_iter().collect(),
        // The index lags: it may not show a resource created just before a crash.
        tag_index: live_state
            .index_of(region)
            .cloned()
            .filter(|_| !live_state.hints.started_creates.iter().any(|address| address.type_name == kind.name)),
        declared_in_index: live_state.index_of(region).is_some_and(|index| is_declared_in_index(stack, kind, region, index)),
        tags_on_create: BTreeMap::new(),
        bypass_tag_index: false,
        shallow: live_state.hints.shallow,
        ignored_tags: stack.ignored_tags.clone(),
        any_owner: false,
        outside_path: outside_path(stack, kind, live_state),
        search_outside_path: kind.has_path() && live_state.hints.own_reads.is_none() && may_exist(live_state),
        adopt: None,
        ids: None,
    }
}

/// Addresses in the index of a type with names that are unique among all accounts: resources that have a name keep it, so the generated one is
/// not looked up.
fn addresses_of_kept_names<'a>(kind: &ResourceType, index: Option<&'a Shared<BTreeMap<String, Tags>>>) -> BTreeSet<&'a str> {
    if !kind.naming.is_some_and(|naming| naming.global) {
        return BTreeSet::new();
    }
    let of_kind = index.into_iter().flat_map(|index| index.iter()).filter(|(arn, _)| kind.matches_arn(arn));
    of_kind.filter_map(|(_, tags)| tags.get(ADDRESS_TAG).map(String::as_str)).collect()
}

/// Whether the stack may have resources: the index, which lacks roles, has some, or is not available.
fn may_exist(live_state: &LiveState) -> bool {
    live_state.index_of(None).is_none_or(|index| !index.is_empty())
}

/// Ids of live resources of the stack outside its IAM path, if the type has paths: adopted ones.
fn outside_path(stack: &Stack, kind: &ResourceType, live_state: &LiveState) -> BTreeSet<String> {
    if !kind.has_path() {
        return BTreeSet::new();
    }
    let path = iam_path(&stack.name, &stack.environment);
    let live = live_state.live.get(kind.name).into_iter().flatten();
    live.filter(|live| live.arn().is_some_and(|arn| !arn.contains(&path))).map(|live| live.id.clone()).collect()
}

/// Declared resources of this type in a region.
fn declared_in<'a>(stack: &'a Stack, kind: &ResourceType, region: Option<&str>) -> impl Iterator<Item = &'a DesiredResource> {
    stack.resources.values().filter(move |declared| declared.resource_type.name == kind.name && declared.region.as_deref() == region)
}

/// Whether the index names every resource of this type that the definition has in a region.
fn is_declared_in_index(stack: &Stack, kind: &ResourceType, region: Option<&str>, index: &BTreeMap<String, Tags>) -> bool {
    if kind.always_listed {
        return false;
    }
    let of_kind = index.iter().filter(|(arn, _)| kind.matches_arn(arn));
    let named: BTreeSet<&str> = of_kind.filter_map(|(_, tags)| tags.get(ADDRESS_TAG).map(String::as_str)).collect();
    let mut declared = declared_in(stack, kind, region);
    declared.all(|declared| named.contains(declared.address.to_string().as_str()))
}

/// Fields with the fact `own_read` that the definition or the record has, by address; see [`Scope::own_reads`].
fn own_reads(stack: &Stack, kind: &ResourceType, live_state: &LiveState) -> Option<BTreeMap<String, Vec<String>>> {
    if live_state.hints.shallow {
        return Some(BTreeMap::new());
    }
    let recorded = live_state.hints.own_reads.as_ref()?;
    if kind.own_read.is_empty() {
        return None;
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let of_kind = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    for declared in of_kind {
        all.entry(declared.address.to_string()).or_default().extend(kind.own_reads(&declared.spec));
    }
    for (address, pointers) in recorded.iter().filter(|(address, _)| address.type_name == kind.name) {
        all.entry(address.to_string()).or_default().extend(pointers.iter().cloned());
    }
    Some(all)
}

fn object_keys(settings: Option<&Value>) -> BTreeSet<String> {
    settings.and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// Field of a type that refers to its parent, if any.
fn parent_field(kind: &ResourceType, parent: &str) -> Option<String> {
    let schema = kind.schema();
    let reference = format!("\"x-acme-ref\":\"{parent}\"");
    let mut properties = schema.get("properties")?.as_object()?.iter();
    properties.find(|(_, schema)| schema.to_string().contains(&reference)).map(|(field, _)| field.clone())
}

/// Parent outside the stack, set by its literal id (`zone: {id: Z123}`) or by its ARN as text.
fn literal_parent(spec: &Value, parent: &str, field: Option<&str>) -> Option<String> {
    if let Some(field) = field {
        let id = spec.get(field)?.as_object()?.values().next()?.as_str()?;
        return expression::references(id).is_empty().then(|| id.to_owned());
    }
    let parent = types::resource_type(parent)?;
    spec.as_object()?.values().filter_map(Value::as_str).find(|text| parent.matches_arn(text)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{LoadOptions, Source, load};

    #[test]
    fn lists_parents_outside_the_stack() {
        let text = "
stack: shop
dns: { records: { www: { domain: www.example.org, zone: { id: Z123 }, type: A, values: [192.0.2.1] } } }
firewall: { web: {} }
resources:
  waf_association:
    web: { web_acl: web, resource: 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123' }
";
        let source = Source::new("stack.yaml", text);
        let stack = load(&source, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let parents = |kind| scope(&stack, types::resource_type(kind).expect("a type"), None, &LiveState::default()).parent_ids;
        assert_eq!(parents("dns_record"), ["Z123"]);
        assert_eq!(parents("waf_association"), ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123"]);
    }
}
