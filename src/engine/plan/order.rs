//! Order of steps.
//!
//! ```text
//! apply:     vpc ─► subnet ─► nat       creates and updates, dependencies first; fields that refer back are set by another step
//! ───────── point of no return ───────── everything new exists and is verified
//! clean-up:  old nat ─► old subnet      deletions, dependents first, then the removal of what they used (a VPC's secondary range)
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use petgraph::{
    Direction::Outgoing,
    algo::is_cyclic_directed,
    graph::{DiGraph, NodeIndex},
    visit::{Topo, Walker},
};

use super::{
    Action, Change, FieldDiff, Op, ReplacementOrder, Step,
    cycles::Cycles,
    exchanges::Exchanges,
    leftovers,
    live_dependents::live_dependents,
    prune::{Removal, removal, removes_reference},
    references::{has_arn, refers_to},
    soft_edges::{Edge, add_edges, break_cycles, cut_cycles},
    stages,
};
use crate::{
    aws::types::resource_type,
    core::{Address, DataProtection},
    definition::Stack,
};

/// Addresses of a stack, each after its dependencies.
pub struct TopologicalOrder {
    /// The addresses.
    pub addresses: Vec<Address>,
    /// Exceptions within cycles: a dependent before its deferrable dependency.
    pub assumed: Vec<(Address, Address)>,
}

/// Orders the resources of a stack.
pub fn topological_order(stack: &Stack) -> TopologicalOrder {
    let mut graph = DiGraph::<&Address, ()>::new();
    let nodes: BTreeMap<&Address, NodeIndex> = stack.resources.keys().map(|address| (address, graph.add_node(address))).collect();
    for declared in stack.resources.values() {
        for need in declared.depends_on.iter().filter_map(|need| nodes.get(need)) {
            graph.add_edge(*need, nodes[&declared.address], ());
        }
    }
    let can_wait = |dependency: &&Address, dependent: &&Address| stack.resources[*dependent].deferrable.contains(*dependency);
    let cut = cut_cycles(&mut graph, |dependency, dependent| can_wait(dependency, dependent).then_some(0));
    TopologicalOrder {
        addresses: Topo::new(&graph).iter(&graph).map(|node| graph[node].clone()).collect(),
        assumed: cut.into_iter().map(|(dependency, dependent)| (graph[dependent].clone(), graph[dependency].clone())).collect(),
    }
}

/// Pairs (dependent, dependency) of a stack of which the dependent is created first, if both are, because they form a cycle.
pub fn deferred_dependencies(stack: &Stack) -> Vec<(Address, Address)> {
    topological_order(stack).assumed
}

/// Direction of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanDirection {
    /// Towards a definition.
    Forward,
    /// Back to a previous state: changes are undone in reverse order, dependents first.
    Rollback,
}

/// Order of a plan's steps.
pub struct StepOrder {
    /// Steps before the point of no return.
    pub apply: DiGraph<Step, ()>,
    /// Steps after it.
    pub clean_up: DiGraph<Step, ()>,
    /// Changes made in one call.
    pub exchanges: Exchanges,
    /// Resources that must be deleted first but can't, with the dependent that remains: indexes of changes.
    pub blocked: Vec<(usize, usize)>,
}

