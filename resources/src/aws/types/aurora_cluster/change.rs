//! Changes a cluster: RDS makes one change at a time.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DbCluster};

use super::{
    super::{
        aurora_global::{is_writer, read_global},
        cache_user::secret_password,
        prelude::*,
    },
    AuroraCluster, AuroraClusterChanges, ClusterRole, Serverless,
};
use crate::core::{ErrorKind, referenced_ids};

async fn read_cluster(cx: &Cx<'_>, id: &str) -> Result<DbCluster> {
    let reply = cx.rds.describe_db_clusters().db_cluster_identifier(id).send().await?;
    reply.db_clusters.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("DBCluster"))
}

async fn read_arn(cx: &Cx<'_>, id: &str) -> Result<String> {
    read_cluster(cx, id).await?.db_cluster_arn.ok_or_else(|| Error::missing_field("DBClusterArn"))
}

/// Takes a cluster out of its global database.
pub(super) async fn leave(cx: &Cx<'_>, id: &str, global: &str) -> Result<()> {
    let arn = read_arn(cx, id).await?;
    let call = cx.rds.remove_from_global_cluster().global_cluster_identifier(global).db_cluster_identifier(arn);
    // It has left already, or the global database was deleted.
    ok_or_not_found(call.send().await).map(drop)
}

impl AuroraCluster {
    /// Makes the next call; the engine waits until the cluster is ready again, and asks for the rest.
    pub(super) async fn change(&self, cx: &Cx<'_>, live: &Existing<Self>, mut changes: AuroraClusterChanges) -> Result<()> {
        // RDS makes no other change at the same time.
        if let (true, None, Some(global)) = (changes.global, &self.global, &live.spec.global) {
            return leave(cx, &live.id, global.get()).await;
        }
        if let Some(global) = self.global.as_ref().filter(|_| changes.version && !self.engine.same_major(&self.version, &live.spec.version))
        {
            self.check_upgraded(cx, &live.id, global.get()).await?;
            changes.version = false;
        }
        let others = AuroraClusterChanges {
            global: false,
            roles: false,
            data_api: false,
            allow_major_version_upgrade: false,
            upgraded_instance_parameter_group: false,
            delete_automated_backups: false,
            apply_immediately: false,
            ..changes
        };
        if !Self::pointers(&others).is_empty() {
            return self.modify(cx, live, changes).await;
        }
        if changes.data_api {
            let arn = read_arn(cx, &live.id).await?;
            match self.data_api {
                true => drop(cx.rds.enable_http_endpoint().resource_arn(arn).send().await?),
                false => drop(cx.rds.disable_http_endpoint().resource_arn(arn).send().await?),
            }
        }
        if changes.roles {
            for ClusterRole { role, feature } in live.spec.roles.difference(&self.roles) {
                let call = cx.rds.remove_role_from_db_cluster().db_cluster_identifier(&live.id).role_arn(role.get());
                let call = call.set_feature_name(Some(feature.clone()).filter(|name| !name.is_empty()));
                ok_or_not_found(call.send().await)?;
            }
            for ClusterRole { role, feature } in self.roles.difference(&live.spec.roles) {
                let call = cx.rds.add_role_to_db_cluster().db_cluster_identifier(&live.id).role_arn(role.get());
                let call = call.set_feature_name(Some(feature.clone()).filter(|name| !name.is_empty()));
                match call.send().await.map_err(Error::from) {
                    // An earlier attempt of this step added it.
                    Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                    answer => drop(answer?),
                }
            }
        }
        Ok(())
    }

    /// RDS upgrades a global database with all its clusters, and no single one.
    async fn check_upgraded(&self, cx: &Cx<'_>, id: &str, global: &str) -> Result<()> {
        let version = read_cluster(cx, id).await?.engine_version.unwrap_or_default();
        if self.engine.satisfies(&self.version, &version) {
            return Ok(());
        }
        let message = format!("`{id}` has version {version}, and is upgraded with its global database `{global}`: set `version` there");
        Err(Error::new(ErrorKind::Conflict, "InvalidGlobalClusterStateFault", message))
    }

    /// Whether it copies another cluster, which has the passwords.
    async fn is_copy(&self, cx: &Cx<'_>, id: &str) -> Result<bool> {
        let Some(global) = &self.global else { return Ok(false) };
        let database = read_global(cx.api, global.get()).await?;
        Ok(!is_writer(&database, &read_arn(cx, id).await?))
    }

