//! Plans that let go of resources and change nothing else: `acme forget`. A definition lets go of others with `forget:`, in any plan.

use std::collections::BTreeSet;

use super::{
    Action, Goal, NullMeans, Plan, Reason, Summary,
    known::Location,
    matching,
    order::PlanDirection,
    planner::{Planner, new_change, plan},
    references::refers_to,
};
use crate::{
    core::{Address, LiveResource, iam_path},
    definition::{DesiredResource, Stack},
    engine::discover::{LiveState, resource_type_of, without_ownership_tags},
};

/// Maximum number of addresses in a sentence.
const MAX_LISTED: usize = 5;

/// Plans to let go of the resources at these addresses, and of their parts that have no tags. All others stay as they are.
pub fn plan_forget(stack: &Stack, live_state: &LiveState, addresses: &BTreeSet<Address>, region: &str, account: &str) -> Plan {
    // What is let go does not move to another address.
    let mut stack = stack.clone();
    stack.moved.retain(|from, _| !addresses.contains(from));
    stack.forget.extend(addresses.iter().map(|address| (address.clone(), String::new())));
    let matched = matching::match_resources(&stack, live_state);
    let location = Location { region, account, iam_path: &iam_path(&stack.name, &stack.environment) };
    let mut planner = Planner::new(&stack, &matched, location, NullMeans::Unmanaged, BTreeSet::new());
    for (address, live) in &matched.live {
        let declared = stack.resources.get(address);
        if addresses.contains(address) {
            planner.plan_removal(address, live, declared, Reason::Forgotten);
        } else if let Ok(kind) = resource_type_of(live) {
            let mut change = new_change(address.clone(), kind, Action::None, Reason::UpToDate, Some(live));
            change.section = declared.and_then(DesiredResource::section).map(str::to_owned);
            planner.changes.insert(address.clone(), Box::new(change));
        }
    }
    planner.forget_parts();
    planner.into_plan(live_state, PlanDirection::Forward)
}

/// Sentences about the resources that stay and use what `forget` lets go, and about the next plan of the definition as it is.
pub fn forget_effects(stack: &Stack, live_state: &LiveState, forget: &Plan) -> Vec<String> {
    let (leaving, staying): (Vec<_>, Vec<_>) = forget.changes.iter().partition(|change| change.action == Action::Forget);
    let mut effects = Vec::new();
    for change in &leaving {
        let Some(live) = &change.before else { continue };
        let uses = |other: &LiveResource, address: &Address| {
            refers_to(other, live) || stack.resources.get(address).is_some_and(|declared| declared.depends_on.contains(&change.address))
        };
        let users = staying.iter().filter(|other| other.before.as_ref().is_some_and(|before| uses(before, &other.address)));
        let users: Vec<String> = users.map(|other| format!("`{}`", other.address)).collect();
        if !users.is_empty() {
            let verb = if users.len() == 1 { "stays in the stack and uses" } else { "stay in the stack and use" };
            effects.push(format!("{} {verb} `{}`.", listed(&users), change.address));
        }
    }
    let declared: Vec<String> = leaving
        .iter()
        .filter(|change| stack.resources.contains_key(&change.address))
        .map(|change| format!("`{}`", change.address))
        .collect();
    if !declared.is_empty() {
        let next = plan(stack, &without_tags(live_state, forget), Goal::Apply, &forget.region, &forget.account);
        let it = if declared.len() == 1 { "it" } else { "them" };
        let does = match next.obstacles.first() {
            Some(obstacle) => format!("is blocked: {}", obstacle.message),
            None => {
                let changed = next.changes.iter().filter(|change| change.action != Action::None);
                let changed: Vec<String> = changed.map(|change| format!("`{}`", change.address)).collect();
                match changed.is_empty() {
                    true => "has no changes".to_owned(),
                    false => format!("has {}: {}", Summary::of(&next.changes).describe(), listed(&changed)),
                }
            }
        };
        effects.push(format!("The definition still declares {}. Until you remove {it} there, the next plan {does}.", listed(&declared)));
    }
    effects
}

/// The live resources as they are after the plan.
fn without_tags(live_state: &LiveState, forget: &Plan) -> LiveState {
    let mut after = live_state.clone();
    let forgotten: BTreeSet<(&str, &str)> = forget
        .changes
        .iter()
        .filter(|change| change.action == Action::Forget)
        .filter_map(|change| Some((change.address.type_name.as_str(), change.id.as_deref()?)))
        .collect();
    for live in after.live.values_mut().flatten().filter(|live| forgotten.contains(&(live.type_name.as_str(), live.id.as_str()))) {
        live.tags = without_ownership_tags(&live.tags).into();
    }
    after.hints.known_ids.clear();
    after
}

/// `a, b and 3 more`.
fn listed(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MAX_LISTED => format!("{} and {last}", first.join(", ")),
        _ => {
            let first: Vec<&str> = names.iter().take(MAX_LISTED).map(String::as_str).collect();
            format!("{} and {} more", first.join(", "), names.len().saturating_sub(MAX_LISTED))
        }
    }
}
