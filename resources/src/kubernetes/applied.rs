//! What acme applied to an object, and what became of it.
//!
//! Every object has the applied manifest as an annotation, like the objects of `kubectl apply`. The live state in the shape of a manifest is
//! the applied one with the values that the object has now: fields that acme never set don't count, and changes made outside acme show up.
//! Values that the API spells in another way (`1000m` as `1`) keep the spelling of the manifest.

use std::io::{Read, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use kube::api::DynamicObject;
use serde_json::{Map, Value};

use super::kinds::KindName;
use crate::core::{Error, ErrorKind, Result, Tags};

/// Annotation with the applied manifest: JSON, compressed, in base64. The limit for all annotations is 256 KiB.
const MANIFEST: &str = "acme/manifest";
/// Annotation with the tags: JSON.
pub(super) const TAGS: &str = "acme/tags";
/// Largest manifest to read from an annotation, which others could have written.
const MAX_MANIFEST: u64 = 16 << 20;

/// Returns the text of the annotation for a manifest.
fn encode(manifest: &Value) -> Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(manifest.to_string().as_bytes()).and_then(|()| encoder.finish());
    let bytes = written.map_err(|error| Error::new(ErrorKind::Rejected, "Manifest", error.to_string()))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// Returns the manifest in an annotation; `None` if others have changed it.
fn decode(text: &str) -> Option<Value> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let mut json = String::new();
    GzDecoder::new(bytes.as_slice()).take(MAX_MANIFEST).read_to_string(&mut json).ok()?;
    serde_json::from_str(&json).ok()
}

/// Returns the object to apply for a manifest: with the labels by which acme finds it, the tags, and the manifest itself.
///
/// # Errors
/// Fails if it can't be compressed.
pub(super) fn object_to_apply(manifest: &Value, labels: &[(&str, &str)], tags: &Tags) -> Result<Value> {
    let mut object = manifest.clone();
    let mut set = |map: &str, key: &str, value: String| {
        let metadata = object.as_object_mut().map(|object| object.entry("metadata").or_insert_with(|| Value::Object(Map::new())));
        let entries =
            metadata.and_then(Value::as_object_mut).map(|metadata| metadata.entry(map).or_insert_with(|| Value::Object(Map::new())));
        if let Some(Value::Object(entries)) = entries {
            entries.insert(key.to_owned(), Value::String(value));
        }
    };
    for (key, value) in labels {
        set("labels", key, (*value).to_owned());
    }
    set("annotations", TAGS, serde_json::to_string(tags)?);
    set("annotations", MANIFEST, encode(manifest)?);
    Ok(object)
}

/// Returns the tags of an object; none if acme did not apply it.
pub(super) fn tags(object: &DynamicObject) -> Tags {
    let annotation = object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(TAGS));
    annotation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Returns the API version of the manifest that acme applied; `None` if it did not apply the object.
pub(super) fn api_version(object: &DynamicObject) -> Option<String> {
    Some(applied(object)?.get("apiVersion")?.as_str()?.to_owned())
}

/// The manifest that acme applied.
fn applied(object: &DynamicObject) -> Option<Value> {
    decode(object.metadata.annotations.as_ref()?.get(MANIFEST)?)
}

/// Returns an object as a manifest: what acme applied, with today's values; all of it, if acme did not apply it.
///
/// # Errors
/// Fails for an object that is no JSON.
pub(super) fn manifest(object: &DynamicObject, kind: &KindName) -> Result<Value> {
    let applied = applied(object);
    let mut live = serde_json::to_value(object)?;
    // Lists name the kind once.
    live["apiVersion"] = kind.api_version().into();
    live["kind"] = kind.kind.as_str().into();
    let lists = Lists::of(object)?;
    if let Some(texts) = applied.as_ref().and_then(|applied| applied.get("stringData")) {
        live["stringData"] = texts_of_secret(texts, &live);
    }
    Ok(match applied {
        Some(applied) => reflect(&applied, &live, &lists, &mut Vec::new()).unwrap_or(applied),
        None => without_bookkeeping(live),
    })
}

/// Values of a Secret that were applied as texts, which the API returns as `data`, in base64.
fn texts_of_secret(applied: &Value, live: &Value) -> Value {
    let text = |key: &String| {
        let bytes = BASE64_STANDARD.decode(live.get("data")?.get(key)?.as_str()?).ok()?;
        Some((key.clone(), Value::String(String::from_utf8(bytes).ok()?)))
    };
    applied.as_object().into_iter().flat_map(Map::keys).filter_map(text).collect::<Map<_, _>>().into()
}

/// An object without the fields that the API maintains, and without what acme itself adds to it.
fn without_bookkeeping(mut object: Value) -> Value {
    const OF_THE_API: &[&str] = &["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !OF_THE_API.contains(&key.as_str()));
            for map in ["labels", "annotations"] {
                let is_empty = metadata.get_mut(map).and_then(Value::as_object_mut).is_some_and(|entries| {
                    entries.retain(|key, _| !key.starts_with("acme/"));
                    entries.is_empty()
                });
                if is_empty {
                    metadata.remove(map);
                }
            }
        }
    }
    object
}

