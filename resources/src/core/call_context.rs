//! Parameters of a call besides the spec.

use super::{ADDRESS_TAG, ENVIRONMENT_TAG, OnDelete, REGION_TAG, STACK_TAG, Tags};

/// Parameters of a mutating call besides the spec; see [`Cx`].
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Address in the stack.
    pub address: String,
    /// Region of the resource, if it is not the stack's.
    pub region: Option<String>,
    /// Desired tags.
    pub tags: Tags,
    /// Idempotency token.
    pub token: String,
    /// Treatment of its data.
    pub on_delete: OnDelete,
    /// Whether the run that is being undone created the resource: it holds nothing that was there before.
    pub is_undone: bool,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Id of the resource of this address that is within its recovery window: a create call restores it.
    pub dormant: Option<String>,
}

impl CallContext {
    /// The ownership tags of the resource, also of a type without tags.
    pub fn ownership(&self) -> Tags {
        let own = [(STACK_TAG, &self.stack), (ENVIRONMENT_TAG, &self.environment), (ADDRESS_TAG, &self.address)];
        let mut tags: Tags = own.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        tags.extend(self.tags.get(REGION_TAG).map(|region| (REGION_TAG.to_owned(), region.clone())));
        tags
    }
    /// IAM path of the stack, see [`super::iam_path`].
    pub fn iam_path(&self) -> String {
        super::iam_path(&self.stack, &self.environment)
    }
}
