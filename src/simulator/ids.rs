//! Ids, ARNs and outputs of simulated resources: plausible, stable, and the same in every run.
//!
//! They follow patterns: of ids and ARNs in [`crate::core::TypeInfo`], of outputs at their fields, see [`crate::core::Resource::Outputs`]. An
//! output without a pattern is generated from its name.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{resource::SimulatedResource, schema::resolve_ref};
use crate::core::{
    PatternInputs, ResourceType, endpoint_domain, expand_pattern,
    outputs::{DETERMINED, SIMULATED},
    pattern::text_of,
    rest_after,
};

/// Domain of generated host names, which does not exist.
pub(super) const DOMAIN: &str = "simulated.example.com";

/// Input for generated values of a resource.
pub(super) struct IdGenerator<'a> {
    pub resource_type: &'static ResourceType,
    /// Region of the resource; for a global type, the stack's.
    pub region: &'a str,
    /// Account of the resource.
    pub account: &'a str,
    /// Stack, environment, address and ordinal number.
    pub seed: String,
    /// Path of the stack's IAM resources.
    pub iam_path: String,
    pub spec: &'a Value,
    /// Referenced resources, each with the type in the reference.
    pub referenced: Vec<(String, &'a SimulatedResource)>,
    pub id: String,
    pub arn: String,
}

