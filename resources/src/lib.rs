//! The resource types of acme, and the contract between a type and the engine. A crate of its own, so that a change of the engine does not
//! compile them again.

pub mod aws;
pub mod core;
pub mod kubernetes;
