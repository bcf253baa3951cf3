//! Problems with a spec.

use super::Pointer;

/// Problem with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer below the spec.
    pub pointer: String,
    /// Message, without a final period.
    pub message: String,
    /// Remedy.
    pub help: Option<String>,
}

impl Problem {
    /// Creates a problem without a remedy.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Problem {
        Problem { pointer: pointer.into_string(), message: message.into(), help: None }
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}
