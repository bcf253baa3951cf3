//! The simplified JSON Schema of one type: without definitions to look up, and with expressions wherever they are allowed.

use serde_json::{Map, Value, json};

use super::field_facts::apply_choices;

/// Returns a schema without references into `$defs`, without `null` wrapped around objects, and with units.
pub fn simplify_schema(schema: &Value) -> Value {
    let defs = schema.get("$defs").cloned().unwrap_or_default();
    let mut out = inline_definitions(schema, &defs, &mut Vec::new());
    if let Some(map) = out.as_object_mut() {
        for key in ["$schema", "title"] {
            map.remove(key);
        }
    }
    add_units(&mut out);
    out
}

fn inline_definitions(schema: &Value, defs: &Value, within: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/")) {
                if within.iter().any(|outer| outer == name) {
                    // A recursive type is described once; below that, any value is accepted.
                    return json!({});
                }
                within.push(name.to_owned());
                let mut target = inline_definitions(defs.get(name).unwrap_or(&Value::Null), defs, within);
                within.pop();
                if let Some(target) = target.as_object_mut() {
                    target.remove("title");
                    target.extend(map.iter().filter(|(key, _)| *key != "$ref").map(|(key, value)| (key.clone(), value.clone())));
                }
                return target;
            }
            let all =
                map.iter().filter(|(key, _)| *key != "$defs").map(|(key, value)| (key.clone(), inline_definitions(value, defs, within)));
            let mut map: Map<String, Value> = all.collect();
            // Names of Rust's number types are redundant with `minimum` and `maximum`.
            map.retain(|key, value| key != "format" || !value.is_string());
            Value::Object(flatten_alternatives(map))
        }
        Value::Array(list) => list.iter().map(|item| inline_definitions(item, defs, within)).collect(),
        other => other.clone(),
    }
}

/// Merges an `anyOf` of an object and `null`, or of a string and an object, into one schema of several types: keywords of JSON Schema
/// apply to one type each, and problems below keep their location.
fn flatten_alternatives(mut map: Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Array(branches)) = map.get("anyOf").cloned() else { return map };
    let mut merged = Map::new();
    let mut types: Vec<Value> = Vec::new();
    for branch in &branches {
        let Some(branch) = branch.as_object() else { return map };
        for (key, value) in branch {
            match (key.as_str(), merged.get(key)) {
                ("type", _) => {
                    let more = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    if more.iter().any(|one| types.contains(one)) {
                        return map;
                    }
                    types.extend(more);
                }
                ("description", _) => {}
                ("enum" | "const" | "anyOf" | "oneOf" | "$ref", _) | (_, Some(_)) => return map,
                (_, None) => drop(merged.insert(key.clone(), value.clone())),
            }
        }
        if !branch.contains_key("type") {
            return map;
        }
    }
    map.remove("anyOf");
    merged.insert("type".into(), types.into());
    let description = branches.iter().find_map(|branch| branch.get("description"));
    merged.extend(description.map(|text| ("description".to_owned(), text.clone())));
    merged.extend(map);
    merged
}

/// Units by suffix of a field's name.
const UNITS: &[(&str, &str)] = &[
    ("_seconds", "seconds"),
    ("_minutes", "minutes"),
    ("_hours", "hours"),
    ("_days", "days"),
    ("_gib", "GiB"),
    ("_mib", "MiB"),
    ("_mibps", "MiB/s"),
    ("_percentage", "percent"),
    ("_percent", "percent"),
];

/// Unit of a field.
pub fn unit(field: &str) -> Option<&'static str> {
    UNITS.iter().find(|(end, _)| field.ends_with(end) || *field == end[1..]).map(|(_, unit)| *unit)
}

/// Adds units, and removes trivial defaults.
fn add_units(schema: &mut Value) {
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in fields.iter_mut() {
            apply_choices(field);
            let Some(field) = field.as_object_mut() else { continue };
            field.extend(unit(name).map(|unit| ("x-unit".to_owned(), unit.into())));
            match field.remove("default") {
                None | Some(Value::Null) => {}
                Some(default) => drop(field.insert("default".into(), without_nulls(default))),
            }
        }
    }
    for_each_subschema(schema, &mut add_units);
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect()
        }
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Calls `act` for every schema directly below this one.
pub fn for_each_subschema(schema: &mut Value, act: &mut impl FnMut(&mut Value)) {
    let Some(map) = schema.as_object_mut() else { return };
    for (key, value) in map {
        match (key.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(fields)) => fields.values_mut().for_each(&mut *act),
            ("anyOf" | "oneOf" | "prefixItems", Value::Array(branches)) => branches.iter_mut().for_each(&mut *act),
            ("items" | "additionalProperties", value @ Value::Object(_)) => act(value),
            _ => {}
        }
    }
}

/// Pattern of a text with an expression.
pub const EXPRESSION_PATTERN: &str = r"\{\{|\{%";

/// Accepts an expression in place of any value.
pub fn allow_expressions(schema: &mut Value) {
    for_each_subschema(schema, &mut allow_expressions);
    let Some(map) = schema.as_object_mut() else { return };
    if map.contains_key("const") {
        return;
    }
    if let Some(values) = map.remove("enum") {
        let mut named = Map::from_iter([("enum".to_owned(), values)]);
        named.extend(map.remove("type").map(|kind| ("type".to_owned(), kind)));
        map.insert("anyOf".into(), json!([named, { "type": "string", "pattern": EXPRESSION_PATTERN }]));
        return;
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(mut branches)) = map.remove(key) {
            if !branches.iter().any(allows_expressions) {
                branches.push(json!({ "type": "string", "pattern": EXPRESSION_PATTERN }));
            }
            map.insert("anyOf".into(), branches.into());
            return;
        }
    }
    let mut types = match map.get("type") {
        Some(Value::String(one)) => vec![Value::from(one.as_str())],
        Some(Value::Array(several)) => several.clone(),
        _ => return,
    };
    if types.iter().any(|one| one == "string") {
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str).filter(|own| !own.contains(EXPRESSION_PATTERN)) {
            let either = format!("{pattern}|{EXPRESSION_PATTERN}");
            map.insert("pattern".into(), either.into());
        }
        return;
    }
    types.push("string".into());
    map.insert("type".into(), types.into());
    map.insert("pattern".into(), EXPRESSION_PATTERN.into());
}

fn allows_expressions(schema: &Value) -> bool {
    let text = schema.get("type").is_some_and(|kind| kind == "string" || kind.as_array().is_some_and(|all| all.contains(&"string".into())));
    let open =
        schema.get("const").is_none() && schema.get("pattern").and_then(Value::as_str).is_none_or(|p| p.contains(EXPRESSION_PATTERN));
    (text && open) || schema.get("anyOf").and_then(Value::as_array).is_some_and(|branches| branches.iter().any(allows_expressions))
}
