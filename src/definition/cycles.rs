//! Cycles of resources that depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::{algo::tarjan_scc, graph::DiGraph};
use serde_json::Value;

use super::{DesiredResource, Stack, compiler::Compiler, dependencies::for_each_reference, diagnostic::Diagnostic};
use crate::core::Address;

/// Reports every dependency cycle. Fields that can be set last form no cycle.
pub fn report_cycles(c: &mut Compiler<'_>, stack: &Stack) {
    let all = stack.resources.keys().collect();
    for members in find_cycles(stack, &all, |_, _| true) {
        for members in find_cycles(stack, &members, |declared, dependency| !declared.deferrable.contains(dependency)) {
            report_cycle(c, stack, &members);
        }
    }
}

/// Sets of resources that depend on each other, through dependencies that `counts`.
fn find_cycles<'a>(
    stack: &'a Stack,
    among: &BTreeSet<&'a Address>,
    counts: impl Fn(&DesiredResource, &Address) -> bool,
) -> Vec<BTreeSet<&'a Address>> {
    let mut graph = DiGraph::<&Address, ()>::with_capacity(among.len(), among.len());
    let nodes: BTreeMap<&Address, _> = among.iter().map(|address| (*address, graph.add_node(*address))).collect();
    for declared in among.iter().filter_map(|address| stack.resources.get(*address)) {
        for dependency in &declared.depends_on {
            if let (Some(from), Some(to)) = (nodes.get(&declared.address), nodes.get(dependency))
                && counts(declared, dependency)
            {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    let cycles = tarjan_scc(&graph).into_iter().filter(|cycle| cycle.len() > 1);
    cycles.map(|cycle| cycle.iter().map(|node| graph[*node]).collect()).collect()
}

fn report_cycle(c: &mut Compiler<'_>, stack: &Stack, members: &BTreeSet<&Address>) {
    let road = find_cycle(stack, members);
    let Some(declared) = road.first().and_then(|address| stack.resources.get(address)) else { return };
    let field = |step: usize| {
        let dependent = stack.resources.get(road[step]);
        dependent.map_or_else(String::new, |dependent| dependency_field(dependent, road[(step + 1) % road.len()]))
    };
    let mut drawing = format!("\n┌→ {}", road[0]);
    for (step, address) in road.iter().enumerate().skip(1) {
        drawing.push_str(&format!("\n│  depends on {address} (`{}`)", field(step - 1)));
    }
    drawing.push_str(&format!("\n└─ which depends on {} (`{}`)", road[0], field(road.len() - 1)));
    let place = c.key_range(&declared.pointer);
    let message = format!("{} resources depend on each other in a cycle", road.len());
    c.problems.push(
        Diagnostic::new("cycle", message)
            .at(place)
            .label("the cycle starts here")
            .help(format!("remove one of these references:{drawing}")),
    );
}

/// The field that makes a resource depend on another before its creation.
fn dependency_field(dependent: &DesiredResource, dependency: &Address) -> String {
    let refers = |value: &Value| {
        let mut found = false;
        for_each_reference(value, &mut |r| found |= r.type_name == dependency.type_name && r.name == dependency.name);
        found
    };
    let resource_type = dependent.resource_type;
    let created = resource_type.with_created_fields(&dependent.spec, &resource_type.after_create).ok();
    let fields = created.as_ref().unwrap_or(&dependent.spec).as_object();
    let field = fields.into_iter().flatten().find(|(_, value)| refers(value));
    field.map_or_else(|| "depends_on".to_owned(), |(key, _)| key.clone())
}

/// Returns one cycle of a strongly connected set.
fn find_cycle<'a>(stack: &'a Stack, members: &BTreeSet<&'a Address>) -> Vec<&'a Address> {
    let mut road: Vec<&Address> = Vec::new();
    let mut at = members.first().copied();
    while let Some(address) = at {
        if let Some(seen) = road.iter().position(|step| *step == address) {
            return road.split_off(seen);
        }
        road.push(address);
        at = stack.resources.get(address).and_then(|declared| {
            declared.depends_on.iter().find(|dependency| members.contains(dependency) && !declared.deferrable.contains(dependency))
        });
    }
    road
}
