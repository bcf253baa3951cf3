//! Changes a cache: ElastiCache makes one change at a time.

use aws_sdk_elasticache::{
    operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder,
    types::{AuthTokenUpdateStrategyType, IpDiscovery, LogType, NodeGroup},
};

use super::{
    super::{cache_user::secret_password, prelude::*},
    CacheReplicationGroup, CacheReplicationGroupChanges, ClusterMode, LogDelivery, TransitEncryption,
};
use crate::{aws::to_aws, core::referenced_ids};

impl CacheReplicationGroup {
    /// Makes the next call; the engine waits until the cache is ready again, and asks for the rest. Replicas are added before what needs them,
    /// and removed after it.
    pub(super) async fn change(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheReplicationGroupChanges) -> Result<()> {
        let (id, before, client) = (live.id.as_str(), &live.spec, &cx.elasticache);
        if changes.cluster_mode {
            // AWS does not allow skipping a step.
            let next = if before.cluster_mode == ClusterMode::Disabled { ClusterMode::Compatible } else { self.cluster_mode };
            let call = client.modify_replication_group().replication_group_id(id).cluster_mode(next.to_sdk()).apply_immediately(true);
            return applied(call.send().await.map_err(Error::from));
        }
        if changes.shards {
            return self.reshard(cx, id, before.shards).await;
        }
        if self.replicas > before.replicas {
            let call = client.increase_replica_count().replication_group_id(id).new_replica_count(self.replicas);
            call.apply_immediately(true).send().await?;
            return Ok(());
        }
        if changes.transit_encryption {
            let next = match (before.transit_encryption, self.transit_encryption) {
                (TransitEncryption::Preferred, wanted) => wanted,
                // Clients change over while the cache accepts both.
                _ => TransitEncryption::Preferred,
            };
            let call = client.modify_replication_group().replication_group_id(id).apply_immediately(true);
            let call = call.transit_encryption_enabled(next != TransitEncryption::Disabled).set_transit_encryption_mode(next.to_sdk());
            return applied(call.send().await.map_err(Error::from));
        }
        let others = CacheReplicationGroupChanges {
            replicas: false,
            auth_token: false,
            accept_previous_auth_token: false,
            user_groups: false,
            snapshot: false,
            apply_immediately: false,
            ..changes
        };
        if !Self::pointers(&others).is_empty() {
            let call = self.modify(cx, live, changes).await?;
            return applied(call.send().await.map_err(Error::from));
        }
        if changes.user_groups || changes.auth_token || changes.accept_previous_auth_token {
            return self.change_access(cx, live, changes).await;
        }
        if self.replicas < before.replicas {
            let call = client.decrease_replica_count().replication_group_id(id).new_replica_count(self.replicas);
            call.apply_immediately(true).send().await?;
        }
        Ok(())
    }

    /// Adds shards, or removes those with the highest numbers.
    async fn reshard(&self, cx: &Cx<'_>, id: &str, before: i32) -> Result<()> {
        let call = cx.elasticache.modify_replication_group_shard_configuration().replication_group_id(id);
        let call = call.node_group_count(self.shards).apply_immediately(true);
        let call = if self.shards < before {
            let reply = cx.elasticache.describe_replication_groups().replication_group_id(id).send().await?;
            let groups = reply.replication_groups.unwrap_or_default().into_iter().flat_map(|group| group.node_groups.unwrap_or_default());
            let mut shards: Vec<String> = groups.filter_map(|shard: NodeGroup| shard.node_group_id).collect();
            shards.sort();
            let kept = usize::try_from(self.shards).unwrap_or_default().min(shards.len());
            call.set_node_groups_to_remove(Some(shards.split_off(kept)))
        } else {
            call
        };
        call.send().await?;
        Ok(())
    }

    /// Changes passwords and users, which other changes exclude.
    async fn change_access(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheReplicationGroupChanges) -> Result<()> {
        let call = cx.elasticache.modify_replication_group().replication_group_id(&live.id).apply_immediately(true);
        let removed: Vec<String> = live.spec.user_groups.difference(&self.user_groups).map(|group| group.get().to_owned()).collect();
        let added: Vec<String> = self.user_groups.difference(&live.spec.user_groups).map(|group| group.get().to_owned()).collect();
        let call = match &self.auth_token {
            Some(secret) => {
                let strategy = match self.accept_previous_auth_token {
                    true => AuthTokenUpdateStrategyType::Rotate,
                    false => AuthTokenUpdateStrategyType::Set,
                };
                let call = call.auth_token(secret_password(cx.api, secret.get()).await?).auth_token_update_strategy(strategy);
                // A password replaces the users.
                call.set_remove_user_groups((!removed.is_empty()).then_some(true))
            }
            None if changes.user_groups => {
                // Users replace a password.
                let ends = changes.auth_token.then_some(AuthTokenUpdateStrategyType::Delete);
                let call = call.set_user_group_ids_to_add(Some(added).filter(|ids| !ids.is_empty())).set_auth_token_update_strategy(ends);
                match self.user_groups.is_empty() {
                    true => call.remove_user_groups(true),
                    false => call.set_user_group_ids_to_remove(Some(removed).filter(|ids| !ids.is_empty())),
                }
            }
            None if changes.auth_token => call.auth_token_update_strategy(AuthTokenUpdateStrategyType::Delete),
            None => return Ok(()),
        };
        let reply = call.send().await.map_err(Error::from);
        if !changes.auth_token && !changes.accept_previous_auth_token {
            return applied(reply);
        }
        let arn = reply?.replication_group.and_then(|group| group.arn).ok_or_else(|| Error::missing_field("ARN"))?;
        services::elasticache::record_secrets(cx.api, &arn, self.recorded_secret()).await
    }