impl IdGenerator<'_> {
    /// Generates id and ARN.
    pub fn generate_ids(mut self) -> Self {
        let (id, arn) = (self.resource_type.id, self.resource_type.arn);
        if id == "{arn}" {
            self.arn = self.fill_id_pattern(arn);
            self.id = self.arn.clone();
        } else {
            self.id = self.fill_id_pattern(id);
            self.arn = self.fill_id_pattern(arn);
        }
        self
    }

    /// Generates the outputs, in the shape of their schema.
    pub fn generate_outputs(&self, schema: &Value) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        properties.map(|(name, property)| (name.clone(), self.output_value(schema, property, name, 0))).collect()
    }

    /// Outputs of this schema that follow from the resources to which the spec refers, as far as these are known.
    pub fn outputs_of_references(&self, schema: &Value) -> Vec<(String, Value)> {
        let names = schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
        let known = names.filter_map(|name| {
            let pattern = self.resource_type.outputs().pattern(name).filter(|pattern| pattern.uses_references())?;
            let text = self.fill_output_pattern(pattern.determined.as_deref()?, name)?;
            Some((name.clone(), Value::String(text)))
        });
        known.collect()
    }

    /// Text for a pattern of an id or ARN. An unset field becomes digits.
    fn fill_id_pattern(&self, pattern: &str) -> String {
        let text = expand_pattern(pattern, self.region, |placeholder, position| {
            // Two generated parts of an ARN differ.
            let label = format!("part {position}");
            Some(self.placeholder(placeholder, &label).unwrap_or_else(|| self.hex(&label)[..8].to_owned()))
        });
        text.unwrap_or_default()
    }

    /// Text for a pattern of an output; `None` if a placeholder has no value.
    fn fill_output_pattern(&self, pattern: &str, label: &str) -> Option<String> {
        expand_pattern(pattern, self.region, |placeholder, _| self.placeholder(placeholder, label))
    }

    fn placeholder(&self, name: &str, label: &str) -> Option<String> {
        let digits = |prefix: &str| name.strip_prefix(prefix).and_then(|count| count.parse::<usize>().ok());
        match name {
            "id" => return Some(self.id.clone()),
            "arn" => return Some(self.arn.clone()),
            "label" => return Some(self.host_label()),
            "host" => return Some(format!("{}.{}.{}", self.resource_type.service.name, self.region, endpoint_domain(self.region))),
            "simulated_domain" => return Some(DOMAIN.to_owned()),
            // Ids of AWS with 17 digits begin with 0.
            "hex17" => return Some(format!("0{}", &self.hex(label)[..16])),
            "uuid" => return Some(self.uuid(label)),
            _ => {}
        }
        if let Some((whole, start)) = name.split_once(':') {
            return rest_after(if whole == "arn" { &self.arn } else { &self.id }, start);
        }
        let hex = |count: usize| self.hex(label).chars().take(count).collect::<String>();
        let generated = digits("hex").map(hex).or_else(|| digits("HEX").map(|count| hex(count).to_uppercase()));
        generated.or_else(|| digits("upper").map(|count| self.upper_base32(label, count))).or_else(|| self.determined(name))
    }

    /// Value of a placeholder that AWS does not generate.
    fn determined(&self, placeholder: &str) -> Option<String> {
        let referenced = |type_name: &str, field: &str| {
            let mut values = self.referenced.iter().filter(|(name, _)| name == type_name).map(|(_, other)| other);
            values.find_map(|other| other.outputs.get(field).or_else(|| other.spec().get(field)).cloned())
        };
        let inputs = PatternInputs {
            resource_type: self.resource_type,
            region: self.region,
            account: self.account,
            iam_path: &self.iam_path,
            spec: self.spec,
            referenced: &referenced,
        };
        inputs.value(placeholder)
    }

    /// Field of the spec as text: for a reference, its id or ARN.
    fn spec_text(&self, field: &str) -> Option<String> {
        text_of(self.spec.get(field)?)
    }

    fn output_value(&self, root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
        let pattern = schema.get(DETERMINED).or_else(|| schema.get(SIMULATED));
        let schema = resolve_ref(root, schema);
        if depth > 6 {
            return Value::Null;
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.iter().find(|v| !v.is_null())) {
            return first.clone();
        }
        let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array());
        if let Some(choices) = choices {
            let some = choices.iter().find(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
            return some.map_or(Value::Null, |choice| self.output_value(root, choice, name, depth + 1));
        }
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => Some(kind.as_str()),
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            _ => None,
        };
        match (kind, pattern) {
            (Some("string"), pattern) => Value::String(self.text_output(name, pattern.and_then(Value::as_str))),
            (Some("integer" | "number"), pattern) => self.number_output(name, schema, pattern.and_then(Value::as_str)),
            (Some("boolean"), _) => self.spec.get(name).filter(|v| v.is_boolean()).cloned().unwrap_or(Value::Bool(false)),
            (Some("array"), Some(Value::Array(patterns))) => {
                let items = patterns.iter().filter_map(Value::as_str).enumerate();
                items.filter_map(|(n, pattern)| self.fill_output_pattern(pattern, &format!("{name}#{n}"))).collect()
            }
            (Some("array"), _) => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                Value::Array(vec![self.output_value(root, items, &format!("{name}#0"), depth + 1)])
            }
            (Some("object"), Some(Value::Object(patterns))) => self.map_output(patterns),
            (Some("object"), _) => {
                let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
                let value = |field: &String, property| self.output_value(root, property, &format!("{name}.{field}"), depth + 1);
                fields.map(|(field, property)| (field.clone(), value(field, property))).collect()
            }
            _ => Value::Null,
        }
    }

    /// Map from the patterns of key and value, with an entry for each value of a placeholder with several fields in the key
    /// (`{domain,alternative_names}`). A domain and its wildcard share an entry.
    fn map_output(&self, patterns: &Map<String, Value>) -> Value {
        let mut map = Map::new();
        for (key, value) in patterns.iter().filter_map(|(key, value)| Some((key, value.as_str()?))) {
            let mut placeholders = key.split('{').filter_map(|part| part.split_once('}'));
            let Some((fields, _)) = placeholders.find(|(name, _)| name.contains(',')) else { continue };
            let values = fields.split(',').filter_map(|field| self.spec.get(field)).flat_map(|value| match value {
                Value::Array(list) => list.iter().collect(),
                one => vec![one],
            });
            for item in values.filter_map(Value::as_str).map(|item| item.trim_start_matches("*.")) {
                let key = self.fill_output_pattern(&key.replace(&format!("{{{fields}}}"), item), item);
                let value = self.fill_output_pattern(value, &format!("{item} value"));
                map.extend(key.zip(value).map(|(key, value)| (key, json!(value))));
            }
        }
        Value::Object(map)
    }

    fn number_output(&self, name: &str, schema: &Value, pattern: Option<&str>) -> Value {
        if let Some(number) = self.spec.get(name).filter(|value| value.is_number()) {
            return number.clone();
        }
        if let Some(number) = pattern.and_then(|pattern| self.fill_output_pattern(pattern, name)?.parse::<u64>().ok()) {
            return json!(number);
        }
        schema.get("minimum").filter(|least| least.as_f64().is_some_and(|least| least > 0.0)).cloned().unwrap_or(json!(1))
    }

    /// Text from the field of the spec with the same name, from the pattern, or from the last part of the name: `endpoints#0.name`.
    fn text_output(&self, name: &str, pattern: Option<&str>) -> String {
        let full = name.split('#').next().unwrap_or(name);
        let last = name.rsplit('.').next().and_then(|name| name.split('#').next()).unwrap_or(name);
        if let Some(text) = self.spec_text(full).filter(|_| !matches!(full, "arn" | "id")) {
            return text;
        }
        if let Some(text) = pattern.and_then(|pattern| self.fill_output_pattern(pattern, name)) {
            return text;
        }
        if let Some(text) = last.strip_suffix("_id").and_then(|field| self.spec_text(field)) {
            return text;
        }
        let (service, region) = (self.resource_type.service.name, self.region);
        let digest = self.hex(name);
        let byte = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).unwrap_or(1);
        let label = self.host_label();
        let ends = |end: &str| last == end || last.ends_with(&format!("_{end}"));
        match last {
            "arn" => self.arn.clone(),
            "id" => self.id.clone(),
            "owner_id" | "account_id" | "registry_id" => self.account.to_owned(),
            _ if last.ends_with("zone_id") => format!("Z{}", self.upper_base32(name, 14)),
            _ if ends("id") => format!("{}-0{}", last.trim_end_matches("_id").replace('_', "-"), &digest[..16]),
            _ if ends("public_ip") => format!("203.0.113.{}", 1 + byte(0) % 254),
            _ if ends("endpoint") || ends("dns_name") || ends("domain_name") => format!("{label}.{service}.{region}.{DOMAIN}"),
            _ if ends("version") => self.spec_text("version").unwrap_or_else(|| "1".to_owned()),
            _ if ends("name") => self.spec_text("name").unwrap_or(label),
            _ => format!("simulated-{}", &digest[..8]),
        }
    }

    /// Id as a label of a host name.
    fn host_label(&self) -> String {
        let id = match self.id.starts_with("arn:") {
            true => self.spec_text("name").unwrap_or_else(|| self.id.rsplit(['/', ':']).next().unwrap_or_default().to_owned()),
            false => self.id.clone(),
        };
        id.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-")
    }

    fn digest(&self, label: &str) -> [u8; 32] {
        Sha256::digest(format!("{}\n{}\n{}\n{label}", self.region, self.resource_type.name, self.seed)).into()
    }
    fn hex(&self, label: &str) -> String {
        self.digest(label).iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn uuid(&self, label: &str) -> String {
        let hex = self.hex(label);
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }
    fn upper_base32(&self, label: &str, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        self.digest(label).iter().cycle().take(length).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }
}
