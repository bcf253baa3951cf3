//! Changes as RFC 6902 patches. Cloud Control applies them to what the type's read handler reports.

use serde_json::{Map, Value, json};

use super::{
    compare::{align, is_equal},
    digest::TypeDigest,
    model::to_tag_property,
    shape::Shape,
    write_only,
};
use crate::core::Tags;

/// The operations that make a model have the wanted properties. Values that AWS does not report are missing in the model, and so are
/// written each time: the handlers would lose them.
pub fn operations<'a>(digest: &TypeDigest, wanted: &'a Map<String, Value>, model: &'a Map<String, Value>) -> Vec<Value> {
    let reported = align(digest, wanted, model);
    let mut operations = Vec::new();
    for (property, wanted) in wanted {
        let mut path = vec![property.as_str()];
        collect((digest, digest.shape_of(property)), &mut path, wanted, reported.get(property), model.get(property), &mut operations);
    }
    operations
}

fn collect<'a>(
    (digest, shape): (&TypeDigest, &Shape),
    path: &mut Vec<&'a str>,
    wanted: &'a Value,
    reported: Option<&Value>,
    model: Option<&'a Value>,
    operations: &mut Vec<Value>,
) {
    // AWS refuses a patch that names what only the creation sets.
    if digest.create_only.iter().any(|fixed| fixed.split('/').eq(path.iter().copied())) {
        return;
    }
    match (wanted, model) {
        (Value::Null, Some(model)) if !model.is_null() => operations.push(json!({ "op": "remove", "path": pointer(path) })),
        (Value::Null, _) => {}
        (Value::Object(fields), Some(Value::Object(model))) if !fields.is_empty() => {
            for (key, wanted) in fields.iter().filter(|(key, _)| *key != write_only::MARKER) {
                path.push(key);
                let shape = shape.field(key).unwrap_or(&Shape::Any);
                collect((digest, shape), path, wanted, reported.and_then(|reported| reported.get(key)), model.get(key), operations);
                path.pop();
            }
            let leaving = model.keys().filter(|key| shape.is_map() && !fields.contains_key(*key));
            for key in leaving {
                path.push(key);
                operations.push(json!({ "op": "remove", "path": pointer(path) }));
                path.pop();
            }
        }
        _ if reported.is_some_and(|reported| is_equal(wanted, reported)) => {}
        // `add` sets a value or replaces it; `replace` would fail where there is none.
        _ => {
            if let Some(value) = write_only::known_values(wanted) {
                operations.push(json!({ "op": "add", "path": pointer(path), "value": value }));
            }
        }
    }
}

/// The operation that gives a model these tags.
pub fn tag_operation(digest: &TypeDigest, tags: &Tags) -> Value {
    json!({ "op": "add", "path": pointer(&[&digest.tags]), "value": to_tag_property(digest, tags) })
}

fn pointer(path: &[&str]) -> String {
    path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}
