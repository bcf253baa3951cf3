//! Reads the description of a database.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{DbInstance, PendingModifiedValues};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RdsInstance;
use crate::{
    aws::{from_aws, services},
    core::{ArnRef, Error, Observed, Phase, Ref, Result},
};

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of the endpoint.
    #[schemars(extend("x-acme-simulated" = "{name}.rds.{region}.{simulated_domain}"))]
    pub endpoint: Option<String>,
    /// Port of the endpoint.
    #[schemars(extend("x-acme-simulated" = "{engine|postgres=5432|3306}"))]
    pub port: Option<i32>,
    /// Secret with the master user's name and password.
    #[schemars(extend("x-acme-simulated" = "arn:aws:secretsmanager:{region}:{account}:secret:rds!db-{uuid}-{hex6}"))]
    pub master_secret_arn: Option<String>,
    /// Identifier in IAM policies: `db-ABCDEFGHIJKL`.
    #[schemars(extend("x-acme-simulated" = "db-{upper26}"))]
    pub resource_id: Option<String>,
    /// Exact engine version.
    pub engine_version: Option<String>,
    /// Hosted zone of the endpoint, for alias records.
    pub hosted_zone_id: Option<String>,
}

pub(super) fn observed(db: DbInstance) -> Result<Observed<RdsInstance>> {
    let (tags, secret) = services::rds::split_password_secret(services::rds::from_tags(db.tag_list()));
    let arn = db.db_instance_arn.clone().unwrap_or_default();
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = db.pending_modified_values;
    let pending = pending.as_ref();
    let endpoint = db.endpoint.as_ref();
    let port = endpoint.and_then(|endpoint| endpoint.port);
    let groups = db.vpc_security_groups.unwrap_or_default().into_iter().filter(|group| group.status() != Some("removing"));
    let leaves = |status: &str| matches!(status, "pending-removal" | "removing" | "pending-maintenance-removal");
    let mut options = db.option_group_memberships.unwrap_or_default().into_iter().filter(|group| !group.status().is_some_and(leaves));
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
        password_secret: secret.filter(|_| db.master_user_secret.is_none()).map(ArnRef::to),
        replica_of: db.read_replica_source_db_instance_identifier.filter(|source| !source.is_empty()).map(|source| to_arn(source, &arn)),
        point_in_time: None,
        snapshot: None,
        port: pending.and_then(|p| p.port).or(port),
        subnet_group: Ref::to(
            pending.and_then(|p| p.db_subnet_group_name.clone()).or_else(|| db.db_subnet_group?.db_subnet_group_name).unwrap_or_default(),
        ),
        security_groups: groups.filter_map(|group| group.vpc_security_group_id).map(Ref::to).collect(),
        parameter_group: db.db_parameter_groups.unwrap_or_default().into_iter().find_map(|g| g.db_parameter_group_name).map(Ref::to),
        option_group: options.find_map(|group| group.option_group_name).map(Ref::to),
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
        arn,
        endpoint: endpoint.and_then(|endpoint| endpoint.address.clone()),
        port,
        master_secret_arn: db.master_user_secret.and_then(|secret| secret.secret_arn),
        resource_id: db.dbi_resource_id,
        engine_version: db.engine_version,
        hosted_zone_id: db.endpoint.and_then(|endpoint| endpoint.hosted_zone_id),
    };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}

/// ARN of a database that RDS names by its identifier if it is in the region of the one with the ARN `beside`.
fn to_arn(name: String, beside: &str) -> ArnRef<RdsInstance> {
    match beside.rsplit_once(':') {
        Some((start, _)) if !name.starts_with("arn:") => ArnRef::to(format!("{start}:{name}")),
        _ => ArnRef::to(name),
    }
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
