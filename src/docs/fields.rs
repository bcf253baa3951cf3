//! The fields of a schema, as rows of a table.

use serde_json::Value;

use super::{
    field_facts::{FieldFacts, field_facts},
    plain_schema::unit,
};

/// One field, with its path below the schema's owner: `ingress[].port`.
pub struct FieldRow {
    /// Path.
    pub path: String,
    /// Type of its value, in words.
    pub value_type: String,
    /// Default, or `required`.
    pub default: String,
    /// Effect of a change.
    pub change: String,
    /// Description.
    pub description: String,
}

/// Lists every field of a plain schema, at all depths; `replace` has pointers to those whose change replaces the resource.
pub fn field_rows(schema: &Value, replace: &[&str]) -> Vec<FieldRow> {
    let mut rows = Vec::new();
    collect(schema, "", "", replace, &mut rows);
    rows
}

fn collect(schema: &Value, path: &str, pointer: &str, replace: &[&str], rows: &mut Vec<FieldRow>) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let (needed, others): (Vec<_>, Vec<_>) = properties.partition(|(name, _)| required(name));
    for (name, field) in needed.into_iter().chain(others) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let pointer = format!("{pointer}/{name}");
        let replaces = replace.iter().any(|one| pointer == *one || pointer.starts_with(&format!("{one}/")));
        rows.push(row(&path, name, field, required(name), replaces));
        collect_nested(field, &path, &pointer, replace, rows);
    }
}

/// Adds the fields of a field's value, its items and its alternatives.
fn collect_nested(field: &Value, path: &str, pointer: &str, replace: &[&str], rows: &mut Vec<FieldRow>) {
    if field.get("x-acme-ref").is_some() {
        return;
    }
    collect(field, path, pointer, replace, rows);
    if let Some(items) = field.get("items") {
        collect_nested(items, &format!("{path}[]"), pointer, replace, rows);
    }
    if let Some(entries) = field.get("additionalProperties").filter(|entries| entries.is_object()) {
        collect_nested(entries, &format!("{path}.<name>"), pointer, replace, rows);
    }
    for branch in ["anyOf", "oneOf"].iter().filter_map(|key| field.get(key)?.as_array()).flatten() {
        collect_nested(branch, path, pointer, replace, rows);
    }
}

fn row(path: &str, name: &str, field: &Value, required: bool, replaces: bool) -> FieldRow {
    let FieldFacts { default, limits, change, description: about } = field_facts(field);
    let default = if required { "required".to_owned() } else { default.unwrap_or_else(|| "none".to_owned()) };
    let change = change.unwrap_or_else(|| if replaces { "by replacement" } else { "in place" }.to_owned());
    let about = about.into_iter().chain(variant_descriptions(field)).collect::<Vec<_>>().join(" ");
    let holds =
        std::iter::once(describe_value_type(field)).chain(unit(name).map(str::to_owned)).chain(limits).collect::<Vec<_>>().join(", ");
    FieldRow { path: path.to_owned(), value_type: holds, default, change, description: about }
}

/// Alternatives of a value that have their own description.
fn variant_descriptions(field: &Value) -> Vec<String> {
    let branches = ["anyOf", "oneOf"].iter().filter_map(|key| field.get(key)?.as_array()).flatten();
    branches
        .filter_map(|branch| Some(format!("`{}`: {}", branch.get("const")?.as_str()?, branch.get("description")?.as_str()?)))
        .map(|text| text.replace('\n', " "))
        .collect()
}

/// Type that a schema accepts, in words.
pub fn describe_value_type(schema: &Value) -> String {
    if let Some(kind) = schema.get("x-acme-ref").and_then(Value::as_str) {
        return format!("a [`{kind}`]({kind}.md)");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let show = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| format!("`{text}`"));
        return values.iter().filter(|value| !value.is_null()).map(show).collect::<Vec<_>>().join(", ");
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(key).and_then(Value::as_array) {
            let mut all: Vec<String> = branches.iter().filter(|branch| branch["type"] != "null").map(describe_value_type).collect();
            all.dedup();
            let values = all.iter().all(|one| one.starts_with('`'));
            return all.join(if values { ", " } else { " or " });
        }
    }
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return "any value".to_owned(),
    };
    let words: Vec<String> = types
        .into_iter()
        .filter(|one| *one != "null")
        .map(|one| match (one, schema.get("items"), schema.get("additionalProperties")) {
            ("array", Some(items), _) => match describe_value_type(items) {
                several if several.contains(" or ") => "list".to_owned(),
                one => format!("list of {one}"),
            },
            ("array", None, _) => "list".to_owned(),
            ("object", _, Some(entries)) if entries.is_object() => match describe_value_type(entries) {
                several if several.contains(" or ") => "map".to_owned(),
                one => format!("map of {one}"),
            },
            ("object", ..) if schema.get("properties").is_some() => "fields".to_owned(),
            ("object", ..) => "map".to_owned(),
            (other, ..) => other.to_owned(),
        })
        .collect();
    words.join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn splits_a_field_into_columns() {
        let schema = json!({
            "required": ["b"],
            "properties": {
                "a_seconds": { "type": ["integer", "null"], "description": "Time, such as `1. Two`. Default: 5. Changing it replaces the thing." },
                "b": { "type": "array", "items": { "type": "object", "properties": { "c": { "enum": ["x", "y"] } } } },
                "d_seconds": { "enum": [60, 600, null] },
            },
        });
        let rows: Vec<String> = field_rows(&schema, &["/b"])
            .iter()
            .map(|f| format!("{} | {} | {} | {} | {}", f.path, f.value_type, f.default, f.change, f.description))
            .collect();
        assert_eq!(
            rows,
            [
                "b | list of fields | required | by replacement | ",
                "b[].c | `x`, `y` | none | by replacement | ",
                "a_seconds | integer, seconds | 5 | replaces the thing | Time, such as `1. Two`.",
                "d_seconds | 60, 600, seconds | none | in place | ",
            ]
        );
    }
}
