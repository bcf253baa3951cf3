//! `cluster_leftover`: something that a controller of a cluster made in AWS. It can only be deleted.

use std::collections::BTreeSet;

use acme_macros::spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LeftoverKind, Search, balancers, groups, inventory, removal, state};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{Created, Deletion, Error, ErrorKind, Existing, Observed, Phase, Resource, Result, Scope, Tags, TypeInfo},
};

/// Something that a controller of a cluster made in AWS.
#[spec]
pub struct ClusterLeftover {
    /// The search that found it.
    pub search: Search,
    /// Kind.
    pub kind: LeftoverKind,
    /// ARNs and generated ids of what is deleted after it.
    #[field(default)]
    pub uses: BTreeSet<String>,
}

/// It has no outputs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoOutputs {}

impl Resource for ClusterLeftover {
    const TYPE: TypeInfo =
        TypeInfo::new("cluster_leftover", &services::ec2::SERVICE, "{id}", "").untaggable().typical_seconds(60).longest_hours(1);
    type Api = Aws;
    type Outputs = NoOutputs;

    /// Only the awaited ones: the plan knows the others.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let ids: Vec<String> = scope.ids.iter().flatten().cloned().collect();
        for_each_concurrent(ids, |id| async move {
            let Some(phase) = state::phase(aws, &id).await? else { return Ok(None) };
            Ok(LeftoverKind::of_id(&id).map(|(kind, _)| awaited(&id, kind, phase)))
        })
        .await
    }

    async fn create(&self, _: &Cx<'_>) -> Result<Created<Self>> {
        Err(only_deleted())
    }

    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: ClusterLeftoverChanges) -> Result<()> {
        Err(only_deleted())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        removal::remove(cx, live).await
    }

    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let Some((kind, id)) = LeftoverKind::of_id(&live.id) else { return Ok(None) };
        if kind != LeftoverKind::Rest {
            return Ok(services::ec2::join_blockers(blockers(aws, kind, id).await?));
        }
        let mut all = Vec::new();
        for one in inventory::inventory(aws, &live.spec.search).await.found {
            let users = blockers(aws, one.kind, &one.id).await?;
            let used_by = if users.is_empty() { String::new() } else { format!(", used by {}", users.join(" and ")) };
            all.push(format!("{} {}{used_by}", one.kind.noun(), one.name));
        }
        Ok(services::ec2::join_blockers(all))
    }
}

/// What uses a leftover. The other kinds have no users, or their deletions name them.
async fn blockers(aws: &Aws, kind: LeftoverKind, id: &str) -> Result<Vec<String>> {
    match kind {
        LeftoverKind::SecurityGroup => groups::blockers(aws, id).await,
        LeftoverKind::TargetGroup => balancers::target_group_blockers(aws, id).await,
        _ => Ok(Vec::new()),
    }
}

/// A deletion needs nothing but id and phase of what it waits for.
fn awaited(id: &str, kind: LeftoverKind, phase: Phase) -> Observed<ClusterLeftover> {
    let spec = ClusterLeftover { search: Search::unknown(), kind, uses: BTreeSet::new() };
    Observed::new(id, Tags::new(), spec, NoOutputs {}).phase(phase)
}

pub(crate) fn only_deleted() -> Error {
    Error::new(ErrorKind::Rejected, "OnlyDeleted", "acme only deletes resources of this type")
}
