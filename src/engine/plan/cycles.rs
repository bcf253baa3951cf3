//! Steps for resources that refer to each other: fields that are set after the creation refer to what is created later, and are reset before
//! the deletion of what is deleted earlier.
//!
//! ```text
//! create group a ─► create group b ─► attach a (its rule for b)
//! detach a ─► delete b ─► delete a
//! ```

use std::collections::{BTreeMap, BTreeSet};

use petgraph::{
    Direction::Outgoing,
    algo::{has_path_connecting, is_cyclic_directed},
    graph::{DiGraph, EdgeReference, NodeIndex},
    visit::{EdgeFiltered, EdgeRef},
};

use super::{
    Action, Change, Op, Step,
    references::{refers_in, refers_to},
    soft_edges::{Edge, add_edges, cut_cycles},
};
use crate::{aws::types::resource_type, core::ChangedFields, definition::Stack};

/// Cycles among the steps of a plan.
pub(super) struct Cycles<'a> {
    pub stack: &'a Stack,
    /// Whether dependents are changed first.
    pub is_reversed: bool,
}

impl Cycles<'_> {
    /// Makes the graph of steps acyclic; returns the edges that were cut.
    pub fn cut(&self, changes: &[Change], graph: &mut DiGraph<Step, ()>) -> Vec<Edge> {
        cut_cycles(graph, |from, to| self.softness(changes, from, to))
    }

    /// Pairs (dependency, dependent) that block the plan: the dependency is deleted before its replacement is created, and the dependent must
    /// release it before, but needs something that can only exist after that. `letting_go` has the edges between the two steps, and the pairs.
    pub fn impossible(&self, changes: &[Change], graph: &DiGraph<Step, ()>, letting_go: &[(Edge, (usize, usize))]) -> Vec<(usize, usize)> {
        if letting_go.is_empty() || !is_cyclic_directed(graph) {
            return Vec::new();
        }
        let is_hard = |edge: EdgeReference<'_, ()>| self.softness(changes, &graph[edge.source()], &graph[edge.target()]).is_none();
        let hard = EdgeFiltered::from_fn(graph, is_hard);
        let closed = letting_go.iter().filter(|((lets_go, goes), _)| has_path_connecting(&hard, *goes, *lets_go, None));
        closed.map(|(_, pair)| *pair).collect()
    }

    /// See [`cut_cycles`]. A dependency that exists already can follow its dependent at no cost.
    fn softness(&self, changes: &[Change], from: &Step, to: &Step) -> Option<u8> {
        match (from.op, to.op) {
            (Op::Create | Op::Update, Op::Create | Op::Update) => {
                let (dependency, dependent) = if self.is_reversed { (to, from) } else { (from, to) };
                let declared = self.stack.resources.get(&changes[dependent.change].address)?;
                let can_wait = declared.deferrable.contains(&changes[dependency.change].address);
                can_wait.then_some(u8::from(dependency.op == Op::Update))
            }
            (Op::Delete | Op::Forget, Op::Delete | Op::Forget) => {
                self.detachable_fields(&changes[from.change], &changes[to.change]).map(|_| 0)
            }
            _ => None,
        }
    }

    /// Fields of a live resource that refer to another one, if an update can reset them all.
    fn detachable_fields(&self, user: &Change, used: &Change) -> Option<Vec<&'static str>> {
        let (live, used_live) = (user.before.as_ref()?, used.before.as_ref()?);
        let declared = self.stack.resources.get(&user.address);
        if declared.is_some_and(|d| d.depends_on.contains(&used.address) && !d.deferrable.contains(&used.address)) {
            return None;
        }
        let is_used = |text: &str| text == used_live.id || Some(text) == used_live.arn();
        resource_type(&live.type_name)?.deferrable_fields(&live.spec, &is_used)
    }

    /// Adds a step for the fields that refer to resources created after theirs, and notes these fields in the changes. Returns pairs
    /// (dependency, dependent) that block the plan: until the new references can be set, the dependent keeps one to the dependency, which must
    /// be deleted before.
    pub fn attach(&self, changes: &mut [Change], graph: &mut DiGraph<Step, ()>, cut: &[Edge]) -> Vec<(usize, usize)> {
        let mut blocked = Vec::new();
        let mut later: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (dependency, dependent) in cut.iter().filter(|(from, _)| graph[*from].op == Op::Create) {
            later.entry(*dependent).or_default().push(*dependency);
        }
        let mut before_dependents = Vec::new();
        for (dependent, dependencies) in later {
            let Step { change, .. } = graph[dependent];
            let Some(declared) = self.stack.resources.get(&changes[change].address) else { continue };
            let addresses = dependencies.iter().map(|node| changes[graph[*node].change].address.clone()).collect();
            let fields = declared.deferrable_fields(&addresses);
            // A restored spec may not have the references of the one it replaces.
            if fields.is_empty() {
                continue;
            }
            let dependents: Vec<NodeIndex> = graph.neighbors_directed(dependent, Outgoing).collect();
            let deleted: Vec<usize> =
                dependents.iter().map(|node| graph[*node]).filter(|step| step.op == Op::Delete).map(|step| step.change).collect();
            let lets_go = !deleted.is_empty();
            let kept = |used: &usize| graph[dependent].op == Op::Update && fields_refer(&changes[change], &changes[*used], &fields);
            blocked.extend(deleted.into_iter().filter(kept).map(|used| (used, change)));
            let attach = if changes_only(&changes[change], &fields) && !lets_go {
                // The whole update can wait.
                let edges: Vec<_> = graph.edges_directed(dependent, Outgoing).map(|edge| (edge.source(), edge.target())).collect();
                graph.retain_edges(|graph, edge| !graph.edge_endpoints(edge).is_some_and(|edge| edges.contains(&edge)));
                dependent
            } else {
                let attach = graph.add_node(Step::new(change, Op::Attach));
                graph.add_edge(dependent, attach, ());
                before_dependents.extend(dependents.into_iter().map(|node| (attach, node)));
                changes[change].attach = fields;
                attach
            };
            for dependency in dependencies {
                graph.add_edge(dependency, attach, ());
            }
        }
        // Dependents outside the cycle find the resource complete.
        if !before_dependents.is_empty() {
            add_edges(graph, before_dependents);
        }
        blocked
    }

    /// Adds a step that resets the fields that refer to resources deleted before theirs, if AWS would otherwise refuse these deletions, and
    /// notes the fields in the changes.
    pub fn detach(&self, changes: &mut [Change], graph: &mut DiGraph<Step, ()>, cut: &[Edge]) {
        let mut earlier: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (user, used) in cut.iter().filter(|(user, used)| graph[*user].op == Op::Delete && graph[*used].op == Op::Delete) {
            if is_held(&changes[graph[*used].change], &changes[graph[*user].change]) {
                earlier.entry(*user).or_default().push(*used);
            }
        }
        for (user, all_used) in earlier {
            let change = graph[user].change;
            let fields: BTreeSet<&'static str> = all_used
                .iter()
                .flat_map(|used| self.detachable_fields(&changes[change], &changes[graph[*used].change]).unwrap_or_default())
                .collect();
            let detach = graph.add_node(Step::new(change, Op::Detach));
            for deletion in all_used.into_iter().chain([user]) {
                graph.add_edge(detach, deletion, ());
            }
            changes[change].detach = fields.into_iter().collect();
        }
    }
}

