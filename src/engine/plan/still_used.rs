//! Deletions of what something that stays still refers to.
//!
//! Nothing is deleted to which a resource refers that stays in AWS, by the spec that the plan leaves it with. A key or secret is kept if data
//! needs it that stays: retained data, a final snapshot, or the contents of a bucket that get another key.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Action, Change, Obstacle, Reason, planner::Planner, references::is_generated};
use crate::{
    aws::types::resource_type,
    core::{Address, DataProtection, LiveResource, OnDelete},
};

/// A resource that a plan deletes, and one that needs it.
struct Use<'a> {
    used: &'a Address,
    user: &'a Address,
    /// Name of the field that refers to it.
    field: String,
    kind: UseKind,
}

/// Reason why a resource is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UseKind {
    /// The user stays in the stack.
    Stays,
    /// The user stays in AWS.
    Retained,
    /// Data of the user stays.
    Data,
}

impl Planner<'_> {
    /// Keeps the keys and secrets that data needs, and adds obstacles for other deletions of what is still used.
    pub(super) fn protect_what_is_still_used(&mut self) {
        let leaving = Leaving::of(self);
        if leaving.is_empty() {
            return;
        }
        let mut kept: BTreeMap<Address, Address> = BTreeMap::new();
        let mut obstacles: BTreeMap<Address, Obstacle> = BTreeMap::new();
        for found in self.uses(&leaving) {
            let has_window =
                resource_type(&found.used.type_name).is_some_and(|kind| kind.data_protection == DataProtection::RecoveryWindow);
            match found.kind {
                UseKind::Retained | UseKind::Data if has_window => {
                    kept.entry(found.used.clone()).or_insert_with(|| found.user.clone());
                }
                UseKind::Data => {}
                UseKind::Stays | UseKind::Retained => {
                    obstacles.entry(found.used.clone()).or_insert_with(|| self.obstacle(&found));
                }
            }
        }
        drop(leaving);
        self.obstacles.extend(obstacles.into_values());
        for (address, by) in kept {
            let Some(change) = self.changes.get_mut(&address) else { continue };
            change.irreversible = None;
            if change.action == Action::Delete {
                (change.action, change.reason) = (Action::Forget, Reason::StillNeeded { by });
            } else {
                change.kept_for = Some(by);
            }
        }
    }

    fn obstacle(&self, found: &Use<'_>) -> Obstacle {
        let Use { used, user, field, kind } = found;
        let replaced = self.changes.get(*used).is_some_and(|change| change.action == Action::Replace);
        let goes = if replaced { "is replaced" } else { "is deleted" };
        let (message, help) = match kind {
            UseKind::Retained => (
                format!("`{used}` {goes}, but `{user}`, which stays in AWS, uses it (`{field}`)"),
                format!("keep `{used}`, or set another `on_delete` on `{user}`"),
            ),
            _ => (
                format!("`{used}` {goes}, but `{user}` still uses it (`{field}`)"),
                format!("set `{field}` of `{user}` to something else and apply that first, or keep `{used}`"),
            ),
        };
        Obstacle { code: "in-use", address: (*used).clone(), message, help, location: None, adoptable: None, other: Some((*user).clone()) }
    }

    /// All uses of what leaves by what stays.
    fn uses<'a>(&'a self, leaving: &Leaving<'a>) -> Vec<Use<'a>> {
        let mut uses = Vec::new();
        for (user, change) in &self.changes {
            let mut add = |spec: &Value, kind: UseKind| {
                for (field, used) in leaving.used_by(user, spec) {
                    if used != user && !uses.iter().any(|known: &Use<'_>| (known.used, known.user, known.kind) == (used, user, kind)) {
                        uses.push(Use { used, user, field, kind });
                    }
                }
            };
            let live = change.before.as_ref();
            let protection = resource_type(&user.type_name).map_or(DataProtection::None, |kind| kind.data_protection);
            match change.action {
                Action::None => live.into_iter().for_each(|live| add(&live.spec, UseKind::Stays)),
                Action::Forget => live.into_iter().for_each(|live| add(&live.spec, UseKind::Retained)),
                Action::Update => {
                    if let Some(live) = live {
                        // Its objects and messages are encrypted with the old key.
                        if protection == DataProtection::Contents {
                            add(&live.spec, UseKind::Data);
                        }
                        self.spec_after_update(user, live).into_iter().for_each(|spec| add(&spec, UseKind::Stays));
                    }
                }
                Action::Create | Action::Replace => self.desired.get(user).into_iter().for_each(|spec| add(spec, UseKind::Stays)),
                Action::Delete => {}
            }
            let leaves_snapshot = matches!(change.action, Action::Delete | Action::Replace)
                && (protection, change.on_delete) == (DataProtection::Snapshot, OnDelete::Snapshot);
            if let Some(live) = live.filter(|_| leaves_snapshot) {
                add(&live.spec, UseKind::Data);
            }
        }
        uses
    }

    /// Whether a replacement has the id of the old resource, so that references to it stay valid.
    fn keeps_id(&self, change: &Change, live: &LiveResource) -> bool {
        let new = resource_type(&live.type_name)
            .and_then(|kind| self.determined_output(&change.address, kind, self.desired.get(&change.address)?, "id"));
        new.is_some_and(|id| id == *live.id)
    }
}

