//! `policies`: rules of the cluster's namespaces, such as allowed traffic, quotas and permissions of people.

mod access;
mod forms;
mod network;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::forms::NamespacePolicies;
use self::{
    access::{join_groups, role_manifests},
    forms::{Allowed, Grant, NetworkRules, Quantity},
    network::{Dns, network_policies, network_problems},
};
use super::{Expansion, SectionEntry, add_depends_on, platform};
use crate::definition::{parse_section, sections::platform::component::PodSecurity};

/// Rules of a cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Rules by namespace. acme creates namespaces that no component of `platform` and no add-on creates.
    #[serde(default)]
    pub namespaces: Value,
    /// Permissions in the whole cluster by group of people, as in a namespace. Default: none.
    #[serde(default)]
    pub access: BTreeMap<String, Grant>,
    /// Program that enforces NetworkPolicies. Default: `vpc-cni`.
    #[serde(default)]
    pub network_engine: NetworkEngine,
}

/// Program that enforces NetworkPolicies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkEngine {
    /// The add-on, or EKS Auto Mode.
    #[default]
    VpcCni,
    /// Calico, Cilium or another one, which acme does not check.
    Other,
}

/// Rule for names of namespaces.
const NAMESPACE_RULE: &str = "use lowercase letters, digits and `-`, at most 63 in all";
/// Namespaces of Kubernetes itself, whose labels and traffic are not the stack's.
const OF_KUBERNETES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];
/// Label with the enforced Pod Security standard.
pub(super) const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Whether a text is the name of a namespace.
pub(super) fn is_namespace(name: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_part) && !name.starts_with('-') && !name.ends_with('-')
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(policies) = parse_section::<Policies>(out.compiler, value, at, "`policies`") else { return };
    if !out.drafts.iter().any(|draft| draft.resource_type.name == "eks_cluster" && draft.name == "main") {
        let message = "`policies` needs a cluster, but the definition has no section `cluster`";
        return out.compiler.problem_at_key("policies", at, message, "add a section `cluster:`");
    }
    let access_at = format!("{at}/access");
    join_groups(out, &policies.access, &access_at);
    for manifest in role_manifests(None, &policies.access) {
        add_rule(out, "cluster", manifest, &access_at, &[]);
    }
    let mut denies = None;
    for entry in out.parse_entries(policies.namespaces, &format!("{at}/namespaces")) {
        let network_at = format!("{}/network", entry.pointer);
        if add_namespace(out, entry) {
            denies.get_or_insert(network_at);
        }
    }
    out.has_other_network_engine = policies.network_engine == NetworkEngine::Other;
    if let Some(place) = denies {
        require_enforcement(out, &place, at);
    }
}

/// Whether something creates a namespace.
pub(super) fn is_created(out: &Expansion<'_, '_>, namespace: &str) -> bool {
    !matches!(creator(out, namespace), Creator::Policies)
}

/// Who creates a namespace.
enum Creator {
    /// This section.
    Policies,
    /// Components of `platform`, by the draft with this position.
    Components(usize),
    /// An add-on, with this address.
    AddOn(String),
}

