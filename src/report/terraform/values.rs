//! Values in a Terraform plan: known, unknown, and configured ones.

use serde_json::{Map, Value, json};

use crate::core::expression::references;

fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !references(text).is_empty())
}

/// Whether a list contains blocks; any other is a set of strings or numbers.
fn is_block_list(list: &[Value]) -> bool {
    list.iter().any(Value::is_object)
}

/// Known parts of a value. A set with an unknown element is unknown as a whole.
pub fn known_values(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) => Some(map.iter().filter_map(|(key, value)| Some((key.clone(), known_values(value)?))).collect()),
        Value::Array(list) if is_block_list(list) => Some(list.iter().filter_map(known_values).collect()),
        Value::Array(list) if list.iter().any(is_unknown) => None,
        value if is_unknown(value) => None,
        value => Some(value.clone()),
    }
}

/// `true` for unknown parts; `None` if all parts are known.
pub fn unknown_values(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            let map: Map<String, Value> = map.iter().filter_map(|(key, value)| Some((key.clone(), unknown_values(value)?))).collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        Value::Array(list) if is_block_list(list) => {
            let list: Vec<Option<Value>> = list.iter().map(unknown_values).collect();
            let blocks = list.iter().map(|block| block.clone().unwrap_or_else(|| json!({})));
            list.iter().any(Option::is_some).then(|| blocks.collect())
        }
        value => known_values(value).is_none().then_some(Value::Bool(true)),
    }
}

/// Configured expressions: constants, and references in Terraform's names. `None` if nothing is configured.
pub fn expression(value: &Value, name: &impl Fn(&str) -> Vec<String>) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) if is_block_list(list) => Some(list.iter().map(|block| Value::Object(expressions(block, name))).collect()),
        value => {
            let references = collect_references(value, name);
            Some(if references.is_empty() { json!({ "constant_value": value }) } else { json!({ "references": references }) })
        }
    }
}

/// The expressions of a block.
pub fn expressions(block: &Value, name: &impl Fn(&str) -> Vec<String>) -> Map<String, Value> {
    let arguments = block.as_object().into_iter().flatten();
    arguments.filter_map(|(key, value)| Some((key.clone(), expression(value, name)?))).collect()
}

fn collect_references(value: &Value, name: &impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    crate::core::expression::for_each_string(value, &mut |text| found.extend(name(text)));
    found
}
