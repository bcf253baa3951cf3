//! Aurora clusters in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        aurora_cluster::{AuroraCluster, PointInTime},
        aurora_instance::AuroraInstance,
        aurora_parameter_group::AuroraParameterGroup,
    },
    core::referenced_ids,
};

impl ToTerraform for AuroraCluster {
    const TERRAFORM_TYPE: &'static str = "aws_rds_cluster";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let serverless = self.serverless.iter().map(|limits| {
            json!({ "min_capacity": limits.min, "max_capacity": limits.max, "seconds_until_auto_pause": limits.pause_after_seconds })
        });
        json!({
            "cluster_identifier": self.name,
            "engine": self.engine,
            "engine_version": self.version,
            "allow_major_version_upgrade": self.allow_major_version_upgrade,
            "db_instance_parameter_group_name": id_or_arn(self.upgraded_instance_parameter_group.as_ref()),
            "database_name": self.database_name,
            "master_username": self.username,
            "manage_master_user_password": (self.password_secret.is_none() && self.global.is_none()).then_some(true),
            "global_cluster_identifier": id_or_arn(self.global.as_ref()),
            "master_user_secret_kms_key_id": id_or_arn(self.master_password_key.as_ref()),
            "snapshot_identifier": self.snapshot,
            "restore_to_point_in_time": self.point_in_time.iter().map(point_in_time).collect::<Vec<_>>(),
            "port": self.port,
            "db_subnet_group_name": self.subnet_group.get(),
            "vpc_security_group_ids": referenced_ids(&self.security_groups),
            "network_type": self.network_type,
            "db_cluster_parameter_group_name": id_or_arn(self.parameter_group.as_ref()),
            "serverlessv2_scaling_configuration": serverless.collect::<Vec<_>>(),
            // The provider reports no type for standard storage.
            "storage_type": (self.storage_type != "aurora").then_some(&self.storage_type),
            "storage_encrypted": self.encrypted,
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "backup_retention_period": self.backup_retention_days,
            "preferred_backup_window": self.backup_window,
            "preferred_maintenance_window": self.maintenance_window,
            "deletion_protection": self.deletion_protection,
            "iam_database_authentication_enabled": self.iam_authentication,
            "enabled_cloudwatch_logs_exports": self.log_exports,
            "enable_http_endpoint": self.data_api,
            "backtrack_window": self.backtrack_seconds,
            "enable_local_write_forwarding": self.local_write_forwarding,
            "enable_global_write_forwarding": self.global_write_forwarding,
            "database_insights_mode": self.database_insights,
            "performance_insights_enabled": self.performance_insights,
            "performance_insights_retention_period": self.performance_insights_retention_days,
            "monitoring_interval": self.monitoring_interval_seconds,
            "monitoring_role_arn": id_or_arn(self.monitoring_role.as_ref()),
            "copy_tags_to_snapshot": self.copy_tags_to_snapshot,
            "engine_lifecycle_support": self.lifecycle_support(),
            "delete_automated_backups": self.delete_automated_backups,
            "apply_immediately": self.apply_immediately,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let role = |one: &crate::aws::types::aurora_cluster::ClusterRole| {
            let arguments = json!({
                "db_cluster_identifier": at.output_reference("id"),
                "role_arn": one.role.get(),
                "feature_name": Some(&one.feature).filter(|name| !name.is_empty()),
            });
            SubResource::keyed("aws_rds_cluster_role_association", format!("{} {}", one.role.get(), one.feature), arguments)
        };
        self.roles.iter().map(role).collect()
    }
}

/// The block for a cluster that is created as another one was.
fn point_in_time(point: &PointInTime) -> Value {
    json!({
        "source_cluster_identifier": id_or_arn(point.cluster.as_ref()),
        "source_cluster_resource_id": point.resource_id,
        "restore_to_time": point.time,
        "use_latest_restorable_time": point.time.is_none().then_some(true),
    })
}

impl ToTerraform for AuroraInstance {
    const TERRAFORM_TYPE: &'static str = "aws_rds_cluster_instance";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "identifier": self.name,
            "cluster_identifier": self.cluster.get(),
            "instance_class": self.class,
            "promotion_tier": self.promotion_tier,
            "availability_zone": self.availability_zone,
            "publicly_accessible": self.publicly_accessible,
            "db_parameter_group_name": id_or_arn(self.parameter_group.as_ref()),
            "preferred_maintenance_window": self.maintenance_window,
            "performance_insights_enabled": self.performance_insights,
            "monitoring_interval": self.monitoring_interval_seconds,
            "monitoring_role_arn": id_or_arn(self.monitoring_role.as_ref()),
            "auto_minor_version_upgrade": self.auto_minor_version_upgrade,
            "ca_cert_identifier": self.ca_certificate,
            "apply_immediately": self.apply_immediately,
        })
    }
}

impl ToTerraform for AuroraParameterGroup {
    const TERRAFORM_TYPE: &'static str = "aws_rds_cluster_parameter_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let parameters = self.parameters.iter();
        json!({
            "name": self.name,
            "family": self.family,
            "description": self.description,
            "parameter": parameters.map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
        })
    }
}
