//! References between live resources.

use serde_json::Value;

use crate::core::LiveResource;

/// Whether a live resource refers to another by id or ARN.
pub fn refers_to(dependent: &LiveResource, dependency: &LiveResource) -> bool {
    contains_reference(&dependent.spec, &dependency.id) || dependency.arn().is_some_and(|arn| contains_reference(&dependent.spec, arn))
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

/// Whether a reference in `spec` has this value: names alone may belong to another type.
pub fn contains_reference(spec: &Value, value: &str) -> bool {
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
