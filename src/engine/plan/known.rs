//! Values that are known before the resources exist: of resources that stay, and of others as far as patterns determine them.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, cell::Cell};

use serde_json::Value;

use super::{
    Action, Change, FieldDiff, NullMeans,
    diff::{field_diff, is_within, satisfies},
    planner::Planner,
};
use crate::{
    aws::types::resource_type,
    core::{Address, LiveResource, OutputPattern, PatternInputs, ResourceType, expression},
    definition::DesiredResource,
};

/// Location of a stack's resources.
#[derive(Clone, Copy)]
pub(super) struct Location<'a> {
    pub region: &'a str,
    pub account: &'a str,
    pub iam_path: &'a str,
}

impl Planner<'_> {
    /// Desired spec with all known references resolved, in canonical form. The references that remain will have another value than before,
    /// because AWS generates a part of it.
    pub(super) fn resolve_known_references<'d>(&self, declared: &'d DesiredResource) -> Cow<'d, Value> {
        self.resolve_known_references_in(declared, &declared.spec)
    }

    /// Same, with another physical name.
    pub(super) fn resolve_known_references_with_name(&self, declared: &DesiredResource, name: &str) -> Value {
        self.resolve_known_references_in(declared, &declared.spec_with_name(name)).into_owned()
    }

    fn resolve_known_references_in<'d>(&self, declared: &DesiredResource, spec: &'d Value) -> Cow<'d, Value> {
        if declared.depends_on.is_empty() {
            return Cow::Borrowed(spec);
        }
        let is_changed = Cell::new(false);
        let known = expression::resolve(spec, &|reference| {
            let value = self.known_output(&Address::new(reference.type_name, reference.name), reference.output);
            is_changed.set(is_changed.get() || value.is_some());
            value
        });
        if !is_changed.get() {
            return Cow::Borrowed(spec);
        }
        // What is equal to the live spec as it stands is in canonical form already.
        let is_live = self.matched.live.get(&declared.address).is_some_and(|live| satisfies(&known, &live.spec, self.null_means));
        Cow::Owned(if is_live { known } else { declared.resource_type.operations.parse(&known).unwrap_or(known) })
    }

    /// Value that an output of a planned resource will have, if it is known. An output that the plan changes is not the live one.
    fn known_output(&self, address: &Address, output: &str) -> Option<Value> {
        let live = self.matched.live.get(address);
        // A dependency in a cycle is planned later, and assumed to stay until then.
        let Some(change) = self.changes.get(address) else { return live?.output(output) };
        match change.action {
            Action::None => live?.output(output),
            Action::Update => {
                let live = live?;
                let kind = resource_type(&address.type_name)?;
                if may_change(kind, output, &change.fields) {
                    self.determined_output(address, kind, &self.spec_after_update(address, live)?, output)
                } else {
                    live.output(output)
                }
            }
            Action::Create | Action::Replace => {
                let kind = resource_type(&address.type_name)?;
                self.determined_output(address, kind, self.desired.get(address)?, output)
            }
            Action::Delete | Action::Forget => None,
        }
    }

    /// Spec of a resource after its update. An update keeps the live values of unmanaged fields.
    pub(super) fn spec_after_update(&self, address: &Address, live: &LiveResource) -> Option<Value> {
        let mut spec = with_unmanaged(self.desired.get(address)?, &live.spec);
        for pointer in self.stack.resources.get(address).map(DesiredResource::unset_fields).unwrap_or_default() {
            spec.pointer_mut(&pointer).map(Value::take);
        }
        Some(spec)
    }

    /// Value of an output that follows from the spec and the location.
    pub(super) fn determined_output(&self, address: &Address, resource_type: &ResourceType, spec: &Value, output: &str) -> Option<Value> {
        let referenced = |type_name: &str, name: &str| self.common_output(address, type_name, name);
        let Location { region, account, iam_path } = self.location;
        let region = self.stack.resources.get(address).and_then(|declared| declared.region.as_deref()).unwrap_or(region);
        PatternInputs { resource_type, region, account, iam_path, spec, referenced: &referenced }.output(output)
    }

    /// Output or field that all resources of a type on which a resource depends have in common, such as the VPC of its subnets.
    fn common_output(&self, address: &Address, type_name: &str, output: &str) -> Option<Value> {
        let dependencies = &self.stack.resources.get(address)?.depends_on;
        let mut values = dependencies
            .iter()
            .filter(|dependency| dependency.type_name == type_name)
            .map(|dependency| self.known_output(dependency, output));
        let first = values.next()??;
        values.all(|value| value.as_ref() == Some(&first)).then_some(first)
    }

    /// Fields with the fact `parent` or `bound` that don't differ, but refer to a resource that is recreated under the same id or ARN: AWS
    /// deletes what is inside a parent, and a bound resource does not work for the new one.
    pub(super) fn fields_of_recreated(&self, declared: &DesiredResource, live: &LiveResource, fields: &[FieldDiff]) -> Vec<FieldDiff> {
        let kind = declared.resource_type;
        let is_replaced = |change: &Change| change.action == Action::Replace;
        let is_new = |change: &Change| matches!(change.action, Action::Create | Action::Replace);
        let parents = kind.parent_fields.iter().filter(|pointer| self.refers_to_change(declared, pointer, is_replaced));
        let bound = kind.bound.iter().filter(|pointer| self.refers_to_change(declared, pointer, is_new));
        let unchanged = |pointer: &&&str| !fields.iter().any(|field| is_within(&field.pointer, pointer));
        let mut recreated: Vec<FieldDiff> = Vec::new();
        for pointer in parents.chain(bound).filter(unchanged) {
            if let (Some(before), Some(after)) = (live.spec.pointer(pointer), declared.spec.pointer(pointer))
                && !recreated.iter().any(|field| field.pointer == *pointer)
            {
                recreated.push(FieldDiff { forces_replacement: true, ..field_diff(pointer, before, after) });
            }
        }
        recreated
    }

    /// Whether a field of the definition refers to a resource whose change is one of these.
    fn refers_to_change(&self, declared: &DesiredResource, pointer: &str, wanted: fn(&Change) -> bool) -> bool {
        self.referenced_change(declared, pointer, wanted).is_some()
    }

    /// The resource to which a field of the definition refers, and whose change is one of these.
    fn referenced_change(&self, declared: &DesiredResource, pointer: &str, wanted: fn(&Change) -> bool) -> Option<Address> {
        let mut found = None;
        expression::for_each_string(declared.spec.pointer(pointer)?, &mut |text| {
            let references = expression::references(text);
            let mut addresses = references.iter().map(|reference| Address::new(reference.type_name, reference.name));
            found = found.take().or_else(|| addresses.find(|address| self.changes.get(address).is_some_and(|change| wanted(change))));
        });
        found
    }

    /// The resource to which a field refers, and which the plan renames, see [`crate::core::TypeInfo::permanent_id`].
    pub(super) fn renamed_at(&self, declared: &DesiredResource, field: &FieldDiff) -> Option<Address> {
        self.referenced_change(declared, &field.pointer, |change| {
            let is_renamed =
                |kind: &ResourceType| kind.permanent_id.is_some() && change.fields.iter().any(|field| field.pointer == "/name");
            change.action == Action::Update && resource_type(&change.address.type_name).is_some_and(is_renamed)
        })
    }
}

