//! Objects for which controllers make resources in AWS.

use kube::api::DynamicObject;
use serde_json::Value;

use super::is_denied;
use crate::{
    core::Result,
    kubernetes::{
        Cluster,
        kinds::{Kind, KindName, is_unknown_kind},
    },
};

/// A kind with its versions, of which the first that the cluster has is used.
pub(super) type Versions = &'static [(&'static str, &'static str)];

/// Objects with accelerators, load balancers and targets. A mesh creates the Service of a Gateway again while that exists.
pub(super) const EDGE: &[Versions] = &[
    &[("aga.k8s.aws/v1beta1", "GlobalAccelerator")],
    &[("elbv2.k8s.aws/v1beta1", "TargetGroupBinding")],
    &[("eks.amazonaws.com/v1", "TargetGroupBinding")],
    &[("gateway.networking.k8s.io/v1", "Gateway"), ("gateway.networking.k8s.io/v1beta1", "Gateway")],
    &[("networking.k8s.io/v1", "Ingress")],
    &[("v1", "Service")],
];

/// Objects with nodes.
pub(super) const NODES: &[Versions] = &[
    &[("karpenter.sh/v1", "NodePool"), ("karpenter.sh/v1beta1", "NodePool")],
    &[("karpenter.sh/v1", "NodeClaim"), ("karpenter.sh/v1beta1", "NodeClaim")],
];

/// An object with its kind.
pub(super) struct ClusterObject {
    pub kind: Kind,
    pub object: DynamicObject,
}

impl ClusterObject {
    pub(super) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }
    pub(super) fn namespace(&self) -> Option<&str> {
        self.object.metadata.namespace.as_deref()
    }
    pub(super) fn is_deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }
    /// As in `Service web/front`.
    pub(super) fn label(&self) -> String {
        let namespace = self.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        format!("{} {namespace}{}", self.kind.resource.kind, self.name())
    }
}

impl Cluster {
    /// The first of these versions of a kind that the cluster has.
    pub(super) async fn known_kind(&self, versions: Versions) -> Result<Option<Kind>> {
        for (api_version, kind) in versions {
            let Some(name) = KindName::of(api_version, kind) else { continue };
            match self.kind(&name).await {
                Err(error) if is_unknown_kind(&error) => {}
                kind => return kind.map(Some),
            }
        }
        Ok(None)
    }

    /// All objects of a kind. Without the permission to list them, acme can't do anything about them.
    pub(super) async fn all(&self, versions: Versions) -> Result<Vec<ClusterObject>> {
        let Some(kind) = self.known_kind(versions).await? else { return Ok(Vec::new()) };
        match self.list(&kind, "").await {
            Err(error) if is_denied(&error) => Ok(Vec::new()),
            objects => Ok(objects?.into_iter().map(|object| ClusterObject { kind: kind.clone(), object }).collect()),
        }
    }

    /// Objects of these kinds that controllers work for.
    async fn with_controllers(&self, kinds: &[Versions]) -> Result<Vec<ClusterObject>> {
        let mut found = Vec::new();
        for versions in kinds {
            found.extend(self.all(versions).await?.into_iter().filter(has_controller));
        }
        Ok(found)
    }

    /// Requests the deletion of all objects of these kinds, and returns those that wait for a controller.
    pub(super) async fn delete_all(&self, kinds: &[Versions]) -> Result<Vec<String>> {
        let mut awaited = Vec::new();
        for found in self.with_controllers(kinds).await? {
            if found.is_deleting() || self.try_delete(&found).await {
                awaited.push(found.label());
            }
        }
        Ok(awaited)
    }

    /// Requests a deletion. False if the cluster refuses it, for example because the webhook of a dead controller does not answer.
    pub(super) async fn try_delete(&self, found: &ClusterObject) -> bool {
        self.delete(&found.kind, found.namespace(), found.name(), None).await.is_ok()
    }

    /// Objects of these kinds that are being deleted.
    pub(super) async fn deleting(&self, kinds: &[Versions]) -> Result<Vec<String>> {
        Ok(self.with_controllers(kinds).await?.iter().filter(|found| found.is_deleting()).map(ClusterObject::label).collect())
    }
}

/// Whether a controller may have made something for an object: for a Service, only as a load balancer.
fn has_controller(found: &ClusterObject) -> bool {
    found.kind.resource.kind != "Service" || found.object.data.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer")
}
