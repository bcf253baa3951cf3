//! Changes to a stack that is only a copy of another environment: its databases restore backups, and nothing of it is kept.

use serde_json::{Map, Value};

use super::Session;
use crate::core::{Address, OnDelete, Problem};

impl Session {
    /// Sets fields of a resource to other values than the definition's. Call it once the account is known: until then, the definition may be
    /// compiled again.
    ///
    /// # Errors
    /// Returns what the type does not accept.
    pub fn set_fields(&mut self, address: &Address, fields: &Map<String, Value>) -> std::result::Result<(), Vec<Problem>> {
        let Some(declared) = self.stack.resources.get_mut(address) else { return Ok(()) };
        let with = |spec: &Value| {
            let mut spec = spec.clone();
            if let Value::Object(spec) = &mut spec {
                spec.extend(fields.clone());
            }
            spec
        };
        declared.spec = declared.resource_type.operations.parse(&with(&declared.spec))?;
        if let Some(referring) = &mut declared.self_referring {
            referring.spec = with(&referring.spec);
        }
        Ok(())
    }

    /// Makes every deletion final: without snapshots, with what buckets and registries contain, and after the shortest window of keys and
    /// secrets. Resources that the definition retains are deleted, too.
    pub fn discard_data(&mut self) {
        for declared in self.stack.resources.values_mut() {
            declared.on_delete = Some(OnDelete::Delete);
        }
    }
}
