//! The lease on a stack, for commands that make changes.

use std::time::Duration;

use clap::Args;

use crate::{
    core::Result,
    definition::Stack,
    engine::backend::{Backend, Lease},
    report,
};

/// Options for a concurrent run.
#[derive(Clone, Debug, Args)]
pub struct LockArguments {
    /// Time to wait while another run changes the stack, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u64,
}

impl LockArguments {
    /// Acquires the stack's lease; reports the holder while waiting.
    ///
    /// # Errors
    /// Fails with `Locked` if another run still holds it after the timeout, or if the backend can't be used.
    pub async fn acquire(&self, backend: &Backend, stack: &Stack, command: &str) -> Result<Lease> {
        let wait = Duration::from_secs(self.lock_timeout);
        let waiting = |holder: &_| report::eprint(&format!("Waiting for {holder}."));
        Lease::acquire(backend, &stack.name, &stack.environment, command, wait, waiting).await
    }
}
