//! Outputs: values of a stack for people, programs and other stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{compiler::Compiler, dependencies::KnownResources, source::child_pointer};
use crate::core::{expression::has_reference, is_plain_secret};

/// Reads `outputs:`.
pub fn parse(c: &mut Compiler<'_>, document: &Map<String, Value>, known: &mut KnownResources) -> BTreeMap<String, Value> {
    let mut outputs = BTreeMap::new();
    for (name, value) in c.top_level_map(document, "outputs").into_iter().flatten() {
        let at = child_pointer("/outputs", name);
        let value = known.without_absent(c.render(value, &at));
        let shown = format!("output `{name}`");
        if let Some(pointer) = find_secret(name, &value, &at) {
            c.hide_value(&pointer);
            let help = "put it into Secrets Manager, and write the ARN of the secret here: `\"{{ secrets.db.arn }}\"`";
            c.problem_at_key("outputs", &pointer, format!("{shown} is a secret in plain text, which acme would print and store"), help);
        }
        known.add_references(c, &value, &value, &shown, &|pointer| format!("{at}{pointer}"), &mut BTreeSet::new());
        outputs.insert(name.clone(), value);
    }
    outputs
}

/// Pointer to a secret in plain text. A reference is not one: acme does not read the values of secrets.
fn find_secret(name: &str, value: &Value, at: &str) -> Option<String> {
    match value {
        Value::String(text) if !has_reference(value) => is_plain_secret(name, text).then(|| at.to_owned()),
        Value::Array(list) => list.iter().enumerate().find_map(|(index, item)| find_secret(name, item, &format!("{at}/{index}"))),
        Value::Object(map) => map.iter().find_map(|(key, item)| find_secret(key, item, &child_pointer(at, key))),
        _ => None,
    }
}
