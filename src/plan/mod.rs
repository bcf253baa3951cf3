//! The planner: a pure function from what is wanted and what is there to what will be done, in which order.

mod diff;
mod difference;
mod label;
mod order;
mod pair;
mod restore;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    discover::{World, kind_of, visible_tags},
    kind::{Kind, Live},
    resource::{Data, OnDelete, Phase, Tags},
    resources,
    stack::{Address, Declared, Stack},
    types::expression,
};

pub use diff::{FieldDiff, Nulls, diff};
pub use difference::{between, difference, drift, reversed};
pub use label::{By, Recorded, label};
pub use order::{critical_path, longest_roads};
pub use pair::{Foreign, owner};
pub use restore::{Target, holders, loses, restore, target_stack};

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
    AsDeclared,
    /// Not there.
    NotThere,
    /// Fields or tags differ.
    Differs,
    /// These fields can't change in place.
    CannotChange {
        /// JSON pointers.
        fields: Vec<String>,
    },
    /// AWS says that it failed.
    Failed {
        /// AWS's words.
        status: String,
    },
    /// No longer in the definition.
    NotDeclared,
    /// The stack is torn down.
    Destroyed,
    /// A second one with the same marks, left over from an interrupted run.
    LeftOver,
    /// The run that made it is undone.
    Undone,
    /// It was there and is no longer.
    Gone,
    /// Another one stands in its place.
    Another {
        /// Physical id of that one.
        id: String,
    },
}

/// Which half of a replacement comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// The new one is made before the old one goes.
    New,
    /// The old one goes first, because both can't have the same name: this can't be undone.
    Old,
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
    pub by: Option<By>,
    /// Who changed which tag, as far as [`label`] can tell.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags_by: BTreeMap<String, By>,
    /// For a replacement, which half comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// Physical id of what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What becomes of its data.
    #[serde(skip)]
    pub on_delete: OnDelete,
    /// What is there.
    #[serde(skip)]
    pub before: Option<Live>,
    /// AWS's own deletion protection is lifted first: it was made by the very run that is undone.
    #[serde(skip)]
    pub unprotect: bool,
    /// What cannot be undone about it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// Usual time in seconds.
    pub usual_seconds: u64,
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
    pub build: DiGraph<Step, ()>,
    /// Deletions, after the pivot.
    pub clear: DiGraph<Step, ()>,
    /// What stands in the way: with any of these, nothing may be done.
    pub obstacles: Vec<Obstacle>,
    /// What the reader should know.
    pub warnings: Vec<String>,
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
    pub fn usual_time(&self) -> Duration {
        let longest = |graph| longest_roads(graph, |step: &Step| self.usual(step)).into_iter().max().unwrap_or_default();
        longest(&self.build) + longest(&self.clear)
    }
    /// Usual time of one step.
    pub fn usual(&self, step: &Step) -> Duration {
        match step.op {
            Op::Forget => Duration::from_secs(1),
            _ => Duration::from_secs(self.changes[step.change].usual_seconds),
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

/// Compares the definition with what is there. Pure: makes no call, reads no clock.
pub fn plan(stack: &Stack, world: &World, goal: Goal, region: &str, account: &str) -> Plan {
    let paired = pair::pair(stack, world);
    let mut planner =
        Planner { world: &paired, changes: BTreeMap::new(), obstacles: Vec::new(), nulls: Nulls::LeftToAws, fresh: BTreeSet::new() };
    if goal == Goal::Apply {
        planner.obstacles.extend(paired.foreign.iter().map(foreign));
        for address in order::topological(stack) {
            planner.declared(&stack.resources[&address]);
        }
    }
    for (address, live) in &paired.live {
        match (goal, stack.resources.get(address)) {
            (Goal::Apply, Some(_)) => {}
            (Goal::Apply, None) => planner.gone(address, live, None, Reason::NotDeclared),
            (Goal::Destroy, declared) => planner.gone(address, live, declared, Reason::Destroyed),
        }
    }
    for (number, live) in paired.left_over.iter().enumerate() {
        let kind = live.kind.as_str();
        planner.gone(&Address::new(kind, format!("left-over-{}", number + 1)), live, None, Reason::LeftOver);
    }
    let Planner { changes, obstacles, .. } = planner;
    assembled(stack, changes, obstacles, world, region, account, order::Way::Forward)
}

fn assembled(
    stack: &Stack,
    changes: BTreeMap<Address, Change>,
    mut obstacles: Vec<Obstacle>,
    world: &World,
    region: &str,
    account: &str,
    way: order::Way,
) -> Plan {
    let mut changes: Vec<Change> = changes.into_values().collect();
    let warnings = world.warnings.iter().cloned().chain(changes.iter().filter_map(in_trouble)).collect();
    let order::Order { build, clear, held } = order::order(stack, &mut changes, way);
    obstacles.extend(held.into_iter().map(|(used, user)| in_the_way(&changes[used], &changes[user])));
    Plan {
        stack: stack.name.clone(),
        environment: stack.environment.clone(),
        region: region.to_owned(),
        account: account.to_owned(),
        changes,
        build,
        clear,
        obstacles,
        warnings,
    }
}

/// What holds data is not given up for an empty new one when AWS reports it as failed: what differs is brought, and may mend it.
fn in_trouble(change: &Change) -> Option<String> {
    let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update))?;
    let Phase::Failed(status) = &live.phase else { return None };
    Some(format!("AWS reports `{status}` for `{}` ({}); what holds data is not replaced for that.", change.address, live.id))
}

