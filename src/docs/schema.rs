//! The JSON Schema of a definition.
//!
//! It states the facts of the types that a schema can express: the compiler checks more (names, ranges, cycles). The schema must accept
//! every definition that the compiler accepts.

mod top_level;

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use self::top_level::top_level_fields;
use super::{
    field_facts,
    plain_schema::{EXPRESSION_PATTERN, allow_expressions, for_each_subschema, simplify_schema},
};
use crate::{
    aws::types::RESOURCE_TYPES,
    core::{DataProtection, ResourceType},
    definition::{
        child_pointer,
        sections::{
            TIERS,
            section_schema::{FieldSet, SECTIONS, SectionBody},
        },
    },
};

/// Builds the JSON Schema (2020-12) of a definition.
pub fn definition() -> Value {
    let mut properties = top_level_fields();
    for section in SECTIONS {
        let mut schema = body_schema(&section.body);
        set_description(&mut schema, section.description);
        properties.insert(section.name.into(), schema);
    }
    properties.insert("resources".into(), resources_schema());
    properties.insert("overrides".into(), overrides_schema());
    properties.insert(
        "moved".into(),
        json!({
            "type": "object",
            "additionalProperties": { "type": "string" },
            "description": "New addresses of resources whose keys have changed, by the old ones: `{vpc.old: vpc.new}`. acme keeps such a \
                            resource and changes its ownership tags. Without this, it recognizes a resource that has the same unique name, \
                            or the same settings.",
        }),
    );
    properties.insert(
        "forget".into(),
        json!({
            "type": ["array", "null"],
            "items": { "type": "string", "pattern": "^[a-z0-9_]+\\." },
            "description": "Addresses of resources that leave the stack: acme removes their ownership tags and leaves them in AWS. They must \
                            not be declared any more. Default: none.",
            "examples": [["vpc.main"]],
        }),
    );
    let mut defs: Map<String, Value> = RESOURCE_TYPES.iter().map(|kind| (kind.name.to_owned(), resource_schema(kind))).collect();
    defs.extend(common_definitions());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "acme stack definition",
        "type": "object",
        "properties": properties,
        "required": ["stack"],
        "patternProperties": { "^x-": { "description": "The user's own, for anchors, for example; acme ignores it." } },
        "additionalProperties": false,
        "$defs": defs,
    })
}

/// Schema as text, for a file.
pub fn definition_json() -> String {
    format!("{:#}\n", definition())
}

/// Simplified schema of a type.
pub fn type_schema(resource_type: &ResourceType) -> Value {
    simplify_schema(&resource_type.schema().clone())
}

/// Examples of every type and section: a complete stack, which the tests compile.
pub fn examples() -> &'static Value {
    static EXAMPLES: OnceLock<Value> = OnceLock::new();
    EXAMPLES.get_or_init(|| serde_yaml::from_str(EXAMPLES_TEXT).unwrap_or_default())
}

/// Text of [`examples`].
pub const EXAMPLES_TEXT: &str = include_str!("examples.yaml");

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn set_description(schema: &mut Value, text: &str) {
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".into(), text.into());
    }
}

