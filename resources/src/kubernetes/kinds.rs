//! Kinds of objects: their paths in the API, and whether they belong to namespaces.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{MutexGuard, PoisonError},
};

use kube::{
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
    discovery::{Scope, pinned_kind},
};

use super::Cluster;
use crate::core::{Error, ErrorKind, Result};

/// Group, version and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName {
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl KindName {
    /// From the fields of a manifest; `None` if `apiVersion` is not valid.
    pub fn of(api_version: &str, kind: &str) -> Option<KindName> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let is_valid = !version.is_empty() && !version.contains('/') && !kind.is_empty() && !kind.contains('/');
        is_valid.then(|| KindName { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() })
    }
    /// As in a manifest: `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
    /// The same kind in the API version of a manifest; `None` if that is of another group.
    pub(super) fn in_version(&self, api_version: &str) -> Option<KindName> {
        KindName::of(api_version, &self.kind).filter(|kind| kind.group == self.group)
    }
    /// Whether it is this kind, in any version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

/// A kind that a cluster has.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Path in the API.
    pub resource: ApiResource,
    /// Whether its objects belong to namespaces.
    pub is_namespaced: bool,
}

/// Kinds of Kubernetes itself, which need no question: group, kind, plural, and whether they belong to namespaces.
/// <https://kubernetes.io/docs/reference/kubernetes-api/>
const BUILT_IN: &[(&str, &str, &str, bool)] = &[
    ("", "ConfigMap", "configmaps", true),
    ("", "LimitRange", "limitranges", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("", "Pod", "pods", true),
    ("", "ResourceQuota", "resourcequotas", true),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apiregistration.k8s.io", "APIService", "apiservices", false),
    ("apps", "DaemonSet", "daemonsets", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("batch", "CronJob", "cronjobs", true),
    ("batch", "Job", "jobs", true),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("networking.k8s.io", "IngressClass", "ingressclasses", false),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", true),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", false),
    ("storage.k8s.io", "CSIDriver", "csidrivers", false),
    ("storage.k8s.io", "StorageClass", "storageclasses", false),
];

impl Kind {
    /// A kind of Kubernetes itself.
    pub fn built_in(name: &KindName) -> Option<Kind> {
        let (.., plural, is_namespaced) = BUILT_IN.iter().find(|(group, kind, ..)| name.is(group, kind))?;
        let gvk = GroupVersionKind::gvk(&name.group, &name.version, &name.kind);
        Some(Kind { resource: ApiResource::from_gvk_with_plural(&gvk, plural), is_namespaced: *is_namespaced })
    }

    /// Its path as text: scope and plural in the words of a custom resource definition, `Namespaced/colors`.
    pub(super) fn path(&self) -> String {
        let scope = if self.is_namespaced { NAMESPACED } else { CLUSTER };
        format!("{scope}/{}", self.resource.plural)
    }

    /// The kind of this name with such a path; `None` for any other text.
    pub(super) fn at_path(name: &KindName, path: &str) -> Option<Kind> {
        let (scope, plural) = path.split_once('/')?;
        let is_label = !plural.is_empty() && plural.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let is_namespaced = scope == NAMESPACED;
        let gvk = GroupVersionKind::gvk(&name.group, &name.version, &name.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        (is_label && (is_namespaced || scope == CLUSTER)).then_some(Kind { resource, is_namespaced })
    }
}

/// Scope of a kind whose objects belong to namespaces.
const NAMESPACED: &str = "Namespaced";
/// Scope of any other kind.
const CLUSTER: &str = "Cluster";

impl Cluster {
    /// Returns a kind; one of Kubernetes itself without a call, and each other one with a single call.
    ///
    /// # Errors
    /// Fails with `UnknownKind` if the cluster does not have it, perhaps because its definition is not established yet.
    pub(super) async fn kind(&self, name: &KindName) -> Result<Kind> {
        if let Some(built_in) = Kind::built_in(name) {
            return Ok(built_in);
        }
        if let Some(kind) = self.known_kinds().get(name).cloned() {
            return Ok(kind);
        }
        let client = self.client().await?;
        let gvk = GroupVersionKind::gvk(&name.group, &name.version, &name.kind);
        let api_version = name.api_version();
        let asked = self.call("Get APIResourceList", &api_version, async {
            match pinned_kind(&client, &gvk).await {
                Ok(found) => Ok(Some(found)),
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                Err(error) => Err(error),
            }
        });
        let Some((resource, capabilities)) = asked.await? else {
            let message = format!("the cluster `{}` has no kind `{}` in `{}`", self.name(), name.kind, name.api_version());
            return Err(Error::new(ErrorKind::NotYetVisible, "UnknownKind", message));
        };
        let kind = Kind { resource, is_namespaced: capabilities.scope == Scope::Namespaced };
        self.known_kinds().insert(name.clone(), kind.clone());
        Ok(kind)
    }

    /// Remembers the path of a kind, which saves the call that asks for it.
    pub(super) fn remember_kind(&self, name: &KindName, path: &str) {
        if let Some(kind) = Kind::at_path(name, path) {
            self.known_kinds().entry(name.clone()).or_insert(kind);
        }
    }

    /// Lists the objects of a kind in all namespaces, by their labels; `None` if the cluster lacks the kind. A remembered path may be that of a
    /// definition that is gone by now, so the API is asked before the kind counts as missing.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn list_kind(&self, name: &KindName, labels: &str) -> Result<Option<Vec<DynamicObject>>> {
        loop {
            let kind = match self.kind(name).await {
                Err(error) if is_unknown_kind(&error) => return Ok(None),
                kind => kind?,
            };
            match self.list_served(&kind, None, labels).await? {
                Some(found) => return Ok(Some(found)),
                None if self.known_kinds().remove(name).is_none() => return Ok(None),
                None => {}
            }
        }
    }

    fn known_kinds(&self) -> MutexGuard<'_, BTreeMap<KindName, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the cluster lacks a kind: there are no objects of it.
pub(super) fn is_unknown_kind(error: &Error) -> bool {
    error.code == "UnknownKind"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_for_kinds() {
        let name = KindName::of("example.com/v1", "Color").expect("a kind");
        for path in ["Namespaced/colors", "Cluster/colors"] {
            let kind = Kind::at_path(&name, path).expect("a path");
            assert_eq!((kind.path().as_str(), kind.resource.plural.as_str()), (path, "colors"));
        }
        for path in ["", "colors", "Namespaced/", "Namespaced/../colors", "Other/colors"] {
            assert!(Kind::at_path(&name, path).is_none(), "{path}");
        }
    }

    #[test]
    fn knows_the_paths_of_built_in_kinds() {
        let path = |api_version, kind| {
            let kind = Kind::built_in(&KindName::of(api_version, kind)?)?;
            Some((kind.resource.plural, kind.resource.api_version, kind.is_namespaced))
        };
        assert_eq!(path("networking.k8s.io/v1", "NetworkPolicy"), Some(("networkpolicies".into(), "networking.k8s.io/v1".into(), true)));
        assert_eq!(path("v1", "Namespace"), Some(("namespaces".into(), "v1".into(), false)));
        assert_eq!(path("argoproj.io/v1alpha1", "Application"), None);
        assert!(KindName::of("", "Pod").is_none() && KindName::of("a/b/c", "Pod").is_none());
    }
}