fn foreign(foreign: &Foreign) -> Obstacle {
    let whose = match &foreign.owner {
        Some(owner) => format!("belongs to the stack {owner}"),
        None => "exists but is not this stack's".to_owned(),
    };
    Obstacle {
        code: "foreign",
        address: foreign.address.clone(),
        message: format!("`{}` {whose}", foreign.id),
        help: format!("give `{}` another name, or remove the existing one", foreign.address),
        adoptable: foreign.owner.is_none().then(|| foreign.id.clone()),
    }
}

/// What can't stand beside its replacement, and can't go because something uses it.
fn in_the_way(used: &Change, user: &Change) -> Obstacle {
    let address = &used.address;
    let named = resources::kind(&address.kind).is_some_and(|kind| kind.naming.is_some());
    let help = if named {
        format!("give `{address}` another name: then the new one comes first")
    } else {
        format!("let `{}` do without `{address}` and apply that first", user.address)
    };
    Obstacle {
        code: "held",
        address: address.clone(),
        message: format!("`{address}` has to go before its replacement is made, but `{}` uses it", user.address),
        help,
        adoptable: None,
    }
}

struct Planner<'a> {
    world: &'a pair::Paired<'a>,
    changes: BTreeMap<Address, Change>,
    obstacles: Vec<Obstacle>,
    nulls: Nulls,
    /// What was made by the very run that is undone.
    fresh: BTreeSet<Address>,
}

impl Planner<'_> {
    /// A declared resource; what it needs has been planned before.
    fn declared(&mut self, declared: &Declared) {
        let wanted = self.resolved(declared);
        let change = match self.world.live.get(&declared.address) {
            None => Change {
                fields: set_fields(&wanted),
                ..change(declared.address.clone(), declared.kind, Action::Create, Reason::NotThere, None)
            },
            Some(live) => self.compared(declared, &wanted, live),
        };
        self.changes.insert(declared.address.clone(), change);
    }

    fn compared(&mut self, declared: &Declared, wanted: &Value, live: &Live) -> Change {
        let kind = declared.kind;
        let fields = diff(wanted, &(kind.align)(wanted, &live.spec), kind.replace, self.nulls);
        let before = visible_tags(&live.tags, &declared.tags);
        let tags = (kind.taggable && before != declared.tags).then(|| (before, declared.tags.clone()));
        let forcing: Vec<String> = fields.iter().filter(|f| f.forces_replacement).map(|f| f.at.clone()).collect();
        let (action, reason) = match &live.phase {
            Phase::Failed(status) if kind.data == Data::None => (Action::Replace, Reason::Failed { status: status.clone() }),
            _ if !forcing.is_empty() => (Action::Replace, Reason::CannotChange { fields: forcing }),
            _ if !fields.is_empty() || tags.is_some() => (Action::Update, Reason::Differs),
            _ => (Action::None, Reason::AsDeclared),
        };
        let mut change = Change { fields, tags, ..change(declared.address.clone(), kind, action, reason, Some(live)) };
        change.on_delete = on_delete(kind, declared.on_delete, live);
        if action == Action::Replace {
            self.protect(&change, kind, live, true);
            change.first = Some(if stands_beside(kind, wanted, &change.fields) { First::New } else { First::Old });
            change.irreversible = irreversible(kind, change.on_delete, change.first);
        }
        change
    }

    /// A live resource that is no longer wanted.
    fn gone(&mut self, address: &Address, live: &Live, declared: Option<&Declared>, reason: Reason) {
        let Ok(kind) = kind_of(live) else { return };
        if self.fresh.contains(address) {
            let change = Change { unprotect: true, ..change(address.clone(), kind, Action::Delete, reason, Some(live)) };
            self.changes.insert(address.clone(), change);
            return;
        }
        let on_delete = on_delete(kind, declared.and_then(|d| d.on_delete), live);
        let retained = declared.and_then(|d| d.on_delete).or_else(|| marked(live)) == Some(OnDelete::Retain);
        let action = if retained { Action::Forget } else { Action::Delete };
        let mut change = change(address.clone(), kind, action, reason, Some(live));
        change.on_delete = on_delete;
        if action == Action::Delete {
            change.irreversible = irreversible(kind, on_delete, None);
            self.protect(&change, kind, live, declared.is_some());
        }
        self.changes.insert(address.clone(), change);
    }

    /// AWS's own deletion protection stops a plan before the first call.
    fn protect(&mut self, change: &Change, kind: &Kind, live: &Live, declared: bool) {
        let Some(pointer) = kind.protection else { return };
        if live.spec.pointer(pointer) != Some(&Value::Bool(true)) {
            return;
        }
        let field = pointer.trim_start_matches('/');
        let address = &change.address;
        let help = if declared {
            format!("set `{field}: false` on `{address}`, apply that, and try again")
        } else {
            format!("declare `{address}` once more with `{field}: false`, apply that, and remove it then")
        };
        let message = format!("`{address}` ({}) is protected from deletion", live.id);
        self.obstacles.push(Obstacle { code: "protected", address: address.clone(), message, help, adoptable: None });
    }

    /// The wanted spec with every reference that is known already, in canonical form.
    fn resolved(&self, declared: &Declared) -> Value {
        if declared.needs.is_empty() {
            return declared.spec.clone();
        }
        let known = expression::resolve(&declared.spec, &|reference| {
            let address = Address::new(reference.kind, reference.name);
            let stays = self.changes.get(&address).is_some_and(|c| matches!(c.action, Action::None | Action::Update));
            stays.then(|| self.world.live.get(&address)?.output(reference.output)).flatten()
        });
        (declared.kind.parse)(known.clone()).unwrap_or(known)
    }
}

