//! The simulated account.

use super::Simulator;
use crate::core::ResourceType;

impl Simulator {
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
