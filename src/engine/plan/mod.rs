//! The planner: a pure function from the desired and the live state to ordered changes.

mod attribution;
mod cycles;
mod diff;
pub(in crate::engine) mod dropped;
mod environments;
mod exchanges;
mod exclusive;
mod follow;
mod forget;
mod keeps;
mod known;
mod leftovers;
mod live_dependents;
mod lost;
mod matching;
mod moves;
mod obstacles;
mod order;
mod outputs;
mod planner;
mod prune;
mod references;
mod removal;
mod replacement_name;
mod restore;
mod selection;
mod selector;
mod soft_edges;
mod stages;
mod state_diff;
mod still_used;
mod taken_keys;
mod unmatched;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    core::{Address, LeftoverStage, LiveResource, OnDelete, Prerequisite, StageFields, Tags},
    definition::DesiredResource,
    engine::cost::Costs,
};

pub use attribution::{ChangedBy, RecordedState, attribute_changes, recorded_addresses};
pub use diff::{FieldDiff, NullMeans, RiskyValue, diff};
pub use dropped::{DeclaredFields, add_fields, add_unset_diffs, declared_fields, return_dropped_fields, unset_diffs};
pub use environments::{EnvironmentDiff, compare_environments};
pub use exchanges::Exchanges;
pub use forget::{forget_effects, plan_forget};
pub use leftovers::OwnedLeftovers;
pub use lost::{dependents_of_lost_resources, has_lost_resources};
pub use matching::{ForeignResource, owner, resolve_spec};
pub use moves::{MoveReason, MovedFrom};
pub use order::{critical_path, deferred_dependencies, remaining_paths};
pub use outputs::{OutputChange, output_changes};
pub use planner::{plan, plan_selected, plan_with_leftovers};
pub use references::refers_to;
pub(in crate::engine) use removal::is_part_of;
pub use restore::{RestoreTarget, plan_restore, target_stack};
pub use selection::{PartialPlan, Selection};
pub use selector::Selector;
pub use state_diff::{diff_resource, diff_states, drift, drift_from_plan};
pub use taken_keys::TakenKeys;
pub use unmatched::line_pointer;

/// Action on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    None,
    /// Create it.
    Create,
    /// Change it in place.
    Update,
    /// Create a new one and delete the old one.
    Replace,
    /// Delete it.
    Delete,
    /// Remove it from the stack and leave it in AWS.
    Forget,
}

/// Reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// It matches.
    UpToDate,
    /// It is not selected, see [`Selection`].
    NotSelected,
    /// It was asked for.
    Requested,
    /// It does not exist.
    DoesNotExist,
    /// Fields or tags differ.
    Differs,
    /// It waits for a person, with the instruction.
    Waiting {
        /// What to do.
        instruction: String,
    },
    /// These fields can't change in place.
    ImmutableFields {
        /// JSON pointers.
        fields: Vec<String>,
    },
    /// AWS reports that it failed.
    Failed {
        /// AWS's status.
        status: String,
    },
    /// It is no longer declared.
    NotInDefinition,
    /// The definition lets it go, under `forget`, or `acme forget` does.
    Forgotten,
    /// The stack is being destroyed.
    Destroyed,
    /// Duplicate with the same ownership tags, left over from an interrupted run.
    LeftOver,
    /// Others made it for a resource that is deleted.
    LeftBehind {
        /// Address of that resource.
        by: Address,
    },
    /// Retained data, or data that stays, needs it: it is left in AWS.
    StillNeeded {
        /// Address of the resource with the data.
        by: Address,
    },
    /// The run that created it is being undone.
    RolledBack,
    /// It no longer exists.
    NoLongerExists,
    /// A different resource is at its address.
    IdChanged {
        /// Physical id of the other resource.
        id: String,
    },
}

/// Order of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplacementOrder {
    /// Create the new one before deleting the old one.
    CreateBeforeDestroy,
    /// Delete the old one first, because both can't have the same name: this can't be undone.
    DestroyBeforeCreate,
    /// Delete the old one and create the new one in one call, see [`Change::exchanged_with`].
    Exchange,
}

