//! Lets go of resources.

use std::collections::BTreeSet;

use super::{DiscoveryDepth, LockedSession, ProposedPlan, Result, SessionError, StackState, proposed_plan::Task};
use crate::{
    aws::types,
    core::{Address, LiveResource, nearest::nearest},
    engine::{
        discover::address_of,
        plan::{Action, forget_effects, is_part_of, plan_forget, refers_to},
        run::{Declared, RunHistory},
    },
};

/// Command of a run that lets go of resources.
pub const FORGET: &str = "forget";

impl LockedSession {
    /// Plans to remove the ownership tags of the resources at these addresses, declared or not, and nothing else. Parts of them without tags of
    /// their own leave with them. The plan warns of resources that stay and use them. A run of this command that is unfinished is continued.
    ///
    /// # Errors
    /// Fails if another run is unfinished, if the stack has no such resource, if its type has no tags, or if something in it would stay in
    /// the stack and could no longer be found.
    pub async fn plan_forget(&mut self, addresses: &BTreeSet<Address>) -> Result<ProposedPlan<'_>> {
        let unfinished = &self.run_history().await?.unfinished;
        let last = unfinished.journals.last().map(|replay| replay.run.as_ref().is_some_and(|begin| begin.command == FORGET));
        if last == Some(false) {
            return Err(SessionError::UnfinishedRun);
        }
        let state = self.discover_for_plan(DiscoveryDepth::Recorded).await?;
        let session = self.session();
        let owned: Vec<&LiveResource> = state.live_state.iter().filter(|live| session.is_owned(live)).collect();
        for address in addresses {
            check_forgettable(address, &owned, addresses)?;
        }
        let mut plan = plan_forget(&session.stack, &state.live_state, addresses, session.region(), self.account());
        let forgets = |address: &Address| plan.changes.iter().any(|change| change.address == *address && change.action == Action::Forget);
        if let Some(address) = addresses.iter().find(|address| !forgets(address)) {
            return Err(not_in_stack(address, &owned));
        }
        let mut fields = state.history.declared_fields(session.region(), self.account());
        fields.retain(|address, _| !forgets(address));
        let effects = forget_effects(&session.stack, &state.live_state, &plan);
        plan.warnings.extend(effects);
        let outputs = state.history.outputs(session.region(), self.account()).cloned().unwrap_or_default();
        let declared = Declared { fields, outputs };
        let StackState { live_state, history: RunHistory { unfinished, .. }, .. } = state;
        Ok(ProposedPlan::new(self, Task::Forget(declared), plan, live_state, unfinished))
    }
}

fn check_forgettable(address: &Address, owned: &[&LiveResource], leaving: &BTreeSet<Address>) -> Result<()> {
    let Some(live) = owned.iter().find(|live| address_of(live).as_ref() == Some(address)) else {
        return Err(not_in_stack(address, owned));
    };
    let Some(kind) = types::resource_type(&live.type_name) else { return Ok(()) };
    if !kind.is_adoptable() {
        let parent = owned.iter().find(|parent| is_part_of(live, parent)).and_then(|parent| address_of(parent));
        // Named with what contains it, it leaves with it.
        if parent.as_ref().is_some_and(|parent| leaving.contains(parent)) {
            return Ok(());
        }
        return Err(SessionError::NotForgettable {
            message: format!("`{address}` has no tags of its own: it belongs to the stack as long as what contains it does"),
            help: parent.map_or_else(|| "forget what contains it".to_owned(), |parent| format!("forget `{parent}`, and it leaves, too")),
        });
    }
    let within = owned.iter().filter(|other| {
        types::resource_type(&other.type_name).is_some_and(|other| other.parent == Some(kind.name) && other.is_adoptable())
    });
    let staying =
        within.filter(|other| refers_to(other, live)).filter_map(|other| address_of(other)).find(|other| !leaving.contains(other));
    match staying {
        Some(other) => Err(SessionError::NotForgettable {
            message: format!("acme finds `{other}` through `{address}`, so it would be lost"),
            help: "forget both, or neither".to_owned(),
        }),
        None => Ok(()),
    }
}

fn not_in_stack(address: &Address, owned: &[&LiveResource]) -> SessionError {
    let names: Vec<String> = owned.iter().filter_map(|live| address_of(live)).map(|address| address.to_string()).collect();
    let near = nearest(&address.to_string(), names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`? "));
    SessionError::NotInStack {
        address: address.clone(),
        help: format!("{}`acme show --live` lists all addresses", near.unwrap_or_default()),
    }
}
