//! All output for users. Only this module has texts and colours; nothing else prints.

pub mod github;
pub mod graph;
pub mod history;
pub mod json;
mod layout;
pub mod outcome;
pub mod plan;
pub mod progress;
mod progress_view;
pub mod rehearsal;
pub mod remedy;
pub mod stats;
mod stdout;
mod style;
pub mod terraform;
pub mod time;
pub mod tree;
mod value;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

pub use crate::core::{format_duration, format_elapsed};
pub use stdout::Stdout;
pub use style::Style;
pub use value::AddressNames;

/// Writes data to stdout. Ignores a closed pipe, because a reader may stop early.
pub fn print(text: &str) {
    Stdout::default().write_str(text).ok();
}

/// Writes a message to stderr.
pub fn eprint(text: &str) {
    let mut out = anstream::stderr().lock();
    drop(writeln!(out, "{text}"));
}

/// Asks a yes-or-no question on the terminal; only `yes` counts as yes.
///
/// # Errors
/// Fails if the answer can't be read.
pub fn confirm(question: &str) -> io::Result<bool> {
    Ok(ask(&format!("{question} Only `yes` is accepted: "))? == "yes")
}

/// Asks for text on the terminal.
///
/// # Errors
/// Fails if the answer can't be read.
pub fn ask(question: &str) -> io::Result<String> {
    let mut out = anstream::stderr().lock();
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
