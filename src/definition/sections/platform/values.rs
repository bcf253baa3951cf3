//! Values of charts.

use serde_json::{Map, Value};

use crate::definition::{child_pointer, suggestion};

/// Merges values as Helm does: maps are merged, and everything else is replaced. `null` removes the chart's own value, so it stays.
pub fn merge(into: &mut Value, over: &Value) {
    let Value::Object(over) = over else { return };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(into) = into else { return };
    for (key, value) in over {
        match into.get_mut(key).filter(|_| value.is_object()) {
            Some(known) => merge(known, value),
            None => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// A key that a chart does not have.
pub struct UnknownKey {
    /// Location below the values.
    pub pointer: String,
    /// The key.
    pub key: String,
    /// Remedy.
    pub help: String,
}

/// Finds the keys of values that are not among the chart's, see [`super::registry::keys`].
pub fn unknown_keys(keys: &Value, values: &Value) -> Vec<UnknownKey> {
    let mut found = Vec::new();
    collect(keys, values, "", &mut found);
    found
}

fn collect(keys: &Value, values: &Value, at: &str, found: &mut Vec<UnknownKey>) {
    let (Value::Object(keys), Value::Object(values)) = (keys, values) else { return };
    for (key, value) in values {
        let pointer = child_pointer(at, key);
        match keys.get(key) {
            Some(keys) => collect(keys, value, &pointer, found),
            None => {
                let help = suggestion(key, "keys", keys.keys().map(String::as_str));
                found.push(UnknownKey { pointer, key: key.clone(), help });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_values_win() {
        let mut values = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        merge(&mut values, &json!({ "a": { "c": [3] }, "d": null, "e": { "f": null } }));
        assert_eq!(values, json!({ "a": { "b": 1, "c": [3] }, "d": null, "e": { "f": null } }));
    }
}
