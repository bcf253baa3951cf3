//! What IAM has to allow for a stack: every type states the actions of its calls, and here they become policy documents.
//!
//! Names of actions, and which of them know resources and conditions:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/>

mod arn;
mod document;
mod policies;

pub use document::{MAX_POLICY_LENGTH, PolicyDocument};
pub use policies::{Purpose, policies};
