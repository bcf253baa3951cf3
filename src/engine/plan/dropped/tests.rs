//! Every optional field of every type, dropped after an apply: what the plan says.

mod cases;
mod examples;
mod facts;
mod switches;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::{
    cases::{Case, case_of, optional_fields},
    examples::{insert_after, state_of},
};
use super::*;
use crate::{
    aws::types::RESOURCE_TYPES,
    core::{ADDRESS_TAG, ResourceType, Tags, resolve_ref},
    definition::Source,
    engine::{
        discover::LiveState,
        plan::{Action, Goal, Plan, plan},
    },
    simulator::Simulator,
};

pub(in crate::engine::plan) use self::examples::applied;
pub(in crate::engine) use self::examples::{apply_examples, open_session, surroundings};

fn live_at<'a>(live_state: &'a LiveState, address: &Address) -> &'a LiveResource {
    let text = address.to_string();
    live_state.iter().find(|live| live.tags.get(ADDRESS_TAG) == Some(&text)).unwrap_or_else(|| panic!("{text} does not exist"))
}

pub(in crate::engine::plan) fn planned(stack: &Stack, live_state: &LiveState) -> Plan {
    plan(stack, live_state, Goal::Apply, "eu-west-1", Simulator::ACCOUNT)
}

/// What a plan says about a resource and one of its fields.
fn told(plan: &Plan, address: &Address, pointer: &str) -> String {
    let change = plan.changes.iter().find(|change| change.address == *address).expect("a change");
    let field = change.fields.iter().find(|field| is_within(&field.pointer, pointer) || is_within(pointer, &field.pointer));
    let obstacles: Vec<&str> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
    match (change.action, field) {
        _ if !obstacles.is_empty() => format!("blocked: {}", obstacles.join(", ")),
        (Action::None, _) => "left alone".to_owned(),
        (Action::Update, Some(field)) => format!("set to {}", field.after),
        (Action::Replace, Some(field)) => format!("replaced with {}", field.after),
        (action, field) => format!("{action:?} {field:?}"),
    }
}

/// The resources to which a value refers leave the definition, too.
fn without_referenced(case: &Case, kind: &ResourceType, pointer: &str) -> Option<(Stack, LiveState)> {
    let mut spec = Value::Object(Map::new());
    spec[pointer[1..].split('/').next()?] =
        live_at(&case.live_state, &case.address).spec.pointer(&format!("/{}", pointer[1..].split('/').next()?))?.clone();
    let path = pointer[1..].replace('/', ".");
    let reference = kind.references(&spec).into_iter().find(|reference| reference.path.starts_with(&path))?;
    // A second resource of that type, which only this field uses.
    let mut live_state = case.live_state.clone();
    let used = live_state.live.get_mut(reference.type_name.as_str())?;
    let is_used = |live: &&LiveResource| live.id == reference.value || live.arn() == Some(&reference.value);
    let mut gone = used.iter().find(is_used)?.clone();
    let old = reference.value.clone();
    let new = format!("{}-gone", old);
    gone.tags = gone
        .tags
        .iter()
        .map(|(key, value)| match key == ADDRESS_TAG {
            true => (key.clone(), format!("{}.gone", reference.type_name)),
            false => (key.clone(), value.clone()),
        })
        .collect::<Tags>()
        .into();
    let mut outputs = gone.outputs.clone().into_inner();
    if let Some(arn) = outputs.get_mut("arn") {
        *arn = format!("{}-gone", arn.as_str().unwrap_or_default()).into();
    }
    gone.outputs = outputs.into();
    gone.id = format!("{}-gone", gone.id);
    let mut own_spec = gone.spec.clone().into_inner();
    if let Some(name) = own_spec.get_mut("name") {
        *name = format!("{}-gone", name.as_str().unwrap_or_default()).into();
    }
    gone.spec = own_spec.into();
    used.push(gone);
    let text = case.address.to_string();
    for live in live_state.live.get_mut(kind.name)? {
        if live.tags.get(ADDRESS_TAG) == Some(&text) {
            let spec = live.spec.to_string().replace(&format!("\"{old}\""), &format!("\"{new}\""));
            live.spec = serde_json::from_str::<Value>(&spec).ok()?.into();
        }
    }
    Some((case.stack.clone(), live_state))
}

#[tokio::test]
async fn every_dropped_field_returns_to_its_default_or_the_plan_says_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = apply_examples(folder.path()).await;
    let (stack, live_state) = state_of(folder.path(), &text).await;
    let (mut lines, mut untried, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for kind in RESOURCE_TYPES.iter() {
        for (pointer, field) in optional_fields(kind) {
            let name = format!("{}{pointer}", kind.name);
            let Some(case) = case_of(kind, &pointer, &field, &stack, &live_state) else {
                untried.push(name);
                continue;
            };
            let recorded = DeclaredFields::from([(case.address.clone(), [pointer.clone()].into())]);
            let drop = |stack: &Stack| {
                let mut stack = stack.clone();
                return_dropped_fields(&mut stack, &recorded, Simulator::ACCOUNT);
                stack
            };
            let never_said = told(&planned(&case.stack, &case.live_state), &case.address, &pointer);
            let dropped = drop(&case.stack);
            let said = told(&planned(&dropped, &case.live_state), &case.address, &pointer);
            let fate = kind.dropped(&case.stack.resources[&case.address].spec, &pointer);
            let expected = match &fate {
                Some(Dropped::Value(_)) => ["set to", "replaced with", "blocked: protected"].iter().any(|start| said.starts_with(start)),
                Some(Dropped::Kept(_)) => said == "left alone",
                Some(Dropped::Impossible(_)) => said == "blocked: dropped",
                None => false,
            };
            if !expected || never_said != "left alone" {
                wrong.push(format!("{name} = {}: {said}; if it was never set: {never_said}; {fate:?}", case.value));
            }
            let mut line = format!("{name}: {said}");
            if let Some((stack, live_state)) = without_referenced(&case, kind, &pointer) {
                let never_said = told(&planned(&stack, &live_state), &case.address, &pointer);
                let with_it = told(&planned(&drop(&stack), &live_state), &case.address, &pointer);
                // What is referred to may be protected, too.
                if !never_said.starts_with("blocked: ") || !never_said.ends_with("in-use") {
                    wrong.push(format!("{name}: what it refers to is deleted though the field was never set: {never_said}"));
                }
                line.push_str(&format!("; with what it refers to: {with_it}"));
            }
            lines.push(line);
        }
    }
    let (switched, more) = switches::told_about_switches(&text, &live_state);
    lines.extend(switched);
    wrong.extend(more);
    untried.retain(|name| !switches::is_tried(name));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(untried, switches::REQUIRED.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "fields that no case tries");
    let required: Vec<String> = switches::REQUIRED.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    insta::assert_snapshot!("dropped_fields", format!("{}\n\nnever dropped:\n{}", lines.join("\n"), required.join("\n")));
}
