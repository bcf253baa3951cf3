//! The simulated account, and the people who act outside acme.

use std::time::Duration;

use super::{FAULT_VARIABLE, Simulator, resource::SimulatedResource};
use crate::core::{LiveResource, Phase, ResourceType};

impl Simulator {
    /// Time for which a run waits for a person.
    pub const WAIT_FOR_PERSON: Duration = Duration::from_secs(2);

    /// A ready resource, waiting for a person as long as the fault for its type is set.
    pub(super) fn as_waiting(&self, entry: &SimulatedResource, live: LiveResource) -> LiveResource {
        let kind = &entry.type_name;
        if live.phase != Phase::Ready || !entry.awaits_person || !self.behaviour.faults.waiting.contains(kind) {
            return live;
        }
        let instruction = format!("act outside acme; in the simulated cloud, run acme without `waiting:{kind}` in {FAULT_VARIABLE}");
        LiveResource { phase: Phase::Waiting(instruction), ..live }
    }

    /// Number of resources of a type in a region, `None` for the stack's.
    pub fn count(&self, kind: &'static ResourceType, region: Option<&str>) -> u64 {
        self.with_inner(|inner| {
            let Ok(_held) = inner.store.lock() else { return 0 };
            let state = &inner.store.state;
            let region = state.region_of(kind, region);
            state.of_type(kind.name).filter(|entry| entry.region == region).count() as u64
        })
    }
}
