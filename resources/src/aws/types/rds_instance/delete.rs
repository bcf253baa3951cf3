//! Deletion, with or without a final snapshot and the automated backups.

use super::RdsInstance;
use crate::{
    aws::Cx,
    core::{Deletion, Error, Existing, OnDelete, Resource, Result},
};

pub(super) async fn delete(cx: &Cx<'_>, live: &Existing<RdsInstance>) -> Result<Deletion> {
    // A database that the undone run created has nothing to go back to.
    let with_backups = live.spec.delete_automated_backups || cx.call.is_undone;
    let call = DeleteCall { id: &live.id, leaves_snapshot: cx.call.on_delete == OnDelete::Snapshot && live.spec.leaves_snapshot() };
    match call.send(cx, with_backups).await {
        // AWS Backup keeps its recovery points in any case, and may have chosen the database meanwhile.
        Err(error) if cx.call.is_undone && is_of_aws_backup(&error) => call.send(cx, false).await?,
        answer => answer.map_err(|error| explain(&live.id, error))?,
    }
    Ok(Deletion::Requested)
}

struct DeleteCall<'a> {
    id: &'a str,
    /// RDS takes no final snapshot of a read replica.
    leaves_snapshot: bool,
}

impl DeleteCall<'_> {
    async fn send(&self, cx: &Cx<'_>, with_backups: bool) -> Result<()> {
        let id = self.id;
        let call = || cx.rds.delete_db_instance().db_instance_identifier(id).delete_automated_backups(with_backups);
        if !self.leaves_snapshot {
            call().skip_final_snapshot(true).send().await?;
            return Ok(());
        }
        let into = |snapshot: String| call().skip_final_snapshot(false).final_db_snapshot_identifier(snapshot).send();
        match into(format!("{id}-final")).await.map_err(Error::from) {
            // A previous database of this name left its snapshot.
            Err(error) if error.code == "DBSnapshotAlreadyExists" => {
                let token: Vec<char> = cx.call.token.chars().filter(char::is_ascii_alphanumeric).collect();
                let suffix: String = token[token.len().saturating_sub(8)..].iter().collect();
                into(format!("{id}-final-{suffix}")).await?;
            }
            answer => drop(answer?),
        }
        Ok(())
    }
}

/// Whether RDS does not delete automated backups because AWS Backup manages them: "… is associated with the following
/// AwsBackupRecoveryPointArn: …. NoDeleteAutomatedBackups must be specified."
fn is_of_aws_backup(error: &Error) -> bool {
    error.code == "InvalidParameterCombination" && error.message.contains("AwsBackupRecoveryPointArn")
}

/// Adds the remedy for refusals that are about automated backups.
fn explain(id: &str, error: Error) -> Error {
    let remedy = if is_of_aws_backup(&error) {
        format!(
            "AWS Backup manages the automated backups of `{id}`, so RDS does not delete them with it. Set \
             `delete_automated_backups: false`, apply, and delete it then"
        )
    } else if error.code == "DBInstanceAutomatedBackupQuotaExceeded" {
        format!(
            "the account can't keep the automated backups of `{id}`, because its quota of retained backups is used up. Set \
             `delete_automated_backups: true`, apply, and delete it then; or delete retained backups of other databases"
        )
    } else {
        return error;
    };
    Error { message: format!("{remedy}. AWS answers: {}", error.message), ..error }
}
