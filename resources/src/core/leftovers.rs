//! What the deletion of a resource leaves behind: resources that others made for it, such as the controllers of a cluster.
//!
//! A plan that deletes the resource asks for them, and deletes them in steps of their own. Their types can only be deleted: definitions
//! don't have them, no list of a stack shows them, no run records them, and no rollback restores them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::LiveResource;

/// The plan that deletes a resource, as far as it matters to what that leaves behind.
#[derive(Clone, Debug, Default)]
pub struct LeftoverRequest {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Ids and ARNs of the stack's live resources, by type.
    pub owned: BTreeMap<String, BTreeSet<String>>,
    /// Whether no other resource of this type stays in the stack.
    pub is_last_of_type: bool,
    /// Maximum wait for others to delete what they made, as the definition sets it.
    pub wait_limit: Option<Duration>,
    /// Time from which on data counts as left behind; `None` for all. A rollback deletes only what is newer than the run.
    pub since: Option<SystemTime>,
}

impl LeftoverRequest {
    /// Whether the stack has a resource with this id or ARN.
    pub fn owns(&self, id: &str) -> bool {
        self.owned.values().any(|ids| ids.contains(id))
    }
    /// Ids and ARNs of the stack's resources of a type.
    pub fn of_type(&self, name: &str) -> impl Iterator<Item = &String> {
        self.owned.get(name).into_iter().flatten()
    }
}

/// Place of a deletion in the order, relative to the resource that leaves it behind, its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverStage {
    /// Before everything that depends on the owner.
    BeforeDependents,
    /// Before the owner.
    BeforeOwner,
    /// After the owner.
    AfterOwner,
    /// After all others: what has appeared since the plan.
    Last,
}

/// Something left behind. What its spec names by ARN or generated id is deleted after it.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Place in the order.
    pub stage: LeftoverStage,
    /// Name in the plan, unique within its type.
    pub name: String,
    /// Description for the plan.
    pub description: String,
    /// What the deletion loses for good.
    pub loss: Option<String>,
    /// The resource, of a type that can only be deleted.
    pub resource: LiveResource,
}

/// Everything that a resource leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// What is deleted.
    pub found: Vec<Leftover>,
    /// Sentences about what stays, and about what could not be looked for.
    pub warnings: Vec<String>,
}
