//! Permission for calls. One change of a resource is several calls, each with several attempts and with waits for AWS's rate limits in
//! between: the permission is checked directly before every attempt is sent.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::core::{Error, Result};

tokio::task_local! {
    /// Guard of the calls in this task; reads have none.
    static GUARD: Arc<CallGuard>;
}

/// Permission for the calls of a change.
pub struct CallGuard {
    check: Box<dyn Fn() -> Result<()> + Send + Sync>,
    sent: AtomicBool,
    refusal: OnceLock<Error>,
}

impl fmt::Debug for CallGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallGuard").field("sent", &self.sent).field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl CallGuard {
    /// Guard that asks `check` before every attempt.
    pub fn new(check: impl Fn() -> Result<()> + Send + Sync + 'static) -> Arc<CallGuard> {
        Arc::new(CallGuard { check: Box::new(check), sent: AtomicBool::new(false), refusal: OnceLock::new() })
    }

    /// Makes calls under this guard.
    pub async fn scope<F: Future>(self: &Arc<CallGuard>, calls: F) -> F::Output {
        GUARD.scope(self.clone(), calls).await
    }

    /// Error with which the check refused an attempt, if any.
    pub fn refusal(&self) -> Option<&Error> {
        self.refusal.get()
    }

    /// Whether an attempt was sent, so that something may have changed.
    pub fn has_sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }

    fn permit(&self) -> Result<()> {
        match (self.check)() {
            Ok(()) => {
                self.sent.store(true, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => {
                // Only the first refusal counts.
                self.refusal.set(error.clone()).ok();
                Err(error)
            }
        }
    }
}

/// Checks the guard of this task, if there is one, before an attempt is sent.
pub(crate) fn permit_attempt() -> Result<()> {
    GUARD.try_with(|guard| guard.permit()).unwrap_or(Ok(()))
}
