//! What a call needs besides the spec.

use super::{OnDelete, Tags};

/// What a mutating call needs besides the spec; see [`Cx`].
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Address in the stack.
    pub address: String,
    /// Every tag the resource shall carry.
    pub tags: Tags,
    /// Idempotency token.
    pub token: String,
    /// What becomes of its data.
    pub on_delete: OnDelete,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
}