/// The resources that a plan deletes, by the texts that stand for them.
struct Leaving<'a> {
    /// Ids: references have them.
    by_id: HashMap<(&'a str, &'a str), &'a Address>,
    /// ARNs, generated ids and host names, which identify one resource wherever they stand.
    by_handle: HashMap<&'a str, &'a Address>,
}

impl<'a> Leaving<'a> {
    fn of(planner: &'a Planner<'_>) -> Leaving<'a> {
        let mut leaving = Leaving { by_id: HashMap::new(), by_handle: HashMap::new() };
        for (address, change) in &planner.changes {
            let Some(live) = &change.before else { continue };
            let leaves = match change.action {
                // What takes its place has the same domain.
                _ if !change.exchanged_with.is_empty() => false,
                Action::Delete => true,
                Action::Replace => !planner.keeps_id(change, live),
                _ => false,
            };
            if !leaves {
                continue;
            }
            for text in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
                leaving.by_id.insert((&address.type_name, text), address);
            }
            // Ids among the outputs are those of other resources: the VPC of a cluster.
            let outputs = live.outputs.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
            let own = outputs.filter(|text| is_host(text)).chain(live.arn()).chain(is_generated(&live.id).then_some(live.id.as_str()));
            for text in own {
                leaving.by_handle.insert(text, address);
            }
        }
        leaving
    }

    fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Resources to which the spec of another one refers, each with the field.
    fn used_by(&self, user: &Address, spec: &Value) -> Vec<(String, &'a Address)> {
        let mut found = Vec::new();
        let references = resource_type(&user.type_name).map(|kind| kind.references(spec)).unwrap_or_default();
        for reference in &references {
            let used = self.by_id.get(&(reference.type_name.as_str(), reference.value.as_str()));
            found.extend(used.map(|used| (reference.path.clone(), *used)));
        }
        for (field, value) in spec.as_object().into_iter().flatten() {
            self.collect(value, &mut |used| {
                if !found.iter().any(|(_, known)| *known == used) {
                    found.push((field.clone(), used));
                }
            });
        }
        found
    }

    fn collect(&self, value: &Value, found: &mut impl FnMut(&'a Address)) {
        match value {
            Value::String(text) => self.by_handle.get(text.as_str()).into_iter().for_each(|used| found(used)),
            Value::Array(list) => list.iter().for_each(|value| self.collect(value, found)),
            // AWS allows policies to name what does not exist.
            Value::Object(map) if map.contains_key("Statement") => {}
            Value::Object(map) => map.values().for_each(|value| self.collect(value, found)),
            _ => {}
        }
    }
}

/// Whether a text is a host name.
fn is_host(text: &str) -> bool {
    text.contains('.') && text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.contains([' ', ':', '/'])
}
