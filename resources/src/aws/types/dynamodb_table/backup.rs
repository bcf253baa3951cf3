//! The final backup of a table, and the restoration of backups.

use aws_sdk_dynamodb::types::{BackupStatus, BackupTypeFilter, PointInTimeRecoveryStatus};

use super::{
    super::{
        prelude::*,
        rds_instance::{POINT_IN_TIME, before, parse_time, simulated_time},
    },
    DynamodbTable,
};
use crate::core::{BackupSource, ErrorKind, NewestBackup, OnDelete, RestorePoint};

/// State of another table at a point in time.
#[spec]
#[derive(PartialEq)]
pub struct PointInTime {
    /// The table, in the same region. It has `recovery_days`.
    pub table: Ref<DynamodbTable>,
    /// Time of the state, such as `2026-11-29T12:00:00Z`.
    #[field(unset = "the latest possible", length = 1..=64, dropped(kept, "used only at creation"))]
    pub time: Option<String>,
}

/// Actions on the table that a restoration needs:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html>.
pub(super) const RESTORE: &[&str] = &[
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:RestoreTableFromBackup",
    "dynamodb:RestoreTableToPointInTime",
    "dynamodb:Scan",
    "dynamodb:TagResource",
    "dynamodb:UpdateItem",
];

/// Starts to restore a table with the settings of the backup.
pub(super) async fn restore(table: &DynamodbTable, cx: &Cx<'_>, backup: &str) -> Result<String> {
    let call = cx.dynamodb.restore_table_from_backup().backup_arn(backup).set_target_table_name(table.name.clone());
    let reply = call.send().await?;
    reply.table_description.and_then(|table| table.table_name).ok_or_else(|| Error::missing_field("TableName"))
}

/// Starts to restore a table with the data and the settings of another one.
pub(super) async fn restore_to(table: &DynamodbTable, cx: &Cx<'_>, point: &PointInTime) -> Result<String> {
    let call = cx.dynamodb.restore_table_to_point_in_time().source_table_name(point.table.get()).set_target_table_name(table.name.clone());
    let call = call.set_restore_date_time(point.time.as_deref().map(parse_time).transpose()?);
    let reply = call.set_use_latest_restorable_time(point.time.is_none().then_some(true)).send().await?;
    reply.table_description.and_then(|table| table.table_name).ok_or_else(|| Error::missing_field("TableName"))
}

pub(super) async fn newest_backup(
    table: &DynamodbTable,
    backups: &BackupSource<'_, Aws>,
    source: &Existing<DynamodbTable>,
) -> Result<NewestBackup> {
    let at = DynamodbTable::POINTERS;
    if source.spec.recovery_days == 0 {
        let problem = Problem::new(at.recovery_days, "it can't be restored to a point in time");
        return Ok(NewestBackup::Missing(problem.help("set `recovery_days` to 1 or more")));
    }
    let latest = match backups {
        BackupSource::Api(aws) => {
            let reply = aws.dynamodb.describe_continuous_backups().table_name(&source.id).send().await?;
            let recovery = reply.continuous_backups_description.and_then(|backups| backups.point_in_time_recovery_description);
            let is_on = |status: &PointInTimeRecoveryStatus| *status == PointInTimeRecoveryStatus::Enabled;
            let recovery = recovery.filter(|recovery| recovery.point_in_time_recovery_status.as_ref().is_some_and(is_on));
            // While the recovery is new, there is no second between both times.
            recovery.and_then(|recovery| {
                let latest = recovery.latest_restorable_date_time?;
                recovery.earliest_restorable_date_time.is_none_or(|earliest| earliest.secs() + 1 < latest.secs()).then_some(latest)
            })
        }
        BackupSource::Simulated(time) => time.map(simulated_time).transpose()?,
    };
    let Some(latest) = latest else {
        let problem = Problem::new(at.recovery_days, "DynamoDB has no state of it to restore yet");
        return Ok(NewestBackup::Missing(problem.help("try again in some minutes")));
    };
    let (time, data_time) = before(&latest)?;
    let restored = DynamodbTable {
        point_in_time: Some(PointInTime { table: Ref::to(&source.id), time: Some(time) }),
        snapshot: None,
        ..table.clone()
    };
    RestorePoint::from_specs(table, &restored, data_time, POINT_IN_TIME).map(NewestBackup::Found)
}

/// It has a time that DynamoDB understands.
pub(super) fn check_time(point: &PointInTime) -> Option<Problem> {
    let time = point.time.as_ref().filter(|time| !time.contains("${") && parse_time(time).is_err())?;
    let at = DynamodbTable::POINTERS.point_in_time.field(PointInTime::POINTERS.time);
    Some(Problem::new(at, format!("`{time}` is not a time")).help("write it as `2026-11-29T12:00:00Z`"))
}

/// Makes the backup that a deletion leaves, and reports an error until it is complete. Names of backups need not be unique, so that of this
/// one contains the token of the deletion.
pub(super) async fn final_backup(cx: &Cx<'_>, live: &Existing<DynamodbTable>) -> Result<()> {
    // A table that the undone run created has nothing to keep.
    if cx.call.on_delete != OnDelete::Snapshot || cx.call.is_undone {
        return Ok(());
    }
    let name = backup_name(&live.id, &cx.call.token);
    let status = match find_backup(cx.api, &live.id, &name).await? {
        Some(status) => Some(status),
        None => {
            let reply = cx.dynamodb.create_backup().table_name(&live.id).backup_name(&name).send().await?;
            reply.backup_details.map(|backup| backup.backup_status)
        }
    };
    match status {
        Some(BackupStatus::Available) => Ok(()),
        // Nothing uses the table: the engine retries.
        _ => Err(Error::new(ErrorKind::NotYetVisible, "BackupInProgress", format!("the final backup `{name}` is not complete yet"))),
    }
}

/// Status of the backup of a table with this name.
async fn find_backup(aws: &Aws, table: &str, name: &str) -> Result<Option<BackupStatus>> {
    let mut from = None;
    loop {
        let call = aws.dynamodb.list_backups().table_name(table).backup_type(BackupTypeFilter::User);
        let reply = call.set_exclusive_start_backup_arn(from).send().await?;
        let found = reply.backup_summaries().iter().find(|backup| backup.backup_name() == Some(name));
        if let Some(status) = found.and_then(|backup| backup.backup_status.clone()).filter(|status| *status != BackupStatus::Deleted) {
            return Ok(Some(status));
        }
        from = reply.last_evaluated_backup_arn;
        if from.is_none() {
            return Ok(None);
        }
    }
}

/// Name of a final backup, with at most 255 characters.
fn backup_name(table: &str, token: &str) -> String {
    let token: Vec<char> = token.chars().filter(char::is_ascii_alphanumeric).collect();
    let suffix: String = token[token.len().saturating_sub(8)..].iter().collect();
    let suffix = format!("-final-{suffix}");
    format!("{}{suffix}", &table[..table.len().min(255 - suffix.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_backups_have_names_of_their_own() {
        assert_eq!(backup_name("orders", "acme-0123-4567-89ab"), "orders-final-456789ab");
        assert_eq!(backup_name(&"o".repeat(255), "0123456789").len(), 255);
    }
}
