//! The planner: a pure function from what is wanted and what is there to what will be done, in which order.

mod attribution;
mod diff;
mod matching;
mod order;
mod planner;
mod replacement_name;
mod restore;
mod state_diff;

use std::{collections::BTreeMap, fmt, time::Duration};

use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    core::{Address, LiveResource, OnDelete, Tags},
    definition::DesiredResource,
};

pub use attribution::{ChangedBy, RecordedState, attribute_changes, recorded_addresses};
pub use diff::{FieldDiff, NullMeans, diff};
pub use matching::{ForeignResource, owner};
pub use order::{critical_path, refers_to, remaining_paths};
pub use planner::plan;
pub use restore::{RestoreTarget, dependents_of_lost_resources, has_lost_resources, plan_restore, target_stack};
pub use state_diff::{diff_resource, diff_states, drift, drift_from_plan};

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    None,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// A new one is made and the old one deleted.
    Replace,
    /// It is deleted.
    Delete,
    /// It stays in AWS but is no longer the stack's.
    Forget,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// As it should be.
    UpToDate,
    /// Not there.
    DoesNotExist,
    /// Fields or tags differ.
    Differs,
    /// These fields can't change in place.
    ImmutableFields {
        /// JSON pointers.
        fields: Vec<String>,
    },
    /// AWS says that it failed.
    Failed {
        /// AWS's words.
        status: String,
    },
    /// No longer in the definition.
    NotInDefinition,
    /// The stack is torn down.
    Destroyed,
    /// A second one with the same marks, left over from an interrupted run.
    LeftOver,
    /// The run that made it is undone.
    RolledBack,
    /// It was there and is no longer.
    NoLongerExists,
    /// Another one stands in its place.
    IdChanged {
        /// Physical id of that one.
        id: String,
    },
}

/// Which half of a replacement comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplacementOrder {
    /// The new one is made before the old one goes.
    CreateBeforeDestroy,
    /// The old one goes first, because both can't have the same name: this can't be undone.
    DestroyBeforeCreate,
}

/// One entry of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The resource.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// Fields that differ; for a create every field that is set.
    pub fields: Vec<FieldDiff>,
    /// Tags before and after, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<(Tags, Tags)>,
    /// Who made it necessary that the whole thing comes or goes, as far as [`label`] can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
    /// Who changed which tag, as far as [`label`] can tell.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags_changed_by: BTreeMap<String, ChangedBy>,
    /// For a replacement, which half comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement_order: Option<ReplacementOrder>,
    /// Physical id of what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What becomes of its data.
    #[serde(skip)]
    pub on_delete: OnDelete,
    /// What is there.
    #[serde(skip)]
    pub before: Option<LiveResource>,
    /// AWS's own deletion protection is lifted first: it was made by the very run that is undone.
    #[serde(skip)]
    pub disable_deletion_protection: bool,
    /// The section of the definition that declares it; `None` for what is not declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// What the change disturbs, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<&'static str>,
    /// What cannot be undone about it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// Usual time in seconds.
    pub estimated_seconds: u64,
}

/// One step of the way: what is done to which entry of [`Plan::changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index into [`Plan::changes`].
    pub change: usize,
    /// What is done.
    pub op: Op,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Makes it.
    Create,
    /// Changes it in place.
    Update,
    /// Deletes it.
    Delete,
    /// Takes the marks off.
    Forget,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Create => "create",
            Op::Update => "update",
            Op::Delete => "delete",
            Op::Forget => "forget",
        })
    }
}

/// What stands in the way of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Obstacle {
    /// Stable name of the kind of obstacle.
    pub code: &'static str,
    /// The resource.
    pub address: Address,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Where the definition declares the resource, as file and line: `shop.yaml:12`.
    pub location: Option<String>,
    /// Physical id of what is in the way and could be adopted.
    #[serde(skip)]
    pub adoptable: Option<String>,
}

/// What will be done.
pub struct Plan {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// One entry per address, unchanged ones included, in order of address.
    pub changes: Vec<Change>,
    /// Creates and updates, and the old halves of replacements that must go first. An edge points from what is first.
    pub apply: DiGraph<Step, ()>,
    /// Deletions, after the pivot.
    pub clean_up: DiGraph<Step, ()>,
    /// What stands in the way: with any of these, nothing may be done.
    pub obstacles: Vec<Obstacle>,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// What going back leaves as it is, in words.
    pub not_restored: Vec<(Address, String)>,
    /// Physical names that resources have or get instead of the declared ones, which others have.
    pub name_overrides: BTreeMap<Address, String>,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Resources made.
    pub create: usize,
    /// Resources changed in place.
    pub update: usize,
    /// Resources made anew.
    pub replace: usize,
    /// Resources deleted or given up.
    pub delete: usize,
    /// Resources as they should be.
    pub unchanged: usize,
}

impl Summary {
    /// Counts by action.
    pub fn of(changes: &[Change]) -> Summary {
        let mut summary = Summary::default();
        for change in changes {
            match change.action {
                Action::None => summary.unchanged += 1,
                Action::Create => summary.create += 1,
                Action::Update => summary.update += 1,
                Action::Replace => summary.replace += 1,
                Action::Delete | Action::Forget => summary.delete += 1,
            }
        }
        summary
    }
}

impl Plan {
    /// Counts by action.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.changes)
    }
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::None)
    }
    /// The longest road through the plan, in usual times.
    pub fn estimated_time(&self) -> Duration {
        let critical_path_time = |graph| remaining_paths(graph, |step: &Step| self.estimate(step)).into_iter().max().unwrap_or_default();
        critical_path_time(&self.apply) + critical_path_time(&self.clean_up)
    }
    /// The wanted spec of a declared resource, under the name it has or gets.
    pub fn desired_spec(&self, declared: &DesiredResource) -> Value {
        self.name_overrides
            .get(&declared.address)
            .map_or_else(|| declared.spec.clone(), |name| replacement_name::with_name(&declared.spec, name))
    }
    /// Usual time of one step.
    pub fn estimate(&self, step: &Step) -> Duration {
        match step.op {
            Op::Forget => Duration::from_secs(1),
            _ => Duration::from_secs(self.changes[step.change].estimated_seconds),
        }
    }
}

/// What is wanted: the definition as it is, or nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Everything the definition declares.
    Apply,
    /// Nothing.
    Destroy,
}

impl Goal {
    /// The command that has this goal.
    pub fn command(self) -> &'static str {
        match self {
            Goal::Apply => "apply",
            Goal::Destroy => "destroy",
        }
    }
}
