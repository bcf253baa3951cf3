//! Fields that the last revision set and the definition no longer sets. Such a field returns to its documented default, unlike one that was
//! never set, which is left alone: the fact `dropped`.

#[cfg(test)]
pub(in crate::engine) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Change, FieldDiff, Obstacle, diff::field_diff, diff::is_within};
use crate::{
    core::{Address, Dropped, LiveResource},
    definition::{DesiredResource, DroppedField, Stack},
};

/// Fields that a definition set, as JSON pointers below the spec of the resource.
pub type DeclaredFields = BTreeMap<Address, BTreeSet<String>>;

/// Fields with the fact `dropped` that a definition sets.
pub fn declared_fields(stack: &Stack) -> DeclaredFields {
    let fields = |declared: &DesiredResource| {
        let mut fields: BTreeSet<String> = declared.resource_type.set_fields(&declared.spec).into_iter().collect();
        for field in &declared.dropped {
            fields.remove(&field.pointer);
        }
        fields
    };
    let all = stack.resources.values().map(|declared| (declared.address.clone(), fields(declared)));
    all.filter(|(_, fields)| !fields.is_empty()).collect()
}

/// Adds the fields of another definition.
pub fn add_fields(fields: &mut DeclaredFields, more: DeclaredFields) {
    for (address, more) in more {
        fields.entry(address).or_default().extend(more);
    }
}

/// Gives the fields of `recorded` that the stack no longer sets their documented defaults, unless another setting excludes these, and notes
/// them in [`DesiredResource::dropped`].
pub fn return_dropped_fields(stack: &mut Stack, recorded: &DeclaredFields, account: &str) {
    for declared in stack.resources.values_mut() {
        for pointer in recorded.get(&declared.address).into_iter().flatten() {
            if !is_unset(&mut declared.spec, pointer, declared.resource_type.has_free_properties)
                || declared.dropped.iter().any(|field| field.pointer == *pointer)
            {
                continue;
            }
            let kind = declared.resource_type;
            let Some(fate) = kind.dropped(&declared.spec, pointer) else { continue };
            if let Dropped::Value(value) = &fate
                && !value.is_null()
            {
                let mut spec = declared.spec.clone();
                if let Some(field) = spec.pointer_mut(pointer) {
                    *field = with_account(value, account);
                }
                match kind.operations.parse(&spec) {
                    Ok(spec) if kind.check(&spec).is_empty() => declared.spec = spec,
                    _ => continue,
                }
            }
            declared.dropped.push(DroppedField { pointer: pointer.clone(), fate });
        }
    }
}

/// Whether a field has no value. A missing free property gets `null`, which asks for its removal.
fn is_unset(spec: &mut Value, pointer: &str, has_free_properties: bool) -> bool {
    match spec.pointer(pointer) {
        Some(value) => value.is_null(),
        None if !has_free_properties => false,
        None => {
            let Some((map, key)) = pointer.rsplit_once('/') else { return false };
            let Some(Value::Object(map)) = spec.pointer_mut(map) else { return false };
            map.insert(key.replace("~1", "/").replace("~0", "~"), Value::Null);
            true
        }
    }
}

/// A value in which `{account}` stands for the account.
fn with_account(value: &Value, account: &str) -> Value {
    match value {
        Value::String(text) => text.replace("{account}", account).into(),
        Value::Array(list) => list.iter().map(|value| with_account(value, account)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_account(value, account))).collect(),
        other => other.clone(),
    }
}

/// Differences in fields that must have no value. A list differs as a whole.
pub fn unset_diffs(unset: &[String], desired: &Value, live: &Value, replace: &[&str]) -> Vec<FieldDiff> {
    let mut found: Vec<FieldDiff> = Vec::new();
    for pointer in unset {
        let is_set = live.pointer(pointer).is_some_and(|value| !value.is_null());
        if desired.pointer(pointer) != Some(&Value::Null) || !is_set {
            continue;
        }
        let place = whole_list(desired, pointer);
        if found.iter().any(|field| field.pointer == place) {
            continue;
        }
        if let (Some(before), Some(after)) = (live.pointer(place), desired.pointer(place)) {
            let forces_replacement = replace.iter().any(|field| is_within(place, field));
            found.push(FieldDiff { forces_replacement, ..field_diff(place, before, after) });
        }
    }
    found
}

/// Pointer to the outermost list on the way to a field, or to the field.
fn whole_list<'a>(spec: &Value, pointer: &'a str) -> &'a str {
    let ends = pointer.match_indices('/').map(|(at, _)| at).skip(1);
    ends.map(|end| &pointer[..end]).find(|place| spec.pointer(place).is_some_and(Value::is_array)).unwrap_or(pointer)
}

/// Adds the differences in fields that must have no value to those of a comparison.
pub fn add_unset_diffs(fields: &mut Vec<FieldDiff>, more: Vec<FieldDiff>) {
    for field in more {
        if !fields.iter().any(|known| is_within(&known.pointer, &field.pointer) || is_within(&field.pointer, &known.pointer)) {
            fields.push(field);
        }
    }
}

/// Obstacles for dropped fields that AWS can't change back.
pub fn permanent_field_obstacles(change: &Change, declared: &DesiredResource, live: &LiveResource) -> Vec<Obstacle> {
    let permanent = declared.dropped.iter().filter_map(|field| match &field.fate {
        Dropped::Impossible(reason) => Some((&field.pointer, reason)),
        _ => None,
    });
    let set = permanent.filter(|(pointer, _)| live.spec.pointer(pointer).is_some_and(|value| !value.is_null()));
    set.map(|(pointer, reason)| {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        Obstacle {
            code: "dropped",
            address: change.address.clone(),
            message: format!("`{}` no longer sets `{field}`, which it has: {reason}", change.address),
            help: format!("set `{field}` as before, and keep what it refers to; or replace `{}` by another resource", change.address),
            location: None,
            adoptable: None,
            other: None,
        }
    })
    .collect()
}
