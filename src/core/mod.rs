//! What everything else builds on: specs and the facts about their fields.

pub mod spec;

pub use spec::{Named, Refers};
