//! Procedures, through the command line.

mod drill;
mod drill_refusals;
