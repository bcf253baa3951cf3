//! The lease: allows one run per stack and environment at a time.
//!
//! A holder renews it regularly. Another process that finds it unchanged for [`EXPIRY`] takes it over with a higher fence number; a holder
//! gives up if it can't renew it within a shorter time. Clocks of two machines are never compared: each side measures time by itself.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    Backend, WriteCondition, WriteResult,
    holder::{Holder, now_millis, random},
};
use crate::core::{Error, ErrorKind, Result};

/// Time after which an unchanged lease expires. A holder that exceeds this is assumed to be stopped.
pub const EXPIRY: Duration = Duration::from_secs(30);

/// Maximum number of attempts for a conflicting write.
const MAX_ATTEMPTS: usize = 100;

/// Name and version of the format.
const FORMAT: &str = "acme-lease/2";

/// Exclusive right to change a stack. [`Lease::release`] ends it; a dropped one expires.
#[derive(Debug)]
pub struct Lease {
    fence: u64,
    expiry: Duration,
    state: watch::Receiver<LeaseState>,
    step: watch::Sender<Option<String>>,
    commands: mpsc::UnboundedSender<RenewerCommand>,
}

/// Holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// Fence number of the lease.
    pub fence: u64,
    /// Holder.
    pub holder: Holder,
}

/// Stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseRecord {
    format: String,
    /// Number that increases with every holder.
    fence: u64,
    holder: Option<Holder>,
}

impl Lease {
    /// Acquires the lease. Waits for up to `wait` for another holder, and calls `waiting` with it, once and on every change.
    ///
    /// # Errors
    /// Fails with `Locked` if another process still holds it after that, or if the backend can't be read or written.
    pub async fn acquire(
        backend: &Backend,
        stack: &str,
        environment: &str,
        command: &str,
        wait: Duration,
        on_wait: impl FnMut(&Holder),
    ) -> Result<Lease> {
        acquire_with_expiry(backend, stack, environment, command, wait, EXPIRY, on_wait).await
    }

