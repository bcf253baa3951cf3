//! What the controllers of an EKS cluster make in AWS, and what its deletion therefore leaves behind: found by the tags of the controllers,
//! and deleted in steps of the plan that deletes the cluster.

mod accelerators;
mod balancers;
pub mod cluster_leftover;
mod groups;
mod inventory;
mod kind;
mod machines;
mod named;
mod permissions;
mod records;
mod removal;
mod search;
mod state;
mod volumes;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use acme_macros::spec;

pub(super) use self::permissions::{
    DELETE_ACCELERATORS, DELETE_BALANCERS, DELETE_IN_ZONES, DELETE_INTERFACES, DELETE_LOG_GROUPS, DELETE_MACHINES, DELETE_PROFILES,
    DELETE_VOLUMES, FIND, SNAPSHOT_VOLUMES,
};
use self::{cluster_leftover::ClusterLeftover, inventory::Found};
pub use self::{kind::LeftoverKind, search::Search};
use super::{Aws, types::eks_cluster::EksCluster};
use crate::{
    core::{Leftover, LeftoverRequest, LeftoverStage, Leftovers, LiveResource, Named, Observed, Phase, Result},
    kubernetes::cleanup::ClusterCleanup,
};

/// Treatment of the volumes that controllers made for the claims of a cluster.
#[spec]
#[derive(Copy)]
pub enum VolumePolicy {
    /// Deleted after a snapshot, which has the name of the claim as a tag.
    Snapshot,
    /// Left in AWS, as are their snapshots and the log groups of the cluster.
    Keep,
    /// Deleted with all data, also their snapshots.
    Delete,
}

/// Largest difference between clocks with which AWS accepts signed calls.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Everything that the deletion of this cluster leaves behind. One without an endpoint has no controllers.
pub(super) async fn of_cluster(aws: &Aws, live: &Observed<EksCluster>, request: &LeftoverRequest) -> Leftovers {
    let search = Search {
        cluster: live.id.clone(),
        stack: request.stack.clone(),
        environment: request.environment.clone(),
        network: live.outputs.vpc_id.clone().unwrap_or_default(),
        zones: request.of_type("dns_zone").filter(|id| !id.starts_with("arn:")).cloned().collect(),
        log_groups: request.of_type("log_group").filter(|id| !id.starts_with("arn:")).cloned().collect(),
        is_last: request.is_last_of_type,
        volumes: live.spec.volumes.unwrap_or(VolumePolicy::Snapshot),
        since: request.since.map_or(0, seconds),
    };
    let inventory::Inventory { found, kept, mut unread } = inventory::inventory(aws, &search).await;
    let mut leftovers = Leftovers::default();
    match accelerators_in_use(aws, &search, &found).await {
        Ok(warning) => leftovers.warnings.extend(warning),
        Err(error) => unread.push(("accelerators", error)),
    }
    if live.outputs.endpoint.is_some() && live.phase != Phase::Deleting {
        leftovers.found.push(ClusterCleanup::leftover(&live.id, search.volumes, request.wait_limit));
    }
    let found = found.into_iter().filter(|found| !request.owns(&found.id));
    leftovers.found.extend(found.map(|found| found.into_leftover(&search)));
    leftovers.found.push(rest(&search));
    leftovers.warnings.extend(kept.into_iter().map(|words| format!("{words} stays in AWS.")));
    let unread = unread.into_iter().map(|(noun, error)| format!("Can't look for {noun} that controllers of `{}` made: {error}.", live.id));
    leftovers.warnings.extend(unread);
    leftovers
}

/// Warning about accelerators outside the cluster with endpoints that are deleted.
async fn accelerators_in_use(aws: &Aws, search: &Search, found: &[Found]) -> Result<Option<String>> {
    let balancers: BTreeSet<String> = found.iter().filter(|one| one.kind == LeftoverKind::LoadBalancer).map(|one| one.id.clone()).collect();
    if balancers.is_empty() {
        return Ok(None);
    }
    let names = accelerators::other_users(aws, search, &balancers).await?;
    Ok((!names.is_empty()).then(|| {
        format!(
            "Load balancers of `{}` are endpoints of the accelerators {}, which stay in AWS: remove the endpoints, or their network              interfaces keep the subnets from being deleted.",
            search.cluster,
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )
    }))
}

/// Seconds since 1970, less what the clock of this machine may be ahead of that of AWS.
fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(CLOCK_SKEW);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Found {
    fn into_leftover(self, search: &Search) -> Leftover {
        let Found { id, kind, name, maker, detail, uses, loss } = self;
        let detail = if detail.is_empty() { String::new() } else { format!(", {detail}") };
        let spec = ClusterLeftover { search: search.clone(), kind, uses };
        Leftover {
            stage: kind.stage(),
            name: format!("{}-{name}", kind.word()),
            description: format!("{} {name}{detail}, made by {maker}", kind.noun()),
            loss,
            resource: live_resource(&id, &spec),
        }
    }
}

/// What appears after the plan: interfaces of nodes, and what controllers made in the meantime.
fn rest(search: &Search) -> Leftover {
    let kind = LeftoverKind::Rest;
    let spec = ClusterLeftover { search: search.clone(), kind, uses: BTreeSet::from([search.network.clone()]) };
    Leftover {
        stage: LeftoverStage::Last,
        name: format!("{}-{}", kind.word(), search.cluster),
        description: format!("what controllers of `{}` make until it is deleted", search.cluster),
        loss: None,
        resource: live_resource(&kind.id(&[&search.cluster]), &spec),
    }
}

fn live_resource(id: &str, spec: &ClusterLeftover) -> LiveResource {
    // A spec of texts and lists always serializes.
    LiveResource::ready(ClusterLeftover::NAME, id, serde_json::to_value(spec).unwrap_or_default())
}