/// Whether AWS refuses to delete `used` while `user` refers to it. It does not read policies.
fn is_held(used: &Change, user: &Change) -> bool {
    let is_blocked = resource_type(&used.address.type_name).is_some_and(|kind| kind.blocked_by_dependents);
    is_blocked && used.before.as_ref().zip(user.before.as_ref()).is_some_and(|(used, user)| refers_to(user, used))
}

/// Whether one of these fields of a live resource refers to another one.
fn fields_refer(user: &Change, used: &Change, fields: &[&str]) -> bool {
    user.before.as_ref().zip(used.before.as_ref()).is_some_and(|(user, used)| refers_in(user, fields, used))
}

/// Whether a change updates these fields and nothing else.
fn changes_only(change: &Change, fields: &[&str]) -> bool {
    let is_one = |pointer: &String| {
        let changed = ChangedFields(vec![pointer.clone()]);
        fields.iter().any(|field| changed.contains(field))
    };
    change.action == Action::Update && change.tags.is_none() && change.fields.iter().all(|field| is_one(&field.pointer))
}

#[cfg(test)]
mod tests {
    use petgraph::{algo::toposort, visit::Reversed};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        core::{ADDRESS_TAG, Address, ENVIRONMENT_TAG, LiveResource, STACK_TAG, expression},
        definition::{LoadOptions, Source, load},
        engine::{
            discover::LiveState,
            plan::{Goal, Plan, plan},
        },
    };

    /// A security group: those that its rules name, those that it depends on otherwise, its description, and whether it has a name of its own.
    #[derive(Clone, Debug, Default)]
    struct Group {
        rules: BTreeSet<usize>,
        depends_on: BTreeSet<usize>,
        description: bool,
        named: bool,
    }

    type Groups = BTreeMap<usize, Group>;

    fn stack_of(groups: &Groups) -> Stack {
        let exists = |other: &&usize| groups.contains_key(other);
        let entry = |(number, group): (&usize, &Group)| {
            let others = group.rules.iter().filter(exists).filter(|other| *other != number);
            let rules: Vec<_> = others.map(|other| json!({ "port": 80, "security_group": format!("g{other}") })).collect();
            let depends_on: Vec<String> = group
                .depends_on
                .iter()
                .filter(exists)
                .filter(|other| *other < number)
                .map(|other| format!("security_group.g{other}"))
                .collect();
            // Groups that don't differ would be taken for the same one under another key.
            let description = format!("{} {number}", if group.description { "one" } else { "two" });
            let mut spec = json!({ "vpc": { "id": "vpc-1" }, "ingress": rules, "depends_on": depends_on, "description": description });
            if group.named {
                spec["name"] = format!("group-{number}").into();
            }
            (format!("g{number}"), spec)
        };
        let entries: serde_json::Map<_, _> = groups.iter().map(entry).collect();
        let text = json!({ "stack": "shop", "region": "eu-west-1", "resources": { "security_group": entries } }).to_string();
        load(&Source::new("stack.yaml", text), &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// The groups as they are in AWS.
    fn live_state_of(groups: &Groups) -> LiveState {
        let live = |declared: &crate::definition::DesiredResource| {
            let spec = expression::resolve(&declared.spec, &|reference| Some(format!("sg-{}", reference.name).into()));
            LiveResource {
                tags: declared.tags.clone().into(),
                outputs: json!({ "arn": format!("arn:{}", declared.address.name) }).into(),
                ..LiveResource::ready("security_group", format!("sg-{}", declared.address.name), spec)
            }
        };
        let all: Vec<LiveResource> = stack_of(groups).resources.values().map(live).collect();
        assert!(all.iter().all(|one| [STACK_TAG, ENVIRONMENT_TAG, ADDRESS_TAG].iter().all(|key| one.tags.contains_key(*key))));
        LiveState { live: [("security_group", all)].into(), ..LiveState::default() }
    }

    /// Existing groups by address and whether they are new, and those that they refer to.
    type Existing = BTreeMap<(Address, bool), BTreeSet<(Address, bool)>>;

    fn named_groups(spec: &serde_json::Value, id: impl Fn(&str) -> Option<(Address, bool)>) -> BTreeSet<(Address, bool)> {
        let mut found = BTreeSet::new();
        expression::for_each_string(&spec["ingress"], &mut |text| found.extend(id(text)));
        found
    }

    /// Runs the steps of a graph in this order, and refuses what AWS refuses.
    fn run(plan: &Plan, stack: &Stack, graph: &DiGraph<Step, ()>, order: &[NodeIndex], existing: &mut Existing) -> Result<(), String> {
        let is_new = |address: &Address| {
            plan.changes.iter().any(|change| change.address == *address && matches!(change.action, Action::Create | Action::Replace))
        };
        for node in order {
            let Step { change, op, .. } = graph[*node];
            let change = &plan.changes[change];
            let wanted = || {
                let spec = &stack.resources[&change.address].spec;
                named_groups(spec, |text| {
                    let reference = expression::references(text).into_iter().next()?;
                    let address = Address::new(reference.type_name, reference.name);
                    Some((address.clone(), is_new(&address)))
                })
            };
            let (new, old) = ((change.address.clone(), is_new(&change.address)), (change.address.clone(), false));
            match op {
                Op::Create if change.attach.is_empty() => drop(existing.insert(new, wanted())),
                Op::Create => drop(existing.insert(new, BTreeSet::new())),
                Op::Update if !change.attach.is_empty() => {}
                Op::Update | Op::Attach => {
                    let entry = existing.get_mut(&new).ok_or_else(|| format!("{op} of {new:?}, which does not exist"))?;
                    *entry = wanted();
                }
                Op::Detach => drop(existing.insert(old, BTreeSet::new())),
                Op::Delete => {
                    existing.remove(&old);
                }
                Op::Prune | Op::Forget => return Err(format!("unexpected {op}")),
            }
            for (user, used) in existing.iter() {
                if let Some(missing) = used.iter().find(|one| !existing.contains_key(one)) {
                    return Err(format!("after {op} of {}, {user:?} refers to {missing:?}", change.address));
                }
            }
        }
        Ok(())
    }

    fn group() -> impl Strategy<Value = Group> {
        let others = || proptest::collection::btree_set(0..6_usize, 0..4);
        (others(), others(), any::<bool>(), any::<bool>()).prop_map(|(rules, depends_on, description, named)| Group {
            rules,
            depends_on: depends_on.into_iter().filter(|_| description).collect(),
            description,
            named,
        })
    }

    /// g4 is replaced under the same name, so g3, which uses it, is deleted before; g1 uses g3 until it can use the new g4.
    #[test]
    fn refuses_a_replacement_that_a_dependent_can_follow_only_afterwards() {
        let group =
            |rules: &[usize], description| Group { rules: rules.iter().copied().collect(), description, named: true, ..Group::default() };
        let before = live_state_of(&[(1, group(&[3], false)), (3, group(&[4], true)), (4, group(&[], true))].into());
        let stack = stack_of(&[(1, group(&[4], false)), (4, group(&[], false))].into());
        let plan = plan(&stack, &before, Goal::Apply, "eu-west-1", "123456789012");
        let obstacles: Vec<String> = plan.obstacles.iter().map(|obstacle| format!("{}: {}", obstacle.code, obstacle.address)).collect();
        assert_eq!(obstacles, ["held: security_group.g3"]);
    }

    /// g1 is replaced under the same name, and g4 can only follow it after g3, which needs the new g1.
    #[test]
    fn refuses_a_replacement_that_a_dependent_of_a_dependent_needs_first() {
        let group = |rules: &[usize], depends_on: &[usize], description| Group {
            rules: rules.iter().copied().collect(),
            depends_on: depends_on.iter().copied().collect(),
            description,
            named: true,
        };
        let before = live_state_of(&[(1, group(&[], &[], false)), (4, group(&[1], &[], false))].into());
        let after = [(1, group(&[], &[], true)), (3, group(&[], &[1], true)), (4, group(&[], &[3], false))];
        let stack = stack_of(&after.into());
        let plan = plan(&stack, &before, Goal::Apply, "eu-west-1", "123456789012");
        let obstacles: Vec<String> = plan.obstacles.iter().map(|obstacle| format!("{}: {}", obstacle.code, obstacle.address)).collect();
        assert_eq!(obstacles, ["held: security_group.g1"]);
    }

    proptest! {
        // `PROPTEST_CASES` sets a larger number.
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]
        /// In every order that the graphs allow, all references exist when they are set, and none to what is deleted remains.
        #[test]
        fn every_plan_is_acyclic_and_sets_every_reference(
            before in proptest::collection::btree_map(0..6_usize, group(), 0..6),
            after in proptest::collection::btree_map(0..6_usize, group(), 0..6),
            destroy in proptest::bool::weighted(0.2),
        ) {
            let (stack, live_state) = (stack_of(&after), live_state_of(&before));
            let goal = if destroy { Goal::Destroy } else { Goal::Apply };
            let plan = plan(&stack, &live_state, goal, "eu-west-1", "123456789012");
            prop_assert!(!is_cyclic_directed(&plan.apply) && !is_cyclic_directed(&plan.clean_up));
            prop_assume!(plan.obstacles.is_empty());
            let orders = |graph: &DiGraph<Step, ()>| {
                let forward = toposort(graph, None).expect("it is acyclic");
                let mut backward = toposort(Reversed(graph), None).expect("it is acyclic");
                backward.reverse();
                [forward, backward]
            };
            for (apply, clean_up) in orders(&plan.apply).iter().zip(orders(&plan.clean_up).iter()) {
                let mut existing = Existing::new();
                for live in live_state.iter() {
                    let address = |id: &str| id.strip_prefix("sg-").map(|name| (Address::new("security_group", name), false));
                    existing.insert(address(&live.id).expect("a group"), named_groups(&live.spec, address));
                }
                let ended = run(&plan, &stack, &plan.apply, apply, &mut existing)
                    .and_then(|()| run(&plan, &stack, &plan.clean_up, clean_up, &mut existing));
                prop_assert_eq!(ended, Ok(()));
                let wanted = if destroy { 0 } else { stack.resources.len() };
                prop_assert_eq!(existing.len(), wanted);
                for ((address, _), used) in &existing {
                    let references = stack.resources[address].spec["ingress"].as_array().map(Vec::len);
                    prop_assert_eq!(Some(used.len()), references, "{}", address);
                }
            }
        }
    }
}
