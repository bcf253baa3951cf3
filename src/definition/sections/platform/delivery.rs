//! How the components get into the cluster: `deliver` and `argocd`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{component::AutoMode, namespace_object, registry::components, selection::Selected};
use crate::{
    core::Address,
    definition::{
        gitops::{ArgoCdFacts, Delivery, GitComponent, GitOps, GitService, Member, service_application},
        parse_section,
        sections::{Expansion, field_names},
    },
};

/// Name of the component that is Argo CD.
pub const ARGO_CD: &str = "argo-cd";
/// Name of the component that copies secrets into the cluster.
pub const EXTERNAL_SECRETS: &str = "external-secrets";

/// Fields of the section besides the components.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryFields {
    /// How the components are installed. `helm`: by acme. `argocd`: acme installs Argo CD, which installs them from the files that `acme
    /// render` writes to a Git repository; add-ons, roles and other resources of AWS stay with acme, and so do the components before Argo CD
    /// in the order. Default: `helm`.
    #[serde(default)]
    pub deliver: Option<DeliveryMode>,
    /// Argo CD and its repository, for `deliver: argocd`.
    #[serde(default)]
    pub argocd: Option<ArgoCdDelivery>,
}

/// How components are installed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// By acme.
    Helm,
    /// By Argo CD.
    ArgoCd,
}

/// Argo CD and its repository.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgoCdDelivery {
    /// URL of the Git repository, such as `https://git.example.com/platform.git`.
    pub repository: String,
    /// Branch, tag or commit. Default: `main`.
    #[serde(default = "default_revision")]
    pub revision: String,
    /// Secret of Secrets Manager with the credentials for the repository: its name in the stack, or `{arn: …}` for one outside it. Its value is a
    /// JSON object with the keys of Argo CD: `username` and `password`, or `sshPrivateKey`. Default: none, for a repository that everybody can
    /// read.
    #[serde(default)]
    pub credentials: Option<SecretName>,
    /// Argo CD as a capability that EKS runs, with the fields of `argocd` of `eks_capability`. Default: the component `argo-cd`.
    #[serde(default)]
    pub managed: Option<Map<String, Value>>,
}

/// A secret.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a `secret` in this stack, or `{arn: …}`")]
pub enum SecretName {
    /// In the stack.
    InStack(String),
    /// Outside the stack.
    Outside(OutsideSecret),
}

/// A secret outside the stack.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutsideSecret {
    /// Its ARN.
    pub arn: String,
}

impl SecretName {
    /// As the definition has it.
    pub fn to_value(&self) -> Value {
        match self {
            SecretName::InStack(name) => name.as_str().into(),
            SecretName::Outside(outside) => json!({ "arn": outside.arn }),
        }
    }
}

fn default_revision() -> String {
    "main".to_owned()
}

/// Takes the fields of the delivery out of the section. Returns the settings for `deliver: argocd`.
pub fn take(out: &mut Expansion<'_, '_>, section: &mut Value, at: &str) -> Option<ArgoCdDelivery> {
    let fields = section.as_object_mut()?;
    let own: Map<String, Value> = field_names::<DeliveryFields>().iter().filter_map(|name| fields.remove_entry(name)).collect();
    let delivery: DeliveryFields = parse_section(out.compiler, own.into(), at, "`platform`")?;
    match (delivery.deliver, delivery.argocd) {
        (Some(DeliveryMode::ArgoCd), Some(argo_cd)) => check(out, &argo_cd, at).then_some(argo_cd),
        (Some(DeliveryMode::ArgoCd), None) => {
            let help = "add `argocd: { repository: https://… }`";
            out.compiler.problem("platform", &format!("{at}/deliver"), "`deliver: argocd` needs a Git repository", help);
            None
        }
        (_, Some(_)) => {
            let help = "add `deliver: argocd`, or remove the line";
            out.compiler.problem_at_key("platform", &format!("{at}/argocd"), "`argocd` has no effect without `deliver: argocd`", help);
            None
        }
        (_, None) => None,
    }
}

