//! Rules between two fields of a struct: the facts `requires` and `conflicts_with`.

use serde_json::{Map, Value};

/// A rule between two fields, as the JSON schema states it.
pub struct FieldRelation {
    /// Name of the field that states it.
    pub field: String,
    other: String,
    kind: RelationKind,
    /// Defaults of both fields.
    defaults: [Value; 2],
    /// Whether the other field is a `bool`.
    is_other_bool: bool,
}

#[derive(Clone, Copy)]
enum RelationKind {
    Requires,
    ConflictsWith,
}

impl FieldRelation {
    /// Reads the rules from the schema of a struct.
    pub fn all(schema: &Value) -> Vec<FieldRelation> {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
        let default = |name: &str| fields.get(name).and_then(|field| field.get("default")).cloned().unwrap_or_default();
        let mut relations = Vec::new();
        for (name, field) in fields {
            for (keyword, kind) in [("x-acme-requires", RelationKind::Requires), ("x-acme-conflicts-with", RelationKind::ConflictsWith)] {
                for other in field.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                    relations.push(FieldRelation {
                        field: name.clone(),
                        other: other.to_owned(),
                        kind,
                        defaults: [default(name), default(other)],
                        is_other_bool: fields.get(other).is_some_and(|other| other["type"] == "boolean"),
                    });
                }
            }
        }
        relations
    }

    /// Returns the message and the remedy if a struct breaks the rule. A missing field has its default.
    pub fn violation(&self, fields: &Map<String, Value>) -> Option<(String, String)> {
        let [default, default_of_other] = &self.defaults;
        let is_set = |name: &str, default: &Value| is_set(fields.get(name).unwrap_or(default), default);
        let other = format!("`{}{}`", self.other, if self.is_other_bool { ": true" } else { "" });
        match (&self.kind, is_set(&self.field, default), is_set(&self.other, default_of_other)) {
            (RelationKind::Requires, true, false) => {
                Some((format!("requires {other}"), format!("set {other}, or remove `{}`", self.field)))
            }
            (RelationKind::ConflictsWith, true, true) => {
                Some((format!("can't be combined with {other}"), format!("remove `{}` or `{}`", self.field, self.other)))
            }
            _ => None,
        }
    }
}

/// Whether a field is set: true, or other than its default. An optional `bool` is set if it has a value.
fn is_set(value: &Value, default: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on || default.is_null(),
        Value::String(text) if text.is_empty() => false,
        Value::Array(list) if list.is_empty() => false,
        Value::Object(map) if map.is_empty() => false,
        value => value != default,
    }
}

#[cfg(test)]
mod tests {
    use acme_macros::spec;
    use serde_json::json;

    use super::*;
    use crate::core::rules::Rules;

    /// A queue.
    #[spec]
    struct Queue {
        /// Whether it is ordered.
        #[field(default = false)]
        ordered: bool,
        /// Scope of its order.
        #[field(default = "queue", one_of = ["queue", "group"], requires = ordered)]
        scope: String,
        /// Key.
        #[field(default)]
        key: Option<String>,
        /// Time for which the key is used, in seconds.
        #[field(default = 60, one_of = [60, 600], requires = key, requires = ordered)]
        reuse_seconds: u32,
        /// Labels.
        #[field(default, conflicts_with = key)]
        labels: Vec<String>,
        /// Windows.
        #[field(default)]
        windows: Vec<Window>,
    }

    /// A window.
    #[spec]
    struct Window {
        /// Start.
        #[field(default, requires = until)]
        from: Option<u32>,
        /// End.
        #[field(default)]
        until: Option<u32>,
    }

    fn problems(spec: Value) -> Vec<String> {
        let rules = Rules::of(&json!(schemars::schema_for!(Queue)));
        rules
            .check(&spec)
            .into_iter()
            .map(|problem| format!("{}: {}; {}", problem.pointer, problem.message, problem.help.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn accepts_fields_that_go_together() {
        for spec in [
            json!({}),
            json!({ "ordered": false, "scope": "queue", "key": null, "reuse_seconds": 60, "labels": ["a"], "windows": [{ "until": 1 }] }),
            json!({ "ordered": true, "scope": "group", "key": "${kms_key.a.arn}", "reuse_seconds": 600, "labels": [] }),
            json!({ "windows": [{ "from": 1, "until": 2 }] }),
        ] {
            assert_eq!(problems(spec.clone()), Vec::<String>::new(), "{spec}");
        }
    }

    #[test]
    fn reports_a_missing_field_and_one_too_many() {
        let cases = [
            (json!({ "scope": "group" }), vec!["/scope: requires `ordered: true`; set `ordered: true`, or remove `scope`"]),
            (
                json!({ "reuse_seconds": 600 }),
                vec![
                    "/reuse_seconds: requires `key`; set `key`, or remove `reuse_seconds`",
                    "/reuse_seconds: requires `ordered: true`; set `ordered: true`, or remove `reuse_seconds`",
                ],
            ),
            (json!({ "labels": ["a"], "key": "k" }), vec!["/labels: can't be combined with `key`; remove `labels` or `key`"]),
            (json!({ "windows": [{}, { "from": 1 }] }), vec!["/windows/1/from: requires `until`; set `until`, or remove `from`"]),
            (
                json!({ "ordered": true, "key": "k", "reuse_seconds": 61 }),
                vec!["/reuse_seconds: must be one of 60, 600; Time for which the key is used, in seconds"],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(problems(spec.clone()), expected, "{spec}");
        }
    }
}
