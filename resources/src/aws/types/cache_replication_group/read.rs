//! Reads caches: some of their settings are only those of their nodes.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{
    self as sdk, AutomaticFailoverStatus, CacheCluster, DataTieringStatus, LogType, MultiAzStatus, NodeGroup, ReplicationGroup,
    TransitEncryptionMode,
};

use super::{super::prelude::*, CacheEngine, CacheReplicationGroup, ClusterMode, LogDelivery, Outputs, TransitEncryption, create::ALONE};
use crate::{aws::from_aws, core::Tags};

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<CacheReplicationGroup>>> {
    let call = aws.elasticache.describe_replication_groups().max_records(100);
    let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    let covered =
        |group: &ReplicationGroup| scope.covers(group.replication_group_id().unwrap_or_default(), group.arn().unwrap_or_default());
    let groups: Vec<_> = groups.into_iter().filter(covered).collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = read_nodes(aws).await?;
    for_each_concurrent(groups, |group| {
        let node = group.replication_group_id().and_then(|id| nodes.get(id));
        async move {
            let at = (group.replication_group_id().unwrap_or_default(), group.arn().unwrap_or_default());
            let tags = services::elasticache::read_tags_and_secrets(aws, scope, at, group.status() == Some(AVAILABLE)).await?;
            tags.map(|(tags, secrets)| observed(group, node, tags, secrets)).transpose()
        }
    })
    .await
}

/// The first node of every replication group. All nodes of a group have the same settings.
async fn read_nodes(aws: &Aws) -> Result<BTreeMap<String, CacheCluster>> {
    let all: Vec<CacheCluster> =
        aws.elasticache.describe_cache_clusters().max_records(100).into_paginator().items().send().try_collect().await?;
    let mut nodes = BTreeMap::new();
    for node in all {
        if let Some(group) = node.replication_group_id.clone().filter(|group| !group.is_empty()) {
            nodes.entry(group).or_insert(node);
        }
    }
    Ok(nodes)
}

/// Status of a cache that can be used.
const AVAILABLE: &str = "available";

