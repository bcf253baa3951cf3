//! What deletions leave behind: its place in a plan.

use std::collections::{BTreeSet, HashMap};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{
    Action, Change, Reason, ReplacementOrder, Step,
    planner::{Planner, new_change},
    soft_edges::{Edge, add_edges},
};
use crate::{
    aws::types::{leftover_type, resource_type},
    core::{Address, LeftoverStage, Leftovers, LiveResource, expression},
};

/// What one resource leaves behind.
#[derive(Debug)]
pub struct OwnedLeftovers {
    /// Address of the resource.
    pub owner: Address,
    /// Region of the resource, if it is not the stack's.
    pub region: Option<String>,
    /// What was found.
    pub leftovers: Leftovers,
}

impl Planner<'_> {
    /// Plans the deletion of what was found, in the section of its owner.
    pub(super) fn plan_leftovers(&mut self, all: &[OwnedLeftovers]) {
        for OwnedLeftovers { owner, region, leftovers } in all {
            let section = self.changes.get(owner).and_then(|change| change.section.clone());
            for leftover in &leftovers.found {
                let resource = LiveResource { region: region.clone(), ..leftover.resource.clone() };
                let Some(kind) = leftover_type(&resource.type_name) else { continue };
                let address = Address::new(kind.name, leftover.name.clone());
                let reason = Reason::LeftBehind { by: owner.clone() };
                let change = Change {
                    section: section.clone(),
                    effects: vec![leftover.description.clone()],
                    irreversible: leftover.loss.clone(),
                    leftover_stage: Some(leftover.stage),
                    ..new_change(address.clone(), kind, Action::Delete, reason, Some(&resource))
                };
                self.changes.insert(address, Box::new(change));
            }
        }
    }
}

/// Address of the resource that left this behind.
fn owner(change: &Change) -> Option<(&Address, LeftoverStage)> {
    match &change.reason {
        Reason::LeftBehind { by } => Some((by, change.leftover_stage?)),
        _ => None,
    }
}

/// Before an owner that is deleted before its replacement exists, everything it leaves behind is deleted, too.
pub(super) fn follow_owners(changes: &mut [Change]) {
    let is_early = |change: &Change| change.replacement_order == Some(ReplacementOrder::DestroyBeforeCreate);
    let early: BTreeSet<Address> = changes.iter().filter(|change| is_early(change)).map(|change| change.address.clone()).collect();
    for change in changes.iter_mut() {
        if owner(change).is_some_and(|(by, _)| early.contains(by)) {
            change.replacement_order = Some(ReplacementOrder::DestroyBeforeCreate);
        }
    }
}

/// Orders the deletions of what was left behind around those of the owner, its dependents, and the network. `dependents` are pairs of
/// (dependency, dependent), `deletes` the steps by change.
pub(super) fn order(changes: &[Change], dependents: &[(usize, usize)], deletes: &HashMap<usize, NodeIndex>, graph: &mut DiGraph<Step, ()>) {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let left: Vec<(usize, &Address, LeftoverStage)> =
        changes.iter().enumerate().filter_map(|(index, change)| owner(change).map(|(by, stage)| (index, by, stage))).collect();
    if left.is_empty() {
        return;
    }
    for (index, by, stage) in &left {
        let owner = changes.iter().position(|change| change.address == **by && change.leftover_stage.is_none());
        let inside = owner.map(|owner| reachable(owner, dependents, |(used, user)| (used, user))).unwrap_or_default();
        let of_owner = left.iter().filter(|(_, other, _)| other == by);
        edges.extend(of_owner.filter(|(_, _, other)| is_after(*other, *stage)).map(|(later, ..)| (*index, *later)));
        match stage {
            LeftoverStage::BeforeDependents => edges.extend(inside.iter().chain(&owner).map(|later| (*index, *later))),
            LeftoverStage::BeforeOwner => edges.extend(owner.map(|owner| (*index, owner))),
            LeftoverStage::AfterOwner | LeftoverStage::Last => edges.extend(owner.map(|owner| (owner, *index))),
        }
        // Gateways and groups of the network can be in use by it, although it does not name them.
        let outside = owner.map(|owner| reachable(owner, dependents, |(used, user)| (user, used))).unwrap_or_default();
        let networks = networks_of(*index, &outside, changes);
        let is_in_network = |change: &Change| {
            let is_network = change.id.as_deref().is_some_and(|id| networks.contains(id));
            is_network || change.before.as_ref().is_some_and(|live| names_any(live, &networks))
        };
        let others = changes.iter().enumerate().filter(|(other, change)| {
            change.leftover_stage.is_none() && Some(*other) != owner && !inside.contains(other) && is_in_network(change)
        });
        edges.extend(others.map(|(other, _)| (*index, other)));
    }
    let node = |change: &usize| deletes.get(change).copied();
    let edges: Vec<Edge> = edges.iter().filter_map(|(earlier, later)| Some((node(earlier)?, node(later)?))).collect();
    add_edges(graph, edges);
}

/// Whether a stage begins after another has ended. Between others, references decide.
fn is_after(later: LeftoverStage, earlier: LeftoverStage) -> bool {
    later > earlier && (earlier == LeftoverStage::BeforeDependents || later == LeftoverStage::Last)
}

/// Changes reachable from one over pairs, each of which `direct` turns to (from, to).
fn reachable(start: usize, pairs: &[(usize, usize)], direct: impl Fn((usize, usize)) -> (usize, usize)) -> BTreeSet<usize> {
    let (mut found, mut queue) = (BTreeSet::new(), vec![start]);
    while let Some(at) = queue.pop() {
        let next = pairs.iter().map(|pair| direct(*pair)).filter(|(from, _)| *from == at).map(|(_, to)| to);
        queue.extend(next.filter(|to| found.insert(*to)).collect::<Vec<_>>());
    }
    found.remove(&start);
    found
}

