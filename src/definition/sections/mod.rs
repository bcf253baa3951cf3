//! Sections: common building blocks, expanded into single resources.

mod autoscaling;
mod backup;
mod caches;
mod cdn;
mod cluster;
mod data_store;
mod databases;
mod dns;
mod edge;
mod file_systems;
mod firewall;
mod load_balancers;
mod migration;
mod network;
mod pipelines;
mod platform;
mod policies;
mod scalar;
pub mod section_schema;
mod services;
mod simple;
mod slo;
mod trail;
mod transit;

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::edge::EdgeState;
use crate::{
    aws::{
        images::CONTAINER_IMAGE,
        types::{RESOURCE_TYPES, resource_type},
    },
    definition::{
        Compiler, Draft, STACKS, child_pointer,
        composition::stack_sections::{self, JOINED_SECTIONS},
        describe_type, parse_section,
    },
};

/// Fields of a resource or of a section.
pub(crate) type Fields = Map<String, Value>;

/// Every section.
pub const SECTION_NAMES: &[&str] = &[
    "network",
    "transit",
    "cluster",
    "databases",
    "caches",
    "file_systems",
    "migration",
    "registries",
    "dns",
    "firewall",
    "load_balancers",
    "autoscaling",
    "cdn",
    "accelerators",
    "storage",
    "tables",
    "queues",
    "topics",
    "secrets",
    "parameters",
    "keys",
    "roles",
    "pipelines",
    "logs",
    "alarms",
    "dashboards",
    "budgets",
    "slo",
    "trail",
    "backup",
    "platform",
    "policies",
    "edge",
    "services",
    "procedures",
];

/// Sections whose entries are one resource each, for references: `queues.orders.url`.
const SECTION_TYPES: &[(&str, &str)] = &[
    ("migration", "dms_task"),
    ("registries", "ecr_repository"),
    ("firewall", "waf_web_acl"),
    ("load_balancers", "load_balancer"),
    ("file_systems", "file_system"),
    ("autoscaling", "autoscaling_group"),
    ("cdn", "cloudfront_distribution"),
    ("accelerators", "accelerator"),
    ("storage", "s3_bucket"),
    ("tables", "dynamodb_table"),
    ("queues", "sqs_queue"),
    ("topics", "sns_topic"),
    ("secrets", "secret"),
    ("parameters", "parameter"),
    ("keys", "kms_key"),
    ("roles", "iam_role"),
    ("pipelines", "code_pipeline"),
    ("logs", "log_group"),
    ("alarms", "metric_alarm"),
    ("dashboards", "dashboard"),
    ("budgets", "budget"),
    ("services", "helm_release"),
];

/// Sections whose entries are of a type that their engine decides; the usual one first. A reference such as `databases.orders.endpoint` has
/// the name of the section as its type until every resource is known.
const CHOSEN_TYPES: &[(&str, &[&str])] =
    &[("databases", &["rds_instance", "aurora_cluster"]), ("caches", &["cache_replication_group", "cache_cluster"])];

/// Sections that a module can't have, each with the reason and the remedy.
pub const WHOLE_STACK_SECTIONS: [(&str, &str, &str); 2] = [
    (
        "platform",
        "the components of a cluster belong to the stack",
        "put it into the stack, or into a file that the stack includes; services of a module use its components",
    ),
    (
        "procedures",
        "procedures change values of the stack",
        "put it into the stack, or into a file that the stack includes; `{{ modules.NAME.OUTPUT }}` names resources of the module",
    ),
];

/// Names of subnets in a section: the tiers of the network.
pub const TIERS: &[&str] = &["private", "public", "database", "intra"];

/// Properties of the stack that sections use.
#[derive(Clone, Copy)]
pub struct StackContext<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the environment.
    pub environment: &'a str,
    /// Pinned region, if any.
    pub region: Option<&'a str>,
}

/// Whether an expression that starts with this name is a reference.
pub fn starts_reference(name: &str) -> bool {
    name == STACKS || reference_heads().any(|head| head == name)
}

