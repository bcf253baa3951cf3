//! The lines of a remote run on the screen.

use std::collections::VecDeque;

use anyhow::Result;
use serde_json::Value;
use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle};

use crate::{
    cli::{GlobalArguments, OutputFormat, apply, outputs},
    core::printable_line,
    engine::{execute::Event, remote::RemoteLine},
    report::{self, Style, progress},
};

/// Number of lines from before the run that a failure shows.
const SHOWN_PREPARATION: usize = 20;

/// What is shown of a run.
pub(super) struct View<'a> {
    global: &'a GlobalArguments,
    /// Display of a run in progress.
    run: Option<(UnboundedSender<Event>, JoinHandle<()>)>,
    /// Texts that arrive during the run: printed after it, because they would break the display.
    texts: Vec<String>,
    /// Last lines from before the run.
    pub(super) preparation: VecDeque<String>,
    has_started: bool,
}

impl View<'_> {
    /// Before the first line.
    pub(super) fn new(global: &GlobalArguments) -> View<'_> {
        View { global, run: None, texts: Vec::new(), preparation: VecDeque::new(), has_started: false }
    }

    fn is_json(&self) -> bool {
        self.global.output == OutputFormat::Json
    }

    /// Shows a line.
    ///
    /// # Errors
    /// Fails if the output can't be written.
    pub(super) async fn show(&mut self, line: RemoteLine) -> Result<()> {
        match line {
            RemoteLine::Phase(phase) if !self.has_started && !self.global.quiet => {
                report::eprint(&Style::Faint.paint(format!("  build: {}", printable_line(&phase).to_lowercase())).to_string());
            }
            RemoteLine::Phase(_) => {}
            RemoteLine::Preparation(text) => {
                if self.global.verbose > 0 {
                    report::eprint(&Style::Faint.paint(format!("  {}", printable_line(&text))).to_string());
                }
                self.preparation.push_back(text);
                if self.preparation.len() > SHOWN_PREPARATION {
                    self.preparation.pop_front();
                }
            }
            RemoteLine::Started => self.has_started = true,
            RemoteLine::Event(_, value) if self.is_json() && !self.global.quiet => report::print_json_line(&value)?,
            RemoteLine::Event(event, _) => {
                let is_end = matches!(*event, Event::RunEnded { .. });
                let (events, _) = self.run.get_or_insert_with(|| progress::spawn(apply::progress_mode(self.global)));
                events.send(*event).ok();
                if is_end {
                    self.end_run().await?;
                }
            }
            RemoteLine::Log(record) => report::log::relay(&record),
            RemoteLine::Document(value) if self.is_json() => report::print_json_line(&value)?,
            RemoteLine::Document(value) => self.show_document(&value)?,
            RemoteLine::Text(text) if self.run.is_some() => self.texts.push(text),
            RemoteLine::Text(text) => report::eprint(&text),
        }
        Ok(())
    }

    /// Shows as text what has no text in the log.
    fn show_document(&self, value: &Value) -> Result<()> {
        match value["format"].as_str() {
            Some("acme-outputs/1") => {
                let outputs = value["outputs"].as_object().cloned().unwrap_or_default().into_iter().collect();
                outputs::print_with_title(&outputs, self.global)
            }
            Some(format) if format.starts_with("acme-plan/") => {
                for obstacle in value["obstacles"].as_array().into_iter().flatten() {
                    let text = |key: &str| obstacle[key].as_str().unwrap_or_default().to_owned();
                    report::eprint(&format!("{}: {}\n  help: {}", text("address"), text("message"), text("help")));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends the display of a run, and shows the texts that came meanwhile.
    pub(super) async fn end_run(&mut self) -> Result<()> {
        if let Some((events, display)) = self.run.take() {
            drop(events);
            display.await?;
        }
        for text in self.texts.drain(..) {
            report::eprint(&text);
        }
        Ok(())
    }
}
