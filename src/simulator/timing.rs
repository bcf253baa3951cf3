//! Behaviour of the simulated cloud: delays, lagging reads, failing calls and crashing processes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{
    aws::types,
    core::{Error, ErrorKind, Result},
};

/// Environment variable that extends every [`Behaviour`]; see [`Behaviour::extend`] for its format.
pub const FAULT_VARIABLE: &str = "ACME_LOCAL_FAULT";

/// Behaviour of the simulated cloud. Default: no delays, no lag, and no faults.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Durations of operations.
    pub timing: Timing,
    /// Time for which reads lag behind writes, and a new resource can't be referenced.
    pub read_lag: Duration,
    /// Injected faults.
    pub faults: Faults,
}

/// Durations of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Timing {
    /// No time.
    #[default]
    Instant,
    /// This fraction of a type's typical duration for a creation, and a quarter of that for a slow deletion.
    Scaled(f64),
}

/// Injected faults. Calls are numbered from 1 in each process.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Mutating calls rejected before they take effect.
    pub refuse: BTreeSet<u64>,
    /// Mutating call from which on all are rejected, as with expired credentials.
    pub refuse_from: Option<u64>,
    /// Mutating calls that take effect, but whose response is lost.
    pub lose_answer: BTreeSet<u64>,
    /// Mutating calls before which the process crashes.
    pub crash_before: BTreeSet<u64>,
    /// Mutating calls after which the process crashes: they took effect without a response.
    pub crash_after: BTreeSet<u64>,
    /// Throttles every n-th call, including reads.
    pub throttle_every: Option<u64>,
    /// Types whose resources, created in this process or an earlier one with this fault, wait for a person.
    pub waiting: BTreeSet<String>,
    /// Gates of updates in several steps that find a problem, and addresses of resources that are not healthy.
    pub gates: BTreeSet<String>,
    /// Age of the newest backup of every resource, instead of [`super::Simulator::newest_backup_time`]'s usual one.
    pub backup_age: Option<Duration>,
    /// Form of a crash.
    pub crash: CrashMode,
}

/// Form of a crash.
#[derive(Clone, Debug, Default)]
pub enum CrashMode {
    /// Ends the process.
    #[default]
    Abort,
    /// Notifies the caller, which drops the run. From then on, no call is served.
    Halt(Arc<Notify>),
}

/// Mutating call with an injected fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultHit {
    /// Number of the call.
    pub call: u64,
    /// `create`, `update`, `retag` or `delete`.
    pub action: &'static str,
    /// Resource of the call: its address if known, otherwise type and id.
    pub address: String,
}

impl Behaviour {
    /// Adds the faults in `text`, a comma-separated list of `refuse:K`, `lost:K`, `crash-before:K`, `crash-after:K` (the K-th mutating
    /// call), `throttle:N` (every N-th call), `settle:FRACTION`, `lag:MILLISECONDS`, `waiting:TYPE` (new resources of this type wait for a
    /// person until a process without it), `gate:NAME` (this gate of an upgrade finds a problem, or the resource at this address is not
    /// healthy) and `backup:SECONDS` (age of the newest backups).
    ///
    /// # Errors
    /// Fails if the text has another format.
    pub fn extend(&mut self, text: &str) -> Result<()> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            self.add_fault(part).ok_or_else(|| {
                let known = "refuse:K, lost:K, crash-before:K, crash-after:K, throttle:N, settle:FRACTION, lag:MILLISECONDS, waiting:TYPE, \
                     gate:NAME or backup:SECONDS";
                Error::new(ErrorKind::Rejected, "LocalFault", format!("{FAULT_VARIABLE}: `{part}` is not one of {known}"))
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
            "backup" => self.faults.backup_age.replace(Duration::from_secs(value.parse().ok()?)).is_none(),
            "gate" => self.faults.gates.insert(value.to_owned()),
            "waiting" => {
                let kind = types::resource_type(value)?;
                self.faults.waiting.insert(kind.name.to_owned());
                true
            }
            _ => return None,
        };
        Some(())
    }
}

/// Calls of this process so far, and the fault of the next one.
#[derive(Debug, Default)]
pub(super) struct CallCounter {
    total: u64,
    /// Number of mutating calls, including rejected ones.
    pub mutating: u64,
    /// Calls with an injected fault.
    pub fault_hits: Vec<FaultHit>,
    /// Whether the process has crashed.
    pub halted: bool,
}

/// Fault of a mutating call after it took effect.
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

    /// Counts a mutating call; `about` has its action and address. Throttled calls are not counted.
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
            return Err(Error::new(ErrorKind::Rejected, "InjectedFault", format!("mutating call {k} is rejected (injected fault)")));
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
    Error::new(ErrorKind::Unavailable, "Unreachable", "the connection closed before the response arrived")
}
