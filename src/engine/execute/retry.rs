//! The only retry policy besides the SDK's: retries temporary errors, with increasing pauses.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use super::{blockers::Blocked, step::StepTask, wait::Status};
use crate::{
    core::{Error, ErrorKind, Result, format_elapsed, trace},
    engine::plan::Op,
};

/// Whether a call can be repeated after a lost response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// The call has the same effect when repeated.
    Idempotent,
    /// The call may have taken effect: check first.
    NotIdempotent,
}

impl StepTask {
    /// Repeats a call until it succeeds or fails permanently. Reports blockers of a resource in use, which also determine the maximum wait.
    ///
    /// # Errors
    /// Returns the last error of AWS.
    pub(super) async fn with_retries<T, F: Future<Output = Result<T>>>(&self, idempotency: Idempotency, call: impl Fn() -> F) -> Result<T> {
        let start = Instant::now();
        // Another change that AWS is making, such as draining nodes, may take as long as the definition allows.
        let timeout = retry_timeout(self.target.kind.typical_duration, self.steps_of_type).max(self.limits.declared.unwrap_or_default());
        let mut pause = Duration::from_millis(500);
        let mut blocked = None;
        let mut checked_dependencies = false;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.kind == ErrorKind::Conflict && blocked.is_none() {
                blocked = Some(self.explain_conflict(timeout, &error).await);
            }
            // What this call needs may have been deleted outside acme, and would be waited for in vain.
            let may_lack = matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotYetVisible);
            let lag = self.journaled_cloud.cloud.visibility_delay_of(self.target.kind);
            if may_lack && !checked_dependencies && self.op != Op::Delete && start.elapsed() >= lag {
                checked_dependencies = true;
                if let Some(lost) = self.blockers.lost_dependency(&self.dependencies).await {
                    return Err(Error { message: format!("{}; AWS answers: {error}", lost.message), ..lost });
                }
            }
            let timeout = match error.kind {
                ErrorKind::Conflict => blocked.as_ref().map_or(timeout, |blocked| blocked.timeout),
                // IAM takes about 8 s, rarely more than a minute; after that, the role really lacks a permission.
                ErrorKind::NotYetVisible | ErrorKind::Throttled => timeout.min(Duration::from_secs(120)),
                // A new resource may not be visible everywhere yet.
                ErrorKind::NotFound => timeout.min(Duration::from_secs(30)),
                // `acme policy` grants changes on condition of the ownership tags.
                ErrorKind::AccessDenied if self.is_about_new_resource && error.is_implicit_denial() => {
                    timeout.min(self.journaled_cloud.cloud.tag_condition_delay())
                }
                ErrorKind::Unavailable if idempotency == Idempotency::Idempotent => timeout.min(Duration::from_secs(60)),
                _ => return Err(error),
            };
            if start.elapsed() + pause > timeout {
                return Err(match error.kind {
                    // The first blocker may have been deleted.
                    ErrorKind::Conflict => self.explain_conflict(timeout, &error).await.timeout_error(error),
                    _ => error,
                });
            }
            if self.stop.is_requested() {
                return Err(error);
            }
            trace::decision("retry", Some(&self.target.address), || {
                format!("{} {} again in {}: {error}", self.op, self.target.address, format_elapsed(pause))
            });
            self.status.send(Status::Reported(format!("{}, retrying", error.code))).ok();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.requested() => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// Reports the blockers.
    async fn explain_conflict(&self, timeout: Duration, error: &Error) -> Blocked {
        let blocked = match &self.target.before {
            Some(live) if self.op == Op::Delete => self.blockers.explain(live, error).await,
            _ => Blocked::busy(timeout, error),
        };
        // Without a progress display there is no receiver.
        self.status.send(Status::Reported(blocked.status.clone())).ok();
        blocked
    }
}

/// Maximum wait for a resource in use: at least five minutes, because WAF may not know a new load balancer for that long. AWS creates
/// resources of some types one at a time (Fargate profiles of a cluster), so each may have to wait for all others of the plan.
fn retry_timeout(typical: Duration, steps_of_type: u32) -> Duration {
    (typical * (2 + steps_of_type)).clamp(Duration::from_secs(300), Duration::from_secs(1800))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_when_steps_of_a_type_run_one_after_another() {
        let (seconds, fargate_profile) = (Duration::from_secs, Duration::from_secs(150));
        assert_eq!(retry_timeout(seconds(2), 100), seconds(300));
        assert_eq!(retry_timeout(fargate_profile, 1), seconds(450));
        assert_eq!(retry_timeout(fargate_profile, 6), seconds(1200));
        assert_eq!(retry_timeout(seconds(600), 6), seconds(1800));
    }
}
