//! Generated ids, ARNs and outputs: plausible, stable, and equal in every run.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Simulator, schema::resolve_ref};
use crate::core::ResourceType;

/// Domain of generated host names, which does not exist.
const DOMAIN: &str = "simulated.example.com";

/// Input for generated values of a resource.
pub(super) struct IdGenerator<'a> {
    pub resource_type: &'static ResourceType,
    pub region: &'a str,
    /// Stack, environment, address and number.
    pub seed: String,
    /// IAM path if the spec has none.
    pub default_iam_path: String,
    pub spec: &'a Value,
    /// Outputs derived from referenced resources.
    pub inherited_outputs: Map<String, Value>,
    pub id: String,
    pub arn: String,
}

impl IdGenerator<'_> {
    /// Generates id and ARN.
    pub fn generate_ids(mut self) -> Self {
        let (id, arn) = (self.resource_type.id, self.resource_type.arn);
        if id == "{arn}" {
            self.arn = self.fill_pattern(arn);
            self.id = self.arn.clone();
        } else {
            self.id = self.fill_pattern(id);
            self.arn = self.fill_pattern(arn);
        }
        self
    }

    /// Generates the outputs, in the shape of their schema.
    pub fn generate_outputs(&self, schema: &Value) -> Value {
        let mut outputs = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let inherited = self.inherited_outputs.get(name).cloned();
            outputs.insert(name.clone(), inherited.unwrap_or_else(|| self.output_value(schema, property, name, 0)));
        }
        Value::Object(outputs)
    }

    fn fill_pattern(&self, pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern;
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(b, a)| Some((b, a.split_once('}')?))) {
            text.push_str(before);
            // Two generated parts of one ARN differ.
            text.push_str(&self.placeholder(name, text.len()));
            rest = after;
        }
        text + rest
    }

    fn placeholder(&self, name: &str, place: usize) -> String {
        let digest = || self.hex(&format!("part {place}"));
        match name {
            "region" => self.region.to_owned(),
            "account" => Simulator::ACCOUNT.to_owned(),
            "id" => self.id.clone(),
            "arn" => self.arn.clone(),
            "hex8" => digest()[..8].to_owned(),
            "hex16" => digest()[..16].to_owned(),
            "hex17" => format!("0{}", &digest()[..16]),
            "uuid" => self.uuid("uuid"),
            "upper" => self.upper_base32("upper", 14),
            "path" => self.spec_text("path").unwrap_or_else(|| self.default_iam_path.clone()),
            "family" => match self.spec_text("type").as_deref() {
                Some("network") => "net".to_owned(),
                _ => "app".to_owned(),
            },
            "reach" => match self.spec_text("scope").as_deref() {
                Some("cloudfront") => "global".to_owned(),
                _ => "regional".to_owned(),
            },
            // The provider's ARN omits the scheme of its URL.
            "url" => {
                self.spec_text("url").map(|url| url.trim_start_matches("https://").to_owned()).unwrap_or_else(|| digest()[..8].to_owned())
            }
            field => self.spec_text(field).unwrap_or_else(|| digest()[..8].to_owned()),
        }
    }

    /// Field of the spec as text; for a reference, its id or ARN.
    fn spec_text(&self, field: &str) -> Option<String> {
        match self.spec.get(field)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(map) => map.get("id").or_else(|| map.get("arn"))?.as_str().map(ToOwned::to_owned),
            _ => None,
        }
    }

    fn output_value(&self, root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
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
        match kind {
            Some("string") => Value::String(self.text_output(name)),
            Some("integer" | "number") => self.number_output(name, schema),
            Some("boolean") => self.spec.get(name).filter(|v| v.is_boolean()).cloned().unwrap_or(Value::Bool(false)),
            Some("array") => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                let count = if name == "name_servers" { 4 } else { 1 };
                (0..count).map(|n| self.output_value(root, items, &format!("{name}#{n}"), depth + 1)).collect()
            }
            Some("object") => self.object_output(root, schema, name, depth),
            _ => Value::Null,
        }
    }

    fn object_output(&self, root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
        let mut map = Map::new();
        for (field, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            map.insert(field.clone(), self.output_value(root, property, &format!("{name}.{field}"), depth + 1));
        }
        // Validation records of Certificate Manager; a domain and its wildcard share a record.
        if map.is_empty() && name == "validation_records" {
            let more = self.spec.get("alternative_names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            for domain in self.spec.get("domain").and_then(Value::as_str).into_iter().chain(more) {
                let domain = domain.trim_start_matches("*.");
                let digest = self.hex(domain);
                map.insert(format!("_{}.{domain}", &digest[..32]), json!(format!("_{}.acm-validations.{DOMAIN}", &digest[32..])));
            }
        }
        Value::Object(map)
    }

    fn number_output(&self, name: &str, schema: &Value) -> Value {
        if let Some(number) = self.spec.get(name).filter(|v| v.is_number()) {
            return number.clone();
        }
        let engine = self.spec_text("engine").unwrap_or_default();
        match name {
            "port" if engine.contains("postgres") => json!(5432),
            "port" if engine.contains("mysql") || engine.contains("mariadb") => json!(3306),
            "port" => json!(443),
            _ => schema.get("minimum").filter(|least| least.as_f64().is_some_and(|least| least > 0.0)).cloned().unwrap_or(json!(1)),
        }
    }

    /// Text for the name of an output: the end of `validation_records#0.name` determines it.
    fn text_output(&self, name: &str) -> String {
        let full = name.split('#').next().unwrap_or(name);
        let last = name.rsplit('.').next().and_then(|name| name.split('#').next()).unwrap_or(name);
        if let Some(text) = self.spec_text(full).filter(|_| !matches!(full, "arn" | "id")) {
            return text;
        }
        if let Some(text) = last.strip_suffix("_id").and_then(|field| self.spec_text(field)) {
            return text;
        }
        let service = self.resource_type.service.name;
        let region = self.region;
        let digest = self.hex(name);
        let byte = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).unwrap_or(1);
        let label = self.host_label();
        let ends = |end: &str| last == end || last.ends_with(&format!("_{end}"));
        match last {
            "arn" => self.arn.clone(),
            "id" => self.id.clone(),
            "owner_id" | "account_id" | "account" => Simulator::ACCOUNT.to_owned(),
            "region" => region.to_owned(),
            "arn_suffix" => {
                let suffix = self.arn.rsplit(':').next().unwrap_or_default();
                suffix.trim_start_matches("loadbalancer/").to_owned()
            }
            "alias" => self.spec_text("name").unwrap_or_default(),
            "fqdn" => self.spec_text("domain").unwrap_or(label),
            "registry_id" => Simulator::ACCOUNT.to_owned(),
            _ if last.contains("secret") && ends("arn") => {
                let name = format!("rds!db-{}-{}", self.uuid(name), &digest[..6]);
                format!("arn:aws:secretsmanager:{region}:{}:secret:{name}", Simulator::ACCOUNT)
            }
            _ if ends("arn") => {
                format!(
                    "arn:aws:{service}:{region}:{}:{}/{}",
                    Simulator::ACCOUNT,
                    last.trim_end_matches("_arn").replace('_', "-"),
                    &digest[..17]
                )
            }
            _ if last.ends_with("security_group_id") || last == "security_group" => format!("sg-0{}", &digest[..16]),
            _ if last.contains("security_group_ids") => format!("sg-0{}", &digest[..16]),
            "zone_id" | "hosted_zone_id" | "canonical_hosted_zone_id" if self.resource_type.name == "dns_zone" => self.id.clone(),
            _ if last.ends_with("zone_id") => format!("Z{}", self.upper_base32(name, 14)),
            "vpc_id" => format!("vpc-0{}", &digest[..16]),
            "network_interface_id" | "network_interface_ids" => format!("eni-0{}", &digest[..16]),
            "association_id" if self.resource_type.service.name == "eks" => self.id.rsplit('/').next().unwrap_or_default().to_owned(),
            "association_id" => format!("eipassoc-0{}", &digest[..16]),
            "unique_id" | "role_id" => format!("AROA{}", self.upper_base32(name, 17)),
            "key_id" => self.id.clone(),
            _ if last.contains("resource_id") => format!("db-{}", self.upper_base32(name, 26)),
            _ if ends("id") => format!("{}-0{}", last.trim_end_matches("_id").replace('_', "-"), &digest[..16]),
            _ if last.contains("public_ip") => format!("203.0.113.{}", 1 + byte(0) % 254),
            _ if ends("ip") || ends("ips") => format!("10.{}.{}.{}", byte(0), byte(2), 1 + byte(4) % 254),
            _ if last.contains("certificate") || ends("data") => "LS0tLS1CRUdJTiBTSU1VTEFURUQtLS0tLQo=".to_owned(),
            _ if last.contains("thumbprint") => digest[..40].to_owned(),
            "issuer" if self.resource_type.name == "oidc_provider" => {
                self.spec_text("url").unwrap_or_default().trim_start_matches("https://").to_owned()
            }
            _ if last.contains("issuer") || last.contains("oidc") => {
                format!("https://oidc.eks.{region}.{DOMAIN}/id/{}", digest[..32].to_uppercase())
            }
            _ if self.resource_type.name == "ecr_repository" && (ends("url") || ends("uri")) => {
                format!("{}.dkr.ecr.{region}.{DOMAIN}/{}", Simulator::ACCOUNT, self.id)
            }
            "endpoint" if self.resource_type.service.name == "eks" => format!("https://{label}.{service}.{region}.{DOMAIN}"),
            "name_servers" => format!("ns-{}-{}.awsdns.{DOMAIN}", name.rsplit('#').next().unwrap_or("0"), &digest[..4]),
            _ if ends("url") || ends("uri") => format!("https://{label}.{service}.{region}.{DOMAIN}"),
            _ if ends("endpoint") || ends("address") || ends("host") || last.contains("dns") || ends("domain_name") => {
                format!("{label}.{service}.{region}.{DOMAIN}")
            }
            "status" | "state" => "ACTIVE".to_owned(),
            "version" if self.resource_type.service.name == "eks" => "1.34".to_owned(),
            "platform_version" => "eks.1".to_owned(),
            _ if ends("version") => self.spec_text("version").unwrap_or_else(|| "1".to_owned()),
            "autoscaling_groups" => format!("eks-{label}-{}", self.uuid(name)),
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
