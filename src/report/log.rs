//! The log: decisions and calls as lines on stderr, as JSON in a file, and as spans of OpenTelemetry.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{Style, eprint, format_elapsed, print_json_line, telemetry::Telemetry};
use crate::{
    core::{
        printable_line, private_files,
        trace::{self, Call, Fact, Level, Record},
    },
    engine::remote::LOG_EVENT,
};

/// Format of the lines of a file; `docs/json.md` describes it.
pub const FORMAT: &str = "acme-log/1";

/// Longest line on stderr, in characters: a file has all of it.
const LONGEST_LINE: usize = 2000;

/// Whether lines go to stderr: a live view would overwrite them.
static SHOWS_LINES: AtomicBool = AtomicBool::new(false);

/// The log of this process, for records of a remote run.
static SINKS: OnceLock<Sinks> = OnceLock::new();

/// Where records of a remote run go.
#[derive(Debug)]
struct Sinks {
    shown: Option<Level>,
    file: Option<&'static LogFile>,
}

/// Whether the log goes to stderr.
pub(super) fn shows_lines() -> bool {
    SHOWS_LINES.load(Ordering::Relaxed)
}

/// What to log, and where.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions<'a> {
    /// Name of the command.
    pub command: &'a str,
    /// What to show on stderr.
    pub shown: Option<Level>,
    /// File to which everything is appended.
    pub file: Option<&'a Path>,
    /// What to write to stdout as events, in a build whose client shows it.
    pub to_client: Option<Level>,
}

/// The log of a command.
#[derive(Debug)]
pub struct Log {
    command: String,
    started: Instant,
    file: Option<&'static LogFile>,
    telemetry: Option<Telemetry>,
}

/// A file of one JSON object per line.
#[derive(Debug)]
struct LogFile {
    run: String,
    file: Mutex<File>,
}

impl Log {
    /// Begins the log; the first one of the process receives everything.
    ///
    /// # Errors
    /// Fails if the file can't be opened for writing.
    pub fn start(options: LogOptions<'_>) -> io::Result<Log> {
        let started = Instant::now();
        let file = options.file.map(LogFile::open).transpose()?;
        // The receiver lives as long as the process.
        let file: Option<&'static LogFile> = file.map(|file| &*Box::leak(Box::new(file)));
        if let Some(file) = file {
            let version = env!("CARGO_PKG_VERSION");
            file.write("command_started", SystemTime::now(), &json!({ "format": FORMAT, "command": options.command, "version": version }));
        }
        let telemetry = Telemetry::from_environment().unwrap_or_else(|reason| {
            note_lost_trace(&reason);
            None
        });
        let spans = telemetry.as_ref().map(Telemetry::spans);
        let shown = options.shown;
        SHOWS_LINES.store(shown.is_some(), Ordering::Relaxed);
        SINKS.set(Sinks { shown, file }).ok();
        let to_client = options.to_client;
        let level = shown.max(to_client).max((file.is_some() || spans.is_some()).then_some(Level::Calls));
        if let Some(level) = level {
            trace::install(level, move |record| {
                if let Some(file) = file {
                    file.write(event_name(record), record.started_at, &fields(record));
                }
                if let Some(spans) = &spans {
                    spans.add(record);
                }
                if to_client.is_some_and(|most| level_of(record) <= most) {
                    print_json_line(&event_for_client(record)).ok();
                }
                if shown.is_some_and(|most| level_of(record) <= most)
                    && let Some(text) = text(record)
                {
                    show(record.started_at, &text);
                }
            });
        }
        Ok(Log { command: options.command.to_owned(), started, file, telemetry })
    }

    /// Ends the log, and sends the rest of the trace.
    pub async fn finish(self, code: u8) {
        if let Some(file) = self.file {
            file.write("command_ended", SystemTime::now(), &json!({ "code": code, "milliseconds": milliseconds(self.started.elapsed()) }));
        }
        if let Some(telemetry) = self.telemetry
            && let Err(reason) = telemetry.finish(&self.command, code).await
        {
            note_lost_trace(&reason);
        }
    }
}

/// What the file and stderr of this command receive.
pub fn recorded_level() -> Option<Level> {
    let sinks = SINKS.get()?;
    sinks.shown.max(sinks.file.map(|_| Level::Calls))
}

/// Shows a record of a remote run, and appends it to the file, as if this process had made it.
pub fn relay(event: &Value) {
    let (Some(sinks), Some(fields)) = (SINKS.get(), event["record"].as_object()) else { return };
    if let Some(file) = sinks.file {
        let mut fields = fields.clone();
        fields.insert("remote".to_owned(), true.into());
        file.append(fields);
    }
    let level = if event["level"] == "debug" { Level::Calls } else { Level::Decisions };
    if sinks.shown.is_some_and(|most| level <= most)
        && let Some(text) = event["text"].as_str()
    {
        let time = fields.get("time").and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
        show(time.map_or_else(SystemTime::now, SystemTime::from), text);
    }
}

/// Event of a build with a record.
fn event_for_client(record: &Record) -> Value {
    let level = if level_of(record) == Level::Calls { "debug" } else { "info" };
    let mut fields = Map::new();
    fields.insert("time".to_owned(), rfc3339(record.started_at).into());
    fields.insert("event".to_owned(), event_name(record).into());
    fields.extend(self::fields(record).as_object().cloned().unwrap_or_default());
    json!({ "event": LOG_EVENT, "level": level, "text": text(record), "record": fields })
}

/// Prints a line on stderr.
fn show(at: SystemTime, text: &str) {
    eprint(&Style::Faint.paint(shown_line(at, text)).to_string());
}