/// Entry of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Address of the resource.
    pub address: Address,
    /// Action.
    pub action: Action,
    /// Reason.
    #[serde(flatten)]
    pub reason: Reason,
    /// Former address, if the resource has another one from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<MovedFrom>,
    /// Fields that differ; for a create, every field that is set.
    pub fields: Vec<FieldDiff>,
    /// Tags before and after, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<(Tags, Tags)>,
    /// Origin of the creation or deletion, if [`attribute_changes`] can determine it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
    /// Origin of each tag change, if [`attribute_changes`] can determine it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags_changed_by: BTreeMap<String, ChangedBy>,
    /// For a replacement, the order of creation and deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement_order: Option<ReplacementOrder>,
    /// Physical id of the live resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Region of the resource, after the change if it exists then; `None`: the plan's, or none for a global type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Treatment of its data.
    #[serde(skip)]
    pub on_delete: OnDelete,
    /// Id of a deleted resource within its recovery window, which a create restores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dormant: Option<String>,
    /// Live resource.
    #[serde(skip)]
    pub before: Option<LiveResource>,
    /// JSON pointers to fields that a separate step sets, because they refer to resources that are created later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attach: Vec<&'static str>,
    /// JSON pointers to fields that a separate step resets before the deletion, because they refer to resources that are deleted first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detach: Vec<&'static str>,
    /// Whether to disable AWS's deletion protection first, because the run being undone created it.
    #[serde(skip)]
    pub disable_deletion_protection: bool,
    /// Section that declares it; `None` if it is not declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Impact of the change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<&'static str>,
    /// Effects besides the fields that differ, see [`crate::core::Resource::effects`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// Steps of an update whose order matters to other resources, see [`crate::core::Resource::stages`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageFields>,
    /// Parts of the change that cannot be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// For a replacement, the resource whose data needs the old one, which is left in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<Address>,
    /// Resources at other addresses that can't exist beside a new one, and so are deleted first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after_deletion_of: BTreeSet<Address>,
    /// Resources at other addresses that release a unique value that this one gets, and so are changed first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after_update_of: BTreeSet<Address>,
    /// Resources that change in one call, including this one: all or none. Its step makes the call if it is the first that is not deleted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub exchanged_with: BTreeSet<Address>,
    /// For something left behind, its place in the order.
    #[serde(skip)]
    pub leftover_stage: Option<LeftoverStage>,
    /// Typical duration, in seconds.
    pub estimated_seconds: u64,
}

/// Step of a plan: an operation on an entry of [`Plan::changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index into [`Plan::changes`].
    pub change: usize,
    /// Operation.
    pub op: Op,
    /// Index into [`Change::stages`], for an update in several steps.
    pub stage: Option<usize>,
}

impl Step {
    /// The only step with this operation.
    pub fn new(change: usize, op: Op) -> Step {
        Step { change, op, stage: None }
    }
}

/// Gates before a step, as they are when the plan is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedGates {
    /// Address of the resource.
    pub address: Address,
    /// Version after the step, see [`StageFields::to`].
    pub to: String,
    /// Closed gates, each with its remedy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
    /// What could not be checked, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
}

/// Operation of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Creates it.
    Create,
    /// Changes it in place.
    Update,
    /// Sets the fields of a new or changed resource that refer to resources created after it.
    Attach,
    /// Removes entries of a field that deleted resources used.
    Prune,
    /// Resets the fields of a resource that refer to resources deleted before it.
    Detach,
    /// Deletes it.
    Delete,
    /// Removes the ownership tags.
    Forget,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Create => "create",
            Op::Update => "update",
            Op::Attach => "attach",
            Op::Prune => "prune",
            Op::Detach => "detach",
            Op::Delete => "delete",
            Op::Forget => "forget",
        })
    }
}

/// Problem that blocks a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Obstacle {
    /// Stable code of the obstacle.
    pub code: &'static str,
    /// Address of the resource.
    pub address: Address,
    /// Message.
    pub message: String,
    /// Remedy.
    pub help: String,
    /// File and line of the declaration: `shop.yaml:12`.
    pub location: Option<String>,
    /// Physical id of an existing resource that could be adopted.
    #[serde(skip)]
    pub adoptable: Option<String>,
    /// Other resource in the message, whose line is shown, too.
    #[serde(skip)]
    pub other: Option<Address>,
}

/// Operation.
pub struct Plan {
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// Whether the resources are in the simulated cloud.
    pub is_simulated: bool,
    /// Entries by address, including unchanged ones.
    pub changes: Vec<Change>,
    /// Creates, updates and attachments, and deletions of replacements that must come first. An edge points from the earlier step.
    pub apply: DiGraph<Step, ()>,
    /// Deletions, and removals of entries that the deleted resources used, after the point of no return.
    pub clean_up: DiGraph<Step, ()>,
    /// What is left out; `None` for a plan of everything.
    pub partial: Option<PartialPlan>,
    /// Monthly cost, if it was asked for.
    pub costs: Option<Costs>,
    /// Obstacles: with any of these, the plan must not be applied.
    pub obstacles: Vec<Obstacle>,
    /// What the account lacks: created before the first step, and never deleted.
    pub prerequisites: Vec<Prerequisite>,
    /// Sentences about the definition, for the heading: values that procedures have moved, lines that have no effect.
    pub notes: Vec<String>,
    /// Revisions of other stacks whose outputs the plan uses.
    pub stacks: Vec<StackReading>,
    /// Existing resources that the stack uses and does not own, with what was found.
    pub existing: Vec<ExistingReading>,
    /// Outputs that differ from those of the last run.
    pub outputs: Vec<OutputChange>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Gates of steps that are closed, or can't be checked, when the plan is made.
    pub gates: Vec<PlannedGates>,
    /// Values and data that a rollback does not restore.
    pub not_restored: Vec<(Address, String)>,
    /// Physical names used instead of declared ones, which other resources have.
    pub name_overrides: BTreeMap<Address, String>,
    /// Changes made in one call, see [`Plan::exchange`].
    pub exchanges: Exchanges,
}

