//! What in a cluster speaks against another version of Kubernetes.

use serde_json::Value;

use super::{
    Cluster,
    helm::{Status, release_of_secret},
    inventory::{STACK_LABEL, kinds_of},
    kinds::{Kind, KindName},
};
use crate::core::{Error, ErrorKind, Result};

/// A kind that something in a cluster uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedKind {
    /// The kind.
    pub kind: KindName,
    /// What uses it: `release web/shop`.
    pub user: String,
}

/// Label of a node with the name of its managed node group: <https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html>.
const NODE_GROUP_LABEL: &str = "eks.amazonaws.com/nodegroup";

/// A node, or a group of nodes, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeVersion {
    /// The node: `ip-10-0-0-1.ec2.internal`.
    pub name: String,
    /// Managed node group, if it is or belongs to one.
    pub group: Option<String>,
    /// Version of Kubernetes, or of the kubelet: `v1.34.2-eks-1234abc`.
    pub version: String,
}

fn kind(api_version: &str, name: &str) -> Result<Kind> {
    let kind = KindName::of(api_version, name).and_then(|name| Kind::built_in(&name));
    kind.ok_or_else(|| Error::new(ErrorKind::Rejected, "UnknownKind", format!("{api_version}/{name} is unknown")))
}

/// Kinds of the objects in a manifest of several documents.
pub(crate) fn kinds_in(manifest: &str) -> Vec<KindName> {
    let documents = serde_saphyr::from_multiple::<Value>(manifest).unwrap_or_default();
    documents.iter().filter_map(kind_of).collect()
}

/// Kind of an object.
pub(crate) fn kind_of(object: &Value) -> Option<KindName> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    KindName::of(text("apiVersion"), text("kind"))
}

impl Cluster {
    /// Nodes with the versions of their kubelets.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(crate) async fn kubelets(&self) -> Result<Vec<NodeVersion>> {
        let nodes = self.list(&kind("v1", "Node")?, "").await?;
        let version = |node: &kube::api::DynamicObject| {
            let version = node.data.pointer("/status/nodeInfo/kubeletVersion")?.as_str()?.to_owned();
            let group = node.metadata.labels.as_ref().and_then(|labels| labels.get(NODE_GROUP_LABEL)).cloned();
            Some(NodeVersion { name: node.metadata.name.clone()?, group, version })
        };
        Ok(nodes.iter().filter_map(version).collect())
    }

    /// Budgets that allow no eviction of any of their pods: `namespace/name`.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(crate) async fn blocking_budgets(&self) -> Result<Vec<String>> {
        let budgets = self.list(&kind("policy/v1", "PodDisruptionBudget")?, "").await?;
        let number =
            |budget: &kube::api::DynamicObject, name: &str| budget.data.pointer(&format!("/status/{name}")).and_then(Value::as_i64);
        let blocking = budgets
            .iter()
            .filter(|one| number(one, "expectedPods").is_some_and(|pods| pods > 0) && number(one, "disruptionsAllowed") == Some(0));
        let name = |one: &kube::api::DynamicObject| {
            format!("{}/{}", one.metadata.namespace.as_deref().unwrap_or_default(), one.metadata.name.as_deref().unwrap_or_default())
        };
        Ok(blocking.map(name).collect())
    }

    /// Kinds of the objects that releases and stacks of acme have, in the versions in which they were written.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(crate) async fn used_kinds(&self) -> Result<Vec<UsedKind>> {
        let mut used = Vec::new();
        for secret in self.list(&kind("v1", "Secret")?, "owner=helm,status=deployed").await? {
            let Some(release) = release_of_secret(&secret).filter(|release| release.info.status == Status::Deployed) else { continue };
            let user = format!("the release {}/{}", release.namespace, release.name);
            used.extend(kinds_in(&release.manifest).into_iter().map(|kind| UsedKind { kind, user: user.clone() }));
        }
        for inventory in self.list(&kind("v1", "ConfigMap")?, STACK_LABEL).await? {
            let stack = inventory.metadata.labels.as_ref().and_then(|labels| labels.get(STACK_LABEL)).cloned().unwrap_or_default();
            let user = format!("an object of the stack {stack}");
            used.extend(kinds_of(&inventory).into_iter().map(|kind| UsedKind { kind, user: user.clone() }));
        }
        used.dedup();
        Ok(used)
    }
}
