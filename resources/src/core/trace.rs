//! What acme does, as it happens: decisions, steps and calls. Everything is recorded here, and one receiver shows, stores or exports it.
//!
//! This is not the crate `tracing`: its subscribers see the events of all libraries, among them those of the SDK and of the Kubernetes client,
//! whose texts hold requests with secrets. Here, only what this crate records exists.

mod redaction;

use std::{
    fmt::Display,
    future::Future,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::Value;

pub use redaction::{redacted, redacted_text};

/// How much is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Decisions, and the steps of a run.
    Decisions,
    /// Calls, too.
    Calls,
}

/// Something that acme decided or did.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id.
    pub id: SpanId,
    /// Step to which it belongs; `None`: the command.
    pub parent: Option<SpanId>,
    /// Start.
    pub started_at: SystemTime,
    /// Duration; zero for a decision.
    pub duration: Duration,
    /// What it was.
    pub fact: Fact,
}

/// Content of a record.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A decision, with its reason.
    Decision {
        /// What it is about: `discovered`, `planned`, `retry`, …
        topic: &'static str,
        /// Address of the resource, if it is about one.
        address: Option<String>,
        /// Sentence for people.
        message: String,
    },
    /// A step that ended.
    Step {
        /// Address of the resource.
        address: String,
        /// Operation, such as `create`.
        op: String,
        /// Why it failed.
        error: Option<String>,
    },
    /// An attempt of a call that ended.
    Call(Box<Call>),
}

/// An attempt of a call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Service, such as `EC2`, `Kubernetes` or `simulated cloud`.
    pub service: String,
    /// Action, such as `CreateVpc`.
    pub action: String,
    /// Region, or an empty text.
    pub region: String,
    /// Parameters without secrets.
    pub parameters: Value,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Wait for AWS's rate limits before it was sent.
    pub paced: Duration,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Code of the error, or what kept the call from being answered.
    pub error: Option<String>,
}

/// Id of a record, unique in the process and, very likely, among all processes.
pub type SpanId = u64;

/// Receiver of all records.
type Receiver = Box<dyn Fn(&Record) + Send + Sync>;

static RECEIVER: OnceLock<(Level, Receiver)> = OnceLock::new();

tokio::task_local! {
    /// Step that this task is part of.
    static STEP: SpanId;
}

/// Installs the receiver of everything up to `level`; the first one of the process stays.
pub fn install(level: Level, receiver: impl Fn(&Record) + Send + Sync + 'static) {
    RECEIVER.set((level, Box::new(receiver))).ok();
}

/// Whether somebody receives records of this level: otherwise their texts need not be made.
pub fn is_recorded(level: Level) -> bool {
    RECEIVER.get().is_some_and(|(most, _)| level <= *most)
}

/// Id of the next record.
pub fn new_id() -> SpanId {
    // Without randomness, ids are still unique in the process.
    static FIRST: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or(u64::from(std::process::id())));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Zero is no id in OpenTelemetry. An odd factor keeps them distinct.
    FIRST.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1)
}

/// Runs the calls of a step.
pub async fn in_step<F: Future>(id: SpanId, calls: F) -> F::Output {
    STEP.scope(id, calls).await
}

fn current_step() -> Option<SpanId> {
    STEP.try_with(|id| *id).ok()
}

fn send(record: &Record) {
    if let Some((_, receive)) = RECEIVER.get() {
        receive(record);
    }
}

/// Records a decision; `message` is not called if nobody receives it.
pub fn decision(topic: &'static str, address: Option<&dyn Display>, message: impl FnOnce() -> String) {
    if is_recorded(Level::Decisions) {
        let address = address.map(ToString::to_string);
        let fact = Fact::Decision { topic, address, message: redacted_text(&message()) };
        send(&Record { id: new_id(), parent: current_step(), started_at: SystemTime::now(), duration: Duration::ZERO, fact });
    }
}

/// Records a step that ended.
pub fn step(id: SpanId, started_at: SystemTime, duration: Duration, address: &dyn Display, op: &dyn Display, error: Option<String>) {
    if is_recorded(Level::Decisions) {
        let error = error.as_deref().map(redacted_text);
        let fact = Fact::Step { address: address.to_string(), op: op.to_string(), error };
        send(&Record { id, parent: None, started_at, duration, fact });
    }
}

/// Records a call that ended; its parameters must be free of secrets already.
pub fn call(started_at: SystemTime, duration: Duration, call: Call) {
    if is_recorded(Level::Calls) {
        let error = call.error.as_deref().map(redacted_text);
        let fact = Fact::Call(Box::new(Call { error, ..call }));
        send(&Record { id: new_id(), parent: current_step(), started_at, duration, fact });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_never_zero() {
        let ids: BTreeSet<SpanId> = (0..10_000).map(|_| new_id()).collect();
        assert!(ids.len() == 10_000 && !ids.contains(&0));
    }

    #[tokio::test]
    async fn calls_of_a_step_belong_to_it() {
        assert_eq!(current_step(), None);
        assert_eq!(in_step(7, async { current_step() }).await, Some(7));
    }
}
