//! Progress of a run: a live view on a terminal, otherwise lines on stderr or JSON on stdout.

use std::{
    env,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use console::Term;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
};

use super::{Style, eprint, layout::WIDTH, log, print_json_line, printer, progress_view::ProgressView, tree::truncate_start};
use crate::{
    core::printable_line,
    engine::{execute::Event, plan::Op},
};

/// Output format of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Text on stderr: a live view on a terminal, otherwise one line per event.
    Text,
    /// One JSON object per event, on stdout.
    Json,
    /// Only essential messages.
    Quiet,
}

/// Shows events until their sender is dropped.
pub fn spawn(mode: Mode) -> (mpsc::UnboundedSender<Event>, JoinHandle<()>) {
    let (events, mut receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        if mode == Mode::Text && is_interactive() {
            return run_live_view(receiver).await;
        }
        while let Some(event) = receiver.recv().await {
            match mode {
                Mode::Text => drop(event_line(&event).or_else(|| transient_line(&event)).map(|text| eprint(&text))),
                Mode::Json => drop(print_json_line(&event)),
                Mode::Quiet => drop(urgent_line(&event).map(|text| eprint(&text))),
            }
        }
    });
    (events, task)
}

/// Whether stderr is a terminal that can move its cursor.
fn is_interactive() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb && !set("CI") && !log::shows_lines()
}

/// Interval between redraws of the live view without events.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of events processed before a redraw.
const EVENT_BATCH: usize = 100;

/// Lines of finished steps scroll away above; running steps stay below.
async fn run_live_view(mut receiver: UnboundedReceiver<Event>) {
    let with_color = printer::stderr_has_color();
    let text = |text: String| printer::rendered(&text, with_color);
    let mut screen = Screen { terminal: Term::buffered_stderr(), rows: 0 };
    let mut state = ProgressView::new(printer::is_simulated());
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(REDRAW_INTERVAL);
    let mut events = Vec::new();
    loop {
        let open = tokio::select! {
            heard = receiver.recv_many(&mut events, EVENT_BATCH) => heard > 0,
            _ = ticks.tick() => true,
        };
        events.iter().for_each(|event| state.update(event, begun.elapsed()));
        let lines = events.drain(..).filter_map(|event| event_line(&event)).map(text).collect();
        let (height, width) = screen.terminal.size();
        let rows = if open { state.render(begun.elapsed(), width.into(), height.into()) } else { Vec::new() };
        // If the terminal is closed, the run continues without output.
        screen.draw(lines, rows.into_iter().map(text).collect()).ok();
        if !open {
            return;
        }
    }
}

/// Terminal whose last rows are redrawn.
struct Screen {
    terminal: Term,
    rows: usize,
}

impl Screen {
    /// Draws all rows at once. The cursor stays below the last row, so that an echo (`^C`) overwrites nothing.
    fn draw(&mut self, lines: Vec<String>, rows: Vec<String>) -> io::Result<()> {
        self.terminal.move_cursor_up(self.rows)?;
        self.terminal.write_str("\r")?;
        self.terminal.clear_to_end_of_screen()?;
        self.rows = rows.len();
        lines.into_iter().chain(rows).try_for_each(|line| self.terminal.write_line(&line))?;
        self.terminal.flush()
    }
}

/// Permanent line for an event.
fn event_line(event: &Event) -> Option<String> {
    match event {
        Event::StepDone { address, op, id, milliseconds } => {
            let (word, took) = (past_tense(*op), super::format_elapsed(Duration::from_millis(*milliseconds)));
            let room = WIDTH.saturating_sub(format!("  {word} {address}  {took}").chars().count());
            let id = id.as_deref().map(|id| format!(" {}", truncate_start(short_id(id), room))).unwrap_or_default();
            Some(format!("  {} {address}{id} {}", Style::Added.paint(word), Style::Faint.paint(took)))
        }
        Event::StepFailed { address, op, code, message, .. } => {
            Some(format!("  {} {address} failed: {code}: {}", Style::Removed.paint(present_participle(*op)), printable_line(message)))
        }
        Event::StepInterrupted { address, op } => {
            Some(format!("  {} {address}: stopped waiting", Style::Changed.paint(present_participle(*op))))
        }
        Event::StepSuspended { address, instruction, .. } => {
            Some(format!("  {} {address}: {}", Style::Changed.paint("waiting for a person:"), printable_line(instruction)))
        }
        Event::RollingBack { reason: why } => Some(format!("{} {}", Style::Changed.paint("Rolling back:"), printable_line(why))),
        Event::StopRequested | Event::ActionNeeded { .. } | Event::RunNotRecorded { .. } => urgent_line(event),
        Event::RunStarted { .. }
        | Event::Planned { .. }
        | Event::StepStarted { .. }
        | Event::StepWaiting { .. }
        // The report about the outcome says it.
        | Event::NotRestored { .. }
        | Event::RunEnded { .. } => None,
    }
}

/// Line for a running step, shown without a live view.
fn transient_line(event: &Event) -> Option<String> {
    let text = match event {
        Event::StepStarted { address, op, estimated_seconds } if *estimated_seconds >= 20 => {
            let usual = super::format_duration(Duration::from_secs(*estimated_seconds));
            format!("  {} {address} (usually {usual})", present_participle(*op))
        }
        Event::StepWaiting { address, status, .. } => format!("  {address}: {}", printable_line(status)),
        _ => return None,
    };
    Some(Style::Faint.paint(text).to_string())
}

/// Message for an event that `--quiet` does not suppress.
fn urgent_line(event: &Event) -> Option<String> {
    match event {
        Event::StopRequested => Some("Stopping after the calls in flight finish. Interrupt again to stop at once.".to_owned()),
        Event::ActionNeeded { address, instruction, .. } => {
            Some(format!("{} {address}: {instruction}", Style::Changed.paint("action needed:")))
        }
        Event::RunNotRecorded { message } => Some(format!("{} can't record this run: {message}", Style::Changed.paint("warning:"))),
        _ => None,
    }
}

/// Id, or the resource part of an ARN.
fn short_id(id: &str) -> &str {
    id.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)).unwrap_or(id)
}

/// Operation as a verb.
pub fn imperative(op: Op) -> &'static str {
    match op {
        Op::Create => "create",
        Op::Update => "change",
        Op::Attach => "attach",
        Op::Prune => "prune",
        Op::Detach => "detach",
        Op::Delete => "delete",
        Op::Forget => "forget",
    }
}

/// Operation as a present participle.
pub fn present_participle(op: Op) -> &'static str {
    match op {
        Op::Create => "creating",
        Op::Update => "changing",
        Op::Attach => "attaching",
        Op::Prune => "pruning",
        Op::Detach => "detaching",
        Op::Delete => "deleting",
        Op::Forget => "forgetting",
    }
}

/// Operation in the past tense.
pub fn past_tense(op: Op) -> &'static str {
    match op {
        Op::Create => "created",
        Op::Update => "changed",
        Op::Attach => "attached",
        Op::Prune => "pruned",
        Op::Detach => "detached",
        Op::Delete => "deleted",
        Op::Forget => "forgot",
    }
}
