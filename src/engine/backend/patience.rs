//! Patience with a backend that can't be reached during a run.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::TAKEOVER_DELAY;
use crate::core::{Error, ErrorKind, Result};

/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Repeats a read or a conditional write while the backend is unreachable, for as long as the lease lasts: by then, another run may have
/// taken over. A write that took effect without a response is recognized by its content.
///
/// # Errors
/// Returns the last error.
pub async fn with_patience<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    let begun = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let error = match call().await {
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Throttled) => error,
            ended => return ended,
        };
        let waited = begun.elapsed();
        if waited + pause > TAKEOVER_DELAY {
            let message = format!("{}; acme retried for {} s", error.message.trim_end_matches('.'), waited.as_secs());
            return Err(Error { message, ..error });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