/// Which lists of an object are merged by entry, from the ownership that the API keeps of its fields.
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>
struct Lists(Vec<Value>);

/// One part of a path in an object.
#[derive(Clone, Debug)]
enum Part {
    Field(String),
    /// Entry of a list, by the fields that identify it.
    Entry(Map<String, Value>),
}

impl Lists {
    fn of(object: &DynamicObject) -> Result<Lists> {
        let entries = object.metadata.managed_fields.iter().flatten();
        let fields = entries.filter_map(|entry| entry.fields_v1.as_ref()).map(|fields| serde_json::to_value(&fields.0));
        Ok(Lists(fields.collect::<std::result::Result<_, _>>()?))
    }

    /// The keys that identify the entries of the list at this path: `None` if the list is a whole, and no keys for a list of scalars.
    fn keys(&self, path: &[Part]) -> Option<Vec<Vec<String>>> {
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut merged = false;
        for fields in &self.0 {
            for key in Lists::at(fields, path).into_iter().flat_map(Map::keys) {
                if key.starts_with("v:") {
                    merged = true;
                } else if let Some(Value::Object(entry)) = key.strip_prefix("k:").and_then(|key| serde_json::from_str(key).ok()) {
                    merged = true;
                    let keys: Vec<String> = entry.keys().cloned().collect();
                    if !found.contains(&keys) {
                        found.push(keys);
                    }
                }
            }
        }
        merged.then_some(found)
    }

    fn at<'a>(fields: &'a Value, path: &[Part]) -> Option<&'a Map<String, Value>> {
        let Some((first, rest)) = path.split_first() else { return fields.as_object() };
        let next = match first {
            Part::Field(name) => fields.get(format!("f:{name}")),
            Part::Entry(entry) => fields.as_object()?.iter().find_map(|(key, value)| {
                let key: Value = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
                (key.as_object()? == entry).then_some(value)
            }),
        };
        Lists::at(next?, rest)
    }
}

/// The applied value with today's values; `None` if it is gone.
fn reflect(applied: &Value, live: &Value, lists: &Lists, path: &mut Vec<Part>) -> Option<Value> {
    match (applied, live) {
        // Applying null removes a field.
        (Value::Null, Value::Null) => Some(Value::Null),
        (_, Value::Null) => None,
        (Value::Object(applied), Value::Object(live)) => {
            let mut reflected = Map::new();
            for (key, value) in applied {
                path.push(Part::Field(key.clone()));
                let today = live.get(key).unwrap_or(&Value::Null);
                let today = if value.is_null() || is_empty(value) && today.is_null() {
                    Some(value.clone())
                } else {
                    reflect(value, today, lists, path)
                };
                path.pop();
                if let Some(today) = today {
                    reflected.insert(key.clone(), today);
                }
            }
            Some(Value::Object(reflected))
        }
        (Value::Array(applied), Value::Array(live)) => Some(reflect_list(applied, live, lists, path)),
        _ if same_value(applied, live) => Some(applied.clone()),
        _ => Some(live.clone()),
    }
}

/// Whether the API may drop the value, because it says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn reflect_list(applied: &[Value], live: &[Value], lists: &Lists, path: &mut Vec<Part>) -> Value {
    let Some(keys) = lists.keys(path) else {
        // The list is a whole: every entry counts.
        let reflect_entry = |(at, today): (usize, &Value)| match applied.get(at) {
            Some(entry) if applied.len() == live.len() => reflect(entry, today, lists, path).unwrap_or_else(|| today.clone()),
            _ => today.clone(),
        };
        return live.iter().enumerate().map(reflect_entry).collect();
    };
    let mut reflected = Vec::new();
    for entry in applied {
        // The key in the ownership has defaults (a port's protocol) that the manifest may lack.
        let found = live.iter().find_map(|today| match (entry, today) {
            (Value::Object(entry), Value::Object(today)) => keys.iter().find_map(|keys| {
                let key: Map<String, Value> = keys.iter().filter_map(|key| Some((key.clone(), today.get(key)?.clone()))).collect();
                let is_same =
                    |key: &String| entry.get(key).is_none_or(|value| today.get(key).is_some_and(|today| same_value(value, today)));
                (keys.iter().any(|key| entry.contains_key(key)) && keys.iter().all(is_same)).then(|| (Value::Object(today.clone()), key))
            }),
            _ => same_value(entry, today).then(|| (today.clone(), Map::new())),
        });
        let Some((today, key)) = found else { continue };
        path.push(Part::Entry(key));
        reflected.extend(reflect(entry, &today, lists, path));
        path.pop();
    }
    Value::Array(reflected)
}

/// Whether the API takes both for the same value.
fn same_value(applied: &Value, live: &Value) -> bool {
    if applied == live {
        return true;
    }
    let quantity = |value: &Value| match value {
        Value::String(text) => parse_quantity(text),
        Value::Number(number) => number.as_f64().map(|number| (number * 1e9).round()),
        _ => None,
    };
    match (applied, live) {
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            quantity(applied).zip(quantity(live)).is_some_and(|(applied, live)| applied == live)
        }
        _ => false,
    }
}

