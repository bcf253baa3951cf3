//! Newest backup of a database, which a new one can restore.

use aws_smithy_types::{DateTime, date_time::Format};

use super::{PointInTime, RdsInstance};
use crate::{
    aws::Aws,
    core::{BackupSource, Error, ErrorKind, Existing, NewestBackup, Problem, Ref, RestorePoint, Result},
};

/// Kind of a backup to which transaction logs are added all the time.
pub(in crate::aws::types) const POINT_IN_TIME: &str = "point-in-time recovery";

pub(super) async fn newest_backup(
    db: &RdsInstance,
    backups: &BackupSource<'_, Aws>,
    source: &Existing<RdsInstance>,
) -> Result<NewestBackup> {
    let at = RdsInstance::POINTERS;
    if source.spec.backup_retention_days == 0 {
        let problem = Problem::new(at.backup_retention_days, "it has no automatic backups");
        return Ok(NewestBackup::Missing(problem.help("set `backup_retention_days` to 1 or more")));
    }
    if db.replica_of.is_some() {
        let problem = Problem::new(at.replica_of, "a read replica gets its data from its source");
        return Ok(NewestBackup::Missing(problem.help("restore the source instead")));
    }
    let latest = match backups {
        BackupSource::Api(aws) => {
            let reply = aws.rds.describe_db_instances().db_instance_identifier(&source.id).send().await?;
            reply.db_instances.unwrap_or_default().into_iter().find_map(|live| live.latest_restorable_time)
        }
        BackupSource::Simulated(time) => time.map(simulated_time).transpose()?,
    };
    let Some(latest) = latest else {
        let problem = Problem::new(at.backup_retention_days, "RDS has not finished its first backup yet");
        return Ok(NewestBackup::Missing(problem.help("try again in some minutes")));
    };
    let (time, data_time) = before(&latest)?;
    let restored = RdsInstance {
        point_in_time: Some(PointInTime { database: Some(Ref::to(&source.id)), backup: None, time: Some(time) }),
        snapshot: None,
        // A copy has those of its origin, and storage never shrinks.
        username: None,
        database_name: None,
        encrypted: source.spec.encrypted,
        kms_key: source.spec.kms_key.clone(),
        storage_gib: db.storage_gib.max(source.spec.storage_gib),
        // Nobody needs backups of a copy once it is gone.
        delete_automated_backups: true,
        ..db.clone()
    };
    RestorePoint::from_specs(db, &restored, data_time, POINT_IN_TIME).map(NewestBackup::Found)
}

/// The last full second before the latest restorable time, as text and in milliseconds since 1970: AWS requires an earlier time.
pub(in crate::aws::types) fn before(latest: &DateTime) -> Result<(String, u64)> {
    let seconds = latest.secs() - 1;
    let wrong = || Error::new(ErrorKind::Rejected, "Time", format!("{seconds} seconds since 1970 are not a valid time"));
    let text = DateTime::from_secs(seconds).fmt(Format::DateTime).map_err(|_| wrong())?;
    Ok((text, u64::try_from(seconds).map_err(|_| wrong())? * 1000))
}

/// Time of the simulated cloud.
pub(in crate::aws::types) fn simulated_time(millis: u64) -> Result<DateTime> {
    let wrong = |_| Error::new(ErrorKind::Rejected, "Time", format!("{millis} milliseconds since 1970 are not a valid time"));
    i64::try_from(millis).map(DateTime::from_millis).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_the_second_before_the_latest_restorable_time() {
        let latest = DateTime::from_millis(1_764_504_000_500);
        assert_eq!(before(&latest).unwrap(), ("2025-11-30T11:59:59Z".to_owned(), 1_764_503_999_000));
    }
}
