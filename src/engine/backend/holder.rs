//! The holder of a lease, and whether its process is still running.

use std::{
    fmt, fs,
    io::ErrorKind,
    path::Path,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lease::TERM;

/// Process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Unique id of this holder.
    pub id: String,
    /// User: `user@host`.
    pub actor: String,
    /// Host name.
    pub host: String,
    /// Process id on the host.
    pub pid: u32,
    /// Id of the running system of `pid`, if known: host names are not unique, and process ids are reused.
    pub system: Option<String>,
    /// Start time of the process, in system ticks, if known.
    pub started: Option<u64>,
    /// Command: `apply`, `destroy`, `rollback`.
    pub command: String,
    /// Start of the lease, in milliseconds since 1970.
    pub since: u64,
    /// Last step.
    pub step: Option<String>,
    /// Last heartbeat by its own clock, in milliseconds since 1970.
    pub last_heartbeat: u64,
}

/// User for whom this process acts, if it is another one.
static ACTOR: OnceLock<String> = OnceLock::new();

/// States for whom the leases and runs of this process are; only the first call has an effect.
pub fn act_for(actor: String) {
    ACTOR.set(actor).ok();
}

/// User and machine: `user@host`; or the user for whom this process acts.
pub fn actor() -> String {
    if let Some(actor) = ACTOR.get() {
        return actor.clone();
    }
    format!("{}@{}", whoami::username().unwrap_or_else(|_| "unknown".into()), hostname())
}

fn hostname() -> String {
    whoami::hostname().unwrap_or_else(|_| "unknown".into())
}

/// Random id from the operating system, or from the clock as a fallback.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| now_millis())
}

impl Holder {
    /// Holder for this process.
    pub(super) fn current_process(command: &str) -> Holder {
        let now = now_millis();
        Holder {
            id: format!("{:016x}{:016x}", random(), random()),
            actor: actor(),
            host: hostname(),
            pid: std::process::id(),
            system: system_id(),
            started: match process_status(std::process::id()) {
                ProcessStatus::Running(at) => Some(at),
                ProcessStatus::Exited | ProcessStatus::Unknown => None,
            },
            command: command.to_owned(),
            since: now,
            step: None,
            last_heartbeat: now,
        }
    }

    /// Whether the process is known to have ended: it ran on this system, and no longer exists.
    pub fn has_exited(&self) -> bool {
        let (Some(_), Some(started)) = (&self.system, self.started) else { return false };
        self.system == system_id()
            && match process_status(self.pid) {
                ProcessStatus::Running(at) => at != started,
                ProcessStatus::Exited => true,
                ProcessStatus::Unknown => false,
            }
    }

    /// Whether the process seems to be running: it is not known to have ended, and its last heartbeat is recent.
    pub fn seems_active(&self) -> bool {
        self.since_last_heartbeat() < TERM && !self.has_exited()
    }

    /// Time since the last heartbeat, assuming synchronized clocks.
    pub fn since_last_heartbeat(&self) -> Duration {
        Duration::from_millis(now_millis().saturating_sub(self.last_heartbeat))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.since / 1000).unwrap_or(i64::MAX);
        let since = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        write!(f, "{}, host {}, process {}: `acme {}` since {since}", self.actor, self.host, self.pid, self.command)?;
        match &self.step {
            Some(step) => write!(f, ", at `{step}`"),
            None => Ok(()),
        }
    }
}

/// Current time, in milliseconds since 1970.
pub(super) fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Id of one boot of one kernel and its process id namespace: containers have their own.
fn system_id() -> Option<String> {
    // The /proc of another container may be mounted here.
    let own = fs::read_link("/proc/self").ok()?;
    if own != Path::new(&std::process::id().to_string()) {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let pids = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), pids.display()))
}

enum ProcessStatus {
    Running(u64),
    Exited,
    Unknown,
}

fn process_status(pid: u32) -> ProcessStatus {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // If the processes of other users are hidden, the first process is hidden, too.
        Err(error) if error.kind() == ErrorKind::NotFound && Path::new("/proc/1/stat").exists() => return ProcessStatus::Exited,
        Err(_) => return ProcessStatus::Unknown,
    };
    // The name, in parentheses, can contain any text. The third field, the state, and the rest follow it.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    match (fields.next(), fields.nth(18).and_then(|start| start.parse().ok())) {
        (Some("Z" | "X"), _) => ProcessStatus::Exited,
        (Some(_), Some(start)) => ProcessStatus::Running(start),
        _ => ProcessStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn detects_an_exited_process_and_a_reused_pid() {
        let this = Holder::current_process("apply");
        assert!(!this.has_exited());
        if this.system.is_none() {
            return;
        }
        assert!(Holder { started: this.started.map(|at| at + 1), ..this.clone() }.has_exited(), "the pid is used again");
        assert!(!Holder { system: Some("another".into()), started: Some(1), ..this.clone() }.has_exited(), "pids of another system");
        let mut child = Command::new("sleep").arg("60").spawn().expect("a process");
        let pid = child.id();
        let ProcessStatus::Running(started) = process_status(pid) else { panic!("the child runs") };
        let other = Holder { pid, started: Some(started), ..this };
        assert!(!other.has_exited());
        child.kill().expect("the child ends");
        // Not waited for yet: it is or becomes a zombie.
        while !other.has_exited() {
            std::thread::yield_now();
        }
        child.wait().expect("the child has ended");
        assert!(other.has_exited());
    }
}
