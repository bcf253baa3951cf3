//! Versions that RDS offers, and the snapshot to restore.

use super::{
    super::{
        prelude::*,
        rds_instance::{engine_versions, version_key},
    },
    AuroraCluster, AuroraClusterChanges,
    create::{SNAPSHOT_NOT_FOUND, find_snapshot},
};
use crate::aws::to_aws;

pub(super) async fn preflight(cluster: &AuroraCluster, questions: &Questions<'_, Aws>, changes: AuroraClusterChanges) -> Vec<Problem> {
    let version = async { if changes.engine || changes.version { unknown_version(cluster, questions).await } else { None } };
    // A snapshot is used only at creation, which sets the engine.
    let snapshot = async { if changes.engine { missing_snapshot(cluster, questions).await } else { None } };
    let (version, snapshot) = tokio::join!(version, snapshot);
    version.into_iter().chain(snapshot).collect()
}

/// Problem with a version that new clusters can't have. The remedy lists those of its major version, else the major versions.
async fn unknown_version(cluster: &AuroraCluster, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let (wanted, name) = (&cluster.version, to_aws(&cluster.engine));
    if wanted.contains("${") {
        return None;
    }
    let mut offered = engine_versions(questions, &name).await?;
    let fits = |version: &str| version.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if offered.iter().any(|one| fits(&one.version)) {
        return None;
    }
    offered.sort_by_key(|one| version_key(&one.version));
    let all = offered.iter().map(|one| one.version.as_str());
    let mut near: Vec<&str> = all.clone().filter(|one| cluster.engine.same_major(wanted, one)).collect();
    if near.is_empty() {
        near = all.map(|one| cluster.engine.major(one)).collect();
        near.dedup();
    }
    Problem::not_offered(AuroraCluster::POINTERS.version, wanted, "versions", &format!(" of {name}"), near)
}

/// Problem with a snapshot that does not exist.
async fn missing_snapshot(cluster: &AuroraCluster, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let name = cluster.snapshot.as_deref().filter(|name| !name.contains("${"))?;
    let call = |aws: &'_ Aws| {
        let rds = aws.rds.clone();
        async move {
            match find_snapshot(&rds, name).await {
                Err(error) if error.code == SNAPSHOT_NOT_FOUND => Ok(false),
                answer => answer.map(|_| true),
            }
        }
    };
    let exists: bool = questions.ask("rds:DescribeDBClusterSnapshots", name, call).await?;
    let help = "`aws rds describe-db-cluster-snapshots` lists them; one that another account shares has an ARN";
    let problem = || Problem::new(AuroraCluster::POINTERS.snapshot, format!("there is no snapshot `{name}` in this region")).help(help);
    (!exists).then(problem)
}
