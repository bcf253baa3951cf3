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
    /// Stable code, which `acme explain` explains.
    pub code: &'static str,
}

impl Problem {
    /// Code of an invalid value.
    pub const INVALID: &'static str = "invalid";

    /// Creates a problem without a remedy.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Problem {
        Problem { pointer: pointer.into_string(), message: message.into(), help: None, code: Problem::INVALID }
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
    /// Sets the code.
    pub fn code(mut self, code: &'static str) -> Problem {
        self.code = code;
        self
    }
}
