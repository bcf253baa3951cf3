//! IAM policy documents.

pub(super) mod grammar;
pub(super) mod policy_kind;
pub(super) mod risks;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Value, json};

/// A policy document (IAM, resource or key policy) in canonical form: string-or-list unified, lists sorted, `Version` set,
/// account roots written as account ids (AWS returns `123456789012` as `arn:aws:iam::123456789012:root`).
/// Written as YAML or as a JSON string.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
#[derive(Clone, Debug, PartialEq)]
pub struct Policy(Value);

impl Policy {
    /// Message about a value that is no policy document.
    const EXPECTED: &str = "expected a policy document: a map with `Statement`, or the same as JSON";

    /// Converts a document to canonical form.
    pub fn new(document: Value) -> Policy {
        let mut document = document;
        if let Value::Object(map) = &mut document {
            map.entry("Version").or_insert_with(|| json!("2012-10-17"));
            if let Some(statements) = map.get_mut("Statement") {
                let list = match statements.take() {
                    Value::Array(list) => list,
                    one => vec![one],
                };
                *statements = Value::Array(list.into_iter().map(canonical_statement).collect());
            }
        }
        Policy(document)
    }
    /// Returns a document without statements, which means no policy.
    pub fn none() -> Policy {
        Policy::new(json!({ "Statement": [] }))
    }
    /// Parses a document as returned by AWS: JSON, possibly URL-encoded (IAM).
    ///
    /// # Errors
    /// Fails if the text is not JSON.
    pub fn parse(text: &str) -> Result<Policy, serde_json::Error> {
        match serde_json::from_str(text) {
            Ok(document) => Ok(Policy::new(document)),
            Err(_) => serde_json::from_str(&url_decode(text)).map(Policy::new),
        }
    }
    /// Returns the document as JSON for AWS.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
    /// Whether it has no statements, which means no policy.
    pub fn is_empty(&self) -> bool {
        self.0.get("Statement").and_then(Value::as_array).is_some_and(Vec::is_empty)
    }
    /// Returns the document as a value.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

fn canonical_statement(statement: Value) -> Value {
    let Value::Object(map) = statement else { return statement };
    let mut out = Map::new();
    for (key, value) in map {
        let value = match key.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => sorted_list(value),
            "Principal" | "NotPrincipal" => match value {
                Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, sorted_list(canonical_principals(v)))).collect()),
                Value::String(star) => json!({ "AWS": [star] }),
                other => other,
            },
            "Condition" => match value {
                Value::Object(operators) => Value::Object(
                    operators
                        .into_iter()
                        .map(|(operator, keys)| match keys {
                            Value::Object(keys) => (operator, Value::Object(keys.into_iter().map(|(k, v)| (k, sorted_list(v))).collect())),
                            other => (operator, other),
                        })
                        .collect(),
                ),
                other => other,
            },
            _ => value,
        };
        out.insert(key, value);
    }
    Value::Object(out)
}

/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
fn canonical_principals(principals: Value) -> Value {
    match principals {
        Value::String(text) => {
            let account = text.split_once(":iam::").and_then(|(_, rest)| rest.strip_suffix(":root"));
            account.map(Value::from).unwrap_or(Value::String(text))
        }
        Value::Array(list) => list.into_iter().map(canonical_principals).collect(),
        other => other,
    }
}

/// Converts string-or-list to a sorted list of strings; booleans and numbers in conditions become strings, as AWS stores them.
fn sorted_list(value: Value) -> Value {
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let mut texts: Vec<String> = list
        .into_iter()
        .map(|v| match v {
            Value::String(text) => text,
            other => other.to_string(),
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts.into()
}

fn url_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex =
            (first == b'%').then(|| tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok()));
        match hex.flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => {
                let malformed = |e: serde_json::Error| {
                    let is_json = text.trim_start().starts_with('{');
                    D::Error::custom(if is_json { format!("the policy is not valid JSON: {e}") } else { Policy::EXPECTED.to_owned() })
                };
                serde_json::from_str(&text).map(Policy::new).map_err(malformed)
            }
            object @ Value::Object(_) => Ok(Policy::new(object)),
            _ => Err(D::Error::custom(Policy::EXPECTED)),
        }
    }
}
impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["object", "string"],
            "description": "A policy document with `Statement`, as YAML or as a JSON string.",
            "x-acme-policy": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn treats_an_account_and_its_root_as_the_same_principal() {
        let with = |principals: Value| Policy::new(json!({ "Statement": [{ "Effect": "Allow", "Principal": { "AWS": principals } }] }));
        let wanted = with(json!(["123456789012", "arn:aws:iam::1:role/a"]));
        assert_eq!(with(json!(["arn:aws:iam::1:role/a", "arn:aws:iam::123456789012:root"])), wanted);
        assert_ne!(with(json!("arn:aws:iam::210987654321:root")), wanted);
        assert_eq!(with(json!("arn:aws:iam::123456789012:root")), with(json!("123456789012")));
    }
}
