//! Fields that a definition can't drop alone: something takes their place, or goes with them.

mod endpoints;
mod resources;

use self::{endpoints::ENDPOINTS, resources::RESOURCES};
use super::*;
use crate::{
    core::expression,
    definition::{LoadOptions, Location, load},
};

/// A field, a resource that has it and the same one without it.
type Switch = (&'static str, &'static str, &'static str);

fn switches() -> impl Iterator<Item = &'static Switch> {
    RESOURCES.iter().chain(ENDPOINTS)
}

/// Fields that no definition can drop, with the reason.
pub(super) const REQUIRED: &[(&str, &str)] = &[
    ("instance_profile/role", "a profile without a role is refused"),
    ("s3_bucket/encryption", "it always has a value; its fields are dropped"),
    ("target_group/health_check", "it always has a value; its fields are dropped"),
];

/// The stack of the documentation with one more resource, `switch`.
fn with_switch(text: &str, kind: &str, fields: &str) -> Stack {
    let mut text = text.to_owned();
    insert_after(&mut text, &format!("\n  {kind}:\n"), &format!("    switch: {{ {fields} }}\n"));
    let location = Location { account: Some(Simulator::ACCOUNT.to_owned()), region: Some("eu-west-1".to_owned()) };
    let options = LoadOptions { location, ..LoadOptions::default() };
    let mut stack = load(&Source::new("stack.yaml", text), &options).unwrap_or_else(|problems| panic!("{kind} {fields}: {problems:#?}"));
    stack.set_region("eu-west-1");
    stack
}

/// What a plan says about each field that is dropped together with others, and what is wrong with that.
pub(super) fn told_about_switches(text: &str, live_state: &LiveState) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for (name, with, bare) in switches() {
        let (kind, pointer) = name.split_at(name.find('/').expect("a pointer"));
        let address = Address::new(kind, "switch");
        let before = &with_switch(text, kind, with).resources[&address];
        let output = |type_name: &str, name: &str, output: &str| {
            let address = Address::new(type_name, name);
            let found = live_state.iter().find(|live| live.tags.get(ADDRESS_TAG) == Some(&address.to_string()));
            found.and_then(|live| live.output(output))
        };
        let spec = expression::resolve(&before.spec, &|reference| output(reference.type_name, reference.name, reference.output));
        let spec = before.resource_type.operations.parse(&spec).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let live = LiveResource::ready(kind, format!("{kind}-switch"), spec.clone());
        let mut live_state = live_state.clone();
        let of_kind = live_state.live.entry(before.resource_type.name).or_default();
        of_kind.push(LiveResource { tags: before.tags.clone().into(), ..live });
        let mut stack = with_switch(text, kind, bare);
        let fate = before.resource_type.dropped(&stack.resources[&address].spec, pointer);
        let set: Vec<String> = before.resource_type.set_fields(&spec);
        let recorded = DeclaredFields::from([(address.clone(), set.into_iter().chain([pointer.to_owned()]).collect())]);
        return_dropped_fields(&mut stack, &recorded, Simulator::ACCOUNT);
        let plan = planned(&stack, &live_state);
        let said = told(&plan, &address, pointer);
        let expected = match &fate {
            Some(Dropped::Value(_)) => ["set to", "replaced with"].iter().any(|start| said.starts_with(start)),
            Some(Dropped::Kept(_)) => plan.obstacles.is_empty() && !said.contains("set to") && !said.contains("replaced with"),
            Some(Dropped::Impossible(_)) => said == "blocked: dropped",
            None => false,
        };
        if !expected {
            wrong.push(format!("{name}: {said}; {fate:?}; {:?}", plan.obstacles));
        }
        let said = if matches!(fate, Some(Dropped::Kept(_))) { "left alone".to_owned() } else { said };
        lines.push(format!("{name}, with others: {said}"));
    }
    (lines, wrong)
}

/// Whether a field is dropped together with others.
pub(super) fn is_tried(name: &str) -> bool {
    switches().any(|(switch, ..)| *switch == name)
}