/// Whether these changes of a resource may change one of its outputs.
fn may_change(kind: &ResourceType, output: &str, fields: &[FieldDiff]) -> bool {
    let pointers: Vec<&str> = fields.iter().map(|field| field.pointer.as_str()).collect();
    let refers = kind.outputs().pattern(output).is_some_and(OutputPattern::uses_references);
    kind.output_depends_on(output, &pointers) || refers && fields.iter().any(|field| has_reference_value(&field.after))
}

/// Whether a value is or contains a reference by id or ARN.
fn has_reference_value(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(has_reference_value),
        Value::Object(map) => {
            map.len() == 1 && (map.contains_key("id") || map.contains_key("arn")) || map.values().any(has_reference_value)
        }
        _ => false,
    }
}

/// Desired spec in which unmanaged fields have the live values.
fn with_unmanaged(desired: &Value, live: &Value) -> Value {
    match (desired, live) {
        (Value::Null, live) => live.clone(),
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().map(|(key, value)| (key.clone(), with_unmanaged(value, live.get(key).unwrap_or(&Value::Null)))).collect()
        }
        // Entries at the same place correspond to each other only if they don't differ otherwise.
        (Value::Array(desired), Value::Array(live)) if desired.len() == live.len() => {
            let entry = |(desired, live): (&Value, &Value)| {
                if satisfies(desired, live, NullMeans::Unmanaged) { with_unmanaged(desired, live) } else { desired.clone() }
            };
            desired.iter().zip(live).map(entry).collect()
        }
        _ => desired.clone(),
    }
}
