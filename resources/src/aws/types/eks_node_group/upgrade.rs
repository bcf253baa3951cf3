//! Upgrades of the nodes' Kubernetes version, which follow those of the cluster.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html>.

use super::{
    super::eks_cluster::{MAX_SKEW, minor},
    EksNodeGroup, split_id,
};
use crate::{
    aws::Aws,
    core::{Declared, Existing, GateReport, GateSource, PlannedSpecs, Problem, Result, Stage},
};

/// Name of the gate.
const BUDGETS: &str = "disruption_budgets";

/// The versions that the cluster passes on the way to the group's: AWS wants the nodes to have the version of the control plane before that
/// gets the next one.
pub(super) fn stages(wanted: &EksNodeGroup, live: &EksNodeGroup, passed: &[String]) -> Vec<Stage<EksNodeGroup>> {
    let versions = wanted.version.as_deref().and_then(minor).zip(live.version.as_deref().and_then(minor));
    let Some((to, mut from)) = versions.filter(|(to, from)| to > from && !wanted.has_own_image()) else { return Vec::new() };
    let mut targets: Vec<u32> =
        passed.iter().filter_map(|version| minor(version)).filter(|version| (from + 1..to).contains(version)).collect();
    targets.push(to);
    let mut stages = Vec::new();
    for target in targets {
        let version = format!("1.{target}");
        let spec = match target == to {
            true => wanted.clone(),
            // The image of a later version can't be meant.
            false => EksNodeGroup { version: Some(version.clone()), release_version: None, ..wanted.clone() },
        };
        let gates = if wanted.force_update { Vec::new() } else { vec![BUDGETS.to_owned()] };
        stages.push(Stage { from: format!("1.{from}"), to: version, gates, spec });
        from = target;
    }
    stages
}

/// Nodes are never newer than the control plane, and at most three minor versions older.
pub(super) fn check_declared(declared: &Declared<'_, EksNodeGroup>, group: &EksNodeGroup) -> Option<Problem> {
    let (cluster, spec) = declared.referenced(&group.cluster)?;
    let (own, other) = group.version.as_deref().zip(spec.version.as_deref())?;
    let (nodes, control_plane) = minor(own).zip(minor(other))?;
    let message = match () {
        () if nodes > control_plane => format!("nodes can't have Kubernetes {own}, which is newer than {other} of `{cluster}`"),
        () if nodes + MAX_SKEW < control_plane => {
            format!("nodes can't have Kubernetes {own}, which is more than {MAX_SKEW} minor versions older than {other} of `{cluster}`")
        }
        () => return None,
    };
    Some(Problem::new(EksNodeGroup::POINTERS.version, message).help(format!("set `version: \"{other}\"`")))
}

/// EKS gives up if a pod can't be evicted for 15 minutes, after some of the nodes were replaced.
pub(super) async fn gates(
    wanted: &EksNodeGroup,
    source: &GateSource<'_, Aws>,
    live: &Existing<EksNodeGroup>,
    planned: &PlannedSpecs,
) -> Result<GateReport> {
    if wanted.force_update {
        return Ok(GateReport::default());
    }
    let (cluster, _) = split_id(&live.id)?;
    let budgets = match source {
        GateSource::Simulated(simulated) => Ok(if simulated.failing.contains(BUDGETS) { vec!["shop/web".to_owned()] } else { Vec::new() }),
        GateSource::Api(aws) => match aws.kubernetes.cluster(cluster).await {
            Ok(cluster) => cluster.blocking_budgets().await,
            Err(error) => Err(error),
        },
    };
    let changes = planned_budgets(planned, cluster);
    let budgets = budgets.map(|budgets| budgets.into_iter().filter(|budget| !changes.contains(budget)).collect::<Vec<_>>());
    let mut report = GateReport::default();
    match budgets {
        Ok(budgets) if budgets.is_empty() => {}
        Ok(budgets) => report.unmet.push(format!(
            "gate `{BUDGETS}` of the nodes: the disruption budgets of {} allow no eviction, so that the nodes can't be replaced; run more \
             replicas or relax the budgets, and apply again, or set `force_update: true` to ignore them",
            budgets.join(", ")
        )),
        Err(error) if error.is_credential_error() || error.is_lease_lost() => return Err(error),
        Err(error) => report.unchecked.push(format!("the disruption budgets were not checked: {}", error.message)),
    }
    Ok(report)
}

/// Budgets that a plan changes: `namespace/name`.
fn planned_budgets(planned: &PlannedSpecs, cluster: &str) -> Vec<String> {
    let objects = planned.of_type("kubernetes_object").filter(|(id, _)| id.split('/').next() == Some(cluster));
    let budgets = objects.filter_map(|(_, spec)| {
        let manifest = spec.get("manifest").filter(|manifest| manifest.get("kind").is_some_and(|kind| kind == "PodDisruptionBudget"))?;
        let text = |pointer: &str| manifest.pointer(pointer).and_then(|value| value.as_str());
        Some(format!("{}/{}", text("/metadata/namespace").unwrap_or("default"), text("/metadata/name")?))
    });
    budgets.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn follows_the_cluster_version_by_version() {
        let group = |version: &str| -> EksNodeGroup {
            serde_json::from_value(json!({
                "cluster": "main", "role": "arn:aws:iam::123456789012:role/node", "subnets": ["subnet-1"], "min": 1, "max": 2, "version": version,
            }))
            .expect("a node group")
        };
        let stages = |live: &str, passed: &[&str]| {
            let passed: Vec<String> = passed.iter().map(|version| (*version).to_owned()).collect();
            stages(&group("1.36"), &group(live), &passed)
                .into_iter()
                .map(|stage| format!("{}-{}", stage.from, stage.to))
                .collect::<Vec<_>>()
        };
        assert_eq!(stages("1.34", &["1.34", "1.35", "1.36"]), ["1.34-1.35", "1.35-1.36"]);
        assert_eq!(stages("1.33", &["1.35", "1.36"]), ["1.33-1.35", "1.35-1.36"]);
        assert_eq!(stages("1.34", &[]), ["1.34-1.36"]);
        assert!(stages("1.36", &["1.35", "1.36"]).is_empty());
    }
}
