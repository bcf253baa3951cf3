//! Plans that let go of resources: they lose their ownership tags, and stay in AWS as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, NullMeans, Plan, Reason,
    known::Location,
    matching,
    order::PlanDirection,
    planner::{Planner, new_change},
};
use crate::{
    core::{Address, iam_path},
    definition::Stack,
    engine::discover::{LiveState, resource_type_of},
};

/// Plans to let go of the resources at these addresses. All others stay as they are.
pub fn plan_forget(stack: &Stack, live_state: &LiveState, addresses: &BTreeSet<Address>, region: &str, account: &str) -> Plan {
    let matched = matching::match_resources(stack, live_state);
    let location = Location { region, account, iam_path: &iam_path(&stack.name, &stack.environment) };
    let mut planner = Planner::new(stack, &matched, location, NullMeans::Unmanaged, BTreeSet::new());
    let mut changes = BTreeMap::new();
    for (address, live) in &matched.live {
        let Ok(kind) = resource_type_of(live) else { continue };
        let (action, reason) = match addresses.contains(address) {
            true => (Action::Forget, Reason::Forgotten),
            false => (Action::None, Reason::UpToDate),
        };
        let mut change = new_change(address.clone(), kind, action, reason, Some(live));
        let declared = stack.resources.get(address);
        change.section = declared.and_then(|declared| declared.pointer.split('/').nth(1)).map(str::to_owned);
        changes.insert(address.clone(), Box::new(change));
    }
    planner.changes = changes;
    planner.into_plan(live_state, PlanDirection::Forward)
}
