//! What the schemas of a type tell: where its spec refers to others, and what its outputs look like.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::core::ResourceType;

/// The schemas of one type, read once.
pub(super) struct Shape {
    /// Where references stand.
    places: Vec<Place>,
    /// JSON schema of the outputs.
    pub outputs: Value,
}

/// A path through a spec to a reference.
struct Place {
    path: Vec<Step>,
    kind: String,
}

#[derive(Clone)]
enum Step {
    Key(String),
    /// Every element of a list or value of a map.
    Each,
}

/// A reference to another resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// Name of the other's type.
    pub kind: String,
    /// Its id or ARN.
    pub value: String,
    /// Whether `value` is the id.
    pub by_id: bool,
    /// Name of the field.
    pub field: String,
}

/// Deep enough for every spec, and an end for those that contain themselves.
const DEEPEST: usize = 12;

impl Shape {
    pub fn of(kind: &ResourceType) -> Shape {
        let spec = kind.schema();
        let mut places = Vec::new();
        find(spec, spec, &mut Vec::new(), 0, &mut places);
        Shape { places, outputs: Value::from(kind.operations.outputs_schema()) }
    }

    /// Every reference in `spec`.
    pub fn references(&self, spec: &Value) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        for place in &self.places {
            follow(spec, &place.path, &mut |value| {
                let target = value.get("id").map(|id| (id, true)).or_else(|| value.get("arn").map(|arn| (arn, false)));
                if let Some((Value::String(text), by_id)) = target {
                    let field = place.path.iter().rev().find_map(|step| match step {
                        Step::Key(key) => Some(key.clone()),
                        Step::Each => None,
                    });
                    let field = field.unwrap_or_default();
                    found.insert(Reference { kind: place.kind.clone(), value: text.clone(), by_id, field });
                }
            });
        }
        found
    }
}

/// What `$ref` stands for.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn find(root: &Value, schema: &Value, path: &mut Vec<Step>, depth: usize, places: &mut Vec<Place>) {
    if depth > DEEPEST {
        return;
    }
    if let Some(kind) = schema.get("x-acme-ref").and_then(Value::as_str) {
        places.push(Place { path: path.clone(), kind: kind.to_owned() });
        return;
    }
    let target = resolve(root, schema);
    if !std::ptr::eq(target, schema) {
        find(root, target, path, depth + 1, places);
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(Step::Key(key.clone()));
        find(root, property, path, depth + 1, places);
        path.pop();
    }
    for each in ["items", "additionalProperties"].iter().filter_map(|name| schema.get(name)).filter(|each| each.is_object()) {
        path.push(Step::Each);
        find(root, each, path, depth + 1, places);
        path.pop();
    }
    for choices in ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema.get(name)).filter_map(Value::as_array) {
        for choice in choices {
            find(root, choice, path, depth + 1, places);
        }
    }
}

fn follow(value: &Value, path: &[Step], found: &mut impl FnMut(&Value)) {
    match (path.split_first(), value) {
        (None, value) => found(value),
        (Some((Step::Key(key), rest)), Value::Object(map)) => map.get(key).into_iter().for_each(|value| follow(value, rest, found)),
        (Some((Step::Each, rest)), Value::Array(list)) => list.iter().for_each(|value| follow(value, rest, found)),
        (Some((Step::Each, rest)), Value::Object(map)) => map.values().for_each(|value| follow(value, rest, found)),
        _ => {}
    }
}

/// Every text in `spec` that names a thing as AWS does (an ARN or a generated id), policies left out: AWS lets them speak of what
/// does not exist.
pub(super) fn mentions(spec: &Value, found: &mut BTreeSet<String>) {
    match spec {
        Value::String(text) if is_handle(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| mentions(value, found)),
        Value::Object(map) if !map.contains_key("Statement") => map.values().for_each(|value| mentions(value, found)),
        _ => {}
    }
}

/// Whether a text is an ARN or an id that AWS generated, and so means one thing wherever it stands.
pub(super) fn is_handle(text: &str) -> bool {
    text.starts_with("arn:")
        || text.rsplit_once('-').is_some_and(|(prefix, hex)| {
            hex.len() == 17 && !prefix.is_empty() && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_where_the_schema_says() {
        let Some(kind) = crate::aws::types::kind("subnet") else { return };
        let spec = json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24", "availability_zone": "x" });
        let found = Shape::of(kind).references(&spec);
        let expected = Reference { kind: "vpc".into(), value: "vpc-1".into(), by_id: true, field: "vpc".into() };
        assert_eq!(found, BTreeSet::from([expected]));
    }

    #[test]
    fn handles_are_told_from_names() {
        assert!(is_handle("arn:aws:s3:::bucket"));
        assert!(is_handle("sg-0123456789abcdef0"));
        assert!(!is_handle("shop-production-main"));
    }
}
