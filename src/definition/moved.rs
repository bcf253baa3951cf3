//! Resources that have another address by now, and those that leave the stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Stack,
    compiler::{Compiler, describe_type},
    diagnostic::Diagnostic,
    source::child_pointer,
};
use crate::{
    aws::types::{RESOURCE_TYPES, resource_type},
    core::{Address, nearest},
};

/// Reads the addresses of resources whose keys have changed.
pub(super) fn parse_moved(c: &mut Compiler<'_>, document: &Map<String, Value>, stack: &Stack) -> BTreeMap<Address, Address> {
    let mut moved = BTreeMap::new();
    for (from, to) in c.top_level_map(document, "moved").into_iter().flatten() {
        let at = child_pointer("/moved", from);
        let (old, new) = (Address::parse(from), to.as_str().and_then(Address::parse));
        let unknown = old.iter().map(|old| (old, true)).chain(new.iter().map(|new| (new, false)));
        let unknown = unknown.map(|(address, is_old)| (&address.type_name, is_old)).find(|(name, _)| resource_type(name).is_none());
        if let Some((name, is_old)) = unknown {
            let range = if is_old { c.key_range(&at) } else { c.value_range(&at) };
            let help = nearest::suggestion(name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
            c.problems.push(Diagnostic::new("moved", format!("there is no resource type `{name}`")).at(range).help(help));
            continue;
        }
        match old.zip(new) {
            Some((old, new)) if old.type_name != new.type_name => {
                c.problem("moved", &at, format!("`{old}` and `{new}` have different types"), "a resource keeps its type");
            }
            Some((old, _)) if stack.resources.contains_key(&old) => {
                c.problem_at_key("moved", &at, format!("`{old}` is still declared"), "remove it, or this line");
            }
            Some((_, new)) if !stack.resources.contains_key(&new) => {
                c.problem("moved", &at, format!("there is no resource `{new}`"), "write the address of a declared resource: `vpc.main`");
            }
            Some((old, new)) => drop(moved.insert(old, new)),
            None => c.problem("moved", &at, "a move is from an address to an address", "write `moved: { vpc.old: vpc.new }`"),
        }
    }
    moved
}

/// Reads the addresses of resources that leave the stack and stay in AWS.
pub(super) fn parse_forget(c: &mut Compiler<'_>, document: &Map<String, Value>, stack: &Stack) -> BTreeSet<Address> {
    let list = match document.get("forget").map(|value| c.render(value, "/forget")) {
        None | Some(Value::Null) => return BTreeSet::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let message = format!("`forget` must be a list of addresses, not {}", describe_type(&other));
            c.problem("forget", "/forget", message, "write `forget: [vpc.main]`");
            return BTreeSet::new();
        }
    };
    let mut forget = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let at = format!("/forget/{index}");
        let Some(address) = item.as_str().and_then(Address::parse) else {
            c.problem("forget", &at, "this is not a valid address", "write addresses: `forget: [vpc.main]`");
            continue;
        };
        let Some(kind) = resource_type(&address.type_name) else {
            let help = nearest::suggestion(&address.type_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
            c.problem("forget", &at, format!("there is no resource type `{}`", address.type_name), help);
            continue;
        };
        if stack.resources.contains_key(&address) {
            c.problem("forget", &at, format!("`{address}` is still declared"), "remove its declaration, or this line");
        } else if !kind.is_adoptable() {
            let message = format!("a {} has no ownership tags of its own, so acme can't forget it", kind.name.replace('_', " "));
            c.problem("forget", &at, message, "forget the resource that contains it");
        } else {
            forget.insert(address);
        }
    }
    forget
}
