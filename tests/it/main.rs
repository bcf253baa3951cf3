//! Integration tests of the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acme;
mod backend;
mod browser;
mod connection;
mod cycles;
mod dns_exchange;
mod docs;
mod dropped;
mod end_to_end;
mod events;
mod exclusive;
mod exclusive_values;
mod failed_runs;
mod fault_injection;
mod github;
mod global_names;
mod graph;
mod harness;
mod history;
mod hostile;
mod import;
mod known;
mod library;
mod mistakes;
mod new;
mod outside;
#[allow(dead_code)] // `main` is for `cargo run --example`.
#[path = "../../examples/plan_and_apply.rs"]
mod plan_and_apply;
mod policy;
mod private_files;
mod proxy;
mod readme;
mod recorded;
mod references;
mod regions;
mod rehearse;
mod removals;
mod request_model;
mod resource_lifecycle;
mod saved_plan;
mod scalars;
mod screens;
mod scripted_endpoint;
mod security_group_rules;
mod simulated_cloud;
mod standin;
mod tag_index;
mod terminal;
mod terraform;
mod undo;
mod unreadable_answers;
mod waiting;
mod wire;
mod words;