/// Fields of every resource, and of every entry.
fn common_definitions() -> Map<String, Value> {
    let time = |what: &str| {
        let pattern = format!("^([0-9]+h)?([0-9]+m)?([0-9]+s)?$|{EXPRESSION_PATTERN}");
        json!({ "description": format!("Maximum time to wait for its {what}."), "type": ["string", "null"], "pattern": pattern })
    };
    let common = json!({
        "tags": {
            "description": "Additional tags. A tag without a value (`null`) is left out, even if acme or the stack's `tags` set it. Default: none.",
            "type": ["object", "null", "string"], "pattern": EXPRESSION_PATTERN,
            "patternProperties": { "^([Aa][Ww][Ss]|[Aa][Cc][Mm][Ee]):": { "not": {} } },
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            "examples": [{ "team": "platform" }],
        },
        "depends_on": {
            "description": "Addresses of resources to create first, if no reference implies it. Default: none.",
            "type": ["array", "string", "null"], "pattern": format!("^[a-z0-9_]+\\.|{EXPRESSION_PATTERN}"),
            "items": { "type": "string", "pattern": format!("^[a-z0-9_]+\\.|{EXPRESSION_PATTERN}") },
            "examples": [["vpc.main"]],
        },
        "region": {
            "description": "Region, if it is not the stack's. A change replaces the resource. Default: the stack's region.",
            "type": ["string", "null"], "pattern": format!("^[a-z]+(-[a-z]+)+-[0-9]+$|{EXPRESSION_PATTERN}"),
            "examples": ["us-east-1"],
        },
        "timeouts": {
            "description": "Maximum time to wait until it is created, changed or deleted: `90s`, `45m` or `2h`. Default: as long as AWS reports \
                            progress, at most some hours, depending on the type.",
            "type": ["object", "null", "string"], "pattern": EXPRESSION_PATTERN,
            "properties": { "create": time("creation"), "update": time("change"), "delete": time("deletion") }, "additionalProperties": false,
            "examples": [{ "create": "2h", "delete": "45m" }],
        },
        "ignore_changes": {
            "description": "Fields that others change, such as a size that an autoscaler sets, and the reason: acme sets them when it creates the \
                            resource, and then leaves them as they are. Default: none.",
            "type": ["object", "null", "string"], "pattern": EXPRESSION_PATTERN,
            "properties": {
                "fields": { "type": "array", "items": { "type": "string" }, "description": "Names of the fields." },
                "reason": { "type": "string", "description": "Who changes them, and why." },
            },
            "additionalProperties": false, "required": ["fields", "reason"],
            "examples": [{ "fields": ["desired_size"], "reason": "The cluster autoscaler sets it." }],
        },
        "for_each": {
            "description": "Creates one per entry of a list or map, per number below a limit (`3`: 0, 1, 2), or per number of a range \
                            (`{from: 1, to: 3}`). `each.key` and `each.value` are the current entry.",
            "type": ["array", "object", "integer", "string"], "pattern": EXPRESSION_PATTERN, "minimum": 0,
            "items": { "type": ["string", "number", "boolean", "object"] },
            "examples": [["api", "web"]],
        },
        "when": {
            "description": "Creates this only if true: an expression such as `zones > 2`. Default: true.",
            "type": ["boolean", "string", "null"], "examples": ["environment == 'production'"],
        },
    });
    into_map(common)
}

/// Schema of a single resource of this type.
fn resource_schema(resource_type: &ResourceType) -> Value {
    let mut schema = type_schema(resource_type);
    field_facts::add_descriptions(&mut schema);
    // The compiler completes the name, so the written one is not checked.
    if resource_type.naming.is_some_and(|naming| !naming.prefix.is_empty())
        && let Some(name) = schema.pointer_mut("/properties/name").and_then(Value::as_object_mut)
    {
        name.retain(|key, _| !matches!(key.as_str(), "x-acme-length" | "x-acme-pattern"));
    }
    field_facts::apply_limits(&mut schema);
    allow_expressions(&mut schema);
    allow_for_each_in_entries(&mut schema);
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for name in common_fields(resource_type) {
            fields.insert(name.into(), json!({ "$ref": format!("#/$defs/{name}") }));
        }
        fields.extend(on_delete_schema(resource_type).map(|schema| ("on_delete".to_owned(), schema)));
    }
    if let Some(map) = schema.as_object_mut() {
        let nothing_needed = map.get("required").and_then(Value::as_array).is_none_or(Vec::is_empty);
        map.insert("type".into(), if nothing_needed { json!(["object", "null", "string"]) } else { json!(["object", "string"]) });
        map.insert("pattern".into(), EXPRESSION_PATTERN.into());
        if let Some(example) = example(resource_type.name) {
            map.insert("examples".into(), json!([example]));
        }
    }
    schema
}

/// Example of a type.
pub fn example(type_name: &str) -> Option<&'static Value> {
    examples().pointer(&child_pointer("/resources", type_name))?.as_object()?.values().next()
}

