//! acme makes a YAML stack definition run on AWS.

pub mod aws;
pub mod kind;
pub mod resource;
pub mod resources;
pub mod types;
