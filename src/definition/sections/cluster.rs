//! `cluster`: an EKS cluster with its roles, node groups and add-ons.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, SectionEntry, add_depends_on, field_names, set_default};
use crate::{aws::types::eks_cluster::auto_mode, core::ec2_principal};

/// Fields of a cluster in addition to those of `eks_cluster`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Managed add-ons: names, or a map of names to the fields of `eks_addon`. Default: none.
    #[serde(default)]
    pub addons: Value,
    /// Managed node groups by name, with the fields of `eks_node_group`. Default: none.
    #[serde(default)]
    pub node_groups: Value,
    /// Principals with access to the Kubernetes API, by name, with the fields of `eks_access_entry`. Default: the principal that creates
    /// the cluster.
    #[serde(default)]
    pub access: Value,
    /// AWS roles of service accounts, by name, with the fields of `eks_pod_identity`. Default: none.
    #[serde(default)]
    pub pod_identities: Value,
    /// Fargate profiles by name, with the fields of `eks_fargate_profile`. Default: none.
    #[serde(default)]
    pub fargate: Value,
    /// Creates an OIDC provider, so that IAM trusts the cluster's tokens for roles of service accounts. Default: false.
    #[serde(default)]
    pub oidc_provider: bool,
}

/// Add-ons that nodes need to become ready; all others need nodes to run on.
const BEFORE_NODES: &[&str] = &["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(mut fields) = out.parse_fields(value, at) else { return };
    let own: Cluster = out.take_own_fields(&mut fields, at, "the cluster").unwrap_or_default();
    out.set_default_subnets(&mut fields, "private", at, "a cluster");
    let has_auto_mode = fields.get("auto_mode").is_some_and(|mode| !mode.is_null());
    if fields.get("role").is_none_or(Value::is_null) {
        fields.insert("role".into(), "cluster".into());
        match has_auto_mode {
            true => add_auto_mode_role(out, at),
            false => add_role(out, "cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"], at),
        }
    }
    if let Some(Value::Object(mode)) = fields.get_mut("auto_mode")
        && mode.get("node_role").is_none_or(Value::is_null)
        && mode.get("node_pools").and_then(Value::as_array).is_none_or(|pools| !pools.is_empty())
    {
        mode.insert("node_role".into(), "auto-nodes".into());
        let policies = ["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"];
        let principal = ec2_principal(out.frame.region.unwrap_or_default());
        add_role(out, "auto-nodes", &principal, &policies, &format!("{at}/auto_mode"));
    }
    let version = fields.get("version").filter(|version| !version.is_null()).cloned();
    let self_managed = fields.get("bootstrap_self_managed_addons").and_then(Value::as_bool).unwrap_or(true);
    if let Some(draft) = out.add_resource("eks_cluster", "main", fields, at) {
        draft.extra_fields = field_names::<Cluster>();
    }

    let addons = out.parse_entries(own.addons, &format!("{at}/addons"));
    let network_addon = addons.iter().any(|addon| addon.name == "vpc-cni");
    let mut nodes = Vec::new();
    let mut own_role = false;
    for mut group in out.parse_entries(own.node_groups, &format!("{at}/node_groups")) {
        own_role |= join_cluster(out, &mut group, "role", "nodes");
        // The image in a launch template decides the version.
        let has_own_image =
            group.fields.get("ami_type").is_some_and(|image| image == "CUSTOM") || group.fields.contains_key("launch_template");
        if let Some(version) = version.clone().filter(|_| !has_own_image) {
            set_default(&mut group.fields, "version", version);
        }
        if network_addon && !self_managed {
            add_depends_on(&mut group.fields, ["eks_addon.vpc-cni".to_owned()]);
        }
        nodes.push(format!("eks_node_group.{}", group.name));
        out.add_resource("eks_node_group", group.name, group.fields, &group.pointer);
    }
    if own_role {
        let policies = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"];
        let principal = ec2_principal(out.frame.region.unwrap_or_default());
        add_role(out, "nodes", &principal, &policies, &format!("{at}/node_groups"));
    }
    for mut addon in addons {
        set_default(&mut addon.fields, "cluster", "main");
        set_default(&mut addon.fields, "addon", addon.name.as_str());
        if !BEFORE_NODES.contains(&addon.name.as_str()) {
            add_depends_on(&mut addon.fields, nodes.clone());
        }
        out.add_resource("eks_addon", addon.name, addon.fields, &addon.pointer);
    }
    let mut own_role = false;
    for mut profile in out.parse_entries(own.fargate, &format!("{at}/fargate")) {
        own_role |= join_cluster(out, &mut profile, "pod_execution_role", "fargate");
        out.add_resource("eks_fargate_profile", profile.name, profile.fields, &profile.pointer);
    }
    if own_role {
        add_role(out, "fargate", "eks-fargate-pods.amazonaws.com", &["AmazonEKSFargatePodExecutionRolePolicy"], &format!("{at}/fargate"));
    }
    for (type_name, value, field) in
        [("eks_access_entry", own.access, "access"), ("eks_pod_identity", own.pod_identities, "pod_identities")]
    {
        for mut entry in out.parse_entries(value, &format!("{at}/{field}")) {
            set_default(&mut entry.fields, "cluster", "main");
            out.add_resource(type_name, entry.name, entry.fields, &entry.pointer);
        }
    }
    if own.oidc_provider {
        out.add_generated("oidc_provider", "cluster", json!({ "url": "${eks_cluster.main.oidc_issuer}" }), &format!("{at}/oidc_provider"));
    }
}

/// Puts nodes into the cluster and the private subnets. Returns whether they need the section's own role.
fn join_cluster(out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, role: &str, own: &str) -> bool {
    set_default(&mut entry.fields, "cluster", "main");
    let what = format!("`{}`", entry.name);
    out.set_default_subnets(&mut entry.fields, "private", &entry.pointer, &what);
    if let Some(layout) = &out.network {
        // Nodes that start before they can reach the internet never join.
        add_depends_on(&mut entry.fields, layout.private_route_tables.clone());
    }
    let needed = entry.fields.get(role).is_none_or(Value::is_null);
    set_default(&mut entry.fields, role, own);
    needed
}

/// Role of a cluster with EKS Auto Mode.
fn add_auto_mode_role(out: &mut Expansion<'_, '_>, at: &str) {
    let actions = ["sts:AssumeRole", auto_mode::TAG_SESSION];
    let statement = json!({ "Effect": "Allow", "Principal": { "Service": "eks.amazonaws.com" }, "Action": actions });
    out.add_generated("iam_role", "cluster", json!({ "trust": { "Statement": [statement] }, "policies": auto_mode::ROLE_POLICIES }), at);
}

fn add_role(out: &mut Expansion<'_, '_>, name: &str, service: &str, policies: &[&str], at: &str) {
    out.add_generated("iam_role", name, json!({ "trust": { "services": [service] }, "policies": policies }), at);
}
