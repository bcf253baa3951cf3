//! The one retry policy above the SDK's: what AWS says will pass is tried again, with growing pauses.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use super::{blocker::Blocked, step::Job};
use crate::{
    core::{Error, Result, Sort},
    engine::plan::Op,
};

/// Whether a call may simply be made again when no answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It has the same effect when made twice.
    Always,
    /// It may have been served: look first.
    AfterAnswer,
}

impl Job {
    /// Makes a call until it succeeds or what AWS says will not pass. What is in use is told, and how long to wait for that depends on who
    /// uses it.
    ///
    /// # Errors
    /// What AWS answered last.
    pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(&self, again: Again, call: impl Fn() -> F) -> Result<T> {
        let start = Instant::now();
        let patience = patience(self.about.kind.typical, self.of_type);
        let mut pause = Duration::from_millis(500);
        let mut blocked = None;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.sort == Sort::Conflict && blocked.is_none() {
                blocked = Some(self.blocked(patience, &error).await);
            }
            let patience = match error.sort {
                Sort::Conflict => blocked.as_ref().map_or(patience, |blocked| blocked.patience),
                // IAM takes about 8 s, rarely more than a minute; longer means that the role really lacks what is asked.
                Sort::NotYet | Sort::Throttled => patience.min(Duration::from_secs(120)),
                // What was made a moment ago may not be known everywhere yet.
                Sort::Gone => patience.min(Duration::from_secs(30)),
                Sort::Unreachable if again == Again::Always => patience.min(Duration::from_secs(60)),
                _ => return Err(error),
            };
            if start.elapsed() + pause > patience {
                return Err(match error.sort {
                    // Who was in the way at first may have gone.
                    Sort::Conflict => self.blocked(patience, &error).await.given_up(error),
                    _ => error,
                });
            }
            if self.stop.is_asked() {
                return Err(error);
            }
            self.status.send(format!("{}, trying again", error.code)).ok();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.asked() => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// Says what is in the way.
    async fn blocked(&self, patience: Duration, error: &Error) -> Blocked {
        let blocked = match &self.about.before {
            Some(live) if self.op == Op::Delete => self.blockers.of(live, error).await,
            _ => Blocked::busy(patience, error),
        };
        // Nobody listens when progress is not shown.
        self.status.send(blocked.status.clone()).ok();
        blocked
    }
}

/// How long "in use" is waited for: five minutes at least, as a new load balancer may be unknown to WAF for so long. Of some types AWS
/// makes one after the other (Fargate profiles of a cluster): each may have to wait for all others of the plan.
fn patience(usual: Duration, of_type: u32) -> Duration {
    (usual * (2 + of_type)).clamp(Duration::from_secs(300), Duration::from_secs(1800))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_to_wait_for_others_waits_longer() {
        let (seconds, fargate_profile) = (Duration::from_secs, Duration::from_secs(150));
        assert_eq!(patience(seconds(2), 100), seconds(300));
        assert_eq!(patience(fargate_profile, 1), seconds(450));
        assert_eq!(patience(fargate_profile, 6), seconds(1200));
        assert_eq!(patience(seconds(600), 6), seconds(1800));
    }
}