/// Builds the two graphs, and decides the order of each replacement.
pub fn order_steps(stack: &Stack, changes: &mut [Change], direction: PlanDirection) -> StepOrder {
    let dependents = live_dependents(stack, changes);
    propagate_destroy_before_create(changes, &dependents);
    leftovers::follow_owners(changes);
    let mut apply = DiGraph::new();
    let mut clean_up = DiGraph::new();
    // By change: the step that creates or changes the resource, and the step that deletes it.
    let mut create_or_update: HashMap<usize, NodeIndex> = HashMap::new();
    let mut early_deletes: HashMap<usize, NodeIndex> = HashMap::new();
    let mut late_deletes: HashMap<usize, NodeIndex> = HashMap::new();
    let mut staged: HashMap<usize, Vec<NodeIndex>> = HashMap::new();
    let prunes = find_prunes(changes);
    for (change, entry) in changes.iter().enumerate() {
        let step = |op| Step::new(change, op);
        match entry.action {
            Action::None => {}
            Action::Create => drop(create_or_update.insert(change, apply.add_node(step(Op::Create)))),
            Action::Update if prunes.get(&change).is_some_and(|prune| prune.removal == Removal::Only) => {}
            Action::Update if !entry.stages.is_empty() => {
                let steps = stages::add_steps(&mut apply, change, entry);
                create_or_update.extend(steps.last().map(|last| (change, *last)));
                staged.insert(change, steps);
            }
            Action::Update => drop(create_or_update.insert(change, apply.add_node(step(Op::Update)))),
            Action::Forget => drop(late_deletes.insert(change, clean_up.add_node(step(Op::Forget)))),
            // See `Exchanges::order`.
            Action::Delete if !entry.exchanged_with.is_empty() => {}
            Action::Delete if entry.replacement_order == Some(ReplacementOrder::DestroyBeforeCreate) => {
                early_deletes.insert(change, apply.add_node(step(Op::Delete)));
            }
            Action::Delete => drop(late_deletes.insert(change, clean_up.add_node(step(Op::Delete)))),
            Action::Replace => {
                let new = apply.add_node(step(Op::Create));
                create_or_update.insert(change, new);
                if entry.replacement_order == Some(ReplacementOrder::Exchange) {
                    continue;
                }
                if entry.replacement_order == Some(ReplacementOrder::DestroyBeforeCreate) {
                    let old = apply.add_node(step(Op::Delete));
                    apply.add_edge(old, new, ());
                    early_deletes.insert(change, old);
                } else {
                    let op = if entry.kept_for.is_some() { Op::Forget } else { Op::Delete };
                    late_deletes.insert(change, clean_up.add_node(step(op)));
                }
            }
        }
    }
    let index: HashMap<&Address, usize> = changes.iter().enumerate().map(|(i, change)| (&change.address, i)).collect();
    let recreates = changes.iter().any(|change| matches!(change.action, Action::Create | Action::Replace));
    // A recreated resource must exist before its dependents, in both directions.
    let is_reversed = direction == PlanDirection::Rollback && !recreates;
    for (change, entry) in changes.iter().enumerate() {
        let (Some(step), Some(declared)) = (create_or_update.get(&change), stack.resources.get(&entry.address)) else { continue };
        let needs = declared.depends_on.iter().filter_map(|need| index.get(need));
        for (used, need) in needs.filter_map(|used| Some((*used, create_or_update.get(used)?))) {
            if is_reversed || is_downgrade(&changes[used]) {
                apply.add_edge(*step, *need, ());
                continue;
            }
            match (staged.get(&used), staged.get(&change)) {
                (Some(used_steps), Some(steps)) => stages::alternate(&mut apply, (&changes[used], used_steps), (entry, steps)),
                (None, Some(steps)) => drop(steps.first().map(|first| apply.add_edge(*need, *first, ()))),
                (_, None) => drop(apply.add_edge(*need, *step, ())),
            }
        }
    }
    for (change, entry) in changes.iter().enumerate() {
        let Some(new) = create_or_update.get(&change) else { continue };
        for old in entry.after_deletion_of.iter().filter_map(|old| early_deletes.get(index.get(old)?)) {
            apply.update_edge(*old, *new, ());
        }
        for old in entry.after_update_of.iter().filter_map(|old| create_or_update.get(index.get(old)?)) {
            apply.update_edge(*old, *new, ());
        }
    }
    let exchanges = Exchanges::of(changes);
    exchanges.order(changes, &mut apply, &create_or_update);
    for (used, user) in &dependents {
        if let (Some(used), Some(user)) = (early_deletes.get(used), early_deletes.get(user)) {
            apply.add_edge(*user, *used, ());
        }
    }
    let (mut blocked, mut letting_go) = (Vec::new(), Vec::new());
    for (used, user) in blocking_dependents(changes) {
        let Some(goes) = early_deletes.get(&used) else { continue };
        let declared = stack.resources.get(&changes[user].address);
        // A separate step releases it, after the point of no return.
        let is_pruned = prunes.contains_key(&user) && removes_reference(&changes[user], &changes[used]);
        match create_or_update
            .get(&user)
            .filter(|_| !is_pruned)
            .filter(|_| declared.is_some_and(|declared| !declared.depends_on.contains(&changes[used].address)))
        {
            Some(lets_go) => {
                apply.update_edge(*lets_go, *goes, ());
                letting_go.push(((*lets_go, *goes), (used, user)));
            }
            None => blocked.push((used, user)),
        }
    }
    let with_deletion_edges = |detaching: bool, cut: &[Edge]| {
        let mut graph = clean_up.clone();
        for (used, user) in &dependents {
            let (Some(used_step), Some(user_step)) = (late_deletes.get(used), late_deletes.get(user)) else { continue };
            if cut.contains(&(*user_step, *used_step)) {
                continue;
            }
            match if detaching { deletion_order(&changes[*used], &changes[*user]) } else { DeletionOrder::DependentFirst } {
                DeletionOrder::DependentFirst => drop(graph.add_edge(*user_step, *used_step, ())),
                DeletionOrder::DependencyFirst => drop(graph.add_edge(*used_step, *user_step, ())),
                DeletionOrder::Any => {}
            }
        }
        graph
    };
    let cycles = Cycles { stack, is_reversed };
    let keys_last = |graph: &mut DiGraph<Step, ()>| {
        let is_key = |change: &usize| has_recovery_window(&changes[*change]);
        let (keys, others): (Vec<_>, Vec<_>) = late_deletes.iter().partition(|(change, _)| is_key(change));
        let mut edges: Vec<Edge> = others.iter().flat_map(|(_, other)| keys.iter().map(|(_, key)| (**other, **key))).collect();
        edges.sort_unstable();
        // Some resources can only be deleted after a key: roles that its policy names.
        add_edges(graph, edges);
    };
    let cut_deletions = {
        let mut dependents_first = with_deletion_edges(false, &[]);
        cycles.cut(changes, &mut dependents_first)
    };
    let detaching = with_deletion_edges(true, &cut_deletions);
    let mut clean_up = if is_cyclic_directed(&detaching) { with_deletion_edges(false, &cut_deletions) } else { detaching };
    break_cycles(&mut clean_up);
    leftovers::order(changes, &dependents, &late_deletes, &mut clean_up);
    leftovers::order(changes, &dependents, &early_deletes, &mut apply);
    keys_last(&mut clean_up);
    cycles.detach(changes, &mut clean_up, &cut_deletions);
    for (change, prune) in prunes {
        let node = clean_up.add_node(Step::new(change, Op::Prune));
        for deleted in prune.deleted_dependents.iter().filter_map(|dependent| late_deletes.get(dependent)) {
            clean_up.add_edge(*deleted, node, ());
        }
        // The removed entries refer to these.
        let mut released: Vec<Edge> = late_deletes
            .iter()
            .filter(|(used, _)| !prune.deleted_dependents.contains(used) && removes_reference(&changes[change], &changes[**used]))
            .map(|(_, deleted)| (node, *deleted))
            .collect();
        released.sort_unstable();
        if !released.is_empty() {
            add_edges(&mut clean_up, released);
        }
    }
    blocked.extend(cycles.impossible(changes, &apply, &letting_go));
    let cut = cycles.cut(changes, &mut apply);
    blocked.extend(cycles.attach(changes, &mut apply, &cut));
    cycles.detach(changes, &mut apply, &cut);
    StepOrder { apply, clean_up, exchanges, blocked }
}

