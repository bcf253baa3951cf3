//! An existing resource as a user would write it: short, and meaning exactly what is there.

use serde_json::{Map, Value, json};

use crate::{
    core::{Address, ENVIRONMENT, Live, ResourceType, STACK, Service, Tags, expression::resolve},
    definition::{Stack, draft::physical},
    engine::discover::{World, address_of, unmarked, visible_tags},
};

/// What stands under `resources:` for a live resource. Fields at their default are left out; what is the stack's is named.
pub fn adopted(stack: &Stack, world: &World, kind: &ResourceType, address: &Address, live: &Live) -> Value {
    let ours = |live: &&Live| live.tags.get(STACK) == Some(&stack.name) && live.tags.get(ENVIRONMENT) == Some(&stack.environment);
    let known: Vec<(Address, &Live)> = world.iter().filter(ours).filter_map(|live| Some((address_of(live)?, live))).collect();
    let meaning = |written: &Value| {
        let parsed = kind.operations.parse(written.clone()).ok()?;
        let resolved = resolve(&parsed, &|reference| {
            let (_, live) = known.iter().find(|(address, _)| address.kind == reference.kind && address.name == reference.name)?;
            live.output(reference.output)
        });
        kind.operations.parse(resolved).ok()
    };
    let mut spec = sayable(kind, &live.spec);
    // What still is not valid is shown as it is: validation tells what to do about it.
    if let Some(meant) = meaning(&spec) {
        let same = |written: &Value| meaning(written).as_ref() == Some(&meant);
        shorten(&mut spec, "", &same);
        name_references(&mut spec, "", &known, &same);
    }
    let mut fields = match spec {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let usual = kind.naming.map(|naming| physical(&stack.prefix(), &address.name, naming));
    if usual.is_some() && fields.get("name").and_then(Value::as_str) == usual.as_deref() {
        fields.remove("name");
    }
    let mut tags = unmarked(&visible_tags(&live.tags, &Tags::new()));
    if kind.service == Service::Ec2 && tags.get("Name") == Some(&format!("{}{}", stack.prefix(), address.name)) {
        tags.remove("Name");
    }
    if !tags.is_empty() {
        fields.insert("tags".into(), json!(tags));
    }
    json!({ &address.kind: { &address.name: fields } })
}

/// The spec without what AWS reports but a definition may not say: that is left to AWS.
fn sayable(kind: &ResourceType, live: &Value) -> Value {
    let mut spec = live.clone();
    loop {
        let problems = kind.operations.parse(spec.clone()).map_or_else(|problems| problems, |spec| kind.check(&spec));
        if problems.is_empty() {
            return spec;
        }
        let refused = problems.iter().map(|problem| problem.at.as_str()).find(|at| spec.pointer(at).is_some_and(|value| !value.is_null()));
        let place = refused.and_then(|at| at.rsplit_once('/')).map(|(parent, key)| (parent.to_owned(), key.to_owned()));
        let Some((parent, key)) = place else { return live.clone() };
        let fields = spec.pointer_mut(&parent).and_then(Value::as_object_mut);
        if fields.and_then(|fields| fields.remove(&key)).is_none() {
            return live.clone();
        }
    }
}

/// Takes out every field without which the whole means the same.
fn shorten(whole: &mut Value, at: &str, same: &impl Fn(&Value) -> bool) {
    for (key, below) in children(whole, at) {
        let taken = whole.pointer_mut(at).and_then(Value::as_object_mut).and_then(|fields| fields.remove(&key));
        if taken.is_some() && same(whole) {
            continue;
        }
        if let (Some(value), Some(fields)) = (taken, whole.pointer_mut(at).and_then(Value::as_object_mut)) {
            fields.insert(key, value);
        }
        shorten(whole, &below, same);
    }
}

/// Writes `{id: vpc-1}` as the name of the stack's own resource that has this id.
fn name_references(whole: &mut Value, at: &str, known: &[(Address, &Live)], same: &impl Fn(&Value) -> bool) {
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
            if same(&named) {
                *whole = named;
                return;
            }
        }
    }
    for (_, below) in children(whole, at) {
        name_references(whole, &below, known, same);
    }
}

/// Keys and pointers of what lies directly below `at`.
fn children(whole: &Value, at: &str) -> Vec<(String, String)> {
    match whole.pointer(at) {
        Some(Value::Object(map)) => map.keys().map(|key| (key.clone(), crate::definition::below(at, key))).collect(),
        Some(Value::Array(list)) => (0..list.len()).map(|index| (index.to_string(), format!("{at}/{index}"))).collect(),
        _ => Vec::new(),
    }
}
