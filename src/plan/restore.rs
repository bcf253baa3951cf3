//! Planning backwards: from what was there to a plan that puts it back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Plan, Planner, Reason, assembled, pair};
use crate::{
    discover::{World, address_of, visible_tags},
    kind::Live,
    plan::Nulls,
    resource::Tags,
    resources,
    stack::{Address, Declared, Stack},
    types::expression,
};

/// What shall stand at an address again.
#[derive(Clone, Debug)]
pub struct Target {
    /// What stood there; `None`: nothing.
    pub before: Option<Live>,
    /// What was last wanted there, by which it is found when it carries no marks; `null` when nothing was.
    pub expected: Value,
    /// The tags that were wanted.
    pub tags: Tags,
    /// What it needs.
    pub needs: BTreeSet<Address>,
    /// What stands there now was made by the very run that is undone: it holds nothing yet, and goes without a snapshot.
    pub fresh: bool,
}

/// A stack of all that shall be put back or go: what discovery looks for.
pub fn target_stack(name: &str, environment: &str, targets: &BTreeMap<Address, Target>) -> Stack {
    let mut resources = BTreeMap::new();
    for (address, target) in targets {
        let Some(kind) = resources::kind(&address.kind) else { continue };
        let (spec, tags) = match &target.before {
            Some(live) => (live.spec.clone(), visible_tags(&live.tags, &Tags::new())),
            None => (target.expected.clone(), target.tags.clone()),
        };
        let needs = target.needs.clone();
        let declared = Declared { address: address.clone(), kind, spec, tags, needs, on_delete: None, at: String::new() };
        resources.insert(address.clone(), declared);
    }
    Stack {
        name: name.to_owned(),
        environment: environment.to_owned(),
        region: None,
        account: None,
        backend: None,
        resources,
        outputs: BTreeMap::new(),
    }
}

/// Plans to put `targets` back. `stack` is their [`target_stack`]; references in it to what has to be made anew are made to follow it. What
/// is live at no target's address is left alone. Pure.
pub fn restore(stack: &mut Stack, targets: &BTreeMap<Address, Target>, world: &World, region: &str, account: &str) -> Plan {
    let (paired_live, doubles) = {
        let paired = pair::pair(stack, world);
        (paired.live.into_iter().map(|(address, live)| (address, live.clone())).collect(), paired.left_over.into_iter().cloned().collect())
    };
    let (paired_live, doubles): (BTreeMap<Address, Live>, Vec<Live>) = (paired_live, doubles);
    follow_the_new(stack, targets, &paired_live);
    let paired = pair::Paired {
        live: paired_live.iter().map(|(address, live)| (address.clone(), live)).collect(),
        left_over: Vec::new(),
        foreign: Vec::new(),
    };
    let mut planner =
        Planner { world: &paired, changes: BTreeMap::new(), obstacles: Vec::new(), nulls: Nulls::Absent, fresh: fresh(targets) };
    for address in super::order::topological(stack) {
        if targets.get(&address).is_some_and(|target| target.before.is_some()) {
            planner.declared(&stack.resources[&address]);
        }
    }
    for (address, live) in &paired.live {
        if targets.get(address).is_some_and(|target| target.before.is_none()) {
            planner.gone(address, live, None, Reason::Undone);
        }
    }
    for (number, live) in doubles.iter().enumerate() {
        let Some(address) = address_of(live).filter(|address| targets.contains_key(address)) else { continue };
        let double = Address::new(&live.kind, format!("{}-double-{}", address.name, number + 1));
        if targets[&address].fresh {
            planner.fresh.insert(double.clone());
        }
        planner.gone(&double, live, None, Reason::Undone);
    }
    let Planner { changes, obstacles, .. } = planner;
    assembled(stack, changes, obstacles, world, region, account, super::order::Way::Back)
}

fn fresh(targets: &BTreeMap<Address, Target>) -> BTreeSet<Address> {
    targets.iter().filter(|(_, target)| target.fresh).map(|(address, _)| address.clone()).collect()
}

/// What is gone is made anew, or stands there anew already: whatever held the old id is made to hold the new one.
fn follow_the_new(stack: &mut Stack, targets: &BTreeMap<Address, Target>, live: &BTreeMap<Address, Live>) {
    let mut anew: BTreeMap<&str, Option<(&Address, &str)>> = BTreeMap::new();
    for (address, target) in targets {
        let Some(before) = &target.before else { continue };
        if live.get(address).is_some_and(|live| live.id == before.id) {
            continue;
        }
        let names = [(Some(before.id.as_str()), "id"), (before.arn(), "arn")];
        for (text, output) in names.into_iter().filter_map(|(text, output)| Some((text?, output))) {
            // Names are unique within a type only: what two share stands for neither.
            let known = anew.entry(text).or_insert(Some((address, output)));
            *known = known.filter(|(known, _)| *known == address);
        }
    }
    if anew.is_empty() {
        return;
    }
    for declared in stack.resources.values_mut() {
        let own = declared.address.clone();
        rewrite(&mut declared.spec, &mut |text| {
            if let Some((address, output)) = anew.get(text.as_str()).copied().flatten().filter(|(address, _)| **address != own) {
                *text = format!("${{{address}.{output}}}");
            }
        });
        let mut needs = BTreeSet::new();
        expression::each_string(&declared.spec, &mut |text| {
            needs.extend(expression::references(text).into_iter().map(|r| Address::new(r.kind, r.name)));
        });
        declared.needs.extend(needs);
    }
}

fn rewrite(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(list) => list.iter_mut().for_each(|value| rewrite(value, act)),
        Value::Object(map) => map.values_mut().for_each(|value| rewrite(value, act)),
        _ => {}
    }
}
