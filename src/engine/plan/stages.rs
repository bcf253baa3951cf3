//! Updates in several steps: those of a cluster and of what follows its versions alternate.

use std::collections::{BTreeMap, HashMap};

use petgraph::{
    graph::{DiGraph, NodeIndex},
    visit::{Dfs, Reversed, Walker},
};
use serde_json::Value;

use super::{Action, Change, Op, Plan, ReplacementOrder, Step, order::topological_order, soft_edges::add_edges};
use crate::{
    core::{Address, PlannedSpecs, ReachedVersion},
    definition::Stack,
};

/// Numbers of the changes of a plan, by address.
pub(in crate::engine) type ChangeNumbers<'a> = HashMap<&'a Address, usize>;

/// Divides updates into their steps, dependencies first.
pub(super) fn divide_updates(stack: &Stack, changes: &mut [Change], desired: &BTreeMap<Address, Value>) {
    let is_update = |change: &Change| change.action == Action::Update && !change.fields.is_empty();
    if !changes.iter().any(is_update) {
        return;
    }
    let index: BTreeMap<Address, usize> =
        changes.iter().enumerate().filter(|(_, change)| is_update(change)).map(|(index, change)| (change.address.clone(), index)).collect();
    for address in topological_order(stack).addresses {
        let (Some(change), Some(declared)) = (index.get(&address), stack.resources.get(&address)) else { continue };
        let Some((wanted, live)) = desired.get(&address).zip(changes[*change].before.as_ref()) else { continue };
        let staged = declared.depends_on.iter().filter_map(|need| index.get(need)).map(|need| passed_versions(&changes[*need]));
        let passed = staged.into_iter().find(|passed| !passed.is_empty()).unwrap_or_default();
        let kind = declared.resource_type;
        changes[*change].stages = kind.operations.stages(wanted, &kind.comparable(wanted, &live.spec), &passed);
    }
}

/// The versions that a resource passes, from the present one on. None for one that follows the versions of another.
pub(super) fn passed_versions(change: &Change) -> Vec<String> {
    if follows_another(change) {
        return Vec::new();
    }
    let present = change.stages.first().map(|stage| stage.from.clone());
    present.into_iter().chain(change.stages.iter().map(|stage| stage.to.clone())).collect()
}

/// Whether the steps of an update come at versions of another resource.
pub(super) fn follows_another(change: &Change) -> bool {
    change.stages.iter().any(|stage| stage.at.is_some())
}

/// Adds the steps of an update, each after the one before.
pub(super) fn add_steps(graph: &mut DiGraph<Step, ()>, change: usize, entry: &Change) -> Vec<NodeIndex> {
    let step = |stage| Step { stage: Some(stage), ..Step::new(change, Op::Update) };
    let steps: Vec<NodeIndex> = (0..entry.stages.len()).map(|stage| graph.add_node(step(stage))).collect();
    for pair in steps.windows(2) {
        graph.add_edge(pair[0], pair[1], ());
    }
    steps
}

/// Lets the steps of a resource follow those of one that it refers to: each version after the same version there, and before the next.
pub(super) fn alternate(graph: &mut DiGraph<Step, ()>, used: (&Change, &[NodeIndex]), user: (&Change, &[NodeIndex])) {
    let passed = passed_versions(used.0);
    for (stage, step) in user.0.stages.iter().zip(user.1) {
        let at = passed.iter().position(|version| *version == stage.to).unwrap_or(used.1.len());
        for (before, after) in between(used.1, *step, at) {
            graph.update_edge(before, after, ());
        }
    }
}

/// Edges that put a step after the one that reaches the version with this number in the passed ones, and before the next.
pub(super) fn between(used: &[NodeIndex], step: NodeIndex, at: usize) -> Vec<(NodeIndex, NodeIndex)> {
    let after = at.checked_sub(1).and_then(|at| used.get(at)).map(|used| (*used, step));
    let before = used.get(at).map(|used| (step, *used));
    after.into_iter().chain(before).collect()
}

