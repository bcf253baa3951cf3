//! Secrets in properties: definitions must not contain them, and those that AWS reports are hidden.

use serde_json::{Map, Value};

use super::{AwsResource, digest::TypeDigest};
use crate::core::{HIDDEN, Pointer, Problem, is_plain_secret, is_secret_name};

/// A value that is a secret, or that is one if its name says so.
struct Place<'a> {
    at: Pointer,
    /// Name of a variable, header or the like; `None`: it is always a secret.
    name: Option<&'a str>,
    remedy: &'a str,
}

impl Place<'_> {
    fn is_secret(&self, value: &Value) -> bool {
        match (self.name, value) {
            (None, value) => !value.is_null(),
            (Some(name), Value::String(text)) => is_plain_secret(name, text),
            (Some(name), Value::Number(_)) => is_secret_name(name),
            _ => false,
        }
    }
}

/// Problems of the secrets in a definition, which it hides.
pub fn take_plain(digest: &TypeDigest, properties: &mut Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for_each(digest, properties, AwsResource::POINTERS.properties, &mut |place, value| {
        if place.is_secret(value) {
            let message = match place.name {
                Some(name) => {
                    format!("everybody who may read the resource sees the value of `{name}`, and the records of the stack have it")
                }
                None => "acme keeps no secrets: AWS never reports this one, and it would be in the records of the stack".to_owned(),
            };
            problems.push(Problem::new(place.at, message).help(place.remedy).hide_value());
            *value = HIDDEN.into();
        }
    });
    problems
}

/// Hides the secrets that AWS reports.
pub fn hide(digest: &TypeDigest, model: &mut Value) {
    for_each(digest, model, Pointer::ROOT, &mut |place, value| {
        if place.is_secret(value) {
            *value = HIDDEN.into();
        }
    });
}

/// The properties with what AWS has in place of hidden secrets. One that AWS no longer has is left out.
pub fn reveal(digest: &TypeDigest, properties: &Map<String, Value>, model: &Map<String, Value>) -> Map<String, Value> {
    let mut revealed = Value::Object(properties.clone());
    let model = Value::Object(model.clone());
    for_each(digest, &mut revealed, Pointer::ROOT, &mut |place, value| {
        if value == HIDDEN {
            *value = model.pointer(place.at.as_str()).cloned().unwrap_or_default();
        }
    });
    if let Value::Object(revealed) = revealed { revealed } else { Map::new() }
}

fn for_each(digest: &TypeDigest, properties: &mut Value, at: Pointer, act: &mut dyn FnMut(Place<'_>, &mut Value)) {
    for (path, remedy) in &digest.secrets {
        walk(properties, &path.split('/').collect::<Vec<_>>(), at.clone(), &mut |at, value| act(Place { at, name: None, remedy }, value));
    }
    for (path, remedy) in &digest.named_values {
        walk(properties, &path.split('/').collect::<Vec<_>>(), at.clone(), &mut |at, value| match value {
            Value::Object(map) => {
                for (name, value) in map {
                    act(Place { at: at.clone().item(name), name: Some(name), remedy }, value);
                }
            }
            Value::Array(list) => {
                for (index, item) in list.iter_mut().enumerate() {
                    let name = item.get("Name").and_then(Value::as_str).map(str::to_owned);
                    if let Some((name, value)) = name.zip(item.get_mut("Value")) {
                        act(Place { at: at.clone().item(index).item("Value"), name: Some(&name), remedy }, value);
                    }
                }
            }
            _ => {}
        });
    }
}

/// Visits the values at a path; `*` is every item of a list or value of a map.
fn walk(value: &mut Value, path: &[&str], at: Pointer, act: &mut dyn FnMut(Pointer, &mut Value)) {
    let Some((first, rest)) = path.split_first() else { return act(at, value) };
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut().filter(|(key, _)| *first == "*" || key == first) {
                walk(value, rest, at.clone().item(key), act);
            }
        }
        Value::Array(list) if *first == "*" => {
            for (index, value) in list.iter_mut().enumerate() {
                walk(value, rest, at.clone().item(index), act);
            }
        }
        _ => {}
    }
}
