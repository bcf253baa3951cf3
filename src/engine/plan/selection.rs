//! Plans for some resources only: `--only` and `--except`, with what belongs to the chosen changes.
//!
//! A chosen change takes along the changes that it needs, and one that is left out takes along those that need it: what is applied works
//! without the rest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Action, Change, Reason,
    live_dependents::{live_dependents, updated_dependents},
    planner::Planner,
    selector::Selector,
};
use crate::{core::Address, definition::Stack};

/// Resources that a user chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Resources to change; empty: all.
    pub only: BTreeSet<Selector>,
    /// Resources to leave as they are.
    pub except: BTreeSet<Selector>,
    /// Addresses to replace, even if they match the definition.
    pub replace: BTreeSet<Address>,
}

impl Selection {
    /// Whether it is a plan for everything.
    pub fn is_empty(&self) -> bool {
        *self == Selection::default()
    }
    /// Whether some changes can be left out.
    pub fn is_partial(&self) -> bool {
        !self.only.is_empty() || !self.except.is_empty()
    }
}

/// What a [`Selection`] made of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PartialPlan {
    /// What the user chose.
    #[serde(flatten)]
    pub selection: Selection,
    /// Changes that belong to the chosen ones, each with the address that takes it along.
    pub included: BTreeMap<Address, Address>,
    /// Changes that are left out because they need one of [`Selection::except`], each with that one.
    pub excluded: BTreeMap<Address, Address>,
    /// All changes that are left out, with what a complete plan does.
    pub left_out: BTreeMap<Address, Action>,
}

/// Pairs of changes: the second needs the first.
struct Needs {
    /// By dependent.
    needed: BTreeMap<Address, BTreeSet<Address>>,
    /// By dependency.
    dependents: BTreeMap<Address, BTreeSet<Address>>,
}

impl Needs {
    fn of(stack: &Stack, changes: &BTreeMap<Address, Box<Change>>) -> Needs {
        let mut needs = Needs { needed: BTreeMap::new(), dependents: BTreeMap::new() };
        let is_changed = |address: &Address| changes.get(address).is_some_and(|change| change.action != Action::None);
        let leaves = |address: &Address| matches!(changes.get(address).map(|change| change.action), Some(Action::Delete | Action::Forget));
        // What comes needs what it refers to, also through what stays as it is.
        for address in changes.keys().filter(|address| is_changed(address) && !leaves(address)) {
            for dependency in dependencies(stack, address).into_iter().filter(|dependency| is_changed(dependency)) {
                needs.add(&dependency, address);
            }
        }
        // What leaves needs that its dependents leave first; and what is replaced, that they get another.
        let all: Vec<Change> = changes.values().map(|change| (**change).clone()).collect();
        for (used, user) in live_dependents(stack, &all).into_iter().chain(updated_dependents(&all)) {
            needs.add(&all[user].address, &all[used].address);
        }
        let replaced = changes.values().filter(|change| change.action == Action::Replace).map(|change| &change.address);
        for replaced in replaced.collect::<BTreeSet<_>>() {
            let follows = |address: &&Address| {
                is_changed(address) && stack.resources.get(address).is_some_and(|declared| declared.depends_on.contains(replaced))
            };
            for dependent in changes.keys().filter(follows) {
                needs.add(dependent, replaced);
            }
        }
        needs
    }

    fn add(&mut self, dependency: &Address, dependent: &Address) {
        if dependency != dependent {
            self.needed.entry(dependent.clone()).or_default().insert(dependency.clone());
            self.dependents.entry(dependency.clone()).or_default().insert(dependent.clone());
        }
    }
}

/// All that a declared resource refers to, and what that refers to.
fn dependencies(stack: &Stack, address: &Address) -> BTreeSet<Address> {
    let (mut found, mut open) = (BTreeSet::new(), vec![address]);
    while let Some(next) = open.pop() {
        for dependency in stack.resources.get(next).into_iter().flat_map(|declared| &declared.depends_on) {
            if found.insert(dependency.clone()) {
                open.push(dependency);
            }
        }
    }
    found.remove(address);
    found
}

