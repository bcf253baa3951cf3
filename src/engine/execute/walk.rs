//! Walks a graph: independent steps run in parallel, the longest remaining path first.

use std::{collections::BinaryHeap, future::Future, time::Duration};

use petgraph::{
    Direction::{Incoming, Outgoing},
    graph::{DiGraph, NodeIndex},
};
use tokio::task::JoinSet;

use crate::engine::plan::remaining_paths;

/// Result of each step; `None` for those never started.
pub type StepResults<T, E> = Vec<Option<Result<T, E>>>;

/// Executor of the steps. The walk calls its methods one at a time, so that its state needs no locks.
pub trait StepRunner<N> {
    /// Result of a step.
    type Output: Send + 'static;
    /// Error of a step.
    type Error: Send + 'static;
    /// Typical duration of a step.
    fn estimate(&self, step: &N) -> Duration;
    /// Starts a step whose dependencies have succeeded.
    fn start(&mut self, step: &N) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;
    /// Receives the result of a step. `Stop` prevents further starts; running steps finish.
    fn on_finished(&mut self, step: &N, end: &Result<Self::Output, Self::Error>) -> Next;
}

/// Whether to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start ready steps.
    Continue,
    /// Start no further steps.
    Stop,
}

/// Runs every step, at most `limit` in parallel, after all its dependencies have succeeded.
pub async fn walk<N, W: StepRunner<N>>(graph: &DiGraph<N, ()>, limit: usize, runner: &mut W) -> StepResults<W::Output, W::Error> {
    let remaining = remaining_paths(graph, |step| runner.estimate(step));
    let mut waits_for: Vec<usize> = graph.node_indices().map(|n| graph.neighbors_directed(n, Incoming).count()).collect();
    // Reverse order of nodes with equal paths, so that the first declared starts first.
    let rank = |node: NodeIndex| (remaining[node.index()], std::cmp::Reverse(node));
    let mut ready: BinaryHeap<_> = graph.node_indices().filter(|n| waits_for[n.index()] == 0).map(rank).collect();
    let mut results: StepResults<W::Output, W::Error> = graph.node_indices().map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut next = Next::Continue;
    loop {
        while running.len() < limit && next == Next::Continue {
            let Some((_, std::cmp::Reverse(node))) = ready.pop() else { break };
            let step = runner.start(&graph[node]);
            running.spawn(async move { (node, step.await) });
        }
        // A panic ends the walk: the step has no result, which the caller reports.
        let Some(Ok((node, end))) = running.join_next().await else { break };
        if runner.on_finished(&graph[node], &end) == Next::Stop {
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
        results[node.index()] = Some(end);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recorder {
        started: Vec<usize>,
        fails: Option<usize>,
    }
    impl StepRunner<(usize, u64)> for Recorder {
        type Output = usize;
        type Error = usize;
        fn estimate(&self, step: &(usize, u64)) -> Duration {
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
        fn on_finished(&mut self, _: &(usize, u64), end: &Result<usize, usize>) -> Next {
            if end.is_err() { Next::Stop } else { Next::Continue }
        }
    }

    #[tokio::test]
    async fn starts_the_step_with_the_longest_remaining_path_first() {
        let mut graph = DiGraph::new();
        let _leaf = graph.add_node((0, 1));
        let (eip, nat) = (graph.add_node((1, 1)), graph.add_node((2, 120)));
        graph.add_edge(eip, nat, ());
        let mut recorder = Recorder { started: vec![], fails: None };
        walk(&graph, 1, &mut recorder).await;
        assert_eq!(recorder.started, [1, 2, 0]);
    }

    proptest::proptest! {
        /// No step starts before its dependencies succeed, and none that depends on a failed step.
        #[test]
        fn starts_each_step_after_its_dependencies(n in 1usize..12, edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30), fails in proptest::option::of(0usize..12)) {
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
