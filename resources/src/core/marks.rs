//! Important fields and risky values at any depth of a spec: the facts `important` and `risky`, and the statements of policies.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    policy::{policy_kind::PolicyKind, risks::risks},
    rules::{AlternativeShape, definition_name, for_each_item, with_child_pointer},
};

/// The marks of a spec.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// JSON pointers to important fields.
    pub important: Vec<String>,
    /// JSON pointers to risky values, each with the reason.
    pub risks: Vec<(String, String)>,
}

impl Marks {
    /// Whether a schema has either fact.
    pub(super) fn exist_in(schema: &Value) -> bool {
        let text = schema.to_string();
        ["\"x-acme-important\"", "\"x-acme-risky\"", "\"x-acme-policy-kind\""].iter().any(|fact| text.contains(fact))
    }

    /// Finds the marks of a spec by its schema with `$defs`.
    pub(super) fn of(schema: &Value, spec: &Value) -> Marks {
        let empty = Map::new();
        let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        let mut marks = Marks::default();
        marks.collect(schema, definitions, spec, &mut String::new());
        marks
    }

    /// Finds the risky statements of a policy, or of all in a map.
    fn collect_policy_risks(&mut self, kind: PolicyKind, value: &Value, at: &mut String) {
        if value.get("Statement").is_none() {
            let policies = value.as_object().into_iter().flatten().filter(|(_, policy)| policy.get("Statement").is_some());
            policies.for_each(|(key, policy)| with_child_pointer(at, key, |at| self.collect_policy_risks(kind, policy, at)));
            return;
        }
        let found = risks(kind, value).into_iter();
        self.risks.extend(found.map(|(index, reason)| (format!("{at}/Statement/{index}"), reason.to_owned())));
    }

    fn collect(&mut self, schema: &Value, definitions: &Map<String, Value>, value: &Value, at: &mut String) {
        if schema["x-acme-important"] == true {
            self.important.push(at.clone());
        }
        if let Some(reason) = schema["x-acme-risky"].as_str()
            && schema["x-acme-risky-value"] == *value
        {
            self.risks.push((at.clone(), reason.to_owned()));
        }
        if let Ok(kind) = PolicyKind::deserialize(&schema["x-acme-policy-kind"]) {
            self.collect_policy_risks(kind, value, at);
        }
        if let Some(target) = definition_name(schema).and_then(|name| definitions.get(name)) {
            self.collect(target, definitions, value, at);
        }
        let fields = schema.get("properties").and_then(Value::as_object);
        for (key, field) in fields.into_iter().flatten() {
            if let Some(value) = value.get(key) {
                with_child_pointer(at, key, |at| self.collect(field, definitions, value, at));
            }
        }
        for items in ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key)).filter(|items| items.is_object()) {
            for_each_item(value, at, |key, value, at| {
                if !fields.is_some_and(|fields| fields.contains_key(key)) {
                    self.collect(items, definitions, value, at);
                }
            });
        }
        for branch in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten() {
            if AlternativeShape::of(branch, definitions).matches(value) {
                self.collect(branch, definitions, value, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use acme_macros::spec;
    use serde_json::json;

    use super::*;
    use crate::core::Policy;

    /// A machine.
    #[spec]
    struct Machine {
        /// Whether it has a public address.
        #[field(default = false, important, risky(true, "anyone can reach it"))]
        public: bool,
        /// Its doors by name.
        #[field(default)]
        doors: BTreeMap<String, Door>,
        /// Its ports.
        #[field(default)]
        ports: Vec<Port>,
    }

    /// A way in.
    #[spec]
    pub enum Door {
        /// With a lock.
        Locked(Lock),
        /// Without.
        Open,
    }

    /// A lock.
    #[spec]
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub struct Lock {
        /// How strong it is.
        #[field(default = Strength::High, risky(Strength::Low, "a child opens it"))]
        pub strength: Strength,
    }

    /// How strong something is.
    #[spec]
    #[derive(Copy)]
    pub enum Strength {
        /// Weak.
        Low,
        /// Strong.
        High,
    }

    /// A port.
    #[spec]
    pub struct Port {
        /// The ranges that may use it.
        #[field(default, important, risky([], "anyone may use it"))]
        pub sources: BTreeSet<String>,
    }

    #[test]
    fn finds_marked_fields_at_any_depth() {
        let schema = json!(schemars::schema_for!(Machine));
        assert!(Marks::exist_in(&schema));
        let mut found = Marks::of(
            &schema,
            &json!({
                "public": true,
                "doors": { "back": { "locked": { "strength": "low" } }, "front": { "locked": { "strength": "high" } }, "side": "open" },
                "ports": [{ "sources": ["10.0.0.0/8"] }, { "sources": [] }],
            }),
        );
        found.important.sort();
        found.risks.sort();
        assert_eq!(found.important, ["/ports/0/sources", "/ports/1/sources", "/public"]);
        let risk = |at: &str, why: &str| (at.to_owned(), why.to_owned());
        assert_eq!(
            found.risks,
            [
                risk("/doors/back/locked/strength", "a child opens it"),
                risk("/ports/1/sources", "anyone may use it"),
                risk("/public", "anyone can reach it"),
            ]
        );
        assert_eq!(Marks::of(&schema, &json!({})), Marks::default());
    }

    /// A user.
    #[spec]
    struct User {
        /// Its policies by name.
        #[field(policy = "identity", default)]
        policies: BTreeMap<String, Policy>,
    }

    #[test]
    fn finds_risky_statements_of_policies() {
        let schema = json!(schemars::schema_for!(User));
        assert!(Marks::exist_in(&schema));
        let statement = |action: &str| json!({ "Statement": [{ "Effect": "Allow", "Action": [action], "Resource": ["*"] }] });
        let found = Marks::of(&schema, &json!({ "policies": { "a": statement("s3:GetObject"), "b": statement("*") } }));
        let pointers: Vec<&str> = found.risks.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/policies/b/Statement/0"]);
    }
}
