//! IAM policies for a stack: converts the actions stated by every type to policy documents.
//!
//! Names of actions, and their support for resources and conditions:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/>

mod arn;
mod condition;
mod document;
mod policies;

pub use condition::MissingCondition;
pub use document::{MAX_POLICY_LENGTH, PolicyDocument};
pub use policies::{Policies, Purpose, policies};
