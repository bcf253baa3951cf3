//! `platform`: components of a cluster, such as controllers, operators and monitoring, each with its chart or add-on, namespace, permissions
//! and objects.

mod argo_cd;
pub(super) mod component;
mod delivery;
mod fill;
mod registry;
pub(super) mod schema;
mod selection;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::{
    component::{Addition, AutoMode, Chart, CopiedSecret, Identity, Object, PodSecurity},
    delivery::{ArgoCdDelivery, is_in_git},
    fill::{IDENTITY_AGENT, Surroundings, fill},
    selection::Selected,
    values::merge,
};
use super::{Expansion, Fields, add_depends_on, policies};
use crate::definition::gitops::GitComponent;

pub(super) fn expand(out: &mut Expansion<'_, '_>, mut value: Value, at: &str) {
    let argo_cd = delivery::take(out, &mut value, at);
    let entries = out.parse_entries(value, at);
    if entries.is_empty() && argo_cd.is_none() {
        return;
    }
    let Some(surroundings) = Surroundings::of(out) else {
        let message = "`platform` needs a cluster, but the definition has no section `cluster`";
        return out.compiler.problem_at_key("platform", at, message, "add a section `cluster:`");
    };
    let selected = selection::read(out, entries, &surroundings);
    selection::check(out, &selected, &surroundings);
    if let Some(argo_cd) = &argo_cd {
        delivery::begin(out, argo_cd);
    }
    let outside: BTreeSet<&str> = selected.iter().flat_map(Selected::copied_secrets).filter(|secret| secret.starts_with("arn:")).collect();
    let (ends, before) = (BTreeMap::new(), Vec::new());
    let mut installer = Installer { out, surroundings, selected: &selected, argo_cd: argo_cd.as_ref(), ends, before };
    installer.add_namespaces();
    installer.add_identity_agent(at);
    installer.before = [&installer.surroundings.nodes[..], &installer.surroundings.cluster_parts[..]].concat();
    let mut order: Vec<&Selected> = selected.iter().collect();
    order.sort_by_key(|one| (one.component.wave, depth(one, &selected)));
    for one in order {
        installer.add(one);
    }
    if let Some(argo_cd) = &argo_cd {
        argo_cd::check(&mut installer, argo_cd, at);
        argo_cd::add(&mut installer, argo_cd, at);
    }
    permit_external_secrets(out, "outside", outside.into_iter());
}

/// Number of components of its wave that are installed before it, one after the other.
fn depth(one: &Selected, selected: &[Selected]) -> usize {
    let needs = one.needs();
    let needed = selected.iter().filter(|other| other.component.wave == one.component.wave && needs.contains(other.name));
    needed.map(|other| 1 + depth(other, selected)).max().unwrap_or(0)
}

/// Distance of the waves of components in the waves of Argo CD, between which those of one wave are in the order of their needs.
const WAVE_STEP: i32 = 10;
/// Waves of objects within an Application, around that of its chart.
const BEFORE_CHART: i32 = -1;
const AFTER_CHART: i32 = 1;

/// Namespaces that exist in every cluster.
const GIVEN_NAMESPACES: &[&str] = &["default", "kube-system"];

/// Name of the resource that creates a namespace.
pub(super) fn namespace_object(namespace: &str) -> String {
    format!("namespace-{namespace}")
}

/// Adds the agent of Pod Identity, unless the cluster has it.
pub(super) fn require_identity_agent(out: &mut Expansion<'_, '_>, at: &str) {
    let has_agent = out.drafts.iter().any(|draft| draft.spec.get("addon").is_some_and(|addon| addon == IDENTITY_AGENT));
    if !has_agent && !policies::has_auto_mode(out) {
        out.add_generated("eks_addon", IDENTITY_AGENT, json!({ "cluster": "main", "addon": IDENTITY_AGENT }), at);
    }
}

/// Lets External Secrets read secrets whose names don't begin with the stack's, such as those that RDS manages, by a policy of this name.
pub(super) fn permit_external_secrets<'s>(out: &mut Expansion<'_, '_>, policy: &str, secrets: impl Iterator<Item = &'s str>) {
    let secrets: Vec<&str> = secrets.collect();
    let mut roles = out.drafts.iter_mut().filter(|draft| draft.resource_type.name == "iam_role");
    let Some(role) = roles.find(|draft| draft.name == delivery::EXTERNAL_SECRETS).filter(|_| !secrets.is_empty()) else { return };
    let actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": secrets });
    if let Some(Value::Object(policies)) = role.spec.get_mut("inline_policies") {
        policies.insert(policy.to_owned(), json!({ "Statement": [statement] }));
    }
}