/// Reads a quantity, such as `500m` or `2Gi`.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn parse_quantity(text: &str) -> Option<f64> {
    const SUFFIXES: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor))).unwrap_or((text, 1.0));
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || ".-+".contains(c)) && number.ends_with(|c: char| c.is_ascii_digit());
    // Compared as whole nanos, since 0.1 and 100e-3 are different binary fractions.
    is_number.then(|| number.parse::<f64>().ok()).flatten().map(|number| (number * factor * 1e9).round())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(live: Value, applied: &Value, ownership: Value) -> DynamicObject {
        let mut live = live;
        live["metadata"]["annotations"] = json!({ MANIFEST: encode(applied).expect("text") });
        live["metadata"]["managedFields"] =
            json!([{ "manager": "acme", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": ownership }]);
        serde_json::from_value(live).expect("an object")
    }

    fn manifest(object: &DynamicObject) -> Value {
        let types = object.types.as_ref().expect("a kind");
        super::manifest(object, &KindName::of(&types.api_version, &types.kind).expect("a kind")).expect("a manifest")
    }

    fn deployment(replicas: i32, containers: Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "replicas": replicas, "template": { "spec": { "containers": containers } } },
        })
    }

    fn ownership() -> Value {
        let ports = json!({ "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} } });
        json!({ "f:spec": { "f:replicas": {}, "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:image": {}, "f:ports": ports, "f:args": {} } } } } } })
    }

    #[test]
    fn an_object_as_applied_shows_no_difference() {
        let container = json!({ "name": "web", "image": "web:1", "args": ["-v"], "ports": [{ "containerPort": 80 }], "resources": { "limits": { "cpu": "1000m", "memory": 1024 } }, "env": [] });
        let applied = deployment(2, json!([container]));
        // The API adds defaults, a controller a container, and quantities have another spelling.
        let today = json!({ "name": "web", "image": "web:1", "args": ["-v"], "imagePullPolicy": "Always", "ports": [{ "containerPort": 80, "protocol": "TCP" }], "resources": { "limits": { "cpu": "1", "memory": "1Ki" } } });
        let mut live = deployment(2, json!([{ "name": "proxy", "image": "proxy:1" }, today]));
        live["spec"]["strategy"] = json!({ "type": "RollingUpdate" });
        live["status"] = json!({ "replicas": 2 });
        assert_eq!(manifest(&object(live, &applied, ownership())), applied);
    }

    #[test]
    fn changes_made_outside_show_up() {
        let applied = deployment(2, json!([{ "name": "web", "image": "web:1", "args": ["-v"] }]));
        let live = deployment(5, json!([{ "name": "web", "image": "web:2", "args": ["-v", "-x"] }]));
        assert_eq!(manifest(&object(live.clone(), &applied, ownership())), live);
        let removed = deployment(2, json!([{ "name": "other", "image": "web:1" }]));
        let found = manifest(&object(removed, &applied, ownership()));
        assert_eq!(found["spec"]["template"]["spec"]["containers"], json!([]));
    }

    #[test]
    fn texts_of_a_secret_are_compared_with_its_data() {
        let applied =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" }, "stringData": { "url": "x", "type": "git" } });
        let mut live = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" }, "data": { "url": "eA==", "type": "Z2l0", "more": "eA==" } });
        assert_eq!(manifest(&object(live.clone(), &applied, json!({}))), applied);
        live["data"]["url"] = "eQ==".into();
        assert_eq!(manifest(&object(live, &applied, json!({})))["stringData"]["url"], "y");
    }

    #[test]
    fn an_object_of_others_is_shown_whole_without_bookkeeping() {
        let live = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "uid": "1", "resourceVersion": "2", "labels": { "acme/stack": "shop" } }, "data": { "a": "b" } });
        let object: DynamicObject = serde_json::from_value(live).expect("an object");
        assert_eq!(
            manifest(&object),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "a": "b" } })
        );
        assert!(tags(&object).is_empty());
    }

    #[test]
    fn carries_tags_and_labels() {
        let tags_of_stack = Tags::from([("acme:stack".to_owned(), "shop".to_owned())]);
        let applied = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "web", "labels": { "team": "web" } } });
        let object = object_to_apply(&applied, &[("acme/stack", "shop")], &tags_of_stack).expect("an object");
        assert_eq!(object["metadata"]["labels"], json!({ "team": "web", "acme/stack": "shop" }));
        let live: DynamicObject = serde_json::from_value(object).expect("an object");
        assert_eq!(tags(&live), tags_of_stack);
        assert_eq!(manifest(&live), applied);
    }

    #[test]
    fn compares_quantities_by_value() {
        for (one, other) in [("1000m", "1"), ("0.1", "100m"), ("1Gi", "1024Mi"), ("1k", "1000"), ("1e3", "1000")] {
            assert!(same_value(&json!(one), &json!(other)), "{one} {other}");
        }
        for (one, other) in [("1", "2"), ("a", "b"), ("1Gi", "1G"), ("v1", "v1.0"), ("true", "1")] {
            assert!(!same_value(&json!(one), &json!(other)), "{one} {other}");
        }
    }
}
