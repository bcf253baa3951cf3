//! The facts of a field as text, from its JSON schema.

use serde_json::Value;

use super::{plain_schema::EXPRESSION_PATTERN, plain_schema::for_each_subschema, prose, prose::Prose};
use crate::core::rules::describe_count;

/// Description of a field.
pub struct FieldFacts {
    /// Default, in Markdown; `None` without one.
    pub default: Option<String>,
    /// Limits of its value, such as `1 to 5 items`.
    pub limits: Vec<String>,
    /// Effect of a change.
    pub change: Option<String>,
    /// Other sentences of the description.
    pub description: Vec<String>,
}

/// Sentence about a field that AWS never reports.
const WRITE_ONLY: &str = "AWS does not report it: a change is not an update, but later calls use it.";

/// Reads the facts of a field.
pub fn field_facts(field: &Value) -> FieldFacts {
    let text = |key: &str| field.get(key).and_then(Value::as_str);
    let Prose { default: prose_default, change: prose_change, description: mut about } =
        prose::parse(&text("description").unwrap_or_default().replace('\n', " "));
    about.extend(text("x-acme-pattern").map(|pattern| format!("It matches `{pattern}`.")));
    about.extend(describe_relations(field));
    about.extend((field["x-acme-write-only"] == true).then(|| WRITE_ONLY.to_owned()));
    about.extend(text("x-acme-one-way").map(|why| format!("The change can't be undone: {why}.")));
    let in_place = text("x-acme-impact").map(|impact| format!("in place: {impact}"));
    let replaces = (field["x-acme-replaces"] == true).then(|| "by replacement".to_owned());
    let initial_only = (field["x-acme-initial-only"] == true).then(|| "no effect".to_owned());
    FieldFacts {
        default: text("x-acme-unset").map(str::to_owned).or_else(|| describe_default(field)).or(prose_default),
        limits: describe_limits(field),
        change: replaces.or(initial_only).or(in_place).or(prose_change),
        description: about,
    }
}

/// Adds the facts of every field to its description, where editors show them.
pub fn add_descriptions(schema: &mut Value) {
    for_each_subschema(schema, &mut add_descriptions);
    for field in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|fields| fields.values_mut()) {
        let text = |key: &str| field.get(key).and_then(Value::as_str);
        let Some(description) = text("description") else { continue };
        let mut sentences = vec![description.to_owned()];
        // Facts already stated in prose are not repeated.
        let has = |start: &str| description.contains(start);
        let value = text("x-acme-unset").map(str::to_owned).or_else(|| describe_default(field)).filter(|_| !has("Default: "));
        sentences.extend(value.map(|value| format!("Default: {value}.")));
        sentences.extend(describe_relations(field));
        sentences.extend((field["x-acme-write-only"] == true).then(|| WRITE_ONLY.to_owned()));
        sentences.extend(text("x-acme-one-way").map(|why| format!("The change can't be undone: {why}.")));
        sentences.extend(text("x-acme-impact").map(|impact| format!("Impact of a change: {impact}.")));
        sentences.extend((field["x-acme-replaces"] == true && !has("replaces")).then(|| "Changing it replaces the resource.".to_owned()));
        sentences.extend((field["x-acme-initial-only"] == true).then(|| "Changing it later has no effect.".to_owned()));
        field["description"] = sentences.join(" ").into();
    }
}

/// Default in Markdown, unless it is trivial.
fn describe_default(field: &Value) -> Option<String> {
    Some(match field.get("default")? {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::Array(list) if list.is_empty() => return None,
        Value::Object(map) if map.is_empty() => return None,
        Value::String(text) => format!("`{text}`"),
        value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
        value => format!("`{value}`"),
    })
}

/// Sentences about the other fields that a field requires, or can't be combined with.
fn describe_relations(field: &Value) -> Vec<String> {
    let relation = |keyword: &str, words: &str| {
        let others = field.get(keyword)?.as_array()?.iter().filter_map(Value::as_str);
        Some(format!("{words} {}.", others.map(|other| format!("`{other}`")).collect::<Vec<_>>().join(" and ")))
    };
    let relations = [relation("x-acme-requires", "Requires"), relation("x-acme-conflicts-with", "Can't be combined with")];
    relations.into_iter().flatten().collect()
}