    /// One call with all other changes; ElastiCache keeps omitted settings.
    async fn modify(
        &self,
        cx: &Cx<'_>,
        live: &Existing<Self>,
        changes: CacheReplicationGroupChanges,
    ) -> Result<ModifyReplicationGroupFluentBuilder> {
        let before = &live.spec;
        let call = cx.elasticache.modify_replication_group().replication_group_id(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_replication_group_description(changes.description.then(|| self.description.clone()));
        // Another engine needs a version of its own.
        let upgrades = changes.engine || changes.version;
        let call = call.set_engine(changes.engine.then(|| to_aws(&self.engine)));
        let call = call.set_engine_version(upgrades.then(|| self.version.clone()));
        let call = call.set_cache_node_type(changes.node_type.then(|| self.node_type.clone()));
        let call = call.set_security_group_ids(changes.security_groups.then(|| referenced_ids(&self.security_groups)));
        let version = if upgrades { &self.version } else { &before.version };
        let default_group = || changes.parameter_group.then(|| self.default_parameter_group(version));
        let group = self.parameter_group.as_ref().map(|group| group.get().to_owned()).or_else(default_group);
        // A new major version needs the parameter group of its family in the same call.
        let is_major = upgrades && self.engine.family(&self.version) != before.engine.family(&before.version);
        let call = call.set_cache_parameter_group_name(group.filter(|_| changes.parameter_group || is_major));
        let call = call.set_automatic_failover_enabled(changes.automatic_failover.then_some(self.automatic_failover));
        let call = call.set_multi_az_enabled(changes.multi_az.then_some(self.multi_az));
        let call = call.set_snapshot_retention_limit(changes.snapshot_retention_days.then_some(self.snapshot_retention_days));
        // Without cluster mode, one node makes the snapshots, and it should not be the primary one.
        let starts = changes.snapshot_retention_days && before.snapshot_retention_days == 0 && self.cluster_mode == ClusterMode::Disabled;
        let node = if starts { snapshotting_node(cx.api, &live.id).await? } else { None };
        let call = call.set_snapshotting_cluster_id(node);
        let call = call.set_snapshot_window(self.snapshot_window.clone().filter(|_| changes.snapshot_window));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let logs = [(changes.slow_log, &self.slow_log, LogType::SlowLog), (changes.engine_log, &self.engine_log, LogType::EngineLog)];
        let logs: Vec<_> =
            logs.into_iter().filter(|(changed, ..)| *changed).map(|(_, log, kind)| LogDelivery::to_sdk(log.as_ref(), kind)).collect();
        let call = call.set_log_delivery_configurations(Some(logs).filter(|logs| !logs.is_empty()));
        let call = match &self.notification_topic {
            Some(topic) if changes.notification_topic => call.notification_topic_arn(topic).notification_topic_status("active"),
            None if changes.notification_topic => call.notification_topic_status("inactive"),
            _ => call,
        };
        let call = call.set_auto_minor_version_upgrade(changes.auto_minor_version_upgrade.then_some(self.auto_minor_version_upgrade));
        Ok(call.set_ip_discovery(changes.ip_discovery.then(|| IpDiscovery::from(self.ip_discovery.as_str()))))
    }
}

/// A replica, or the only node.
async fn snapshotting_node(aws: &Aws, id: &str) -> Result<Option<String>> {
    let reply = aws.elasticache.describe_replication_groups().replication_group_id(id).send().await?;
    let groups = reply.replication_groups.unwrap_or_default().into_iter().flat_map(|group| group.node_groups.unwrap_or_default());
    let members: Vec<_> = groups.flat_map(|group| group.node_group_members.unwrap_or_default()).collect();
    let replica = members.iter().find(|member| member.current_role() == Some("replica"));
    Ok(replica.or(members.first()).and_then(|member| member.cache_cluster_id.clone()))
}

/// A change that ElastiCache knows already counts as applied.
fn applied<T>(answer: Result<T>) -> Result<()> {
    match answer {
        Err(error) if error.code == "NoOperationFault" || error.message.contains("No modifications were requested") => Ok(()),
        answer => answer.map(drop),
    }
}
