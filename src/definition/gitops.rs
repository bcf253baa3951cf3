//! What Argo CD installs from a Git repository, in place of acme.
//!
//! Sections declare these releases and objects like all others, so that the compiler checks them. Then they are taken out of the stack.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Diagnostic, Stack, compiler::Compiler};
use crate::core::{
    Address,
    expression::{for_each_string, references},
};

/// Namespace of Argo CD.
pub const ARGO_CD_NAMESPACE: &str = "argocd";
/// Name of the cluster in Argo CD, whether it runs inside or outside of it.
pub const CLUSTER_NAME: &str = "in-cluster";
/// Project of the components.
pub const PLATFORM_PROJECT: &str = "platform";
/// Project of the services, which can't change the cluster as a whole.
pub const SERVICES_PROJECT: &str = "services";
/// Name of the Application that installs all others.
pub const ROOT: &str = "root";
/// Version of the API of Applications.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";

/// What Argo CD installs from a Git repository.
#[derive(Clone, Debug)]
pub struct GitOps {
    /// URL of the repository.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Components by name.
    pub components: BTreeMap<String, GitComponent>,
}

/// A component in a Git repository.
#[derive(Clone, Debug, Default)]
pub struct GitComponent {
    /// Position in the order of Applications.
    pub sync_wave: i32,
    /// Namespace of its release; empty if its objects name theirs.
    pub namespace: String,
    /// Spec of its `helm_release`.
    pub release: Option<Value>,
    /// Its objects.
    pub objects: Vec<GitObject>,
    /// What its Application needs.
    pub argo_cd: ArgoCdFacts,
    /// The service, if it is not a component of the platform.
    pub service: Option<GitService>,
}

/// A service in a Git repository, whose image others promote.
#[derive(Clone, Debug)]
pub struct GitService {
    /// Its name.
    pub name: String,
    /// Image until the first promotion; empty before there is one.
    pub first_image: String,
    /// Whether pipelines choose the image, rather than the definition.
    pub is_promoted: bool,
}

impl GitOps {
    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&GitService> {
        self.components.get(&service_application(name))?.service.as_ref()
    }

    /// Names of the services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.components.values().filter_map(|component| Some(component.service.as_ref()?.name.as_str()))
    }
}

/// Name of the Application of a service, which differs from those of components.
pub fn service_application(service: &str) -> String {
    format!("service-{service}")
}

/// Folder with the values that promotions change: those of a service in an environment.
pub fn overlay_folder(service: &str, environment: &str) -> String {
    format!("services/{service}/overlays/{environment}")
}

/// File with the values that promotions change.
pub fn overlay_file(service: &str, environment: &str) -> String {
    format!("{}/values.yaml", overlay_folder(service, environment))
}

/// An object in a Git repository.
#[derive(Clone, Debug)]
pub struct GitObject {
    /// The manifest.
    pub manifest: Value,
    /// Position in the order within its Application, in which charts have 0.
    pub sync_wave: i32,
}

/// What the Application of a component needs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgoCdFacts {
    /// Fields that the component itself changes, which are left alone, as `ignoreDifferences` of an Application.
    #[serde(default)]
    pub ignore: Vec<Value>,
    /// Whether the schema of the chart's values can't be checked, because it is on the internet.
    #[serde(default)]
    pub skip_schema_validation: bool,
}

/// Delivery through Git, while a definition is compiled.
pub struct Delivery {
    /// What is known of it so far.
    pub gitops: GitOps,
    /// Resources that are delivered so, with the names of their components.
    pub members: BTreeMap<Address, Member>,
}

/// A resource that is delivered through Git.
pub struct Member {
    /// Name of its component.
    pub component: String,
    /// Position in the order within the Application.
    pub sync_wave: i32,
}

/// Takes what is delivered through Git out of the stack. Reports references to it from what remains.
pub fn separate(c: &mut Compiler<'_>, stack: &mut Stack) -> Option<GitOps> {
    let Delivery { mut gitops, members } = c.delivery.take()?;
    for (address, member) in &members {
        let Some(declared) = stack.resources.remove(address) else { continue };
        let Some(component) = gitops.components.get_mut(&member.component) else { continue };
        match declared.spec.get("manifest") {
            Some(manifest) => component.objects.push(GitObject { manifest: manifest.clone(), sync_wave: member.sync_wave }),
            None => component.release = Some(declared.spec),
        }
    }
    gitops.components.retain(|_, component| component.release.is_some() || !component.objects.is_empty());
    for declared in stack.resources.values_mut() {
        declared.depends_on.retain(|address| !members.contains_key(address));
        declared.deferrable.retain(|address| !members.contains_key(address));
    }
    let specs = stack.resources.values().map(|declared| (declared.pointer.clone(), &declared.spec));
    let outputs = stack.outputs.iter().map(|(name, value)| (format!("/outputs/{name}"), value));
    let mut wrong = BTreeSet::new();
    for (pointer, value) in specs.chain(outputs) {
        for_each_string(value, &mut |text| {
            let found = references(text).into_iter().map(|reference| Address::new(reference.type_name, reference.name));
            wrong.extend(found.filter(|address| members.contains_key(address)).map(|address| (pointer.clone(), address)));
        });
    }
    for (pointer, address) in wrong {
        let place = c.value_range(&pointer);
        let message = format!("`{address}` is installed by Argo CD, so acme does not know its outputs");
        c.problems.push(Diagnostic::new("unknown-reference", message).at(place).help("remove the reference"));
    }
    Some(gitops)
}

/// The source of a release: its chart, without its values.
pub fn chart_source(release: &Value) -> Value {
    let text = |field: &str| release.get(field).and_then(Value::as_str).unwrap_or_default();
    // Argo CD takes an address without a scheme for a registry: https://argo-cd.readthedocs.io/en/stable/user-guide/helm/
    let (repository, chart) = match text("chart").strip_prefix("oci://").and_then(|address| address.rsplit_once('/')) {
        Some((repository, chart)) => (repository, chart),
        None => (text("repository"), text("chart")),
    };
    json!({ "repoURL": repository, "chart": chart, "targetRevision": text("version") })
}

/// How Applications are kept in sync. Without a limit, Argo CD retries until what they need is there.
pub fn sync_policy(more_options: &[&str]) -> Value {
    let options = ["ServerSideApply=true", "SkipDryRunOnMissingResource=true"];
    json!({
        "automated": { "prune": true, "selfHeal": true },
        "retry": { "limit": -1, "backoff": { "duration": "10s", "factor": 2, "maxDuration": "3m" } },
        "syncOptions": options.iter().chain(more_options).collect::<Vec<_>>(),
    })
}

/// Folder of the Applications of an environment.
pub fn applications_folder(environment: &str) -> String {
    format!("clusters/{environment}/apps")
}

/// The Application that installs all others. Without a finalizer, its deletion leaves them.
pub fn root_application(gitops: &GitOps, environment: &str) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Application",
        "metadata": { "name": ROOT, "namespace": ARGO_CD_NAMESPACE },
        "spec": {
            "project": PLATFORM_PROJECT,
            "source": { "repoURL": gitops.repository, "targetRevision": gitops.revision, "path": applications_folder(environment) },
            "destination": { "name": CLUSTER_NAME, "namespace": ARGO_CD_NAMESPACE },
            "syncPolicy": sync_policy(&[]),
        },
    })
}