    /// Makes one call with all its changes; RDS keeps omitted settings.
    async fn modify(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AuroraClusterChanges) -> Result<()> {
        /// Value if its field changed.
        macro_rules! if_changed {
            ($field:ident, $value:expr) => {
                changes.$field.then(|| $value)
            };
        }
        let before = &live.spec;
        let call = cx.rds.modify_db_cluster().db_cluster_identifier(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_engine_version(if_changed!(version, self.version.clone()));
        let major = changes.version && !self.engine.same_major(&self.version, &before.version);
        let call = call.set_allow_major_version_upgrade(major.then_some(self.allow_major_version_upgrade));
        let instances = self.upgraded_instance_parameter_group.as_ref().filter(|_| major);
        let call = call.set_db_instance_parameter_group_name(instances.map(|group| group.get().to_owned()));
        let key = self.master_password_key.as_ref().map(|key| key.get().to_owned()).filter(|_| changes.master_password_key);
        let password = match self.password_secret.as_ref().filter(|_| changes.password_secret) {
            Some(secret) if !self.is_copy(cx, &live.id).await? => Some(secret_password(cx.api, secret.get()).await?),
            _ => None,
        };
        let managed = match (&password, &self.password_secret) {
            // RDS accepts it only where it manages the password.
            (Some(_), _) => before.master_password_key.is_some().then_some(false),
            // It manages none of a global database.
            _ if self.global.is_some() => None,
            // A password from a snapshot or a point in time is not managed yet.
            (None, None) => (key.is_some() || changes.snapshot || changes.point_in_time || changes.password_secret).then_some(true),
            (None, Some(_)) => None,
        };
        let call = call.set_manage_master_user_password(managed).set_master_user_password(password).set_master_user_secret_kms_key_id(key);
        let call = call.set_port(self.port.filter(|_| changes.port));
        let call = call.set_vpc_security_group_ids(if_changed!(security_groups, referenced_ids(&self.security_groups)));
        let call = call.set_network_type(if_changed!(network_type, self.network_type.clone()));
        // The live version is exact.
        let version = if self.engine.same_major(&self.version, &before.version) { &before.version } else { &self.version };
        let default_group = || changes.parameter_group.then(|| self.engine.default_parameter_group(version));
        let group = self.parameter_group.as_ref().map(|group| group.get().to_owned()).or_else(default_group);
        // A new major version needs the parameter group of its family in the same call.
        let call = call.set_db_cluster_parameter_group_name(group.filter(|_| changes.parameter_group || major));
        let call =
            call.set_serverless_v2_scaling_configuration(self.serverless.as_ref().filter(|_| changes.serverless).map(Serverless::to_sdk));
        let call = call.set_storage_type(if_changed!(storage_type, self.storage_type.clone()));
        let call = call.set_backup_retention_period(if_changed!(backup_retention_days, self.backup_retention_days));
        let call = call.set_preferred_backup_window(self.backup_window.clone().filter(|_| changes.backup_window));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let call = call.set_deletion_protection(if_changed!(deletion_protection, self.deletion_protection));
        let call = call.set_enable_iam_database_authentication(if_changed!(iam_authentication, self.iam_authentication));
        let logs = if_changed!(log_exports, {
            let difference = |a: &BTreeSet<String>, b| Some(a.difference(b).cloned().collect::<Vec<_>>()).filter(|logs| !logs.is_empty());
            CloudwatchLogsExportConfiguration::builder()
                .set_enable_log_types(difference(&self.log_exports, &before.log_exports))
                .set_disable_log_types(difference(&before.log_exports, &self.log_exports))
                .build()
        });
        let call = call.set_cloudwatch_logs_export_configuration(logs);
        let call = call.set_backtrack_window(if_changed!(backtrack_seconds, self.backtrack_seconds));
        let call = call.set_enable_local_write_forwarding(if_changed!(local_write_forwarding, self.local_write_forwarding));
        let call = call.set_enable_global_write_forwarding(if_changed!(global_write_forwarding, self.global_write_forwarding));
        // Advanced mode and Performance Insights depend on each other.
        let insights = changes.database_insights || changes.performance_insights || changes.performance_insights_retention_days;
        let call = call.set_database_insights_mode(if_changed!(database_insights, self.database_insights.as_str().into()));
        let call = call.set_enable_performance_insights(insights.then_some(self.performance_insights));
        let call = call.set_performance_insights_retention_period(self.insights_retention().filter(|_| insights));
        let monitoring = changes.monitoring_interval_seconds || changes.monitoring_role;
        let call = call.set_monitoring_interval(monitoring.then_some(self.monitoring_interval_seconds));
        let role = self.monitoring_role.as_ref().filter(|_| monitoring && self.monitoring_interval_seconds > 0);
        let call = call.set_monitoring_role_arn(role.map(|role| role.get().to_owned()));
        let call = call.set_copy_tags_to_snapshot(if_changed!(copy_tags_to_snapshot, self.copy_tags_to_snapshot));
        call.set_engine_lifecycle_support(if_changed!(extended_support, self.lifecycle_support().to_owned())).send().await?;
        if changes.password_secret {
            let secret = self.password_secret.as_ref().map(|secret| secret.get());
            services::rds::record_password_secret(cx.api, &format!("cluster:{}", live.id), secret).await?;
        }
        Ok(())
    }
}