fn check(out: &mut Expansion<'_, '_>, argo_cd: &ArgoCdDelivery, at: &str) -> bool {
    let repository = &argo_cd.repository;
    let place = format!("{at}/argocd/repository");
    if let Some((_, rest)) = repository.split_once("://")
        && rest.split('/').next().is_some_and(|host| host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')))
    {
        out.compiler.hide_value(&place);
        let help = "remove them from the URL, and name a secret: `credentials: …`";
        out.compiler.problem("platform", &place, "the URL contains credentials", help);
        return false;
    }
    let is_url = ["https://", "ssh://", "git@"].iter().any(|start| repository.starts_with(start));
    if !is_url {
        let help = "write a URL, such as `https://git.example.com/platform.git` or `git@git.example.com:platform.git`";
        out.compiler.problem("platform", &place, format!("`{repository}` is not the URL of a Git repository"), help);
    }
    is_url
}

/// Begins the delivery through Git.
pub fn begin(out: &mut Expansion<'_, '_>, argo_cd: &ArgoCdDelivery) {
    let gitops = GitOps { repository: argo_cd.repository.clone(), revision: argo_cd.revision.clone(), components: BTreeMap::new() };
    out.compiler.delivery = Some(Delivery { gitops, members: BTreeMap::new() });
}

/// Whether Argo CD installs a component. Add-ons are resources of AWS; what comes before Argo CD, and what gives it the credentials for
/// the repository, can't come from there.
pub fn is_in_git(one: &Selected, argo_cd: &ArgoCdDelivery, has_auto_mode: bool) -> bool {
    let start = components().get(ARGO_CD).map(|component| component.wave);
    let is_addon = one.is_addon || (has_auto_mode && one.component.addon.is_some() && one.component.auto_mode == AutoMode::ObjectsOnly);
    let is_needed = one.name == ARGO_CD || (one.name == EXTERNAL_SECRETS && argo_cd.credentials.is_some());
    !is_addon && !is_needed && start.is_some_and(|start| one.component.wave >= start)
}

/// Position of the namespaces in the order of Argo CD, before all components.
const NAMESPACES_WAVE: i32 = -100;
/// Position of the services, after all components.
const SERVICES_WAVE: i32 = 1000;

impl Expansion<'_, '_> {
    /// Leaves a resource to Argo CD, as part of a component.
    pub fn deliver(&mut self, name: &str, component: GitComponent, address: &str, sync_wave: i32) {
        let (Some(delivery), Some(address)) = (&mut self.compiler.delivery, Address::parse(address)) else { return };
        delivery.gitops.components.entry(name.to_owned()).or_insert(component);
        delivery.members.insert(address, Member { component: name.to_owned(), sync_wave });
    }
    /// Leaves a namespace to Argo CD.
    pub fn deliver_namespace(&mut self, namespace: &str) {
        let first = GitComponent { sync_wave: NAMESPACES_WAVE, ..GitComponent::default() };
        self.deliver("namespaces", first, &format!("kubernetes_object.{}", namespace_object(namespace)), 0);
    }
    /// Leaves the release of a service to Argo CD, except fields that others change, as `ignoreDifferences` of an Application.
    pub fn deliver_service(&mut self, service: GitService, namespace: &str, ignore: Vec<Value>) {
        let (application, address) = (service_application(&service.name), format!("helm_release.{}", service.name));
        let component = GitComponent {
            sync_wave: SERVICES_WAVE,
            namespace: namespace.to_owned(),
            service: Some(service),
            argo_cd: ArgoCdFacts { ignore, ..ArgoCdFacts::default() },
            ..GitComponent::default()
        };
        self.deliver(&application, component, &address, 0);
    }
    /// Leaves a rule of a namespace to Argo CD.
    pub fn deliver_policy(&mut self, address: &str) {
        let component = GitComponent { sync_wave: NAMESPACES_WAVE + 10, ..GitComponent::default() };
        self.deliver("policies", component, address, 0);
    }
}