impl Plan {
    /// Numbers of the changes, by address.
    pub(in crate::engine) fn numbers(&self) -> ChangeNumbers<'_> {
        self.changes.iter().enumerate().map(|(number, change)| (&change.address, number)).collect()
    }

    /// Versions that a resource passes on which a change without steps depends.
    pub(in crate::engine) fn versions_passed_by_dependencies(
        &self,
        stack: &Stack,
        numbers: &ChangeNumbers<'_>,
        change: usize,
    ) -> Option<Vec<String>> {
        let is_changed = |entry: &&Change| matches!(entry.action, Action::Update | Action::Replace) && entry.stages.is_empty();
        let entry = self.changes.get(change).filter(is_changed)?;
        self.staged_dependency(stack, numbers, &entry.address).map(|number| passed_versions(&self.changes[number]))
    }

    /// Number of the resource that passes versions and on which another one depends.
    pub(super) fn staged_dependency(&self, stack: &Stack, numbers: &ChangeNumbers<'_>, user: &Address) -> Option<usize> {
        let mut needs = stack.resources.get(user)?.depends_on.iter().filter_map(|need| numbers.get(need).copied());
        needs.find(|number| !passed_versions(&self.changes[*number]).is_empty())
    }

    /// Number of the steps of a change that come before the version after this one.
    fn steps_up_to(&self, change: &Change, version: &str) -> Option<usize> {
        let Some(followed) = change.stages.first().and_then(|stage| stage.at.as_ref()) else {
            return passed_versions(change).iter().position(|passed| passed == version);
        };
        let passed = passed_versions(self.changes.iter().find(|other| other.address == followed.address)?);
        let number = |version: &str| passed.iter().position(|passed| passed == version);
        let last = number(version)?;
        let is_reached = |at: &ReachedVersion| number(&at.version).is_some_and(|number| number <= last);
        Some(change.stages.iter().filter(|stage| stage.at.as_ref().is_some_and(is_reached)).count())
    }

    /// The steps of a change that create or update, in their order.
    pub(in crate::engine) fn steps_of(&self, change: usize) -> Vec<NodeIndex> {
        let is_step = |node: &NodeIndex| self.apply[*node].change == change && matches!(self.apply[*node].op, Op::Create | Op::Update);
        let mut steps: Vec<NodeIndex> = self.apply.node_indices().filter(is_step).collect();
        steps.sort_by_key(|node| self.apply[*node].stage);
        steps
    }

    /// What the plan changes before a step, in the region of its resource.
    pub(in crate::engine) fn changed_before(&self, stack: &Stack, step: NodeIndex) -> PlannedSpecs {
        let own = self.apply[step].change;
        let earlier = Reversed(&self.apply);
        // The last step of each change; those without stages have only one.
        let mut last: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        for node in Dfs::new(earlier, step).iter(earlier) {
            let step = self.apply[node];
            let replaces = || self.changes[step.change].replacement_order == Some(ReplacementOrder::DestroyBeforeCreate);
            if step.change != own && (step.op == Op::Update || step.op == Op::Create && replaces()) {
                let stage = last.entry(step.change).or_default();
                *stage = step.stage.max(*stage);
            }
        }
        let mut planned = PlannedSpecs::default();
        for (change, stage) in last {
            let entry = &self.changes[change];
            let Some((declared, live)) = stack.resources.get(&entry.address).zip(entry.before.as_ref()) else { continue };
            if entry.region != self.changes[own].region {
                continue;
            }
            let mut spec = self.desired_spec(declared);
            if let Some(stage) = stage.and_then(|stage| entry.stages.get(stage)) {
                stage.apply_to(&mut spec);
            }
            planned.insert(&live.type_name, &live.id, spec);
        }
        planned
    }

    /// Puts a change after the resources on which it depends have reached a version, and before the next one, unless something else that it
    /// needs comes later.
    pub(in crate::engine) fn place_at_version(&mut self, user: usize, version: &str) {
        let Some(step) = self.steps_of(user).first().copied() else { return };
        let (mut graph, mut edges) = (self.apply.clone(), Vec::new());
        for (used, entry) in self.changes.iter().enumerate().filter(|(_, entry)| !entry.stages.is_empty()) {
            let steps = self.steps_of(used);
            let Some(last) = steps.last().copied().filter(|last| graph.find_edge(*last, step).is_some()) else { continue };
            let Some(at) = self.steps_up_to(entry, version) else { return };
            graph.retain_edges(|graph, edge| graph.edge_endpoints(edge) != Some((last, step)));
            edges.extend(between(&steps, step, at));
        }
        if !edges.is_empty() && add_edges(&mut graph, edges).is_empty() {
            self.apply = graph;
        }
    }
}
