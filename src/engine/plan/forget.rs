//! Plans that let go of resources and change nothing else: `acme forget`. A definition lets go of others with `forget:`, in any plan.

use std::collections::BTreeSet;

use super::{
    Action, NullMeans, Plan, Reason,
    known::Location,
    matching,
    order::PlanDirection,
    planner::{Planner, new_change},
};
use crate::{
    core::{Address, iam_path},
    definition::{DesiredResource, Stack},
    engine::discover::{LiveState, resource_type_of},
};

/// Plans to let go of the resources at these addresses. All others stay as they are.
pub fn plan_forget(stack: &Stack, live_state: &LiveState, addresses: &BTreeSet<Address>, region: &str, account: &str) -> Plan {
    let matched = matching::match_resources(stack, live_state);
    let location = Location { region, account, iam_path: &iam_path(&stack.name, &stack.environment) };
    let mut planner = Planner::new(stack, &matched, location, NullMeans::Unmanaged, BTreeSet::new());
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
    planner.into_plan(live_state, PlanDirection::Forward)
}
