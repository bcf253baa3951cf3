//! `${type.name.output}` in strings: references from one resource's spec to another's output, until it is known.

use serde_json::Value;

/// A reference in a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Full text, `${subnet.a.id}`.
    pub text: &'a str,
    /// Name of the type.
    pub type_name: &'a str,
    /// Name of the resource; may contain dots.
    pub name: &'a str,
    /// Name of the output.
    pub output: &'a str,
}

/// Returns every reference in a string. IAM's policy variables (`${aws:username}`) are not references: they have a colon or no dots.
pub fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let whole = &rest[start..=start + length];
        let inner = &whole[2..whole.len() - 1];
        if !inner.contains(':')
            && let Some((kind, tail)) = inner.split_once('.')
            && let Some((name, output)) = tail.rsplit_once('.')
        {
            found.push(Reference { text: whole, type_name: kind, name, output });
        }
        rest = &rest[start + length + 1..];
    }
    found
}

/// Calls `act` for every string below `value`, including keys: an IAM condition has an issuer in a key.
pub fn for_each_string<'a>(value: &'a Value, act: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(list) => list.iter().for_each(|v| for_each_string(v, act)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            act(key);
            for_each_string(value, act);
        }),
        _ => {}
    }
}

/// Whether any string below `value` contains a reference.
pub fn has_reference(value: &Value) -> bool {
    let mut found = false;
    for_each_string(value, &mut |text| found |= text.contains("${") && !references(text).is_empty());
    found
}

/// Replaces every reference known to `lookup`. A string that is exactly one reference becomes a value of the output's type.
pub fn resolve(value: &Value, lookup: &impl Fn(&Reference<'_>) -> Option<Value>) -> Value {
    match value {
        Value::String(text) => match references(text).as_slice() {
            [] => value.clone(),
            [one] if one.text == text => lookup(one).unwrap_or_else(|| value.clone()),
            found => Value::String(substitute(text, found, lookup)),
        },
        Value::Array(list) => list.iter().map(|v| resolve(v, lookup)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (substitute(key, &references(key), lookup), resolve(value, lookup))).collect(),
        other => other.clone(),
    }
}

fn substitute(text: &str, found: &[Reference<'_>], lookup: &impl Fn(&Reference<'_>) -> Option<Value>) -> String {
    let mut out = text.to_owned();
    for reference in found {
        match lookup(reference) {
            Some(Value::String(known)) => out = out.replace(reference.text, &known),
            Some(known) => out = out.replace(reference.text, &known.to_string()),
            None => {}
        }
    }
    out
}
