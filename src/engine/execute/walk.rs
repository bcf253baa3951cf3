//! Walks a graph, everything that is ready at once, longest road first.

use std::{collections::BinaryHeap, future::Future, time::Duration};

use petgraph::{
    Direction::{Incoming, Outgoing},
    graph::{DiGraph, NodeIndex},
};
use tokio::task::JoinSet;

use crate::engine::plan::longest_roads;

/// How each step ended; `None` for those never started.
pub type Ends<T, E> = Vec<Option<Result<T, E>>>;

/// Who does the steps. All its methods are called by the walk, one at a time, so that it owns its state without locks.
pub trait Worker<N> {
    /// What a step gives.
    type Done: Send + 'static;
    /// Why a step failed.
    type Error: Send + 'static;
    /// Usual time of a step.
    fn usual(&self, step: &N) -> Duration;
    /// Starts a step; all it needs has ended well.
    fn start(&mut self, step: &N) -> impl Future<Output = Result<Self::Done, Self::Error>> + Send + 'static;
    /// Learns how a step ended. `Stop` starts no further one; those under way are finished.
    fn ended(&mut self, step: &N, end: &Result<Self::Done, Self::Error>) -> Next;
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start what is ready.
    GoOn,
    /// Start nothing more.
    Stop,
}

/// Runs every step, at most `limit` at a time, never before all it depends on ended well.
pub async fn walk<N, W: Worker<N>>(graph: &DiGraph<N, ()>, limit: usize, worker: &mut W) -> Ends<W::Done, W::Error> {
    let road = longest_roads(graph, |step| worker.usual(step));
    let mut waits_for: Vec<usize> = graph.node_indices().map(|n| graph.neighbors_directed(n, Incoming).count()).collect();
    // Reverse order of nodes among equal roads, so that the first declared starts first.
    let rank = |node: NodeIndex| (road[node.index()], std::cmp::Reverse(node));
    let mut ready: BinaryHeap<_> = graph.node_indices().filter(|n| waits_for[n.index()] == 0).map(rank).collect();
    let mut ends: Ends<W::Done, W::Error> = graph.node_indices().map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut next = Next::GoOn;
    loop {
        while running.len() < limit && next == Next::GoOn {
            let Some((_, std::cmp::Reverse(node))) = ready.pop() else { break };
            let step = worker.start(&graph[node]);
            running.spawn(async move { (node, step.await) });
        }
        // A step that panicked ends the walk: its node stays without an end, which the caller reports.
        let Some(Ok((node, end))) = running.join_next().await else { break };
        if worker.ended(&graph[node], &end) == Next::Stop {
            next = Next::Stop;
        }
        if end.is_ok() {
            for after in graph.neighbors_directed(node, Outgoing) {
                waits_for[after.index()] -= 1;
                if waits_for[after.index()] == 0 {
                    ready.push(rank(after));
                }
            }
        }
        ends[node.index()] = Some(end);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recorder {
        started: Vec<usize>,
        fails: Option<usize>,
    }
    impl Worker<(usize, u64)> for Recorder {
        type Done = usize;
        type Error = usize;
        fn usual(&self, step: &(usize, u64)) -> Duration {
            Duration::from_secs(step.1)
        }
        fn start(&mut self, step: &(usize, u64)) -> impl Future<Output = Result<usize, usize>> + Send + 'static {
            self.started.push(step.0);
            let (step, fails) = (step.0, self.fails == Some(step.0));
            async move {
                tokio::task::yield_now().await;
                if fails { Err(step) } else { Ok(step) }
            }
        }
        fn ended(&mut self, _: &(usize, u64), end: &Result<usize, usize>) -> Next {
            if end.is_err() { Next::Stop } else { Next::GoOn }
        }
    }

    #[tokio::test]
    async fn the_longest_road_starts_first() {
        let mut graph = DiGraph::new();
        let _leaf = graph.add_node((0, 1));
        let (eip, nat) = (graph.add_node((1, 1)), graph.add_node((2, 120)));
        graph.add_edge(eip, nat, ());
        let mut recorder = Recorder { started: vec![], fails: None };
        walk(&graph, 1, &mut recorder).await;
        assert_eq!(recorder.started, [1, 2, 0]);
    }

    proptest::proptest! {
        /// Nothing starts before all it needs ended well, and after a failure nothing that needs it starts.
        #[test]
        fn order_holds_in_every_graph(n in 1usize..12, edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30), fails in proptest::option::of(0usize..12)) {
            let mut graph = DiGraph::new();
            let nodes: Vec<_> = (0..n).map(|i| graph.add_node((i, 1 + i as u64 % 3))).collect();
            for (a, b) in edges.into_iter().filter(|(a, b)| a < b && *b < n) {
                graph.update_edge(nodes[a], nodes[b], ());
            }
            let mut recorder = Recorder { started: vec![], fails };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let ends = runtime.block_on(walk(&graph, 4, &mut recorder));
            for (position, step) in recorder.started.iter().enumerate() {
                for need in graph.neighbors_directed(nodes[*step], Incoming) {
                    proptest::prop_assert!(recorder.started[..position].contains(&need.index()));
                    proptest::prop_assert!(matches!(ends[need.index()], Some(Ok(_))));
                }
            }
            if fails.is_none_or(|f| f >= n) {
                proptest::prop_assert_eq!(recorder.started.len(), n);
            }
        }
    }
}
