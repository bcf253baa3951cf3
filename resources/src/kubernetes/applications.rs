//! When an Application of Argo CD is ready: in sync, healthy, and its last operation succeeded. Argo CD itself counts an Application as healthy
//! whose objects could not be applied: <https://github.com/argoproj/argo-cd/issues/27917>.

use std::collections::BTreeSet;

use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Cluster, ObjectId,
    kinds::{Kind, KindName, is_unknown_kind},
    readiness,
};
use crate::core::{Phase, Result};

/// Group of Argo CD's kinds.
pub(super) const GROUP: &str = "argoproj.io";
/// An Application.
pub(super) const KIND: &str = "Application";

/// Errors that mean that the repository lacks what the Application installs, as Argo CD's repository server words them.
const NOT_IN_REPOSITORY: &[&str] = &["app path does not exist", "remote repository is empty", "unable to resolve"];

/// Version of its API.
const VERSION: &str = "v1alpha1";
/// Namespace of Argo CD.
const NAMESPACE: &str = "argocd";
/// Annotation by which Argo CD reads the repository at once, rather than at its next poll. It removes the annotation afterwards.
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/annotations-and-labels/>
const REFRESH: &str = "argocd.argoproj.io/refresh";

/// An Application as Argo CD reports it.
#[derive(Clone, Debug, Serialize)]
pub struct Application {
    /// Name.
    pub name: String,
    /// Whether it is in sync and healthy.
    pub phase: Phase,
    /// Commit that Argo CD has compared it with; empty before the first comparison.
    pub revision: String,
    /// Images of its objects.
    pub images: Vec<String>,
}

impl Application {
    fn of(kind: &KindName, object: &DynamicObject) -> Application {
        let status = object.data.get("status").unwrap_or(&Value::Null);
        let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let images = status.pointer("/summary/images").and_then(Value::as_array).into_iter().flatten();
        Application {
            name: object.metadata.name.clone().unwrap_or_default(),
            phase: readiness::phase(kind, object, &[]),
            revision: text("/sync/revision"),
            images: images.filter_map(|image| image.as_str().map(str::to_owned)).collect(),
        }
    }
}

impl Cluster {
    /// All Applications of Argo CD; none if the cluster does not know them.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub async fn applications(&self) -> Result<Vec<Application>> {
        let Some((name, kind)) = self.application_kind().await? else { return Ok(Vec::new()) };
        let objects = self.list_in(&kind, Some(NAMESPACE), "").await?;
        Ok(objects.iter().map(|object| Application::of(&name, object)).collect())
    }

    /// An Application of Argo CD.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub async fn application(&self, name: &str) -> Result<Option<Application>> {
        let Some((kind_name, kind)) = self.application_kind().await? else { return Ok(None) };
        let object = self.get(&kind, Some(NAMESPACE), name).await?;
        Ok(object.map(|object| Application::of(&kind_name, &object)))
    }

    /// Asks Argo CD to compare an Application with the latest commit now.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub async fn refresh_application(&self, name: &str) -> Result<()> {
        let Some((_, kind)) = self.application_kind().await? else { return Ok(()) };
        let patch = json!({ "metadata": { "annotations": { REFRESH: "normal" } } });
        self.merge(&kind, Some(NAMESPACE), name, &patch).await.map(drop)
    }

    async fn application_kind(&self) -> Result<Option<(KindName, Kind)>> {
        let name = KindName { group: GROUP.to_owned(), version: VERSION.to_owned(), kind: KIND.to_owned() };
        match self.kind(&name).await {
            Err(error) if is_unknown_kind(&error) => Ok(None),
            kind => kind.map(|kind| Some((name, kind))),
        }
    }
}

/// Phase of an Application by its spec and status.
pub(super) fn phase(spec: Option<&Value>, status: &Value) -> Phase {
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let error = conditions.rfind(|one| one.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("Error")));
    if let Some(error) = error {
        let message = one_line(error.get("message").and_then(Value::as_str).unwrap_or_default());
        return match NOT_IN_REPOSITORY.iter().any(|known| message.contains(known)) {
            true => Phase::Waiting("commit the files of `acme render` and push them to the repository, which lacks them".to_owned()),
            false => Phase::Progressing(message),
        };
    }
    // Without automation, a person decides when it is in sync.
    if spec.and_then(|spec| spec.pointer("/syncPolicy/automated")).is_none_or(Value::is_null) {
        return Phase::Ready;
    }
    let (sync, health, operation) = (text("/sync/status"), text("/health/status"), text("/operationState/phase"));
    let message = || one_line(text("/operationState/message"));
    match (sync, health, operation) {
        // Without an operation, everything was in place already.
        ("Synced", "Healthy", "Succeeded" | "") => Phase::Ready,
        ("", ..) => Phase::Progressing("Argo CD has not seen it".to_owned()),
        (.., "Failed" | "Error") => Phase::Degraded(format!("the sync failed: {}", message())),
        (.., "Running" | "Terminating") => Phase::Progressing(format!("syncing: {}", message())),
        // A Degraded object may become healthy once what it needs is there.
        _ => Phase::Progressing(format!("{sync}, {}", if health.is_empty() { "health unknown" } else { health })),
    }
}

