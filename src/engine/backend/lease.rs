//! The lease: one run per stack and environment at a time.
//!
//! A holder renews it again and again. Who finds it unchanged for [`EXPIRY`] takes it over, with a higher fence number; who could not
//! renew it for a good while less than that has lost it. Clocks of two machines are not compared: each side measures time by itself.

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

/// A lease that does not change for this long is nobody's any more.
pub const EXPIRY: Duration = Duration::from_secs(30);

/// How often a write that collides is tried.
const MAX_ATTEMPTS: usize = 100;

/// Name and version of the format.
const FORMAT: &str = "acme-lease/2";

/// The right to change a stack. Ends by [`Lease::release`]; one that is dropped without expires by itself.
#[derive(Debug)]
pub struct Lease {
    fence: u64,
    expiry: Duration,
    state: watch::Receiver<LeaseState>,
    step: watch::Sender<Option<String>>,
    commands: mpsc::UnboundedSender<RenewerCommand>,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// The fence number it holds the lease with.
    pub fence: u64,
    /// Who.
    pub holder: Holder,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseRecord {
    format: String,
    /// Grows with every holder.
    fence: u64,
    holder: Option<Holder>,
}

impl Lease {
    /// Takes the lease. While another holds it, waits for up to `wait` and tells `waiting` who it is, once and whenever that changes.
    ///
    /// # Errors
    /// `Locked` when another still holds it after that; when the backend cannot be read or written.
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

    /// Who holds the lease, if anybody does.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub async fn holder(backend: &Backend, stack: &str, environment: &str) -> Result<Option<HeldLease>> {
        let there = read_record(backend, &key(stack, environment)).await?;
        Ok(there.and_then(|(record, _)| Some(HeldLease { fence: record.fence, holder: record.holder? })))
    }

    /// Takes the lease from its holder, who notices within a third of [`EXPIRY`]. False: that one does not hold it any more.
    ///
    /// # Errors
    /// When the backend cannot be read or written.
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
            // A holder that lives has just renewed it.
            sleep(retry_delay()).await;
        }
        Err(lease_busy())
    }

    /// Grows with every holder of this lease.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// To be asked right before every call that changes something; makes none itself.
    ///
    /// # Errors
    /// `LeaseLost` when another has the lease, or the last renewal is too long ago to be sure that none has.
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

    /// The same, for who can wait: after a long sleep of the machine, or while the backend is out of reach, it is the next renewal that
    /// tells whether the lease is still ours.
    ///
    /// # Errors
    /// As for [`Lease::check`].
    pub async fn ensure_held_or_renew(&self) -> Result<()> {
        let mut state = self.state.clone();
        let unsure = |state: &LeaseState| matches!(state, LeaseState::Held { renewed, .. } if is_overdue(renewed, self.expiry));
        if unsure(&state.borrow()) {
            // What came of it is asked below.
            self.commands.send(RenewerCommand::Renew).ok();
            timeout(self.expiry, state.wait_for(|state| !unsure(state))).await.ok();
        }
        self.ensure_held()
    }

    /// What is being done, for those who wait; goes out with the next renewal.
    pub fn set_step(&self, text: impl Into<String>) {
        self.step.send_replace(Some(text.into()));
    }

    /// Gives the lease back. One that was lost already is left alone.
    ///
    /// # Errors
    /// When the backend cannot be written; the lease then expires by itself.
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

/// A renewal counts for less than [`EXPIRY`], so that a call that goes out at the last moment is over by then.
fn is_overdue(renewed: &SuspendAwareInstant, expiry: Duration) -> bool {
    renewed.elapsed() >= expiry * 2 / 3
}

fn lease_lost(why: &str) -> Error {
    let message = format!("this run does not hold the stack's lease any more: {why}; nothing more is changed");
    Error::new(ErrorKind::Rejected, "LeaseLost", message)
}

fn lease_busy() -> Error {
    Error::new(ErrorKind::Conflict, "Busy", "the stack's lease could not be written: others write it all the time")
}

/// Before the next try, so that those who collided do not do so again.
fn retry_delay() -> Duration {
    Duration::from_millis(1 + random() % 99)
}

async fn read_record(backend: &Backend, key: &str) -> Result<Option<(LeaseRecord, String)>> {
    let Some(object) = backend.get(key).await? else { return Ok(None) };
    let refused = |what: String| Error::new(ErrorKind::Rejected, "Lease", format!("`{key}` of the backend {what}"));
    let record: LeaseRecord = serde_json::from_slice(&object.bytes)
        .map_err(|error| refused(format!("is no lease ({error}): delete it, if nobody changes the stack just now")))?;
    if record.format != FORMAT {
        return Err(refused(format!("is of the format {}, not {FORMAT}: another version of acme wrote it", record.format)));
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
    // The version that was last seen, and since when.
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
            // Somebody was first; who, shows when it is read again.
            WriteResult::Conflict if conflicts == MAX_ATTEMPTS => return Err(lease_busy()),
            WriteResult::Conflict => sleep(retry_delay()).await,
        }
    }
}

fn locked_error(stack: &str, environment: &str, holder: &Holder, expiry: Duration) -> Error {
    let silent = holder.since_last_heartbeat();
    let silence = if silent > expiry { format!(", last heard of {} s ago", silent.as_secs()) } else { String::new() };
    let message = format!(
        "{stack} ({environment}) is being changed by {holder}{silence}; `--lock-timeout SECONDS` waits for it, and if that run is dead \
         `acme unlock` frees the stack"
    );
    Error::new(ErrorKind::Rejected, "Locked", message)
}

/// Starts to renew a lease that was just taken.
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

/// A point in time. What has passed since counts while the machine sleeps, too: the monotonic clock may stand still then, the wall
/// clock may be set back.
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
    /// Ours since the renewal that was sent then; and why later ones failed.
    Held { renewed: SuspendAwareInstant, renewal_error: Option<Error> },
    /// Not ours any more.
    Lost(String),
}

#[derive(Debug)]
enum RenewerCommand {
    /// Renew it now, if that is overdue.
    Renew,
    /// Give it back and end.
    Release(oneshot::Sender<Result<()>>),
}

/// The one who writes a lease while it is held.
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
                // Dropped: it expires by itself.
                Ok(None) => return,
                Ok(Some(RenewerCommand::Release(reply))) => {
                    let freed = self.write(LeaseRecord { holder: None, ..self.record.clone() }).await;
                    self.state.send_replace(LeaseState::Lost("it was given back".into()));
                    // Who does not wait needs no answer.
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

    /// Says that we are alive, and at what. False: the lease is not ours any more.
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
                _ => "it was taken away by `acme unlock`".to_owned(),
            };
            self.state.send_replace(LeaseState::Lost(by));
        }
        Ok(held)
    }

    /// Writes over the version that we wrote last. False: somebody else has written since.
    async fn write(&mut self, record: LeaseRecord) -> Result<bool> {
        let late = |_| Error::new(ErrorKind::Unavailable, "Timeout", "the backend does not answer");
        for _ in 0..3 {
            let when = WriteCondition::IfVersion(self.version.clone());
            let written = timeout(self.expiry / 3, write_record(&self.backend, &self.key, &record, when)).await.map_err(late)??;
            if let WriteResult::Done(version) = written {
                (self.version, self.record) = (version, record);
                return Ok(true);
            }
            // An earlier write of ours may have taken effect though no answer came.
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
