//! Renews a lease while it is held.

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Lease,
    clock::{SuspendAwareInstant, Timing},
    lease_busy,
    record::{LeaseRecord, read_record, write_record},
};
use crate::{
    core::{Error, ErrorKind, Result},
    engine::backend::{Backend, Key, WriteCondition, WriteResult},
};

/// Starts to renew a new lease.
pub(super) fn spawn_renewer(
    backend: Backend,
    key: Key,
    version: String,
    record: LeaseRecord,
    sent: SuspendAwareInstant,
    timing: Timing,
) -> Lease {
    let fence = record.fence;
    let (state, seen) = watch::channel(LeaseState::Held { renewed: sent, renewal_error: None });
    let (step, wanted) = watch::channel(None);
    let (calls, calls_seen) = watch::channel(0);
    let (commands, inbox) = mpsc::unbounded_channel();
    tokio::spawn(LeaseRenewer { backend, key, version, record, timing: timing.clone(), state, step: wanted, calls: calls_seen }.run(inbox));
    Lease { fence, timing, state: seen, step, calls, commands }
}

#[derive(Debug)]
pub(super) enum LeaseState {
    /// Held since the renewal sent then; and the error of later ones.
    Held { renewed: SuspendAwareInstant, renewal_error: Option<Error> },
    /// Lost, with the reason.
    Lost(String),
}

#[derive(Debug)]
pub(super) enum RenewerCommand {
    /// Renew it now if overdue.
    Renew,
    /// Release it and stop.
    Release(oneshot::Sender<Result<()>>),
}

/// Reason why a lease was lost.
enum Loss {
    TakenOver,
    /// `acme unlock` removed it; with the version of that record.
    Revoked(String),
}

/// Task that renews a lease while it is held.
struct LeaseRenewer {
    backend: Backend,
    key: Key,
    version: String,
    record: LeaseRecord,
    timing: Timing,
    state: watch::Sender<LeaseState>,
    step: watch::Receiver<Option<String>>,
    /// Number of calls under way.
    calls: watch::Receiver<usize>,
}

impl LeaseRenewer {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<RenewerCommand>) {
        let mut pause = self.timing.term / 3;
        loop {
            let order = tokio::select! {
                order = commands.recv() => Some(order),
                () = self.timing.clock.sleep(pause) => None,
            };
            match order {
                // Dropped: the lease expires.
                Some(None) => return,
                Some(Some(RenewerCommand::Release(reply))) => {
                    let freed = self.write(LeaseRecord { holder: None, ..self.record.clone() }).await;
                    self.state.send_replace(LeaseState::Lost("it was released".into()));
                    if let Ok(Some(Loss::Revoked(version))) = &freed {
                        self.confirm_revocation(version.clone()).await;
                    }
                    // The caller may not be waiting for the result.
                    reply.send(freed.map(|_| ())).ok();
                    return;
                }
                Some(Some(RenewerCommand::Renew)) if !self.is_overdue() => continue,
                Some(Some(RenewerCommand::Renew)) | None => {}
            }
            pause = match self.renew().await {
                Ok(None) => self.timing.term / 3,
                Ok(Some(Loss::TakenOver)) => return,
                Ok(Some(Loss::Revoked(version))) => return self.confirm_revocation(version).await,
                Err(error) => {
                    self.state.send_modify(|state| {
                        if let LeaseState::Held { renewal_error: trouble, .. } = state {
                            *trouble = Some(error);
                        }
                    });
                    self.timing.term / 30
                }
            };
        }
    }

    fn is_overdue(&self) -> bool {
        self.state.borrow().is_overdue(&self.timing)
    }

    /// Writes a heartbeat with the current step. Returns the reason if the lease was lost.
    async fn renew(&mut self) -> Result<Option<Loss>> {
        let renewed = self.timing.now();
        let mut record = self.record.clone();
        if let Some(holder) = &mut record.holder {
            holder.last_heartbeat = self.timing.clock.wall_millis();
            holder.step.clone_from(&self.step.borrow());
        }
        let loss = self.write(record).await?;
        match &loss {
            None => self.state.send_replace(LeaseState::Held { renewed, renewal_error: None }),
            Some(Loss::Revoked(_)) => self.state.send_replace(LeaseState::Lost("it was removed by `acme unlock`".to_owned())),
            Some(Loss::TakenOver) => {
                let by = match read_record(&self.backend, &self.key).await {
                    Ok(Some((LeaseRecord { holder: Some(holder), .. }, _))) => format!("it was taken over by {holder}"),
                    _ => "it was removed by `acme unlock`".to_owned(),
                };
                self.state.send_replace(LeaseState::Lost(by))
            }
        };
        Ok(loss)
    }

    /// Tells contenders, who would wait for a whole term, that no call is under way any more.
    async fn confirm_revocation(&mut self, version: String) {
        tokio::select! {
            ended = self.calls.wait_for(|calls| *calls == 0) => drop(ended),
            // By then, contenders take over anyway.
            () = self.timing.clock.sleep(self.timing.takeover_delay()) => return,
        }
        let free = LeaseRecord::new(self.record.fence, None, false);
        // If it can't be written, contenders wait.
        write_record(&self.backend, &self.key, &free, WriteCondition::IfVersion(version)).await.ok();
    }

    /// Overwrites the version written last. Returns the reason if another process has written since.
    async fn write(&mut self, record: LeaseRecord) -> Result<Option<Loss>> {
        let late = |_| Error::new(ErrorKind::Unavailable, "Timeout", "the backend does not respond");
        let patience = self.timing.term / 3;
        for _ in 0..3 {
            let when = WriteCondition::IfVersion(self.version.clone());
            let written = timeout(patience, write_record(&self.backend, &self.key, &record, when)).await.map_err(late)??;
            if let WriteResult::Done(version) = written {
                (self.version, self.record) = (version, record);
                return Ok(None);
            }
            // An earlier write may have taken effect without a response.
            let Some((there, version)) = timeout(patience, read_record(&self.backend, &self.key)).await.map_err(late)?? else {
                return Ok(Some(Loss::TakenOver));
            };
            let holder = self.record.holder.as_ref();
            if !there.is_held_by(holder) {
                let revoked = there.revoked && there.holder.as_ref().map(|other| &other.id) == holder.map(|own| &own.id);
                return Ok(Some(if revoked { Loss::Revoked(version) } else { Loss::TakenOver }));
            }
            self.version = version;
        }
        Err(lease_busy())
    }
}

impl LeaseState {
    /// Whether it is held, but was not renewed for too long to be sure.
    pub(super) fn is_overdue(&self, timing: &Timing) -> bool {
        matches!(self, LeaseState::Held { renewed, .. } if renewed.elapsed(timing) >= timing.validity())
    }
}
