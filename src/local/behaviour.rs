//! How the simulated cloud misbehaves: slow settling, late reads, calls that fail and processes that die.

use std::{collections::BTreeSet, fmt, time::Duration};

use crate::aws::{Error, Result, Sort};

/// The environment variable that adds to every [`Behaviour`]; see [`Behaviour::extend`] for what it may say.
pub const FAULT_VARIABLE: &str = "ACME_LOCAL_FAULT";

/// How the simulated cloud behaves. The default is at once, up to date, and without faults.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// How long things take.
    pub settle: Settle,
    /// How long reads lag behind writes, and how long a new resource cannot be referred to.
    pub read_lag: Duration,
    /// What goes wrong.
    pub faults: Faults,
}

/// How long things take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Settle {
    /// No time.
    #[default]
    AtOnce,
    /// This fraction of a type's usual time to create, and a quarter of that to delete what takes long.
    Slowly(f64),
}

/// What goes wrong. Calls are numbered from 1 in each process.
#[derive(Clone)]
pub struct Faults {
    /// Mutating calls refused before they take effect.
    pub refuse: BTreeSet<u64>,
    /// Mutating calls that take effect and whose answer is lost.
    pub lose: BTreeSet<u64>,
    /// Mutating calls before which the process dies.
    pub crash_before: BTreeSet<u64>,
    /// Mutating calls after which the process dies: they took effect, nobody knows.
    pub crash_after: BTreeSet<u64>,
    /// Every n-th call, reads included, is refused as one too many.
    pub throttle_every: Option<u64>,
    /// How the process dies. Must not return in earnest; a test's may, and the call then ends as [`Sort::Unreachable`].
    pub crash: fn(),
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            refuse: BTreeSet::new(),
            lose: BTreeSet::new(),
            crash_before: BTreeSet::new(),
            crash_after: BTreeSet::new(),
            throttle_every: None,
            crash: || std::process::abort(),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("refuse", &self.refuse)
            .field("lose", &self.lose)
            .field("crash_before", &self.crash_before)
            .field("crash_after", &self.crash_after)
            .field("throttle_every", &self.throttle_every)
            .finish_non_exhaustive()
    }
}

impl Behaviour {
    /// Adds what `text` says: a comma-separated list of `refuse:K`, `lost:K`, `crash-before:K`, `crash-after:K` (the K-th mutating
    /// call), `throttle:N` (every N-th call), `settle:FRACTION` and `lag:MILLISECONDS`.
    ///
    /// # Errors
    /// When the text says something else.
    pub fn extend(&mut self, text: &str) -> Result<()> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            self.add(part).ok_or_else(|| {
                let known = "refuse:K, lost:K, crash-before:K, crash-after:K, throttle:N, settle:FRACTION or lag:MILLISECONDS";
                Error::new(Sort::Refused, "LocalFault", format!("{FAULT_VARIABLE}: `{part}` is none of {known}"))
            })?;
        }
        Ok(())
    }

    fn add(&mut self, part: &str) -> Option<()> {
        let (name, value) = part.split_once(':')?;
        let number = value.parse::<u64>().ok().filter(|n| *n > 0);
        match name {
            "refuse" => self.faults.refuse.insert(number?),
            "lost" => self.faults.lose.insert(number?),
            "crash-before" => self.faults.crash_before.insert(number?),
            "crash-after" => self.faults.crash_after.insert(number?),
            "throttle" => self.faults.throttle_every.replace(number?).is_none(),
            "settle" => {
                let fraction = value.parse::<f64>().ok().filter(|f| (0.0..=10.0).contains(f))?;
                self.settle = Settle::Slowly(fraction);
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
pub(super) struct Calls {
    all: u64,
    mutating: u64,
}

/// What befalls a mutating call after it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Answer,
    Lose,
    Crash,
}

impl Calls {
    /// Counts a read.
    pub(super) fn read(&mut self, faults: &Faults) -> Result<()> {
        self.all += 1;
        match faults.throttle_every {
            Some(n) if self.all.is_multiple_of(n) => Err(Error::new(Sort::Throttled, "RequestLimitExceeded", "Request limit exceeded.")),
            _ => Ok(()),
        }
    }

    /// Counts a mutating call. A throttled one does not count as the k-th.
    pub(super) fn write(&mut self, faults: &Faults) -> Result<After> {
        self.read(faults)?;
        self.mutating += 1;
        let k = self.mutating;
        if faults.crash_before.contains(&k) {
            (faults.crash)();
            return Err(Error::new(Sort::Unreachable, "Unreachable", format!("the simulated process died before mutating call {k}")));
        }
        if faults.refuse.contains(&k) {
            return Err(Error::new(Sort::Refused, "InjectedFault", format!("mutating call {k} is refused, as asked for")));
        }
        Ok(if faults.crash_after.contains(&k) {
            After::Crash
        } else if faults.lose.contains(&k) {
            After::Lose
        } else {
            After::Answer
        })
    }
}

impl After {
    /// Ends a call that took effect.
    pub(super) fn end<T>(self, answer: T, faults: &Faults) -> Result<T> {
        match self {
            After::Answer => Ok(answer),
            After::Lose => Err(Error::new(Sort::Unreachable, "Unreachable", "the connection closed before the answer arrived")),
            After::Crash => {
                (faults.crash)();
                Err(Error::new(Sort::Unreachable, "Unreachable", "the simulated process died after the call"))
            }
        }
    }
}
