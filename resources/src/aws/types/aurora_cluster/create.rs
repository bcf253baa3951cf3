//! Creates a cluster, empty or from a snapshot.

use aws_sdk_rds::types::{DbClusterSnapshot, ServerlessV2ScalingConfiguration};

use super::{
    super::{
        aurora_global::{has_writer, read_global},
        cache_user::secret_password,
        prelude::*,
    },
    AuroraCluster, Serverless,
};
use crate::{
    aws::to_aws,
    core::{Direction, ErrorKind, referenced_ids},
};

/// RDS's words for the support of old major versions.
pub(in crate::aws::types) const EXTENDED_SUPPORT: &str = "open-source-rds-extended-support";
/// The same, disabled.
pub(in crate::aws::types) const NO_EXTENDED_SUPPORT: &str = "open-source-rds-extended-support-disabled";

/// The settings that both calls that restore a cluster accept; the calls have types of their own. `fits` says whether the cluster has the major
/// version of its parameter group at once: otherwise the group is set during the upgrade.
macro_rules! with_restored_settings {
    ($cluster:expr, $call:expr, fits: $fits:expr) => {{
        let cluster: &AuroraCluster = $cluster;
        let call = $call.set_port(cluster.port).db_subnet_group_name(cluster.subnet_group.get()).network_type(&cluster.network_type);
        let call = call.set_vpc_security_group_ids(Some(referenced_ids(&cluster.security_groups)));
        let group = cluster.parameter_group.as_ref().filter(|_| $fits);
        let call = call.set_db_cluster_parameter_group_name(group.map(|group| group.get().to_owned()));
        let call = call.set_serverless_v2_scaling_configuration(cluster.serverless.as_ref().map(Serverless::to_sdk));
        let call = call.storage_type(&cluster.storage_type).set_kms_key_id(cluster.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.deletion_protection(cluster.deletion_protection).set_enable_cloudwatch_logs_exports(cluster.log_exports());
        let call = call.set_backtrack_window(Some(cluster.backtrack_seconds).filter(|seconds| *seconds > 0));
        let call = call.enable_iam_database_authentication(cluster.iam_authentication).copy_tags_to_snapshot(cluster.copy_tags_to_snapshot);
        call.engine_lifecycle_support(cluster.lifecycle_support())
    }};
}
pub(super) use with_restored_settings;

/// Part of a new cluster in a global database.
struct Role {
    /// Whether it copies another cluster, which is the writer.
    is_copy: bool,
    /// Exact engine version of the global database, if it is one that the cluster accepts.
    version: Option<String>,
}

impl AuroraCluster {
    /// Creates an empty cluster. RDS adds its roles later.
    pub(super) async fn create_empty(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.rds.create_db_cluster().set_db_cluster_identifier(self.name.clone());
        let secret = self.password_secret.as_ref().map(|secret| secret.get());
        let call = call.set_tags(Some(services::rds::tags_with_password_secret(&cx.call.tags, secret)));
        let role = self.role(cx).await?;
        let call = call.engine(to_aws(&self.engine)).engine_version(role.version.as_ref().unwrap_or(&self.version));
        let call = call.set_port(self.port).set_global_cluster_identifier(self.global.as_ref().map(|global| global.get().to_owned()));
        let call = call.set_enable_global_write_forwarding(self.global_write_forwarding.then_some(true));
        // A copy has the users and databases of the writer.
        let call = if role.is_copy {
            call
        } else {
            let password = match &self.password_secret {
                Some(secret) => Some(secret_password(cx.api, secret.get()).await?),
                None => None,
            };
            let user = self.username.as_deref().unwrap_or(self.engine.default_user());
            let call = call.set_database_name(self.database_name.clone()).master_username(user);
            let call = call.manage_master_user_password(password.is_none()).set_master_user_password(password);
            call.set_master_user_secret_kms_key_id(self.master_password_key.as_ref().map(|key| key.get().to_owned()))
        };
        let call = call.db_subnet_group_name(self.subnet_group.get()).network_type(&self.network_type);
        let call = call.set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let call = call.set_db_cluster_parameter_group_name(self.parameter_group.as_ref().map(|group| group.get().to_owned()));
        let call = call.set_serverless_v2_scaling_configuration(self.serverless.as_ref().map(Serverless::to_sdk));
        let storage_type = Some(self.storage_type.clone()).filter(|kind| *kind != Self::default_storage_type());
        let call = call.set_storage_type(storage_type).storage_encrypted(self.encrypted);
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.backup_retention_period(self.backup_retention_days).set_preferred_backup_window(self.backup_window.clone());
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone()).deletion_protection(self.deletion_protection);
        let call = call.enable_iam_database_authentication(self.iam_authentication).set_enable_cloudwatch_logs_exports(self.log_exports());
        let call = call.set_enable_http_endpoint(self.data_api.then_some(true));
        let call = call.set_backtrack_window(Some(self.backtrack_seconds).filter(|seconds| *seconds > 0));
        let call = call.set_enable_local_write_forwarding(self.local_write_forwarding.then_some(true));
        let is_advanced = self.database_insights == "advanced";
        let call = call.set_database_insights_mode(is_advanced.then(|| self.database_insights.as_str().into()));
        let call = call.set_enable_performance_insights(self.performance_insights.then_some(true));
        let call = call.set_performance_insights_retention_period(self.insights_retention());
        let call = call.set_monitoring_interval(Some(self.monitoring_interval_seconds).filter(|seconds| *seconds > 0));
        let call = call.set_monitoring_role_arn(self.monitoring_role.as_ref().map(|role| role.get().to_owned()));
        let call = call.copy_tags_to_snapshot(self.copy_tags_to_snapshot).engine_lifecycle_support(self.lifecycle_support());
        let reply = call.send().await?;
        reply.db_cluster.and_then(|cluster| cluster.db_cluster_identifier).ok_or_else(|| Error::missing_field("DBClusterIdentifier"))
    }

    /// What it becomes in its global database. Without a password of its own, it waits for the writer.
    async fn role(&self, cx: &Cx<'_>) -> Result<Role> {
        let Some(global) = self.global.as_ref().map(|global| global.get()) else { return Ok(Role { is_copy: false, version: None }) };
        let database = read_global(cx.api, global).await?;
        let is_copy = has_writer(&database);
        if !is_copy && self.password_secret.is_none() {
            let message = format!("the global database `{global}` has no cluster yet: its first one has a `password_secret`");
            return Err(Error::new(ErrorKind::Conflict, "InvalidGlobalClusterStateFault", message));
        }
        // Without a key, RDS would use the writer's, which is in another region.
        if is_copy && self.encrypted && self.kms_key.is_none() {
            let message =
                format!("`{global}` has a writer in another region, and an encrypted copy needs a key of its own region: set `kms_key`");
            return Err(Error::new(ErrorKind::Rejected, "SourceDiffers", message));
        }
        // RDS accepts only the very version of the global database.
        let version = database.engine_version.filter(|theirs| self.engine.satisfies(&self.version, theirs));
        Ok(Role { is_copy, version })
    }

    /// Restores a cluster from a snapshot. RDS accepts other settings (version, maintenance window, insights, roles, the Data API, and the
    /// management of the password) only once the cluster is available; a read then shows that they are missing.
    pub(super) async fn restore(&self, cx: &Cx<'_>, name: &str) -> Result<String> {
        let snapshot = find_snapshot(&cx.rds, name).await?;
        if let Some(wrong) = self.conflict_with_snapshot(&snapshot) {
            return Err(Error::new(ErrorKind::Rejected, "SnapshotDiffers", wrong));
        }
        let call = cx.rds.restore_db_cluster_from_snapshot().snapshot_identifier(name).set_db_cluster_identifier(self.name.clone());
        let call = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).engine(to_aws(&self.engine));
        let fits = self.engine.same_major(&self.version, snapshot.engine_version().unwrap_or_default());
        let reply = with_restored_settings!(self, call, fits: fits).send().await?;
        reply.db_cluster.and_then(|cluster| cluster.db_cluster_identifier).ok_or_else(|| Error::missing_field("DBClusterIdentifier"))
    }

    /// Reason why this snapshot can't be restored to the requested cluster; without this check, RDS would reject it only after minutes.
    fn conflict_with_snapshot(&self, snapshot: &DbClusterSnapshot) -> Option<String> {
        let is_encrypted = snapshot.storage_encrypted.unwrap_or_default();
        if is_encrypted && !self.encrypted {
            return Some("the snapshot is encrypted, and so is a cluster restored from it: set `encrypted: true`".to_owned());
        }
        // RDS encrypts a restored cluster with a key that the call names.
        if !is_encrypted && self.encrypted && self.kms_key.is_none() {
            return Some(
                "the snapshot is not encrypted: set `kms_key`, with which RDS encrypts the cluster, or `encrypted: false`".to_owned(),
            );
        }
        let engine = to_aws(&self.engine);
        let version = snapshot.engine_version().filter(|_| snapshot.engine() == Some(&engine))?;
        if self.engine.satisfies(&self.version, version) {
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

    /// RDS rejects a retention without Performance Insights.
    pub(super) fn insights_retention(&self) -> Option<i32> {
        self.performance_insights_retention_days.filter(|_| self.performance_insights)
    }

    /// Support of old major versions, in RDS's words.
    pub fn lifecycle_support(&self) -> &'static str {
        if self.extended_support { EXTENDED_SUPPORT } else { NO_EXTENDED_SUPPORT }
    }
}

impl Serverless {
    pub(super) fn to_sdk(&self) -> ServerlessV2ScalingConfiguration {
        let pause = self.pause_after_seconds.filter(|_| self.min == 0.0);
        ServerlessV2ScalingConfiguration::builder()
            .min_capacity(self.min)
            .max_capacity(self.max)
            .set_seconds_until_auto_pause(pause)
            .build()
    }
}

/// RDS's code for a missing snapshot.
pub(super) const SNAPSHOT_NOT_FOUND: &str = "DBClusterSnapshotNotFoundFault";

/// Snapshot with this name or ARN.
pub(super) async fn find_snapshot(rds: &services::rds::Client, name: &str) -> Result<DbClusterSnapshot> {
    let call = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(name);
    // RDS returns automated snapshots only on request, and those of other accounts only by ARN.
    let own = name.rsplit_once(":cluster-snapshot:").map_or(name, |(_, own)| own);
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
    let found = found.db_cluster_snapshots.unwrap_or_default().into_iter().next();
    found.ok_or_else(|| Error::new(ErrorKind::Rejected, SNAPSHOT_NOT_FOUND, format!("the snapshot `{name}` does not exist")))
}
