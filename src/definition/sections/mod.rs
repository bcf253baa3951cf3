//! Sections: what people mean, expanded into the resources they could have written by hand.

mod cluster;
mod databases;
mod dns;
mod firewall;
pub mod form;
mod load_balancers;
mod network;
mod simple;

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    aws::types::{KINDS, kind},
    definition::{Compiler, Draft, below, kind_of, typed},
};

/// Fields of a resource or of a section.
pub(crate) type Fields = Map<String, Value>;

/// Every section.
pub const NAMES: &[&str] =
    &["network", "cluster", "databases", "registries", "dns", "firewall", "load_balancers", "storage", "secrets", "keys", "roles"];

/// Sections whose entries are one resource each, for references: `databases.orders.endpoint`.
const ALIASES: &[(&str, &str)] = &[
    ("databases", "rds_instance"),
    ("registries", "ecr_repository"),
    ("firewall", "waf_web_acl"),
    ("load_balancers", "load_balancer"),
    ("storage", "s3_bucket"),
    ("secrets", "secret"),
    ("keys", "kms_key"),
    ("roles", "iam_role"),
];

/// What a section may need to know about the stack.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the environment.
    pub environment: &'a str,
    /// Region, when pinned.
    pub region: Option<&'a str>,
}

/// Whether an expression that begins with this name is a reference.
pub fn is_head(name: &str) -> bool {
    heads().any(|head| head == name)
}

/// What references may begin with: sections and types.
pub fn heads<'a>() -> impl Iterator<Item = &'a str> {
    NAMES.iter().copied().chain(KINDS.iter().map(|kind| kind.name))
}

/// What a reference must look like, for messages.
pub fn shape(head: &str) -> String {
    match head {
        "network" => "network.vpc.output".into(),
        "cluster" => "cluster.output".into(),
        "dns" => "dns.zone.output".into(),
        other => format!("{other}.name.output"),
    }
}

/// Type, name and output that the parts of a reference name.
pub fn resolve(parts: &[&str]) -> Option<(String, String, String)> {
    let found = |kind: &str, name: &str, output: &str| Some((kind.to_owned(), name.to_owned(), output.to_owned()));
    match parts {
        ["network", "vpc", output] => found("vpc", "main", output),
        ["network", "subnets", name, output] => found("subnet", name, output),
        ["network", "security_groups", name, output] => found("security_group", name, output),
        ["cluster", "node_groups", name, output] => found("eks_node_group", name, output),
        ["cluster", output] => found("eks_cluster", "main", output),
        ["dns", "zone", output] => found("dns_zone", "main", output),
        ["dns", "zones", name, output] => found("dns_zone", name, output),
        ["dns", "records", name, output] => found("dns_record", name, output),
        ["network" | "cluster" | "dns", ..] => None,
        // Names may hold dots: `dns_record.www.example.com.id`.
        [head, name @ .., output] if !name.is_empty() => {
            let kind = ALIASES.iter().find(|(section, _)| section == head).map_or(*head, |(_, kind)| kind);
            found(kind, &name.join("."), output)
        }
        _ => None,
    }
}

/// Expands every section of the definition. The network comes first: others stand in its subnets.
pub fn expand(c: &mut Compiler<'_>, document: &Fields, frame: Frame<'_>, drafts: &mut Vec<Draft>) {
    let mut out = Expansion { c, frame, network: None, drafts };
    for name in NAMES {
        let at = below("", name);
        let value = match document.get(*name) {
            None | Some(Value::Null) => continue,
            Some(value) => out.c.expand(value, &at),
        };
        match *name {
            "network" => network::expand(&mut out, value, &at),
            "cluster" => cluster::expand(&mut out, value, &at),
            "databases" => databases::expand(&mut out, value, &at),
            "dns" => dns::expand(&mut out, value, &at),
            "firewall" => firewall::expand(&mut out, value, &at),
            "load_balancers" => load_balancers::expand(&mut out, value, &at),
            _ => simple::expand(&mut out, name, value, &at),
        }
    }
}

/// An entry of a section: its name, its fields, and where it stands.
pub(crate) struct Entry {
    name: String,
    fields: Fields,
    at: String,
}

