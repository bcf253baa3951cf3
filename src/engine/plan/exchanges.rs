//! Changes that are made in one call: the steps of a plan for [`Change::exchanged_with`].
//!
//! The step of the first resource that comes makes the call, when everything exists that the new ones need. The steps of the others follow it
//! and record its result. A replaced resource has no step for its old half.

use std::collections::{BTreeMap, HashMap};

use petgraph::{
    Direction::Incoming,
    algo::has_path_connecting,
    graph::{DiGraph, NodeIndex},
};

use super::{Action, Change, Op, Step};
use crate::core::Address;

/// The changes of a plan that are made in one call with others.
#[derive(Default)]
pub struct Exchanges {
    /// Indexes of the changes of each call, the one whose step makes it first.
    groups: Vec<Vec<usize>>,
    /// Indexes into `groups`, by index of a change.
    group_of: BTreeMap<usize, usize>,
}

impl Exchanges {
    /// Finds the changes that are made in one call. All changes of a call name the same others.
    pub(super) fn of(changes: &[Change]) -> Exchanges {
        let mut found = Exchanges::default();
        let mut known: HashMap<&Address, usize> = HashMap::new();
        for (index, change) in changes.iter().enumerate() {
            let Some(first) = change.exchanged_with.first() else { continue };
            let group = *known.entry(first).or_insert_with(|| {
                found.groups.push(Vec::new());
                found.groups.len() - 1
            });
            found.groups[group].push(index);
            found.group_of.insert(index, group);
        }
        // What is created shows whether a call without an answer took effect.
        let rank = |index: &usize| match changes[*index].action {
            Action::Create | Action::Replace => 0,
            Action::Update => 1,
            _ => 2,
        };
        for members in &mut found.groups {
            members.sort_by_key(|index| (rank(index), *index));
        }
        found
    }

    /// Indexes of the changes made in one call with this one, the one whose step makes it first.
    pub fn with(&self, change: usize) -> &[usize] {
        self.group_of.get(&change).map(|group| self.groups[*group].as_slice()).unwrap_or_default()
    }

    /// Adds the steps of deletions that are part of an exchange, and orders its steps: the first waits for all that the others need.
    pub(super) fn order(&self, changes: &[Change], apply: &mut DiGraph<Step, ()>, create_or_update: &HashMap<usize, NodeIndex>) {
        for members in &self.groups {
            let Some(first) = members.first().and_then(|first| create_or_update.get(first)) else { continue };
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
                let step = apply.add_node(Step::new(*deleted, Op::Delete));
                apply.update_edge(*first, step, ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::diff_states;

    #[test]
    fn changes_of_one_call_know_each_other() {
        let live = |number: usize| {
            let address = Address::new("dns_record", format!("r{number}"));
            (address, crate::core::LiveResource::ready("dns_record", format!("id-{number}"), serde_json::json!({})))
        };
        let resources: BTreeMap<_, _> = (0..4).map(live).collect();
        let mut changes = diff_states(&resources, &BTreeMap::new());
        let members = [changes[1].address.clone(), changes[3].address.clone()];
        for index in [1, 3] {
            changes[index].exchanged_with.extend(members.clone());
        }
        changes[3].action = Action::Create;
        let exchanges = Exchanges::of(&changes);
        assert_eq!([0, 1, 2, 3].map(|change| exchanges.with(change).to_vec()), [vec![], vec![3, 1], vec![], vec![3, 1]]);
    }
}
