//! Resources that AWS does not accept together: the facts `unique`, `unique_by_overlap` and `unique_entries`.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;
use serde_json::Value;

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic};
use crate::{
    aws::exclusive_uses,
    core::{OverlapKey, ResourceType, expression::references},
};

/// Values of the fields of a key, in a region.
type Key<'a> = (Option<&'a str>, Vec<&'a Value>);

/// Reports declared resources of a type that have a unique key in common. References are equal if their texts are.
pub fn check_unique_keys(c: &mut Compiler<'_>, stack: &Stack) {
    let mut by_type: BTreeMap<&str, Vec<&DesiredResource>> = BTreeMap::new();
    for declared in stack.resources.values() {
        by_type.entry(declared.resource_type.name).or_default().push(declared);
    }
    for resources in by_type.into_values().filter(|resources| resources.len() > 1) {
        let resource_type = resources[0].resource_type;
        let overlap = &resource_type.overlap_key;
        // Equal ranges overlap.
        let keys = resource_type.unique_keys.iter().filter(|key| overlap.as_ref().is_none_or(|overlap| !key.contains(&overlap.range)));
        for key in keys {
            check_key(c, resource_type, key, &resources);
        }
        for key in &resource_type.entry_keys {
            check_entries(c, key, &resources);
        }
        if let Some(overlap) = overlap {
            check_ranges(c, overlap, &resources);
        }
        check_conflicts(c, resource_type, &resources);
    }
    check_exclusive_uses(c, stack);
}

/// Checks that resources of different types don't use what only one can use.
fn check_exclusive_uses(c: &mut Compiler<'_>, stack: &Stack) {
    let mut users: BTreeMap<String, &DesiredResource> = BTreeMap::new();
    for declared in stack.resources.values() {
        for used in exclusive_uses(declared.resource_type, &declared.spec, distinguishing_region(declared)) {
            let used = plain(&Value::String(used));
            let Some(other) = users.insert(used.clone(), declared).filter(|other| other.address.type_name != declared.address.type_name)
            else {
                continue;
            };
            let message = format!("`{}` and `{}` both use `{used}`", other.address, declared.address);
            let place = c.value_range(&declared.pointer);
            c.problems.push(Diagnostic::new("duplicate-key", message).at(place).help(ONLY_ONE));
        }
    }
}

fn check_key(c: &mut Compiler<'_>, resource_type: &ResourceType, key: &[&str], resources: &[&DesiredResource]) {
    let ignores_case = key.contains(&"/name") && resource_type.naming.is_some_and(|naming| naming.ignore_case);
    let lowercase = |value: Option<&Value>| value.and_then(Value::as_str).map(|text| Value::String(text.to_lowercase()));
    let lowercase_names: Vec<Option<Value>> =
        resources.iter().map(|declared| lowercase(value_at(declared, "/name")).filter(|_| ignores_case)).collect();
    let mut seen: HashMap<Key<'_>, &DesiredResource> = HashMap::with_capacity(resources.len());
    for (declared, name) in resources.iter().zip(&lowercase_names) {
        let value = |pointer: &&str| if *pointer == "/name" && ignores_case { name.as_ref() } else { value_at(declared, pointer) };
        let Some(values) = key.iter().map(value).collect::<Option<Vec<_>>>() else { continue };
        let Some(other) = seen.insert((distinguishing_region(declared), values), declared) else { continue };
        let (one, two) = (&other.address, &declared.address);
        let problem = if resource_type.naming.is_some()
            && let Some(name) = key.iter().find(|pointer| **pointer == "/name").and_then(|pointer| value_at(declared, pointer))
        {
            let message = format!("`{one}` and `{two}` have the same physical name `{}`", plain(name));
            let place = c.value_range(&format!("{}/name", declared.pointer));
            Diagnostic::new("duplicate-name", message).at(place).help("set another `name`, or remove it to use a generated one")
        } else {
            let message = format!("`{one}` and `{two}` have the same {}", field_names(key));
            let written = key.iter().rev().find(|pointer| value_at(declared, pointer).is_some_and(|value| *value != ""));
            let place = c.value_range(&format!("{}{}", declared.pointer, written.copied().unwrap_or_default()));
            Diagnostic::new("duplicate-key", message).at(place).help(ONLY_ONE)
        };
        c.problems.push(problem);
    }
}

/// Remedy for resources that exclude each other.
const ONLY_ONE: &str = "AWS accepts only one of them: change or remove the other";

