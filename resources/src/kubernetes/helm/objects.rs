//! The objects of a chart: how those of two revisions differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::core::list_first;

/// Most fields to name of one object.
const MAX_FIELDS: usize = 4;

/// Says which objects differ between two manifests, a line each, without values, which may be secrets.
pub fn changed_objects(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (objects(before), objects(after));
    let mut names: BTreeSet<&String> = before.keys().collect();
    names.extend(after.keys());
    let describe = |name: &String| match (before.get(name), after.get(name)) {
        (None, Some(_)) => Some(format!("+ {name}")),
        (Some(_), None) => Some(format!("- {name}")),
        (Some(before), Some(after)) if before != after => {
            let mut fields = Vec::new();
            collect_differences(before, after, "", &mut fields);
            Some(format!("~ {name}: {}", list_first(&fields, MAX_FIELDS)))
        }
        _ => None,
    };
    names.into_iter().filter_map(describe).collect()
}

/// Objects by kind, namespace and name. A document that is no object is left out.
fn objects(manifest: &str) -> BTreeMap<String, Value> {
    let documents = serde_saphyr::from_multiple::<Value>(manifest).unwrap_or_default();
    let named = |object: Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        let name = if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") };
        (!kind.is_empty()).then_some((name, object))
    };
    documents.into_iter().filter_map(named).collect()
}

fn collect_differences(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                collect_differences(&value(before), &value(after), &path, found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                collect_differences(before, after, &format!("{path}[{at}]"), found);
            }
        }
        _ if before != after => found.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_changed_objects_without_values() {
        let before = "kind: ConfigMap\nmetadata: { name: a }\ndata: { color: red, size: s }\n---\nkind: Service\nmetadata: { name: b, namespace: web }\n";
        let after =
            "kind: ConfigMap\nmetadata: { name: a }\ndata: { color: blue, size: s }\n---\nkind: Deployment\nmetadata: { name: c }\n---\n";
        assert_eq!(changed_objects(before, after), ["~ ConfigMap a: data.color", "+ Deployment c", "- Service web/b"]);
        assert!(changed_objects(before, before).is_empty() && changed_objects("", "").is_empty());
    }
}