/// All that can be reached from some addresses, besides these, each with the one from which.
fn reachable(from: &BTreeSet<Address>, edges: &BTreeMap<Address, BTreeSet<Address>>) -> BTreeMap<Address, Address> {
    let mut found = BTreeMap::new();
    let mut open: Vec<(&Address, &Address)> = from.iter().map(|address| (address, address)).collect();
    while let Some((next, origin)) = open.pop() {
        for reached in edges.get(next).into_iter().flatten() {
            if !from.contains(reached) && !found.contains_key(reached) {
                found.insert(reached.clone(), origin.clone());
                open.push((reached, origin));
            }
        }
    }
    found
}

impl Planner<'_> {
    /// Leaves out the changes that are not chosen. `None` for a plan of everything.
    pub(super) fn select(&mut self, selection: &Selection) -> Option<PartialPlan> {
        if !selection.is_partial() {
            return None;
        }
        let needs = Needs::of(self.stack, &self.changes);
        let mut partial = PartialPlan { selection: selection.clone(), ..PartialPlan::default() };
        let known: BTreeSet<&Address> = self.changes.keys().collect();
        let expand = |selectors: &BTreeSet<Selector>| -> BTreeSet<Address> {
            selectors.iter().flat_map(|selector| selector.expand(self.stack, &known)).collect()
        };
        let (only, except) = (expand(&selection.only), expand(&selection.except));
        if !selection.only.is_empty() {
            partial.included = reachable(&only, &needs.needed);
        }
        partial.excluded = reachable(&except, &needs.dependents);
        let is_chosen = |address: &Address| {
            let is_wanted = selection.only.is_empty() || only.contains(address) || partial.included.contains_key(address);
            is_wanted && !except.contains(address) && !partial.excluded.contains_key(address)
        };
        let changed = self.changes.values().filter(|change| change.action != Action::None);
        let left_out = changed.filter(|change| !is_chosen(&change.address)).map(|change| (change.address.clone(), change.action));
        let left_out: BTreeMap<Address, Action> = left_out.collect();
        partial.included.retain(|address, _| !left_out.contains_key(address));
        for address in left_out.keys() {
            self.leave_out(address);
        }
        self.obstacles.retain(|obstacle| !left_out.contains_key(&obstacle.address));
        partial.left_out = left_out;
        Some(partial)
    }

    /// Keeps a resource as it is.
    fn leave_out(&mut self, address: &Address) {
        self.desired.remove(address);
        let Some(change) = self.changes.get_mut(address) else { return };
        let Some(live) = &change.before else {
            self.changes.remove(address);
            self.name_overrides.remove(address);
            return;
        };
        let has_name = |name: &String| live.spec.get("name").and_then(Value::as_str) == Some(name);
        if !self.name_overrides.get(address).is_some_and(has_name) {
            self.name_overrides.remove(address);
        }
        **change = Change {
            action: Action::None,
            reason: Reason::NotSelected,
            fields: Vec::new(),
            tags: None,
            moved_from: None,
            replacement_order: None,
            dormant: None,
            impact: Vec::new(),
            irreversible: None,
            exchanged_with: BTreeSet::new(),
            region: live.region.clone(),
            ..(**change).clone()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(names: &[&str]) -> BTreeSet<Address> {
        names.iter().map(|name| Address::new("vpc", *name)).collect()
    }

    #[test]
    fn reaches_through_several_edges_and_cycles() {
        let edges: BTreeMap<Address, BTreeSet<Address>> = [("a", vec!["b"]), ("b", vec!["c", "a"]), ("d", vec!["a"])]
            .into_iter()
            .map(|(from, to)| (Address::new("vpc", from), addresses(&to)))
            .collect();
        let found = reachable(&addresses(&["a"]), &edges);
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), addresses(&["b", "c"]));
        assert!(found.values().all(|origin| *origin == Address::new("vpc", "a")));
    }
}
