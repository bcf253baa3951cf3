//! The order of steps.
//!
//! ```text
//! build:  vpc ─► subnet ─► nat          creates and updates, what is needed first
//! ──────────────── pivot ────────────── everything new is there and verified
//! clear:  old nat ─► old subnet         deletions, dependents first
//! ```

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use petgraph::{
    Direction::Outgoing,
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
    visit::{Topo, Walker},
};

use serde_json::Value;

use super::{Action, Change, First, Op, Step};
use crate::{
    aws::types::kind,
    core::{Address, Live, expression},
    definition::Stack,
};

/// Addresses of a stack, each after all it needs. The compiler has refused cycles.
pub fn topological(stack: &Stack) -> Vec<Address> {
    let mut graph = DiGraph::<&Address, ()>::new();
    let nodes: BTreeMap<&Address, NodeIndex> = stack.resources.keys().map(|address| (address, graph.add_node(address))).collect();
    for declared in stack.resources.values() {
        for need in declared.needs.iter().filter_map(|need| nodes.get(need)) {
            graph.add_edge(*need, nodes[&declared.address], ());
        }
    }
    Topo::new(&graph).iter(&graph).map(|node| graph[node].clone()).collect()
}

/// Which way a plan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Towards a definition.
    Forward,
    /// Back to what was there: changes are taken back in the opposite order, users first.
    Back,
}

/// The order of a plan's steps.
pub struct Order {
    /// What comes before the pivot.
    pub build: DiGraph<Step, ()>,
    /// What comes after it.
    pub clear: DiGraph<Step, ()>,
    /// What must go first but can't, and what stays and refers to it: indexes of changes.
    pub held: Vec<(usize, usize)>,
}

/// Makes the two graphs, and settles which half of each replacement comes first.
pub fn order(stack: &Stack, changes: &mut [Change], way: Way) -> Order {
    let users = live_users(stack, changes);
    spread_old_first(changes, &users);
    let mut build = DiGraph::new();
    let mut clear = DiGraph::new();
    // Step that makes or changes it, and step that deletes it, by change.
    let mut made: HashMap<usize, NodeIndex> = HashMap::new();
    let mut early: HashMap<usize, NodeIndex> = HashMap::new();
    let mut late: HashMap<usize, NodeIndex> = HashMap::new();
    for (change, entry) in changes.iter().enumerate() {
        let step = |op| Step { change, op };
        match entry.action {
            Action::None => {}
            Action::Create => drop(made.insert(change, build.add_node(step(Op::Create)))),
            Action::Update => drop(made.insert(change, build.add_node(step(Op::Update)))),
            Action::Forget => drop(late.insert(change, clear.add_node(step(Op::Forget)))),
            Action::Delete if entry.first == Some(First::Old) => drop(early.insert(change, build.add_node(step(Op::Delete)))),
            Action::Delete => drop(late.insert(change, clear.add_node(step(Op::Delete)))),
            Action::Replace => {
                let new = build.add_node(step(Op::Create));
                made.insert(change, new);
                if entry.first == Some(First::Old) {
                    let old = build.add_node(step(Op::Delete));
                    build.add_edge(old, new, ());
                    early.insert(change, old);
                } else {
                    late.insert(change, clear.add_node(step(Op::Delete)));
                }
            }
        }
    }
    let index: HashMap<&Address, usize> = changes.iter().enumerate().map(|(i, change)| (&change.address, i)).collect();
    let anew = changes.iter().any(|change| matches!(change.action, Action::Create | Action::Replace));
    for (change, entry) in changes.iter().enumerate() {
        let (Some(step), Some(declared)) = (made.get(&change), stack.resources.get(&entry.address)) else { continue };
        for need in declared.needs.iter().filter_map(|need| made.get(index.get(need)?)) {
            // What is made anew must be there before its users whichever way we go.
            match way {
                Way::Back if !anew => build.add_edge(*step, *need, ()),
                _ => build.add_edge(*need, *step, ()),
            };
        }
    }
    for (used, user) in users {
        for (graph, steps) in [(&mut build, &early), (&mut clear, &late)] {
            if let (Some(used), Some(user)) = (steps.get(&used), steps.get(&user)) {
                graph.add_edge(*user, *used, ());
            }
        }
    }
    let mut held = Vec::new();
    for (used, user) in holders(changes) {
        let Some(goes) = early.get(&used) else { continue };
        let declared = stack.resources.get(&changes[user].address);
        match made.get(&user).filter(|_| declared.is_some_and(|declared| !declared.needs.contains(&changes[used].address))) {
            Some(lets_go) => drop(build.update_edge(*lets_go, *goes, ())),
            None => held.push((used, user)),
        }
    }
    break_cycles(&mut clear);
    Order { build, clear, held }
}

