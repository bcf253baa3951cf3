//! Creates a database, empty or from a snapshot.

use aws_sdk_rds::types::{DbSnapshot, Tag};

use super::{super::cache_user::secret_password, Engine, GP3_IOPS, GP3_MIBPS, RdsInstance, takes_iops};
use crate::{
    aws::{Cx, services, to_aws},
    core::{Direction, Error, ErrorKind, Result, Tags, referenced_ids},
};

impl RdsInstance {
    /// Creates an empty database.
    pub(super) async fn create_empty(&self, cx: &Cx<'_>) -> Result<String> {
        let default_user = if self.engine == Engine::Postgres { "postgres" } else { "admin" };
        let call =
            cx.rds.create_db_instance().set_db_instance_identifier(self.name.clone()).set_tags(Some(self.tags_to_sdk(&cx.call.tags)));
        let call = call.engine(to_aws(&self.engine)).engine_version(&self.version).db_instance_class(&self.class);
        let call = call.allocated_storage(self.storage_gib).set_max_allocated_storage(self.max_storage_gib.filter(|gib| *gib > 0));
        let call = call.storage_type(&self.storage_type).set_iops(self.iops).set_storage_throughput(self.throughput_mibps);
        let call = call.multi_az(self.multi_az).set_db_name(self.database_name.clone()).set_port(self.port);
        let password = match &self.password_secret {
            Some(secret) => Some(secret_password(cx.api, secret.get()).await?),
            None => None,
        };
        let call = call.master_username(self.username.as_deref().unwrap_or(default_user));
        let call = call.manage_master_user_password(password.is_none()).set_master_user_password(password);
        let call = call.set_master_user_secret_kms_key_id(self.master_password_key.as_ref().map(|key| key.get().to_owned()));
        let call =
            call.db_subnet_group_name(self.subnet_group.get()).set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let call = call.set_db_parameter_group_name(self.parameter_group.as_ref().map(|group| group.get().to_owned()));
        let call = call.set_option_group_name(self.option_group.as_ref().map(|group| group.get().to_owned()));
        let call = call.storage_encrypted(self.encrypted).set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.backup_retention_period(self.backup_retention_days).set_preferred_backup_window(self.backup_window.clone());
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone()).publicly_accessible(self.publicly_accessible);
        let call = call.deletion_protection(self.deletion_protection).enable_performance_insights(self.performance_insights);
        let call = call.set_performance_insights_retention_period(self.insights_retention());
        let call = call.monitoring_interval(self.monitoring_interval_seconds);
        let call = call.set_monitoring_role_arn(self.monitoring_role.as_ref().map(|role| role.get().to_owned()));
        let call = call.set_enable_cloudwatch_logs_exports(self.log_exports());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade).copy_tags_to_snapshot(self.copy_tags_to_snapshot);
        let call = call.set_ca_certificate_identifier(self.ca_certificate.clone());
        let reply = call.enable_iam_database_authentication(self.iam_authentication).send().await?;
        reply.db_instance.and_then(|db| db.db_instance_identifier).ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))
    }

    fn tags_to_sdk(&self, tags: &Tags) -> Vec<Tag> {
        services::rds::tags_with_password_secret(tags, self.password_secret.as_ref().map(|secret| secret.get()))
    }

    /// Restores a database from a snapshot. RDS accepts other settings (version, storage limit, maintenance window, insights, monitoring,
    /// and for these engines the management of the password) only once the database is available; a read then shows that they are missing.
    pub(super) async fn restore(&self, cx: &Cx<'_>, name: &str) -> Result<String> {
        let snapshot = find_snapshot(&cx.rds, name).await?;
        if let Some(wrong) = self.conflict_with_snapshot(&snapshot) {
            return Err(Error::new(ErrorKind::Rejected, "SnapshotDiffers", wrong));
        }
        let call = cx.rds.restore_db_instance_from_db_snapshot().db_snapshot_identifier(name);
        let call = call.set_db_instance_identifier(self.name.clone()).set_tags(Some(services::rds::to_tags(&cx.call.tags)));
        let call = call.engine(to_aws(&self.engine)).db_instance_class(&self.class);
        // Storage that RDS increased keeps its size.
        let size = snapshot.allocated_storage().unwrap_or_default();
        let call = call.allocated_storage(self.storage_gib.max(size)).storage_type(&self.storage_type);
        let (iops, throughput) = self.performance_of_copy(snapshot.storage_type(), size);
        let call = call.set_iops(iops).set_storage_throughput(throughput);
        let call = call.multi_az(self.multi_az).set_port(self.port).publicly_accessible(self.publicly_accessible);
        let call =
            call.db_subnet_group_name(self.subnet_group.get()).set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        // The group of another major version is set during the upgrade.
        let fits = self.engine.same_major(&self.version, snapshot.engine_version().unwrap_or_default());
        let group = self.parameter_group.as_ref().filter(|_| fits);
        let call = call.set_db_parameter_group_name(group.map(|group| group.get().to_owned()));
        let options = self.option_group.as_ref().filter(|_| fits);
        let call = call.set_option_group_name(options.map(|group| group.get().to_owned()));
        let call = call.backup_retention_period(self.backup_retention_days).set_preferred_backup_window(self.backup_window.clone());
        let call = call.deletion_protection(self.deletion_protection).set_enable_cloudwatch_logs_exports(self.log_exports());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade).copy_tags_to_snapshot(self.copy_tags_to_snapshot);
        let call = call.set_ca_certificate_identifier(self.ca_certificate.clone());
        let reply = call.enable_iam_database_authentication(self.iam_authentication).send().await?;
        reply.db_instance.and_then(|db| db.db_instance_identifier).ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))
    }

    /// Performance to request for the storage of a copy, from the type and size of the origin's: IOPS, and MiB per second. Unless the call sets
    /// it, the copy gets that of its origin, which is too low for storage that exceeds the threshold.
    pub(super) fn performance_of_copy(&self, storage_type: Option<&str>, gib: i32) -> (Option<i32>, Option<i32>) {
        let kept = storage_type == Some(&self.storage_type) && takes_iops(&self.storage_type, gib);
        let least = self.storage_type == "gp3" && self.takes_iops() && !kept;
        (self.iops.or(least.then_some(GP3_IOPS)), self.throughput_mibps.or(least.then_some(GP3_MIBPS)))
    }

    /// Reason why this snapshot can't be restored to the requested database; without this check, RDS would reject it only after minutes.
    fn conflict_with_snapshot(&self, snapshot: &DbSnapshot) -> Option<String> {
        const COPY: &str = "`aws rds copy-db-snapshot --kms-key-id` creates a copy with another key, to use here";
        let key = self.kms_key.as_ref().map(|key| key.get()).filter(|key| key.contains(":key/"));
        match (snapshot.encrypted(), snapshot.kms_key_id()) {
            (Some(false), _) if self.encrypted => {
                return Some(format!("the snapshot is not encrypted: set `encrypted: false`, or encrypt a copy of it; {COPY}"));
            }
            (Some(true), _) if !self.encrypted => {
                return Some("the snapshot is encrypted, and so is a database restored from it: set `encrypted: true`".to_owned());
            }
            (_, Some(theirs)) if key.is_some_and(|key| key != theirs) => {
                return Some(format!("the snapshot is encrypted with {theirs}, and so is a database restored from it; {COPY}"));
            }
            _ => {}
        }
        let size = snapshot.allocated_storage().unwrap_or_default();
        if size > self.storage_gib && !self.grows() {
            return Some(format!("the snapshot has {size} GiB of storage, which can't shrink: set `storage_gib: {size}`"));
        }
        let version = snapshot.engine_version().filter(|_| snapshot.engine() == Some(&to_aws(&self.engine)))?;
        if self.engine.satisfies(&self.version, self.auto_minor_version_upgrade, version) {
            return None;
        }
        if Direction::Increase.refusal(&version.into(), &self.version.as_str().into()).is_some() {
            return Some(format!("the snapshot has version {version}, and AWS does not downgrade engine versions"));
        }
        let major = !self.engine.same_major(&self.version, version);
        (major && !self.allow_major_version_upgrade).then(|| {
            format!("the snapshot has version {version}: set `allow_major_version_upgrade: true` to upgrade it to {}", self.version)
        })
    }

    /// Logs to export, if any: RDS rejects an empty list.
    pub(super) fn log_exports(&self) -> Option<Vec<String>> {
        Some(self.log_exports.iter().cloned().collect::<Vec<_>>()).filter(|logs| !logs.is_empty())
    }
}

