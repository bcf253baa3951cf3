//! All output for users. Only this module has texts and colours; nothing else prints, and only through `printer`.

pub mod cost;
pub mod drill;
pub mod environments;
pub mod github;
pub mod graph;
pub mod health;
pub mod history;
pub mod json;
mod layout;
pub mod log;
pub mod outcome;
pub mod permissions;
mod place;
pub mod plan;
mod printer;
pub mod procedure;
pub mod progress;
mod progress_view;
pub mod rehearsal;
pub mod remedy;
pub mod render;
pub mod stacks;
pub mod stats;
mod style;
mod telemetry;
pub mod terraform;
pub mod time;
pub mod tree;
mod value;

use std::io;

pub use crate::core::{format_duration, format_elapsed};
use crate::definition::{Diagnostic, Source};
pub use place::{Place, announce_simulated};
pub use printer::{Stdout, eprint, mark_simulated, print, print_json, print_json_line, print_yaml, split_long_lines, write_failure};
pub use style::Style;
pub use value::AddressNames;

/// Renders a problem of a definition with its line, a caret, and the remedy.
pub fn render_diagnostic(problem: &Diagnostic, source: &Source) -> String {
    style::mark_styles(&problem.render(source, true))
}

/// Text with escape sequences that is shown as it is, because acme itself wrote it.
pub fn trusted(styled: &str) -> String {
    style::mark_styles(styled)
}

/// Asks a yes-or-no question on the terminal; only `yes` counts as yes.
///
/// # Errors
/// Fails if the answer can't be read.
pub fn confirm(question: &str) -> io::Result<bool> {
    Ok(ask(&format!("{}{question} Only `yes` is accepted: ", place::simulated_prefix()))? == "yes")
}

/// Asks for text on the terminal.
///
/// # Errors
/// Fails if the answer can't be read.
pub fn ask(question: &str) -> io::Result<String> {
    printer::write_stderr(question)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
