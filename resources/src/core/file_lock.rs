//! Locks between processes that share a file.

use std::{
    fs::{File, TryLockError},
    io::{Error, ErrorKind, Result},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// Maximum wait. A lock is held for milliseconds; a holder that exceeds this is assumed to be stopped.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Locks `file`, which is at `path`, until it is closed or unlocked.
///
/// # Errors
/// Fails if another process still holds the lock after `patience`.
pub fn lock(file: &File, path: &Path, timeout: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begin.elapsed() < timeout => sleep(Duration::from_millis(2)),
            Err(TryLockError::WouldBlock) => return Err(Error::new(ErrorKind::TimedOut, timeout_message(path, timeout))),
        }
    }
}

fn timeout_message(path: &Path, timeout: Duration) -> String {
    format!(
        "another process has held {} for {} s and may have been stopped (Ctrl-Z): continue it (`fg`) or end it",
        path.display(),
        timeout.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_while_another_process_holds_the_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let open = || File::options().create(true).append(true).open(&path).expect("a file");
        let (first, second) = (open(), open());
        lock(&first, &path, Duration::ZERO).expect("it is free");
        let refused = lock(&second, &path, Duration::from_millis(50)).expect_err("it is held");
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
        assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
        drop(first);
        lock(&second, &path, Duration::ZERO).expect("it is free again");
    }
}