/// Common fields of a resource, which its type does not declare.
fn common_fields(resource_type: &ResourceType) -> Vec<&'static str> {
    let mut fields = vec!["depends_on", "for_each", "ignore_changes", "timeouts", "when"];
    if resource_type.is_taggable() {
        fields.push("tags");
    }
    if !resource_type.is_global() {
        fields.push("region");
    }
    fields
}

/// Values of `on_delete`, and its default.
pub fn on_delete_choices(resource_type: &ResourceType) -> (&'static [&'static str], &'static str) {
    match resource_type.data_protection {
        DataProtection::None => (&[], ""),
        DataProtection::Snapshot => (&["snapshot", "retain", "delete"], "Default: snapshot."),
        DataProtection::Contents if resource_type.operations.has_own_facts() => {
            (&["retain", "delete"], "Default: retain for what may hold data, delete for the rest.")
        }
        DataProtection::Contents => (&["retain", "delete"], "Default: acme refuses to delete it unless it is empty."),
        DataProtection::RecoveryWindow => {
            (&["retain", "delete"], "Default: it is deleted after the longest recovery window; `delete` uses the shortest.")
        }
    }
}

fn on_delete_schema(resource_type: &ResourceType) -> Option<Value> {
    let (fates, default) = on_delete_choices(resource_type);
    let description = format!("Treatment of its data if it is removed from the definition. {default}");
    let mut schema = json!({ "description": description, "enum": fates });
    allow_expressions(&mut schema);
    (!fates.is_empty()).then_some(schema)
}

/// Adds `for_each` and `when` to all entries of lists and maps.
fn allow_for_each_in_entries(schema: &mut Value) {
    for_each_subschema(schema, &mut allow_for_each_in_entries);
    for key in ["items", "additionalProperties"] {
        if let Some(item) = schema.get_mut(key) {
            allow_for_each(item);
        }
    }
}

fn allow_for_each(schema: &mut Value) {
    if let Some(branches) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        branches.iter_mut().for_each(allow_for_each);
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false))
        && let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut)
    {
        for name in ["for_each", "when"] {
            fields.insert(name.into(), json!({ "$ref": format!("#/$defs/{name}") }));
        }
    }
}

fn resources_schema() -> Value {
    let types: Map<String, Value> = RESOURCE_TYPES
        .iter()
        .map(|kind| {
            let entries = json!({
                "description": type_schema(kind).get("description"),
                "type": ["object", "null"],
                "additionalProperties": { "$ref": format!("#/$defs/{}", kind.name) },
            });
            (kind.name.to_owned(), entries)
        })
        .collect();
    json!({
        "description": "Single resources, by type and name.",
        "type": ["object", "null"], "properties": types, "additionalProperties": false,
    })
}

/// Schema of `overrides`: fields of any resource, by address. Maps are merged, so none of their fields is required.
fn overrides_schema() -> Value {
    let mut by_address = Map::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = resource_schema(kind);
        let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let fields = fields.into_iter().filter(|(name, _)| !matches!(name.as_str(), "for_each" | "when")).map(|(name, field)| {
            let same = json!({ "anyOf": [{ "$ref": format!("#/$defs/{}/properties/{name}", kind.name) }, { "type": "null" }] });
            let merged = json!({ "description": field.get("description") });
            let partial = field.get("properties").is_some() && field.get("required").is_some();
            (name, if partial { merged } else { same })
        });
        let fields: Map<String, Value> = fields.collect();
        let schema = json!({ "type": "object", "properties": fields, "additionalProperties": false });
        by_address.insert(format!("^{}\\.", kind.name), schema);
    }
    json!({
        "description": "Fields to change in any resource, by its address (`vpc.main`); `null` removes a field.",
        "type": ["object", "null"], "patternProperties": by_address, "additionalProperties": false,
    })
}

