//! Placeholders in the files of components: `{{ name }}` in keys and texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    core::{ec2_principal, endpoint_domain, partition},
    definition::{Draft, compiler::scalar_text, sections::Expansion},
};

/// Properties of the stack that files of components can name.
#[cfg(test)]
pub const PROPERTIES: &[&str] = &[
    "account",
    "aws_domain",
    "cluster",
    "ebs_provisioner",
    "ec2_principal",
    "environment",
    "kubernetes_version",
    "network_cidr",
    "node_subnets",
    "partition",
    "region",
    "stack",
    "vpc",
    "zone_domain",
    "zone_id",
];

/// The stack around the components.
pub struct Surroundings {
    /// Values by name, as far as the stack has them.
    properties: BTreeMap<&'static str, Value>,
    /// Whether the cluster has EKS Auto Mode.
    pub has_auto_mode: bool,
    /// Addresses of groups of nodes, and of Fargate profiles.
    pub nodes: Vec<String>,
    /// Addresses of the cluster's add-ons, and of its access entries.
    pub cluster_parts: Vec<String>,
    /// Whether the cluster has a node group.
    pub has_node_group: bool,
    /// Whether the cluster has the agent of pod identity.
    pub has_identity_agent: bool,
}

/// The add-on that gives pods their credentials.
pub const IDENTITY_AGENT: &str = "eks-pod-identity-agent";

impl Surroundings {
    /// Reads the drafts of the other sections. `None` without a cluster.
    pub fn of(out: &mut Expansion<'_, '_>) -> Option<Surroundings> {
        let find = |kind: &str| out.drafts.iter().find(|draft| draft.resource_type.name == kind && draft.name == "main");
        let known = |draft: &Draft, field: &str| {
            draft.spec.get(field).filter(|value| scalar_text(value).is_some_and(|text| !text.contains("${"))).cloned()
        };
        let cluster = find("eks_cluster")?;
        let has_auto_mode = cluster.spec.get("auto_mode").is_some_and(|mode| !mode.is_null());
        let location = &out.compiler.location;
        let (region, account) = (location.region(), location.account());
        let provisioner = if has_auto_mode { "ebs.csi.eks.amazonaws.com" } else { "ebs.csi.aws.com" };
        let mut properties: BTreeMap<&'static str, Value> = BTreeMap::from([
            ("account", account.into()),
            ("aws_domain", endpoint_domain(region).into()),
            ("cluster", "${eks_cluster.main.id}".into()),
            ("ebs_provisioner", provisioner.into()),
            ("ec2_principal", ec2_principal(region).into()),
            ("environment", out.frame.environment.into()),
            ("node_subnets", subnet_ids(cluster.spec.get("subnets"))),
            ("partition", partition(region).into()),
            ("region", region.into()),
            ("stack", out.frame.stack.into()),
            ("vpc", "${eks_cluster.main.vpc_id}".into()),
        ]);
        properties.extend(known(cluster, "version").map(|version| ("kubernetes_version", version)));
        properties.extend(find("vpc").and_then(|vpc| known(vpc, "cidr")).map(|cidr| ("network_cidr", cidr)));
        if let Some(zone) = find("dns_zone") {
            properties.insert("zone_id", "${dns_zone.main.id}".into());
            properties.extend(known(zone, "domain").map(|domain| ("zone_domain", domain)));
        }
        let is_unknown = location.account.is_none() || location.region.is_none();
        let addresses = |kinds: &[&str]| -> Vec<String> {
            let of_kind = out.drafts.iter().filter(|draft| kinds.contains(&draft.resource_type.name));
            of_kind.map(|draft| format!("{}.{}", draft.resource_type.name, draft.name)).collect()
        };
        let surroundings = Surroundings {
            properties,
            has_auto_mode,
            nodes: addresses(&["eks_node_group", "eks_fargate_profile"]),
            cluster_parts: addresses(&["eks_addon", "eks_access_entry"]),
            has_node_group: out.drafts.iter().any(|draft| draft.resource_type.name == "eks_node_group"),
            has_identity_agent: out.drafts.iter().any(|draft| draft.spec.get("addon").is_some_and(|addon| addon == IDENTITY_AGENT)),
        };
        out.compiler.needs_location |= is_unknown;
        Some(surroundings)
    }

    /// Value of a property, if the stack has it.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }
}

/// Subnets of a cluster as `{id: …}`.
fn subnet_ids(subnets: Option<&Value>) -> Value {
    let id = |subnet: &Value| match subnet {
        Value::String(name) if name.contains("${") => Some(json!({ "id": name })),
        Value::String(name) => Some(json!({ "id": format!("${{subnet.{name}.id}}") })),
        other => other.get("id").map(|id| json!({ "id": id })),
    };
    subnets.and_then(Value::as_array).into_iter().flatten().filter_map(id).collect()
}

/// The first placeholder of a text: its start, its name and its end.
fn placeholder(text: &str) -> Option<(usize, &str, usize)> {
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    Some((start, text[start + 2..end - 2].trim(), end))
}

/// Calls `act` with the name of every placeholder.
pub fn for_each_placeholder(value: &Value, act: &mut impl FnMut(&str)) {
    crate::core::expression::for_each_string(value, &mut |text| {
        let mut rest = text;
        while let Some((_, name, end)) = placeholder(rest) {
            act(name);
            rest = &rest[end..];
        }
    });
}

/// Replaces every placeholder. A text that is exactly one becomes a value of its type.
pub fn fill(value: &Value, lookup: &impl Fn(&str) -> Value) -> Value {
    match value {
        Value::String(text) => match placeholder(text) {
            Some((0, name, end)) if end == text.len() => lookup(name),
            _ => fill_text(text, lookup).into(),
        },
        Value::Array(list) => list.iter().map(|item| fill(item, lookup)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (fill_text(key, lookup), fill(value, lookup))).collect::<Map<_, _>>().into(),
        other => other.clone(),
    }
}

fn fill_text(text: &str, lookup: &impl Fn(&str) -> Value) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, name, end)) = placeholder(rest) {
        out.push_str(&rest[..start]);
        out.push_str(&scalar_text(&lookup(name)).unwrap_or_default());
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_keys_and_texts_and_keeps_types() {
        let lookup = |name: &str| match name {
            "nodes" => 3.into(),
            "subnets" => json!([{ "id": "a" }]),
            other => format!("<{other}>").into(),
        };
        let value = json!({ "{{ a }}/b": ["x-{{ a }}-{{ nodes }}", "{{ nodes }}", "{{ subnets }}", "{{", true] });
        assert_eq!(fill(&value, &lookup), json!({ "<a>/b": ["x-<a>-3", 3, [{ "id": "a" }], "{{", true] }));
    }
}
