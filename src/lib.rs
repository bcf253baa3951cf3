//! acme deploys AWS infrastructure from a YAML stack definition, without a state file: AWS itself is the state.

pub use acme_resources::{aws, core, kubernetes};

pub mod cli;
pub mod definition;
pub mod docs;
pub mod engine;
pub mod procedures;
pub mod render;
pub mod report;
pub mod simulator;
