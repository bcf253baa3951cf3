//! The lease on a stack, for commands that make changes.

use std::{io::IsTerminal, num::NonZeroUsize, time::Duration};

use anyhow::Result;
use clap::Args;

use super::{GlobalArguments, advice};
use crate::{
    engine::{
        backend::{BucketCreation, LeaseWait},
        session::{LockedSession, Session},
    },
    report::{self, Style},
};

/// Options of a run that makes changes.
#[derive(Clone, Debug, Args)]
pub struct LockArguments {
    /// Time to wait while another run changes the stack, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = super::parse_whole::<u64>)]
    lock_timeout: u64,
    /// Maximum number of parallel steps [default: 64].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::parse_count)]
    parallelism: Option<NonZeroUsize>,
}

impl LockArguments {
    /// Options that were given on another machine.
    pub(super) fn new(lock_timeout: u64, parallelism: Option<NonZeroUsize>) -> LockArguments {
        LockArguments { lock_timeout, parallelism }
    }

    /// Time to wait for another run, in seconds, and the maximum number of parallel steps.
    pub(super) fn values(&self) -> (u64, Option<NonZeroUsize>) {
        (self.lock_timeout, self.parallelism)
    }

    /// Connects to the backend and acquires the stack's lease; reports the holder while waiting. Asks whether to create a bucket if there
    /// is a terminal, unless `yes` skips confirmations.
    ///
    /// # Errors
    /// Fails with `Locked` if another run still holds the lease after the timeout, or if the backend can't be used.
    pub async fn lock(&self, mut session: Session, command: &str, yes: bool, global: &GlobalArguments) -> Result<LockedSession> {
        session.set_parallelism(self.parallelism);
        let ask = |question: &str| report::confirm(question);
        let may_ask = !yes && std::io::stdin().is_terminal();
        let creation = if may_ask { BucketCreation::Ask(&ask) } else { BucketCreation::IfRequested };
        let connected = session.connect(creation).await?;
        if let Some(note) = connected.backend_note().filter(|_| !global.quiet) {
            report::eprint(note);
        }
        let on_wait = |awaited: LeaseWait<'_>| report::eprint(&advice::complete(&format!("Waiting for {awaited}.")));
        Ok(connected.lock(command, Duration::from_secs(self.lock_timeout), on_wait).await?)
    }
}

/// Releases the lease. After a failure, it expires.
pub async fn release(locked: LockedSession) {
    if let Err(error) = locked.release().await {
        report::eprint(&format!("{} {error}", Style::Changed.paint("warning:")));
    }
}
