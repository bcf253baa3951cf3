//! acme makes a YAML stack definition run on AWS, with no state file: AWS itself is the state.

pub mod aws;
pub mod backend;
pub mod cli;
pub mod cloud;
pub mod core;
pub mod discover;
pub mod docs;
pub mod execute;
pub mod graph;
pub mod history;
pub mod journal;
pub mod kind;
pub mod local;
mod lock;
pub mod permissions;
pub mod plan;
pub mod rehearse;
pub mod report;
pub mod resource;
pub mod resources;
pub mod run;
pub mod saved;
pub mod sections;
pub mod stack;
pub mod types;
