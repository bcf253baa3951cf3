//! How the workloads of a chart are doing.

use serde_json::Value;

use super::{
    Cluster,
    kinds::{Kind, KindName},
    readiness::phase,
    upgrade::kind_of,
};
use crate::{
    aws::for_each_concurrent,
    core::{Phase, Result},
};

/// Kinds that become ready, and may cease to be.
const WORKLOADS: &[(&str, &str)] = &[
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("argoproj.io", "Rollout"),
    ("batch", "Job"),
];
/// Path of the only one among them that is not of Kubernetes itself.
const ROLLOUTS: &str = "Namespaced/rollouts";

impl Cluster {
    /// Phase of the workloads in a manifest: that of the first one that is not ready, failures first. A hook that is gone has done its work.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn workloads_phase(&self, manifest: &str, namespace: &str) -> Result<Phase> {
        let documents = serde_saphyr::from_multiple::<Value>(manifest).unwrap_or_default();
        let workloads = documents.iter().filter_map(|object| {
            let name = kind_of(object).filter(|kind| WORKLOADS.iter().any(|(group, one)| kind.is(group, one)))?;
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            Some((
                Kind::built_in(&name).or_else(|| Kind::at_path(&name, ROLLOUTS))?,
                name,
                text("/metadata/namespace"),
                text("/metadata/name")?,
            ))
        });
        let workloads: Vec<(Kind, KindName, Option<String>, String)> = workloads.collect();
        let phases = for_each_concurrent(workloads, |(kind, kind_name, own, name)| async move {
            let found = self.get(&kind, Some(own.as_deref().unwrap_or(namespace)), &name).await?;
            let phase = match found {
                Some(object) => phase(&kind_name, &object, &[]),
                None if kind_name.is("batch", "Job") => Phase::Ready,
                None => Phase::Degraded("it was deleted outside Helm".to_owned()),
            };
            Ok((phase != Phase::Ready).then(|| (format!("{} {name}", kind_name.kind), phase)))
        });
        let mut phases = phases.await?;
        phases.sort_by_key(|(name, phase)| (!matches!(phase, Phase::Failed(_) | Phase::Degraded(_)), name.clone()));
        Ok(phases.into_iter().next().map_or(Phase::Ready, |(name, phase)| named(&name, phase)))
    }
}

/// The same phase, with the name of the object.
fn named(name: &str, phase: Phase) -> Phase {
    match phase {
        Phase::Progressing(status) => Phase::Progressing(format!("{name}: {status}")),
        Phase::Degraded(status) => Phase::Degraded(format!("{name}: {status}")),
        // What a chart has installed is not failed for good, because one of its objects is.
        Phase::Failed(status) => Phase::Degraded(format!("{name}: {status}")),
        Phase::Deleting => Phase::Progressing(format!("{name} is being deleted")),
        other => other,
    }
}
