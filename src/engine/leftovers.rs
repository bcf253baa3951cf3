//! Finds what the deletions of a plan leave behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    cloud::Cloud,
    discover::{Hints, LiveState, discover, is_made_by_controller},
    journal::TouchedResource,
    plan::{Action, Change, OwnedLeftovers, Plan},
};
use crate::{
    aws::types::resource_type,
    core::{Address, LeftoverRequest, LiveResource, Phase, Result},
    definition::Stack,
};

/// Leftovers are looked for in the name of a stack, for a plan and after unfinished runs.
pub(in crate::engine) struct LeftoverSearch<'a> {
    /// Cloud of the resources.
    pub cloud: &'a Cloud,
    /// Definition, with the name of the stack and the timeouts of its resources.
    pub stack: &'a Stack,
    /// Resources that unfinished runs touched.
    pub touched: &'a BTreeMap<Address, TouchedResource>,
}

impl LeftoverSearch<'_> {
    /// Finds what the deletions of a plan leave behind, and what those of unfinished runs have left. `live_state` has all resources of the
    /// stack. Makes no calls unless one of the deleted resources leaves something behind.
    ///
    /// # Errors
    /// Fails without a connection.
    pub(in crate::engine) async fn find(&self, plan: &Plan, live_state: &LiveState) -> Result<Vec<OwnedLeftovers>> {
        self.find_for(&self.owners(plan, live_state), plan, live_state, |_| None).await
    }

    /// Same for a rollback, whose live state has only the resources that it restores or deletes. Nobody has confirmed its plan, so data from
    /// before a resource that the run created does not count as left behind by that.
    ///
    /// # Errors
    /// Fails without a connection, or if the resources of the stack can't be read.
    pub(in crate::engine) async fn find_rolled_back(&self, plan: &Plan, known: &LiveState) -> Result<Vec<OwnedLeftovers>> {
        let owners = self.owners(plan, known);
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        let mut live_state = discover(self.cloud, self.stack, Hints { shallow: true, destroys: true, ..known.hints.clone() }).await?;
        // The index may not show the latest creations yet.
        for (kind, resources) in &known.live {
            let all = live_state.live.entry(kind).or_default();
            let missing: Vec<LiveResource> =
                resources.iter().filter(|live| !all.iter().any(|other| other.is_same_as(live))).cloned().collect();
            all.extend(missing);
        }
        let since = |address: &Address| {
            let created = self.touched.get(address)?.first_created_at?;
            Some(UNIX_EPOCH + Duration::from_millis(created))
        };
        self.find_for(&owners, plan, &live_state, since).await
    }

    async fn find_for(
        &self,
        owners: &[(&Address, &LiveResource)],
        plan: &Plan,
        live_state: &LiveState,
        since: impl Fn(&Address) -> Option<SystemTime>,
    ) -> Result<Vec<OwnedLeftovers>> {
        let mut found = Vec::new();
        for (address, live) in owners {
            let Some(kind) = resource_type(&live.type_name) else { continue };
            let is_planned = |change: &Change| change.address.type_name == kind.name && !is_deletion(change);
            let is_deleted = |other: &LiveResource| {
                plan.changes
                    .iter()
                    .any(|change| is_deletion(change) && change.before.as_ref().is_some_and(|before| before.is_same_as(other)))
            };
            let exists = |other: &&LiveResource| {
                other.type_name == kind.name && other.phase != Phase::Deleting && self.stack.owns(&other.tags) && !is_deleted(other)
            };
            let stays = plan.changes.iter().any(is_planned) || live_state.iter().any(|other| exists(&other));
            let request = LeftoverRequest {
                stack: self.stack.name.to_string(),
                environment: self.stack.environment.to_string(),
                owned: self.owned_ids(live_state),
                is_last_of_type: !stays,
                wait_limit: self.stack.resources.get(*address).and_then(|declared| declared.timeouts.delete),
                since: since(address),
            };
            let leftovers = self.cloud.leftovers(kind, live, &request).await?;
            found.push(OwnedLeftovers { owner: (*address).clone(), region: live.region.clone(), leftovers });
        }
        Ok(found)
    }

    /// Resources that leave something behind, and are deleted by this plan, or were by an unfinished run.
    fn owners<'a>(&'a self, plan: &'a Plan, live_state: &LiveState) -> Vec<(&'a Address, &'a LiveResource)> {
        let leaves = |live: &LiveResource| resource_type(&live.type_name).is_some_and(|kind| kind.leaves_leftovers);
        let deleted = plan.changes.iter().filter(|change| is_deletion(change));
        let deleted = deleted.filter_map(|change| Some((&change.address, change.before.as_ref()?)));
        let exists = |before: &LiveResource| live_state.iter().any(|live| live.is_same_as(before) && live.phase != Phase::Deleting);
        // A resource that is wanted again takes over what was made for it.
        let is_wanted = |address: &Address, gone: &LiveResource| {
            let is_same = |change: &Change| change.id.as_deref().is_none_or(|id| id == gone.id);
            plan.changes.iter().any(|change| change.address == *address && change.action != Action::Delete && is_same(change))
        };
        let gone = self.touched.iter().filter_map(|(address, touched)| Some((address, touched.last_deleted.as_ref()?)));
        let gone = gone.filter(|(address, live)| !exists(live) && !is_wanted(address, live));
        gone.chain(deleted).filter(|(_, live)| leaves(live)).collect()
    }

    /// Ids and ARNs of the stack's live resources, by type, without those that a controller has tagged as the stack's.
    fn owned_ids(&self, live_state: &LiveState) -> BTreeMap<String, BTreeSet<String>> {
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for live in live_state.iter().filter(|live| self.stack.owns(&live.tags) && !is_made_by_controller(live)) {
            ids.entry(live.type_name.clone()).or_default().extend([live.id.as_str()].into_iter().chain(live.arn()).map(str::to_owned));
        }
        ids
    }
}

fn is_deletion(change: &Change) -> bool {
    matches!(change.action, Action::Delete | Action::Replace)
}
