//! Converts a live resource to a short definition with exactly the same meaning.

mod expressions;

use serde_json::{Map, Value, json};

use self::expressions::Named;
use crate::{
    core::{Address, LiveResource, ResourceType, Tags, expression::resolve},
    definition::{Location, Stack, default_name},
    engine::discover::{LiveState, address_of, visible_tags, without_ownership_tags},
};

/// Returns the entry under `resources:` for a live resource, without fields at their default, and with references to the stack's resources.
/// `location` is the stack's.
pub fn generate_config(
    stack: &Stack,
    location: &Location,
    live_state: &LiveState,
    kind: &ResourceType,
    address: &Address,
    live: &LiveResource,
) -> Value {
    let ours = |live: &&LiveResource| stack.owns(&live.tags);
    let known: Vec<(Address, &LiveResource)> = live_state.iter().filter(ours).filter_map(|live| Some((address_of(live)?, live))).collect();
    let parse_and_resolve = |written: &Value| {
        let parsed = kind.operations.parse(written).ok()?;
        let resolved = resolve(&parsed, &|reference| {
            let (_, live) = known.iter().find(|(address, _)| address.type_name == reference.type_name && address.name == reference.name)?;
            live.output(reference.output)
        });
        kind.operations.parse(&resolved).ok()
    };
    let mut spec = settable_fields(kind, &live.spec);
    // A spec that is still not valid is returned unchanged: validation reports the remedy.
    if let Some(meant) = parse_and_resolve(&spec) {
        let means_the_same = |written: &Value| parse_and_resolve(written).as_ref() == Some(&meant);
        remove_defaults(&mut spec, "", &means_the_same);
        use_references(&mut spec, "", &known, &means_the_same);
        Named::new(&known, live.region.as_deref()).insert_expressions(&mut spec, address, &means_the_same);
    }
    let mut fields = match spec {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let (account, region) = (location.account(), live.region.as_deref().unwrap_or(location.region()));
    let usual =
        kind.naming.map(|naming| default_name(&stack.prefix(), &address.name, naming, naming.suffix_for(&live.spec), account, region));
    if usual.is_some() && fields.get("name").and_then(Value::as_str) == usual.as_deref() {
        fields.remove("name");
    }
    let mut tags = without_ownership_tags(&visible_tags(&live.tags, &Tags::new()));
    let has_name_tag = kind.service.has_name_tag && kind.is_taggable() && !stack.ignored_tags.contains("Name");
    if has_name_tag && tags.get("Name") == Some(&format!("{}{}", stack.prefix(), address.name)) {
        tags.remove("Name");
    }
    let mut tags: Map<String, Value> = tags.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    if has_name_tag && !live.tags.contains_key("Name") {
        tags.insert("Name".into(), Value::Null);
    }
    if !tags.is_empty() {
        fields.insert("tags".into(), Value::Object(tags));
    }
    if let Some(region) = live.region.as_ref().filter(|_| !kind.has_fixed_region(&live.spec)) {
        fields.insert("region".into(), json!(region));
    }
    json!({ &address.type_name: { &address.name: fields } })
}

/// Returns the spec without values that AWS reports but a definition can't set.
fn settable_fields(kind: &ResourceType, live: &Value) -> Value {
    let mut spec = if kind.has_free_properties { without_nulls(live) } else { live.clone() };
    loop {
        let problems = kind.operations.parse(&spec).map_or_else(|problems| problems, |spec| kind.check(&spec));
        if problems.is_empty() {
            return spec;
        }
        let refused =
            problems.iter().map(|problem| problem.pointer.as_str()).find(|at| spec.pointer(at).is_some_and(|value| !value.is_null()));
        let place = refused.and_then(|at| at.rsplit_once('/')).map(|(parent, key)| (parent.to_owned(), key.to_owned()));
        let Some((parent, key)) = place else { return live.clone() };
        let fields = spec.pointer_mut(&parent).and_then(Value::as_object_mut);
        if fields.and_then(|fields| fields.remove(&key)).is_none() {
            return live.clone();
        }
    }
}

/// Returns the spec without properties that have no value.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// Removes every field that does not change the meaning.
fn remove_defaults(whole: &mut Value, at: &str, means_the_same: &impl Fn(&Value) -> bool) {
    for (key, below) in children(whole, at) {
        let taken = whole.pointer_mut(at).and_then(Value::as_object_mut).and_then(|fields| fields.remove(&key));
        if taken.is_some() && means_the_same(whole) {
            continue;
        }
        if let (Some(value), Some(fields)) = (taken, whole.pointer_mut(at).and_then(Value::as_object_mut)) {
            fields.insert(key, value);
        }
        remove_defaults(whole, &below, means_the_same);
    }
}

/// Replaces `{id: vpc-1}` with the name of the stack's resource that has this id.
fn use_references(whole: &mut Value, at: &str, known: &[(Address, &LiveResource)], means_the_same: &impl Fn(&Value) -> bool) {
    let literal = whole.pointer(at).and_then(Value::as_object).filter(|map| map.len() == 1).and_then(|map| {
        let (output, value) = map.iter().next()?;
        Some((output.clone(), value.as_str()?.to_owned()))
    });
    if let Some((output, text)) = literal {
        for (address, _) in known.iter().filter(|(_, live)| live.output(&output).as_ref().and_then(Value::as_str) == Some(&text)) {
            let mut named = whole.clone();
            if let Some(value) = named.pointer_mut(at) {
                *value = Value::String(address.name.clone());
            }
            if means_the_same(&named) {
                *whole = named;
                return;
            }
        }
    }
    for (_, below) in children(whole, at) {
        use_references(whole, &below, known, means_the_same);
    }
}

/// Keys and pointers directly below `at`.
fn children(whole: &Value, at: &str) -> Vec<(String, String)> {
    match whole.pointer(at) {
        Some(Value::Object(map)) => map.keys().map(|key| (key.clone(), crate::definition::child_pointer(at, key))).collect(),
        Some(Value::Array(list)) => (0..list.len()).map(|index| (index.to_string(), format!("{at}/{index}"))).collect(),
        _ => Vec::new(),
    }
}
