//! Argo CD, as far as acme installs it: the program or the capability of EKS, the credentials for the repository, the projects and the root
//! Application.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Installer,
    delivery::{ARGO_CD, ArgoCdDelivery, EXTERNAL_SECRETS, SecretName},
    namespace_object, permit_external_secrets,
    registry::components,
    selection::{Target, reference},
};
use crate::definition::{
    child_pointer,
    gitops::{API_VERSION, ARGO_CD_NAMESPACE, CLUSTER_NAME, PLATFORM_PROJECT, SERVICES_PROJECT, chart_source, root_application},
};

/// Label by which Argo CD finds clusters and repositories.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
/// Name of the Secret with the credentials for the repository.
const REPOSITORY: &str = "gitops-repository";
/// Capability, role and access entry of the managed Argo CD.
const CAPABILITY: &str = "argo-cd";

/// Reports settings of Argo CD that contradict the components.
pub fn check(installer: &mut Installer<'_, '_, '_>, argo_cd: &ArgoCdDelivery, at: &str) {
    let has = |name: &str| installer.selected.iter().find(|one| one.name == name);
    let settings = format!("{at}/argocd");
    let problem = match (&argo_cd.managed, has(ARGO_CD)) {
        (Some(_), Some(component)) => {
            Some((component.pointer.clone(), "EKS runs Argo CD already, by `argocd.managed`", "remove one of them"))
        }
        (None, None) => {
            Some((settings.clone(), "`deliver: argocd` needs Argo CD", "add `argo-cd: { host: … }` to `platform`, or `managed`"))
        }
        (None, Some(_)) if argo_cd.credentials.is_some() && has(EXTERNAL_SECRETS).is_none() => {
            let help = "add `external-secrets: {}` to `platform`";
            Some((format!("{settings}/credentials"), "`credentials` needs the component `external-secrets`", help))
        }
        _ => None,
    };
    if let Some((place, message, help)) = problem {
        installer.out.compiler.problem_at_key("platform", &place, message, help);
    }
    let namespace = argo_cd.managed.as_ref().and_then(|managed| managed.get("namespace"));
    if namespace.is_some_and(|namespace| *namespace != ARGO_CD_NAMESPACE) {
        let place = format!("{settings}/managed/namespace");
        installer.out.compiler.problem("platform", &place, "the objects of Argo CD are in the namespace `argocd`", "remove the line");
    }
}

/// Adds what the components in Git need, after everything else of the section.
pub fn add(installer: &mut Installer<'_, '_, '_>, argo_cd: &ArgoCdDelivery, at: &str) {
    let settings = format!("{at}/argocd");
    let place = format!("{settings}/credentials");
    let named = argo_cd.credentials.as_ref().map(SecretName::to_value);
    let credentials = named.and_then(|secret| reference(installer.out, &secret, Target::SECRET, "`credentials`", &place));
    let mut before = match &argo_cd.managed {
        Some(managed) => add_capability(installer, managed, credentials.as_deref(), &settings),
        None => installer.ends.get(ARGO_CD).cloned().unwrap_or_default(),
    };
    if let Some(credentials) = &credentials {
        // A managed Argo CD reads it itself.
        if argo_cd.managed.is_none() && credentials.starts_with("arn:") {
            permit_external_secrets(installer.out, "repository", std::iter::once(credentials.as_str()));
        }
        let added = match &argo_cd.managed {
            Some(_) => {
                let values = json!({ "type": "git", "url": argo_cd.repository, "secretArn": credentials });
                add_object(installer, secret(REPOSITORY, "repository", &values), None, &before, &place)
            }
            None => {
                let ends = installer.ends.get(EXTERNAL_SECRETS).into_iter().flatten();
                let after: Vec<String> = before.iter().chain(ends).cloned().collect();
                add_object(installer, copied_credentials(&argo_cd.repository, credentials), Some("Ready"), &after, &place)
            }
        };
        before.push(added);
    }
    add_projects(installer, argo_cd, &mut before, &settings);
    add_root(installer, before, at);
}

