//! Who holds a lease, and whether that process still lives.

use std::{
    fmt, fs,
    io::ErrorKind,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_smithy_types::date_time::{DateTime, Format};
use serde::{Deserialize, Serialize};

/// A process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Tells this holder from every other one.
    pub id: String,
    /// Who: `user@host`.
    pub actor: String,
    /// Where.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// Names the running system that `pid` counts in, where it can be told: host names are not unique, and pids are used again.
    pub system: Option<String>,
    /// When the process started, in the system's ticks, where it can be told.
    pub started: Option<u64>,
    /// What it does: `apply`, `destroy`, `rollback`.
    pub command: String,
    /// Since when, milliseconds since 1970.
    pub since: u64,
    /// What it did last.
    pub step: Option<String>,
    /// When it last gave a sign of life by its own clock, milliseconds since 1970.
    pub renewed: u64,
}

/// The user and the machine: `user@host`.
pub fn actor() -> String {
    format!("{}@{}", whoami::username().unwrap_or_else(|_| "unknown".into()), host())
}

fn host() -> String {
    whoami::hostname().unwrap_or_else(|_| "unknown".into())
}

/// From the operating system; where it has none, from the clock.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| now())
}

impl Holder {
    /// This process.
    pub(super) fn this(command: &str) -> Holder {
        let now = now();
        Holder {
            id: format!("{:016x}{:016x}", random(), random()),
            actor: actor(),
            host: host(),
            pid: std::process::id(),
            system: system(),
            started: match process(std::process::id()) {
                Process::Started(at) => Some(at),
                Process::Gone | Process::Unknown => None,
            },
            command: command.to_owned(),
            since: now,
            step: None,
            renewed: now,
        }
    }

    /// Whether it is known to have ended: it ran on this very system, and its process is there no longer.
    pub fn is_gone(&self) -> bool {
        let (Some(_), Some(started)) = (&self.system, self.started) else { return false };
        self.system == system()
            && match process(self.pid) {
                Process::Started(at) => at != started,
                Process::Gone => true,
                Process::Unknown => false,
            }
    }

    /// How long it has given no sign of life, as far as two machines' clocks agree.
    pub fn silent(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.renewed))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = DateTime::from_millis(i64::try_from(self.since).unwrap_or(i64::MAX));
        let since = DateTime::from_secs(since.secs()).fmt(Format::DateTime).unwrap_or_default();
        write!(f, "{}, host {}, process {}: `acme {}` since {since}", self.actor, self.host, self.pid, self.command)?;
        match &self.step {
            Some(step) => write!(f, ", at `{step}`"),
            None => Ok(()),
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// One boot of one kernel, and the space in it that pids are counted in: containers count their own.
fn system() -> Option<String> {
    // Another container's /proc may be mounted here.
    let own = fs::read_link("/proc/self").ok()?;
    if own != Path::new(&std::process::id().to_string()) {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let pids = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), pids.display()))
}

enum Process {
    Started(u64),
    Gone,
    Unknown,
}

fn process(pid: u32) -> Process {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // Where other users' processes are hidden, the first one is hidden too.
        Err(error) if error.kind() == ErrorKind::NotFound && Path::new("/proc/1/stat").exists() => return Process::Gone,
        Err(_) => return Process::Unknown,
    };
    // The name, in parentheses, may hold anything. After it come the third field, the state, and the rest.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    match (fields.next(), fields.nth(18).and_then(|start| start.parse().ok())) {
        (Some("Z" | "X"), _) => Process::Gone,
        (Some(_), Some(start)) => Process::Started(start),
        _ => Process::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_gone_when_it_ended_or_its_pid_is_another_ones() {
        let this = Holder::this("apply");
        assert!(!this.is_gone());
        if this.system.is_none() {
            return;
        }
        assert!(Holder { started: this.started.map(|at| at + 1), ..this.clone() }.is_gone(), "the pid is used again");
        assert!(!Holder { system: Some("another".into()), started: Some(1), ..this.clone() }.is_gone(), "pids of another system");
        let mut child = Command::new("sleep").arg("60").spawn().expect("a process");
        let pid = child.id();
        let Process::Started(started) = process(pid) else { panic!("the child runs") };
        let other = Holder { pid, started: Some(started), ..this };
        assert!(!other.is_gone());
        child.kill().expect("the child ends");
        // Not waited for yet: it is a zombie, at the latest in a moment.
        while !other.is_gone() {
            std::thread::yield_now();
        }
        child.wait().expect("the child has ended");
        assert!(other.is_gone());
    }
}
