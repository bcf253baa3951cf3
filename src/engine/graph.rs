//! A stack as a graph: dependencies, live resources, and planned actions. Plain data; `report` draws it.

mod sections;

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
        plan::{Action, FieldDiff, Plan, critical_path, deferred_dependencies},
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
    /// Dependencies.
    pub edges: Vec<Edge>,
    /// Duration of the critical path.
    pub estimated_seconds: u64,
}

/// Resource.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Node {
    /// `type.name`; in a graph by sections, the name of a section.
    pub address: String,
    /// Number of resources of a section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// Section of the definition that declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Physical id, if it exists.
    pub id: Option<String>,
    /// Planned action.
    pub action: Option<Action>,
    /// Planned changes.
    pub fields: Vec<FieldDiff>,
    /// AWS's status, if it is not ready.
    pub phase: Option<String>,
    /// Typical duration until it is ready.
    pub estimated_seconds: u64,
    /// Whether it is on the critical path.
    pub critical: bool,
    /// Spec in the definition.
    pub spec: Option<Value>,
    /// Live resource.
    pub live: Option<Value>,
    /// Outputs for references.
    pub outputs: Option<Value>,
}

/// Edge: `user` depends on `needed`; both are indices of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// Dependency.
    pub dependency: usize,
    /// Dependent.
    pub dependent: usize,
    /// Whether it is on the critical path.
    pub critical: bool,
    /// Whether other edges imply it.
    pub implied: bool,
    /// Whether the dependent is created first, and then set to refer to the dependency, because they form a cycle.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
}

impl Graph {
    /// Builds the graph of a definition, with live resources and planned actions, if known.
    pub fn new(stack: &Stack, live_state: Option<&LiveState>, plan: Option<&Plan>) -> Graph {
        let mut nodes: BTreeMap<Address, Node> = BTreeMap::new();
        for declared in stack.resources.values() {
            let node = Node {
                section: declared.section().map(str::to_owned),
                spec: Some(declared.spec.clone()),
                estimated_seconds: declared.resource_type.typical_duration.as_secs(),
                ..Node::default()
            };
            nodes.insert(declared.address.clone(), node);
        }
        // A moved resource is shown at its new address.
        let declared = plan.iter().flat_map(|plan| &plan.changes).filter(|change| stack.resources.contains_key(&change.address));
        let planned: HashMap<(&str, &str), &Address> = declared
            .filter_map(|change| change.before.as_ref().map(|live| ((live.type_name.as_str(), live.id.as_str()), &change.address)))
            .collect();
        let address = |live: &LiveResource| planned.get(&(live.type_name.as_str(), live.id.as_str())).map(|address| (*address).clone());
        let live: BTreeMap<Address, &LiveResource> = live_state
            .into_iter()
            .flat_map(LiveState::iter)
            .filter_map(|live| Some((address(live).or_else(|| address_of(live))?, live)))
            .collect();
        for (address, live) in &live {
            let node = nodes.entry(address.clone()).or_default();
            node.id = Some(live.id.clone());
            node.phase = status_text(&live.phase);
            node.live = Some(live.spec.clone().into_inner());
            node.outputs = Some(live.outputs.clone().into_inner());
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
        let deferred = deferred_dependencies(stack);
        let deferred: BTreeSet<(usize, usize)> =
            deferred.iter().filter_map(|(dependent, dependency)| Some((*index.get(dependency)?, *index.get(dependent)?))).collect();
        let edge = |(dependency, dependent)| {
            let deferred = deferred.contains(&(dependency, dependent));
            Edge { dependency, dependent, critical: false, implied: false, deferred }
        };
        let edges = pairs.into_iter().map(edge).collect();
        let mut graph = Graph {
            stack: stack.name.to_string(),
            environment: stack.environment.to_string(),
            nodes: nodes.into_values().collect(),
            edges,
            estimated_seconds: 0,
        };
        graph.mark_implied_edges();
        graph.mark_critical_path(plan);
        graph
    }

    /// The graph without deferred edges. Nodes keep their numbers; edges have theirs as weights.
    fn as_petgraph(&self) -> DiGraph<usize, usize> {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..self.nodes.len()).map(|node| graph.add_node(node)).collect();
        for (number, edge) in self.edges.iter().enumerate().filter(|(_, edge)| !edge.deferred) {
            graph.add_edge(nodes[edge.dependency], nodes[edge.dependent], number);
        }
        graph
    }

    /// Marks edges implied by a longer path. With a cycle among resources made outside acme, no edge is implied.
    fn mark_implied_edges(&mut self) {
        let graph = self.as_petgraph();
        let Ok(order) = toposort(&graph, None) else { return };
        let (sorted, position) = tred::dag_to_toposorted_adjacency_list::<_, u32>(&graph, &order);
        let (reduced, _) = tred::dag_transitive_reduction_closure(&sorted);
        let kept: BTreeSet<(u32, u32)> =
            (&reduced).node_identifiers().flat_map(|node| (&reduced).neighbors(node).map(move |next| (node, next))).collect();
        for edge in graph.edge_references() {
            let pair = (position[edge.source().index()], position[edge.target().index()]);
            self.edges[*edge.weight()].implied = !kept.contains(&pair);
        }
    }

    /// Critical path of a plan, or of creating the whole stack.
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

/// AWS's status of a resource that is not ready.
pub fn status_text(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Ready => None,
        Phase::PendingChanges(status)
        | Phase::Progressing(status)
        | Phase::Waiting(status)
        | Phase::Degraded(status)
        | Phase::Failed(status) => Some(status.clone()),
        Phase::Deleting => Some("deleting".to_owned()),
    }
}

/// Pairs (dependency, dependent), from the definition, and from ids and ARNs in live resources.
pub fn dependencies(stack: &Stack, live: &BTreeMap<Address, &LiveResource>) -> BTreeSet<(Address, Address)> {
    let declared = stack.resources.values();
    let mut pairs: BTreeSet<(Address, Address)> =
        declared.flat_map(|declared| declared.depends_on.iter().map(|need| (need.clone(), declared.address.clone()))).collect();
    // Names are unique only within a type, so a shared name identifies neither resource.
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
