//! Differences between two environments of a definition, without a call.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{FieldDiff, NullMeans, diff, diff::flag_important_and_risky};
use crate::{
    core::Address,
    definition::{DesiredResource, Stack},
};

/// Differences between two environments.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentDiff {
    /// Name of the stack.
    pub stack: String,
    /// The first environment.
    pub from: String,
    /// The second one.
    pub to: String,
    /// Resources of the first one only.
    pub only_from: Vec<Address>,
    /// Resources of the second one only.
    pub only_to: Vec<Address>,
    /// Fields that differ, by address: `before` is the value in the first environment, `after` that in the second.
    pub differing: BTreeMap<Address, Vec<FieldDiff>>,
    /// Number of resources without a difference.
    pub same: usize,
}

impl EnvironmentDiff {
    /// Whether the environments are the same but for their names.
    pub fn is_empty(&self) -> bool {
        self.only_from.is_empty() && self.only_to.is_empty() && self.differing.is_empty()
    }
}

/// Compares two environments of a definition. Names that only differ because they contain that of the environment are the same.
pub fn compare_environments(from: &Stack, to: &Stack) -> EnvironmentDiff {
    let mut found = EnvironmentDiff {
        stack: to.name.to_string(),
        from: from.environment.to_string(),
        to: to.environment.to_string(),
        only_from: from.resources.keys().filter(|address| !to.resources.contains_key(address)).cloned().collect(),
        only_to: to.resources.keys().filter(|address| !from.resources.contains_key(address)).cloned().collect(),
        differing: BTreeMap::new(),
        same: 0,
    };
    for (address, one) in &from.resources {
        let Some(other) = to.resources.get(address) else { continue };
        let fields = compare(from, one, to, other);
        if fields.is_empty() {
            found.same += 1;
        } else {
            found.differing.insert(address.clone(), fields);
        }
    }
    found
}

fn compare(from: &Stack, one: &DesiredResource, to: &Stack, other: &DesiredResource) -> Vec<FieldDiff> {
    let (mut before, mut after) = (one.spec.clone(), other.spec.clone());
    for (stack, declared, spec) in [(from, one, &mut before), (to, other, &mut after)] {
        if declared.has_generated_name
            && let Some(name) = spec.get_mut("name")
        {
            *name = Value::Null;
        }
        without_environment(stack, spec);
    }
    let mut fields = diff(&after, &before, &[], NullMeans::Unset);
    flag_important_and_risky(other.resource_type, &mut fields, &after, &before);
    let region = |stack: &Stack, declared: &DesiredResource| declared.region.clone().or_else(|| stack.region.clone());
    let regions = [region(from, one), region(to, other)];
    if regions[0] != regions[1] && !one.resource_type.is_global() {
        fields.insert(0, FieldDiff::new("/region", serde_json::json!(regions[0]), serde_json::json!(regions[1])));
    }
    fields
}

/// Replaces the name of the environment in generated names and paths.
fn without_environment(stack: &Stack, value: &mut Value) {
    match value {
        Value::String(text) => {
            let path = format!("acme/{}/{}/", stack.name, stack.environment);
            *text = text.replace(&stack.prefix(), &format!("{}-…-", stack.name)).replace(&path, &format!("acme/{}/…/", stack.name));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| without_environment(stack, value)),
        Value::Object(map) => map.values_mut().for_each(|value| without_environment(stack, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
