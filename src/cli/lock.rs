//! The lease on a stack, as the commands take it that change something.

use std::time::Duration;

use clap::Args;

use crate::{
    core::Result,
    definition::Stack,
    engine::backend::{Backend, Lease},
    report,
};

/// How to meet another run.
#[derive(Clone, Debug, Args)]
pub struct LockArguments {
    /// How long to wait while another run changes the stack.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u64,
}

impl LockArguments {
    /// Takes the stack's lease; says for whom it waits.
    ///
    /// # Errors
    /// `Locked` when another run still holds it when the time is over; when the backend cannot be used.
    pub async fn acquire(&self, backend: &Backend, stack: &Stack, command: &str) -> Result<Lease> {
        let wait = Duration::from_secs(self.lock_timeout);
        let waiting = |holder: &_| report::eprint(&format!("Waiting for {holder}."));
        Lease::acquire(backend, &stack.name, &stack.environment, command, wait, waiting).await
    }
}
