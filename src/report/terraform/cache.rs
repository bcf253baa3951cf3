//! ElastiCache in Terraform.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::mapping::{ResourceContext, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        cache_cluster::CacheCluster,
        cache_parameter_group::CacheParameterGroup,
        cache_replication_group::{CacheReplicationGroup, ClusterMode, LogDelivery, TransitEncryption},
        cache_subnet_group::CacheSubnetGroup,
        cache_user::{Authentication, CacheUser},
        cache_user_group::CacheUserGroup,
    },
    core::referenced_ids,
};

impl ToTerraform for CacheReplicationGroup {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_replication_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let has_mode = self.cluster_mode != ClusterMode::Disabled;
        let logs = [("slow-log", &self.slow_log), ("engine-log", &self.engine_log)].into_iter();
        let log = |(kind, log): (&str, &Option<LogDelivery>)| {
            let LogDelivery { destination, destination_type, format } = log.as_ref()?;
            Some(json!({ "log_type": kind, "destination": destination, "destination_type": destination_type, "log_format": format }))
        };
        json!({
            "replication_group_id": self.name,
            "description": self.description,
            "engine": self.engine,
            "engine_version": self.version,
            "node_type": self.node_type,
            "cluster_mode": self.cluster_mode,
            "num_cache_clusters": (!has_mode).then_some(self.replicas + 1),
            "num_node_groups": has_mode.then_some(self.shards),
            "replicas_per_node_group": has_mode.then_some(self.replicas),
            "subnet_group_name": self.subnet_group.get(),
            "security_group_ids": referenced_ids(&self.security_groups),
            "parameter_group_name": id_or_arn(self.parameter_group.as_ref()),
            "port": self.port,
            "automatic_failover_enabled": self.automatic_failover,
            "multi_az_enabled": self.multi_az,
            // A text in the provider's schema.
            "at_rest_encryption_enabled": self.encrypted.to_string(),
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "transit_encryption_enabled": self.transit_encryption != TransitEncryption::Disabled,
            "transit_encryption_mode": (self.transit_encryption != TransitEncryption::Disabled).then_some(self.transit_encryption),
            "user_group_ids": referenced_ids(&self.user_groups),
            "snapshot_retention_limit": self.snapshot_retention_days,
            "snapshot_window": self.snapshot_window,
            "maintenance_window": self.maintenance_window,
            "log_delivery_configuration": logs.filter_map(log).collect::<Vec<_>>(),
            "notification_topic_arn": self.notification_topic,
            "auto_minor_version_upgrade": self.auto_minor_version_upgrade.to_string(),
            "network_type": self.network_type,
            "ip_discovery": self.ip_discovery,
            "data_tiering_enabled": self.data_tiering,
            "snapshot_name": self.snapshot,
            "apply_immediately": self.apply_immediately,
        })
    }
}

impl ToTerraform for CacheCluster {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_cluster";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "cluster_id": self.name,
            "engine": "memcached",
            "engine_version": self.version,
            "node_type": self.node_type,
            "num_cache_nodes": self.nodes,
            "preferred_availability_zones": self.availability_zones,
            "subnet_group_name": self.subnet_group.get(),
            "security_group_ids": referenced_ids(&self.security_groups),
            "parameter_group_name": id_or_arn(self.parameter_group.as_ref()),
            "port": self.port,
            "transit_encryption_enabled": self.transit_encryption,
            "maintenance_window": self.maintenance_window,
            "notification_topic_arn": self.notification_topic,
            "auto_minor_version_upgrade": self.auto_minor_version_upgrade.to_string(),
            "network_type": self.network_type,
            "ip_discovery": self.ip_discovery,
            "apply_immediately": self.apply_immediately,
        })
    }
}

impl ToTerraform for CacheSubnetGroup {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_subnet_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "description": self.description, "subnet_ids": referenced_ids(&self.subnets) })
    }
}

impl ToTerraform for CacheParameterGroup {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_parameter_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let parameters = |parameters: &BTreeMap<String, String>| {
            parameters.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>()
        };
        json!({ "name": self.name, "family": self.family, "description": self.description, "parameter": parameters(&self.parameters) })
    }
}

/// No argument holds a password.
impl ToTerraform for CacheUser {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_user";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let kind = match self.authentication {
            Authentication::Iam => "iam",
            Authentication::Password => "password",
            Authentication::None => "no-password-required",
        };
        json!({
            "user_id": self.name,
            "user_name": self.user_name.as_ref().or(self.name.as_ref()),
            "engine": self.engine,
            "access_string": self.access,
            "authentication_mode": [{ "type": kind }],
        })
    }
}

impl ToTerraform for CacheUserGroup {
    const TERRAFORM_TYPE: &'static str = "aws_elasticache_user_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "user_group_id": self.name, "engine": self.engine, "user_ids": referenced_ids(&self.users) })
    }
}