/// Adds the capability, its permissions and what it needs in the cluster. Returns the last addresses.
fn add_capability(installer: &mut Installer<'_, '_, '_>, managed: &Map<String, Value>, credentials: Option<&str>, at: &str) -> Vec<String> {
    let place = format!("{at}/managed");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": ARGO_CD_NAMESPACE } });
    let spec = json!({ "cluster": "main", "manifest": namespace });
    installer.out.add_generated("kubernetes_object", namespace_object(ARGO_CD_NAMESPACE), spec, &place);
    let mut before = vec![format!("kubernetes_object.{}", namespace_object(ARGO_CD_NAMESPACE))];
    before.extend(health_of_applications().map(|settings| add_object(installer, settings, None, &[], &place)));
    let actions = ["sts:AssumeRole", "sts:TagSession"];
    let trust = json!({ "Effect": "Allow", "Principal": { "Service": "capabilities.eks.amazonaws.com" }, "Action": actions });
    let mut role = json!({ "description": "Lets Argo CD read the repository", "trust": { "Statement": [trust] } });
    if let Some(secret) = credentials {
        let actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
        role["inline_policies"] = json!({ "repository": { "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": secret }] } });
    }
    installer.out.add_generated("iam_role", CAPABILITY, role, &place);
    // EKS creates an entry for the role without permissions, unless there is one.
    let policies = json!([{ "policy": "AmazonEKSClusterAdminPolicy" }]);
    let entry = json!({ "cluster": "main", "principal_arn": format!("${{iam_role.{CAPABILITY}.arn}}"), "policies": policies });
    installer.out.add_generated("eks_access_entry", CAPABILITY, entry, &place);
    before.push(format!("eks_access_entry.{CAPABILITY}"));
    let capability = json!({ "cluster": "main", "type": "argocd", "role": CAPABILITY, "argocd": managed, "depends_on": before });
    if let Some(draft) = installer.out.add_generated("eks_capability", CAPABILITY, capability, &place) {
        draft.pointer_overrides.push(("/argocd".to_owned(), place.clone()));
    }
    let capability = format!("eks_capability.{CAPABILITY}");
    // https://docs.aws.amazon.com/eks/latest/userguide/argocd-register-clusters.html
    let values = json!({ "name": CLUSTER_NAME, "server": "${eks_cluster.main.arn}", "project": "default" });
    let cluster = add_object(installer, secret(CLUSTER_NAME, "cluster", &values), None, std::slice::from_ref(&capability), &place);
    vec![capability, cluster]
}

/// Settings by which Argo CD waits for the Applications of a wave, the same as those of the component.
fn health_of_applications() -> Option<Value> {
    let settings = components().get(ARGO_CD)?.values.pointer("/configs/cm")?.as_object()?;
    let data: Map<String, Value> = settings
        .iter()
        .filter(|(key, _)| key.starts_with("resource.customizations"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let labels = json!({ "app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/name": "argocd-cm" });
    let metadata = json!({ "name": "argocd-cm", "namespace": ARGO_CD_NAMESPACE, "labels": labels });
    Some(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }))
}

/// A Secret of Argo CD whose values are not secret.
fn secret(name: &str, kind: &str, values: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": ARGO_CD_NAMESPACE, "labels": { SECRET_TYPE: kind } });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values })
}

/// An object by which External Secrets copies the credentials for the repository.
fn copied_credentials(repository: &str, secret: &str) -> Value {
    let template = json!({
        "mergePolicy": "Merge",
        "metadata": { "labels": { SECRET_TYPE: "repository" } },
        "data": { "type": "git", "url": repository },
    });
    json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": { "name": REPOSITORY, "namespace": ARGO_CD_NAMESPACE },
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": { "kind": "ClusterSecretStore", "name": "secrets-manager" },
            "target": { "name": REPOSITORY, "creationPolicy": "Owner", "deletionPolicy": "Retain", "template": template },
            "dataFrom": [{ "extract": { "key": secret } }],
        },
    })
}

