//! Tests of the whole tool, through its command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acme;
mod backend;
mod browser;
mod connection;
mod docs;
mod events;
mod exhaust;
mod flow;
mod github;
mod graph;
mod harness;
mod history;
mod hostile;
mod import;
mod local;
mod new;
mod policy;
mod proxy;
mod readme;
mod recorded;
mod rehearse;
mod saved;
mod screens;
mod script;
mod standin;
mod terminal;
mod terraform;
mod types;
mod wire;
