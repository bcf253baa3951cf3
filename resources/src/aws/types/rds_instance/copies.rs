//! Creates a database as a read replica, or with the data that another one had.

use acme_macros::spec;
use aws_sdk_rds::types::DbInstance;
use aws_smithy_types::{DateTime, date_time::Format};

use super::{Engine, RdsInstance};
use crate::{
    aws::{Cx, from_aws, services, to_aws},
    core::{Direction, Error, ErrorKind, Ref, Result, referenced_ids},
};

/// State of another database at a point in time.
#[spec]
#[derive(PartialEq)]
pub struct PointInTime {
    /// The database, which has automatic backups of this time.
    #[field(unset = "none", conflicts_with = backup, dropped(kept, "used only at creation"))]
    pub database: Option<Ref<RdsInstance>>,
    /// ARN of automated backups that a deleted database has left, or that another region has replicated.
    #[field(unset = "none", pattern = "arn:aws[a-z-]*:rds:.+:auto-backup:.+", dropped(kept, "used only at creation"))]
    pub backup: Option<String>,
    /// Time of the state, such as `2026-11-29T12:00:00Z`.
    #[field(unset = "the latest possible", length = 1..=64, dropped(kept, "used only at creation"))]
    pub time: Option<String>,
}

impl RdsInstance {
    /// Creates a read replica. RDS accepts backups, the maintenance window, deletion protection, another version and most parameter groups only once
    /// it is available; a read then shows that they are missing.
    pub(super) async fn replicate(&self, cx: &Cx<'_>, source: &str) -> Result<String> {
        let (region, name) = region_and_name(source);
        let origin = match region == Some(cx.region.as_str()) {
            true => Some(self.fitting_origin(cx, name).await?),
            // This region does not describe it.
            false => None,
        };
        // With its identifier instead, RDS would accept no subnet group.
        let call = cx.rds.create_db_instance_read_replica().source_db_instance_identifier(source);
        let call = call.set_db_instance_identifier(self.name.clone()).set_tags(Some(services::rds::to_tags(&cx.call.tags)));
        let (iops, throughput) = self.performance(origin.as_ref());
        let call = call.db_instance_class(&self.class).set_allocated_storage(self.size(origin.as_ref()));
        let call = call.set_max_allocated_storage(self.max_storage_gib.filter(|gib| *gib > 0)).storage_type(&self.storage_type);
        let call = call.set_iops(iops).set_storage_throughput(throughput);
        let call = call.multi_az(self.multi_az).set_port(self.port).publicly_accessible(self.publicly_accessible);
        let call =
            call.db_subnet_group_name(self.subnet_group.get()).set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        // RDS takes no other group, and gives the replica that of its source, or a default one.
        let group = self.parameter_group.as_ref().filter(|_| origin.is_none() && self.engine == Engine::Mysql);
        let call = call.set_db_parameter_group_name(group.map(|group| group.get().to_owned()));
        let options = self.option_group.as_ref().filter(|_| self.has_major_version_of(origin.as_ref()));
        let call = call.set_option_group_name(options.map(|group| group.get().to_owned()));
        // In the region of its source, a replica has the source's key, and RDS rejects even the same one.
        let key = self.kms_key.as_ref().filter(|_| origin.is_none());
        let call = call.set_kms_key_id(key.map(|key| key.get().to_owned()));
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

    /// Creates a database with the data of another one. RDS accepts other settings only once it is available, as for one from a snapshot.
    pub(super) async fn restore_to(&self, cx: &Cx<'_>, point: &PointInTime) -> Result<String> {
        let origin = match &point.database {
            Some(source) => Some(self.fitting_origin(cx, source.get()).await?),
            None => None,
        };
        let call = cx.rds.restore_db_instance_to_point_in_time().set_target_db_instance_identifier(self.name.clone());
        let call = call.set_source_db_instance_identifier(point.database.as_ref().map(|source| source.get().to_owned()));
        let call = call.set_source_db_instance_automated_backups_arn(point.backup.clone());
        let call = call.set_restore_time(point.time.as_deref().map(parse_time).transpose()?);
        let call = call.set_use_latest_restorable_time(point.time.is_none().then_some(true));
        let call = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).engine(to_aws(&self.engine)).db_instance_class(&self.class);
        let (iops, throughput) = self.performance(origin.as_ref());
        let call = call.set_allocated_storage(self.size(origin.as_ref()));
        let call = call.set_max_allocated_storage(self.max_storage_gib.filter(|gib| *gib > 0)).storage_type(&self.storage_type);
        let call = call.set_iops(iops).set_storage_throughput(throughput);
        let call = call.multi_az(self.multi_az).set_port(self.port).publicly_accessible(self.publicly_accessible);
        let call =
            call.db_subnet_group_name(self.subnet_group.get()).set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let fits = self.has_major_version_of(origin.as_ref());
        let call = call.set_db_parameter_group_name(self.parameter_group.as_ref().filter(|_| fits).map(|group| group.get().to_owned()));
        let call = call.set_option_group_name(self.option_group.as_ref().filter(|_| fits).map(|group| group.get().to_owned()));
        let call = call.backup_retention_period(self.backup_retention_days).set_preferred_backup_window(self.backup_window.clone());
        let call = call.deletion_protection(self.deletion_protection).set_enable_cloudwatch_logs_exports(self.log_exports());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade).copy_tags_to_snapshot(self.copy_tags_to_snapshot);
        let call = call.set_ca_certificate_identifier(self.ca_certificate.clone());
        let reply = call.enable_iam_database_authentication(self.iam_authentication).send().await?;
        reply.db_instance.and_then(|db| db.db_instance_identifier).ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))
    }

    /// Ends the replication for good. RDS enables backups with the same call.
    pub(super) async fn promote(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        let call = cx.rds.promote_read_replica().db_instance_identifier(id).backup_retention_period(self.backup_retention_days);
        call.set_preferred_backup_window(self.backup_window.clone()).send().await?;
        Ok(())
    }

    /// Storage of a copy: storage that RDS increased in the origin keeps its size.
    fn size(&self, origin: Option<&DbInstance>) -> Option<i32> {
        match origin {
            Some(origin) => Some(self.storage_gib.max(origin.allocated_storage().unwrap_or_default())),
            None => (!self.grows()).then_some(self.storage_gib),
        }
    }

    fn performance(&self, origin: Option<&DbInstance>) -> (Option<i32>, Option<i32>) {
        let size = origin.and_then(DbInstance::allocated_storage).unwrap_or_default();
        self.performance_of_copy(origin.and_then(DbInstance::storage_type), size)
    }

    /// Whether a copy can have its groups at once. Those of another major version are set during the upgrade.
    fn has_major_version_of(&self, origin: Option<&DbInstance>) -> bool {
        origin.and_then(DbInstance::engine_version).is_none_or(|version| self.engine.same_major(&self.version, version))
    }

    /// The database to copy. RDS would reject one that does not fit, or create another database than the requested one.
    async fn fitting_origin(&self, cx: &Cx<'_>, id: &str) -> Result<DbInstance> {
        let reply = cx.rds.describe_db_instances().db_instance_identifier(id).send().await?;
        let origin = reply.db_instances.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("DBInstance"))?;
        match self.difference_from(&origin) {
            Some(wrong) => Err(Error::new(ErrorKind::Rejected, "SourceDiffers", wrong)),
            None => Ok(origin),
        }
    }

    fn difference_from(&self, origin: &DbInstance) -> Option<String> {
        let name = origin.db_instance_identifier().unwrap_or_default();
        let engine: Option<Engine> = origin.engine().and_then(|engine| from_aws(engine).ok());
        if engine != Some(self.engine) {
            return Some(format!("`{name}` has the engine {}, and so have its copies", origin.engine().unwrap_or_default()));
        }
        for (what, own, theirs) in [
            ("master user", self.username.as_deref(), origin.master_username()),
            ("initial database", self.database_name.as_deref(), origin.db_name()),
        ] {
            if own.is_some() && own != theirs {
                return Some(format!("`{name}` has the {what} {}, and so have its copies", theirs.unwrap_or("none")));
            }
        }
        let is_encrypted = origin.storage_encrypted().unwrap_or_default();
        let own_key = self.kms_key.as_ref().map(|key| key.get()).filter(|key| key.contains(":key/"));
        if is_encrypted != self.encrypted || own_key.is_some_and(|key| Some(key) != origin.kms_key_id()) {
            let key = origin.kms_key_id().map_or_else(|| "not encrypted".to_owned(), |key| format!("encrypted with {key}"));
            return Some(format!("`{name}` is {key}, and so are its copies: set the same `encrypted` and `kms_key`"));
        }
        let version = origin.engine_version().unwrap_or_default();
        if !self.engine.satisfies(&self.version, self.auto_minor_version_upgrade, version) {
            if Direction::Increase.refusal(&version.into(), &self.version.as_str().into()).is_some() {
                return Some(format!("`{name}` has version {version}, and AWS does not downgrade engine versions"));
            }
            if !self.engine.same_major(&self.version, version) && !self.allow_major_version_upgrade {
                let to = &self.version;
                return Some(format!(
                    "`{name}` has version {version}: set `allow_major_version_upgrade: true` to upgrade the copy to {to}"
                ));
            }
        }
        let size = origin.allocated_storage().unwrap_or_default();
        (size > self.storage_gib && !self.grows())
            .then(|| format!("`{name}` has {size} GiB of storage, and its copies have no less: set `storage_gib: {size}`"))
    }
}

/// Region and identifier of the database with an ARN. Without an ARN, it has no region.
pub(super) fn region_and_name(arn: &str) -> (Option<&str>, &str) {
    let mut parts = arn.splitn(7, ':').skip(3);
    match (parts.next(), parts.nth(2)) {
        (Some(region), Some(name)) => (Some(region), name),
        _ => (None, arn),
    }
}

/// Time of a definition.
pub(in crate::aws::types) fn parse_time(text: &str) -> Result<DateTime> {
    DateTime::from_str(text, Format::DateTimeWithOffset).map_err(|error| Error::new(ErrorKind::Rejected, "Time", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_arns_of_databases() {
        assert_eq!(region_and_name("arn:aws:rds:eu-west-1:123456789012:db:orders"), (Some("eu-west-1"), "orders"));
        assert_eq!(region_and_name("orders"), (None, "orders"));
    }
}