/// First parts of references: sections, types and images.
pub fn reference_heads<'a>() -> impl Iterator<Item = &'a str> {
    SECTION_NAMES.iter().copied().chain(RESOURCE_TYPES.iter().map(|kind| kind.name)).chain([CONTAINER_IMAGE])
}

/// Form of a reference, for messages.
pub fn reference_syntax(head: &str) -> String {
    match head {
        "network" => "network.vpc.output".into(),
        "cluster" => "cluster.output".into(),
        "trail" => "trail.output".into(),
        "transit" => "transit.output".into(),
        "backup" => "backup.vault.output".into(),
        "edge" => "target_group.edge-name.output".into(),
        "slo" => "slo.name.output".into(),
        "existing" => "existing.name.output".into(),
        "dns" => "dns.zone.output".into(),
        "platform" => "helm_release.name.output".into(),
        "policies" => "kubernetes_object.name.output".into(),
        other => format!("{other}.name.output"),
    }
}

/// Type, name and output of a reference, from its parts.
pub fn resolve_reference(parts: &[&str]) -> Option<(String, String, String)> {
    let found = |kind: &str, name: &str, output: &str| Some((kind.to_owned(), name.to_owned(), output.to_owned()));
    match parts {
        ["network", "vpc", output] => found("vpc", "main", output),
        ["network", "subnets", name, output] => found("subnet", name, output),
        ["network", "security_groups", name, output] => found("security_group", name, output),
        ["cluster", "node_groups", name, output] => found("eks_node_group", name, output),
        ["cluster", output] => found("eks_cluster", "main", output),
        ["trail", output] => found("trail", "main", output),
        ["transit", output] => found("transit_gateway", "main", output),
        ["backup", "vault", output] => found("backup_vault", "main", output),
        // The topic of its own.
        ["slo", name, output] => found("sns_topic", &format!("slo-{name}"), output),
        ["backup", "plan", output] => found("backup_plan", "main", output),
        ["dns", "zone", output] => found("dns_zone", "main", output),
        ["dns", "zones", name, output] => found("dns_zone", name, output),
        ["dns", "records", name, output] => found("dns_record", name, output),
        ["network" | "cluster" | "dns" | "backup" | "slo" | "platform" | "policies" | "edge", ..] => None,
        // Names may contain dots: `dns_record.www.example.com.id`.
        [head, name @ .., output] if !name.is_empty() => {
            let kind = SECTION_TYPES.iter().find(|(section, _)| section == head).map_or(*head, |(_, kind)| kind);
            found(kind, &name.join("."), output)
        }
        _ => None,
    }
}

/// Type of an entry of a section whose entries differ in type; `None` for other sections and for types.
pub fn chosen_type(section: &str, name: &str, exists: impl Fn(&str, &str) -> bool) -> Option<&'static str> {
    let (_, types) = CHOSEN_TYPES.iter().find(|(known, _)| *known == section)?;
    types.iter().copied().find(|kind| exists(kind, name)).or(types.first().copied())
}

