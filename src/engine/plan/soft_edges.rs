//! Cuts cycles at soft edges: those whose dependency can follow its dependent, because another step sets the fields that refer to it.

use std::collections::{BTreeSet, HashMap, HashSet};

use petgraph::{
    acyclic::Acyclic,
    algo::{is_cyclic_directed, tarjan_scc},
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

/// An edge of a graph: from the earlier node to the later one.
pub type Edge = (NodeIndex, NodeIndex);

/// Makes a graph acyclic, and returns the edges that were cut. `softness` returns the rank of a soft edge, or `None` for any other; of two soft
/// edges of which one must be cut, the lower rank stays. It is called only for edges within a cycle.
pub fn cut_cycles<N: Clone>(graph: &mut DiGraph<N, ()>, softness: impl Fn(&N, &N) -> Option<u8>) -> Vec<Edge> {
    if !is_cyclic_directed(&*graph) {
        return Vec::new();
    }
    let soft = soft_edges_in_cycles(graph, softness);
    let removed: HashSet<Edge> = soft.iter().map(|(_, edge)| *edge).collect();
    graph.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|edge| removed.contains(&edge)));
    let edges = soft.into_iter().map(|(_, edge)| edge).collect();
    add_edges(graph, edges)
}

/// Soft edges within cycles, by rank and then by their nodes.
fn soft_edges_in_cycles<N>(graph: &DiGraph<N, ()>, softness: impl Fn(&N, &N) -> Option<u8>) -> BTreeSet<(u8, Edge)> {
    let cycles = tarjan_scc(graph).into_iter().filter(|cycle| cycle.len() > 1).enumerate();
    let cycle_of: HashMap<NodeIndex, usize> =
        cycles.flat_map(|(number, cycle)| cycle.into_iter().map(move |node| (node, number))).collect();
    let edges = graph.edge_references().map(|edge| (edge.source(), edge.target()));
    let inner = edges.filter(|(from, to)| cycle_of.get(from).is_some_and(|cycle| cycle_of.get(to) == Some(cycle)));
    inner.filter_map(|(from, to)| Some((softness(&graph[from], &graph[to])?, (from, to)))).collect()
}

/// Adds edges in this order, except for those that close a cycle, which it returns.
pub fn add_edges<N: Clone>(graph: &mut DiGraph<N, ()>, edges: Vec<Edge>) -> Vec<Edge> {
    break_cycles(graph);
    match Acyclic::try_from_graph(graph.clone()) {
        Ok(mut acyclic) => {
            let left_out = edges.into_iter().filter(|(from, to)| acyclic.try_update_edge(*from, *to, ()).is_err()).collect();
            *graph = acyclic.into_inner();
            left_out
        }
        Err(_) => edges,
    }
}

/// Removes the edges of cycles without soft edges, which only resources made outside acme can form. There is no valid order: AWS's errors
/// decide.
pub fn break_cycles<N>(graph: &mut DiGraph<N, ()>) {
    for component in tarjan_scc(&*graph).into_iter().filter(|component| component.len() > 1) {
        let within: HashSet<NodeIndex> = component.into_iter().collect();
        graph.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|(a, b)| within.contains(&a) && within.contains(&b)));
    }
}