/// Whether a change is about a key or secret, on which data and other resources depend.
fn has_recovery_window(change: &Change) -> bool {
    resource_type(&change.address.type_name).is_some_and(|kind| kind.data_protection == DataProtection::RecoveryWindow)
}

/// Whether an update lowers a version that those of its dependents must not exceed, so that these go first.
fn is_downgrade(change: &Change) -> bool {
    let one_way = resource_type(&change.address.type_name).map(|kind| kind.one_way.as_slice()).unwrap_or_default();
    let lowers =
        |field: &FieldDiff| one_way.iter().any(|one| one.field == field.pointer && one.direction.is_downgrade(&field.before, &field.after));
    change.action == Action::Update && change.fields.iter().any(lowers)
}

/// Which of two resources is deleted first.
enum DeletionOrder {
    DependentFirst,
    DependencyFirst,
    Any,
}

/// The order of two deletions, of which `user` refers to `used`. What is detached from others by their deletion goes after these, and so need
/// not go before what AWS deletes regardless.
fn deletion_order(used: &Change, user: &Change) -> DeletionOrder {
    let types = resource_type(&used.address.type_name).zip(resource_type(&user.address.type_name));
    match types.filter(|_| used.action == Action::Delete && user.action == Action::Delete) {
        Some((used, user)) if user.detached_by.contains(&used.name) => DeletionOrder::DependencyFirst,
        Some((used, user)) if !user.detached_by.is_empty() && !used.blocked_by_dependents => DeletionOrder::Any,
        _ => DeletionOrder::DependentFirst,
    }
}

