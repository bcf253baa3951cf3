//! References in a spec to other resources, by its schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ResourceType;

/// Reference to another resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Type of the other resource.
    pub type_name: String,
    /// Id, ARN or name of the other resource.
    pub value: String,
    /// Whether `value` is the id.
    pub is_id: bool,
    /// Whether it is a text that only names the other resource, which may be outside the account.
    pub is_name: bool,
    /// Name of the field.
    pub field: String,
    /// Names of the fields on the way to it: `access_logs.bucket`.
    pub path: String,
}

/// Where the specs of a type have references.
pub(super) struct ReferencePaths(Vec<ReferencePath>);

/// Path through a spec to a reference.
struct ReferencePath {
    segments: Vec<Segment>,
    type_name: String,
    is_name: bool,
}

#[derive(Clone)]
enum Segment {
    Key(String),
    /// Every element of a list or value of a map.
    Element,
}

/// Maximum depth: enough for every spec, and a limit for recursive ones.
const MAX_DEPTH: usize = 12;

impl ReferencePaths {
    pub(super) fn of(schema: &Value) -> ReferencePaths {
        let mut places = Vec::new();
        find_references(schema, schema, &mut Vec::new(), 0, &mut places);
        ReferencePaths(places)
    }
}

impl ResourceType {
    /// Returns all references in a spec.
    pub fn references(&self, spec: &Value) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        for place in &self.reference_paths.get_or_init(|| ReferencePaths::of(self.schema())).0 {
            let keys = place.segments.iter().filter_map(|step| match step {
                Segment::Key(key) => Some(key.as_str()),
                Segment::Element => None,
            });
            let keys: Vec<&str> = keys.collect();
            for_each_at(spec, &place.segments, &mut |value| {
                let target = match value {
                    Value::String(_) if place.is_name => Some((value, true)),
                    _ => value.get("id").map(|id| (id, true)).or_else(|| value.get("arn").map(|arn| (arn, false))),
                };
                if let Some((Value::String(text), is_id)) = target.filter(|(text, _)| *text != "") {
                    found.insert(Reference {
                        type_name: place.type_name.clone(),
                        value: text.clone(),
                        is_id,
                        is_name: place.is_name,
                        field: keys.last().copied().unwrap_or_default().to_owned(),
                        path: keys.join("."),
                    });
                }
            });
        }
        found
    }
}

/// Resolves a `$ref`.
pub fn resolve_ref<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn find_references(root: &Value, schema: &Value, path: &mut Vec<Segment>, depth: usize, places: &mut Vec<ReferencePath>) {
    if depth > MAX_DEPTH {
        return;
    }
    for (key, is_name) in [("x-acme-ref", false), ("x-acme-names", true)] {
        if let Some(kind) = schema.get(key).and_then(Value::as_str) {
            places.push(ReferencePath { segments: path.clone(), type_name: kind.to_owned(), is_name });
            return;
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::resource_type;

    #[test]
    fn finds_references_declared_by_the_schema() {
        let spec = json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24", "availability_zone": "x" });
        let found = resource_type("subnet").expect("a type").references(&spec);
        let expected = Reference {
            type_name: "vpc".into(),
            value: "vpc-1".into(),
            is_id: true,
            is_name: false,
            field: "vpc".into(),
            path: "vpc".into(),
        };
        assert_eq!(found, BTreeSet::from([expected]));
    }

    #[test]
    fn finds_texts_that_name_resources() {
        let spec = json!({ "access_logs": { "enabled": true, "bucket": "logs", "prefix": "" } });
        let found = resource_type("load_balancer").expect("a type").references(&spec);
        let found: Vec<_> = found.iter().map(|one| (one.type_name.as_str(), one.value.as_str(), one.path.as_str(), one.is_name)).collect();
        assert_eq!(found, [("s3_bucket", "logs", "access_logs.bucket", true)]);
    }
}
