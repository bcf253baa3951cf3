//! References between live resources.

use serde_json::Value;

use crate::{
    aws::types::resource_type,
    core::{LiveResource, Reference},
};

/// Whether a live resource refers to another by id or ARN.
pub fn refers_to(dependent: &LiveResource, dependency: &LiveResource) -> bool {
    refers_in(dependent, &[""], dependency)
}

/// Same, in some of its fields (JSON pointers).
pub(super) fn refers_in(dependent: &LiveResource, fields: &[&str], dependency: &LiveResource) -> bool {
    let contains =
        |text: &str| fields.iter().filter_map(|field| dependent.spec.pointer(field)).any(|value| contains_reference(value, text));
    dependency.arn().is_some_and(contains) || (contains(&dependency.id) && has_typed_reference(dependent, fields, dependency))
}

/// Whether one of these fields has the id of a resource as a reference to its type: an id that is a name may belong to several types.
pub(super) fn has_typed_reference(dependent: &LiveResource, fields: &[&str], dependency: &LiveResource) -> bool {
    let is_in = |reference: &Reference, field: &&str| {
        let path = field.trim_start_matches('/').replace('/', ".");
        path.is_empty() || reference.path.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let references = resource_type(&dependent.type_name).map(|kind| kind.references(&dependent.spec)).unwrap_or_default();
    let is_used = |reference: &Reference| reference.type_name == dependency.type_name && reference.value == dependency.id;
    references.iter().filter(|reference| is_used(reference)).any(|reference| fields.iter().any(|field| is_in(reference, field)))
}

/// Whether AWS generated an id, which then identifies one resource anywhere.
pub(super) fn is_generated(id: &str) -> bool {
    let is_hex = |hex: &str| hex.len() >= 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && hex.bytes().any(|b| b.is_ascii_digit());
    id.starts_with("arn:") || id.rsplit_once('-').is_some_and(|(prefix, hex)| !prefix.is_empty() && is_hex(hex))
}

/// Whether a field other than a policy has the ARN of a resource as a plain text: the managed policies of a role.
pub(super) fn has_arn(spec: &Value, used: &LiveResource) -> bool {
    let Some(arn) = used.arn() else { return false };
    match spec {
        Value::String(text) => text == arn,
        Value::Array(list) => list.iter().any(|value| has_arn(value, used)),
        // AWS allows policies to name what does not exist.
        Value::Object(map) => !map.contains_key("Statement") && map.values().any(|value| has_arn(value, used)),
        _ => false,
    }
}

/// Whether a reference in `spec` has this value.
fn contains_reference(spec: &Value, value: &str) -> bool {
    match spec {
        Value::Array(list) => list.iter().any(|spec| contains_reference(spec, value)),
        Value::Object(map) => {
            map.get("id").or_else(|| map.get("arn")).is_some_and(|id| map.len() == 1 && *id == *value)
                || map.values().any(|spec| contains_reference(spec, value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