/// RDS's code for a missing snapshot.
pub(super) const SNAPSHOT_NOT_FOUND: &str = "DBSnapshotNotFound";

/// Snapshot with this name or ARN.
pub(super) async fn find_snapshot(rds: &services::rds::Client, name: &str) -> Result<DbSnapshot> {
    let call = rds.describe_db_snapshots().db_snapshot_identifier(name);
    // RDS returns automated snapshots only on request, and those of other accounts only by ARN.
    let own = name.rsplit_once(":snapshot:").map_or(name, |(_, own)| own);
    let call = match ["rds:", "awsbackup:"].iter().find(|prefix| own.starts_with(**prefix)) {
        Some(&"rds:") => call.snapshot_type("automated"),
        Some(_) => call.snapshot_type("awsbackup"),
        None => call.include_shared(true).include_public(true),
    };
    let found = call.send().await.map_err(Error::from).map_err(|error| match error.kind {
        // It existed before this run, or never will.
        ErrorKind::NotFound => Error { kind: ErrorKind::Rejected, ..error },
        _ => error,
    })?;
    let found = found.db_snapshots.unwrap_or_default().into_iter().next();
    found.ok_or_else(|| Error::new(ErrorKind::Rejected, SNAPSHOT_NOT_FOUND, format!("the snapshot `{name}` does not exist")))
}
