//! Flux. A suspended object applies nothing, and its finalizer deletes nothing:
//! <https://fluxcd.io/flux/components/kustomize/kustomizations/#suspend>.

use serde_json::{Value, json};

use super::super::objects::{ClusterObject, Versions};
use crate::{core::Result, kubernetes::Cluster};

const KUSTOMIZATIONS: Versions =
    &[("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), ("kustomize.toolkit.fluxcd.io/v1beta2", "Kustomization")];
const RELEASES: Versions = &[
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease"),
    ("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease"),
];

impl Cluster {
    /// Suspends everything, from the roots down: a Kustomization resumes what it has applied. Returns what may still apply objects.
    pub(super) async fn stop_flux(&self) -> Result<Vec<String>> {
        let mut awaited = Vec::new();
        for found in &self.objects_of_flux().await? {
            if !is_suspended(found) {
                let suspended = json!({ "spec": { "suspend": true } });
                if self.merge(&found.kind, found.namespace(), found.name(), &suspended).await.is_ok() {
                    awaited.push(found.label());
                }
            } else if is_reconciling(found) {
                awaited.push(found.label());
            }
        }
        Ok(awaited)
    }

    /// What is still being applied; `None` if something was resumed.
    pub(super) async fn running_flux(&self) -> Result<Option<Vec<String>>> {
        let all = self.objects_of_flux().await?;
        if !all.iter().all(is_suspended) {
            return Ok(None);
        }
        Ok(Some(all.iter().filter(|found| is_reconciling(found)).map(ClusterObject::label).collect()))
    }

    /// Kustomizations, those first that have applied others, and then releases.
    async fn objects_of_flux(&self) -> Result<Vec<ClusterObject>> {
        let mut all = self.all(KUSTOMIZATIONS).await?;
        all.sort_by_key(|kustomization| !is_root(kustomization));
        all.extend(self.all(RELEASES).await?);
        Ok(all)
    }
}

/// Whether other Kustomizations belong to it. Entries are `<namespace>_<name>_<group>_<kind>`.
fn is_root(kustomization: &ClusterObject) -> bool {
    let entries = kustomization.object.data.pointer("/status/inventory/entries").and_then(Value::as_array);
    let mut ids = entries.into_iter().flatten().filter_map(|entry| entry["id"].as_str());
    ids.any(|id| id.ends_with("_kustomize.toolkit.fluxcd.io_Kustomization"))
}

fn is_suspended(found: &ClusterObject) -> bool {
    found.object.data.pointer("/spec/suspend") == Some(&Value::Bool(true))
}

/// Whether it is being applied. After a failure, the reason is `ProgressingWithRetry`.
fn is_reconciling(found: &ClusterObject) -> bool {
    let conditions = found.object.data.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one["type"] == "Reconciling" && one["status"] == "True" && one["reason"] == "Progressing")
}
