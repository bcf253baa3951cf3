//! The lease: allows one run per stack and environment at a time.
//!
//! A holder renews it regularly, and makes no call if the last renewal is too old. A contender takes it over with a higher fence number after
//! it has seen the lease unchanged for so long that no call of the holder can be under way. Clocks of two machines are never compared:
//! each side measures time by its own monotonic clock.

mod acquire;
mod clock;
mod record;
mod renewer;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use self::{
    acquire::acquire_with_timing,
    clock::Timing,
    record::{LeaseRecord, read_stored, write_record},
    renewer::{LeaseState, RenewerCommand},
};
use super::{
    Backend, Key, WriteCondition, WriteResult,
    holder::{Holder, random},
};
use crate::{
    aws::CALL_TIMEOUT,
    core::{EnvironmentName, Error, ErrorKind, Result, StackName},
};

pub use acquire::LeaseWait;

/// Term of a lease: a holder that can't renew it for two thirds of it makes no further calls.
pub const TERM: Duration = Duration::from_secs(30);

/// Time for which a contender must see a lease unchanged before it takes over: the term, and the longest call.
pub const TAKEOVER_DELAY: Duration = Duration::from_secs(TERM.as_secs() + CALL_TIMEOUT.as_secs());

/// Maximum number of attempts for a conflicting write.
const MAX_ATTEMPTS: usize = 100;

/// Exclusive right to change a stack. [`Lease::release`] ends it; a dropped one expires.
#[derive(Debug)]
pub struct Lease {
    fence: u64,
    timing: Timing,
    state: watch::Receiver<LeaseState>,
    step: watch::Sender<Option<String>>,
    /// Number of calls under way.
    calls: watch::Sender<usize>,
    commands: mpsc::UnboundedSender<RenewerCommand>,
}

/// A lease in the backend that is not free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldLease {
    /// Held by a process.
    By {
        /// Fence number of the lease.
        fence: u64,
        /// Holder.
        holder: Box<Holder>,
    },
    /// Unreadable, so its holder is unknown.
    Damaged {
        /// Version of the object.
        version: String,
        /// Problem, a sentence without a full stop.
        problem: String,
    },
}

/// A call under the lease. While it lives, the call is under way.
#[derive(Debug)]
pub struct LeasedCall {
    lease: Arc<Lease>,
}

impl LeasedCall {
    /// Checks that the lease is still held. Called before every attempt of the call.
    ///
    /// # Errors
    /// Same as [`Lease::ensure_held`].
    pub fn ensure_held(&self) -> Result<()> {
        self.lease.ensure_held()
    }
}

impl Drop for LeasedCall {
    fn drop(&mut self) {
        self.lease.calls.send_modify(|calls| *calls = calls.saturating_sub(1));
    }
}

impl Lease {
    /// Acquires the lease. Waits for up to `wait` for another holder, and calls `on_wait` with it, once and on every change. A lease that
    /// seems to be abandoned or was removed by `acme unlock` is waited for in any case, for little longer than [`TAKEOVER_DELAY`].
    ///
    /// # Errors
    /// Fails with `Locked` if another process still holds it after that, or if the backend can't be read or written.
    pub async fn acquire(
        backend: &Backend,
        stack: &StackName,
        environment: &EnvironmentName,
        command: &str,
        wait: Duration,
        on_wait: impl FnMut(LeaseWait<'_>),
    ) -> Result<Lease> {
        acquire_with_timing(backend, (stack, environment), command, wait, Timing::system(TERM, CALL_TIMEOUT), on_wait).await
    }

    /// Returns the holder of the lease, if any, or the damage of an unreadable lease.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn held(backend: &Backend, stack: &StackName, environment: &EnvironmentName) -> Result<Option<HeldLease>> {
        let Some(stored) = read_stored(backend, &Key::lease(stack, environment)).await? else { return Ok(None) };
        Ok(match stored.record {
            Ok(LeaseRecord { fence, holder: Some(holder), revoked: false, .. }) => Some(HeldLease::By { fence, holder: Box::new(holder) }),
            Ok(_) => None,
            Err(problem) => Some(HeldLease::Damaged { version: stored.version, problem }),
        })
    }