fn body_schema(part: &SectionBody) -> Value {
    match part {
        SectionBody::Fields(one) => field_set_schema(one),
        SectionBody::Entries(each) => {
            let entry_schema = |form: &FieldSet| {
                let mut schema = field_set_schema(form);
                allow_for_each(&mut schema);
                schema
            };
            let mut schema = entry_schema(each);
            let named = schema.get("required").is_none();
            if let Some((engines, other)) = each.by_engine {
                let has_engine = json!({ "properties": { "engine": { "enum": engines } }, "required": ["engine"] });
                schema = json!({ "if": has_engine, "then": entry_schema(other), "else": schema });
            }
            let mut entries =
                json!({ "type": ["object", "null", "string"], "pattern": EXPRESSION_PATTERN, "additionalProperties": schema });
            if named && let Some(map) = entries.as_object_mut() {
                // A list of names is short for entries without fields.
                map.insert("type".into(), json!(["object", "array", "null", "string"]));
                map.insert("items".into(), json!({ "type": "string" }));
            }
            entries
        }
    }
}

fn field_set_schema(form: &FieldSet) -> Value {
    let mut fields = Map::new();
    let mut required: Vec<Value> = Vec::new();
    if let Some(kind) = form.type_name.and_then(crate::aws::types::resource_type) {
        let whole = resource_schema(kind);
        let of_type = whole.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, field) in of_type.filter(|(name, _)| !matches!(name.as_str(), "for_each" | "when")) {
            fields.insert(name.clone(), section_field_schema(form, kind, name, field));
        }
        let needed = whole.get("required").and_then(Value::as_array).into_iter().flatten();
        required.extend(needed.filter(|name| !form.filled_in.iter().any(|filled| *name == filled)).cloned());
    }
    if let Some(own) = form.own_schema {
        let mut own = simplify_schema(&own().to_value());
        allow_expressions(&mut own);
        allow_for_each_in_entries(&mut own);
        let of_section = own.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, field) in of_section {
            let mut schema = match form.nested.iter().find(|(part, _)| *part == name) {
                Some((_, inner)) => body_schema(inner),
                None if name == "subnets" => subnets_schema(None),
                None => field.clone(),
            };
            if let Some(text) = field.get("description").and_then(Value::as_str) {
                set_description(&mut schema, text);
            }
            fields.insert(name, schema);
        }
    }
    let mut types = vec!["object", "string"];
    types.extend(form.short_form.filter(|short| *short != "string"));
    types.extend(required.is_empty().then_some("null"));
    let mut schema = json!({ "type": types, "properties": fields, "additionalProperties": false });
    if let Some(map) = schema.as_object_mut() {
        if form.short_form != Some("string") {
            map.insert("pattern".into(), EXPRESSION_PATTERN.into());
        }
        if !required.is_empty() {
            map.insert("required".into(), required.into());
        }
    }
    schema
}

/// Field of a type, as accepted in a section.
fn section_field_schema(form: &FieldSet, resource_type: &ResourceType, name: &str, field: &Value) -> Value {
    let same = json!({ "$ref": format!("#/$defs/{}/properties/{name}", resource_type.name) });
    if name == "subnets" && form.filled_in.contains(&"subnets") {
        let mut schema = subnets_schema(Some(same));
        set_description(&mut schema, field.get("description").and_then(Value::as_str).unwrap_or_default());
        return schema;
    }
    let Some((_, short)) = form.short_forms.iter().find(|(short, _)| *short == name) else { return same };
    let mut schema = field.clone();
    let target = if schema.get("items").is_some() { schema.get_mut("items") } else { Some(&mut schema) };
    if let Some(target) = target.and_then(Value::as_object_mut) {
        allow_type(target, short);
    }
    schema
}

/// Accepts an additional type.
fn allow_type(schema: &mut Map<String, Value>, type_name: &str) {
    if let Some(types) = schema.get_mut("type") {
        let mut all = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
        if !all.iter().any(|one| one == type_name) {
            all.push(type_name.into());
        }
        *types = all.into();
    }
    if type_name == "string" {
        // Strings other than expressions are valid, too.
        schema.remove("pattern");
    }
}

/// Subnets as accepted in a section.
fn subnets_schema(same: Option<Value>) -> Value {
    let mut ways = vec![json!({ "enum": TIERS })];
    ways.push(same.unwrap_or_else(|| json!({ "$ref": "#/$defs/rds_subnet_group/properties/subnets" })));
    json!({ "anyOf": ways })
}
