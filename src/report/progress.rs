//! Events as lines on stderr while a plan is carried out.

use tokio::{sync::mpsc, task::JoinHandle};

use super::{Style, talk};
use crate::{execute::Event, plan::Op};

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One line of text per event.
    Lines,
    /// One JSON object per event, on stdout.
    Json,
    /// Nothing.
    Quiet,
}

/// Shows events until their sender is dropped.
pub fn show(mode: Mode) -> (mpsc::UnboundedSender<Event>, JoinHandle<()>) {
    let (events, mut heard) = mpsc::unbounded_channel();
    let shown = tokio::spawn(async move {
        while let Some(event) = heard.recv().await {
            match mode {
                Mode::Lines => line(&event),
                Mode::Json => {
                    if let Ok(text) = serde_json::to_string(&event) {
                        super::data(&format!("{text}\n"));
                    }
                }
                Mode::Quiet => {}
            }
        }
    });
    (events, shown)
}

fn line(event: &Event) {
    match event {
        Event::Started { address, op, usual_seconds } if *usual_seconds >= 20 => {
            let usual = super::duration(std::time::Duration::from_secs(*usual_seconds));
            talk(&Style::Faint.of(format!("  {} {address} (usually {usual})", doing(*op))).to_string());
        }
        Event::Started { .. } => {}
        Event::Settling { address, status } => talk(&Style::Faint.of(format!("  {address}: {status}")).to_string()),
        Event::Done { address, op, id, milliseconds } => {
            let id = id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
            #[allow(clippy::cast_precision_loss)] // Tenths of seconds.
            let seconds = *milliseconds as f64 / 1000.0;
            talk(&format!("  {} {address}{id} {}", Style::Added.of(done(*op)), Style::Faint.of(format!("{seconds:.1} s"))));
        }
        Event::Failed { address, op, message } => {
            talk(&format!("  {} {address} failed: {message}", Style::Removed.of(doing(*op))));
        }
        Event::RollingBack { why } => talk(&format!("{} {why}", Style::Changed.of("Rolling back:"))),
        Event::Unrecorded { message } => talk(&format!("{} this run could not be recorded: {message}", Style::Changed.of("warning:"))),
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
