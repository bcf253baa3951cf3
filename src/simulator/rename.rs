//! Updates that change the name of a resource, and with it id, ARN and some outputs.

use serde_json::Value;

use super::{CallTime, Simulator, constraints, resource::SimulatedResource, store::CloudState};
use crate::core::{ResourceType, Result};

impl Simulator {
    /// The resource, whose latest version has a new name, under that name. Lagging reads don't show it.
    ///
    /// # Errors
    /// Fails if the name is taken.
    pub(super) fn renamed(
        &self,
        state: &mut CloudState,
        time: CallTime,
        kind: &'static ResourceType,
        entry: &SimulatedResource,
    ) -> Result<SimulatedResource> {
        let version = entry.latest().clone();
        let region = Some(entry.region.as_str()).filter(|region| !region.is_empty());
        let seed = format!("{}/{}", entry.created_for, entry.ordinal);
        let (id, generated) = self.generate(state, kind, (region, String::new()), seed, &version.spec);
        let mut outputs = entry.outputs.clone().into_inner();
        if let (Value::Object(outputs), Value::Object(generated)) = (&mut outputs, generated) {
            outputs.extend(generated.into_iter().filter(|(name, _)| kind.output_depends_on(name, &["/name"])));
        }
        let renamed = SimulatedResource { id, outputs: outputs.into(), created_at: time.now, versions: vec![version], ..entry.clone() };
        let key = state.key_of(&renamed);
        if state.resources.contains_key(&key) {
            return Err(constraints::already_exists(kind, &format!("A {} '{}'", kind.name.replace('_', " "), renamed.id), &key));
        }
        Ok(renamed)
    }
}