fn observed(
    group: ReplicationGroup,
    node: Option<&CacheCluster>,
    tags: Tags,
    secrets: Vec<String>,
) -> Result<Observed<CacheReplicationGroup>> {
    let secret = secrets.into_iter().next().filter(|_| group.auth_token_enabled != Some(false));
    let is_alone = secret.as_ref().is_some_and(|secret| secret.ends_with(ALONE));
    let phase = phase(&group, node);
    let name = group.replication_group_id.ok_or_else(|| Error::missing_field("ReplicationGroupId"))?;
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = group.pending_modified_values;
    let pending = pending.as_ref();
    let pending_of_node = node.and_then(|node| node.pending_modified_values());
    let shards = group.node_groups.unwrap_or_default();
    let nodes_of = |shard: &NodeGroup| shard.node_group_members().len();
    let members = group.member_clusters.unwrap_or_default().len();
    let replicas = shards.iter().map(nodes_of).min().filter(|nodes| *nodes > 0).unwrap_or(members).saturating_sub(1);
    let is_clustered = group.cluster_enabled.unwrap_or_default();
    let mode = pending.and_then(|pending| pending.cluster_mode.clone()).or(group.cluster_mode);
    let mode = mode.unwrap_or(if is_clustered { sdk::ClusterMode::Enabled } else { sdk::ClusterMode::Disabled });
    let is_encrypted = pending.and_then(|pending| pending.transit_encryption_enabled).or(group.transit_encryption_enabled);
    let transit = pending.and_then(|pending| pending.transit_encryption_mode.clone()).or(group.transit_encryption_mode);
    let primary = shards.iter().find_map(|shard| shard.primary_endpoint());
    let configuration = group.configuration_endpoint;
    let logs = group.log_delivery_configurations.unwrap_or_default();
    let topic = node.and_then(|node| node.notification_configuration()).filter(|topic| topic.topic_status() != Some("inactive"));
    let parameters = node.and_then(|node| node.cache_parameter_group());
    let engine = group.engine.as_deref().or(node.and_then(|node| node.engine())).unwrap_or("redis");
    let spec = CacheReplicationGroup {
        name: Some(name.clone()),
        description: group.description.unwrap_or_default(),
        engine: from_aws::<CacheEngine>(engine)?,
        version: pending_of_node
            .and_then(|pending| pending.engine_version())
            .or(node.and_then(|node| node.engine_version()))
            .unwrap_or_default()
            .to_owned(),
        node_type: pending_of_node
            .and_then(|pending| pending.cache_node_type().map(str::to_owned))
            .or(group.cache_node_type)
            .or(node.and_then(|node| node.cache_node_type().map(str::to_owned)))
            .unwrap_or_default(),
        shards: i32::try_from(shards.len().max(1)).unwrap_or(i32::MAX),
        replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
        cluster_mode: from_aws::<ClusterMode>(mode.as_str())?,
        subnet_group: Ref::to(node.and_then(|node| node.cache_subnet_group_name()).unwrap_or_default()),
        security_groups: node
            .map(|node| node.security_groups().iter().filter_map(|group| group.security_group_id()).map(Ref::to).collect())
            .unwrap_or_default(),
        parameter_group: parameters.and_then(|group| group.cache_parameter_group_name()).map(Ref::to),
        port: primary.or(configuration.as_ref()).and_then(|endpoint| endpoint.port).unwrap_or_else(CacheReplicationGroup::default_port),
        automatic_failover: matches!(group.automatic_failover, Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)),
        multi_az: group.multi_az == Some(MultiAzStatus::Enabled),
        encrypted: group.at_rest_encryption_enabled.unwrap_or_default(),
        kms_key: group.kms_key_id.map(ArnRef::to),
        transit_encryption: match (is_encrypted.unwrap_or_default(), transit) {
            (false, _) => TransitEncryption::Disabled,
            (true, Some(TransitEncryptionMode::Preferred)) => TransitEncryption::Preferred,
            (true, _) => TransitEncryption::Required,
        },
        user_groups: group.user_group_ids.unwrap_or_default().into_iter().map(Ref::to).collect(),
        auth_token: secret.map(|secret| ArnRef::to(secret.trim_end_matches(ALONE))),
        accept_previous_auth_token: !is_alone,
        snapshot_retention_days: group.snapshot_retention_limit.unwrap_or_default(),
        snapshot_window: group.snapshot_window,
        maintenance_window: node.and_then(|node| node.preferred_maintenance_window().map(str::to_owned)),
        slow_log: LogDelivery::from_sdk(&logs, &LogType::SlowLog),
        engine_log: LogDelivery::from_sdk(&logs, &LogType::EngineLog),
        notification_topic: topic.and_then(|topic| topic.topic_arn().map(str::to_owned)),
        auto_minor_version_upgrade: group
            .auto_minor_version_upgrade
            .or(node.and_then(|node| node.auto_minor_version_upgrade))
            .unwrap_or_default(),
        network_type: group.network_type.map_or_else(CacheReplicationGroup::default_network_type, |kind| kind.as_str().to_owned()),
        ip_discovery: group.ip_discovery.map_or_else(CacheReplicationGroup::default_ip_discovery, |kind| kind.as_str().to_owned()),
        data_tiering: group.data_tiering == Some(DataTieringStatus::Enabled),
        snapshot: None,
        apply_immediately: true,
    };
    let reader = shards.iter().find_map(|shard| shard.reader_endpoint());
    let outputs = Outputs {
        arn: group.arn.ok_or_else(|| Error::missing_field("ARN"))?,
        primary_endpoint: primary.and_then(|endpoint| endpoint.address.clone()),
        reader_endpoint: reader.and_then(|endpoint| endpoint.address.clone()),
        configuration_endpoint: configuration.and_then(|endpoint| endpoint.address),
        engine_version: node.and_then(|node| node.engine_version().map(str::to_owned)),
    };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}

/// Source: <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html>.
fn phase(group: &ReplicationGroup, node: Option<&CacheCluster>) -> Phase {
    match group.status.as_deref().unwrap_or_default() {
        // A cache that makes its daily snapshot can be used.
        AVAILABLE | "snapshotting" => {}
        "deleting" => return Phase::Deleting,
        status @ "create-failed" => return Phase::Failed(status.to_owned()),
        status => return Phase::Progressing(status.to_owned()),
    }
    let failover = group.automatic_failover.as_ref();
    if let Some(status) = failover.filter(|one| matches!(one, AutomaticFailoverStatus::Enabling | AutomaticFailoverStatus::Disabling)) {
        return Phase::Progressing(format!("automatic failover {}", status.as_str()));
    }
    // The nodes of a new cache may not be listed yet.
    if node.is_none() {
        return Phase::Progressing("its nodes are not listed yet".to_owned());
    }
    let of_group = group.pending_modified_values().is_some_and(|all| *all != sdk::ReplicationGroupPendingModifiedValues::builder().build());
    let of_node = node.and_then(|node| node.pending_modified_values());
    let of_node = of_node.is_some_and(|all| all.engine_version().is_some() || all.cache_node_type().is_some());
    if of_group || of_node { Phase::PendingChanges("changes pending".to_owned()) } else { Phase::Ready }
}
