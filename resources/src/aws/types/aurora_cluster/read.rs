//! Reads the description of a cluster.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{ClusterPendingModifiedValues, DatabaseInsightsMode, DbCluster, LocalWriteForwardingStatus};

use super::{
    super::{prelude::*, rds_instance::phase},
    AuroraCluster, ClusterRole, Outputs, Serverless,
    create::NO_EXTENDED_SUPPORT,
};
use crate::aws::from_aws;

/// Storage type with free requests.
const IO_OPTIMIZED: &str = "aurora-iopt1";

/// The description contains everything, including tags. The call returns clusters of Neptune and DocumentDB, too.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<AuroraCluster>>> {
    let clusters: Vec<_> = aws.rds.describe_db_clusters().max_records(100).into_paginator().items().send().try_collect().await?;
    let covered = |cluster: &DbCluster| {
        let is_aurora = cluster.engine().is_some_and(|engine| engine.starts_with("aurora-"));
        let is_wanted = scope.lookup.contains(cluster.db_cluster_identifier().unwrap_or_default());
        is_aurora && (is_wanted || scope.owns(&services::rds::from_tags(cluster.tag_list())))
    };
    clusters.into_iter().filter(covered).map(observed).collect()
}

fn observed(cluster: DbCluster) -> Result<Observed<AuroraCluster>> {
    let (tags, secret) = services::rds::split_password_secret(services::rds::from_tags(cluster.tag_list()));
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = cluster.pending_modified_values;
    let pending = pending.as_ref();
    let id = cluster.db_cluster_identifier.clone().ok_or_else(|| Error::missing_field("DBClusterIdentifier"))?;
    let roles = cluster.associated_roles.unwrap_or_default();
    let phase = match phase(cluster.status.as_deref().unwrap_or_default()) {
        Phase::Ready if pending.is_some_and(|pending| *pending != ClusterPendingModifiedValues::builder().build()) => {
            Phase::PendingChanges("changes pending".to_owned())
        }
        Phase::Ready => match roles.iter().find(|role| role.status().is_some_and(|status| status.eq_ignore_ascii_case("PENDING"))) {
            Some(role) => Phase::Progressing(format!("adding role {}", role.role_arn().unwrap_or_default())),
            None => Phase::Ready,
        },
        phase => phase,
    };
    let mut log_exports: BTreeSet<String> = cluster.enabled_cloudwatch_logs_exports.unwrap_or_default().into_iter().collect();
    if let Some(logs) = pending.and_then(|pending| pending.pending_cloudwatch_logs_exports()) {
        log_exports.extend(logs.log_types_to_enable().iter().cloned());
        log_exports.retain(|log| !logs.log_types_to_disable().contains(log));
    }
    let groups = cluster.vpc_security_groups.unwrap_or_default().into_iter().filter(|group| group.status() != Some("removing"));
    let roles = roles
        .into_iter()
        .filter_map(|role| Some(ClusterRole { role: ArnRef::to(role.role_arn?), feature: role.feature_name.unwrap_or_default() }));
    let serverless = cluster.serverless_v2_scaling_configuration.and_then(|limits| {
        let pause_after_seconds = limits.seconds_until_auto_pause;
        Some(Serverless { min: limits.min_capacity?, max: limits.max_capacity?, pause_after_seconds })
    });
    let forwarding = cluster.local_write_forwarding_status;
    let forwards = |status: &LocalWriteForwardingStatus| {
        matches!(status, LocalWriteForwardingStatus::Enabled | LocalWriteForwardingStatus::Enabling | LocalWriteForwardingStatus::Requested)
    };
    let spec = AuroraCluster {
        name: cluster.db_cluster_identifier,
        engine: from_aws(cluster.engine.as_deref().unwrap_or_default())?,
        version: pending.and_then(|p| p.engine_version.clone()).or_else(|| cluster.engine_version.clone()).unwrap_or_default(),
        allow_major_version_upgrade: false,
        upgraded_instance_parameter_group: None,
        database_name: cluster.database_name,
        username: cluster.master_username,
        master_password_key: cluster.master_user_secret.as_ref().and_then(|secret| secret.kms_key_id.clone()).map(ArnRef::to),
        password_secret: secret.filter(|_| cluster.master_user_secret.is_none()).map(ArnRef::to),
        global: cluster
            .global_cluster_identifier
            .as_deref()
            .and_then(|name| name.rsplit(':').next())
            .filter(|name| !name.is_empty())
            .map(Ref::to),
        global_write_forwarding: cluster.global_write_forwarding_requested.unwrap_or_default(),
        point_in_time: None,
        snapshot: None,
        port: cluster.port,
        subnet_group: Ref::to(cluster.db_subnet_group.unwrap_or_default()),
        security_groups: groups.filter_map(|group| group.vpc_security_group_id).map(Ref::to).collect(),
        network_type: cluster.network_type.unwrap_or_else(AuroraCluster::default_network_type),
        parameter_group: cluster.db_cluster_parameter_group.map(Ref::to),
        serverless,
        // RDS does not report the default.
        storage_type: pending
            .and_then(|pending| pending.storage_type.clone())
            .or(cluster.storage_type)
            .filter(|kind| kind == IO_OPTIMIZED)
            .unwrap_or_else(AuroraCluster::default_storage_type),
        encrypted: cluster.storage_encrypted.unwrap_or_default(),
        kms_key: cluster.kms_key_id.map(ArnRef::to),
        backup_retention_days: pending.and_then(|p| p.backup_retention_period).or(cluster.backup_retention_period).unwrap_or_default(),
        backup_window: cluster.preferred_backup_window,
        maintenance_window: cluster.preferred_maintenance_window,
        deletion_protection: cluster.deletion_protection.unwrap_or_default(),
        iam_authentication: pending
            .and_then(|pending| pending.iam_database_authentication_enabled)
            .or(cluster.iam_database_authentication_enabled)
            .unwrap_or_default(),
        log_exports,
        roles: roles.collect(),
        data_api: cluster.http_endpoint_enabled.unwrap_or_default(),
        backtrack_seconds: cluster.backtrack_window.unwrap_or_default(),
        local_write_forwarding: forwarding.as_ref().is_some_and(forwards),
        database_insights: cluster.database_insights_mode.unwrap_or(DatabaseInsightsMode::Standard).as_str().to_owned(),
        performance_insights: cluster.performance_insights_enabled.unwrap_or_default(),
        performance_insights_retention_days: cluster.performance_insights_retention_period,
        monitoring_interval_seconds: cluster.monitoring_interval.unwrap_or_default(),
        monitoring_role: cluster.monitoring_role_arn.map(ArnRef::to),
        copy_tags_to_snapshot: cluster.copy_tags_to_snapshot.unwrap_or_default(),
        extended_support: cluster.engine_lifecycle_support.as_deref() != Some(NO_EXTENDED_SUPPORT),
        // Not reported.
        delete_automated_backups: false,
        apply_immediately: true,
    };
    let outputs = Outputs {
        arn: cluster.db_cluster_arn.unwrap_or_default(),
        endpoint: cluster.endpoint,
        reader_endpoint: cluster.reader_endpoint,
        port: cluster.port,
        master_secret_arn: cluster.master_user_secret.and_then(|secret| secret.secret_arn),
        resource_id: cluster.db_cluster_resource_id,
        engine_version: cluster.engine_version,
        hosted_zone_id: cluster.hosted_zone_id,
    };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}
