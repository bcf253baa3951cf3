//! Acquires a lease, or takes it over from a holder that stopped.

use std::{fmt, time::Duration};

use tokio::time::sleep;

use super::{
    Lease, MAX_ATTEMPTS,
    clock::Timing,
    lease_busy,
    record::{LeaseRecord, read_record, write_record},
    renewer::spawn_renewer,
    retry_delay,
};
use crate::{
    core::{EnvironmentName, Error, ErrorKind, Result, StackName},
    engine::backend::{Backend, Key, WriteCondition, WriteResult, holder::Holder},
};

/// What a contender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseWait<'a> {
    /// Another run, until it ends or expires.
    Holder(&'a Holder),
    /// The last calls of a run whose lease `acme unlock` removed; `None` if the lease was damaged.
    Revoked(Option<&'a Holder>),
}

impl fmt::Display for LeaseWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseWait::Holder(holder) => write!(f, "{holder}"),
            LeaseWait::Revoked(Some(holder)) => write!(f, "the last calls of the unlocked run ({holder})"),
            LeaseWait::Revoked(None) => f.write_str("the last calls of a run whose lease was damaged"),
        }
    }
}

pub(super) async fn acquire_with_timing(
    backend: &Backend,
    (stack, environment): (&StackName, &EnvironmentName),
    command: &str,
    wait: Duration,
    timing: Timing,
    mut on_wait: impl FnMut(LeaseWait<'_>),
) -> Result<Lease> {
    let key = Key::lease(stack, environment);
    let begun = timing.clock.monotonic();
    let elapsed_since = |start: Duration| timing.clock.monotonic().saturating_sub(start);
    let mut this = Holder::current_process(command);
    let mut conflicts = 0;
    // The last seen version, and the time it was first seen.
    let mut seen: Option<(String, Duration)> = None;
    let mut changed = false;
    let mut reported: Option<(Option<String>, Option<String>, bool)> = None;
    loop {
        let there = read_record(backend, &key).await?;
        let (fence, version) = there.as_ref().map_or((0, None), |(record, version)| (record.fence, Some(version)));
        let unchanged = match (&seen, version) {
            (Some((before, since)), Some(version)) if before == version => elapsed_since(*since),
            _ => {
                changed = seen.is_some();
                seen = version.map(|version| (version.clone(), timing.clock.monotonic()));
                Duration::ZERO
            }
        };
        let record = there.as_ref().map(|(record, _)| record);
        if let Some(record) = record.filter(|record| record.may_be_in_use() && unchanged < timing.takeover_delay()) {
            // The holder's clock may be wrong: it only tells whether watching the lease for a whole term is worthwhile.
            let seems_stopped = !changed && record.holder.as_ref().is_some_and(|holder| silence(holder, &timing) >= timing.term * 10);
            let patience = if record.revoked || seems_stopped { wait.max(timing.takeover_delay() + timing.term) } else { wait };
            if elapsed_since(begun) >= patience {
                return Err(locked_error((stack, environment), record, &timing));
            }
            let now = (
                record.holder.as_ref().map(|holder| holder.id.clone()),
                record.holder.as_ref().and_then(|h| h.step.clone()),
                record.revoked,
            );
            if reported.as_ref() != Some(&now) {
                match &record.holder {
                    Some(holder) if !record.revoked => on_wait(LeaseWait::Holder(holder)),
                    holder => on_wait(LeaseWait::Revoked(holder.as_ref())),
                }
                reported = Some(now);
            }
            timing.clock.sleep((timing.term / 30).min(patience.saturating_sub(elapsed_since(begun)))).await;
            continue;
        }
        this.last_heartbeat = timing.clock.wall_millis();
        this.since = this.last_heartbeat;
        let sent = timing.now();
        let record = LeaseRecord::new(fence.saturating_add(1), Some(this.clone()), false);
        let when = version.map_or(WriteCondition::IfAbsent, |version| WriteCondition::IfVersion(version.clone()));
        conflicts += 1;
        match write_record(backend, &key, &record, when).await? {
            WriteResult::Done(version) => return Ok(spawn_renewer(backend.clone(), key, version, record, sent, timing)),
            // Another process was faster; the next read returns it.
            WriteResult::Conflict if conflicts == MAX_ATTEMPTS => return Err(lease_busy()),
            WriteResult::Conflict => sleep(retry_delay()).await,
        }
    }
}

/// Time since the last heartbeat, assuming synchronized clocks.
fn silence(holder: &Holder, timing: &Timing) -> Duration {
    Duration::from_millis(timing.clock.wall_millis().saturating_sub(holder.last_heartbeat))
}

fn locked_error((stack, environment): (&StackName, &EnvironmentName), record: &LeaseRecord, timing: &Timing) -> Error {
    let Some(holder) = record.holder.as_ref().filter(|_| !record.revoked) else {
        let message = format!("{stack} ({environment}) was unlocked, but calls of that run may still be under way; try again");
        return Error::new(ErrorKind::Rejected, "Locked", message);
    };
    let silent = silence(holder, timing);
    let silence = if silent > timing.term { format!(", last heartbeat {} s ago", silent.as_secs()) } else { String::new() };
    let message = format!(
        "{stack} ({environment}) is being changed by {holder}{silence}; `--lock-timeout SECONDS` waits for it, and takes over from a run \
         that has stopped after {} s; `acme unlock` removes its lease",
        timing.takeover_delay().as_secs()
    );
    Error::new(ErrorKind::Rejected, "Locked", message)
}