/// Ids of the deleted networks of something left behind: those that it names, and those that its owner is in.
fn networks_of<'a>(index: usize, of_owner: &BTreeSet<usize>, changes: &'a [Change]) -> BTreeSet<&'a str> {
    let is_network = |change: &Change| resource_type(&change.address.type_name).is_some_and(|kind| kind.is_network);
    let networks = changes.iter().enumerate().filter(|(_, change)| is_network(change));
    let networks = networks.filter_map(|(number, change)| Some((number, change.id.as_deref()?)));
    let is_named = |id: &str| changes[index].before.as_ref().is_some_and(|live| names_any(live, &BTreeSet::from([id])));
    networks.filter(|(number, id)| of_owner.contains(number) || is_named(id)).map(|(_, id)| id).collect()
}

fn names_any(live: &LiveResource, ids: &BTreeSet<&str>) -> bool {
    let mut found = false;
    expression::for_each_string(&live.spec, &mut |text| found |= ids.contains(text));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        core::{ADDRESS_TAG, ENVIRONMENT_TAG, Leftover, STACK_TAG, Tags},
        definition::{LoadOptions, Source, Stack, load},
        engine::{
            discover::LiveState,
            plan::{Goal, Plan, plan_with_leftovers},
        },
    };

    fn live(stack: &Stack, type_name: &'static str, name: &str, id: &str, spec: serde_json::Value) -> LiveResource {
        let environment = stack.environment.to_string();
        let address = format!("{type_name}.{name}");
        let own = [(STACK_TAG, "shop"), (ENVIRONMENT_TAG, &environment), (ADDRESS_TAG, &address)];
        let tags: Tags = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        LiveResource { tags: tags.into(), ..LiveResource::ready(type_name, id, spec) }
    }

    fn leftover(stage: LeftoverStage, name: &str, uses: &[&str]) -> Leftover {
        let resource = LiveResource::ready("cluster_leftover", name, json!({ "uses": uses }));
        Leftover { stage, name: name.to_owned(), description: String::new(), loss: None, resource }
    }

    fn position(plan: &Plan, order: &[NodeIndex], address: &str) -> usize {
        let is_it = |node: &NodeIndex| plan.changes[plan.clean_up[*node].change].address.to_string() == address;
        order.iter().position(is_it).unwrap_or_else(|| panic!("{address} is not deleted"))
    }

    #[test]
    fn leftovers_are_deleted_around_their_owner() {
        let stack = load(&Source::new("stack.yaml", "stack: shop\n"), &LoadOptions::default()).unwrap_or_else(|all| panic!("{all:?}"));
        let network = || json!({ "id": "vpc-0123456789" });
        let all = [
            live(&stack, "vpc", "main", "vpc-0123456789", json!({ "cidr": "10.0.0.0/16" })),
            live(&stack, "internet_gateway", "main", "igw-0123456789", json!({ "vpc": network() })),
            live(&stack, "subnet", "a", "subnet-0123456789", json!({ "vpc": network() })),
            live(&stack, "eks_cluster", "main", "shop-main", json!({ "subnets": [{ "id": "subnet-0123456789" }] })),
            live(&stack, "eks_addon", "dns", "shop-main/coredns", json!({ "cluster": { "id": "shop-main" } })),
        ];
        let mut live_state = LiveState::default();
        for one in all {
            let kind = resource_type(&one.type_name).expect("a type");
            live_state.live.entry(kind.name).or_default().push(one);
        }
        let found = vec![
            leftover(LeftoverStage::BeforeDependents, "cleanup", &[]),
            leftover(LeftoverStage::BeforeOwner, "arn:balancer-01234567", &["vpc-0123456789", "arn:target-0123456789"]),
            leftover(LeftoverStage::BeforeOwner, "arn:target-0123456789", &["vpc-0123456789"]),
            leftover(LeftoverStage::AfterOwner, "sg-0123456789", &["vpc-0123456789"]),
            leftover(LeftoverStage::Last, "rest", &[]),
        ];
        let leftovers = Leftovers { found, warnings: Vec::new() };
        let owned = [OwnedLeftovers { owner: Address::new("eks_cluster", "main"), region: None, leftovers }];
        let plan = plan_with_leftovers(&stack, &live_state, &owned, Goal::Destroy, ("us-east-1", "123456789012"));
        let order = petgraph::algo::toposort(&plan.clean_up, None).unwrap_or_else(|_| panic!("a cycle"));
        let connected =
            |earlier: usize, later: usize| petgraph::algo::has_path_connecting(&plan.clean_up, order[earlier], order[later], None);
        for (earlier, later) in [
            ("cluster_leftover.cleanup", "eks_addon.dns"),
            ("cluster_leftover.cleanup", "cluster_leftover.arn:balancer-01234567"),
            ("cluster_leftover.arn:balancer-01234567", "cluster_leftover.arn:target-0123456789"),
            ("cluster_leftover.arn:target-0123456789", "eks_cluster.main"),
            ("eks_addon.dns", "eks_cluster.main"),
            ("eks_cluster.main", "cluster_leftover.sg-0123456789"),
            ("cluster_leftover.sg-0123456789", "cluster_leftover.rest"),
            ("cluster_leftover.rest", "internet_gateway.main"),
            ("cluster_leftover.rest", "subnet.a"),
            ("cluster_leftover.rest", "vpc.main"),
        ] {
            let (first, second) = (position(&plan, &order, earlier), position(&plan, &order, later));
            assert!(connected(first, second), "{earlier} is not deleted before {later}");
        }
    }
}