fn describe_limits(field: &Value) -> Vec<String> {
    let pair = |key: &str| {
        let bounds = field.get(key)?.as_array()?;
        Some((bounds.first()?.as_u64()?, bounds.get(1)?.as_u64()?))
    };
    let number = |key: &str| field.get(key).filter(|value| value.is_number());
    let mut limits = Vec::new();
    let (min, max) = (number("minimum"), number("maximum"));
    // The limits of Rust's number types are not limits of the field.
    let of_type = min.and_then(Value::as_u64) == Some(0) && max.is_none_or(|max| *max == u8::MAX || *max == u16::MAX);
    match (min, max) {
        _ if of_type => {}
        (Some(min), Some(max)) => limits.push(format!("{min} to {max}")),
        (Some(min), None) => limits.push(format!("at least {min}")),
        (None, Some(max)) => limits.push(format!("at most {max}")),
        (None, None) => {}
    }
    let nouns = match () {
        () if has_type(field, "array") => ("item", "items"),
        () if has_type(field, "object") => ("entry", "entries"),
        () => ("character", "characters"),
    };
    limits.extend(pair("x-acme-length").map(|(min, max)| describe_count(min, max, nouns)));
    limits.extend(pair("x-acme-prefix").map(|(min, max)| format!("/{min} to /{max}")));
    limits
}

/// Whether a schema accepts values of this type.
fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// Whether a schema accepts only scalars: then no element can have `for_each` or `when`.
fn is_scalar(schema: &Value) -> bool {
    ["string", "integer", "number", "boolean"].iter().any(|name| has_type(schema, name))
        && !has_type(schema, "object")
        && !has_type(schema, "array")
}

/// Adds closed lists in the standard keyword.
pub fn apply_choices(field: &mut Value) {
    let Some(mut choices) = field.as_object_mut().and_then(|map| map.remove("x-acme-one-of")) else { return };
    let target = match () {
        () if has_type(field, "array") => field.get_mut("items"),
        () if has_type(field, "object") => field.get_mut("additionalProperties"),
        () => Some(field),
    };
    let Some(target) = target else { return };
    if has_type(target, "null")
        && let Some(choices) = choices.as_array_mut()
    {
        choices.push(Value::Null);
    }
    target["enum"] = choices;
}

/// Adds lengths and patterns in the standard keywords, unless that rejects valid definitions: an expression can be longer than its
/// value, and one entry of `for_each` expands to several.
pub fn apply_limits(schema: &mut Value) {
    for_each_subschema(schema, &mut apply_limits);
    let bounds = schema.get("x-acme-length").and_then(Value::as_array).map(|bounds| (bounds[0].clone(), bounds[1].clone()));
    if let Some((min, max)) = bounds {
        let at_least = min.as_u64().unwrap_or_default();
        // The shortest expression, `{{a}}`, has five characters.
        if has_type(schema, "string") && (1..=5).contains(&at_least) {
            schema["minLength"] = min.clone();
        }
        let is_list_of_scalars = schema.get("items").is_some_and(is_scalar);
        if has_type(schema, "array") && is_list_of_scalars {
            schema["minItems"] = min;
            schema["maxItems"] = max;
        } else if has_type(schema, "array") && at_least > 0 {
            schema["minItems"] = 1.into();
        }
    }
    if let Some(pattern) = schema.get("x-acme-pattern").and_then(Value::as_str).filter(|pattern| is_portable(pattern)) {
        let either = format!("^(?:{pattern})$|{EXPRESSION_PATTERN}|\\$\\{{");
        let target = match () {
            () if has_type(schema, "array") => schema.get_mut("items"),
            () if has_type(schema, "object") => schema.get_mut("additionalProperties"),
            () => Some(schema),
        };
        if let Some(target) = target.filter(|target| has_type(target, "string") && target.get("pattern").is_none()) {
            target["pattern"] = either.into();
        }
    }
}

