//! The order of deletions.

use serde_json::{Value, json};

use super::*;
use crate::{
    core::LiveResource,
    definition::{LoadOptions, Source, load},
    engine::plan::{Reason, planner::new_change},
};

/// Deletions of these resources: type, id and spec.
fn deletion_steps(resources: &[(&str, &str, Value)]) -> (Vec<Change>, DiGraph<Step, ()>) {
    let change = |(type_name, id, spec): &(&str, &str, Value)| {
        let live = LiveResource::ready(*type_name, *id, spec.clone());
        let kind = resource_type(type_name).expect("a type");
        new_change(Address::new(type_name, *id), kind, Action::Delete, Reason::Destroyed, Some(&live))
    };
    let mut changes: Vec<Change> = resources.iter().map(change).collect();
    let source = Source::new("stack.yaml", "stack: shop\nkeys: { main: {} }\n");
    let stack = load(&source, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let order = order_steps(&stack, &mut changes, PlanDirection::Forward);
    (changes, order.clean_up)
}

fn is_first(changes: &[Change], graph: &DiGraph<Step, ()>, first: &str, second: &str) -> bool {
    let node = |id: &str| graph.node_indices().find(|node| changes[graph[*node].change].address.name == id).expect("a step");
    petgraph::algo::has_path_connecting(graph, node(first), node(second), None)
}

#[test]
fn deletes_subnets_before_their_route_tables() {
    let table = json!({ "vpc": { "id": "vpc-1" }, "subnets": [{ "id": "subnet-1" }], "routes": [{ "nat_gateway": { "id": "nat-1" } }] });
    let (changes, graph) = deletion_steps(&[
        ("vpc", "vpc-1", json!({})),
        ("subnet", "subnet-1", json!({ "vpc": { "id": "vpc-1" } })),
        ("subnet", "subnet-2", json!({ "vpc": { "id": "vpc-1" } })),
        ("nat_gateway", "nat-1", json!({ "subnet": { "id": "subnet-1" } })),
        ("route_table", "rtb-1", table),
    ]);
    for (first, second) in [("subnet-1", "rtb-1"), ("nat-1", "subnet-1"), ("rtb-1", "vpc-1"), ("subnet-2", "vpc-1")] {
        assert!(is_first(&changes, &graph, first, second), "{first} before {second}");
    }
}

#[test]
fn deletes_route_tables_first_where_a_subnet_must_wait_for_them() {
    let table = json!({ "subnets": [{ "id": "subnet-1" }], "routes": [{ "vpc_endpoint": { "id": "vpce-1" } }] });
    let (changes, graph) = deletion_steps(&[
        ("subnet", "subnet-1", json!({})),
        ("vpc_endpoint", "vpce-1", json!({ "subnets": [{ "id": "subnet-1" }] })),
        ("route_table", "rtb-1", table),
    ]);
    assert!(is_first(&changes, &graph, "rtb-1", "vpce-1") && is_first(&changes, &graph, "vpce-1", "subnet-1"));
}

#[test]
fn compares_names_by_type() {
    let removed = [
        ("iam_role", "shop", json!({ "name": "shop" })),
        ("log_group", "shop", json!({ "name": "shop" })),
        ("instance_profile", "nodes", json!({ "role": { "id": "shop" } })),
        ("log_group", "nodes", json!({ "name": "nodes" })),
    ];
    let (changes, graph) = deletion_steps(&removed);
    let edges: Vec<_> = graph
        .edge_indices()
        .filter_map(|edge| graph.edge_endpoints(edge))
        .map(|(first, second)| [first, second].map(|node| changes[graph[node].change].address.to_string()))
        .collect();
    assert_eq!(edges, [["instance_profile.nodes", "iam_role.shop"]]);
}