/// Revision of another stack whose outputs a plan uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackReading {
    /// Name in the definition.
    pub name: String,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Number of the revision.
    pub revision: u64,
}

/// An existing resource that a plan uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExistingReading {
    /// Its address in references.
    pub address: Address,
    /// Physical ids of the resources that match.
    pub ids: Vec<String>,
}

/// Number of resources by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Created resources.
    pub create: usize,
    /// Resources changed in place.
    pub update: usize,
    /// Replaced resources.
    pub replace: usize,
    /// Deleted resources.
    pub delete: usize,
    /// Resources that leave the stack and stay in AWS.
    pub forget: usize,
    /// Unchanged resources.
    pub unchanged: usize,
}

impl Summary {
    /// Counts by action.
    pub fn of(changes: &[Change]) -> Summary {
        Summary::of_actions(changes.iter().map(|change| change.action))
    }
    /// Counts by action, of some changes.
    pub fn of_changes(changes: &[&Change]) -> Summary {
        Summary::of_actions(changes.iter().map(|change| change.action))
    }
    /// Counts of actions.
    pub fn of_actions(actions: impl Iterator<Item = Action>) -> Summary {
        let mut summary = Summary::default();
        for action in actions {
            match action {
                Action::None => summary.unchanged += 1,
                Action::Create => summary.create += 1,
                Action::Update => summary.update += 1,
                Action::Replace => summary.replace += 1,
                Action::Delete => summary.delete += 1,
                Action::Forget => summary.forget += 1,
            }
        }
        summary
    }
    /// Counts in words: `3 to create, 1 to delete`; empty without changes.
    pub fn describe(&self) -> String {
        let (create, update, replace) = (("create", self.create), ("change", self.update), ("replace", self.replace));
        let counts = [create, update, replace, ("delete", self.delete), ("forget", self.forget)];
        let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} to {word}")).collect();
        counts.join(", ")
    }
}

impl Plan {
    /// Counts by action.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.changes)
    }
    /// Counts in words, with outputs: `3 to create, 1 output to change`; empty without changes.
    pub fn describe(&self) -> String {
        let resources = self.summary().describe();
        let outputs = match self.outputs.len() {
            0 => String::new(),
            1 => "1 output to change".to_owned(),
            several => format!("{several} outputs to change"),
        };
        [resources, outputs].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.changes.iter().all(|change| change.action == Action::None)
    }
    /// Critical path of the plan, by typical durations.
    pub fn estimated_time(&self) -> Duration {
        let critical_path_time = |graph| remaining_paths(graph, |step: &Step| self.estimate(step)).into_iter().max().unwrap_or_default();
        critical_path_time(&self.apply) + critical_path_time(&self.clean_up)
    }
    /// Desired spec of a declared resource, with its current or future name.
    pub fn desired_spec(&self, declared: &DesiredResource) -> Value {
        self.name_overrides.get(&declared.address).map_or_else(|| declared.spec.clone(), |name| declared.spec_with_name(name))
    }
    /// The changes made in one call with this one, the one whose step makes it first; empty if this one has a call of its own.
    pub fn exchange(&self, change: usize) -> &[usize] {
        self.exchanges.with(change)
    }
    /// Whether a separate step of this change removes entries.
    pub fn prunes(&self, change: usize) -> bool {
        self.clean_up.node_weights().any(|step| step.change == change && step.op == Op::Prune)
    }
    /// Typical duration of a step.
    pub fn estimate(&self, step: &Step) -> Duration {
        match step.op {
            Op::Attach | Op::Detach | Op::Forget => Duration::from_secs(1),
            _ => Duration::from_secs(self.changes[step.change].estimated_seconds),
        }
    }
}

/// Goal of a plan: the definition, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Everything declared.
    Apply,
    /// Nothing.
    Destroy,
}

impl Goal {
    /// Command with this goal.
    pub fn command(self) -> &'static str {
        match self {
            Goal::Apply => "apply",
            Goal::Destroy => "destroy",
        }
    }
}