fn change(address: Address, kind: &Kind, action: Action, reason: Reason, live: Option<&Live>) -> Change {
    Change {
        address,
        action,
        reason,
        fields: Vec::new(),
        tags: None,
        by: None,
        tags_by: BTreeMap::new(),
        first: None,
        id: live.map(|live| live.id.clone()),
        on_delete: OnDelete::Delete,
        before: live.cloned(),
        unprotect: false,
        irreversible: None,
        usual_seconds: kind.usual.as_secs(),
    }
}

/// Every field that a create sets.
fn set_fields(wanted: &Value) -> Vec<FieldDiff> {
    diff(wanted, &Value::Object(serde_json::Map::new()), &[], Nulls::LeftToAws)
}

/// Whether a new one can stand beside the old one: it keeps nothing that two can't share.
fn stands_beside(kind: &Kind, wanted: &Value, fields: &[FieldDiff]) -> bool {
    let kept = |pointer: &str| {
        wanted.pointer(pointer).is_some_and(|value| !value.is_null()) && !fields.iter().any(|field| field.at.starts_with(pointer))
    };
    if kind.identity.iter().any(|pointer| fields.iter().any(|field| field.at == *pointer)) {
        return true;
    }
    let name = kind.naming.map(|_| "/name");
    !kind.exclusive.iter().copied().chain(name).any(kept) && kind.identity.is_empty() && kind.parent.is_none()
}

fn marked(live: &Live) -> Option<OnDelete> {
    let text = live.tags.get(crate::aws::ON_DELETE)?;
    serde_json::from_value(Value::String(text.clone())).ok()
}

/// What becomes of the data: what the definition says, else what the mark says, else the type's default.
fn on_delete(kind: &Kind, declared: Option<OnDelete>, live: &Live) -> OnDelete {
    declared.or_else(|| marked(live)).unwrap_or(match kind.data {
        Data::None => OnDelete::Delete,
        Data::Snapshot => OnDelete::Snapshot,
        Data::Contents | Data::Window => OnDelete::Retain,
    })
}

/// What is lost, in words.
fn irreversible(kind: &Kind, on_delete: OnDelete, first: Option<First>) -> Option<String> {
    match (kind.data, on_delete) {
        (Data::Snapshot, OnDelete::Snapshot) => Some("its data is kept in a final snapshot only".into()),
        (Data::Snapshot | Data::Contents, OnDelete::Delete) => Some("its data is deleted with it".into()),
        (Data::Window, OnDelete::Delete) => Some("it is deleted after the shortest window AWS allows".into()),
        (Data::Window, _) => Some("it is deleted after its recovery window".into()),
        _ if first == Some(First::Old) => Some("the old one goes before the new one is there".into()),
        _ => None,
    }
}
