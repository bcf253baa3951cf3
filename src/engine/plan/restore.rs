//! Planning backwards: from what was there to a plan that puts it back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Plan, Reason, pair, planner::Planner};
use crate::{
    aws::types,
    core::{Address, Live, OneWay, Phase, Tags, expression},
    definition::{Declared, Stack},
    engine::{
        discover::{World, address_of, visible_tags},
        plan::Nulls,
    },
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

impl Target {
    /// What was there, and nothing else known about it.
    pub fn was(live: Live) -> Target {
        Target { before: Some(live), expected: Value::Null, tags: Tags::new(), needs: BTreeSet::new(), fresh: false }
    }
}

/// A stack of all that shall be put back or go: what discovery looks for.
pub fn target_stack(name: &str, environment: &str, targets: &BTreeMap<Address, Target>) -> Stack {
    let mut resources = BTreeMap::new();
    for (address, target) in targets {
        let Some(kind) = types::kind(&address.kind) else { continue };
        let (spec, tags) = match &target.before {
            Some(live) => (live.spec.clone(), visible_tags(&live.tags, &Tags::new())),
            None => (target.expected.clone(), target.tags.clone()),
        };
        let needs = target.needs.clone();
        let declared = Declared { address: address.clone(), kind, spec, named: false, tags, needs, on_delete: None, at: String::new() };
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
    let pair::Paired { live, left_over: doubles, .. } = pair::pair(stack, world);
    follow_the_new(stack, targets, &live);
    let kept = keep_one_way(stack, &live);
    let paired = pair::Paired { live, left_over: Vec::new(), foreign: Vec::new() };
    let mut planner = Planner::new(&paired, Nulls::Absent, fresh(targets));
    for address in super::order::topological(stack) {
        let back = |target: &Target| target.before.as_ref().is_some_and(|before| !still_there(&address, before, world));
        if targets.get(&address).is_some_and(back) {
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
    let mut plan = planner.assembled(stack, world, region, account, super::order::Way::Back);
    plan.warnings.extend(kept.iter().map(|(address, words)| format!("`{address}` {words}.")));
    Plan { kept, ..plan }
}

/// What AWS does not change back stays as it is. Gives that in words.
fn keep_one_way(stack: &mut Stack, live: &BTreeMap<Address, &Live>) -> Vec<(Address, String)> {
    let mut kept = Vec::new();
    for declared in stack.resources.values_mut() {
        let Some(live) = live.get(&declared.address) else { continue };
        for OneWay { field: at, why, .. } in &declared.kind.one_way {
            let (Some(was), Some(is)) = (declared.spec.pointer_mut(at), live.spec.pointer(at)) else { continue };
            if was != is && !is.is_null() {
                let field = at.trim_start_matches('/');
                kept.push((declared.address.clone(), format!("keeps {field} {}: {why}", is.to_string().trim_matches('"'))));
                *was = is.clone();
            }
        }
    }
    kept
}

/// Whether this was left over by a crash, so that it went by another address than its marks have, and has not been deleted.
fn still_there(address: &Address, before: &Live, world: &World) -> bool {
    address_of(before).is_some_and(|marked| marked != *address)
        && world.live.get(before.kind.as_str()).into_iter().flatten().any(|live| live.id == before.id && live.phase != Phase::Leaving)
}

fn fresh(targets: &BTreeMap<Address, Target>) -> BTreeSet<Address> {
    targets.iter().filter(|(_, target)| target.fresh).map(|(address, _)| address.clone()).collect()
}

/// What stood at an address before and is no longer there: what stands there again has another id.
struct Lost<'a> {
    resources: BTreeMap<&'a Address, &'a Live>,
    /// References to the new one, by the id or ARN of the old one. Names are unique within a type only: what two share stands for neither.
    references: BTreeMap<&'a str, Option<String>>,
}

impl<'a> Lost<'a> {
    fn of(targets: &'a BTreeMap<Address, Target>, live: &BTreeMap<Address, &Live>) -> Lost<'a> {
        let mut lost = Lost { resources: BTreeMap::new(), references: BTreeMap::new() };
        // An association goes by the id of what it is made with: where that is still there, the id means that.
        let present: BTreeSet<&str> = live.values().flat_map(|live| [Some(live.id.as_str()), live.arn()]).flatten().collect();
        for (address, target) in targets {
            let gone = |before: &&Live| live.get(address).is_none_or(|live| live.id != before.id);
            let Some(before) = target.before.as_ref().filter(gone) else { continue };
            lost.resources.insert(address, before);
            let arn = before.arn().filter(|arn| *arn != before.id);
            for (output, text) in [("id", Some(before.id.as_str())), ("arn", arn)] {
                let Some(text) = text.filter(|text| !is_named(before, text) && !present.contains(text)) else { continue };
                let reference = format!("${{{address}.{output}}}");
                let known = lost.references.entry(text);
                known.and_modify(|known| *known = known.take().filter(|known| *known == reference)).or_insert(Some(reference));
            }
        }
        lost
    }

    /// The reference that stands for a text in the spec of a resource with these needs. What it needs it may also hold by an address on
    /// the net: host names and IP addresses are drawn anew. Other outputs are the ids of others, or come again as they were.
    fn reference(&self, text: &str, own: &Address, needs: &BTreeSet<Address>) -> Option<String> {
        if let Some(known) = self.references.get(text) {
            let itself = format!("${{{own}.");
            return known.clone().filter(|reference| !reference.starts_with(&itself));
        }
        let mut needed = needs.iter().filter(|_| text.contains('.')).filter_map(|need| Some((need, self.resources.get(need)?)));
        needed.find_map(|(need, before)| {
            let (output, _) = before.outputs.as_object()?.iter().find(|(_, value)| value.as_str() == Some(text))?;
            Some(format!("${{{need}.{output}}}"))
        })
    }
}

/// Whether an id or ARN is made of the name alone: then the new one has it too.
fn is_named(live: &Live, text: &str) -> bool {
    let name = live.spec.get("name").and_then(Value::as_str);
    name.and_then(|name| text.strip_suffix(name)).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
}

/// What the run that is undone did not touch, but holds something that it lost: it goes along. `definition` tells what needs what.
pub fn holders(definition: &Stack, targets: &BTreeMap<Address, Target>, world: &World) -> BTreeMap<Address, Target> {
    let live = pair::pair(definition, world).live;
    let lost = Lost::of(targets, &live);
    let holder = |(address, live): (&Address, &&Live)| {
        let needs = definition.resources.get(address).map(|declared| declared.needs.clone()).unwrap_or_default();
        // A field that can't change in place would have it replaced: it goes on with what it has.
        let mut open = live.spec.clone();
        for at in types::kind(&live.kind).into_iter().flat_map(|kind| &kind.replaces) {
            open.pointer_mut(at).map(Value::take);
        }
        let mut holds = false;
        expression::each_string(&open, &mut |text| holds |= lost.reference(text, address, &needs).is_some());
        let (before, expected, tags) = (Some((*live).clone()), live.spec.clone(), live.tags.clone());
        holds.then(|| (address.clone(), Target { before, expected, tags, needs, fresh: false }))
    };
    live.iter().filter(|(address, _)| !targets.contains_key(*address)).filter_map(holder).collect()
}

/// Whether something has to be made anew, so that others may have to follow it.
pub fn loses(targets: &BTreeMap<Address, Target>, world: &World) -> bool {
    let ids: BTreeSet<&str> = world.iter().map(|live| live.id.as_str()).collect();
    targets.values().filter_map(|target| target.before.as_ref()).any(|before| !ids.contains(before.id.as_str()))
}

/// Whatever held what is lost is made to hold the new one.
fn follow_the_new(stack: &mut Stack, targets: &BTreeMap<Address, Target>, live: &BTreeMap<Address, &Live>) {
    let lost = Lost::of(targets, live);
    if lost.resources.is_empty() {
        return;
    }
    for declared in stack.resources.values_mut() {
        let (own, before) = (&declared.address, &declared.needs);
        rewrite(&mut declared.spec, &mut |text| {
            if let Some(reference) = lost.reference(text, own, before) {
                *text = reference;
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
