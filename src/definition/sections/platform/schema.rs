//! Form of the section, for the JSON Schema and the reference.

use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::{
    component::Component,
    delivery::DeliveryFields,
    registry::components,
    selection::{DELIVERIES, SIZES, Target, own_fields},
};

/// Schema with every component.
pub fn schema() -> Schema {
    let mut schema = schema_for!(DeliveryFields);
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.extend(components().iter().map(|(name, component)| ((*name).to_owned(), of_component(component))));
    }
    schema
}

fn of_component(component: &'static Component) -> Value {
    let own = own_fields(component).into_iter().map(|field| (field.to_owned(), own_field(component, field)));
    let inputs = component.inputs.iter().map(|(name, input)| {
        let default = match &input.default {
            Some(Value::String(text)) if text.contains("{{") => " Default: that of the stack.".to_owned(),
            Some(default) => format!(" Default: {}.", default.as_str().map_or_else(|| default.to_string(), |text| format!("`{text}`"))),
            None => String::new(),
        };
        let schema = match input.reference.as_deref().and_then(Target::of) {
            Some(target) => named_resource(
                target,
                &format!("{}: its name in the stack, or `{{{}: …}}` for one outside it.{default}", input.about, target.output),
            ),
            None => json!({ "type": ["string", "number", "null"], "description": format!("{}.{default}", input.about) }),
        };
        (name.clone(), schema)
    });
    let mut fields: Map<String, Value> = own.chain(inputs).collect();
    fields.insert(
        "when".to_owned(),
        json!({ "type": ["boolean", "string", "null"], "description": "Installs it only if true. Default: true." }),
    );
    let is_required = |name: &&String| component.inputs.get(*name).is_some_and(|input| input.default.is_none() && !input.optional);
    let required: Vec<&String> = component.inputs.keys().filter(is_required).collect();
    let types = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "type": types, "description": component.about, "properties": fields, "required": required, "additionalProperties": false,
    })
}

/// A resource, as references in resources have it, see [`crate::core::Ref`].
fn named_resource(Target { kind, output }: Target, about: &str) -> Value {
    let outside =
        json!({ "type": "object", "properties": { output: { "type": "string" } }, "required": [output], "additionalProperties": false });
    json!({ "description": about, "anyOf": [{ "type": ["string", "null"] }, outside], "x-acme-ref": kind })
}

fn own_field(component: &Component, field: &str) -> Value {
    let choice = |about: &str, choices: &[&str]| json!({ "enum": choices, "description": format!("{about} Default: `{}`.", choices[0]) });
    match (field, &component.chart) {
        ("version", Some(chart)) if component.addon.is_none() => {
            json!({ "type": ["string", "number", "null"], "description": format!("Version of the chart. Default: `{}`.", chart.version) })
        }
        ("version", _) => {
            json!({ "type": ["string", "number", "null"], "description": "Version. Default: that of AWS for the cluster's version." })
        }
        ("size", _) => choice("Size of the cluster.", SIZES),
        ("deliver", _) => choice("An add-on of EKS, or the chart by Helm.", DELIVERIES),
        _ => json!({ "type": ["object", "null"], "description": "Values of the chart, merged into those of acme." }),
    }
}
