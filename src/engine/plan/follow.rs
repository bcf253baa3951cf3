//! Resources that follow the versions of another one: steps that a service's answers add to a plan, see [`crate::core::Resource::follow`].

use petgraph::{
    Direction::Incoming,
    graph::{DiGraph, NodeIndex},
};

use serde_json::Value;

use super::{
    Action, Change, FieldDiff, Op, Plan, Reason, Step,
    diff::flag_important_and_risky,
    planner::impact_of,
    soft_edges::add_edges,
    stages::{ChangeNumbers, between, passed_versions},
};
use crate::{
    aws::types::resource_type,
    core::{Address, Direction, LiveResource, ReachedVersion, StageFields},
    definition::Stack,
};

/// The version of a resource if it differs from that before: of a field that AWS changes by one minor version at a time.
fn reached_version(before: &LiveResource, live: &LiveResource) -> Option<String> {
    let kind = resource_type(&live.type_name).filter(|_| before.is_same_as(live))?;
    let field = kind.one_way.iter().find(|one_way| matches!(one_way.direction, Direction::OneMinorVersion))?.field;
    let [was, is] = [before, live].map(|live| live.spec.pointer(field).and_then(Value::as_str));
    is.filter(|_| was.is_some() && was != is).map(str::to_owned)
}

impl Plan {
    /// The change whose versions a resource may follow that exists, stays and has no steps of its own, and the versions that it passes, from the
    /// present one on. After an unfinished run, the only one may be the version that this has reached. `before` returns a resource as it was
    /// before the unfinished runs.
    pub(in crate::engine) fn versions_to_follow<'a>(
        &self,
        stack: &Stack,
        numbers: &ChangeNumbers<'_>,
        change: usize,
        before: impl Fn(&Address) -> Option<&'a LiveResource>,
    ) -> Option<(usize, Vec<String>)> {
        let stays =
            |entry: &&Change| matches!(entry.action, Action::None | Action::Update) && entry.stages.is_empty() && entry.before.is_some();
        let user = &self.changes.get(change).filter(stays)?.address;
        if let Some(number) = self.staged_dependency(stack, numbers, user) {
            return Some((number, passed_versions(&self.changes[number])));
        }
        let needs = &stack.resources.get(user)?.depends_on;
        needs.iter().filter_map(|need| numbers.get(need).copied()).find_map(|number| {
            let other = Some(&self.changes[number]).filter(stays)?;
            let version = reached_version(before(&other.address)?, other.before.as_ref()?)?;
            Some((number, vec![version]))
        })
    }

    /// Divides a change, or makes one, into steps that come at versions of `followed`: after that has reached the version, before it starts the
    /// next one, and before others that follow it reach that version.
    pub(in crate::engine) fn follow(
        &mut self,
        stack: &Stack,
        change: usize,
        (followed, passed): (usize, &[String]),
        stages: Vec<(String, StageFields)>,
    ) {
        let address = self.changes[followed].address.clone();
        let at = |version: String| Some(ReachedVersion { address: address.clone(), version });
        let stages: Vec<StageFields> = stages.into_iter().map(|(version, stage)| StageFields { at: at(version), ..stage }).collect();
        if stages.is_empty() || !self.add_changed_fields(stack, change, &stages) {
            return;
        }
        self.changes[change].stages = stages;
        let graph = self.with_following_steps(stack, change, (followed, passed));
        self.apply = graph;
    }

    /// Adds the fields that the last of these steps sets. Returns whether the resource exists and is declared.
    fn add_changed_fields(&mut self, stack: &Stack, change: usize, stages: &[StageFields]) -> bool {
        let Some((declared, last)) = stack.resources.get(&self.changes[change].address).zip(stages.last()) else { return false };
        let mut wanted = self.desired_spec(declared);
        last.apply_to(&mut wanted);
        let entry = &mut self.changes[change];
        let Some(live) = &entry.before else { return false };
        for (name, value) in &last.fields {
            let pointer = format!("/{name}");
            let before = live.spec.get(name).cloned().unwrap_or_default();
            if before != *value && entry.fields.iter().all(|field| field.pointer != pointer) {
                let mut field = [FieldDiff::new(&pointer, before, value.clone())];
                flag_important_and_risky(declared.resource_type, &mut field, &wanted, &live.spec);
                entry.fields.extend(field);
            }
        }
        entry.impact = impact_of(declared.resource_type, &entry.fields);
        if entry.action == Action::None {
            (entry.action, entry.reason) = (Action::Update, Reason::Differs);
        }
        true
    }

    /// The steps of a plan with those of a change that follows another.
    fn with_following_steps(&self, stack: &Stack, change: usize, (followed, passed): (usize, &[String])) -> DiGraph<Step, ()> {
        let (entry, root) = (&self.changes[change], &self.changes[followed]);
        let mut graph = self.apply.clone();
        let stages = entry.stages.len();
        let step = |stage| Step { stage: Some(stage), ..Step::new(change, Op::Update) };
        let present = self.steps_of(change).first().copied();
        let mut steps: Vec<NodeIndex> = (0..stages - usize::from(present.is_some())).map(|stage| graph.add_node(step(stage))).collect();
        steps.extend(present);
        let (Some(first), Some(last)) = (steps.first().copied(), steps.last().copied()) else { return graph };
        graph[last] = step(stages - 1);
        let mut edges: Vec<(NodeIndex, NodeIndex)> = steps.windows(2).map(|pair| (pair[0], pair[1])).collect();
        // Its place among those with steps is below; the rest of what the change waits for comes before its first step.
        let is_staged = |node: NodeIndex| !self.changes[self.apply[node].change].stages.is_empty();
        if let Some(present) = present {
            graph.retain_edges(|graph, edge| {
                let (from, to) = graph.edge_endpoints(edge).unwrap_or((present, present));
                !(from == present && is_staged(to) || to == present && is_staged(from))
            });
            let before: Vec<NodeIndex> = graph.neighbors_directed(present, Incoming).collect();
            edges.extend(before.into_iter().map(|node| (node, first)));
        }
        let number = |version: &str| passed.iter().position(|passed| passed == version);
        let placed: Vec<(NodeIndex, usize)> =
            steps.iter().zip(&entry.stages).filter_map(|(step, stage)| Some((*step, number(&stage.at.as_ref()?.version)?))).collect();
        let root_steps = if root.stages.is_empty() { Vec::new() } else { self.steps_of(followed) };
        edges.extend(placed.iter().flat_map(|(step, at)| between(&root_steps, *step, *at)));
        let depends_on = |user: &Change, used: &Change| {
            stack.resources.get(&user.address).is_some_and(|declared| declared.depends_on.contains(&used.address))
        };
        for (other, user) in self.changes.iter().enumerate().filter(|(other, _)| *other != change && *other != followed) {
            if passed_versions(user).is_empty() {
                if present.is_none() && user.stages.is_empty() {
                    let nodes = self.steps_of(other).into_iter();
                    edges.extend(nodes.clone().filter(|_| depends_on(entry, user)).map(|node| (node, first)));
                    edges.extend(nodes.filter(|_| depends_on(user, entry)).map(|node| (last, node)));
                }
                continue;
            }
            if !depends_on(user, root) {
                continue;
            }
            for (node, stage) in self.steps_of(other).into_iter().zip(&user.stages) {
                let Some(reached) = number(&stage.to) else { continue };
                edges.extend(placed.iter().filter(|(_, at)| *at <= reached).map(|(step, _)| (*step, node)));
            }
        }
        add_edges(&mut graph, edges);
        graph
    }
}
