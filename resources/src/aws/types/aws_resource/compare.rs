//! Comparison of properties with what AWS reports.

use serde_json::{Map, Value};

use super::{digest::TypeDigest, shape::Shape, write_only};

/// What AWS has, in the words of the definition: without what the definition does not name, and with equal values written equally.
pub fn align(digest: &TypeDigest, wanted: &Map<String, Value>, live: &Map<String, Value>) -> Map<String, Value> {
    let aligned = |(property, wanted): (&String, &Value)| {
        let mut live = live.get(property).cloned().unwrap_or_default();
        write_only::complete(digest, property, wanted, &mut live);
        let live = prune(digest.shape_of(property), wanted, live);
        (!live.is_null()).then(|| (property.clone(), live))
    };
    wanted.iter().filter_map(aligned).collect()
}

fn prune(shape: &Shape, wanted: &Value, live: Value) -> Value {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(mut live)) => {
            let kept = wanted.iter().filter_map(|(key, wanted)| {
                let live = prune(shape.field(key).unwrap_or(&Shape::Any), wanted, live.remove(key)?);
                Some((key.clone(), live))
            });
            let mut kept: Map<String, Value> = kept.collect();
            if shape.is_map() {
                kept.extend(live);
            }
            Value::Object(kept)
        }
        (Value::Array(wanted), Value::Array(live)) => prune_list(shape, wanted, live),
        (wanted, live) if is_same_document(wanted, &live) => wanted.clone(),
        (_, live) => live,
    }
}

/// Items of a list without an order are those that fit the wanted ones, as far as there are some.
fn prune_list(shape: &Shape, wanted: &[Value], live: Vec<Value>) -> Value {
    if shape.is_ordered() {
        let wanted = wanted.iter().map(Some).chain(std::iter::repeat(None));
        return live
            .into_iter()
            .zip(wanted)
            .map(|(live, wanted)| wanted.map_or(live.clone(), |wanted| prune(shape.item(), wanted, live)))
            .collect();
    }
    let mut left = live;
    let mut found: Vec<Value> = Vec::new();
    for wanted in wanted {
        let fits = |live: &Value| is_equal(wanted, &prune(shape.item(), wanted, live.clone()));
        if let Some(index) = left.iter().position(fits) {
            found.push(prune(shape.item(), wanted, left.remove(index)));
        }
    }
    found.extend(left);
    found.into_iter().collect()
}

/// Whether one is the text of the other, as a JSON document.
fn is_same_document(one: &Value, other: &Value) -> bool {
    let parse = |value: &Value| match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => serde_json::from_str(text).ok(),
        Value::Object(_) | Value::Array(_) => Some(value.clone()),
        _ => None,
    };
    one != other && parse(one).zip(parse(other)).is_some_and(|(one, other): (Value, Value)| is_equal(&one, &other))
}

/// Whether two values are equal; `1` is `1.0`.
pub fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_equal(one, other)))
        }
        _ => one == other,
    }
}

/// Whether properties at one of these paths differ, of which the definition names at least one part.
pub fn differs_at(paths: &[String], wanted: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    paths.iter().any(|path| {
        // A list is compared as a whole.
        let parts: Vec<&str> = path.split('/').take_while(|part| *part != "*").collect();
        let at = |map: &Map<String, Value>| {
            let (first, rest) = parts.split_first()?;
            rest.iter().try_fold(map.get(*first)?.clone(), |value, part| value.get(*part).cloned())
        };
        match (at(wanted), at(live)) {
            (None, _) => false,
            (Some(Value::Null), live) => live.is_some_and(|live| !live.is_null()),
            (Some(wanted), live) => !live.is_some_and(|live| is_equal(&wanted, &live)),
        }
    })
}
