//! Deletion, with or without a final snapshot and the automated backups.

use super::{super::prelude::*, AuroraCluster, change::leave};
use crate::core::OnDelete;

/// RDS refuses it while the cluster has instances, and waits for none of those that are being deleted. A cluster of a global database leaves
/// it first, which RDS refuses to the writer while there are others.
pub(super) async fn delete(cx: &Cx<'_>, live: &Existing<AuroraCluster>) -> Result<Deletion> {
    if let Some(global) = &live.spec.global {
        leave(cx, &live.id, global.get()).await?;
        return Ok(Deletion::NeedsAnotherCall("leaving the global database".to_owned()));
    }
    // A cluster that the undone run created has nothing to go back to.
    let with_backups = live.spec.delete_automated_backups || cx.call.is_undone;
    let call = || cx.rds.delete_db_cluster().db_cluster_identifier(&live.id).delete_automated_backups(with_backups);
    if cx.call.on_delete != OnDelete::Snapshot {
        return Deletion::requested(call().skip_final_snapshot(true).send().await);
    }
    let into = |snapshot: String| call().skip_final_snapshot(false).final_db_snapshot_identifier(snapshot).send();
    match into(format!("{}-final", live.id)).await.map_err(Error::from) {
        // A previous cluster of this name left its snapshot.
        Err(error) if error.code == "DBClusterSnapshotAlreadyExistsFault" => {
            let token: Vec<char> = cx.call.token.chars().filter(char::is_ascii_alphanumeric).collect();
            let suffix: String = token[token.len().saturating_sub(8)..].iter().collect();
            Deletion::requested(into(format!("{}-final-{suffix}", live.id)).await)
        }
        answer => Deletion::requested(answer),
    }
}
