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
    core::{Address, Live, Phase, expression::each_string},
    definition::Stack,
    engine::{
        discover::{World, address_of},
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
    pub usual_seconds: u64,
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
    pub usual_seconds: u64,
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
    pub needed: usize,
    /// What needs it.
    pub user: usize,
    /// Whether it lies on the longest road.
    pub critical: bool,
    /// Whether other edges say the same already.
    pub implied: bool,
}

impl Graph {
    /// The graph of a definition, with what is there and what a plan would do, as far as that is known.
    pub fn new(stack: &Stack, world: Option<&World>, plan: Option<&Plan>) -> Graph {
        let mut nodes: BTreeMap<Address, Node> = BTreeMap::new();
        for declared in stack.resources.values() {
            let node = Node { spec: Some(declared.spec.clone()), usual_seconds: declared.kind.typical.as_secs(), ..Node::default() };
            nodes.insert(declared.address.clone(), node);
        }
        let live: BTreeMap<Address, &Live> =
            world.into_iter().flat_map(World::iter).filter_map(|live| Some((address_of(live)?, live))).collect();
        for (address, live) in &live {
            let node = nodes.entry(address.clone()).or_default();
            node.id = Some(live.id.clone());
            node.phase = in_words(&live.phase);
            node.live = Some(live.spec.clone());
            node.outputs = Some(live.outputs.clone());
        }
        for change in plan.iter().flat_map(|plan| &plan.changes) {
            let node = nodes.entry(change.address.clone()).or_default();
            node.action = Some(change.action);
            node.fields.clone_from(&change.fields);
            node.usual_seconds = change.usual_seconds;
            node.id = node.id.take().or_else(|| change.id.clone());
        }
        for (address, node) in &mut nodes {
            node.address = address.to_string();
            if node.usual_seconds == 0 {
                node.usual_seconds = types::kind(&address.kind).map_or(0, |kind| kind.typical.as_secs());
            }
        }
        let index: HashMap<&Address, usize> = nodes.keys().enumerate().map(|(i, address)| (address, i)).collect();
        let pairs = needs(stack, &live).into_iter().filter_map(|(needed, user)| Some((*index.get(&needed)?, *index.get(&user)?)));
        let pairs: BTreeSet<(usize, usize)> = pairs.collect();
        let edges = pairs.into_iter().map(|(needed, user)| Edge { needed, user, critical: false, implied: false }).collect();
        let mut graph = Graph {
            stack: stack.name.clone(),
            environment: stack.environment.clone(),
            nodes: nodes.into_values().collect(),
            edges,
            usual_seconds: 0,
        };
        graph.reduce();
        graph.mark_longest_road(plan);
        graph
    }

    /// Nodes and edges have the numbers they have here.
    fn as_petgraph(&self) -> DiGraph<usize, ()> {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..self.nodes.len()).map(|node| graph.add_node(node)).collect();
        for edge in &self.edges {
            graph.add_edge(nodes[edge.needed], nodes[edge.user], ());
        }
        graph
    }

    /// Marks edges that a longer road implies. Groups that name each other have no order: then every edge is drawn.
    fn reduce(&mut self) {
        let graph = self.as_petgraph();
        let Ok(order) = toposort(&graph, None) else { return };
        let (sorted, place) = tred::dag_to_toposorted_adjacency_list::<_, u32>(&graph, &order);
        let (reduced, _) = tred::dag_transitive_reduction_closure(&sorted);
        let kept: BTreeSet<(u32, u32)> =
            (&reduced).node_identifiers().flat_map(|node| (&reduced).neighbors(node).map(move |next| (node, next))).collect();
        for edge in graph.edge_references() {
            let pair = (place[edge.source().index()], place[edge.target().index()]);
            self.edges[edge.id().index()].implied = !kept.contains(&pair);
        }
    }

    /// The road that takes longest: of a plan, or of making all of it.
    fn mark_longest_road(&mut self, plan: Option<&Plan>) {
        let road: Vec<usize> = match plan {
            Some(plan) => {
                let steps = critical_path(&plan.build, |step| plan.usual(step));
                let addresses = steps.iter().map(|step| plan.changes[plan.build[*step].change].address.to_string());
                let places: HashMap<&str, usize> = self.nodes.iter().enumerate().map(|(i, node)| (node.address.as_str(), i)).collect();
                addresses.filter_map(|address| places.get(address.as_str()).copied()).collect()
            }
            None => {
                let graph = self.as_petgraph();
                if toposort(&graph, None).is_err() {
                    return;
                }
                let usual = |node: &usize| Duration::from_secs(self.nodes[*node].usual_seconds);
                critical_path(&graph, usual).into_iter().map(|node| graph[node]).collect()
            }
        };
        for node in &road {
            self.nodes[*node].critical = true;
        }
        let steps: BTreeSet<(usize, usize)> = road.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for edge in &mut self.edges {
            edge.critical = steps.contains(&(edge.needed, edge.user));
        }
        self.usual_seconds = match plan {
            Some(plan) => plan.usual_time().as_secs(),
            None => road.iter().map(|node| self.nodes[*node].usual_seconds).sum(),
        };
    }
}

/// AWS's words for what can't be used (yet).
pub fn in_words(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Ready => None,
        Phase::Pending(status) | Phase::Settling(status) | Phase::Degraded(status) | Phase::Failed(status) => Some(status.clone()),
        Phase::Leaving => Some("deleting".to_owned()),
    }
}

/// Pairs (needed, user): what the definition says, and what the live resources name by id or ARN.
pub fn needs(stack: &Stack, live: &BTreeMap<Address, &Live>) -> BTreeSet<(Address, Address)> {
    let declared = stack.resources.values();
    let mut pairs: BTreeSet<(Address, Address)> =
        declared.flat_map(|declared| declared.needs.iter().map(|need| (need.clone(), declared.address.clone()))).collect();
    // Names are unique within a type only: what two share stands for neither.
    let mut by_id: HashMap<&str, Option<&Address>> = HashMap::new();
    for (address, live) in live {
        for id in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
            by_id.entry(id).and_modify(|known| *known = known.filter(|known| *known == address)).or_insert(Some(address));
        }
    }
    for (user, live) in live.iter().filter(|(address, _)| !stack.resources.contains_key(address)) {
        each_string(&live.spec, &mut |text| {
            if let Some(needed) = by_id.get(text).copied().flatten().filter(|needed| *needed != user) {
                pairs.insert((needed.clone(), user.clone()));
            }
        });
    }
    pairs
}