/// Expands every section of the definition. The network comes first, because others use its subnets, the platform after all others, because its
/// components use them, then the policies, because components create namespaces, then the edge, and the services last, because they need all of
/// these.
///
/// `base` is the pointer to the content of a module; the stack has none, and its sections are joined by some of its modules, whose resources are
/// `of_modules`.
pub fn expand(
    c: &mut Compiler<'_>,
    document: &Fields,
    frame: StackContext<'_>,
    base: &str,
    mut of_modules: Vec<Draft>,
    drafts: &mut Vec<Draft>,
) {
    let mut out = Expansion { compiler: c, frame, network: None, has_other_network_engine: false, edge: EdgeState::default(), drafts };
    // Procedures have no resources.
    for name in SECTION_NAMES.iter().filter(|name| **name != "procedures") {
        let at = child_pointer(base, name);
        let is_joined = JOINED_SECTIONS.contains(name);
        if is_joined && !base.is_empty() {
            continue;
        }
        let own = document.get(*name).filter(|value| !value.is_null()).map(|value| out.compiler.expand(value, &at));
        let value = match is_joined {
            true => {
                // What services use may be in modules.
                out.drafts.append(&mut of_modules);
                stack_sections::join(out.compiler, name, own)
            }
            false => own,
        };
        let Some(value) = value else { continue };
        match *name {
            "network" => network::expand(&mut out, value, &at),
            "cluster" => cluster::expand(&mut out, value, &at),
            "databases" => databases::expand(&mut out, value, &at),
            "caches" => caches::expand(&mut out, value, &at),
            "file_systems" => file_systems::expand(&mut out, value, &at),
            "autoscaling" => autoscaling::expand(&mut out, value, &at),
            "cdn" => cdn::expand(&mut out, value, &at),
            "pipelines" => pipelines::expand(&mut out, value, &at),
            "transit" => transit::expand(&mut out, value, &at),
            "migration" => migration::expand(&mut out, value, &at),
            "dns" => dns::expand(&mut out, value, &at),
            "firewall" => firewall::expand(&mut out, value, &at),
            "slo" => slo::expand(&mut out, value, &at),
            "trail" => trail::expand(&mut out, value, &at),
            "backup" => backup::expand(&mut out, value, &at),
            "load_balancers" => load_balancers::expand(&mut out, value, &at),
            "platform" => platform::expand(&mut out, value, &at),
            "policies" => policies::expand(&mut out, value, &at),
            "edge" => edge::expand(&mut out, value, &at),
            "services" => services::expand(&mut out, value, &at),
            _ => simple::expand(&mut out, name, value, &at),
        }
    }
    edge::require_routes(&mut out);
    out.drafts.append(&mut of_modules);
}

/// A security group for what one entry creates.
struct DedicatedGroup {
    name: String,
    description: String,
    /// Port at which it admits the network.
    port: Option<Value>,
    /// Whether it opens connections itself, to anywhere.
    connects: bool,
}

/// Entry of a section: its name, its fields, and its location.
pub(crate) struct SectionEntry {
    name: String,
    fields: Fields,
    pointer: String,
}