/// A removal of entries after deletions.
struct Prune {
    removal: Removal,
    /// Indexes of the changes that delete dependents of the resource.
    deleted_dependents: Vec<usize>,
}

/// Finds the changes that remove entries after deletions, by index.
fn find_prunes(changes: &[Change]) -> BTreeMap<usize, Prune> {
    let mut prunes = BTreeMap::new();
    for (index, change) in changes.iter().enumerate() {
        let (Some(live), removal @ (Removal::Some | Removal::Only)) = (&change.before, removal(change)) else { continue };
        let deletes = |other: &Change| {
            matches!(other.action, Action::Delete | Action::Replace) && other.before.as_ref().is_some_and(|other| refers_to(other, live))
        };
        let deleted_dependents: Vec<usize> =
            changes.iter().enumerate().filter(|(_, other)| deletes(other)).map(|(index, _)| index).collect();
        if !deleted_dependents.is_empty() {
            prunes.insert(index, Prune { removal, deleted_dependents });
        }
    }
    prunes
}

/// Pairs (dependency, dependent): the dependency is deleted before its replacement exists, the dependent remains, and AWS refuses that.
fn blocking_dependents(changes: &[Change]) -> Vec<(usize, usize)> {
    let goes = |change: &Change| {
        change.replacement_order == Some(ReplacementOrder::DestroyBeforeCreate)
            // AWS lets a key go, but whatever uses it stops working.
            && (has_recovery_window(change) || resource_type(&change.address.type_name).is_some_and(|kind| kind.blocked_by_dependents))
    };
    let stays = |change: &Change| matches!(change.action, Action::None | Action::Update);
    let mut blocking = Vec::new();
    for (used, gone) in changes.iter().enumerate().filter(|(_, change)| goes(change)) {
        let Some(live) = &gone.before else { continue };
        for (user, change) in changes.iter().enumerate().filter(|(_, change)| stays(change)) {
            // What AWS detaches with the deletion, such as a subnet from its route table, does not prevent it.
            let is_detached =
                resource_type(&change.address.type_name).is_some_and(|user| user.detached_by.contains(&gone.address.type_name.as_str()));
            if !is_detached && change.before.as_ref().is_some_and(|user| refers_to(user, live) || has_arn(&user.spec, live)) {
                blocking.push((used, user));
            }
        }
    }
    blocking
}

/// Dependents of a resource that must be deleted first must be deleted first, too.
fn propagate_destroy_before_create(changes: &mut [Change], dependents: &[(usize, usize)]) {
    let mut queue: Vec<usize> =
        (0..changes.len()).filter(|i| changes[*i].replacement_order == Some(ReplacementOrder::DestroyBeforeCreate)).collect();
    while let Some(used) = queue.pop() {
        for user in dependents.iter().filter(|(of, _)| *of == used).map(|(_, user)| *user) {
            // One call exchanges it when the new one can be made.
            let is_exchanged = !changes[user].exchanged_with.is_empty();
            if !is_exchanged && changes[user].replacement_order != Some(ReplacementOrder::DestroyBeforeCreate) {
                changes[user].replacement_order = Some(ReplacementOrder::DestroyBeforeCreate);
                queue.push(user);
            }
        }
    }
}

/// For each node, the time from its start to the end of all its dependents.
pub fn remaining_paths<N, E>(graph: &DiGraph<N, E>, estimate: impl Fn(&N) -> Duration) -> Vec<Duration> {
    let mut remaining = vec![Duration::ZERO; graph.node_count()];
    let order: Vec<NodeIndex> = Topo::new(graph).iter(graph).collect();
    for node in order.into_iter().rev() {
        let longest_after = graph.neighbors_directed(node, Outgoing).map(|next| remaining[next.index()]).max().unwrap_or_default();
        remaining[node.index()] = estimate(&graph[node]) + longest_after;
    }
    remaining
}

/// Nodes of the critical path, first to last.
pub fn critical_path<N, E>(graph: &DiGraph<N, E>, estimate: impl Fn(&N) -> Duration) -> Vec<NodeIndex> {
    let remaining = remaining_paths(graph, estimate);
    let mut next = graph.node_indices().max_by_key(|node| remaining[node.index()]);
    let mut path = Vec::new();
    while let Some(node) = next {
        path.push(node);
        next = graph.neighbors_directed(node, Outgoing).max_by_key(|node| remaining[node.index()]);
    }
    path
}

#[cfg(test)]
mod tests;
