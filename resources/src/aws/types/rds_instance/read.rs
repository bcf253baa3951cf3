//! Reads the description of a database.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{DbInstance, PendingModifiedValues};

use super::{Outputs, RdsInstance};
use crate::{
    aws::{from_aws, services},
    core::{ArnRef, Error, Observed, Phase, Ref, Result},
};

pub(super) fn observed(db: DbInstance) -> Result<Observed<RdsInstance>> {
    let tags = services::rds::from_tags(db.tag_list());
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = db.pending_modified_values;
    let pending = pending.as_ref();
    let endpoint = db.endpoint.as_ref();
    let port = endpoint.and_then(|endpoint| endpoint.port);
    let groups = db.vpc_security_groups.unwrap_or_default().into_iter().filter(|group| group.status() != Some("removing"));
    let mut log_exports: BTreeSet<String> = db.enabled_cloudwatch_logs_exports.unwrap_or_default().into_iter().collect();
    if let Some(logs) = pending.and_then(|pending| pending.pending_cloudwatch_logs_exports()) {
        log_exports.extend(logs.log_types_to_enable().iter().cloned());
        log_exports.retain(|log| !logs.log_types_to_disable().contains(log));
    }
    let id = db.db_instance_identifier.clone().ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))?;
    let phase = match phase(db.db_instance_status.as_deref().unwrap_or_default()) {
        Phase::Ready if pending.is_some_and(|pending| !is_empty(pending)) => Phase::PendingChanges("changes pending".to_owned()),
        phase => phase,
    };
    let spec = RdsInstance {
        name: db.db_instance_identifier,
        engine: from_aws(db.engine.as_deref().unwrap_or_default())?,
        version: pending.and_then(|p| p.engine_version.clone()).or_else(|| db.engine_version.clone()).unwrap_or_default(),
        class: pending.and_then(|p| p.db_instance_class.clone()).or(db.db_instance_class).unwrap_or_default(),
        storage_gib: pending.and_then(|p| p.allocated_storage).or(db.allocated_storage).unwrap_or_default(),
        // Missing, or equal to the size, if storage does not grow automatically.
        max_storage_gib: Some(db.max_allocated_storage.filter(|max| Some(*max) > db.allocated_storage).unwrap_or_default()),
        storage_type: pending.and_then(|p| p.storage_type.clone()).or(db.storage_type).unwrap_or_default(),
        iops: pending.and_then(|p| p.iops).or(db.iops),
        throughput_mibps: pending.and_then(|p| p.storage_throughput).or(db.storage_throughput),
        multi_az: pending.and_then(|p| p.multi_az).or(db.multi_az).unwrap_or_default(),
        database_name: db.db_name,
        username: db.master_username,
        master_password_key: db.master_user_secret.as_ref().and_then(|secret| secret.kms_key_id.clone()).map(ArnRef::to),
        snapshot: None,
        port: pending.and_then(|p| p.port).or(port),
        subnet_group: Ref::to(
            pending.and_then(|p| p.db_subnet_group_name.clone()).or_else(|| db.db_subnet_group?.db_subnet_group_name).unwrap_or_default(),
        ),
        security_groups: groups.filter_map(|group| group.vpc_security_group_id).map(Ref::to).collect(),
        parameter_group: db.db_parameter_groups.unwrap_or_default().into_iter().find_map(|g| g.db_parameter_group_name).map(Ref::to),
        encrypted: db.storage_encrypted.unwrap_or_default(),
        kms_key: db.kms_key_id.map(ArnRef::to),
        backup_retention_days: pending.and_then(|p| p.backup_retention_period).or(db.backup_retention_period).unwrap_or_default(),
        backup_window: db.preferred_backup_window,
        maintenance_window: db.preferred_maintenance_window,
        publicly_accessible: db.publicly_accessible.unwrap_or_default(),
        deletion_protection: db.deletion_protection.unwrap_or_default(),
        performance_insights: db.performance_insights_enabled.unwrap_or_default(),
        performance_insights_retention_days: db.performance_insights_retention_period,
        monitoring_interval_seconds: db.monitoring_interval.unwrap_or_default(),
        monitoring_role: db.monitoring_role_arn.map(ArnRef::to),
        log_exports,
        auto_minor_version_upgrade: db.auto_minor_version_upgrade.unwrap_or_default(),
        allow_major_version_upgrade: false,
        ca_certificate: pending.and_then(|p| p.ca_certificate_identifier.clone()).or(db.ca_certificate_identifier),
        copy_tags_to_snapshot: db.copy_tags_to_snapshot.unwrap_or_default(),
        // Not reported.
        delete_automated_backups: false,
        iam_authentication: pending
            .and_then(|p| p.iam_database_authentication_enabled)
            .or(db.iam_database_authentication_enabled)
            .unwrap_or_default(),
        apply_immediately: true,
    };
    let outputs = Outputs {
        arn: db.db_instance_arn.unwrap_or_default(),
        endpoint: endpoint.and_then(|endpoint| endpoint.address.clone()),
        port,
        master_secret_arn: db.master_user_secret.and_then(|secret| secret.secret_arn),
        resource_id: db.dbi_resource_id,
        engine_version: db.engine_version,
        hosted_zone_id: db.endpoint.and_then(|endpoint| endpoint.hosted_zone_id),
    };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}

/// RDS reports an empty structure if nothing is pending.
pub(in crate::aws::types) fn is_empty(pending: &PendingModifiedValues) -> bool {
    *pending == PendingModifiedValues::builder().build()
}

/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>.
pub(in crate::aws::types) fn phase(status: &str) -> Phase {
    match status {
        // Storage optimization takes hours, during which the database is usable. A stopped database was stopped deliberately.
        "available" | "storage-optimization" | "storage-config-upgrade" | "storage-initialization" | "stopped" => Phase::Ready,
        "deleting" | "delete-precheck" => Phase::Deleting,
        "failed" | "storage-full" | "insufficient-capacity" | "restore-error" => Phase::Failed(status.into()),
        _ if status.starts_with("incompatible-") || status.starts_with("inaccessible-encryption-") => Phase::Failed(status.into()),
        _ => Phase::Progressing(status.into()),
    }
}
