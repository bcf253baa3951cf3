//! For every list that refers to other resources and changes in place: an entry leaves together with the resource it refers to.

use std::collections::BTreeSet;

use petgraph::{
    algo::has_path_connecting,
    graph::{DiGraph, NodeIndex},
};
use serde_json::Value;

use crate::{
    core::{Address, expression},
    definition::{DesiredResource, Stack},
    engine::plan::{Action, Goal, Op, Plan, Step, dropped::tests::applied, plan},
};

/// An entry of a list, and a resource that it refers to.
struct Entry {
    list: String,
    index: usize,
    used: Address,
}

fn references_in(value: &Value) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    expression::for_each_string(value, &mut |text| {
        found.extend(expression::references(text).into_iter().map(|reference| Address::new(reference.type_name, reference.name)));
    });
    found
}

fn collect_entries(value: &Value, at: &str, found: &mut Vec<Entry>) {
    match value {
        Value::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                found.extend(references_in(entry).into_iter().map(|used| Entry { list: at.to_owned(), index, used }));
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                collect_entries(value, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

/// The stack without the entry, the resource it refers to, and all others that refer to that one; `None` if the rest is not valid.
fn without(stack: &Stack, user: &DesiredResource, entry: &Entry) -> Option<Stack> {
    let mut spec = user.spec.clone();
    spec.pointer_mut(&entry.list)?.as_array_mut()?.remove(entry.index);
    let spec = user.resource_type.operations.parse(&spec).ok().filter(|spec| user.resource_type.check(spec).is_empty())?;
    let mut leaving: BTreeSet<Address> = [entry.used.clone()].into();
    loop {
        let depends = |declared: &&DesiredResource| !leaving.contains(&declared.address) && !declared.depends_on.is_disjoint(&leaving);
        let others = stack.resources.values().filter(|declared| declared.address != user.address).filter(depends);
        let more: Vec<Address> = others.map(|declared| declared.address.clone()).collect();
        if more.is_empty() {
            break;
        }
        leaving.extend(more);
    }
    if !references_in(&spec).is_disjoint(&leaving) {
        return None;
    }
    let mut rest = stack.clone();
    rest.resources.retain(|address, _| !leaving.contains(address));
    let user = rest.resources.get_mut(&user.address)?;
    user.spec = spec;
    user.depends_on.retain(|used| !leaving.contains(used));
    user.deferrable.retain(|used| !leaving.contains(used));
    Some(rest)
}

fn step_of(plan: &Plan, graph: &DiGraph<Step, ()>, address: &Address, op: Op) -> Option<NodeIndex> {
    graph.node_indices().find(|node| plan.changes[graph[*node].change].address == *address && graph[*node].op == op)
}

#[tokio::test]
async fn a_resource_is_deleted_after_the_lists_that_refer_to_it_have_changed() {
    let (stack, live_state) = applied().await;
    let mut checked = BTreeSet::new();
    for user in stack.resources.values() {
        let mut entries = Vec::new();
        collect_entries(&user.spec, "", &mut entries);
        for entry in entries {
            let Some(rest) = without(&stack, user, &entry) else { continue };
            let plan = plan(&rest, &live_state, Goal::Apply, "eu-west-1", "123456789012");
            let action = |address: &Address| plan.changes.iter().find(|change| change.address == *address).map(|change| change.action);
            if (action(&user.address), action(&entry.used)) != (Some(Action::Update), Some(Action::Delete)) {
                continue;
            }
            let what = format!("{} {} {}", user.address, entry.list, entry.used);
            let pruned = step_of(&plan, &plan.clean_up, &user.address, Op::Prune)
                .filter(|_| user.resource_type.removed_later.iter().any(|field| entry.list.starts_with(field)));
            let in_clean_up = step_of(&plan, &plan.clean_up, &entry.used, Op::Delete);
            let in_apply = step_of(&plan, &plan.apply, &entry.used, Op::Delete);
            match (pruned, in_clean_up, in_apply) {
                (Some(prune), Some(deletion), _) => assert!(has_path_connecting(&plan.clean_up, prune, deletion, None), "{what}"),
                (None, Some(_), _) => assert!(step_of(&plan, &plan.apply, &user.address, Op::Update).is_some(), "{what}"),
                (_, None, Some(deletion)) => {
                    let update = step_of(&plan, &plan.apply, &user.address, Op::Update);
                    assert!(update.is_some_and(|update| has_path_connecting(&plan.apply, update, deletion, None)), "{what}");
                }
                (_, None, None) => panic!("{what}: no deletion"),
            }
            checked.insert(format!("{}{}", user.address.type_name, entry.list));
        }
    }
    for list in ["security_group/ingress", "load_balancer/subnets", "route_table/subnets", "iam_role/policies", "rds_subnet_group/subnets"]
    {
        assert!(checked.contains(list), "{list} is not in {checked:?}");
    }
}
