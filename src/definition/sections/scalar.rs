//! Values that a definition writes as a text, a number or a switch.

use std::fmt;

use serde::de::{Error, Visitor};

/// Reads the text of a scalar with a function.
pub struct Scalar<T> {
    /// What it is, with an example: `a port, such as 8080`.
    pub expected: &'static str,
    /// Reads it; `None` if it is none.
    pub read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::custom(format!("`{text}` is not valid: write {}", self.expected)))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
    fn visit_bool<E: Error>(self, switch: bool) -> Result<T, E> {
        self.visit_str(if switch { "true" } else { "false" })
    }
}
