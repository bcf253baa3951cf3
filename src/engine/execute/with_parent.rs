//! Deletions of resources whose parent is deleted in the same plan, and with it they: the objects of a cluster.

use std::{collections::BTreeSet, time::Duration};

use super::{INTERRUPTED, executor::Executor, step::StepTask, wait::Status};
use crate::{
    aws::types,
    core::{Error, LiveResource, Result},
    engine::plan::Action,
};

/// Maximum wait for such a deletion.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Executor<'_> {
    /// Whether the plan deletes the resource in which this one lives.
    pub(super) fn deletes_parent_of(&self, live: &LiveResource) -> bool {
        let Some(kind) = types::resource_type(&live.type_name).filter(|kind| kind.deleted_with_parent) else { return false };
        let parents: BTreeSet<&str> = kind.parent_ids(&live.spec).collect();
        let mut leaving = self.plan.changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Replace));
        leaving.any(|change| {
            let before = change.before.as_ref();
            before.is_some_and(|parent| kind.parent == Some(parent.type_name.as_str()) && parents.contains(parent.id.as_str()))
        })
    }
}

impl StepTask {
    /// Deletes a resource in an orderly way, as far as that succeeds soon: a dead controller, or an API that does not answer, must not prevent
    /// the deletion of its parent.
    pub(super) async fn delete_with_parent(&self, live: &LiveResource) -> Result<()> {
        let limit = self.limits.declared.unwrap_or(TIMEOUT).min(TIMEOUT);
        let reason = match tokio::time::timeout(limit, self.delete(live)).await {
            Ok(Err(error)) if !ends_run(&error) => error.to_string(),
            Ok(ended) => return ended,
            Err(_) => format!("not deleted within {} s", limit.as_secs()),
        };
        // Without a progress display there is no receiver.
        self.status.send(Status::Reported(format!("left to the deletion of what it belongs to: {reason}"))).ok();
        Ok(())
    }
}

/// Whether no other step can succeed after this error, or none should start.
fn ends_run(error: &Error) -> bool {
    error.code == INTERRUPTED || error.is_lease_lost() || error.is_journal_error() || error.is_credential_error()
}