    /// Returns the holder of the lease, if any.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn holder(backend: &Backend, stack: &str, environment: &str) -> Result<Option<HeldLease>> {
        let there = read_record(backend, &key(stack, environment)).await?;
        Ok(there.and_then(|(record, _)| Some(HeldLease { fence: record.fence, holder: record.holder? })))
    }

    /// Revokes the lease of a holder, which notices within a third of [`EXPIRY`]. Returns false if it is no longer the holder.
    ///
    /// # Errors
    /// Fails if the backend can't be read or written.
    pub async fn unlock(backend: &Backend, stack: &str, environment: &str, held: &HeldLease) -> Result<bool> {
        let key = key(stack, environment);
        for _ in 0..MAX_ATTEMPTS {
            let Some((record, version)) = read_record(backend, &key).await? else { return Ok(false) };
            if record.holder.as_ref().is_none_or(|holder| holder.id != held.holder.id) {
                return Ok(false);
            }
            if let WriteResult::Done(_) =
                write_record(backend, &key, &LeaseRecord { holder: None, ..record }, WriteCondition::IfVersion(version)).await?
            {
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
            LeaseState::Held { renewed, renewal_error: trouble } if is_overdue(renewed, self.expiry) => {
                let why = trouble.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                Err(lease_lost(&format!("it could not be renewed for {} s{why}", renewed.elapsed().as_secs())))
            }
            LeaseState::Held { .. } => Ok(()),
            LeaseState::Lost(why) => Err(lease_lost(why)),
        }
    }

    /// Same, but waits for the next renewal if the last one is too old, as after a long sleep of the machine or while the backend is
    /// unreachable.
    ///
    /// # Errors
    /// Same as [`Lease::check`].
    pub async fn ensure_held_or_renew(&self) -> Result<()> {
        let mut state = self.state.clone();
        let unsure = |state: &LeaseState| matches!(state, LeaseState::Held { renewed, .. } if is_overdue(renewed, self.expiry));
        if unsure(&state.borrow()) {
            // The result is checked below.
            self.commands.send(RenewerCommand::Renew).ok();
            timeout(self.expiry, state.wait_for(|state| !unsure(state))).await.ok();
        }
        self.ensure_held()
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

fn key(stack: &str, environment: &str) -> String {
    format!("{stack}/{environment}/lease.json")
}

/// Validity of a renewal: less than [`EXPIRY`], so that a call sent at the last moment ends before the lease expires.
fn is_overdue(renewed: &SuspendAwareInstant, expiry: Duration) -> bool {
    renewed.elapsed() >= expiry * 2 / 3
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

async fn read_record(backend: &Backend, key: &str) -> Result<Option<(LeaseRecord, String)>> {
    let Some(object) = backend.get(key).await? else { return Ok(None) };
    let refused = |what: String| Error::new(ErrorKind::Rejected, "Lease", format!("`{key}` in the backend {what}"));
    let record: LeaseRecord = serde_json::from_slice(&object.bytes)
        .map_err(|error| refused(format!("is not a valid lease ({error}): delete it if no run is changing the stack")))?;
    if record.format != FORMAT {
        return Err(refused(format!("has the format {}, not {FORMAT}: another version of acme wrote it", record.format)));
    }
    Ok(Some((record, object.version)))
}

async fn write_record(backend: &Backend, key: &str, record: &LeaseRecord, condition: WriteCondition) -> Result<WriteResult> {
    backend.put(key, &serde_json::to_vec(record)?, &condition).await
}

async fn acquire_with_expiry(
    backend: &Backend,
    stack: &str,
    environment: &str,
    command: &str,
    wait: Duration,
    expiry: Duration,
    mut on_wait: impl FnMut(&Holder),
) -> Result<Lease> {
    let key = key(stack, environment);
    let begun = Instant::now();
    let mut this = Holder::current_process(command);
    let mut conflicts = 0;
    // The last seen version, and the time it was first seen.
    let mut seen: Option<(String, Instant)> = None;
    let mut reported: Option<(String, Option<String>)> = None;
    loop {
        let there = read_record(backend, &key).await?;
        let (fence, version) = there.as_ref().map_or((0, None), |(record, version)| (record.fence, Some(version)));
        let holder = there.as_ref().and_then(|(record, _)| record.holder.as_ref());
        let unchanged = match (&seen, version) {
            (Some((before, since)), Some(version)) if before == version => since.elapsed(),
            _ => {
                seen = version.map(|version| (version.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        let held = holder.filter(|holder| !holder.has_exited() && unchanged < expiry && holder.since_last_heartbeat() < expiry * 10);
        if let Some(holder) = held {
            if begun.elapsed() >= wait {
                return Err(locked_error(stack, environment, holder, expiry));
            }
            let now = (holder.id.clone(), holder.step.clone());
            if reported.as_ref() != Some(&now) {
                on_wait(holder);
                reported = Some(now);
            }
            sleep((expiry / 30).min(wait.saturating_sub(begun.elapsed()))).await;
            continue;
        }
        this.last_heartbeat = now_millis();
        this.since = this.last_heartbeat;
        let sent = SuspendAwareInstant::now();
        let record = LeaseRecord { format: FORMAT.into(), fence: fence.saturating_add(1), holder: Some(this.clone()) };
        let when = version.map_or(WriteCondition::IfAbsent, |version| WriteCondition::IfVersion(version.clone()));
        conflicts += 1;
        match write_record(backend, &key, &record, when).await? {
            WriteResult::Done(version) => return Ok(spawn_renewer(backend.clone(), key, version, record, sent, expiry)),
            // Another process was faster; the next read returns it.
            WriteResult::Conflict if conflicts == MAX_ATTEMPTS => return Err(lease_busy()),
            WriteResult::Conflict => sleep(retry_delay()).await,
        }
    }
}

fn locked_error(stack: &str, environment: &str, holder: &Holder, expiry: Duration) -> Error {
    let silent = holder.since_last_heartbeat();
    let silence = if silent > expiry { format!(", last heartbeat {} s ago", silent.as_secs()) } else { String::new() };
    let message = format!(
        "{stack} ({environment}) is being changed by {holder}{silence}; `--lock-timeout SECONDS` waits for it; if that run has \
         crashed, `acme unlock` removes its lease"
    );
    Error::new(ErrorKind::Rejected, "Locked", message)
}

/// Starts to renew a new lease.
fn spawn_renewer(
    backend: Backend,
    key: String,
    version: String,
    record: LeaseRecord,
    sent: SuspendAwareInstant,
    expiry: Duration,
) -> Lease {
    let fence = record.fence;
    let (state, seen) = watch::channel(LeaseState::Held { renewed: sent, renewal_error: None });
    let (step, wanted) = watch::channel(None);
    let (commands, inbox) = mpsc::unbounded_channel();
    tokio::spawn(LeaseRenewer { backend, key, version, record, expiry, state, step: wanted }.run(inbox));
    Lease { fence, expiry, state: seen, step, commands }
}

/// A point in time, on both clocks: the monotonic clock may stop while the machine sleeps, and the wall clock may be set back.
#[derive(Clone, Copy, Debug)]
struct SuspendAwareInstant {
    monotonic: Instant,
    wall: SystemTime,
}

impl SuspendAwareInstant {
    fn now() -> SuspendAwareInstant {
        SuspendAwareInstant { monotonic: Instant::now(), wall: SystemTime::now() }
    }
    fn elapsed(&self) -> Duration {
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

#[derive(Debug)]
enum LeaseState {
    /// Held since the renewal sent then; and the error of later ones.
    Held { renewed: SuspendAwareInstant, renewal_error: Option<Error> },
    /// Lost, with the reason.
    Lost(String),
}

#[derive(Debug)]
enum RenewerCommand {
    /// Renew it now if overdue.
    Renew,
    /// Release it and stop.
    Release(oneshot::Sender<Result<()>>),
}

/// Task that renews a lease while it is held.
struct LeaseRenewer {
    backend: Backend,
    key: String,
    version: String,
    record: LeaseRecord,
    expiry: Duration,
    state: watch::Sender<LeaseState>,
    step: watch::Receiver<Option<String>>,
}

impl LeaseRenewer {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<RenewerCommand>) {
        let mut pause = self.expiry / 3;
        loop {
            let order = timeout(pause, commands.recv()).await;
            match order {
                // Dropped: the lease expires.
                Ok(None) => return,
                Ok(Some(RenewerCommand::Release(reply))) => {
                    let freed = self.write(LeaseRecord { holder: None, ..self.record.clone() }).await;
                    self.state.send_replace(LeaseState::Lost("it was released".into()));
                    // The caller may not be waiting for the result.
                    reply.send(freed.map(|_| ())).ok();
                    return;
                }
                Ok(Some(RenewerCommand::Renew)) if !self.is_overdue() => continue,
                Ok(Some(RenewerCommand::Renew)) | Err(_) => {}
            }
            pause = match self.renew().await {
                Ok(true) => self.expiry / 3,
                Ok(false) => return,
                Err(error) => {
                    self.state.send_modify(|state| {
                        if let LeaseState::Held { renewal_error: trouble, .. } = state {
                            *trouble = Some(error);
                        }
                    });
                    self.expiry / 30
                }
            };
        }
    }

    fn is_overdue(&self) -> bool {
        matches!(&*self.state.borrow(), LeaseState::Held { renewed, .. } if is_overdue(renewed, self.expiry))
    }

    /// Writes a heartbeat with the current step. Returns false if the lease was lost.
    async fn renew(&mut self) -> Result<bool> {
        let renewed = SuspendAwareInstant::now();
        let mut record = self.record.clone();
        if let Some(holder) = &mut record.holder {
            holder.last_heartbeat = now_millis();
            holder.step.clone_from(&self.step.borrow());
        }
        let held = self.write(record).await?;
        if held {
            self.state.send_replace(LeaseState::Held { renewed, renewal_error: None });
        } else {
            let by = match read_record(&self.backend, &self.key).await {
                Ok(Some((LeaseRecord { holder: Some(holder), .. }, _))) => format!("it was taken over by {holder}"),
                _ => "it was removed by `acme unlock`".to_owned(),
            };
            self.state.send_replace(LeaseState::Lost(by));
        }
        Ok(held)
    }

    /// Overwrites the version written last. Returns false if another process has written since.
    async fn write(&mut self, record: LeaseRecord) -> Result<bool> {
        let late = |_| Error::new(ErrorKind::Unavailable, "Timeout", "the backend does not respond");
        for _ in 0..3 {
            let when = WriteCondition::IfVersion(self.version.clone());
            let written = timeout(self.expiry / 3, write_record(&self.backend, &self.key, &record, when)).await.map_err(late)??;
            if let WriteResult::Done(version) = written {
                (self.version, self.record) = (version, record);
                return Ok(true);
            }
            // An earlier write may have taken effect without a response.
            let Some((there, version)) = timeout(self.expiry / 3, read_record(&self.backend, &self.key)).await.map_err(late)?? else {
                return Ok(false);
            };
            let ours = |record: &LeaseRecord| record.holder.as_ref().map(|holder| holder.id.clone());
            if ours(&there) != ours(&self.record) {
                return Ok(false);
            }
            self.version = version;
        }
        Err(lease_busy())
    }
}

#[cfg(test)]
mod tests;