/// Adds the project of the components, and one for services, which can't change the cluster as a whole.
fn add_projects(installer: &mut Installer<'_, '_, '_>, argo_cd: &ArgoCdDelivery, before: &mut Vec<String>, at: &str) {
    let members = installer.out.compiler.delivery.as_ref().map(|delivery| &delivery.members);
    let releases = installer.out.drafts.iter().filter(|draft| {
        let address = format!("{}.{}", draft.resource_type.name, draft.name);
        draft.resource_type.name == "helm_release" && members.is_some_and(|members| members.keys().any(|key| key.to_string() == address))
    });
    let charts = releases.filter_map(|draft| Some(chart_source(&Value::Object(draft.spec.clone())).get("repoURL")?.as_str()?.to_owned()));
    let sources: BTreeSet<String> = charts.chain([argo_cd.repository.clone()]).collect();
    let anywhere = json!({ "name": CLUSTER_NAME, "namespace": "*" });
    let except = |namespace: &str| json!({ "name": CLUSTER_NAME, "namespace": format!("!{namespace}") });
    let platform = json!({
        "description": "Components of the cluster",
        "sourceRepos": sources,
        "destinations": [anywhere],
        "clusterResourceWhitelist": [{ "group": "*", "kind": "*" }],
    });
    let services = json!({
        "description": "Services",
        "sourceRepos": [argo_cd.repository],
        "destinations": [anywhere, except(ARGO_CD_NAMESPACE), except("kube-system")],
        "clusterResourceWhitelist": [],
    });
    let earlier = before.clone();
    for (name, spec) in [(PLATFORM_PROJECT, platform), (SERVICES_PROJECT, services)] {
        let metadata = json!({ "name": name, "namespace": ARGO_CD_NAMESPACE });
        let project = json!({ "apiVersion": API_VERSION, "kind": "AppProject", "metadata": metadata, "spec": spec });
        before.push(add_object(installer, project, None, &earlier, at));
    }
}

/// Adds the root Application after all other resources of the section: roles, queues and add-ons, which the components use.
fn add_root(installer: &mut Installer<'_, '_, '_>, mut before: Vec<String>, at: &str) {
    let Some(delivery) = &installer.out.compiler.delivery else { return };
    let below = child_pointer(at, "");
    let of_section = installer.out.drafts.iter().filter(|draft| draft.pointer.starts_with(&below));
    let addresses = of_section.map(|draft| format!("{}.{}", draft.resource_type.name, draft.name));
    let known: BTreeSet<String> = delivery.members.keys().map(ToString::to_string).collect();
    let all: BTreeSet<String> = addresses.filter(|address| !known.contains(address)).chain(before.drain(..)).collect();
    let root = root_application(&delivery.gitops, installer.out.frame.environment);
    let all: Vec<String> = all.into_iter().chain(installer.before.iter().cloned()).collect();
    add_object(installer, root, None, &all, &format!("{at}/argocd"));
}

fn add_object(installer: &mut Installer<'_, '_, '_>, manifest: Value, wait_for: Option<&str>, before: &[String], at: &str) -> String {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let name = format!("{ARGO_CD}-{}-{}", text("/kind"), text("/metadata/name"));
    let wait_for: Vec<Value> = wait_for.iter().map(|condition| json!({ "condition": condition })).collect();
    let spec = json!({ "cluster": "main", "manifest": manifest, "wait_for": wait_for, "depends_on": before });
    let address = format!("kubernetes_object.{name}");
    if let Some(draft) = installer.out.add_generated("kubernetes_object", name, spec, at) {
        draft.pointer_overrides.push(("/manifest".to_owned(), at.to_owned()));
    }
    address
}
