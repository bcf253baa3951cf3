//! The final backup of a table, and its restoration.

use aws_sdk_dynamodb::types::{BackupStatus, BackupTypeFilter};

use super::{super::prelude::*, DynamodbTable};
use crate::core::{ErrorKind, OnDelete};

/// Actions on the table that a restoration needs:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html>.
pub(super) const RESTORE: &[&str] = &[
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:RestoreTableFromBackup",
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
