//! Procedures: applies of the same definition with other values, with gates between them.
//!
//! A procedure plans, applies, rolls back and resumes with [`crate::engine::session`]; it has no executor and no state of its own but a record of
//! how far it is.

pub mod drill;
pub mod events;
pub mod gates;
pub mod run;
mod sql;

pub use sql::check_programs;