/// Checks a key of which each entry of a list is a value.
fn check_entries(c: &mut Compiler<'_>, key: &[&str], resources: &[&DesiredResource]) {
    let mut seen: HashMap<Key<'_>, &DesiredResource> = HashMap::new();
    for declared in resources {
        let mut combinations: Vec<Vec<&Value>> = vec![Vec::new()];
        for pointer in key {
            let values: Vec<&Value> = match value_at(declared, pointer) {
                Some(Value::Array(list)) => list.iter().collect(),
                one => one.into_iter().collect(),
            };
            let mut longer = Vec::new();
            for known in &combinations {
                longer.extend(values.iter().map(|value| [known.as_slice(), &[*value]].concat()));
            }
            combinations = longer;
        }
        for combination in combinations {
            let list = key.iter().zip(&combination).rev().find(|(pointer, _)| declared.spec.pointer(pointer).is_some_and(Value::is_array));
            let before = seen.insert((distinguishing_region(declared), combination.clone()), declared);
            let (Some(other), Some((list, entry))) = (before, list) else { continue };
            let (one, two) = (&other.address, &declared.address);
            let others: Vec<&str> = key.iter().copied().filter(|pointer| pointer != list).collect();
            let same = if others.is_empty() { String::new() } else { format!(" for the same {}", field_names(&others)) };
            let message = format!("`{one}` and `{two}` both have `{}` in {}{same}", plain(entry), field_names(&[list]));
            let place = c.value_range(&format!("{}{list}", declared.pointer));
            c.problems.push(Diagnostic::new("duplicate-key", message).at(place).help(ONLY_ONE));
        }
    }
}

/// Checks that ranges don't overlap, in one sorted sweep for each group of equal other fields.
fn check_ranges(c: &mut Compiler<'_>, key: &OverlapKey, resources: &[&DesiredResource]) {
    let mut groups: HashMap<Key<'_>, Vec<(IpNet, &DesiredResource)>> = HashMap::new();
    for declared in resources {
        let others = key.others.iter().map(|pointer| value_at(declared, pointer)).collect::<Option<Vec<_>>>();
        let range = value_at(declared, key.range).and_then(|value| value.as_str()?.parse().ok());
        if let Some((others, range)) = others.zip(range) {
            groups.entry((distinguishing_region(declared), others)).or_default().push((range, declared));
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|list| &list[0].1.address);
    for mut list in groups {
        list.sort_by_key(|(range, _)| (range.network(), range.prefix_len()));
        let mut widest: Option<(IpNet, &DesiredResource)> = None;
        for (range, declared) in list {
            if let Some((other_range, other)) = widest.filter(|(other, _)| other.broadcast() >= range.network()) {
                let message = format!("`{}` ({range}) overlaps `{}` ({other_range})", declared.address, other.address);
                let place = c.value_range(&format!("{}{}", declared.pointer, key.range));
                let noun = declared.resource_type.name.replace('_', " ");
                c.problems.push(Diagnostic::new("overlap", message).at(place).help(format!("give each {noun} its own range")));
            }
            if widest.is_none_or(|(other, _)| range.broadcast() > other.broadcast()) {
                widest = Some((range, declared));
            }
        }
    }
}

/// Checks that no two resources of a conflict group exclude each other.
fn check_conflicts(c: &mut Compiler<'_>, resource_type: &ResourceType, resources: &[&DesiredResource]) {
    let mut groups: BTreeMap<String, Vec<&DesiredResource>> = BTreeMap::new();
    for declared in resources {
        for group in resource_type.operations.conflict_groups(&declared.spec) {
            let region = distinguishing_region(declared).unwrap_or_default();
            groups.entry(format!("{group} {region}")).or_default().push(declared);
        }
    }
    for members in groups.into_values() {
        for (index, declared) in members.iter().enumerate() {
            let conflicts = |other: &&&DesiredResource| resource_type.operations.conflicts_with(&declared.spec, &other.spec);
            let Some(other) = members[..index].iter().find(conflicts) else { continue };
            let message = format!("`{}` can't exist beside `{}`", declared.address, other.address);
            let place = c.value_range(&declared.pointer);
            c.problems.push(Diagnostic::new("duplicate-key", message).at(place).help(ONLY_ONE));
        }
    }
}

/// Region of a resource, if resources in different regions can have the same key; `None` for the stack's.
fn distinguishing_region(declared: &DesiredResource) -> Option<&str> {
    declared.region.as_deref().filter(|_| declared.resource_type.has_names_by_region())
}

/// Value of a field that is set; a key with one that is not distinguishes nothing.
fn value_at<'a>(declared: &'a DesiredResource, pointer: &str) -> Option<&'a Value> {
    declared.spec.pointer(pointer).filter(|value| !value.is_null())
}

/// A value as it is written: the address of a referenced resource, or the text.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(map) if map.len() == 1 => map.values().next().map(plain).unwrap_or_default(),
        Value::String(text) => match references(text).as_slice() {
            [one] if one.text == text => format!("{}.{}", one.type_name, one.name),
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}

/// `zone`, `domain` and `type`.
fn field_names(pointers: &[&str]) -> String {
    let names: Vec<String> = pointers.iter().map(|pointer| format!("`{}`", pointer.trim_start_matches('/'))).collect();
    match names.as_slice() {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        names => names.concat(),
    }
}