/// Pairs (used, user): the used one goes before a new one is there, the user stays and refers to it, and AWS minds.
fn holders(changes: &[Change]) -> Vec<(usize, usize)> {
    let goes =
        |change: &Change| change.first == Some(First::Old) && kind(&change.address.kind).is_some_and(|kind| kind.blocked_by_dependents);
    let stays = |change: &Change| matches!(change.action, Action::None | Action::Update);
    let mut holders = Vec::new();
    for (used, gone) in changes.iter().enumerate().filter(|(_, change)| goes(change)) {
        let Some(live) = &gone.before else { continue };
        for (user, change) in changes.iter().enumerate().filter(|(_, change)| stays(change)) {
            if change.before.as_ref().is_some_and(|user| refers(user, live)) {
                holders.push((used, user));
            }
        }
    }
    holders
}

/// Whether what is live refers to another: by its id or ARN.
pub fn refers(user: &Live, used: &Live) -> bool {
    is_value(&user.spec, &used.id) || used.arn().is_some_and(|arn| is_value(&user.spec, arn))
}

/// Whether a reference in `spec` has this value: names alone may mean another type's.
fn is_value(spec: &Value, value: &str) -> bool {
    match spec {
        Value::Array(list) => list.iter().any(|spec| is_value(spec, value)),
        Value::Object(map) => {
            map.get("id").or_else(|| map.get("arn")).is_some_and(|id| map.len() == 1 && *id == *value)
                || map.values().any(|spec| is_value(spec, value))
        }
        _ => false,
    }
}

/// Two security groups made elsewhere may name each other. Deleting them has no order that we know: AWS's refusals decide.
fn break_cycles(graph: &mut DiGraph<Step, ()>) {
    for component in tarjan_scc(&*graph).into_iter().filter(|component| component.len() > 1) {
        let within: HashSet<NodeIndex> = component.into_iter().collect();
        graph.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|(a, b)| within.contains(&a) && within.contains(&b)));
    }
}

/// Pairs (used, user) of live resources: the user's spec holds the id or ARN of the used one, or the definition says so.
fn live_users(stack: &Stack, changes: &[Change]) -> Vec<(usize, usize)> {
    // Names are unique within a type only: what two share stands for neither.
    let mut by_id: HashMap<&str, Option<usize>> = HashMap::new();
    let mut by_address: HashMap<&Address, usize> = HashMap::new();
    let leaves = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace | Action::Forget);
    for (i, change) in changes.iter().enumerate().filter(|(_, change)| leaves(change)) {
        by_address.insert(&change.address, i);
        if let Some(live) = &change.before {
            for id in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
                by_id.entry(id).and_modify(|known| *known = known.filter(|known| *known == i)).or_insert(Some(i));
            }
        }
    }
    let mut users = Vec::new();
    for (user, change) in changes.iter().enumerate().filter(|(_, change)| leaves(change)) {
        let Some(live) = &change.before else { continue };
        let mut add = |used: usize| {
            if used != user {
                users.push((used, user));
            }
        };
        expression::each_string(&live.spec, &mut |text| by_id.get(text).copied().flatten().into_iter().for_each(&mut add));
        if let Some(declared) = stack.resources.get(&change.address) {
            declared.needs.iter().filter_map(|need| by_address.get(need)).for_each(|used| add(*used));
        }
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// What uses something that must go first must itself go first.
fn spread_old_first(changes: &mut [Change], users: &[(usize, usize)]) {
    let mut queue: Vec<usize> = (0..changes.len()).filter(|i| changes[*i].first == Some(First::Old)).collect();
    while let Some(used) = queue.pop() {
        for user in users.iter().filter(|(of, _)| *of == used).map(|(_, user)| *user) {
            if changes[user].first != Some(First::Old) {
                changes[user].first = Some(First::Old);
                queue.push(user);
            }
        }
    }
}

/// For each node the time from its start to the end of everything that waits for it.
pub fn longest_roads<N>(graph: &DiGraph<N, ()>, usual: impl Fn(&N) -> Duration) -> Vec<Duration> {
    let mut road = vec![Duration::ZERO; graph.node_count()];
    let order: Vec<NodeIndex> = Topo::new(graph).iter(graph).collect();
    for node in order.into_iter().rev() {
        let behind = graph.neighbors_directed(node, Outgoing).map(|next| road[next.index()]).max().unwrap_or_default();
        road[node.index()] = usual(&graph[node]) + behind;
    }
    road
}

/// The nodes of the longest road, first to last.
pub fn critical_path<N>(graph: &DiGraph<N, ()>, usual: impl Fn(&N) -> Duration) -> Vec<NodeIndex> {
    let road = longest_roads(graph, usual);
    let mut next = graph.node_indices().max_by_key(|node| road[node.index()]);
    let mut path = Vec::new();
    while let Some(node) = next {
        path.push(node);
        next = graph.neighbors_directed(node, Outgoing).max_by_key(|node| road[node.index()]);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_that_wait_for_each_other_all_start() {
        let mut graph = DiGraph::new();
        let steps: Vec<NodeIndex> = (0..3).map(|change| graph.add_node(Step { change, op: Op::Delete })).collect();
        for (from, to) in [(0, 1), (1, 0), (1, 2)] {
            graph.add_edge(steps[from], steps[to], ());
        }
        break_cycles(&mut graph);
        assert_eq!(graph.edge_count(), 1);
        assert!(graph.contains_edge(steps[1], steps[2]));
    }
}
