//! What the deletions of a plan leave behind.

use std::collections::{BTreeMap, BTreeSet};

use super::{Result, Session, StackState};
use crate::{
    aws::types::resource_type,
    core::{Address, LeftoverRequest, LiveResource, Phase},
    engine::{
        discover::is_made_by_controller,
        plan::{Action, Goal, OwnedLeftovers, Plan},
    },
};

impl Session {
    /// Finds what the deletions of a plan leave behind, and what those of unfinished runs have left. Makes no calls unless one of these
    /// resources leaves something behind.
    ///
    /// # Errors
    /// Fails without a connection.
    pub(super) async fn find_leftovers(&self, state: &StackState, plan: &Plan, goal: Goal) -> Result<Vec<OwnedLeftovers>> {
        let mut found = Vec::new();
        for (address, live) in self.owners(state, plan, goal) {
            let Some(kind) = resource_type(&live.type_name) else { continue };
            let leaving = |action: Action| matches!(action, Action::Delete | Action::Replace);
            let stays = plan.changes.iter().any(|change| change.address.type_name == kind.name && !leaving(change.action));
            let declared = self.stack.resources.get(address);
            let request = LeftoverRequest {
                stack: self.stack.name.to_string(),
                environment: self.stack.environment.to_string(),
                owned: self.owned_ids(state),
                is_last_of_type: !stays,
                patience: declared.and_then(|declared| declared.timeouts.delete),
            };
            let leftovers = self.cloud.leftovers(kind, live, &request).await?;
            found.push(OwnedLeftovers { owner: address.clone(), region: live.region.clone(), leftovers });
        }
        Ok(found)
    }

    /// Resources that leave something behind, and are deleted by this plan, or were by an unfinished run.
    fn owners<'a>(&self, state: &'a StackState, plan: &'a Plan, goal: Goal) -> BTreeMap<&'a Address, &'a LiveResource> {
        let leaves = |live: &LiveResource| resource_type(&live.type_name).is_some_and(|kind| kind.leaves_leftovers);
        let deleted = plan.changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Replace));
        let deleted = deleted.filter_map(|change| Some((&change.address, change.before.as_ref()?)));
        let exists = |before: &LiveResource| state.live_state.iter().any(|live| live.is_same_as(before) && live.phase != Phase::Deleting);
        let is_declared = |address: &Address| goal == Goal::Apply && self.stack.resources.contains_key(address);
        let touched = state.history.unfinished.touched.iter().filter(|(address, touched)| touched.delete_started && !is_declared(address));
        let gone = touched.filter_map(|(address, touched)| Some((address, touched.before.as_ref().filter(|before| !exists(before))?)));
        gone.chain(deleted).filter(|(_, live)| leaves(live)).collect()
    }

    /// Ids and ARNs of the stack's live resources, by type, without those that a controller has tagged as the stack's.
    fn owned_ids(&self, state: &StackState) -> BTreeMap<String, BTreeSet<String>> {
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for live in state.live_state.iter().filter(|live| self.stack.owns(&live.tags) && !is_made_by_controller(live)) {
            ids.entry(live.type_name.clone()).or_default().extend([live.id.as_str()].into_iter().chain(live.arn()).map(str::to_owned));
        }
        ids
    }
}
