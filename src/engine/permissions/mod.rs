//! IAM policies for a stack: converts the actions stated by every type to policy documents.
//!
//! Names of actions, and their support for resources and conditions:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/>

mod arn;
mod document;
mod policies;

pub use document::{MAX_POLICY_LENGTH, PolicyDocument};
pub use policies::{Purpose, policies};
