//! Information from the schemas of a type: references in its spec, and the shape of its outputs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::core::ResourceType;

/// Schemas of one type, parsed once.
pub(super) struct TypeSchema {
    /// Paths of references.
    reference_paths: Vec<ReferencePath>,
    /// JSON schema of the outputs.
    pub outputs: Value,
}

/// Path through a spec to a reference.
struct ReferencePath {
    segments: Vec<Segment>,
    type_name: String,
}

#[derive(Clone)]
enum Segment {
    Key(String),
    /// Every element of a list or value of a map.
    Element,
}

/// Reference to another resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// Type of the other resource.
    pub type_name: String,
    /// Id or ARN of the other resource.
    pub value: String,
    /// Whether `value` is the id.
    pub is_id: bool,
    /// Name of the field.
    pub field: String,
}

/// Maximum depth: enough for every spec, and a limit for recursive ones.
const MAX_DEPTH: usize = 12;

impl TypeSchema {
    pub fn of(kind: &ResourceType) -> TypeSchema {
        let spec = kind.schema();
        let mut places = Vec::new();
        find_references(spec, spec, &mut Vec::new(), 0, &mut places);
        TypeSchema { reference_paths: places, outputs: Value::from(kind.operations.outputs_schema()) }
    }

    /// Returns all references in `spec`.
    pub fn references(&self, spec: &Value) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        for place in &self.reference_paths {
            for_each_at(spec, &place.segments, &mut |value| {
                let target = value.get("id").map(|id| (id, true)).or_else(|| value.get("arn").map(|arn| (arn, false)));
                if let Some((Value::String(text), by_id)) = target {
                    let field = place.segments.iter().rev().find_map(|step| match step {
                        Segment::Key(key) => Some(key.clone()),
                        Segment::Element => None,
                    });
                    let field = field.unwrap_or_default();
                    found.insert(Reference { type_name: place.type_name.clone(), value: text.clone(), is_id: by_id, field });
                }
            });
        }
        found
    }
}

/// Resolves a `$ref`.
pub(super) fn resolve_ref<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn find_references(root: &Value, schema: &Value, path: &mut Vec<Segment>, depth: usize, places: &mut Vec<ReferencePath>) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(kind) = schema.get("x-acme-ref").and_then(Value::as_str) {
        places.push(ReferencePath { segments: path.clone(), type_name: kind.to_owned() });
        return;
    }
    let target = resolve_ref(root, schema);
    if !std::ptr::eq(target, schema) {
        find_references(root, target, path, depth + 1, places);
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(Segment::Key(key.clone()));
        find_references(root, property, path, depth + 1, places);
        path.pop();
    }
    for each in ["items", "additionalProperties"].iter().filter_map(|name| schema.get(name)).filter(|each| each.is_object()) {
        path.push(Segment::Element);
        find_references(root, each, path, depth + 1, places);
        path.pop();
    }
    for choices in ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema.get(name)).filter_map(Value::as_array) {
        for choice in choices {
            find_references(root, choice, path, depth + 1, places);
        }
    }
}

fn for_each_at(value: &Value, path: &[Segment], found: &mut impl FnMut(&Value)) {
    match (path.split_first(), value) {
        (None, value) => found(value),
        (Some((Segment::Key(key), rest)), Value::Object(map)) => map.get(key).into_iter().for_each(|value| for_each_at(value, rest, found)),
        (Some((Segment::Element, rest)), Value::Array(list)) => list.iter().for_each(|value| for_each_at(value, rest, found)),
        (Some((Segment::Element, rest)), Value::Object(map)) => map.values().for_each(|value| for_each_at(value, rest, found)),
        _ => {}
    }
}

/// Texts in `spec` that identify AWS resources (an ARN or a generated id), except in policies: AWS allows them to refer to missing
/// resources.
pub(super) fn collect_handles(spec: &Value, found: &mut BTreeSet<String>) {
    match spec {
        Value::String(text) if is_handle(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| collect_handles(value, found)),
        Value::Object(map) if !map.contains_key("Statement") => map.values().for_each(|value| collect_handles(value, found)),
        _ => {}
    }
}

/// Whether a text is an ARN or an id generated by AWS, and so identifies one resource anywhere.
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
    fn finds_references_declared_by_the_schema() {
        let Some(kind) = crate::aws::types::resource_type("subnet") else { return };
        let spec = json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24", "availability_zone": "x" });
        let found = TypeSchema::of(kind).references(&spec);
        let expected = Reference { type_name: "vpc".into(), value: "vpc-1".into(), is_id: true, field: "vpc".into() };
        assert_eq!(found, BTreeSet::from([expected]));
    }

    #[test]
    fn distinguishes_handles_from_names() {
        assert!(is_handle("arn:aws:s3:::bucket"));
        assert!(is_handle("sg-0123456789abcdef0"));
        assert!(!is_handle("shop-production-main"));
    }
}
