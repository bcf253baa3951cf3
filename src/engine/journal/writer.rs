//! Writes a journal: records wait for each other in one line, and go to the backend in as few pieces as time allows.

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
    engine::backend::{Backend, WriteResult},
};

/// The journal of the run that is under way.
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
    /// Begins the journal under `key`, where there must be none.
    pub fn new(backend: Backend, key: String) -> Journal {
        let (sender, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run_writer(backend, key, inbox));
        Journal { inner: Arc::new(Mutex::new(Inner { state: JournalState::default(), checksum: String::new() })), pieces: sender }
    }

    /// Writes a record; it is safe once the future ends. Gives the record's number.
    ///
    /// # Errors
    /// When the record may not come now, or the backend does not take it.
    pub async fn write(&self, record: Record) -> Result<u64> {
        let (n, safe) = self.send(record)?;
        safe.await.map_err(|_| writer_stopped())??;
        Ok(n)
    }

    /// Writes a record without waiting until it is safe; every later one is safe only after it.
    ///
    /// # Errors
    /// When the record may not come now.
    pub fn enqueue(&self, record: Record) -> Result<()> {
        self.send(record).map(|_| ())
    }

    /// Where the run stands.
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
        // Sent under the lock: lines reach the backend in the order of their numbers.
        self.pieces.send((text, reply)).map_err(|_| writer_stopped())?;
        (inner.state, inner.checksum) = (state, seal);
        Ok((n, safe))
    }
}

fn writer_stopped() -> Error {
    Error::new(ErrorKind::Rejected, "Journal", "the journal can't be written any more")
}

async fn run_writer(backend: Backend, key: String, mut inbox: mpsc::UnboundedReceiver<(String, oneshot::Sender<Result<()>>)>) {
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
        let written = match backend.append(&key, number, text.as_bytes()).await {
            Ok(WriteResult::Done(_)) => Ok(()),
            Ok(WriteResult::Conflict) => {
                Err(Error::new(ErrorKind::Rejected, "LeaseLost", "somebody else writes this journal: nothing more is done here"))
            }
            Err(error) => Err(error),
        };
        number += 1;
        let failed = written.is_err();
        for reply in replies {
            // Who does not wait needs no answer.
            reply.send(written.clone()).ok();
        }
        if failed {
            return;
        }
    }
}
