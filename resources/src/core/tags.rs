//! Tags, and the keys of ownership tags.

use std::collections::BTreeMap;

/// Tags of a resource, including ownership tags.
pub type Tags = BTreeMap<String, String>;

/// Ownership tag with the stack's name.
pub const STACK_TAG: &str = "acme:stack";
/// Ownership tag with the environment's name.
pub const ENVIRONMENT_TAG: &str = "acme:environment";
/// Ownership tag with the resource's address in the stack.
pub const ADDRESS_TAG: &str = "acme:address";
/// Ownership tag of global resources with the region of the stack: the same definition may be applied in several regions.
pub const REGION_TAG: &str = "acme:region";
/// Tag with the treatment of the data, if the definition sets `on_delete`.
pub const ON_DELETE_TAG: &str = "acme:on-delete";

/// Key that a list adds to ownership tags derived from other attributes: a crash prevented the real tags, so none of them exists.
pub const UNTAGGED: &str = "acme:unmarked";

/// Change of a resource's tags. Tags set by AWS (`aws:`) remain.
#[derive(Debug)]
pub struct TagChange<'a> {
    /// Physical id.
    pub id: &'a str,
    /// ARN; the id if the type has no ARN.
    pub arn: &'a str,
    /// New tags, and tags with a new value.
    pub set: Tags,
    /// Keys to remove.
    pub remove: Vec<String>,
    /// All tags afterwards.
    pub after: &'a Tags,
}

impl<'a> TagChange<'a> {
    /// Creates the change from `before` to `after`.
    pub fn new(id: &'a str, arn: Option<&'a str>, before: &Tags, after: &'a Tags) -> TagChange<'a> {
        let none = Tags::new();
        let before = if before.contains_key(UNTAGGED) { &none } else { before };
        let set = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let remove = before.keys().filter(|k| !after.contains_key(*k) && !k.starts_with("aws:")).cloned().collect();
        TagChange { id, arn: arn.unwrap_or(id), set, remove, after }
    }
}
