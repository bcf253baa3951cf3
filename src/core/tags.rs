//! Tags, and the keys of those that say whose a resource is.

use std::collections::BTreeMap;

/// Tags of a resource, acme's marks among them.
pub type Tags = BTreeMap<String, String>;

/// Mark: the stack's name.
pub const STACK_TAG: &str = "acme:stack";
/// Mark: the environment's name.
pub const ENVIRONMENT_TAG: &str = "acme:environment";
/// Mark: the resource's address in the stack.
pub const ADDRESS_TAG: &str = "acme:address";
/// Mark: what becomes of the data, when the definition says so.
pub const ON_DELETE_TAG: &str = "acme:on-delete";

/// Stands beside marks that a list told from something else than tags, because a crash came before those were set: none of them is there.
pub const UNTAGGED: &str = "acme:unmarked";

/// A change of a resource's tags. Tags set by AWS (`aws:`) stay.
#[derive(Debug)]
pub struct TagChange<'a> {
    /// Physical id.
    pub id: &'a str,
    /// ARN; the id where the type has none.
    pub arn: &'a str,
    /// Tags that are new or have another value.
    pub set: Tags,
    /// Keys that go.
    pub remove: Vec<String>,
    /// All tags afterwards.
    pub after: &'a Tags,
}

impl<'a> TagChange<'a> {
    /// What brings a resource's tags from `before` to `after`.
    pub fn new(id: &'a str, arn: Option<&'a str>, before: &Tags, after: &'a Tags) -> TagChange<'a> {
        let none = Tags::new();
        let before = if before.contains_key(UNTAGGED) { &none } else { before };
        let set = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let remove = before.keys().filter(|k| !after.contains_key(*k) && !k.starts_with("aws:")).cloned().collect();
        TagChange { id, arn: arn.unwrap_or(id), set, remove, after }
    }
}
