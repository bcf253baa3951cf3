//! Optional fields that a definition set and no longer sets: the fact `dropped`.

use serde_json::{Map, Value};

use super::{
    ResourceType,
    rules::{definition_name, with_child_pointer},
};

/// What becomes of an optional field that is no longer set.
#[derive(Clone, Debug, PartialEq)]
pub enum Dropped {
    /// It gets this value; `null`: none.
    Value(Value),
    /// It stays, with the reason.
    Kept(String),
    /// AWS can't change it back, with the reason.
    Impossible(String),
}

impl ResourceType {
    /// JSON pointers to the fields with the fact `dropped` that have a value in a canonical spec, at any depth.
    pub fn set_fields(&self, spec: &Value) -> Vec<String> {
        let mut found = Vec::new();
        SchemaNodes::of(self.schema()).set_fields(vec![self.schema()], spec, &mut String::new(), &mut found);
        found
    }

    /// What becomes of the field at this pointer, which has no value in `spec`; `None` without the fact.
    pub fn dropped(&self, spec: &Value, pointer: &str) -> Option<Dropped> {
        let facts = SchemaNodes::of(self.schema()).at(pointer);
        let text = |key: &str| facts.iter().find_map(|fact| fact.get(key)?.as_str()).map(str::to_owned);
        if let Some(value) = facts.iter().find_map(|fact| fact.get(VALUE)) {
            return Some(Dropped::Value(value.clone()));
        }
        if facts.iter().any(|fact| fact.get(COMPUTED).is_some()) {
            let value = self.operations.dropped(spec).ok()?.pointer(pointer).cloned();
            return Some(Dropped::Value(value.unwrap_or_default()));
        }
        text(KEPT).map(Dropped::Kept).or_else(|| text(IMPOSSIBLE).map(Dropped::Impossible))
    }
}

const VALUE: &str = "x-acme-dropped";
const COMPUTED: &str = "x-acme-dropped-computed";
const KEPT: &str = "x-acme-dropped-kept";
const IMPOSSIBLE: &str = "x-acme-dropped-impossible";

/// Whether the schema of a field states the fact.
pub fn has_fact(field: &Value) -> bool {
    [VALUE, COMPUTED, KEPT, IMPOSSIBLE].iter().any(|key| field.get(key).is_some())
}

/// A schema with its definitions.
struct SchemaNodes<'a> {
    root: &'a Value,
    definitions: Option<&'a Map<String, Value>>,
}

impl<'a> SchemaNodes<'a> {
    fn of(root: &'a Value) -> SchemaNodes<'a> {
        SchemaNodes { root, definitions: root.get("$defs").and_then(Value::as_object) }
    }

    /// A schema, and those it refers to or chooses from.
    fn branches(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut all = vec![schema];
        let mut next = 0;
        while let Some(schema) = all.get(next).copied() {
            next += 1;
            let target = definition_name(schema).and_then(|name| self.definitions?.get(name));
            let choices = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
            for one in target.into_iter().chain(choices) {
                if !all.iter().any(|known| std::ptr::eq(*known, one)) {
                    all.push(one);
                }
            }
        }
        all
    }

    /// Schemas of the value of a key, or of an entry.
    fn below(&self, schemas: &[&'a Value], key: &str) -> Vec<&'a Value> {
        let all = || schemas.iter().flat_map(|schema| self.branches(schema));
        let fields: Vec<&Value> = all().filter_map(|schema| schema.get("properties")?.get(key)).collect();
        if !fields.is_empty() {
            return fields;
        }
        let entries = all().flat_map(|schema| ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key)));
        entries.filter(|schema| schema.is_object()).collect()
    }

    fn at(&self, pointer: &str) -> Vec<&'a Value> {
        let keys = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
        keys.fold(vec![self.root], |schemas, key| self.below(&schemas, &key))
    }

    fn set_fields(&self, schemas: Vec<&'a Value>, value: &Value, at: &mut String, found: &mut Vec<String>) {
        if !value.is_null() && schemas.iter().any(|schema| has_fact(schema)) {
            found.push(at.clone());
        }
        let entries: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => return,
        };
        for (key, value) in entries {
            let below = self.below(&schemas, &key);
            if !below.is_empty() {
                with_child_pointer(at, &key, |at| self.set_fields(below, value, at, found));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::resource_type;

    fn fate(type_name: &str, spec: Value, pointer: &str) -> Option<Dropped> {
        let kind = resource_type(type_name).expect("a type");
        let spec = kind.operations.parse(&spec).unwrap_or_else(|problems| panic!("{problems:?}"));
        kind.dropped(&spec, pointer)
    }

    #[test]
    fn finds_the_fields_that_are_set_at_any_depth() {
        let kind = resource_type("target_group").expect("a type");
        let spec = json!({
            "vpc": { "id": "vpc-1" }, "port": 80, "protocol": "HTTP", "health_check": { "path": "/health" },
            "stickiness": { "type": "lb_cookie", "duration_seconds": 60 }, "slow_start_seconds": 30,
        });
        let spec = kind.operations.parse(&spec).expect("a valid spec");
        let found = kind.set_fields(&spec);
        for pointer in ["/health_check/path", "/stickiness", "/stickiness/duration_seconds", "/vpc"] {
            assert!(found.iter().any(|one| one == pointer), "{pointer} is not in {found:?}");
        }
        assert!(!found.iter().any(|one| one.contains("slow_start") || one.contains("matcher")), "{found:?}");
    }

    #[test]
    fn knows_the_documented_defaults() {
        let group = json!({ "vpc": "main", "port": 80, "protocol": "HTTP" });
        assert_eq!(fate("target_group", group.clone(), "/health_check/path"), Some(Dropped::Value(json!("/"))));
        assert_eq!(fate("target_group", group, "/stickiness/duration_seconds"), Some(Dropped::Value(json!(86_400))));
        let queue = json!({ "name": "jobs" });
        assert_eq!(fate("sqs_queue", queue.clone(), "/kms_key"), Some(Dropped::Value(Value::Null)));
        assert_eq!(fate("sqs_queue", queue.clone(), "/policy"), Some(Dropped::Value(json!({ "Version": "2012-10-17", "Statement": [] }))));
        assert_eq!(fate("sqs_queue", queue, "/delay_seconds"), None);
        let repository = json!({ "name": "web" });
        assert!(matches!(fate("ecr_repository", repository, "/kms_key"), Some(Dropped::Impossible(_))));
    }

    #[test]
    fn a_default_may_depend_on_other_fields() {
        let check = |protocol: &str, port: u16| {
            let group = json!({ "vpc": "main", "port": port, "protocol": protocol });
            [fate("target_group", group.clone(), "/health_check/path"), fate("target_group", group, "/health_check/interval_seconds")]
        };
        assert_eq!(check("HTTPS", 443), [json!("/"), json!(30)].map(|value| Some(Dropped::Value(value))));
        assert_eq!(check("GENEVE", 6081), [Value::Null, json!(10)].map(|value| Some(Dropped::Value(value))));
    }
}
