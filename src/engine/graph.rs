//! A stack as a graph: what stands on what, what is there, what a plan would do. Plain data; `report` draws it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use petgraph::{
    algo::{toposort, tred},
    graph::{DiGraph, NodeIndex},
    visit::{EdgeRef, IntoNeighbors, IntoNodeIdentifiers},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    aws::types,
    core::{Address, LiveResource, Phase, expression::for_each_string},
    definition::Stack,
    engine::{
        discover::{LiveState, address_of},
        plan::{Action, FieldDiff, Plan, critical_path},
    },
};

/// A stack as a graph.
#[derive(Debug, Serialize)]
pub struct Graph {
    /// Name of the stack.
    pub stack: String,
    /// Name of the environment.
    pub environment: String,
    /// Resources, by address.
    pub nodes: Vec<Node>,
    /// Who stands on whom.
    pub edges: Vec<Edge>,
    /// Usual time of the longest road.
    pub estimated_seconds: u64,
}

/// A resource.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Node {
    /// `type.name`.
    pub address: String,
    /// Physical id, where it is there.
    pub id: Option<String>,
    /// What a plan would do.
    pub action: Option<Action>,
    /// What would differ.
    pub fields: Vec<FieldDiff>,
    /// AWS's words for what is not ready.
    pub phase: Option<String>,
    /// Usual time until it can be used.
    pub estimated_seconds: u64,
    /// Whether it lies on the longest road.
    pub critical: bool,
    /// What the definition says.
    pub spec: Option<Value>,
    /// What is there.
    pub live: Option<Value>,
    /// What others may refer to.
    pub outputs: Option<Value>,
}

/// `user` needs `needed`; both are indices of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// What is needed.
    pub dependency: usize,
    /// What needs it.
    pub dependent: usize,
    /// Whether it lies on the longest road.
    pub critical: bool,
    /// Whether other edges say the same already.
    pub implied: bool,
}

impl Graph {
    /// The graph of a definition, with what is there and what a plan would do, as far as that is known.
    pub fn new(stack: &Stack, live_state: Option<&LiveState>, plan: Option<&Plan>) -> Graph {
        let mut nodes: BTreeMap<Address, Node> = BTreeMap::new();
        for declared in stack.resources.values() {
            let node = Node {
                spec: Some(declared.spec.clone()),
                estimated_seconds: declared.resource_type.typical_duration.as_secs(),
                ..Node::default()
            };
            nodes.insert(declared.address.clone(), node);
        }
        let live: BTreeMap<Address, &LiveResource> =
            live_state.into_iter().flat_map(LiveState::iter).filter_map(|live| Some((address_of(live)?, live))).collect();
        for (address, live) in &live {
            let node = nodes.entry(address.clone()).or_default();
            node.id = Some(live.id.clone());
            node.phase = status_text(&live.phase);
            node.live = Some(live.spec.clone());
            node.outputs = Some(live.outputs.clone());
        }
        for change in plan.iter().flat_map(|plan| &plan.changes) {
            let node = nodes.entry(change.address.clone()).or_default();
            node.action = Some(change.action);
            node.fields.clone_from(&change.fields);
            node.estimated_seconds = change.estimated_seconds;
            node.id = node.id.take().or_else(|| change.id.clone());
        }
        for (address, node) in &mut nodes {
            node.address = address.to_string();
            if node.estimated_seconds == 0 {
                node.estimated_seconds = types::resource_type(&address.type_name).map_or(0, |kind| kind.typical_duration.as_secs());
            }
        }
        let index: HashMap<&Address, usize> = nodes.keys().enumerate().map(|(i, address)| (address, i)).collect();
        let pairs = dependencies(stack, &live)
            .into_iter()
            .filter_map(|(dependency, dependent)| Some((*index.get(&dependency)?, *index.get(&dependent)?)));
        let pairs: BTreeSet<(usize, usize)> = pairs.collect();
        let edges =
            pairs.into_iter().map(|(dependency, dependent)| Edge { dependency, dependent, critical: false, implied: false }).collect();
        let mut graph = Graph {
            stack: stack.name.clone(),
            environment: stack.environment.clone(),
            nodes: nodes.into_values().collect(),
            edges,
            estimated_seconds: 0,
        };
        graph.mark_implied_edges();
        graph.mark_critical_path(plan);
        graph
    }