/// Adds the objects of a namespace. Returns whether traffic is denied in it.
fn add_namespace(out: &mut Expansion<'_, '_>, entry: SectionEntry) -> bool {
    let SectionEntry { name, fields, pointer } = entry;
    let wrong = if OF_KUBERNETES.contains(&name.as_str()) {
        Some((format!("`{name}` is a namespace of Kubernetes itself"), "use a namespace of the stack"))
    } else if !is_namespace(&name) {
        Some((format!("`{name}` is not a valid name of a namespace"), NAMESPACE_RULE))
    } else {
        None
    };
    if let Some((message, help)) = wrong {
        out.compiler.problem_at_key("policies", &pointer, message, help);
        return false;
    }
    let Some(policies) = parse_section::<NamespacePolicies>(out.compiler, fields.into(), &pointer, &format!("`{name}`")) else {
        return false;
    };
    let creator = creator(out, &name);
    let before = match &creator {
        Creator::AddOn(address) => vec![address.clone()],
        Creator::Policies | Creator::Components(_) => Vec::new(),
    };
    label_namespace(out, &name, &policies, &creator, &pointer);
    let is_own = matches!(creator, Creator::Policies);
    let default = is_own.then(Allowed::default);
    let allowed = match policies.network {
        Some(NetworkRules::Open) => None,
        Some(NetworkRules::Only(allowed)) => Some(allowed),
        None => default,
    };
    let network_at = format!("{pointer}/network");
    if let Some(allowed) = &allowed {
        for problem in network_problems(allowed) {
            out.compiler.problem("policies", &format!("{network_at}{}", problem.pointer), problem.message, problem.help);
        }
        check_fargate(out, &name, &network_at);
        let dns = if has_auto_mode(out) { Dns::Nodes } else { Dns::Pods };
        for manifest in network_policies(&name, allowed, dns) {
            add_rule(out, &name, manifest, &network_at, &before);
        }
    }
    if !policies.quota.is_empty() {
        let manifest = namespaced(&name, "ResourceQuota", json!({ "hard": quantities(&policies.quota) }));
        add_rule(out, &name, manifest, &format!("{pointer}/quota"), &before);
    }
    if let Some(limits) = &policies.limits {
        let parts = [("defaultRequest", &limits.default_request), ("default", &limits.default), ("min", &limits.min), ("max", &limits.max)];
        let set = parts.into_iter().filter(|(_, values)| !values.is_empty()).map(|(key, values)| (key.to_owned(), quantities(values)));
        let mut limit: Map<String, Value> = set.collect();
        limit.insert("type".to_owned(), "Container".into());
        add_rule(out, &name, namespaced(&name, "LimitRange", json!({ "limits": [limit] })), &format!("{pointer}/limits"), &before);
    }
    let access_at = format!("{pointer}/access");
    join_groups(out, &policies.access, &access_at);
    for manifest in role_manifests(Some(&name), &policies.access) {
        add_rule(out, &name, manifest, &access_at, &before);
    }
    allowed.is_some()
}

fn creator(out: &Expansion<'_, '_>, namespace: &str) -> Creator {
    let object = platform::namespace_object(namespace);
    let position = out.drafts.iter().position(|draft| draft.resource_type.name == "kubernetes_object" && draft.name == object);
    if let Some(position) = position {
        return Creator::Components(position);
    }
    let mut add_ons = out.drafts.iter().filter(|draft| draft.resource_type.name == "eks_addon");
    let is_in_it = |addon: &str| platform::namespace_of_addon(addon) == Some(namespace);
    let found = add_ons.find(|draft| draft.spec.get("addon").and_then(Value::as_str).is_some_and(is_in_it));
    found.map_or(Creator::Policies, |draft| Creator::AddOn(format!("eks_addon.{}", draft.name)))
}

/// Creates the namespace, or adds the labels to that of components.
fn label_namespace(out: &mut Expansion<'_, '_>, name: &str, policies: &NamespacePolicies, creator: &Creator, pointer: &str) {
    match creator {
        Creator::Policies => {
            let mut labels = json!(policies.labels);
            labels[POD_SECURITY] = policies.pod_security.unwrap_or(PodSecurity::Restricted).label().into();
            let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
            let spec = json!({ "cluster": "main", "manifest": manifest });
            if let Some(draft) = out.add_generated("kubernetes_object", platform::namespace_object(name), spec, pointer) {
                draft.pointer_overrides.push(("/manifest/metadata/labels".into(), format!("{pointer}/labels")));
            }
            out.deliver_namespace(name);
        }
        Creator::Components(position) => {
            let Some(labels) = out.drafts[*position].spec.get_mut("manifest").and_then(|it| it.pointer_mut("/metadata/labels")) else {
                return;
            };
            let needed = labels.get(POD_SECURITY).and_then(Value::as_str).and_then(PodSecurity::of_label);
            for (key, value) in &policies.labels {
                labels[key.as_str()] = value.as_str().into();
            }
            let Some(wanted) = policies.pod_security else { return };
            labels[POD_SECURITY] = wanted.label().into();
            if let Some(needed) = needed.filter(|needed| wanted > *needed) {
                let message = format!("pods of components in `{name}` need `{}`", needed.label());
                let help = format!("set `pod_security: {}`, or remove the line", needed.label());
                out.compiler.problem("policies", &format!("{pointer}/pod_security"), message, help);
            }
        }
        Creator::AddOn(address) => {
            let set = [("pod_security", policies.pod_security.is_some()), ("labels", !policies.labels.is_empty())];
            for (field, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
                let message = format!("the namespace `{name}` is created by `{address}`, so its labels are those of the add-on");
                let help = "remove the line, or set `deliver: helm` for its component in `platform`";
                out.compiler.problem_at_key("policies", &format!("{pointer}/{field}"), message, help);
            }
        }
    }
}

