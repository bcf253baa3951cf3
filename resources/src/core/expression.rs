//! `${type.name.output}` in strings: references from one resource's spec to another's output, until it is known.

use serde_json::Value;

/// A reference in a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Full text, `${subnet.a.id}`.
    pub text: &'a str,
    /// Name of the type.
    pub type_name: &'a str,
    /// Name of the resource; may contain dots.
    pub name: &'a str,
    /// Name of the output.
    pub output: &'a str,
    /// Index of the item of a list output that is meant: `${dns_zone.main.name_servers[0]}`.
    pub index: Option<usize>,
}

impl Reference<'_> {
    /// The output with its index, as in an expression.
    pub fn output_with_index(&self) -> String {
        self.index.map_or_else(|| self.output.to_owned(), |index| format!("{}[{index}]", self.output))
    }
    /// Value of the reference, from the value of its output. `None`: the list has no such item.
    fn item(&self, output: Value) -> Option<Value> {
        match (output, self.index) {
            (Value::Array(mut list), Some(index)) => (index < list.len()).then(|| list.swap_remove(index)),
            (output, _) => Some(output),
        }
    }
}

/// Returns every reference in a string. IAM's policy variables (`${aws:username}`) are not references: they have a colon or no dots.
pub fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let whole = &rest[start..=start + length];
        let inner = &whole[2..whole.len() - 1];
        if !inner.contains(':')
            && let Some((kind, tail)) = inner.split_once('.')
            && let Some((name, output)) = tail.rsplit_once('.')
        {
            let indexed = output.strip_suffix(']').and_then(|rest| rest.split_once('['));
            let (output, index) = match indexed.and_then(|(output, index)| Some((output, index.parse().ok()?))) {
                Some((output, index)) => (output, Some(index)),
                None => (output, None),
            };
            found.push(Reference { text: whole, type_name: kind, name, output, index });
        }
        rest = &rest[start + length + 1..];
    }
    found
}

/// Calls `act` for every string below `value`, including keys: an IAM condition has an issuer in a key.
pub fn for_each_string<'a>(value: &'a Value, act: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(list) => list.iter().for_each(|v| for_each_string(v, act)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            act(key);
            for_each_string(value, act);
        }),
        _ => {}
    }
}

/// Whether any string below `value` contains a reference.
pub fn has_reference(value: &Value) -> bool {
    let mut found = false;
    for_each_string(value, &mut |text| found |= text.contains("${") && !references(text).is_empty());
    found
}

/// Replaces every reference known to `lookup`, which returns values of outputs. A string that is exactly one reference becomes a value of the
/// output's type; as an element of a list, a list becomes its items.
pub fn resolve(value: &Value, lookup: &impl Fn(&Reference<'_>) -> Option<Value>) -> Value {
    match value {
        Value::String(text) => match references(text).as_slice() {
            [] => value.clone(),
            [one] if one.text == text => lookup(one).and_then(|output| one.item(output)).unwrap_or_else(|| value.clone()),
            found => Value::String(substitute(text, found, lookup)),
        },
        Value::Array(list) => list.iter().flat_map(|element| resolve_element(element, lookup)).collect(),
        Value::Object(map) => {
            let resolved: Value =
                map.iter().map(|(key, value)| (substitute(key, &references(key), lookup), resolve(value, lookup))).collect();
            if is_reference_object(value) { as_reference(resolved) } else { resolved }
        }
        other => other.clone(),
    }
}

/// Resolves an element of a list. A reference to a list output, alone or as an id (`{id: …}`), becomes one element per item.
fn resolve_element(element: &Value, lookup: &impl Fn(&Reference<'_>) -> Option<Value>) -> Vec<Value> {
    let resolved = resolve(element, lookup);
    match (element, resolved) {
        (Value::String(_), Value::Array(items)) => items,
        (Value::Object(_), Value::Object(map)) if map.len() == 1 && map.values().all(Value::is_array) && is_reference_object(element) => {
            let items = map.into_iter().flat_map(|(key, items)| match items {
                Value::Array(items) => {
                    items.into_iter().map(|item| as_reference(Value::Object([(key.clone(), item)].into_iter().collect()))).collect()
                }
                _ => Vec::new(),
            });
            items.collect()
        }
        (_, resolved) => vec![resolved],
    }
}

/// `{id: {id: …}}` as `{id: …}`: a field that is a reference itself, such as the VPC of a subnet.
fn as_reference(value: Value) -> Value {
    let inner = value.as_object().and_then(|map| map.iter().next()).filter(|(key, inner)| inner.get(key.as_str()).is_some());
    inner.map(|(_, inner)| inner.clone()).unwrap_or(value)
}

/// Whether a value is `{id: "${…}"}` or `{arn: "${…}"}`.
fn is_reference_object(value: &Value) -> bool {
    let field = |key: &str| value.get(key).and_then(Value::as_str);
    field("id").or(field("arn")).is_some_and(|text| matches!(references(text).as_slice(), [one] if one.text == text))
}

fn substitute(text: &str, found: &[Reference<'_>], lookup: &impl Fn(&Reference<'_>) -> Option<Value>) -> String {
    let mut out = text.to_owned();
    for reference in found {
        match lookup(reference).and_then(|output| reference.item(output)) {
            Some(Value::String(known)) => out = out.replace(reference.text, &known),
            Some(known) => out = out.replace(reference.text, &known.to_string()),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_become_elements_and_items_of_lists_values() {
        let lookup = |reference: &Reference<'_>| match reference.output {
            "servers" => Some(json!(["a", "b"])),
            "id" => Some(json!("vpc-1")),
            "vpc" => Some(json!({ "id": "vpc-2" })),
            "subnets" => Some(json!([{ "id": "subnet-1" }, { "id": "subnet-2" }])),
            _ => None,
        };
        let spec = json!({
            "list": ["${z.m.servers}", "c"], "refs": [{ "id": "${z.m.servers}" }, { "id": "${z.m.id}" }], "whole": "${z.m.servers}",
            "vpc": { "id": "${s.a.vpc}" }, "subnets": [{ "id": "${s.a.subnets}" }],
            "item": "${z.m.servers[1]}", "text": "ns ${z.m.servers[0]} of ${z.m.id}", "none": "${z.m.servers[2]}", "unknown": ["${z.m.other}"],
        });
        let expected = json!({
            "list": ["a", "b", "c"], "refs": [{ "id": "a" }, { "id": "b" }, { "id": "vpc-1" }], "whole": ["a", "b"],
            "vpc": { "id": "vpc-2" }, "subnets": [{ "id": "subnet-1" }, { "id": "subnet-2" }],
            "item": "b", "text": "ns a of vpc-1", "none": "${z.m.servers[2]}", "unknown": ["${z.m.other}"],
        });
        assert_eq!(resolve(&spec, &lookup), expected);
        assert_eq!(references("${z.m.n.servers[12]}")[0].output_with_index(), "servers[12]");
    }
}
