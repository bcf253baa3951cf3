//! Lines under `forget` and `moved` that name no resource of the stack, and resources that may have moved without such a line.

use std::collections::BTreeSet;

use super::{Action, Goal, Obstacle, planner::Planner};
use crate::{
    core::{Address, nearest::nearest},
    definition::{Stack, child_pointer},
    engine::discover::LiveState,
};

/// Maximum number of addresses in a sentence.
const MAX_LISTED: usize = 5;

impl Planner<'_> {
    /// Adds an obstacle for each address under `forget` and `moved` that may be a typo, because the plan deletes a resource of its type, and for
    /// each move to an address that is taken. Returns notes about addresses under `forget` that have no effect.
    pub(super) fn check_unmatched(&mut self, live_state: &LiveState, goal: Goal) -> Vec<String> {
        // A run that forgot, moved or deleted it is unfinished.
        let known_ids = &live_state.hints.known_ids;
        let (mut notes, mut obstacles) = (Vec::new(), Vec::new());
        for address in self.stack.forget.keys().filter(|address| !self.matched.live.contains_key(*address)) {
            let deleted = if known_ids.contains_key(address) { BTreeSet::new() } else { self.undeclared_deletions(address) };
            if deleted.is_empty() && goal == Goal::Destroy {
                continue;
            }
            if deleted.is_empty() {
                notes.push(format!("`forget` has `{address}`, but the stack has no such resource: the line can be removed"));
            } else {
                let remedy = format!("if `{address}` left the stack before, remove the line");
                obstacles.push(unmatched_obstacle("forget", address, &deleted, &remedy));
            }
        }
        for (from, to) in self.stack.moved.iter().filter(|_| goal == Goal::Apply) {
            let is_interrupted = |id: Option<&String>| known_ids.contains_key(from) || known_ids.values().any(|known| Some(known) == id);
            match (self.matched.live.get(from), self.matched.live.get(to)) {
                (None, None) if !is_interrupted(None) && self.has_action(to, Action::Create) => {
                    let deleted = self.undeclared_deletions(from);
                    if !deleted.is_empty() {
                        let remedy = format!("if `{to}` is a new resource, remove the line");
                        obstacles.push(unmatched_obstacle("moved", from, &deleted, &remedy));
                    }
                }
                (Some(old), Some(new)) if !is_interrupted(Some(&old.id)) && self.has_action(from, Action::Delete) => {
                    obstacles.push(Obstacle {
                        code: "ambiguous-move",
                        address: to.clone(),
                        message: format!("`{from}` ({}) can't become `{to}`, which exists ({}), and would be deleted", old.id, new.id),
                        help: format!(
                            "to delete `{from}`, remove its line under `moved`; to keep it in AWS, list it under `forget` instead"
                        ),
                        location: None,
                        adoptable: None,
                        other: None,
                    });
                }
                _ => {}
            }
        }
        self.obstacles.extend(obstacles);
        notes
    }

    /// Resources of the type of `address` that are deleted because the definition does not declare them.
    fn undeclared_deletions(&self, address: &Address) -> BTreeSet<Address> {
        let changes = self.changes.values().filter(|change| change.action == Action::Delete && change.leftover_stage.is_none());
        let of_type = changes.map(|change| &change.address).filter(|other| other.type_name == address.type_name);
        of_type.filter(|other| !self.stack.resources.contains_key(*other)).cloned().collect()
    }

    fn has_action(&self, address: &Address, action: Action) -> bool {
        self.changes.get(address).is_some_and(|change| change.action == action)
    }

    /// Warning about resources that are deleted while others with the same fields are created.
    pub(super) fn look_alike_warning(&self) -> Option<String> {
        let is_pair = |(from, to): &&(Address, Address)| self.has_action(from, Action::Delete) && self.has_action(to, Action::Create);
        let pairs: Vec<&(Address, Address)> = self.matched.look_alikes.iter().filter(is_pair).collect();
        let mut lines: Vec<String> = pairs.iter().take(MAX_LISTED).map(|(from, to)| format!("{from}: {to}")).collect();
        if pairs.len() > MAX_LISTED {
            lines.push("…".to_owned());
        }
        let lines = lines.join(", ");
        match pairs.as_slice() {
            [] => None,
            [(from, to)] => Some(format!(
                "`{from}` is deleted, and `{to}` with the same fields is created. If it is the same resource, write `moved: {{ {lines} }}`."
            )),
            several => Some(format!(
                "{} resources are deleted, and others with the same fields are created. If they are the same resources, write `moved: {{ {lines} \
                 }}`.",
                several.len()
            )),
        }
    }
}

/// Obstacle for an address in the definition that the stack does not have, while others of its type are deleted.
fn unmatched_obstacle(key: &str, address: &Address, deleted: &BTreeSet<Address>, otherwise: &str) -> Obstacle {
    let names: Vec<String> = deleted.iter().map(ToString::to_string).collect();
    let near = nearest(&address.to_string(), names.iter().map(String::as_str));
    let help = match near {
        Some(name) => format!("did you mean `{name}`? {}", capitalized(otherwise)),
        None => format!("write the address of one that is deleted; {otherwise}"),
    };
    let mut list: Vec<String> = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect();
    if names.len() > MAX_LISTED {
        list.push(format!("{} more", names.len() - MAX_LISTED));
    }
    Obstacle {
        code: "unmatched",
        address: address.clone(),
        message: format!("`{key}` has `{address}`, which the stack does not have, and the plan deletes {}", list.join(", ")),
        help,
        location: None,
        adoptable: None,
        other: None,
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Pointer to the line of an address under `forget` or `moved`.
pub fn line_pointer(stack: &Stack, address: &Address) -> Option<String> {
    let moved = || stack.moved.contains_key(address).then(|| child_pointer("/moved", &address.to_string()));
    stack.forget.get(address).cloned().or_else(moved)
}
