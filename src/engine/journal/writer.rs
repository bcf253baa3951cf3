//! Writes a journal: records are queued in order, and written to the backend in as few pieces as possible.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{JournalState, Line, Record, replay::with_checksum};
use crate::{
    core::{Error, ErrorKind, Result},
    engine::backend::{Backend, Key, WriteResult, with_patience},
};

/// Journal of the current run.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
    pieces: mpsc::UnboundedSender<(String, oneshot::Sender<Result<()>>)>,
}

struct Inner {
    state: JournalState,
    checksum: String,
}

impl Journal {
    /// Starts the journal at `key`, which must not exist.
    pub fn new(backend: Backend, key: Key) -> Journal {
        let (sender, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run_writer(backend, key, inbox));
        Journal { inner: Arc::new(Mutex::new(Inner { state: JournalState::default(), checksum: String::new() })), pieces: sender }
    }

    /// Writes a record, and returns its number once it is durable.
    ///
    /// # Errors
    /// Fails if the record is not valid in this phase, or the backend can't write it.
    pub async fn write(&self, record: Record) -> Result<u64> {
        let (n, safe) = self.send(record)?;
        safe.await.map_err(|_| writer_stopped())??;
        Ok(n)
    }

    /// Writes a record without waiting until it is durable. It becomes durable before every later one.
    ///
    /// # Errors
    /// Fails if the record is not valid in this phase.
    pub fn enqueue(&self, record: Record) -> Result<()> {
        self.send(record).map(|_| ())
    }

    /// State of the run.
    pub fn state(&self) -> JournalState {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    fn send(&self, record: Record) -> Result<(u64, oneshot::Receiver<Result<()>>)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let state = inner.state.next(&record).map_err(|illegal| Error::new(ErrorKind::Rejected, "Journal", illegal.to_string()))?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let n = state.last;
        let (mut text, seal) = with_checksum(&Line { n, at, record }, &inner.checksum)?;
        text.push('\n');
        let (reply, safe) = oneshot::channel();
        // Sent while holding the lock, so that lines reach the backend in the order of their numbers.
        self.pieces.send((text, reply)).map_err(|_| writer_stopped())?;
        (inner.state, inner.checksum) = (state, seal);
        Ok((n, safe))
    }
}

fn writer_stopped() -> Error {
    Error::new(ErrorKind::Rejected, "Journal", "can't write the journal any more")
}

async fn run_writer(backend: Backend, key: Key, mut inbox: mpsc::UnboundedReceiver<(String, oneshot::Sender<Result<()>>)>) {
    let mut number = 0;
    let mut last: Option<Instant> = None;
    while let Some((mut text, reply)) = inbox.recv().await {
        if let Some(last) = last {
            tokio::time::sleep_until(last + backend.min_append_interval()).await;
        }
        let mut replies = vec![reply];
        while let Ok((more, reply)) = inbox.try_recv() {
            text.push_str(&more);
            replies.push(reply);
        }
        last = Some(Instant::now());
        let written = match with_patience(|| backend.append(&key, number, text.as_bytes())).await {
            Ok(WriteResult::Done(_)) => Ok(()),
            Ok(WriteResult::Conflict) => {
                Err(Error::new(ErrorKind::Rejected, "LeaseLost", "another process writes this journal: this run makes no further changes"))
            }
            Err(error) => Err(Error::new(ErrorKind::Rejected, "Journal", format!("can't write the journal: {error}"))),
        };
        number += 1;
        let failed = written.is_err();
        for reply in replies {
            // The caller may not be waiting for the result.
            reply.send(written.clone()).ok();
        }
        if failed {
            return;
        }
    }
}
