//! A case for each optional field: a resource that has it, and the same one without it.

use super::*;
use crate::{definition::DesiredResource, engine::discover::address_of};

/// Texts of which one fits every field with a pattern.
const TEXTS: [&str; 27] = [
    "02:00-03:00",
    "sun:04:00-sun:05:00",
    "1.34",
    "10.100.0.0/16",
    "N1PA6795SAMPLE",
    "db.t4g.medium",
    "shop_reports",
    "192.0.2.10",
    "10.1.0.10",
    "2001:db8::10",
    "eu-west-1",
    "example",
    "arn:aws:iam::123456789012:policy/limit",
    "lt-0123456789abcdef0",
    "1",
    "text/css",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "HTTP2Only",
    "HTTP2",
    "least_outstanding_requests",
    "ipv6",
    "/health",
    "8080",
    "201",
    "0123456789012345678901234567890123456789",
    "PRIMARY",
    "A note",
];

/// Pointers to the fields with the fact in the schema of a type, at any depth without lists and maps, each with its schema.
pub(super) fn optional_fields(kind: &ResourceType) -> Vec<(String, Value)> {
    fn collect(root: &Value, schema: &Value, at: &str, depth: usize, found: &mut Vec<(String, Value)>) {
        if depth > 6 {
            return;
        }
        let target = resolve_ref(root, schema);
        let choices = ["anyOf", "oneOf"].iter().filter_map(|key| target.get(key)?.as_array()).flatten();
        for choice in choices {
            collect(root, choice, at, depth + 1, found);
        }
        for (key, field) in target.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/{key}");
            if crate::core::dropped::has_fact(field) && !found.iter().any(|(known, _)| *known == at) {
                found.push((at.clone(), field.clone()));
            }
            collect(root, field, &at, depth + 1, found);
        }
    }
    let mut found = Vec::new();
    collect(kind.schema(), kind.schema(), "", 0, &mut found);
    found
}

/// Values that a schema may accept.
fn samples(root: &Value, schema: &Value, live_state: &LiveState, depth: usize) -> Vec<Value> {
    if depth > 5 {
        return Vec::new();
    }
    if let Some(kind) = schema.get("x-acme-ref").and_then(Value::as_str) {
        let output = if schema.to_string().contains("\"arn\":{") { "arn" } else { "id" };
        let live = live_state.live.get(kind).into_iter().flatten();
        return live.filter_map(|live| Some(json!({ output: live.output(output)? }))).collect();
    }
    let target = resolve_ref(root, schema);
    let mut found: Vec<Value> = target.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    found.extend(target.get("const").cloned());
    let choices = ["anyOf", "oneOf"].iter().filter_map(|key| target.get(key)?.as_array()).flatten();
    for choice in choices.filter(|choice| choice["type"] != "null") {
        found.extend(samples(root, choice, live_state, depth + 1));
    }
    let is = |name: &str| target["type"] == name || target["type"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    if is("boolean") {
        found.extend([json!(true), json!(false)]);
    }
    if is("integer") {
        let numbers = [7, 2, 31, 10, 120, 500, 3000, 5433].map(|number| json!(number));
        found.extend(numbers);
    }
    if is("string") && found.is_empty() {
        found.extend(TEXTS.map(Value::from));
    }
    if let Some(items) = target.get("items").filter(|_| is("array")) {
        found.extend(samples(root, items, live_state, depth + 1).into_iter().map(|item| json!([item])));
    }
    if let Some(fields) = target.get("properties").and_then(Value::as_object) {
        let required: Vec<&str> = target["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let named = fields.iter().filter(|(name, field)| required.contains(&name.as_str()) || field.get("x-acme-names").is_some());
        let value = |(name, field): (&String, &Value)| Some((name.clone(), samples(root, field, live_state, depth + 1).first()?.clone()));
        found.extend(named.map(value).collect::<Option<Map<_, _>>>().map(Value::Object));
    }
    if found.is_empty() && target.get("type").is_none() {
        found.push(json!({ "a": 1 }));
    }
    found
}

/// A case: a stack without the field, and what exists with it.
pub(super) struct Case {
    pub stack: Stack,
    pub live_state: LiveState,
    pub address: Address,
    pub value: Value,
}

/// The part of a stack that a change of a resource can affect, and its resources; `spec` may refer to others than the definition does.
fn around(stack: &Stack, live_state: &LiveState, declared: &DesiredResource, spec: &Value) -> (Stack, LiveState) {
    let references = declared.resource_type.references(spec);
    let is_named = |live: &LiveResource| references.iter().any(|one| live.id == one.value || live.arn() == Some(&one.value));
    let named = live_state.iter().filter(|live| is_named(live)).filter_map(address_of);
    let kept = surroundings(stack, named.chain([declared.address.clone()]).collect::<Vec<_>>());
    let (mut stack, mut live_state) = (stack.clone(), live_state.clone());
    stack.resources.retain(|address, _| kept.contains(address));
    for live in live_state.live.values_mut() {
        live.retain(|live| address_of(live).is_none_or(|address| kept.contains(&address)));
    }
    (stack, live_state)
}

/// The case of a field; `None` if no resource and no value of the schema makes one.
pub(super) fn case_of(kind: &ResourceType, pointer: &str, field: &Value, stack: &Stack, live_state: &LiveState) -> Option<Case> {
    let of_type = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    let with = |spec: &Value, value: &Value| {
        let mut spec = spec.clone();
        *spec.pointer_mut(pointer)? = value.clone();
        let spec = kind.operations.parse(&spec).ok().filter(|spec| kind.check(spec).is_empty())?;
        spec.pointer(pointer).is_some_and(|value| !value.is_null()).then_some(spec)
    };
    for declared in of_type {
        let live = live_at(live_state, &declared.address);
        let mut bare = declared.spec.clone();
        let Some(place) = bare.pointer_mut(pointer) else { continue };
        *place = Value::Null;
        let Ok(bare) = kind.operations.parse(&bare) else { continue };
        if !kind.check(&bare).is_empty() || bare.pointer(pointer) != Some(&Value::Null) {
            continue;
        }
        let default = match kind.dropped(&bare, pointer) {
            Some(Dropped::Value(value)) => value,
            _ => Value::Null,
        };
        let samples = samples(kind.schema(), field, live_state, 0);
        let declared_value = live.spec.pointer(pointer).filter(|value| !value.is_null()).cloned();
        for value in declared_value.into_iter().chain(samples) {
            if value == default || with(&bare, &value).is_none() {
                continue;
            }
            let Some(spec) = with(&live.spec, &value) else { continue };
            let (mut stack, mut live_state) = around(stack, live_state, declared, &spec);
            if let Some(declared) = stack.resources.get_mut(&declared.address) {
                declared.spec = bare.clone();
            }
            let found = live_state.live.get_mut(kind.name).into_iter().flatten().find(|other| other.id == live.id);
            let value = spec.pointer(pointer).cloned()?;
            found?.spec = spec.into();
            return Some(Case { stack, live_state, address: declared.address.clone(), value });
        }
    }
    None
}
