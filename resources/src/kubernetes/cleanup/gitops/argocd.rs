//! Argo CD.

use serde_json::{Value, json};

use super::super::objects::{ClusterObject, Versions};
use crate::{core::Result, kubernetes::Cluster};

const APPLICATION_SETS: Versions = &[("argoproj.io/v1alpha1", "ApplicationSet")];
const APPLICATIONS: Versions = &[("argoproj.io/v1alpha1", "Application")];

impl Cluster {
    /// Ends automated syncs, from the roots down: an ApplicationSet, or an Application of Applications, would begin them again. The roots are
    /// deleted without their finalizers, which would delete everything below them. Returns the Applications that still sync.
    pub(super) async fn stop_argocd(&self) -> Result<Vec<String>> {
        for set in self.all(APPLICATION_SETS).await?.iter().filter(|set| !set.is_deleting()) {
            let _refused = self.delete_alone(&set.kind, set.namespace(), set.name()).await;
        }
        let mut applications = self.all(APPLICATIONS).await?;
        applications.sort_by_key(|application| !is_root(application));
        let mut awaited = Vec::new();
        for application in &applications {
            let (kind, namespace, name) = (&application.kind, application.namespace(), application.name());
            if is_root(application) {
                let patch =
                    json!({ "metadata": { "finalizers": null }, "operation": null, "spec": { "syncPolicy": { "automated": null } } });
                let _refused = self.merge(kind, namespace, name, &patch).await;
                let _refused = self.delete_alone(kind, namespace, name).await;
            } else if is_automated(application) {
                let patch = json!({ "operation": null, "spec": { "syncPolicy": { "automated": null } } });
                if self.merge(kind, namespace, name, &patch).await.is_ok() {
                    awaited.push(application.label());
                }
            } else if is_syncing(application) {
                awaited.push(application.label());
            }
        }
        Ok(awaited)
    }

    /// Applications whose last sync still runs; `None` if one is automated again.
    pub(super) async fn running_argocd(&self) -> Result<Option<Vec<String>>> {
        let applications = self.all(APPLICATIONS).await?;
        if applications.iter().any(is_automated) {
            return Ok(None);
        }
        Ok(Some(applications.iter().filter(|application| is_syncing(application)).map(ClusterObject::label).collect()))
    }
}

/// Whether other Applications belong to it.
fn is_root(application: &ClusterObject) -> bool {
    let resources = application.object.data.pointer("/status/resources").and_then(Value::as_array);
    resources
        .into_iter()
        .flatten()
        .any(|one| one["group"] == "argoproj.io" && (one["kind"] == "Application" || one["kind"] == "ApplicationSet"))
}

fn is_automated(application: &ClusterObject) -> bool {
    application.object.data.pointer("/spec/syncPolicy/automated").is_some_and(|value| !value.is_null())
}

fn is_syncing(application: &ClusterObject) -> bool {
    application.object.data.pointer("/status/operationState/phase").and_then(Value::as_str) == Some("Running")
}
