//! What must hold before one of several steps of an update.

use super::{
    step::StepTask,
    wait::{Condition, Status},
};
use crate::core::{Error, ErrorKind, LiveResource, Phase, PlannedSpecs, Result};

impl StepTask {
    /// Waits for the end of a change that is under way, and checks what must hold before this step. A gate that does not hold suspends the
    /// step: undoing what came before would not open it. Returns the resource as read; `None` if it was not read.
    pub(super) async fn pass_gates(&self, live: &LiveResource) -> Result<Option<LiveResource>> {
        let Some((from, to)) = &self.stage else { return Ok(None) };
        let ready = match &live.phase {
            Phase::Progressing(_) => {
                let ready = Condition::Ready(live.id.as_str().into());
                let waited = self.poller.wait(ready, Some(live.phase.clone()), None, self.wait_options(), self.status.clone()).await?;
                Some(waited.ok_or_else(|| Error::new(ErrorKind::Rejected, "NotThere", format!("`{}` no longer exists", live.id)))?)
            }
            _ => None,
        };
        let live = ready.as_ref().unwrap_or(live);
        let kind = self.target.kind;
        if self.remaining_changes(&kind.operations.normalize(&self.target.spec, &live.spec)).is_empty() {
            return Ok(ready);
        }
        // Without a progress display there is no receiver.
        self.status.send(Status::Reported(format!("from {from} to {to}"))).ok();
        let report = self.journaled_cloud.cloud.gates(kind, live, &self.target.spec, &PlannedSpecs::default()).await?;
        for unchecked in report.unchecked {
            self.status.send(Status::Reported(unchecked)).ok();
        }
        if report.unmet.is_empty() { Ok(ready) } else { Err(Error::waiting(report.unmet.join("; "))) }
    }
}
