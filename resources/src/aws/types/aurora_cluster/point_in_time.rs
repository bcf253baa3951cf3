//! Creates a cluster with the data that another one had, and finds the newest data that a new cluster can have.

use aws_sdk_rds::types::DbCluster;

use super::{
    super::{
        prelude::*,
        rds_instance::{POINT_IN_TIME, before, parse_time, simulated_time},
    },
    AuroraCluster, AuroraEngine, Serverless,
    create::with_restored_settings,
};
use crate::{
    aws::from_aws,
    core::{BackupSource, Direction, ErrorKind, NewestBackup, RestorePoint, referenced_ids},
};

/// State of another cluster at a point in time.
#[spec]
#[derive(PartialEq)]
pub struct PointInTime {
    /// The cluster, in the same region.
    #[field(unset = "none", conflicts_with = resource_id, dropped(kept, "used only at creation"))]
    pub cluster: Option<Ref<AuroraCluster>>,
    /// Resource id of a deleted cluster, such as `cluster-ABCDEFGHIJKL`, that has left its automated backups.
    #[field(unset = "none", pattern = "cluster-[A-Z0-9]+", dropped(kept, "used only at creation"))]
    pub resource_id: Option<String>,
    /// Time of the state, such as `2026-11-29T12:00:00Z`.
    #[field(unset = "the latest possible", length = 1..=64, dropped(kept, "used only at creation"))]
    pub time: Option<String>,
}

impl PointInTime {
    /// It has one source, and a time that RDS understands.
    pub(super) fn check(&self) -> Vec<Problem> {
        let (at, fields) = (AuroraCluster::POINTERS.point_in_time, PointInTime::POINTERS);
        let mut problems = Vec::new();
        if self.cluster.is_none() && self.resource_id.is_none() {
            let problem = Problem::new(at.clone(), "a point in time needs a cluster, or the backups of a deleted one");
            problems.push(problem.help("set `cluster` or `resource_id`"));
        }
        if let Some(time) = self.time.as_ref().filter(|time| !time.contains("${") && parse_time(time).is_err()) {
            let problem = Problem::new(at.field(fields.time), format!("`{time}` is not a time"));
            problems.push(problem.help("write it as `2026-11-29T12:00:00Z`"));
        }
        problems
    }
}

impl AuroraCluster {
    /// Creates a cluster with the data of another one. RDS accepts other settings (version, backups, maintenance window, insights, roles, the
    /// Data API, and the management of the password) only once the cluster is available; a read then shows that they are missing.
    pub(super) async fn restore_to(&self, cx: &Cx<'_>, point: &PointInTime) -> Result<String> {
        let origin = match &point.cluster {
            Some(source) => Some(self.fitting_origin(cx, source.get()).await?),
            None => None,
        };
        let call = cx.rds.restore_db_cluster_to_point_in_time().set_db_cluster_identifier(self.name.clone());
        let call = call.set_source_db_cluster_identifier(point.cluster.as_ref().map(|source| source.get().to_owned()));
        let call = call.set_source_db_cluster_resource_id(point.resource_id.clone());
        let call = call.set_restore_to_time(point.time.as_deref().map(parse_time).transpose()?);
        let call = call.set_use_latest_restorable_time(point.time.is_none().then_some(true));
        let call = call.set_tags(Some(services::rds::to_tags(&cx.call.tags)));
        let version = origin.as_ref().and_then(DbCluster::engine_version);
        let fits = version.is_none_or(|version| self.engine.same_major(&self.version, version));
        let reply = with_restored_settings!(self, call, fits: fits).send().await?;
        reply.db_cluster.and_then(|cluster| cluster.db_cluster_identifier).ok_or_else(|| Error::missing_field("DBClusterIdentifier"))
    }

    /// The cluster to copy. RDS would reject one that does not fit, or create another cluster than the requested one.
    async fn fitting_origin(&self, cx: &Cx<'_>, id: &str) -> Result<DbCluster> {
        let origin = read_cluster(cx.api, id).await?;
        match self.difference_from(&origin) {
            Some(wrong) => Err(Error::new(ErrorKind::Rejected, "SourceDiffers", wrong)),
            None => Ok(origin),
        }
    }

    fn difference_from(&self, origin: &DbCluster) -> Option<String> {
        let name = origin.db_cluster_identifier().unwrap_or_default();
        let engine: Option<AuroraEngine> = origin.engine().and_then(|engine| from_aws(engine).ok());
        if engine != Some(self.engine) {
            return Some(format!("`{name}` has the engine {}, and so have its copies", origin.engine().unwrap_or_default()));
        }
        // Another key is possible, but no other encryption.
        let is_encrypted = origin.storage_encrypted.unwrap_or_default();
        if is_encrypted != self.encrypted {
            return Some(format!("`{name}` has `encrypted: {is_encrypted}`, and so have its copies: set the same `encrypted`"));
        }
        let version = origin.engine_version().unwrap_or_default();
        if self.engine.satisfies(&self.version, version) {
            return None;
        }
        if Direction::Increase.refusal(&version.into(), &self.version.as_str().into()).is_some() {
            return Some(format!("`{name}` has version {version}, and AWS does not downgrade engine versions"));
        }
        let major = !self.engine.same_major(&self.version, version);
        (major && !self.allow_major_version_upgrade).then(|| {
            let to = &self.version;
            format!("`{name}` has version {version}: set `allow_major_version_upgrade: true` to upgrade the copy to {to}")
        })
    }
}

pub(super) async fn newest_backup(
    cluster: &AuroraCluster,
    backups: &BackupSource<'_, Aws>,
    source: &Existing<AuroraCluster>,
) -> Result<NewestBackup> {
    let at = AuroraCluster::POINTERS;
    if cluster.global.is_some() {
        let problem = Problem::new(at.global, "a restored cluster can't join a global database");
        return Ok(NewestBackup::Missing(problem.help("leave out `global` in the environment that restores it")));
    }
    let latest = match backups {
        BackupSource::Api(aws) => read_cluster(aws, &source.id).await?.latest_restorable_time,
        BackupSource::Simulated(time) => time.map(simulated_time).transpose()?,
    };
    let Some(latest) = latest else {
        let problem = Problem::new(at.backup_retention_days, "RDS has not finished its first backup yet");
        return Ok(NewestBackup::Missing(problem.help("try again in some minutes")));
    };
    let (time, data_time) = before(&latest)?;
    let restored = AuroraCluster {
        point_in_time: Some(PointInTime { cluster: Some(Ref::to(&source.id)), resource_id: None, time: Some(time) }),
        snapshot: None,
        // A copy has those of its origin.
        username: None,
        database_name: None,
        encrypted: source.spec.encrypted,
        // Without one, RDS uses the key of the origin.
        kms_key: cluster.kms_key.clone().filter(|_| source.spec.encrypted),
        // Nobody needs backups of a copy once it is gone.
        delete_automated_backups: true,
        ..cluster.clone()
    };
    RestorePoint::from_specs(cluster, &restored, data_time, POINT_IN_TIME).map(NewestBackup::Found)
}

async fn read_cluster(aws: &Aws, id: &str) -> Result<DbCluster> {
    let reply = aws.rds.describe_db_clusters().db_cluster_identifier(id).send().await?;
    reply.db_clusters.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("DBCluster"))
}
