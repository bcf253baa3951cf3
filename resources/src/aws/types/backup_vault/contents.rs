//! Backups in a vault.

use aws_sdk_backup::types::{RecoveryPointByBackupVault, RecoveryPointStatus};

use super::super::prelude::*;
use crate::core::ErrorKind;

/// Describes the backups in a vault; `None` if it is empty.
pub(super) async fn count(aws: &Aws, vault: &str) -> Result<Option<String>> {
    let call = aws.backup.list_recovery_points_by_backup_vault().backup_vault_name(vault).max_results(1000);
    let Some(page) = ok_or_not_found(call.send().await)? else { return Ok(None) };
    Ok(match (page.recovery_points().len(), page.next_token.is_some()) {
        (0, false) => None,
        (count, true) => Some(format!("more than {count} backups")),
        (1, false) => Some("1 backup".into()),
        (count, false) => Some(format!("{count} backups")),
    })
}

/// Deletes one page of backups. Returns whether there are more pages.
pub(super) async fn delete_some(aws: &Aws, vault: &str) -> Result<bool> {
    let call = aws.backup.list_recovery_points_by_backup_vault().backup_vault_name(vault).max_results(100);
    let Some(page) = ok_or_not_found(call.send().await)? else { return Ok(false) };
    let more = page.next_token.is_some();
    let points = page.recovery_points.unwrap_or_default().into_iter();
    let left = points.filter(|point| point.status != Some(RecoveryPointStatus::Deleting));
    for_each_concurrent(left, |point| async move { delete(aws, vault, point).await.map(Some) }).await?;
    Ok(more)
}

/// A continuous backup can't be deleted while it grows: it is separated from its resource first, which ends it.
async fn delete(aws: &Aws, vault: &str, point: RecoveryPointByBackupVault) -> Result<()> {
    let Some(arn) = point.recovery_point_arn else { return Ok(()) };
    let call = aws.backup.delete_recovery_point().backup_vault_name(vault).recovery_point_arn(&arn);
    match ok_or_not_found(call.send().await) {
        Err(error) if error.kind == ErrorKind::Rejected && error.message.contains("continuous") => {
            let call = aws.backup.disassociate_recovery_point().backup_vault_name(vault).recovery_point_arn(&arn);
            ok_or_not_found(call.send().await).map(|_| ())
        }
        answer => answer.map(|_| ()),
    }
}
