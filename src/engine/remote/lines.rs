//! Lines in the log of a build: what `acme runner` writes, between what CodeBuild and the commands before it write.

use serde_json::Value;

use crate::engine::execute::Event;

/// Event with which the runner starts; its `run` is the id of the remote run.
pub const STARTED_EVENT: &str = "remote_started";
/// Event with which it ends; it has the same `run`, and the exit code.
pub const ENDED_EVENT: &str = "remote_ended";
/// Event with a record of the runner's log.
pub const LOG_EVENT: &str = "remote_log";
/// Event with a part of a long line.
const PART_EVENT: &str = "remote_part";

/// What the log of a build says.
#[derive(Clone, Debug)]
pub enum RemoteLine {
    /// Phase of the build that has begun, in CodeBuild's word.
    Phase(String),
    /// Text from before the runner has started or after it has ended.
    Preparation(String),
    /// The runner has started.
    Started,
    /// Event of the run, and its JSON.
    Event(Box<Event>, Value),
    /// Record of the runner's log, if the client asked for it.
    Log(Value),
    /// Another JSON object of acme.
    Document(Value),
    /// Message for people.
    Text(String),
}

/// Reads lines of a log.
#[derive(Debug)]
pub(super) struct LineReader {
    run: String,
    is_running: bool,
    /// Parts of a long line so far.
    parts: String,
    /// Whether the runner has started.
    pub(super) has_started: bool,
    /// Whether the run has a revision, and may have made changes.
    pub(super) has_revision: bool,
    /// Exit code, once it has ended.
    pub(super) exit_code: Option<u8>,
}

impl LineReader {
    /// Reader of the log of a remote run. Only events with its id start and end it: texts in the log can't.
    pub(super) fn new(run: &str) -> LineReader {
        LineReader {
            run: run.to_owned(),
            is_running: false,
            parts: String::new(),
            has_started: false,
            has_revision: false,
            exit_code: None,
        }
    }

    /// Reads a message of the log, which may have several lines.
    pub(super) fn read(&mut self, message: &str) -> Vec<RemoteLine> {
        message.lines().filter(|line| !line.trim().is_empty()).filter_map(|line| self.read_line(line)).collect()
    }

    fn read_line(&mut self, line: &str) -> Option<RemoteLine> {
        let json = if line.starts_with('{') { serde_json::from_str::<Value>(line).ok() } else { None };
        let Some(value) = json.filter(Value::is_object) else {
            return Some(match self.is_running {
                true => RemoteLine::Text(line.to_owned()),
                false => RemoteLine::Preparation(line.to_owned()),
            });
        };
        let event = value["event"].as_str().unwrap_or_default();
        let is_own = value["run"] == self.run.as_str();
        match event {
            STARTED_EVENT if is_own => {
                (self.is_running, self.has_started) = (true, true);
                Some(RemoteLine::Started)
            }
            ENDED_EVENT if is_own => {
                self.is_running = false;
                self.exit_code = value["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok());
                None
            }
            PART_EVENT if self.is_running => self.read_part(&value),
            LOG_EVENT if self.is_running => Some(RemoteLine::Log(value)),
            _ if !self.is_running => Some(RemoteLine::Preparation(line.to_owned())),
            "" => Some(RemoteLine::Document(value)),
            _ => Some(match serde_json::from_value::<Event>(value.clone()) {
                Ok(event) => {
                    self.has_revision |= matches!(event, Event::RunStarted { .. });
                    RemoteLine::Event(Box::new(event), value)
                }
                // An event of another kind of run has no text.
                Err(_) => RemoteLine::Document(value),
            }),
        }
    }

    fn read_part(&mut self, part: &Value) -> Option<RemoteLine> {
        if part["part"] == 1 {
            self.parts.clear();
        }
        self.parts.push_str(part["text"].as_str().unwrap_or_default());
        if part["part"] != part["of"] {
            return None;
        }
        let line = std::mem::take(&mut self.parts);
        self.read_line(&line)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{core::Address, engine::plan::Op};

    fn started() -> String {
        json!({ "event": STARTED_EVENT, "run": "1-a" }).to_string()
    }

    fn kinds(lines: &[RemoteLine]) -> Vec<&'static str> {
        let kind = |line: &RemoteLine| match line {
            RemoteLine::Phase(_) => "phase",
            RemoteLine::Preparation(_) => "preparation",
            RemoteLine::Started => "started",
            RemoteLine::Event(..) => "event",
            RemoteLine::Log(_) => "log",
            RemoteLine::Document(_) => "document",
            RemoteLine::Text(_) => "text",
        };
        lines.iter().map(kind).collect()
    }

    #[test]
    fn tells_events_from_texts_of_the_build() {
        let step = Event::StepDone { address: Address::parse("vpc.main").expect("an address"), op: Op::Create, id: None, milliseconds: 7 };
        let log = [
            "[Container] Entering phase BUILD".to_owned(),
            json!({ "event": "step_done" }).to_string(),
            started(),
            serde_json::to_string(&step).expect("JSON"),
            "Done: 1 created.".to_owned(),
            json!({ "event": LOG_EVENT, "level": "info", "text": "wait: 1 s" }).to_string(),
            json!({ "format": "acme-outputs/1", "outputs": {} }).to_string(),
            // The id is not that of the run.
            json!({ "event": ENDED_EVENT, "run": "2-b", "exit_code": 0 }).to_string(),
            json!({ "event": ENDED_EVENT, "run": "1-a", "exit_code": 3 }).to_string(),
            "[Container] Phase complete".to_owned(),
        ];
        let mut reader = LineReader::new("1-a");
        let lines = reader.read(&log.join("\n"));
        assert_eq!(kinds(&lines), ["preparation", "preparation", "started", "event", "text", "log", "document", "document", "preparation"]);
        assert_eq!((reader.exit_code, reader.has_started, reader.has_revision), (Some(3), true, false));
    }

    #[test]
    fn puts_the_parts_of_a_long_line_together() {
        let event = json!({ "event": "run_started", "format": "acme-events/2", "command": "apply", "stack": "shop", "environment": "é\n", "revision": 4 });
        let line = event.to_string();
        let at = line.char_indices().nth(20).map_or(0, |(at, _)| at);
        let part = |number: u64, text: &str| json!({ "event": "remote_part", "part": number, "of": 2, "text": text }).to_string();
        let mut reader = LineReader::new("1-a");
        reader.read(&started());
        assert!(reader.read(&part(1, &line[..at])).is_empty());
        let read = reader.read(&part(2, &line[at..]));
        let [RemoteLine::Event(read, value)] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!(*value, event);
        assert!(matches!(&**read, Event::RunStarted { revision: 4, .. }), "{read:?}");
        assert!(reader.has_revision);
    }
}
