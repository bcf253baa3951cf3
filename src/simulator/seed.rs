//! Resources that are put into the simulated cloud without a call: for rehearsals, and for drift in tests.

use serde_json::{Value, json};

use super::{
    Simulator,
    resource::{SimulatedResource, Version},
    schema::Reference,
};
use crate::{
    aws::types,
    core::{ADDRESS_TAG, Error, LiveResource, ResourceType, Result, STACK_TAG, expression},
};

impl Simulator {
    /// Inserts a resource without validation: for rehearsals with live resources, and for drift in tests.
    ///
    /// # Errors
    /// Fails if the state can't be written.
    pub fn seed(&self, live: LiveResource) -> Result<()> {
        self.with_inner(|inner| {
            let _held = inner.store.lock()?;
            let time = self.advance(&mut inner.store.state);
            let address = live.tags.get(ADDRESS_TAG).or_else(|| live.tags.get(STACK_TAG)).unwrap_or(&live.id).clone();
            inner.store.write(SimulatedResource {
                created_for: format!("{} seeded {address}", live.type_name),
                region: types::resource_type(&live.type_name)
                    .map_or_else(String::new, |kind| inner.store.state.region_of(kind, live.region.as_deref())),
                type_name: live.type_name,
                id: live.id,
                ordinal: 0,
                token: String::new(),
                created_at: time.visible_until,
                ready_at: time.visible_until,
                deletion: None,
                recoverable: false,
                awaits_person: false,
                outputs: live.outputs,
                versions: vec![Version { written_at: time.visible_until, spec: live.spec, tags: live.tags }],
            })
        })
    }

    /// Inserts missing resources that `spec` refers to, as far as the reference describes them: for rehearsals that depend on resources
    /// outside the stack.
    ///
    /// # Errors
    /// Fails if the state can't be written.
    pub fn seed_references(&self, kind: &ResourceType, region: Option<&str>, spec: &Value) -> Result<()> {
        for Reference { type_name: kind, value, .. } in kind.references(spec).into_iter().filter(|reference| !reference.is_name) {
            let known = self.with_inner(|inner| {
                let _held = inner.store.lock_for_write()?;
                Ok::<_, Error>(inner.store.state.find(&kind, region.unwrap_or(&self.region), &value).is_some())
            })?;
            if known || !expression::references(&value).is_empty() {
                continue;
            }
            let outputs = if value.starts_with("arn:") { json!({ "arn": value }) } else { json!({}) };
            let live = LiveResource::ready(kind, value, json!({}));
            self.seed(LiveResource { outputs: outputs.into(), region: region.map(str::to_owned), ..live })?;
        }
        Ok(())
    }
}
