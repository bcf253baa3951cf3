//! What would keep a drill from starting, from leaving the source alone, or from removing what it made: found without a call.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    aws::exclusive_uses,
    core::{
        Address,
        expression::{has_reference, references},
    },
    definition::{self, DesiredResource, Diagnostic, Source, Stack, procedures::Drill},
};

/// Code of the problems.
pub const CODE: &str = "drill";

/// Problems with a drill that restores resources of `from` into `into`, two environments of a definition.
pub fn problems(source: &Source, drill: &Drill, from: &Stack, into: &Stack) -> Vec<Diagnostic> {
    let place = |pointer: &str| definition::key_range(source, pointer);
    let problem = |pointer: &str, message: String, help: String| Diagnostic::new(CODE, message).at(place(pointer)).help(help);
    if from.environment == into.environment {
        let message = format!("`{}` is the environment whose backups are restored", into.environment);
        return vec![problem("/procedures/drill/environment", message, "name another environment, only for drills".to_owned())];
    }
    let mut found = Vec::new();
    for (what, one, other) in [("region", &from.region, &into.region), ("account", &from.account, &into.account)] {
        if one != other {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            let message = format!("`{}` has the {what} {}, and `{}` {}", from.environment, text(one), into.environment, text(other));
            found.push(problem(&format!("/{what}"), message, format!("a drill restores backups where they are: use the same {what}")));
        }
    }
    let unfit = drill.restore.iter().filter_map(|address| not_restorable(address, from, into));
    found.extend(unfit.map(|(message, help)| problem("/procedures/drill/restore", message, help)));
    for declared in into.resources.values() {
        let pointer = declared.resource_type.protects_deletion.filter(|pointer| declared.spec.pointer(pointer) == Some(&Value::Bool(true)));
        if let Some(pointer) = pointer {
            let field = pointer.trim_start_matches('/');
            let message = format!("`{}` has `{field}: true` in `{}`, so the drill could not delete it", declared.address, into.environment);
            let help = format!("set `{field}` to a value, and that value to false in `{}`", into.environment);
            found.push(problem(&declared.definition_pointer(pointer), message, help));
        }
    }
    found.extend(shared_names(from, into).into_iter().map(|shared| {
        let message = format!("`{}` and `{}` of `{}` have {} in common", shared.address, shared.other, from.environment, shared.what);
        let help = format!("write `{{{{ environment }}}}` as part of it, or leave it out of `{}` with `when`", into.environment);
        problem(&shared.pointer, message, help)
    }));
    found
}

/// Why a drill can't restore a resource, with the remedy.
fn not_restorable(address: &Address, from: &Stack, into: &Stack) -> Option<(String, String)> {
    for stack in [from, into] {
        if !stack.resources.contains_key(address) {
            let message = format!("there is no resource `{address}` in `{}`", stack.environment);
            return Some((message, "a drill restores resources that both environments have".to_owned()));
        }
    }
    let (source, copy) = (from.resources.get(address)?, into.resources.get(address)?);
    if !source.resource_type.is_restorable {
        let restorable = crate::aws::types::RESOURCE_TYPES.iter().filter(|kind| kind.is_restorable);
        let names: Vec<String> = restorable.map(|kind| format!("`{}`", kind.name)).collect();
        let message = format!("a drill can't restore a {}", source.resource_type.name.replace('_', " "));
        return Some((message, format!("remove it: a drill restores {}", names.join(", "))));
    }
    if source.region != copy.region {
        let message = format!("`{address}` has different regions in `{}` and `{}`", from.environment, into.environment);
        return Some((message, "a drill restores backups where they are: use the same region".to_owned()));
    }
    None
}

/// Something that AWS, or the world, has only once.
#[derive(Debug, PartialEq)]
struct Shared {
    /// Resource of the side environment.
    address: Address,
    /// Resource of the other one.
    other: Address,
    /// What both have.
    what: String,
    /// Pointer into the definition.
    pointer: String,
}

