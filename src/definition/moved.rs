//! Resources that have another address by now, and those that leave the stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Stack,
    compiler::{Compiler, describe_type},
    sections::{SECTION_NAMES, resolve_reference},
    source::child_pointer,
};
use crate::{
    aws::types::{RESOURCE_TYPES, resource_type},
    core::{Address, nearest},
};

/// Form of an entry under `moved`.
const MOVED_FORM: &str = "write `moved: { vpc.old: vpc.new }`";

/// Reads the addresses of resources whose keys have changed. A chain (`a: b` and `b: c`) is a move from each of its addresses to the last one.
pub(super) fn parse_moved(c: &mut Compiler<'_>, document: &Map<String, Value>, stack: &Stack) -> BTreeMap<Address, Address> {
    let mut written: BTreeMap<Address, (Address, String)> = BTreeMap::new();
    for (from, to) in c.top_level_map(document, "moved").into_iter().flatten() {
        let at = child_pointer("/moved", from);
        let text = to.as_str().unwrap_or_default();
        let (Some(old), Some(new)) = (Address::parse(from), Address::parse(text)) else {
            c.problem("moved", &at, "a move is from an address to an address", MOVED_FORM);
            continue;
        };
        if let Some((message, help)) = invalid_address(&old) {
            c.problem_at_key("moved", &at, message, help);
        } else if let Some((message, help)) = invalid_address(&new) {
            c.problem("moved", &at, message, help);
        } else if old.type_name != new.type_name {
            c.problem("moved", &at, format!("`{old}` and `{new}` have different types"), "a resource keeps its type");
        } else if stack.resources.contains_key(&old) {
            c.problem_at_key("moved", &at, format!("`{old}` is still declared"), "remove it, or this line");
        } else {
            written.insert(old, (new, at));
        }
    }
    report_ambiguous(c, &written);
    let mut moved = BTreeMap::new();
    for (old, (new, at)) in &written {
        let (mut last, mut seen) = (new, BTreeSet::from([old]));
        while let Some((next, _)) = written.get(last).filter(|_| seen.insert(last)) {
            last = next;
        }
        if stack.resources.contains_key(last) {
            moved.insert(old.clone(), last.clone());
        } else if seen.contains(last) {
            c.problem_at_key("moved", at, format!("`{old}` moves in a circle"), "end with the address of a declared resource");
        } else if last == new {
            let of_type = stack.resources.keys().filter(|address| address.type_name == new.type_name).map(ToString::to_string);
            let names: Vec<String> = of_type.collect();
            let help = nearest::suggestion(&new.to_string(), "addresses", names.iter().map(String::as_str));
            c.problem("moved", at, format!("there is no resource `{new}`"), help);
        }
    }
    moved
}

/// Reports moves of several resources to one address, at each line.
fn report_ambiguous(c: &mut Compiler<'_>, written: &BTreeMap<Address, (Address, String)>) {
    let mut by_target: BTreeMap<&Address, Vec<(&Address, &String)>> = BTreeMap::new();
    for (old, (new, at)) in written {
        by_target.entry(new).or_default().push((old, at));
    }
    for (new, sources) in by_target.into_iter().filter(|(_, sources)| sources.len() > 1) {
        let names: Vec<String> = sources.iter().map(|(old, _)| format!("`{old}`")).collect();
        for (_, at) in &sources {
            let message = format!("ambiguous move: {} can't all become `{new}`", names.join(" and "));
            c.problem(
                "ambiguous-move",
                at,
                message,
                "keep the line of the resource that is meant; the others are deleted, or need `forget:`",
            );
        }
    }
}

/// Message and remedy for a text that is no address of one resource: a pattern, an entry of a section, or an unknown type.
fn invalid_address(address: &Address) -> Option<(String, String)> {
    if resource_type(&address.type_name).is_some() {
        return None;
    }
    if SECTION_NAMES.contains(&address.type_name.as_str()) {
        let name: Vec<&str> = address.name.split('.').collect();
        let parts: Vec<&str> = [address.type_name.as_str()].into_iter().chain(name).chain(["id"]).collect();
        let known = resolve_reference(&parts).filter(|(kind, _, _)| resource_type(kind).is_some());
        let help = known.map_or_else(
            || "`acme show --expanded` lists the addresses of its resources".to_owned(),
            |(kind, name, _)| format!("write `{kind}.{name}`"),
        );
        return Some((format!("`{address}` is an entry of a section, not the address of a resource"), help));
    }
    if address.type_name == "modules" {
        let help = "write the address of each of its resources, such as `sqs_queue.mail-jobs`; `acme show --expanded` lists them";
        return Some((format!("`{address}` is a module, not the address of a resource"), help.to_owned()));
    }
    let help = nearest::suggestion(&address.type_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
    Some((format!("there is no resource type `{}`", address.type_name), help))
}

/// Reads the addresses of resources that leave the stack and stay in AWS, each with its pointer into the definition.
pub(super) fn parse_forget(c: &mut Compiler<'_>, document: &Map<String, Value>, stack: &Stack) -> BTreeMap<Address, String> {
    let list = match document.get("forget").map(|value| c.render(value, "/forget")) {
        None | Some(Value::Null) => return BTreeMap::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let message = format!("`forget` must be a list of addresses, not {}", describe_type(&other));
            c.problem("forget", "/forget", message, "write `forget: [vpc.main]`");
            return BTreeMap::new();
        }
    };
    let mut forget = BTreeMap::new();
    for (index, item) in list.iter().enumerate() {
        let at = format!("/forget/{index}");
        let Some(address) = item.as_str().and_then(Address::parse) else {
            c.problem("forget", &at, "this is not a valid address", "write addresses: `forget: [vpc.main]`");
            continue;
        };
        if let Some((message, help)) = invalid_address(&address) {
            c.problem("forget", &at, message, help);
            continue;
        }
        let Some(kind) = resource_type(&address.type_name) else { continue };
        // The key of a record can begin with the label `*`.
        if address.name.contains('*') && !address.name.starts_with("*.") {
            let message = format!("`{address}` is a pattern: `forget` has addresses only, so that it lets go of nothing by mistake");
            c.problem("forget", &at, message, "list each address; `acme show --live` prints them");
        } else if stack.resources.contains_key(&address) {
            c.problem("forget", &at, format!("`{address}` is still declared"), "remove its declaration, or this line");
        } else if let Some(new) = stack.moved.get(&address) {
            c.problem("forget", &at, format!("`{address}` moves to `{new}`"), "remove this line, or the one under `moved`");
        } else if !kind.is_adoptable() {
            let message = format!("a {} has no ownership tags of its own, so acme can't forget it", kind.name.replace('_', " "));
            c.problem("forget", &at, message, "forget the resource that contains it: its parts leave with it");
        } else {
            forget.insert(address, at);
        }
    }
    forget
}
