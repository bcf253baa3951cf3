//! Values that AWS never reports, compared by a hash in a hidden tag.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::digest::TypeDigest;
use crate::core::Tags;

/// Beginning of the keys of the tags with hashes; the name of the property follows.
pub const HASH_TAG: &str = "acme:hash-";

/// Key that stands for the unreported values of a property in what AWS has.
pub const MARKER: &str = "acme:hash";

/// A salted hash of a value: 16 bytes after the salt, in hexadecimal digits.
fn hash(salt: &str, property: &str, value: &Value) -> String {
    let digest = Sha256::digest(format!("{salt}\n{property}\n{value}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{salt}:{hex}")
}

/// Whether a hash is that of this value.
fn is_hash_of(known: &str, property: &str, value: &Value) -> bool {
    known.split_once(':').is_some_and(|(salt, _)| hash(salt, property, value) == known)
}

/// The part of a value at these paths, which start below it.
fn select(value: &Value, paths: &[Vec<&str>]) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    if paths.iter().any(Vec::is_empty) {
        return Some(value.clone());
    }
    match value {
        Value::Object(map) => {
            let selected: Map<String, Value> =
                map.iter().filter_map(|(key, value)| Some((key.clone(), select(value, &next(paths, key))?))).collect();
            (!selected.is_empty()).then_some(Value::Object(selected))
        }
        Value::Array(list) => {
            let paths = next(paths, "*");
            let selected: Vec<Value> = list.iter().map(|item| select(item, &paths).unwrap_or_default()).collect();
            selected.iter().any(|item| !item.is_null()).then_some(Value::Array(selected))
        }
        _ => None,
    }
}

/// The rest of the paths whose next part is `key`.
fn next<'a>(paths: &[Vec<&'a str>], key: &str) -> Vec<Vec<&'a str>> {
    let below = paths.iter().filter(|path| path.first().is_some_and(|part| *part == key || *part == "*"));
    below.map(|path| path[1..].to_vec()).collect()
}

/// Adds the values of one document to another.
fn overlay(from: &Value, to: &mut Value) {
    match (from, &mut *to) {
        (Value::Null, _) => {}
        (Value::Object(from), Value::Object(to)) => {
            for (key, value) in from {
                overlay(value, to.entry(key.clone()).or_insert(Value::Null));
            }
        }
        (Value::Array(from), Value::Array(to)) if from.len() == to.len() => {
            for (from, to) in from.iter().zip(to) {
                overlay(from, to);
            }
        }
        _ => to.clone_from(from),
    }
}

/// Whether a value has a hash in place of what is not known.
pub fn marker(value: &Value) -> Option<&str> {
    value.get(MARKER)?.as_str()
}

/// Tags with the hashes of the values that AWS won't report.
pub fn hash_tags(digest: &TypeDigest, properties: &Map<String, Value>, salt: &str) -> Tags {
    let tag = |(property, value): (&String, &Value)| {
        let value = select(value, &digest.write_only_below(property)).filter(|_| marker(value).is_none())?;
        Some((format!("{HASH_TAG}{property}"), hash(salt, property, &value)))
    };
    properties.iter().filter_map(tag).collect()
}

/// Tags with hashes that are no longer right, with the new ones.
pub fn changed_hash_tags(digest: &TypeDigest, properties: &Map<String, Value>, salt: &str, known: &Tags) -> Tags {
    let is_changed = |(key, _): &(String, String)| {
        let property = key.trim_start_matches(HASH_TAG);
        let value = properties.get(property).and_then(|value| select(value, &digest.write_only_below(property)));
        !known.get(key).zip(value).is_some_and(|(known, value)| is_hash_of(known, property, &value))
    };
    hash_tags(digest, properties, salt).into_iter().filter(is_changed).collect()
}

/// Takes the hidden tags out, and puts their hashes in place of the properties that AWS does not report.
pub fn take_hash_tags(tags: &mut Tags, properties: &mut Map<String, Value>) {
    let hidden: Tags = tags.extract_if(.., |key, _| key.starts_with(HASH_TAG)).collect();
    for (key, hash) in hidden {
        let property = properties.entry(key.trim_start_matches(HASH_TAG).to_owned()).or_insert(Value::Null);
        match property {
            Value::Object(map) => drop(map.insert(MARKER.to_owned(), hash.into())),
            Value::Null => *property = Value::Object([(MARKER.to_owned(), hash.into())].into_iter().collect()),
            _ => {}
        }
    }
}

/// Completes what AWS reports of a property by the wanted values that it has without reporting them.
pub fn complete(digest: &TypeDigest, property: &str, wanted: &Value, live: &mut Value) {
    let known = marker(live).map(str::to_owned);
    if let Some(map) = live.as_object_mut() {
        map.remove(MARKER);
        if map.is_empty() && known.is_some() {
            *live = Value::Null;
        }
    }
    // What a rollback restores has hashes only: the values are not known.
    if let Some(hash) = marker(wanted) {
        overlay(&Value::Object([(MARKER.to_owned(), hash.into())].into_iter().collect()), live);
        return;
    }
    let Some(value) = select(wanted, &digest.write_only_below(property)) else { return };
    if known.is_some_and(|known| is_hash_of(&known, property, &value)) {
        overlay(&value, live);
    }
}

/// A value without hashes and nulls; `None` if nothing is left of it.
pub fn known_values(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| *key != MARKER);
            let known: Map<String, Value> = kept.filter_map(|(key, value)| Some((key.clone(), known_values(value)?))).collect();
            (!known.is_empty() || map.is_empty()).then_some(Value::Object(known))
        }
        Value::Array(list) => Some(list.iter().filter_map(known_values).collect()),
        other => Some(other.clone()),
    }
}

/// Names of the properties whose unreported values differ.
pub fn changed_properties<'a>(
    digest: &'a TypeDigest,
    wanted: &'a Map<String, Value>,
    live: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a String> {
    wanted.iter().filter_map(|(property, value)| {
        let paths = digest.write_only_below(property);
        let is_known = marker(value).is_none();
        (is_known && select(value, &paths) != live.get(property).and_then(|live| select(live, &paths))).then_some(property)
    })
}
