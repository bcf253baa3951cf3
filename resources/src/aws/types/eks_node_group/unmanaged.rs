//! Settings of a node group that acme does not manage: calls that replace what surrounds them send them back.

use aws_sdk_eks::types::{NodeRepairConfig, NodegroupUpdateConfig, NodegroupUpdateStrategies};

use crate::{aws::Aws, core::Result};

/// Settings that acme does not manage.
#[derive(Default)]
pub(super) struct Unmanaged {
    /// Strategy of updates.
    strategy: Option<NodegroupUpdateStrategies>,
    /// Thresholds and exceptions of node repair.
    repair: Option<NodeRepairConfig>,
}

/// Reads them. `updateConfig` and `nodeRepairConfig` are replaced as a whole:
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html>.
pub(super) async fn read(aws: &Aws, cluster: &str, name: &str) -> Result<Unmanaged> {
    let group = aws.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await?.nodegroup;
    let (update, repair) = group.map(|group| (group.update_config, group.node_repair_config)).unwrap_or_default();
    Ok(Unmanaged { strategy: update.and_then(|update| update.update_strategy), repair })
}

impl Unmanaged {
    /// The same pace, with the live strategy.
    pub(super) fn with_strategy(&self, mut pace: NodegroupUpdateConfig) -> NodegroupUpdateConfig {
        pace.update_strategy.clone_from(&self.strategy);
        pace
    }

    /// Node repair with the live thresholds and exceptions.
    pub(super) fn node_repair(&self, enabled: bool) -> NodeRepairConfig {
        let mut repair = self.repair.clone().unwrap_or_else(|| NodeRepairConfig::builder().build());
        repair.enabled = Some(enabled);
        repair
    }
}
