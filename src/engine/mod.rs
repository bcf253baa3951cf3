//! From a definition to live resources: discover, plan, execute, record.

pub mod backend;
pub mod cloud;
pub mod cost;
pub mod discover;
pub mod drift_record;
pub mod execute;
mod gates;
pub mod generate_config;
pub mod gitops;
pub mod graph;
pub mod history;
pub mod import_record;
pub mod journal;
pub mod kubeconfig;
mod leftovers;
pub mod outputs;
pub mod permissions;
pub mod plan;
mod preflight;
pub mod procedure_record;
pub mod rehearse;
pub mod remote;
pub mod run;
pub mod saved_plan;
pub mod session;