/// All Applications in the namespace of one.
///
/// # Errors
/// Returns errors of the API.
pub(super) async fn all_beside(cluster: &Cluster, id: &ObjectId) -> Result<Vec<DynamicObject>> {
    match cluster.kind(&id.kind).await {
        Err(error) if is_unknown_kind(&error) => Ok(Vec::new()),
        kind => cluster.list_in(&kind?, id.namespace.as_deref(), "").await,
    }
}

/// Phase of an Application that is ready itself, by those that it installs among all of its namespace.
pub(super) fn phase_of_children(all: &[DynamicObject], id: &ObjectId) -> Phase {
    let name = |object: &DynamicObject| object.metadata.name.clone().unwrap_or_default();
    let children: BTreeSet<String> = all.iter().find(|object| name(object) == id.name).map(children).unwrap_or_default();
    let mut waiting: Vec<(String, Phase)> = all
        .iter()
        .filter(|object| children.contains(&name(object)))
        .map(|object| (name(object), readiness::phase(&id.kind, object, &[])))
        .filter(|(_, phase)| *phase != Phase::Ready)
        .collect();
    waiting.sort_by(|(one, _), (other, _)| one.cmp(other));
    let missing = children.iter().find(|child| !all.iter().any(|object| name(object) == **child));
    match (waiting.into_iter().next(), missing) {
        (Some((child, phase)), _) => of_child(&child, phase),
        (None, Some(child)) => Phase::Progressing(format!("{child} does not exist yet")),
        (None, None) => Phase::Ready,
    }
}

/// Names of the Applications among the objects that an Application installs.
fn children(application: &DynamicObject) -> BTreeSet<String> {
    let objects = application.data.pointer("/status/resources").and_then(Value::as_array).into_iter().flatten();
    let text = |object: &Value, key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    objects.filter(|object| text(object, "group") == GROUP && text(object, "kind") == KIND).map(|object| text(object, "name")).collect()
}

fn of_child(child: &str, phase: Phase) -> Phase {
    let named = |status: String| format!("{child}: {status}");
    match phase {
        Phase::Waiting(status) => Phase::Waiting(named(status)),
        Phase::Degraded(status) | Phase::Failed(status) => Phase::Degraded(named(status)),
        Phase::Progressing(status) | Phase::PendingChanges(status) => Phase::Progressing(named(status)),
        Phase::Deleting => Phase::Progressing(named("it is being deleted".to_owned())),
        Phase::Ready => Phase::Ready,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: Value) -> Phase {
        phase(Some(&json!({ "syncPolicy": { "automated": {} } })), &status)
    }

    #[test]
    fn an_application_is_ready_when_it_is_synced_healthy_and_succeeded() {
        let status = |sync: &str, health: &str, operation: &str| json!({ "sync": { "status": sync }, "health": { "status": health }, "operationState": { "phase": operation, "message": "one or more\nobjects failed" } });
        let progressing = |text: &str| Phase::Progressing(text.to_owned());
        assert_eq!(of(json!({})), progressing("Argo CD has not seen it"));
        assert_eq!(of(status("Synced", "Healthy", "Succeeded")), Phase::Ready);
        assert_eq!(of(status("OutOfSync", "Healthy", "Running")), progressing("syncing: one or more objects failed"));
        assert_eq!(of(status("Synced", "Degraded", "Succeeded")), progressing("Synced, Degraded"));
        assert_eq!(of(status("OutOfSync", "Healthy", "Failed")), Phase::Degraded("the sync failed: one or more objects failed".to_owned()));
        assert_eq!(phase(Some(&json!({})), &status("OutOfSync", "Missing", "")), Phase::Ready, "a person syncs it");
    }

    #[test]
    fn a_repository_without_the_path_waits_for_a_person() {
        let error =
            |message: &str| json!({ "conditions": [{ "type": "ComparisonError", "message": message }], "sync": { "status": "Unknown" } });
        assert!(matches!(of(error("rpc error: clusters/a/apps: app path does not exist")), Phase::Waiting(_)));
        assert_eq!(of(error("connection refused")), Phase::Progressing("connection refused".to_owned()));
    }
}