/// Names, unique values and domains that resources of both environments have. A value with a reference differs, because each environment has
/// resources of its own.
fn shared_names(from: &Stack, into: &Stack) -> Vec<Shared> {
    let mut theirs: BTreeMap<Claim, &Address> = BTreeMap::new();
    for declared in from.resources.values() {
        theirs.extend(claims(declared).into_iter().map(|(claim, _)| (claim, &declared.address)));
    }
    let mut found = Vec::new();
    for declared in into.resources.values() {
        // One reason is enough.
        let shared = claims(declared).into_iter().find_map(|(claim, pointer)| Some((*theirs.get(&claim)?, claim, pointer)));
        let shared = shared.map(|(other, claim, pointer)| (other.clone(), claim.shown, pointer)).or_else(|| conflicting(declared, from));
        found.extend(shared.map(|(other, what, pointer)| Shared {
            address: declared.address.clone(),
            other,
            what,
            pointer: declared.definition_pointer(&pointer),
        }));
    }
    found
}

/// What only one resource can have, as text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    scope: String,
    shown: String,
}

/// What a resource has that no other can have, each with a pointer into its spec.
fn claims(declared: &DesiredResource) -> Vec<(Claim, String)> {
    let kind = declared.resource_type;
    let region = declared.region.as_deref().filter(|_| kind.has_names_by_region()).unwrap_or_default();
    let mut all = Vec::new();
    let mut claim = |key: &[&str], values: &[&Value]| {
        if values.iter().any(|value| has_reference(value)) || values.is_empty() {
            return;
        }
        let set = key.iter().zip(values).filter(|(_, value)| **value != "");
        let shown: Vec<String> = set.map(|(pointer, value)| format!("`{}: {}`", &pointer[1..], plain(value))).collect();
        let written = key.iter().zip(values).rev().find(|(_, value)| **value != "").map_or("", |(pointer, _)| *pointer);
        all.push((Claim { scope: format!("{} {region}", kind.name), shown: shown.join(", ") }, written.to_owned()));
    };
    let value = |pointer: &&str| declared.spec.pointer(pointer).filter(|value| !value.is_null());
    // Ranges of networks may be the same: each environment has networks of its own.
    let has_range = |key: &[&str]| kind.overlap_key.as_ref().is_some_and(|overlap| key.contains(&overlap.range));
    for key in kind.unique_keys.iter().filter(|key| !has_range(key)) {
        if let Some(values) = key.iter().map(value).collect::<Option<Vec<_>>>() {
            claim(key, &values);
        }
    }
    // Each entry of one list, with the other fields of the key.
    for key in &kind.entry_keys {
        let Some(values) = key.iter().map(value).collect::<Option<Vec<_>>>() else { continue };
        let list = values.iter().position(|value| value.is_array());
        for entry in list.and_then(|list| values[list].as_array()).into_iter().flatten() {
            let with_entry: Vec<&Value> = values.iter().map(|value| if value.is_array() { entry } else { *value }).collect();
            claim(key, &with_entry);
        }
    }
    let mut others = exclusive_uses(kind, &declared.spec, declared.region.as_deref());
    others.extend(kind.operations.public_names(&declared.spec));
    for used in others.into_iter().filter(|used| references(used).is_empty()) {
        all.push((Claim { scope: String::new(), shown: format!("`{used}`") }, String::new()));
    }
    all
}

/// A resource of the other environment that can't exist beside this one, such as another kind of record for the same name.
fn conflicting(declared: &DesiredResource, from: &Stack) -> Option<(Address, String, String)> {
    let kind = declared.resource_type;
    let groups = kind.operations.conflict_groups(&declared.spec);
    let group = groups.into_iter().find(|group| references(group).is_empty())?;
    let other = from.resources.values().find(|other| {
        other.resource_type.name == kind.name
            && kind.operations.conflict_groups(&other.spec).contains(&group)
            && kind.operations.conflicts_with(&declared.spec, &other.spec)
    })?;
    Some((other.address.clone(), format!("`{group}`"), String::new()))
}

/// A value as it is written.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(map) if map.len() == 1 => map.values().next().map(plain).unwrap_or_default(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
