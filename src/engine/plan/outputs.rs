//! Changes of a stack's outputs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Difference of an output, as definitions have it: with references.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputChange {
    /// Name.
    pub name: String,
    /// As the last run recorded it; `None`: it is new.
    pub before: Option<Value>,
    /// As the definition has it; `None`: it is no longer there.
    pub after: Option<Value>,
}

/// Returns the outputs that differ, by name.
pub fn output_changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<OutputChange> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&String> = after.keys().chain(gone).collect();
    names.sort();
    let change = |name: &String| OutputChange { name: name.clone(), before: before.get(name).cloned(), after: after.get(name).cloned() };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_are_added_changed_and_removed() {
        let outputs = |value: Value| serde_json::from_value::<BTreeMap<String, Value>>(value).unwrap();
        let before = outputs(json!({ "a": 1, "b": "{{ vpc.main.id }}", "c": 3 }));
        let after = outputs(json!({ "b": "{{ vpc.other.id }}", "c": 3, "d": null }));
        let change = |name: &str, before, after| OutputChange { name: name.to_owned(), before, after };
        let expected = [
            change("a", Some(json!(1)), None),
            change("b", Some(json!("{{ vpc.main.id }}")), Some(json!("{{ vpc.other.id }}"))),
            change("d", None, Some(Value::Null)),
        ];
        assert_eq!(output_changes(&before, &after), expected);
        assert_eq!(output_changes(&after, &after), []);
    }
}
