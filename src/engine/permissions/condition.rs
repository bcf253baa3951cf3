//! Conditions of grants, with values from the definition.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::arn::ArnScope;
use crate::{
    aws::types::resource_type,
    core::{Address, ConditionValues, IamCondition, ResourceType, arn_in_partition, expression::references},
    definition::{DesiredResource, Stack},
};

/// Conditions of one grant.
#[derive(Debug, PartialEq)]
pub enum Conditions {
    /// The grant has these, if any.
    Apply(Option<Value>),
    /// Nothing to grant: no request could meet them.
    Unmet,
}

/// A condition that the definition does not allow, with its consequence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingCondition {
    /// The field that would make it possible.
    pub field: String,
    /// Resources without the field.
    pub resources: Vec<Address>,
    /// Consequence, as a clause.
    pub otherwise: &'static str,
}

/// Evaluates conditions for these resources of a type. Adds the missing ones to `missing`.
pub fn evaluate(
    scope: &ArnScope<'_>,
    kind: &ResourceType,
    declared: &[&DesiredResource],
    conditions: &[IamCondition],
    missing: &mut BTreeSet<MissingCondition>,
) -> Conditions {
    let mut block: Map<String, Value> = Map::new();
    for condition in conditions {
        let values: BTreeSet<String> = match &condition.values {
            ConditionValues::Fixed(values) => values.iter().map(|value| (*value).to_owned()).collect(),
            ConditionValues::ArnsIn(field) => {
                let pointer = field();
                let named = declared.iter().flat_map(|one| texts_at(one, pointer.as_str()));
                let arns: BTreeSet<String> = named.flat_map(|text| arns_of_text(scope, text)).collect();
                if arns.is_empty() {
                    return Conditions::Unmet;
                }
                arns
            }
            ConditionValues::RequiredArn { field, otherwise } => {
                let pointer = field();
                let without = |one: &&&DesiredResource| !has_outside_arn(one, pointer.as_str());
                let resources: Vec<Address> = declared.iter().filter(without).map(|one| one.address.clone()).collect();
                if !resources.is_empty() {
                    let field = pointer.as_str().trim_start_matches('/').to_owned();
                    missing.insert(MissingCondition { field, resources, otherwise });
                    continue;
                }
                let named = declared.iter().flat_map(|one| texts_at(one, pointer.as_str()));
                named.map(|arn| arn_in_partition(arn, scope.region)).collect()
            }
            ConditionValues::NamesInParents => {
                let Some(domains) = domains_of_parents(scope.stack, kind) else { continue };
                domains.into_iter().flat_map(|domain| [format!("*.{domain}"), domain]).collect()
            }
        };
        let tests = block.entry(condition.operator).or_insert_with(|| json!({}));
        tests[condition.key] = json!(values);
    }
    Conditions::Apply((!block.is_empty()).then_some(Value::Object(block)))
}

/// Whether all resources set a field to an ARN outside the stack, which the stack can't change.
pub fn has_outside_arn(declared: &DesiredResource, pointer: &str) -> bool {
    let texts: Vec<&str> = texts_at(declared, pointer).collect();
    !texts.is_empty() && texts.iter().all(|text| references(text).is_empty())
}

/// Parents of the resources of a type.
pub struct Parents<'a> {
    /// Those in the stack.
    pub declared: Vec<&'a DesiredResource>,
    /// Ids of those outside, if no parent is in the stack.
    pub outside: Option<BTreeSet<String>>,
}

/// Returns the parents that the resources of a type refer to.
pub fn parents<'a>(stack: &'a Stack, kind: &ResourceType) -> Parents<'a> {
    let children = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    let texts = children.flat_map(|child| kind.parent_ids(&child.spec));
    let (mut declared, mut outside) = (Vec::new(), BTreeSet::new());
    for text in texts {
        match references(text).first() {
            Some(reference) => declared.extend(stack.resources.get(&Address::new(reference.type_name, reference.name))),
            None => drop(outside.insert(text.to_owned())),
        }
    }
    Parents { outside: (declared.is_empty() && !outside.is_empty()).then_some(outside), declared }
}

/// Domains of the parents, if all are in the stack.
fn domains_of_parents(stack: &Stack, kind: &ResourceType) -> Option<BTreeSet<String>> {
    let children = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    let parents = parents(stack, kind).declared;
    let domains: BTreeSet<String> = parents.iter().filter_map(|parent| Some(parent.spec.get("domain")?.as_str()?.to_owned())).collect();
    (children.count() == parents.len() && !domains.is_empty()).then_some(domains)
}

/// Texts in a field: one, or those of a list, without empty ones.
fn texts_at<'a>(declared: &'a DesiredResource, pointer: &str) -> impl Iterator<Item = &'a str> {
    let value = declared.spec.pointer(pointer).unwrap_or(&Value::Null);
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str).filter(|text| !text.is_empty())
}

/// ARNs for a text: itself, or those of the type that it refers to.
fn arns_of_text(scope: &ArnScope<'_>, text: &str) -> BTreeSet<String> {
    match references(text).first() {
        Some(reference) => resource_type(reference.type_name).map(|kind| scope.arns(kind, kind.iam_actions.arn)).unwrap_or_default(),
        None => [arn_in_partition(text, scope.region).to_string()].into(),
    }
}
