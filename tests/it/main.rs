//! Tests of the whole tool, through its command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acme;
mod backend;
mod flow;
mod harness;
mod local;
mod proxy;
mod recorded;
mod rehearse;
mod script;
mod standin;
mod types;
mod wire;
