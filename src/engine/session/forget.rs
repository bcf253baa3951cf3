//! Lets go of resources.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{DiscoveryDepth, LockedSession, ProposedPlan, Result, SessionError, StackState, proposed_plan::Task};
use crate::{
    aws::types,
    core::{Address, LiveResource, expression::for_each_string},
    engine::{
        discover::address_of,
        plan::plan_forget,
        run::{Declared, RunHistory},
    },
};

/// Command of a run that lets go of resources.
pub const FORGET: &str = "forget";

impl LockedSession {
    /// Plans to remove the ownership tags of the resources at these addresses, declared or not, and nothing else. A run of this command that
    /// is unfinished is continued.
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
        let plan = plan_forget(&session.stack, &state.live_state, addresses, session.region(), self.account());
        let mut fields = state.history.declared_fields(session.region(), self.account());
        fields.retain(|address, _| !addresses.contains(address));
        let outputs = state.history.outputs(session.region(), self.account()).cloned().unwrap_or_default();
        let declared = Declared { fields, outputs };
        let StackState { live_state, history: RunHistory { unfinished, .. }, .. } = state;
        Ok(ProposedPlan::new(self, Task::Forget(declared), plan, live_state, unfinished))
    }
}

fn check_forgettable(address: &Address, owned: &[&LiveResource], leaving: &BTreeSet<Address>) -> Result<()> {
    let Some(live) = owned.iter().find(|live| address_of(live).as_ref() == Some(address)) else {
        return Err(SessionError::NotFound(format!("the stack has no resource `{address}`: `acme show --live` lists all of them")));
    };
    let Some(kind) = types::resource_type(&live.type_name) else { return Ok(()) };
    if !kind.is_adoptable() {
        let thing = kind.name.replace('_', " ");
        return Err(SessionError::NotForgettable(format!(
            "a {thing} has no tags of its own: it belongs to the stack as long as its parent does"
        )));
    }
    let within = owned.iter().filter(|other| types::resource_type(&other.type_name).is_some_and(|other| other.parent == Some(kind.name)));
    let staying =
        within.filter(|other| refers_to(other, live)).filter_map(|other| address_of(other)).find(|other| !leaving.contains(other));
    match staying {
        Some(other) => Err(SessionError::NotForgettable(format!(
            "acme finds `{other}` through `{address}`, so it would be lost: forget both, or neither"
        ))),
        None => Ok(()),
    }
}

/// Whether the spec of a resource has the id or the ARN of another.
fn refers_to(live: &LiveResource, other: &LiveResource) -> bool {
    let mut found = false;
    let spec: &Value = &live.spec;
    for_each_string(spec, &mut |text| found |= text == other.id || Some(text) == other.arn());
    found
}
