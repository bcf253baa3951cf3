//! How the simulated cloud misbehaves: slow settling, late reads, calls that fail and processes that die.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::core::{Error, ErrorKind, Result};

/// The environment variable that adds to every [`Behaviour`]; see [`Behaviour::extend`] for what it may say.
pub const FAULT_VARIABLE: &str = "ACME_LOCAL_FAULT";

/// How the simulated cloud behaves. The default is at once, up to date, and without faults.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// How long things take.
    pub timing: Timing,
    /// How long reads lag behind writes, and how long a new resource cannot be referred to.
    pub read_lag: Duration,
    /// What goes wrong.
    pub faults: Faults,
}

/// How long things take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Timing {
    /// No time.
    #[default]
    Instant,
    /// This fraction of a type's usual time to create, and a quarter of that to delete what takes long.
    Scaled(f64),
}

/// What goes wrong. Calls are numbered from 1 in each process.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Mutating calls refused before they take effect.
    pub refuse: BTreeSet<u64>,
    /// From this mutating call on all are refused: the credentials have expired, or the right to use them.
    pub refuse_from: Option<u64>,
    /// Mutating calls that take effect and whose answer is lost.
    pub lose_answer: BTreeSet<u64>,
    /// Mutating calls before which the process dies.
    pub crash_before: BTreeSet<u64>,
    /// Mutating calls after which the process dies: they took effect, nobody knows.
    pub crash_after: BTreeSet<u64>,
    /// Every n-th call, reads included, is refused as one too many.
    pub throttle_every: Option<u64>,
    /// How the process dies.
    pub crash: CrashMode,
}

/// How a process dies.
#[derive(Clone, Debug, Default)]
pub enum CrashMode {
    /// For good.
    #[default]
    Abort,
    /// For whoever is told of it and drops what ran: from then on no call is served, or answered.
    Halt(Arc<Notify>),
}

/// A mutating call that a fault struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultHit {
    /// Its number.
    pub call: u64,
    /// `create`, `update`, `retag` or `delete`.
    pub action: &'static str,
    /// What it was about: the address where that is known, else type and id.
    pub address: String,
}

impl Behaviour {
    /// Adds what `text` says: a comma-separated list of `refuse:K`, `lost:K`, `crash-before:K`, `crash-after:K` (the K-th mutating
    /// call), `throttle:N` (every N-th call), `settle:FRACTION` and `lag:MILLISECONDS`.
    ///
    /// # Errors
    /// When the text says something else.
    pub fn extend(&mut self, text: &str) -> Result<()> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            self.add_fault(part).ok_or_else(|| {
                let known = "refuse:K, lost:K, crash-before:K, crash-after:K, throttle:N, settle:FRACTION or lag:MILLISECONDS";
                Error::new(ErrorKind::Rejected, "LocalFault", format!("{FAULT_VARIABLE}: `{part}` is none of {known}"))
            })?;
        }
        Ok(())
    }

    fn add_fault(&mut self, part: &str) -> Option<()> {
        let (name, value) = part.split_once(':')?;
        let number = value.parse::<u64>().ok().filter(|n| *n > 0);
        match name {
            "refuse" => self.faults.refuse.insert(number?),
            "lost" => self.faults.lose_answer.insert(number?),
            "crash-before" => self.faults.crash_before.insert(number?),
            "crash-after" => self.faults.crash_after.insert(number?),
            "throttle" => self.faults.throttle_every.replace(number?).is_none(),
            "settle" => {
                let fraction = value.parse::<f64>().ok().filter(|f| (0.0..=10.0).contains(f))?;
                self.timing = Timing::Scaled(fraction);
                true
            }
            "lag" => {
                self.read_lag = Duration::from_millis(value.parse().ok()?);
                true
            }
            _ => return None,
        };
        Some(())
    }
}

/// The calls of this process so far, and what befalls the next one.
#[derive(Debug, Default)]
pub(super) struct CallCounter {
    total: u64,
    /// How many mutating calls there were, refused ones too.
    pub mutating: u64,
    /// Those that a fault struck.
    pub fault_hits: Vec<FaultHit>,
    /// The process is as good as dead.
    pub halted: bool,
}

/// What befalls a mutating call after it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallEnd {
    Answer,
    LoseAnswer,
    Crash,
}

impl CallCounter {
    /// Counts a read.
    pub(super) fn count_read(&mut self, faults: &Faults) -> Result<()> {
        self.total += 1;
        match faults.throttle_every {
            Some(n) if self.total.is_multiple_of(n) => {
                Err(Error::new(ErrorKind::Throttled, "RequestLimitExceeded", "Request limit exceeded."))
            }
            _ => Ok(()),
        }
    }

    /// Counts a mutating call; `about` names its action and address. A throttled one does not count as the k-th.
    pub(super) fn count_write(&mut self, faults: &Faults, about: impl FnOnce() -> (&'static str, String)) -> Result<CallEnd> {
        self.count_read(faults)?;
        self.mutating += 1;
        let k = self.mutating;
        let refused = faults.refuse.contains(&k) || faults.refuse_from.is_some_and(|first| k >= first);
        if refused || [&faults.crash_before, &faults.crash_after, &faults.lose_answer].iter().any(|struck| struck.contains(&k)) {
            let (action, address) = about();
            self.fault_hits.push(FaultHit { call: k, action, address });
        }
        if faults.crash_before.contains(&k) {
            return Err(self.crash(faults));
        }
        if refused {
            return Err(Error::new(ErrorKind::Rejected, "InjectedFault", format!("mutating call {k} is refused, as asked for")));
        }
        Ok(if faults.crash_after.contains(&k) {
            CallEnd::Crash
        } else if faults.lose_answer.contains(&k) {
            CallEnd::LoseAnswer
        } else {
            CallEnd::Answer
        })
    }

    /// Ends a mutating call that took effect.
    pub(super) fn finish<T>(&mut self, after: CallEnd, answer: T, faults: &Faults) -> Result<T> {
        match after {
            CallEnd::Answer => Ok(answer),
            CallEnd::LoseAnswer => Err(connection_closed()),
            CallEnd::Crash => Err(self.crash(faults)),
        }
    }

    fn crash(&mut self, faults: &Faults) -> Error {
        match &faults.crash {
            CrashMode::Abort => std::process::abort(),
            CrashMode::Halt(halted) => {
                self.halted = true;
                halted.notify_one();
                connection_closed()
            }
        }
    }
}

fn connection_closed() -> Error {
    Error::new(ErrorKind::Unavailable, "Unreachable", "the connection closed before the answer arrived")
}
