//! Updates that change outputs: those that follow from the spec, and with the name of a resource its id and ARN.

use serde_json::Value;

use super::{CallTime, Simulator, constraints, resource::SimulatedResource, store::CloudState};
use crate::core::{ResourceType, Result, Shared};

impl Simulator {
    /// Outputs after an update: those that follow from resources to which the latest version refers, such as the VPC of its subnets, are
    /// those of its present ones.
    pub(super) fn updated_outputs(&self, state: &mut CloudState, kind: &'static ResourceType, entry: &SimulatedResource) -> Shared<Value> {
        let region = Some(entry.region.as_str()).filter(|region| !region.is_empty());
        let seed = format!("{}/{}", entry.created_for, entry.ordinal);
        let spec = entry.latest().spec.clone();
        let present = self.with_generator(state, kind, (region, String::new()), seed, &spec, |maker, schema| {
            schema.map(|schema| maker.outputs_of_references(schema)).unwrap_or_default()
        });
        let mut outputs = entry.outputs.clone().into_inner();
        if let Value::Object(outputs) = &mut outputs {
            outputs.extend(present);
        }
        outputs.into()
    }

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
