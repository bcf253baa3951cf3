//! What happens while a plan is carried out: a live view on a terminal, else as lines on stderr, or as JSON on stdout.

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

use super::{Style, live::State, nested::WIDTH, talk, tree::fitted};
use crate::engine::{execute::Event, plan::Op};

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As text on stderr: live where that is a terminal, else one line per event.
    Text,
    /// One JSON object per event, on stdout.
    Json,
    /// Only what can't be left unsaid.
    Quiet,
}

/// Shows events until their sender is dropped.
pub fn show(mode: Mode) -> (mpsc::UnboundedSender<Event>, JoinHandle<()>) {
    let (events, mut heard) = mpsc::unbounded_channel();
    let shown = tokio::spawn(async move {
        if mode == Mode::Text && is_lively() {
            return live(heard).await;
        }
        while let Some(event) = heard.recv().await {
            match mode {
                Mode::Text => drop(line(&event).or_else(|| passing(&event)).map(|text| talk(&text))),
                Mode::Json => {
                    if let Ok(text) = serde_json::to_string(&event) {
                        super::data(&format!("{text}\n"));
                    }
                }
                Mode::Quiet => drop(urgent(&event).map(|text| talk(&text))),
            }
        }
    });
    (events, shown)
}

/// Whether somebody looks at a terminal that can move its cursor.
fn is_lively() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb && !set("CI")
}

/// How often the live view is drawn when nothing happens.
const REDRAW: Duration = Duration::from_millis(100);
/// Most events that are taken in before it is drawn.
const AT_ONCE: usize = 100;

/// Lines of what ended scroll away above; below stands what goes on.
async fn live(mut heard: UnboundedReceiver<Event>) {
    let plain = anstream::AutoStream::choice(&io::stderr()) == anstream::ColorChoice::Never;
    let text = |text: String| if plain { anstream::adapter::strip_str(&text).to_string() } else { text };
    let mut screen = Screen { terminal: Term::buffered_stderr(), rows: 0 };
    let mut state = State::default();
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(REDRAW);
    let mut events = Vec::new();
    loop {
        let open = tokio::select! {
            heard = heard.recv_many(&mut events, AT_ONCE) => heard > 0,
            _ = ticks.tick() => true,
        };
        events.iter().for_each(|event| state.hear(event, begun.elapsed()));
        let lines = events.drain(..).filter_map(|event| line(&event)).map(text).collect();
        let (height, width) = screen.terminal.size();
        let rows = if open { state.frame(begun.elapsed(), width.into(), height.into()) } else { Vec::new() };
        // Who closed the terminal sees nothing, and the run goes on.
        screen.draw(lines, rows.into_iter().map(text).collect()).ok();
        if !open {
            return;
        }
    }
}

/// A terminal whose last rows are drawn anew again and again.
struct Screen {
    terminal: Term,
    rows: usize,
}

impl Screen {
    /// Draws all at once. The cursor stands below the last row: what the terminal echoes there (`^C`) disturbs nothing.
    fn draw(&mut self, lines: Vec<String>, rows: Vec<String>) -> io::Result<()> {
        self.terminal.move_cursor_up(self.rows)?;
        self.terminal.write_str("\r")?;
        self.terminal.clear_to_end_of_screen()?;
        self.rows = rows.len();
        lines.into_iter().chain(rows).try_for_each(|line| self.terminal.write_line(&line))?;
        self.terminal.flush()
    }
}

/// What stays on the screen.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::Done { address, op, id, milliseconds } => {
            let (word, took) = (done(*op), super::took(Duration::from_millis(*milliseconds)));
            let room = WIDTH.saturating_sub(format!("  {word} {address}  {took}").chars().count());
            let id = id.as_deref().map(|id| format!(" {}", fitted(short(id), room))).unwrap_or_default();
            Some(format!("  {} {address}{id} {}", Style::Added.of(word), Style::Faint.of(took)))
        }
        Event::Failed { address, op, code, message, .. } => {
            Some(format!("  {} {address} failed: {code}: {message}", Style::Removed.of(doing(*op))))
        }
        Event::Cut { address, op } => Some(format!("  {} {address}: not waited for any longer", Style::Changed.of(doing(*op)))),
        Event::RollingBack { why } => Some(format!("{} {why}", Style::Changed.of("Rolling back:"))),
        Event::Stopping | Event::Unrecorded { .. } => urgent(event),
        Event::Began { .. } | Event::Planned { .. } | Event::Started { .. } | Event::Settling { .. } | Event::Ended { .. } => None,
    }
}

/// What only matters while it lasts.
fn passing(event: &Event) -> Option<String> {
    let text = match event {
        Event::Started { address, op, usual_seconds } if *usual_seconds >= 20 => {
            let usual = super::duration(Duration::from_secs(*usual_seconds));
            format!("  {} {address} (usually {usual})", doing(*op))
        }
        Event::Settling { address, status, .. } => format!("  {address}: {status}"),
        _ => return None,
    };
    Some(Style::Faint.of(text).to_string())
}

/// What is said even to those who want to hear nothing but the result.
fn urgent(event: &Event) -> Option<String> {
    match event {
        Event::Stopping => Some("Stopping: the calls that are out are finished first. Once more stops at once.".to_owned()),
        Event::Unrecorded { message } => Some(format!("{} this run could not be recorded: {message}", Style::Changed.of("warning:"))),
        _ => None,
    }
}

/// An id; of an ARN what names the resource.
fn short(id: &str) -> &str {
    id.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)).unwrap_or(id)
}

/// What is to be done.
pub fn imperative(op: Op) -> &'static str {
    match op {
        Op::Create => "create",
        Op::Update => "change",
        Op::Delete => "delete",
        Op::Forget => "give up",
    }
}

/// What is being done.
pub fn doing(op: Op) -> &'static str {
    match op {
        Op::Create => "creating",
        Op::Update => "changing",
        Op::Delete => "deleting",
        Op::Forget => "giving up",
    }
}

/// What was done.
pub fn done(op: Op) -> &'static str {
    match op {
        Op::Create => "created",
        Op::Update => "changed",
        Op::Delete => "deleted",
        Op::Forget => "gave up",
    }
}