/// What sections write to.
pub(crate) struct Expansion<'c, 'a> {
    c: &'c mut Compiler<'a>,
    frame: Frame<'c>,
    network: Option<network::Layout>,
    drafts: &'c mut Vec<Draft>,
}

impl Expansion<'_, '_> {
    /// Adds a resource whose fields stand below `at`.
    fn add(&mut self, type_name: &str, name: impl Into<String>, fields: Fields, at: &str) -> Option<&mut Draft> {
        let kind = kind(type_name)?;
        self.drafts.push(Draft {
            kind,
            name: name.into(),
            spec: fields,
            at: at.to_owned(),
            elsewhere: Vec::new(),
            more_fields: Vec::new(),
        });
        self.drafts.last_mut()
    }
    /// Adds a resource that the section itself writes.
    fn make(&mut self, type_name: &str, name: impl Into<String>, spec: Value, at: &str) -> Option<&mut Draft> {
        let fields = match spec {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        };
        self.add(type_name, name, fields, at)
    }
    /// The fields of a map; anything else is a problem.
    fn fields(&mut self, value: Value, at: &str) -> Option<Fields> {
        match value {
            Value::Object(map) => Some(map),
            Value::Null => Some(Fields::new()),
            other => {
                let name = at.rsplit('/').next().unwrap_or_default();
                self.c.problem("type", at, format!("`{name}` is {}", kind_of(&other)), "write its fields below it");
                None
            }
        }
    }
    /// Named entries; a list of names is short for entries without fields.
    fn entries(&mut self, value: Value, at: &str) -> Vec<Entry> {
        if let Value::Array(list) = &value
            && list.iter().all(Value::is_string)
        {
            let names = list.iter().enumerate().filter_map(|(i, v)| Some((i, v.as_str()?.to_owned())));
            return names.map(|(i, name)| Entry { name, fields: Fields::new(), at: format!("{at}/{i}") }).collect();
        }
        let map = self.fields(value, at).unwrap_or_default();
        let entries = map.into_iter().filter_map(|(name, value)| {
            let at = below(at, &name);
            Some(Entry { fields: self.fields(value, &at)?, name, at })
        });
        entries.collect()
    }
    /// Takes the section's own fields out; the rest belong to a resource. `None` when they are wrong.
    fn own<T: JsonSchema + DeserializeOwned>(&mut self, fields: &mut Fields, at: &str, what: &str) -> Option<T> {
        let mut own = Fields::new();
        for name in names::<T>() {
            own.extend(fields.remove_entry(&name));
        }
        typed(self.c, own.into(), at, what)
    }
    /// `private`, `public`, or nothing said: the network's subnets. What needs them must say so where there is no network.
    fn subnets(&mut self, fields: &mut Fields, tier: &str, at: &str, what: &str) {
        let tier = match fields.get("subnets") {
            None | Some(Value::Null) => tier.to_owned(),
            Some(Value::String(name)) if name == "private" || name == "public" => name.clone(),
            Some(_) => return,
        };
        match &self.network {
            Some(layout) => {
                let names = if tier == "public" { &layout.public } else { &layout.private };
                fields.insert("subnets".into(), names.clone().into());
            }
            None => {
                let message = format!("{what} needs subnets, and the definition has no network");
                let help = "add a section `network:`, or list `subnets: [{id: subnet-…}, {id: subnet-…}]`";
                self.c.problem_at_key("no-network", at, message, help);
                // A stand-in, so that what follows from this is not reported, too.
                fields.insert("subnets".into(), serde_json::json!([{ "id": "subnet-a" }, { "id": "subnet-b" }]));
            }
        }
    }
}

/// Adds addresses to `depends_on`.
fn needs(fields: &mut Fields, more: impl IntoIterator<Item = String>) {
    let list = fields.entry("depends_on").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::String(one) = list {
        *list = Value::Array(vec![std::mem::take(one).into()]);
    }
    if let Value::Array(list) = list {
        list.extend(more.into_iter().map(Value::from));
    }
}

/// Names of a section's own fields.
fn names<T: JsonSchema>() -> Vec<String> {
    let schema = schema_for!(T).to_value();
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// Sets a field unless it is set.
fn default(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value.into());
    }
}