    /// Revokes the lease of a holder, which notices within a third of [`TERM`]; the next one waits until no call of it can be under way.
    /// Returns false if it is no longer the holder.
    ///
    /// # Errors
    /// Fails if the backend can't be read or written.
    pub async fn unlock(backend: &Backend, stack: &StackName, environment: &EnvironmentName, held: &HeldLease) -> Result<bool> {
        let key = Key::lease(stack, environment);
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = read_stored(backend, &key).await? else { return Ok(false) };
            let revoked = match (stored.record, held) {
                (Ok(record), HeldLease::By { holder, .. }) if record.is_held_by(Some(holder)) => LeaseRecord { revoked: true, ..record },
                (Err(_), HeldLease::Damaged { version, .. }) if *version == stored.version => LeaseRecord::after_damage(),
                _ => return Ok(false),
            };
            if let WriteResult::Done(_) = write_record(backend, &key, &revoked, WriteCondition::IfVersion(stored.version)).await? {
                return Ok(true);
            }
            // A running holder has just renewed it.
            sleep(retry_delay()).await;
        }
        Err(lease_busy())
    }

    /// Fence number, which increases with every holder of this lease.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Checks that the lease is still held. Called before every mutating call; makes no calls itself.
    ///
    /// # Errors
    /// Fails with `LeaseLost` if another process has the lease, or the last renewal is too long ago to exclude that.
    pub fn ensure_held(&self) -> Result<()> {
        match &*self.state.borrow() {
            LeaseState::Held { renewed, renewal_error: trouble } if renewed.elapsed(&self.timing) >= self.timing.validity() => {
                let why = trouble.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                Err(lease_lost(&format!("it could not be renewed for {} s{why}", renewed.elapsed(&self.timing).as_secs())))
            }
            LeaseState::Held { .. } => Ok(()),
            LeaseState::Lost(why) => Err(lease_lost(why)),
        }
    }

    /// Same, but waits for the next renewal if the last one is too old, as after a long sleep of the machine or while the backend is
    /// unreachable; for as long as no other process can have taken over.
    ///
    /// # Errors
    /// Same as [`Lease::ensure_held`].
    pub async fn ensure_held_or_renew(&self) -> Result<()> {
        let mut state = self.state.clone();
        let unsure = |state: &LeaseState| state.is_overdue(&self.timing);
        if unsure(&state.borrow()) {
            // The result is checked below.
            self.commands.send(RenewerCommand::Renew).ok();
            tokio::select! {
                sure = state.wait_for(|state| !unsure(state)) => drop(sure),
                () = self.timing.clock.sleep(self.timing.takeover_delay()) => {}
            }
        }
        self.ensure_held()
    }

    /// Registers a call, which counts as under way until the result is dropped.
    ///
    /// # Errors
    /// Same as [`Lease::ensure_held`].
    pub fn start_call(self: &Arc<Lease>) -> Result<LeasedCall> {
        // Counted before the check: a lost lease is not confirmed while the count is positive.
        self.calls.send_modify(|calls| *calls += 1);
        let call = LeasedCall { lease: self.clone() };
        call.ensure_held()?;
        Ok(call)
    }

    /// Sets the current step, for waiting processes; written with the next renewal.
    pub fn set_step(&self, text: impl Into<String>) {
        self.step.send_replace(Some(text.into()));
    }

    /// Releases the lease. Does nothing if it was lost.
    ///
    /// # Errors
    /// Fails if the backend can't be written; the lease then expires.
    pub async fn release(&self) -> Result<()> {
        let (reply, done) = oneshot::channel();
        if self.commands.send(RenewerCommand::Release(reply)).is_err() {
            return Ok(());
        }
        done.await.unwrap_or(Ok(()))
    }
}

fn lease_lost(why: &str) -> Error {
    let message = format!("this run no longer holds the stack's lease: {why}; it makes no further changes");
    Error::new(ErrorKind::Rejected, "LeaseLost", message)
}

fn lease_busy() -> Error {
    Error::new(ErrorKind::Conflict, "Busy", "can't write the stack's lease: other processes keep writing it")
}

/// Random pause before the next attempt, so that conflicting writers don't conflict again.
fn retry_delay() -> Duration {
    Duration::from_millis(1 + random() % 99)
}

#[cfg(test)]
mod tests;
