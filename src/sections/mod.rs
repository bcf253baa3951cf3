//! Sections: what people mean, expanded into the resources they could have written by hand.

use serde_json::{Map, Value};

use crate::{
    resources::KINDS,
    stack::{Compiler, Draft},
};

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
    NAMES.contains(&name) || KINDS.iter().any(|kind| kind.name == name)
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

/// Expands every section of the definition.
pub fn expand(c: &mut Compiler<'_>, document: &Map<String, Value>, frame: Frame<'_>, drafts: &mut Vec<Draft>) {
    let _ = (c, document, frame, drafts);
}
