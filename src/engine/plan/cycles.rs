//! Steps for resources that refer to each other: fields that are set after the creation refer to what is created later, and are reset before
//! the deletion of what is deleted earlier.
//!
//! ```text
//! create group a ─► create group b ─► attach a (its rule for b)
//! detach a ─► delete b ─► delete a
//! ```

use std::collections::{BTreeMap, BTreeSet};

use petgraph::{
    Direction::Outgoing,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

use super::{
    Action, Change, Op, Step,
    order::refers_to,
    soft_edges::{Edge, add_edges, cut_cycles},
};
use crate::{aws::types::resource_type, core::ChangedFields, definition::Stack};

/// Cycles among the steps of a plan.
pub(super) struct Cycles<'a> {
    pub stack: &'a Stack,
    /// Whether dependents are changed first.
    pub is_reversed: bool,
}

impl Cycles<'_> {
    /// Makes the graph of steps acyclic; returns the edges that were cut.
    pub fn cut(&self, changes: &[Change], graph: &mut DiGraph<Step, ()>) -> Vec<Edge> {
        cut_cycles(graph, |from, to| self.softness(changes, from, to))
    }

    /// See [`cut_cycles`]. A dependency that exists already can follow its dependent at no cost.
    fn softness(&self, changes: &[Change], from: &Step, to: &Step) -> Option<u8> {
        match (from.op, to.op) {
            (Op::Create | Op::Update, Op::Create | Op::Update) => {
                let (dependency, dependent) = if self.is_reversed { (to, from) } else { (from, to) };
                let declared = self.stack.resources.get(&changes[dependent.change].address)?;
                let can_wait = declared.deferrable.contains(&changes[dependency.change].address);
                can_wait.then_some(u8::from(dependency.op == Op::Update))
            }
            (Op::Delete | Op::Forget, Op::Delete | Op::Forget) => {
                self.detachable_fields(&changes[from.change], &changes[to.change]).map(|_| 0)
            }
            _ => None,
        }
    }

    /// Fields of a live resource that refer to another one, if an update can reset them all.
    fn detachable_fields(&self, user: &Change, used: &Change) -> Option<Vec<&'static str>> {
        let (live, used_live) = (user.before.as_ref()?, used.before.as_ref()?);
        let declared = self.stack.resources.get(&user.address);
        if declared.is_some_and(|d| d.depends_on.contains(&used.address) && !d.deferrable.contains(&used.address)) {
            return None;
        }
        let is_used = |text: &str| text == used_live.id || Some(text) == used_live.arn();
        resource_type(&live.type_name)?.deferrable_fields(&live.spec, &is_used)
    }

    /// Adds a step for the fields that refer to resources created after theirs, and notes these fields in the changes.
    pub fn attach(&self, changes: &mut [Change], graph: &mut DiGraph<Step, ()>, cut: &[Edge]) {
        let mut later: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (dependency, dependent) in cut.iter().filter(|(from, _)| graph[*from].op == Op::Create) {
            later.entry(*dependent).or_default().push(*dependency);
        }
        let mut before_dependents = Vec::new();
        for (dependent, dependencies) in later {
            let Step { change, .. } = graph[dependent];
            let Some(declared) = self.stack.resources.get(&changes[change].address) else { continue };
            let addresses = dependencies.iter().map(|node| changes[graph[*node].change].address.clone()).collect();
            let fields = declared.deferrable_fields(&addresses);
            // A restored spec may not have the references of the one it replaces.
            if fields.is_empty() {
                continue;
            }
            let dependents: Vec<NodeIndex> = graph.neighbors_directed(dependent, Outgoing).collect();
            let lets_go = dependents.iter().any(|node| graph[*node].op == Op::Delete);
            let attach = if changes_only(&changes[change], &fields) && !lets_go {
                // The whole update can wait.
                let edges: Vec<_> = graph.edges_directed(dependent, Outgoing).map(|edge| (edge.source(), edge.target())).collect();
                graph.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|edge| edges.contains(&edge)));
                dependent
            } else {
                let attach = graph.add_node(Step { change, op: Op::Attach });
                graph.add_edge(dependent, attach, ());
                before_dependents.extend(dependents.into_iter().map(|node| (attach, node)));
                changes[change].attach = fields;
                attach
            };
            for dependency in dependencies {
                graph.add_edge(dependency, attach, ());
            }
        }
        // Dependents outside the cycle find the resource complete.
        if !before_dependents.is_empty() {
            add_edges(graph, before_dependents);
        }
    }

    /// Adds a step that resets the fields that refer to resources deleted before theirs, if AWS would otherwise refuse these deletions, and
    /// notes the fields in the changes.
    pub fn detach(&self, changes: &mut [Change], graph: &mut DiGraph<Step, ()>, cut: &[Edge]) {
        let mut earlier: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (user, used) in cut.iter().filter(|(user, used)| graph[*user].op == Op::Delete && graph[*used].op == Op::Delete) {
            if is_held(&changes[graph[*used].change], &changes[graph[*user].change]) {
                earlier.entry(*user).or_default().push(*used);
            }
        }
        for (user, all_used) in earlier {
            let change = graph[user].change;
            let fields: BTreeSet<&'static str> = all_used
                .iter()
                .flat_map(|used| self.detachable_fields(&changes[change], &changes[graph[*used].change]).unwrap_or_default())
                .collect();
            let detach = graph.add_node(Step { change, op: Op::Detach });
            for deletion in all_used.into_iter().chain([user]) {
                graph.add_edge(detach, deletion, ());
            }
            changes[change].detach = fields.into_iter().collect();
        }
    }
}

/// Whether AWS refuses to delete `used` while `user` refers to it. It does not read policies.
fn is_held(used: &Change, user: &Change) -> bool {
    let is_blocked = resource_type(&used.address.type_name).is_some_and(|kind| kind.blocked_by_dependents);
    is_blocked && used.before.as_ref().zip(user.before.as_ref()).is_some_and(|(used, user)| refers_to(user, used))
}

/// Whether a change updates these fields and nothing else.
fn changes_only(change: &Change, fields: &[&str]) -> bool {
    let is_one = |pointer: &String| {
        let changed = ChangedFields(vec![pointer.clone()]);
        fields.iter().any(|field| changed.contains(field))
    };
    change.action == Action::Update && change.tags.is_none() && change.fields.iter().all(|field| is_one(&field.pointer))
}