    /// Nodes and edges have the numbers they have here.
    fn as_petgraph(&self) -> DiGraph<usize, ()> {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..self.nodes.len()).map(|node| graph.add_node(node)).collect();
        for edge in &self.edges {
            graph.add_edge(nodes[edge.dependency], nodes[edge.dependent], ());
        }
        graph
    }

    /// Marks edges that a longer road implies. Groups that name each other have no order: then every edge is drawn.
    fn mark_implied_edges(&mut self) {
        let graph = self.as_petgraph();
        let Ok(order) = toposort(&graph, None) else { return };
        let (sorted, position) = tred::dag_to_toposorted_adjacency_list::<_, u32>(&graph, &order);
        let (reduced, _) = tred::dag_transitive_reduction_closure(&sorted);
        let kept: BTreeSet<(u32, u32)> =
            (&reduced).node_identifiers().flat_map(|node| (&reduced).neighbors(node).map(move |next| (node, next))).collect();
        for edge in graph.edge_references() {
            let pair = (position[edge.source().index()], position[edge.target().index()]);
            self.edges[edge.id().index()].implied = !kept.contains(&pair);
        }
    }

    /// The road that takes longest: of a plan, or of making all of it.
    fn mark_critical_path(&mut self, plan: Option<&Plan>) {
        let path: Vec<usize> = match plan {
            Some(plan) => {
                let steps = critical_path(&plan.apply, |step| plan.estimate(step));
                let addresses = steps.iter().map(|step| plan.changes[plan.apply[*step].change].address.to_string());
                let positions: HashMap<&str, usize> = self.nodes.iter().enumerate().map(|(i, node)| (node.address.as_str(), i)).collect();
                addresses.filter_map(|address| positions.get(address.as_str()).copied()).collect()
            }
            None => {
                let graph = self.as_petgraph();
                if toposort(&graph, None).is_err() {
                    return;
                }
                let estimate = |node: &usize| Duration::from_secs(self.nodes[*node].estimated_seconds);
                critical_path(&graph, estimate).into_iter().map(|node| graph[node]).collect()
            }
        };
        for node in &path {
            self.nodes[*node].critical = true;
        }
        let steps: BTreeSet<(usize, usize)> = path.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for edge in &mut self.edges {
            edge.critical = steps.contains(&(edge.dependency, edge.dependent));
        }
        self.estimated_seconds = match plan {
            Some(plan) => plan.estimated_time().as_secs(),
            None => path.iter().map(|node| self.nodes[*node].estimated_seconds).sum(),
        };
    }
}

/// AWS's words for what can't be used (yet).
pub fn status_text(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Ready => None,
        Phase::PendingChanges(status) | Phase::Progressing(status) | Phase::Degraded(status) | Phase::Failed(status) => {
            Some(status.clone())
        }
        Phase::Deleting => Some("deleting".to_owned()),
    }
}

/// Pairs (needed, user): what the definition says, and what the live resources name by id or ARN.
pub fn dependencies(stack: &Stack, live: &BTreeMap<Address, &LiveResource>) -> BTreeSet<(Address, Address)> {
    let declared = stack.resources.values();
    let mut pairs: BTreeSet<(Address, Address)> =
        declared.flat_map(|declared| declared.depends_on.iter().map(|need| (need.clone(), declared.address.clone()))).collect();
    // Names are unique within a type only: what two share stands for neither.
    let mut by_id: HashMap<&str, Option<&Address>> = HashMap::new();
    for (address, live) in live {
        for id in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
            by_id.entry(id).and_modify(|known| *known = known.filter(|known| *known == address)).or_insert(Some(address));
        }
    }
    for (dependent, live) in live.iter().filter(|(address, _)| !stack.resources.contains_key(address)) {
        for_each_string(&live.spec, &mut |text| {
            if let Some(dependency) = by_id.get(text).copied().flatten().filter(|needed| *needed != dependent) {
                pairs.insert((dependency.clone(), dependent.clone()));
            }
        });
    }
    pairs
}
