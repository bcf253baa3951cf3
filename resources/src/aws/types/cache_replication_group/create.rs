//! Creates a cache, empty or from a snapshot.

use aws_sdk_elasticache::types::{IpDiscovery, LogType, NetworkType, TransitEncryptionMode};

use super::{super::cache_user::secret_password, super::prelude::*, CacheReplicationGroup, ClusterMode, LogDelivery, TransitEncryption};
use crate::{aws::to_aws, core::referenced_ids};

/// End of the tag of a cache that accepts one password alone.
pub(super) const ALONE: &str = " alone";

impl CacheReplicationGroup {
    pub(super) async fn create_call(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.elasticache.create_replication_group().set_replication_group_id(self.name.clone());
        let call = call.replication_group_description(&self.description).engine(to_aws(&self.engine)).engine_version(&self.version);
        let call = call.cache_node_type(&self.node_type).cluster_mode(self.cluster_mode.to_sdk());
        let call = match self.cluster_mode {
            ClusterMode::Disabled => call.num_cache_clusters(self.replicas + 1),
            _ => call.num_node_groups(self.shards).replicas_per_node_group(self.replicas),
        };
        let call =
            call.cache_subnet_group_name(self.subnet_group.get()).set_security_group_ids(Some(referenced_ids(&self.security_groups)));
        // AWS's default is a group without cluster mode.
        let group = self.parameter_group.as_ref().map(|group| group.get().to_owned());
        let call = call.set_cache_parameter_group_name(
            group.or_else(|| (self.cluster_mode != ClusterMode::Disabled).then(|| self.default_parameter_group(&self.version))),
        );
        let call = call.port(self.port).automatic_failover_enabled(self.automatic_failover).multi_az_enabled(self.multi_az);
        let call = call.at_rest_encryption_enabled(self.encrypted).set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.transit_encryption_enabled(self.transit_encryption != TransitEncryption::Disabled);
        // AWS's default is `required`; engines without modes take none.
        let mode = self.transit_encryption.to_sdk().filter(|_| self.transit_encryption == TransitEncryption::Preferred);
        let call = call.set_transit_encryption_mode(mode);
        let call = call.set_user_group_ids(Some(referenced_ids(&self.user_groups)).filter(|groups| !groups.is_empty()));
        let call = match &self.auth_token {
            Some(secret) => call.auth_token(secret_password(cx.api, secret.get()).await?),
            None => call,
        };
        let call = call.snapshot_retention_limit(self.snapshot_retention_days).set_snapshot_window(self.snapshot_window.clone());
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone());
        let logs = [(&self.slow_log, LogType::SlowLog), (&self.engine_log, LogType::EngineLog)].into_iter();
        let logs: Vec<_> = logs.filter_map(|(log, kind)| Some(LogDelivery::to_sdk(Some(log.as_ref()?), kind))).collect();
        let call = call.set_log_delivery_configurations(Some(logs).filter(|logs| !logs.is_empty()));
        let call = call.set_notification_topic_arn(self.notification_topic.clone());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade);
        // Old engines and node types take neither.
        let network = Some(&self.network_type).filter(|kind| **kind != Self::default_network_type());
        let call = call.set_network_type(network.map(|kind| NetworkType::from(kind.as_str())));
        let discovery = network.map(|_| IpDiscovery::from(self.ip_discovery.as_str()));
        let call = call.set_ip_discovery(discovery);
        let call = call.set_data_tiering_enabled(self.data_tiering.then_some(true)).set_snapshot_name(self.snapshot.clone());
        let tags = services::elasticache::tags_with_secrets(&cx.call.tags, self.recorded_secret());
        let reply = call.set_tags(Some(tags)).send().await?;
        reply.replication_group.and_then(|group| group.replication_group_id).ok_or_else(|| Error::missing_field("ReplicationGroupId"))
    }

    /// The secret with the password, as the tag of the cache records it: alone, if the previous password is no longer accepted.
    pub(super) fn recorded_secret(&self) -> Option<String> {
        let secret = self.auth_token.as_ref()?.get();
        Some(if self.accept_previous_auth_token { secret.to_owned() } else { format!("{secret}{ALONE}") })
    }

    /// Name of the parameter group that AWS provides for a version: `default.valkey8`, `default.redis7.cluster.on`.
    pub(super) fn default_parameter_group(&self, version: &str) -> String {
        let suffix = if self.cluster_mode == ClusterMode::Disabled { "" } else { ".cluster.on" };
        format!("default.{}{suffix}", self.engine.family(version))
    }
}

impl ClusterMode {
    pub(super) fn to_sdk(self) -> aws_sdk_elasticache::types::ClusterMode {
        to_aws(&self).as_str().into()
    }
}

impl TransitEncryption {
    pub(super) fn to_sdk(self) -> Option<TransitEncryptionMode> {
        match self {
            TransitEncryption::Disabled => None,
            TransitEncryption::Preferred => Some(TransitEncryptionMode::Preferred),
            TransitEncryption::Required => Some(TransitEncryptionMode::Required),
        }
    }
}