fn quantities(values: &BTreeMap<String, Quantity>) -> Value {
    values.iter().map(|(resource, quantity)| (resource.clone(), Value::from(quantity.0.as_str()))).collect::<Map<_, _>>().into()
}

/// An object of which a namespace has one.
fn namespaced(namespace: &str, kind: &str, spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": "policies", "namespace": namespace }, "spec": spec })
}

/// Adds an object that Argo CD applies, if it delivers the components.
fn add_rule(out: &mut Expansion<'_, '_>, owner: &str, manifest: Value, at: &str, before: &[String]) {
    let address = add_object(out, owner, manifest, at, before);
    out.deliver_policy(&address);
}

/// Adds an object, and returns its address.
fn add_object(out: &mut Expansion<'_, '_>, owner: &str, manifest: Value, at: &str, before: &[String]) -> String {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    // Names in RBAC may have characters that a name in a definition can't have.
    let name = text("/metadata/name").replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.@".contains(c), "-");
    let name = format!("policies-{owner}-{}-{name}", text("/kind").to_lowercase());
    let mut spec = json!({ "cluster": "main", "manifest": manifest });
    if let Some(fields) = spec.as_object_mut().filter(|_| !before.is_empty()) {
        add_depends_on(fields, before.iter().cloned());
    }
    let address = format!("kubernetes_object.{name}");
    if let Some(draft) = out.add_generated("kubernetes_object", name, spec, at) {
        draft.pointer_overrides.push(("/manifest".into(), at.to_owned()));
    }
    address
}

/// Whether the cluster has EKS Auto Mode.
pub(super) fn has_auto_mode(out: &Expansion<'_, '_>) -> bool {
    let mut clusters = out.drafts.iter().filter(|draft| draft.resource_type.name == "eks_cluster" && draft.name == "main");
    clusters.any(|draft| draft.spec.get("auto_mode").is_some_and(|mode| !mode.is_null()))
}

/// Pods on Fargate are not subject to NetworkPolicies. <https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html>
fn check_fargate(out: &mut Expansion<'_, '_>, namespace: &str, at: &str) {
    let selects = |selector: &Value| selector.get("namespace").is_some_and(|selected| selected == namespace);
    let profiles = out.drafts.iter().filter(|draft| draft.resource_type.name == "eks_fargate_profile");
    let found = profiles.filter_map(|draft| Some((&draft.name, draft.spec.get("selectors")?.as_array()?)));
    let found = found.filter(|(_, selectors)| selectors.iter().any(selects)).map(|(name, _)| name.clone()).next();
    if let Some(profile) = found {
        let message = format!("the Fargate profile `{profile}` has pods of `{namespace}`, whose traffic EKS can't restrict");
        let help = "set `network: false`, and restrict the traffic by security groups";
        out.compiler.problem_at_key("policies", at, message, help);
    }
}

/// Name of the object that switches on NetworkPolicies in a cluster with EKS Auto Mode.
const SWITCH: &str = "policies-cluster-configmap-amazon-vpc-cni";

/// Reports a cluster that would ignore NetworkPolicies.
pub(super) fn require_enforcement(out: &mut Expansion<'_, '_>, place: &str, at: &str) {
    if out.has_other_network_engine || out.drafts.iter().any(|draft| draft.name == SWITCH) {
        return;
    }
    if has_auto_mode(out) {
        // https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html
        let data = json!({ "enable-network-policy-controller": "true" });
        let manifest = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "amazon-vpc-cni", "namespace": "kube-system" }, "data": data,
        });
        add_object(out, "cluster", manifest, at, &[]);
        return;
    }
    let is_on = |value: Option<&Value>| value.is_some_and(|value| *value == true || *value == "true");
    let addon = out.drafts.iter().find(|draft| draft.spec.get("addon").is_some_and(|addon| addon == "vpc-cni"));
    let enforces = addon.is_some_and(|draft| is_on(draft.spec.get("configuration").and_then(|all| all.get("enableNetworkPolicy"))));
    if enforces {
        return;
    }
    let help = match addon {
        Some(_) => "set `configuration: { enableNetworkPolicy: \"true\" }` for the add-on `vpc-cni` in `cluster`",
        None => "add `vpc-cni: {}` to `platform`, set `network: false`, or set `network_engine: other` if another program enforces them",
    };
    let message = "NetworkPolicies would have no effect: the cluster does not enforce them";
    out.compiler.problem_at_key("policies", place, message, help);
}
