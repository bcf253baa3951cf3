//! Volumes of claims.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::objects::{ClusterObject, Versions};
use crate::{
    aws::leftovers::VolumePolicy,
    core::{Result, ok_or_not_found},
    kubernetes::{Cluster, kinds::KindName},
};

const CLAIMS: Versions = &[("v1", "PersistentVolumeClaim")];
const PODS: Versions = &[("v1", "Pod")];
const VOLUMES: Versions = &[("v1", "PersistentVolume")];

/// Drivers of EBS volumes, the second one in EKS Auto Mode.
const DRIVERS: [&str; 2] = ["ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com"];

/// Owners of owners to follow, such as Pod, StatefulSet, Prometheus.
const MAX_OWNERS: usize = 5;

impl Cluster {
    /// Unless the data goes, keeps the volumes, which an uninstalled release or a deleted namespace would take along: after the nodes, acme
    /// makes snapshots of them. Otherwise deletes the claims, and what mounts them.
    pub(super) async fn release_volumes(&self, policy: VolumePolicy) -> Result<Vec<String>> {
        if policy != VolumePolicy::Delete {
            let retain = json!({ "spec": { "persistentVolumeReclaimPolicy": "Retain" } });
            for volume in self.all(VOLUMES).await?.iter().filter(|volume| is_ebs(volume) && is_deleted_with_claim(volume)) {
                // A refusal has the effect of an unreachable API: the volume may go with its claim.
                let _refused = self.merge(&volume.kind, None, volume.name(), &retain).await;
            }
            return Ok(Vec::new());
        }
        let claims = self.all(CLAIMS).await?;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        for user in self.users_of_claims().await? {
            let _refused = self.try_delete(&user).await;
        }
        let mut awaited = Vec::new();
        for claim in &claims {
            if claim.is_deleting() || self.try_delete(claim).await {
                awaited.push(claim.label());
            }
        }
        Ok(awaited)
    }

    /// What pods with claims belong to, at the end of the chain of owners: an operator would create anything below it again.
    async fn users_of_claims(&self) -> Result<Vec<ClusterObject>> {
        let mut users: BTreeMap<String, ClusterObject> = BTreeMap::new();
        for pod in self.all(PODS).await?.into_iter().filter(mounts_claim) {
            let mut user = pod;
            for _ in 0..MAX_OWNERS {
                match self.controller_of(&user).await? {
                    Some(owner) => user = owner,
                    None => break,
                }
            }
            if !user.is_deleting() {
                users.insert(user.label(), user);
            }
        }
        Ok(users.into_values().collect())
    }

    async fn controller_of(&self, found: &ClusterObject) -> Result<Option<ClusterObject>> {
        let owners = found.object.metadata.owner_references.iter().flatten();
        let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else { return Ok(None) };
        let Some(name) = KindName::of(&owner.api_version, &owner.kind) else { return Ok(None) };
        // Without the owner, or without the permission to read it, this is the last one.
        let Ok(kind) = self.kind(&name).await else { return Ok(None) };
        let object = ok_or_not_found(self.get(&kind, found.namespace(), &owner.name).await).unwrap_or_default().flatten();
        Ok(object.map(|object| ClusterObject { kind, object }))
    }

    /// Claims that are being deleted, and volumes that the driver deletes after them.
    pub(super) async fn claims_being_deleted(&self) -> Result<Vec<String>> {
        let claims = self.all(CLAIMS).await?.into_iter().filter(ClusterObject::is_deleting);
        let volumes = self.all(VOLUMES).await?.into_iter().filter(|volume| is_ebs(volume) && is_deleted_with_claim(volume));
        let released = volumes.filter(|volume| volume.is_deleting() || text(volume, "/status/phase") == Some("Released"));
        Ok(claims.chain(released).map(|found| found.label()).collect())
    }
}

fn text<'a>(found: &'a ClusterObject, pointer: &str) -> Option<&'a str> {
    found.object.data.pointer(pointer).and_then(Value::as_str)
}

fn is_ebs(volume: &ClusterObject) -> bool {
    text(volume, "/spec/csi/driver").is_some_and(|driver| DRIVERS.contains(&driver))
        || volume.object.data.pointer("/spec/awsElasticBlockStore").is_some()
}

fn is_deleted_with_claim(volume: &ClusterObject) -> bool {
    text(volume, "/spec/persistentVolumeReclaimPolicy") == Some("Delete")
}

fn mounts_claim(pod: &ClusterObject) -> bool {
    let volumes = pod.object.data.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| volume.get("persistentVolumeClaim").is_some())
}
