//! Changes that are made in one call: the steps of a plan for [`Change::exchanged_with`].
//!
//! The step of the first resource that comes makes the call, when everything exists that the new ones need. The steps of the others follow it
//! and record its result. A replaced resource has no step for its old half.

use std::collections::HashMap;

use petgraph::{
    Direction::Incoming,
    algo::has_path_connecting,
    graph::{DiGraph, NodeIndex},
};

use super::{Action, Change, Op, Step};

/// Indexes of the changes made in one call with this one, the one whose step makes it first.
pub(super) fn exchange(changes: &[Change], change: usize) -> Vec<usize> {
    let all = &changes[change].exchanged_with;
    if all.is_empty() {
        return Vec::new();
    }
    let mut members: Vec<usize> = (0..changes.len()).filter(|index| all.contains(&changes[*index].address)).collect();
    // What is created shows whether a call without an answer took effect.
    let rank = |index: &usize| match changes[*index].action {
        Action::Create | Action::Replace => 0,
        Action::Update => 1,
        _ => 2,
    };
    members.sort_by_key(|index| (rank(index), *index));
    members
}

/// Adds the steps of deletions that are part of an exchange, and orders its steps: the first waits for all that the others need.
pub(super) fn order_exchanges(changes: &[Change], apply: &mut DiGraph<Step, ()>, create_or_update: &HashMap<usize, NodeIndex>) {
    for change in (0..changes.len()).filter(|change| !changes[*change].exchanged_with.is_empty()) {
        let members = exchange(changes, change);
        let Some(first) = members.first().filter(|first| **first == change).and_then(|first| create_or_update.get(first)) else { continue };
        let others: Vec<NodeIndex> = members[1..].iter().filter_map(|member| create_or_update.get(member).copied()).collect();
        let needs: Vec<NodeIndex> =
            others.iter().flat_map(|other| apply.neighbors_directed(*other, Incoming).collect::<Vec<_>>()).collect();
        let between = |a: &NodeIndex, b: &NodeIndex| [a, b].iter().all(|node| *node == first || others.contains(node));
        apply.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|(a, b)| between(&a, &b)));
        for need in needs.into_iter().filter(|need| need != first && !others.contains(need)) {
            if !has_path_connecting(&*apply, *first, need, None) {
                apply.update_edge(need, *first, ());
            }
        }
        for other in others {
            apply.update_edge(*first, other, ());
        }
        for deleted in members.iter().filter(|member| changes[**member].action == Action::Delete) {
            let step = apply.add_node(Step { change: *deleted, op: Op::Delete });
            apply.update_edge(*first, step, ());
        }
    }
}