/// Namespace that an add-on of EKS creates; `None` for one that is not known, or that has its pods in a given namespace.
pub(super) fn namespace_of_addon(addon: &str) -> Option<&'static str> {
    let component = registry::components().values().find(|component| component.addon.as_deref() == Some(addon))?;
    Some(component.namespace.as_str()).filter(|name| !GIVEN_NAMESPACES.contains(name))
}

/// Adds the resources of the components.
struct Installer<'o, 'c, 'a> {
    out: &'o mut Expansion<'c, 'a>,
    surroundings: Surroundings,
    selected: &'o [Selected],
    /// Settings for `deliver: argocd`.
    argo_cd: Option<&'o ArgoCdDelivery>,
    /// Last resources of each component, on which others depend.
    ends: BTreeMap<&'static str, Vec<String>>,
    /// Addresses of nodes and parts of the cluster that come before software on nodes.
    before: Vec<String>,
}

/// What the components in a namespace ask of it.
#[derive(Default)]
struct NamespaceParts<'a> {
    /// The least strict level that they need.
    security: Option<PodSecurity>,
    labels: BTreeMap<&'a str, &'a str>,
    /// The first one in the definition.
    pointer: &'a str,
    /// Whether acme itself installs one of them.
    is_of_acme: bool,
}

impl Installer<'_, '_, '_> {
    /// Whether acme installs the software of a component, rather than its objects alone.
    fn installs(&self, one: &Selected) -> bool {
        one.component.has_software() && !(self.surroundings.has_auto_mode && one.component.auto_mode == AutoMode::ObjectsOnly)
    }

    /// Whether Argo CD installs a component from Git.
    fn is_in_git(&self, one: &Selected) -> bool {
        self.argo_cd.is_some_and(|argo_cd| is_in_git(one, argo_cd, self.surroundings.has_auto_mode))
    }

    /// Leaves a resource of a component to Argo CD, if it installs the component.
    fn deliver(&mut self, one: &Selected, address: &str, sync_wave: i32) {
        if !self.is_in_git(one) {
            return;
        }
        let order = i32::from(one.component.wave) * WAVE_STEP + i32::try_from(depth(one, self.selected)).unwrap_or(WAVE_STEP - 1);
        let component = GitComponent {
            sync_wave: order,
            namespace: one.component.namespace.clone(),
            argo_cd: one.component.argocd.clone(),
            ..GitComponent::default()
        };
        self.out.deliver(one.name, component, address, sync_wave);
    }

    fn identity(&self, one: &Selected) -> Option<&'static Identity> {
        one.component.identity.as_ref().filter(|_| self.installs(one))
    }

    /// An add-on creates its namespace itself.
    fn add_namespaces(&mut self) {
        let mut namespaces: BTreeMap<&str, NamespaceParts<'_>> = BTreeMap::new();
        let selected = self.selected.iter().filter(|one| !one.is_addon && !GIVEN_NAMESPACES.contains(&one.component.namespace.as_str()));
        for one in selected {
            let new = || NamespaceParts { pointer: &one.pointer, ..NamespaceParts::default() };
            let parts = namespaces.entry(&one.component.namespace).or_insert_with(new);
            parts.security = [parts.security, one.component.pod_security].into_iter().flatten().min();
            parts.is_of_acme |= !self.is_in_git(one);
            parts.labels.extend(one.component.namespace_labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        }
        for (name, NamespaceParts { security, mut labels, pointer, is_of_acme }) in namespaces {
            labels.extend(security.map(|security| ("pod-security.kubernetes.io/enforce", security.label())));
            let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
            let spec = json!({ "cluster": "main", "manifest": manifest });
            self.out.add_generated("kubernetes_object", namespace_object(name), spec, pointer);
            if !is_of_acme {
                self.out.deliver_namespace(name);
            }
        }
    }

    /// Auto Mode has the agent.
    fn add_identity_agent(&mut self, at: &str) {
        let is_needed = self.selected.iter().any(|one| self.identity(one).is_some());
        if is_needed && !self.surroundings.has_auto_mode && !self.surroundings.has_identity_agent {
            self.out.add_generated("eks_addon", IDENTITY_AGENT, json!({ "cluster": "main", "addon": IDENTITY_AGENT }), at);
            self.surroundings.cluster_parts.push(format!("eks_addon.{IDENTITY_AGENT}"));
        }
    }

    fn add(&mut self, one: &Selected) {
        let mut before = self.ends_before(one);
        if !one.component.before_nodes {
            before.extend(self.before.iter().cloned());
        }
        let secrets = one.component.secrets.iter().filter(|secret| one.inputs.contains_key(secret.from.as_str()));
        let mut own: Vec<String> = secrets.map(|secret| self.add_secret(one, secret, &before)).collect();
        for (kind, resources) in &one.component.resources {
            for (name, spec) in resources {
                let spec = fill(spec, &|name| one.lookup(&self.surroundings, name));
                self.out.add_generated(kind, name, spec, &one.pointer);
                own.push(format!("{kind}.{name}"));
            }
        }
        own.extend(self.identity(one).map(|identity| self.add_identity(one, identity)));
        before.extend(own);
        let software = self.installs(one).then(|| self.add_software(one, &before));
        let after = software.clone().map_or(before, |address| vec![address]);
        let additions = self.additions(one);
        let objects = one.component.objects.iter().chain(additions.iter().flat_map(|addition| &addition.objects));
        let mut ends: Vec<String> = objects.map(|object| self.add_object(one, object, &after)).collect();
        ends.extend(software);
        self.ends.insert(one.name, ends);
    }

    /// Last resources of the components that it needs, and of those of the wave before.
    fn ends_before(&self, one: &Selected) -> Vec<String> {
        let waves = self.selected.iter().map(|other| other.component.wave);
        let last = waves.filter(|wave| *wave < one.component.wave).max();
        let needs = one.needs();
        let earlier = self.selected.iter().filter(|other| Some(other.component.wave) == last || needs.contains(other.name));
        let ends: BTreeSet<&String> = earlier.filter_map(|other| self.ends.get(other.name)).flatten().collect();
        ends.into_iter().cloned().collect()
    }

    /// Values and objects that it has because of other components and of its inputs.
    fn additions(&self, one: &Selected) -> Vec<&'static Addition> {
        let applies = |name: &str| one.inputs.contains_key(name) || self.selected.iter().any(|other| other.name == name);
        one.component.with.iter().filter(|(name, _)| applies(name)).map(|(_, addition)| addition).collect()
    }

    fn values(&self, one: &Selected) -> Value {
        let mut values = json!({});
        merge(&mut values, &one.component.values);
        if let Some(chart) = one.component.chart.as_ref().filter(|_| !one.is_addon) {
            merge(&mut values, &chart.values);
        }
        for addition in self.additions(one) {
            merge(&mut values, &addition.values);
        }
        if let Some(small) = one.component.small.as_ref().filter(|_| one.is_small) {
            merge(&mut values, small);
        }
        let mut values = fill(&values, &|name| one.lookup(&self.surroundings, name));
        merge(&mut values, &one.values);
        values
    }

    /// Adds the add-on or the release, and returns its address.
    fn add_software(&mut self, one: &Selected, before: &[String]) -> String {
        let values = self.values(one);
        match (one.component.addon.as_deref().filter(|_| one.is_addon), &one.component.chart) {
            (Some(addon), _) => self.add_addon(one, addon, values, before),
            (None, Some(chart)) => self.add_release(one, chart, values, before),
            (None, None) => String::new(),
        }
    }

    fn add_addon(&mut self, one: &Selected, addon: &str, values: Value, before: &[String]) -> String {
        let mut spec = json!({ "cluster": "main", "addon": addon, "configuration": values, "depends_on": before });
        if let Some(version) = &one.version {
            spec["version"] = version.as_str().into();
        }
        let values_at = format!("{}/values", one.pointer);
        if let Some(draft) = self.out.add_generated("eks_addon", addon, spec, &one.pointer) {
            draft.pointer_overrides.push(("/configuration".to_owned(), values_at));
        }
        let address = format!("eks_addon.{addon}");
        if one.component.before_nodes {
            let groups = self.out.drafts.iter_mut().filter(|draft| draft.resource_type.name == "eks_node_group");
            groups.for_each(|group| add_depends_on(&mut group.spec, [address.clone()]));
        }
        address
    }

    fn add_release(&mut self, one: &Selected, chart: &Chart, values: Value, before: &[String]) -> String {
        let component = one.component;
        let spec = json!({
            "cluster": "main",
            "namespace": component.namespace,
            "release": component.release.as_deref().unwrap_or(one.name),
            "chart": chart.chart,
            "version": one.version.as_ref().unwrap_or(&chart.version),
            "values": values,
            "depends_on": before,
        });
        let Value::Object(mut fields) = spec else { return String::new() };
        fields.extend(chart.repository.as_ref().map(|url| ("repository".to_owned(), url.as_str().into())));
        fields.extend((!component.waits).then(|| ("wait".to_owned(), false.into())));
        fields.extend(component.skip_crds.then(|| ("skip_crds".to_owned(), true.into())));
        fields.extend(component.skip_schema.then(|| ("skip_schema_validation".to_owned(), true.into())));
        fields.extend(component.timeout_seconds.map(|seconds| ("timeout_seconds".to_owned(), seconds.into())));
        self.out.add_resource("helm_release", one.name, fields, &one.pointer);
        let address = format!("helm_release.{}", one.name);
        self.deliver(one, &address, 0);
        address
    }

    /// Adds the role of the component's pods and its association, and returns the address of the latter.
    fn add_identity(&mut self, one: &Selected, identity: &Identity) -> String {
        let mut role = Fields::new();
        role.insert("trust".to_owned(), json!({ "services": ["pods.eks.amazonaws.com"] }));
        role.insert("policies".to_owned(), json!(identity.policies));
        let statements = identity.statements.iter().filter(|statement| !one.lacks_input_of(statement));
        let statements: Vec<Value> = statements.map(|one_of| fill(one_of, &|name| one.lookup(&self.surroundings, name))).collect();
        if !statements.is_empty() {
            let inline = Map::from_iter([(one.name.to_owned(), json!({ "Statement": statements }))]);
            role.insert("inline_policies".to_owned(), inline.into());
        }
        self.out.add_resource("iam_role", one.name, role, &one.pointer);
        let association = json!({
            "cluster": "main",
            "namespace": one.component.namespace,
            "service_account": identity.service_account,
            "role": one.name,
        });
        self.out.add_generated("eks_pod_identity", one.name, association, &one.pointer);
        format!("eks_pod_identity.{}", one.name)
    }

    /// Adds an object by which External Secrets copies a secret.
    fn add_secret(&mut self, one: &Selected, secret: &CopiedSecret, before: &[String]) -> String {
        let from = one.lookup(&self.surroundings, &secret.from);
        let whole = secret.key.iter().map(|key| json!({ "secretKey": key, "remoteRef": { "key": from } }));
        let parts = secret.keys.iter().map(|key| json!({ "secretKey": key, "remoteRef": { "key": from, "property": key } }));
        let manifest = json!({
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": { "name": secret.name, "namespace": one.component.namespace },
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": { "kind": "ClusterSecretStore", "name": "secrets-manager" },
                "target": { "name": secret.name, "creationPolicy": "Owner", "deletionPolicy": "Retain" },
                "data": whole.chain(parts).collect::<Vec<_>>(),
            },
        });
        self.add_manifest(one, manifest, Some("Ready"), BEFORE_CHART, before)
    }

    fn add_object(&mut self, one: &Selected, object: &Object, before: &[String]) -> String {
        let manifest = fill(&object.manifest, &|name| one.lookup(&self.surroundings, name));
        self.add_manifest(one, manifest, object.wait_for.as_deref(), AFTER_CHART, before)
    }

    fn add_manifest(&mut self, one: &Selected, manifest: Value, wait_for: Option<&str>, sync_wave: i32, before: &[String]) -> String {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let name = format!("{}-{}-{}", one.name, text("/kind"), text("/metadata/name"));
        let wait_for: Vec<Value> = wait_for.iter().map(|condition| json!({ "condition": condition })).collect();
        let spec = json!({ "cluster": "main", "manifest": manifest, "wait_for": wait_for, "depends_on": before });
        let address = format!("kubernetes_object.{name}");
        self.out.add_generated("kubernetes_object", name, spec, &one.pointer);
        self.deliver(one, &address, sync_wave);
        address
    }
}