/// Whether a regular expression has the same meaning in JavaScript, whose syntax JSON Schema uses.
fn is_portable(pattern: &str) -> bool {
    !["(?", "[[:", "\\A", "\\z", "\\p", "\\P"].iter().any(|other| pattern.replace("(?:", "(").contains(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_facts_from_the_schema() {
        let field = json!({
            "type": ["integer", "null"], "description": "Time to wait.", "default": 30, "minimum": 1, "maximum": 60,
            "x-acme-impact": "restarts it", "x-acme-one-way": "it never shrinks",
        });
        let told = field_facts(&field);
        assert_eq!((told.default.as_deref(), told.change.as_deref()), (Some("30"), Some("in place: restarts it")));
        assert_eq!(told.limits, ["1 to 60"]);
        assert_eq!(told.description, ["Time to wait.", "The change can't be undone: it never shrinks."]);

        let list =
            json!({ "type": "array", "default": [], "x-acme-length": [1, 5], "x-acme-replaces": true, "x-acme-unset": "those of AWS" });
        let told = field_facts(&list);
        assert_eq!((told.default.as_deref(), told.change.as_deref()), (Some("those of AWS"), Some("by replacement")));
        assert_eq!(told.limits, ["1 to 5 items"]);
        assert_eq!(field_facts(&json!({ "type": "integer", "minimum": 0, "maximum": 255 })).limits, Vec::<String>::new());
        assert_eq!(field_facts(&json!({ "type": "string", "x-acme-prefix": [16, 28], "default": "" })).default, None);
    }

    #[test]
    fn adds_facts_to_descriptions() {
        let mut schema = json!({ "properties": {
            "a": { "description": "A.", "default": "x", "x-acme-replaces": true },
            "c": { "description": "C.", "x-acme-initial-only": true },
            "b": { "description": "B. Default: 5. Changing it replaces the thing.", "default": 5, "x-acme-replaces": true },
        } });
        add_descriptions(&mut schema);
        assert_eq!(schema["properties"]["a"]["description"], "A. Default: `x`. Changing it replaces the resource.");
        assert_eq!(schema["properties"]["c"]["description"], "C. Changing it later has no effect.");
        assert_eq!(schema["properties"]["b"]["description"], "B. Default: 5. Changing it replaces the thing.");
    }

    #[test]
    fn standard_keywords_accept_everything_a_user_may_write() {
        let stated = |mut schema: Value| {
            apply_choices(&mut schema);
            apply_limits(&mut schema);
            let keywords = ["minLength", "maxLength", "minItems", "maxItems", "pattern", "enum"];
            let map = schema.as_object().expect("a map").iter().filter(|(key, _)| keywords.contains(&key.as_str()));
            Value::Object(map.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        assert_eq!(stated(json!({ "type": "string", "x-acme-length": [1, 20] })), json!({ "minLength": 1 }));
        assert_eq!(stated(json!({ "type": "string", "x-acme-length": [40, 40] })), json!({}));
        let pattern = stated(json!({ "type": ["string", "null"], "x-acme-pattern": "[a-z]+" }));
        assert_eq!(pattern, json!({ "pattern": r"^(?:[a-z]+)$|\{\{|\{%|\$\{" }));
        assert_eq!(stated(json!({ "type": "string", "x-acme-pattern": "(?i)[a-z]+" })), json!({}));
        let scalars = json!({ "type": "array", "items": { "type": "string" }, "x-acme-length": [2, 5] });
        assert_eq!(stated(scalars), json!({ "minItems": 2, "maxItems": 5 }));
        let entries = json!({ "type": "array", "items": { "type": "object" }, "x-acme-length": [2, 5] });
        assert_eq!(stated(entries), json!({ "minItems": 1 }));
        assert_eq!(stated(json!({ "type": ["string", "null"], "x-acme-one-of": ["a"] })), json!({ "enum": ["a", null] }));
        let mut list = json!({ "type": "array", "items": { "type": "string" }, "x-acme-one-of": ["a"], "x-acme-pattern": "a" });
        apply_choices(&mut list);
        apply_limits(&mut list);
        assert_eq!(list["items"], json!({ "type": "string", "enum": ["a"], "pattern": r"^(?:a)$|\{\{|\{%|\$\{" }));
    }
}