impl SectionEntry {
    /// Whether a field is set.
    fn is_set(&self, name: &str) -> bool {
        is_set(&self.fields, name)
    }
    /// Value of a field, if it is a text.
    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

/// Output of the sections.
pub(crate) struct Expansion<'c, 'a> {
    compiler: &'c mut Compiler<'a>,
    frame: StackContext<'c>,
    network: Option<network::NetworkLayout>,
    /// Whether a program that acme does not check enforces NetworkPolicies.
    has_other_network_engine: bool,
    edge: EdgeState,
    drafts: &'c mut Vec<Draft>,
}

impl Expansion<'_, '_> {
    /// Adds a resource with its fields below `at`.
    fn add_resource(&mut self, type_name: &str, name: impl Into<String>, fields: Fields, at: &str) -> Option<&mut Draft> {
        let kind = resource_type(type_name)?;
        self.drafts.push(Draft {
            resource_type: kind,
            name: name.into(),
            spec: fields,
            pointer: at.to_owned(),
            pointer_overrides: Vec::new(),
            extra_fields: Vec::new(),
            chosen_fields: Vec::new(),
            prefix: String::new(),
        });
        self.drafts.last_mut()
    }
    /// Adds a resource generated by the section.
    fn add_generated(&mut self, type_name: &str, name: impl Into<String>, spec: Value, at: &str) -> Option<&mut Draft> {
        let fields = match spec {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        };
        self.add_resource(type_name, name, fields, at)
    }
    /// Adds a security group for what an entry creates, which admits the network at a port, and returns its list for the field
    /// `security_groups`. `None` without a network.
    fn add_security_group(&mut self, entry: &SectionEntry, group: DedicatedGroup) -> Option<Value> {
        let ranges = &self.network.as_ref()?.ranges;
        let rules = group.port.iter().map(|port| json!({ "port": port, "cidrs": ranges, "description": "The network" }));
        let mut spec = json!({ "vpc": "main", "description": group.description, "ingress": rules.collect::<Vec<_>>() });
        if !group.connects {
            spec["egress"] = json!([]);
        }
        let list = json!([group.name]);
        if let Some(draft) = self.add_generated("security_group", group.name, spec, &entry.pointer) {
            draft.pointer_overrides.push(("/ingress".into(), format!("{}/port", entry.pointer)));
        }
        Some(list)
    }
    /// Returns the fields of a map; reports any other type.
    fn parse_fields(&mut self, value: Value, at: &str) -> Option<Fields> {
        match value {
            Value::Object(map) => Some(map),
            Value::Null => Some(Fields::new()),
            other => {
                let name = at.rsplit('/').next().unwrap_or_default();
                self.compiler.problem(
                    "type",
                    at,
                    format!("`{name}` must be a map, not {}", describe_type(&other)),
                    "write its fields below it",
                );
                None
            }
        }
    }
    /// Returns named entries; a list of names is short for entries without fields.
    fn parse_entries(&mut self, value: Value, at: &str) -> Vec<SectionEntry> {
        if let Value::Array(list) = &value
            && list.iter().all(Value::is_string)
        {
            let names = list.iter().enumerate().filter_map(|(i, v)| Some((i, v.as_str()?.to_owned())));
            return names.map(|(i, name)| SectionEntry { name, fields: Fields::new(), pointer: format!("{at}/{i}") }).collect();
        }
        let map = self.parse_fields(value, at).unwrap_or_default();
        let entries = map.into_iter().filter_map(|(name, value)| {
            let at = child_pointer(at, &name);
            Some(SectionEntry { fields: self.parse_fields(value, &at)?, name, pointer: at })
        });
        entries.collect()
    }
    /// Takes the section's own fields out; the rest belong to a resource. `None` if they are invalid.
    fn take_own_fields<T: JsonSchema + DeserializeOwned>(&mut self, fields: &mut Fields, at: &str, what: &str) -> Option<T> {
        let mut own = Fields::new();
        for name in field_names::<T>() {
            own.extend(fields.remove_entry(&name));
        }
        parse_section(self.compiler, own.into(), at, what)
    }
    /// Sets `subnets` to the network's private or public ones, unless they are listed. Reports a missing network.
    fn set_default_subnets(&mut self, fields: &mut Fields, tier: &str, at: &str, what: &str) {
        let tier = match fields.get("subnets") {
            None | Some(Value::Null) => tier.to_owned(),
            Some(Value::String(name)) if TIERS.contains(&name.as_str()) => name.clone(),
            Some(_) => return,
        };
        match &self.network {
            Some(layout) if layout.tiers.contains_key(tier.as_str()) || layout.tiers.is_empty() => {
                fields.insert("subnets".into(), layout.subnets(&tier).into());
            }
            Some(_) => {
                let message = format!("the network has no tier `{tier}`");
                self.compiler.problem_at_key("no-network", at, message, format!("add `tiers: [{tier}]` to the network, or use `private`"));
            }
            None => {
                let message = format!("{what} needs subnets, but the definition has no network");
                let help = "add a section `network:`, or list `subnets: [{id: subnet-…}, {id: subnet-…}]`";
                self.compiler.problem_at_key("no-network", at, message, help);
                // Placeholders, to avoid follow-up problems.
                fields.insert("subnets".into(), serde_json::json!([{ "id": "subnet-a" }, { "id": "subnet-b" }]));
            }
        }
    }
}

/// Adds addresses to `depends_on`.
fn add_depends_on(fields: &mut Fields, more: impl IntoIterator<Item = String>) {
    let list = fields.entry("depends_on").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::String(one) = list {
        *list = Value::Array(vec![std::mem::take(one).into()]);
    }
    if let Value::Array(list) = list {
        list.extend(more.into_iter().map(Value::from));
    }
}

/// Names of a section's own fields.
fn field_names<T: JsonSchema>() -> Vec<String> {
    let schema = schema_for!(T).to_value();
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// Schema with the fields of both.
fn merged_schema<A: JsonSchema, B: JsonSchema>() -> Schema {
    let (mut schema, more) = (schema_for!(A), schema_for!(B));
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.extend(more.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    }
    schema
}

/// Whether a field is set.
fn is_set(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

/// Sets a field unless it is set.
fn set_default(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if !is_set(fields, name) {
        fields.insert(name.to_owned(), value.into());
    }
}