fn shown_line(at: SystemTime, text: &str) -> String {
    let local = timestamp(at).to_zoned(TimeZone::system());
    format!("{} {}", local.strftime("%H:%M:%S%.3f"), printable_line(text)).chars().take(LONGEST_LINE).collect()
}

/// Tells that a trace is not complete, which fails no command.
fn note_lost_trace(reason: &str) {
    eprint(&format!("{} can't send the trace to the OpenTelemetry collector: {reason}", Style::Changed.paint("note:")));
}

impl LogFile {
    /// Opens a file for appending; a new one is private to its owner.
    fn open(path: &Path) -> io::Result<LogFile> {
        let file = private_files::open_options().create(true).append(true).open(path)?;
        Ok(LogFile { run: format!("{:016x}", trace::new_id()), file: Mutex::new(file) })
    }

    /// Writes a line.
    fn write(&self, event: &str, at: SystemTime, fields: &Value) {
        let mut line = Map::new();
        line.insert("time".to_owned(), rfc3339(at).into());
        line.insert("event".to_owned(), event.into());
        line.extend(fields.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        self.append(line);
    }

    /// Appends fields with the id of this command. A full disk does not stop a run.
    fn append(&self, mut fields: Map<String, Value>) {
        fields.insert("run".to_owned(), self.run.as_str().into());
        // One write, so that lines of parallel runs don't mix.
        let text = format!("{}\n", Value::Object(fields));
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes()).ok();
    }
}

fn rfc3339(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn level_of(record: &Record) -> Level {
    match record.fact {
        Fact::Call(_) => Level::Calls,
        _ => Level::Decisions,
    }
}

fn event_name(record: &Record) -> &'static str {
    match record.fact {
        Fact::Decision { .. } => "decision",
        Fact::Step { .. } => "step",
        Fact::Call(_) => "call",
    }
}

/// Fields of a record in a file.
fn fields(record: &Record) -> Value {
    let id = |id: trace::SpanId| format!("{id:016x}");
    let parent = record.parent.map(id);
    let took = milliseconds(record.duration);
    match &record.fact {
        Fact::Decision { topic, address, message } => json!({ "topic": topic, "address": address, "message": message, "step": parent }),
        Fact::Step { address, op, error } => {
            json!({ "step": id(record.id), "address": address, "op": op, "error": error, "milliseconds": took })
        }
        Fact::Call(call) => json!({
            "service": call.service, "action": call.action, "region": Some(&call.region).filter(|region| !region.is_empty()),
            "parameters": call.parameters, "attempt": call.attempt, "paced_milliseconds": milliseconds(call.paced), "milliseconds": took,
            "request_id": call.request_id, "status": call.status, "error": call.error, "step": parent,
        }),
    }
}

/// Text for people; none for the end of a step, which the progress shows.
fn text(record: &Record) -> Option<String> {
    Some(match &record.fact {
        Fact::Step { .. } => return None,
        Fact::Decision { topic, address: Some(address), message } if !message.contains(address.as_str()) => {
            format!("{topic} {address}: {message}")
        }
        Fact::Decision { topic, message, .. } => format!("{topic}: {message}"),
        Fact::Call(call) => call_line(call, record.duration),
    })
}

fn call_line(call: &Call, duration: Duration) -> String {
    let outcome = match (&call.error, call.status) {
        (Some(error), Some(status)) if !error.starts_with("HTTP status") => format!("{status} {error}"),
        (Some(error), _) => error.clone(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "ok".to_owned(),
    };
    let mut text = format!("call: {} {} {} -> {outcome} in {} ms", call.service, call.action, call.parameters, milliseconds(duration));
    if call.attempt > 1 {
        text.push_str(&format!(", attempt {}", call.attempt));
    }
    if !call.paced.is_zero() {
        text.push_str(&format!(", after waiting {} for the rate limit", format_elapsed(call.paced)));
    }
    if let Some(id) = &call.request_id {
        text.push_str(&format!(", request {id}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fact: Fact) -> Record {
        Record { id: 1, parent: Some(2), started_at: SystemTime::UNIX_EPOCH, duration: Duration::from_millis(85), fact }
    }

    #[test]
    fn a_call_has_its_request_attempt_duration_and_outcome() {
        let call = Call {
            service: "EC2".into(),
            action: "CreateVpc".into(),
            region: "eu-west-1".into(),
            parameters: json!({ "cidr_block": "10.0.0.0/16" }),
            attempt: 2,
            request_id: Some("7a62".into()),
            status: Some(503),
            error: Some("RequestLimitExceeded".into()),
            ..Call::default()
        };
        let record = record(Fact::Call(Box::new(call)));
        let line = text(&record).expect("a text");
        let expected = r#"call: EC2 CreateVpc {"cidr_block":"10.0.0.0/16"} -> 503 RequestLimitExceeded in 85 ms, attempt 2, request 7a62"#;
        assert!(line.ends_with(expected), "{line}");
        let fields = fields(&record);
        assert_eq!((&fields["step"], &fields["milliseconds"], &fields["status"]), (&json!("0000000000000002"), &json!(85), &json!(503)));
    }

    #[test]
    fn a_line_holds_no_line_break() {
        let fact = Fact::Decision { topic: "retry", address: Some("vpc.main".into()), message: "a\nb\u{1b}[31m".into() };
        let line = shown_line(SystemTime::UNIX_EPOCH, &text(&record(fact)).expect("a text"));
        assert!(!line.contains('\n') && line.contains("retry vpc.main: a"), "{line}");
    }
}
