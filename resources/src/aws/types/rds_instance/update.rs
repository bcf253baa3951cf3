//! Changes a database.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DbInstance};

use super::{super::cache_user::secret_password, GP3_IOPS, GP3_MIBPS, RdsInstance, RdsInstanceChanges};
use crate::{
    aws::{Aws, Cx, services},
    core::{Error, Existing, Result, referenced_ids},
};

impl RdsInstance {
    /// Renames the database, after all other changes: the id of later calls is its new name.
    pub(super) async fn rename(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        let call = cx.rds.modify_db_instance().db_instance_identifier(id).set_new_db_instance_identifier(self.name.clone());
        call.apply_immediately(true).send().await?;
        Ok(())
    }

    /// Makes one call with all changes but that of the name; RDS keeps omitted settings.
    pub(super) async fn modify(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsInstanceChanges) -> Result<()> {
        /// Value if its field changed.
        macro_rules! if_changed {
            ($field:ident, $value:expr) => {
                changes.$field.then(|| $value)
            };
        }
        let (id, before) = (live.id.as_str(), &live.spec);
        let storage = changes.storage_gib || changes.storage_type || changes.iops || changes.throughput_mibps;
        let provisioned = storage && self.takes_iops();
        let call = cx.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(self.apply_immediately);
        let call = call.set_engine_version(if_changed!(version, self.version.clone()));
        let call = call.set_allow_major_version_upgrade(if_changed!(version, self.allow_major_version_upgrade));
        let call = call.set_db_instance_class(if_changed!(class, self.class.clone())).set_multi_az(if_changed!(multi_az, self.multi_az));
        // RDS may have increased the storage, and accepts performance only together with the size.
        let grows = (self.grows() || before.grows()) && (provisioned || changes.max_storage_gib);
        let size = match changes.storage_gib {
            true => self.storage_gib,
            false if grows => read_allocated_storage(cx.api, id).await?,
            false => before.storage_gib,
        };
        let call = call.set_allocated_storage((provisioned || changes.storage_gib).then_some(size));
        // RDS rejects performance settings for smaller or other storage.
        let kept = before.takes_iops() && before.storage_type == self.storage_type;
        let gp3 = self.storage_type == "gp3";
        let iops = self.iops.or(before.iops.filter(|_| kept)).or(gp3.then_some(GP3_IOPS));
        let call = call.set_iops(iops.filter(|_| provisioned));
        let throughput = self.throughput_mibps.or(before.throughput_mibps.filter(|_| kept)).unwrap_or(GP3_MIBPS);
        let call = call.set_storage_throughput((provisioned && gp3).then_some(throughput));
        let call = call.set_storage_type(if_changed!(storage_type, self.storage_type.clone()));
        // Setting the maximum to the size disables automatic growth.
        let maximum = self.max_storage_gib.map(|gib| if gib == 0 { size } else { gib });
        let call = call.set_max_allocated_storage(maximum.filter(|_| changes.max_storage_gib));
        let key = self.master_password_key.as_ref().map(|key| key.get().to_owned()).filter(|_| changes.master_password_key);
        let password = match self.password_secret.as_ref().filter(|_| changes.password_secret) {
            Some(secret) => Some(secret_password(cx.api, secret.get()).await?),
            None => None,
        };
        let managed = match (&password, &self.password_secret) {
            // RDS accepts it only where it manages the password.
            (Some(_), _) => before.master_password_key.is_some().then_some(false),
            // A password from a snapshot or a point in time is not managed yet.
            (None, None) => (key.is_some() || changes.snapshot || changes.point_in_time || changes.password_secret).then_some(true),
            (None, Some(_)) => None,
        };
        let call = call.set_manage_master_user_password(managed).set_master_user_password(password).set_master_user_secret_kms_key_id(key);
        let call = call.set_db_port_number(self.port.filter(|_| changes.port));
        let call = call.set_db_subnet_group_name(if_changed!(subnet_group, self.subnet_group.get().to_owned()));
        let call = call.set_vpc_security_group_ids(if_changed!(security_groups, referenced_ids(&self.security_groups)));
        // The live version is exact.
        let version = if changes.version { &self.version } else { &before.version };
        let default_group = || changes.parameter_group.then(|| self.engine.default_parameter_group(version));
        let group = self.parameter_group.as_ref().map(|group| group.get().to_owned()).or_else(default_group);
        // A new major version needs the parameter group of its family in the same call.
        let call = call.set_db_parameter_group_name(group.filter(|_| changes.parameter_group || changes.version));
        let default_options = || changes.option_group.then(|| self.engine.default_option_group(version));
        let options = self.option_group.as_ref().map(|group| group.get().to_owned()).or_else(default_options);
        // A new major version needs a group of its own, too.
        let call = call.set_option_group_name(options.filter(|_| changes.option_group || changes.version));
        let call = call.set_backup_retention_period(if_changed!(backup_retention_days, self.backup_retention_days));
        let call = call.set_preferred_backup_window(self.backup_window.clone().filter(|_| changes.backup_window));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let call = call.set_publicly_accessible(if_changed!(publicly_accessible, self.publicly_accessible));
        let call = call.set_deletion_protection(if_changed!(deletion_protection, self.deletion_protection));
        let insights = changes.performance_insights || changes.performance_insights_retention_days;
        let call = call.set_enable_performance_insights(insights.then_some(self.performance_insights));
        let call = call.set_performance_insights_retention_period(self.insights_retention().filter(|_| insights));
        let monitoring = changes.monitoring_interval_seconds || changes.monitoring_role;
        let call = call.set_monitoring_interval(monitoring.then_some(self.monitoring_interval_seconds));
        let role = self.monitoring_role.as_ref().filter(|_| monitoring && self.monitoring_interval_seconds > 0);
        let call = call.set_monitoring_role_arn(role.map(|role| role.get().to_owned()));
        let logs = if_changed!(log_exports, {
            let difference = |a: &BTreeSet<String>, b| Some(a.difference(b).cloned().collect::<Vec<_>>()).filter(|logs| !logs.is_empty());
            CloudwatchLogsExportConfiguration::builder()
                .set_enable_log_types(difference(&self.log_exports, &before.log_exports))
                .set_disable_log_types(difference(&before.log_exports, &self.log_exports))
                .build()
        });
        let call = call.set_cloudwatch_logs_export_configuration(logs);
        let call = call.set_auto_minor_version_upgrade(if_changed!(auto_minor_version_upgrade, self.auto_minor_version_upgrade));
        let call = call.set_ca_certificate_identifier(self.ca_certificate.clone().filter(|_| changes.ca_certificate));
        let call = call.set_copy_tags_to_snapshot(if_changed!(copy_tags_to_snapshot, self.copy_tags_to_snapshot));
        call.set_enable_iam_database_authentication(if_changed!(iam_authentication, self.iam_authentication)).send().await?;
        if changes.password_secret {
            let secret = self.password_secret.as_ref().map(|secret| secret.get());
            services::rds::record_password_secret(cx.api, &format!("db:{id}"), secret).await?;
        }
        Ok(())
    }
}

/// The current size of a database's storage.
async fn read_allocated_storage(aws: &Aws, id: &str) -> Result<i32> {
    let reply = aws.rds.describe_db_instances().db_instance_identifier(id).send().await?;
    reply.db_instances().iter().find_map(DbInstance::allocated_storage).ok_or_else(|| Error::missing_field("AllocatedStorage"))
}
