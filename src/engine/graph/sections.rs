//! A graph folded by the sections of its definition: the outline of a large stack.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Graph, Node};
use crate::definition::Stack;

impl Graph {
    /// The graph with one node for each section, and for each type under `resources`, that counts its resources. An edge between two sections
    /// means that a resource of one depends on a resource of the other; edges that others imply are left out. Resources that the definition does
    /// not have are left out, too.
    pub fn by_section(&self, stack: &Stack) -> Graph {
        let sections: BTreeMap<String, &str> = stack
            .resources
            .values()
            .map(|declared| {
                let section = match declared.section() {
                    Some("resources") | None => declared.address.type_name.as_str(),
                    Some(section) => section,
                };
                (declared.address.to_string(), section)
            })
            .collect();
        let section_of = |node: usize| sections.get(&self.nodes[node].address).copied();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for section in (0..self.nodes.len()).filter_map(section_of) {
            *counts.entry(section).or_default() += 1;
        }
        let index: BTreeMap<&str, usize> = counts.keys().enumerate().map(|(number, section)| (*section, number)).collect();
        let pairs = self.edges.iter().filter(|edge| !edge.deferred);
        let pairs = pairs.filter_map(|edge| Some((index[section_of(edge.dependency)?], index[section_of(edge.dependent)?])));
        let pairs = without_implied(pairs.filter(|(dependency, dependent)| dependency != dependent).collect());
        let edge = |(dependency, dependent)| Edge { dependency, dependent, critical: false, implied: false, deferred: false };
        let node = |(section, count): (&str, usize)| Node { address: section.to_owned(), resources: Some(count), ..Node::default() };
        Graph {
            stack: self.stack.clone(),
            environment: self.environment.clone(),
            nodes: counts.into_iter().map(node).collect(),
            edges: pairs.into_iter().map(edge).collect(),
            estimated_seconds: self.estimated_seconds,
        }
    }
}

/// The edges without those that a longer path replaces. Sections can depend on each other, so there may be cycles.
fn without_implied(mut pairs: BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    for pair in pairs.clone() {
        pairs.remove(&pair);
        if !is_reachable(&pairs, pair) {
            pairs.insert(pair);
        }
    }
    pairs
}

fn is_reachable(pairs: &BTreeSet<(usize, usize)>, (from, to): (usize, usize)) -> bool {
    let (mut seen, mut left) = (BTreeSet::from([from]), vec![from]);
    while let Some(node) = left.pop() {
        for (_, next) in pairs.range((node, 0)..=(node, usize::MAX)) {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                left.push(*next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_reachable_in_graphs_with_and_without_cycles() {
        for pairs in [vec![(0, 1), (1, 2), (0, 2)], vec![(0, 1), (1, 0), (1, 2), (0, 2), (2, 3), (0, 3)]] {
            let all: BTreeSet<(usize, usize)> = pairs.into_iter().collect();
            let kept = without_implied(all.clone());
            assert!(kept.len() < all.len(), "{kept:?}");
            for from in 0..4 {
                for to in 0..4 {
                    assert_eq!(is_reachable(&all, (from, to)), is_reachable(&kept, (from, to)), "{from} to {to} of {kept:?}");
                }
            }
        }
    }
}
