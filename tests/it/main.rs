//! Tests of the whole tool, through its command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acme;
mod harness;
mod proxy;
mod standin;
mod types;
