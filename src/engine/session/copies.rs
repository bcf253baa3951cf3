//! Changes to a stack that is only a copy of another environment: its databases restore backups, and nothing of it is kept.

use serde_json::{Map, Value};

use super::Session;
use crate::{
    core::{Address, OnDelete, Problem},
    definition::Stack,
};

impl Session {
    /// Sets fields of a resource to other values than the definition's. Call it once the account is known: until then, the definition may be
    /// compiled again.
    ///
    /// # Errors
    /// Returns what the type does not accept.
    pub fn set_fields(&mut self, address: &Address, fields: &Map<String, Value>) -> std::result::Result<(), Vec<Problem>> {
        self.stack.resources.get_mut(address).map_or(Ok(()), |declared| declared.set_fields(fields))
    }

    /// Replaces the stack by an earlier state of it.
    pub fn return_to(&mut self, stack: Stack) {
        self.stack = stack;
    }

    /// Makes every deletion final: without snapshots, with what buckets and registries contain, and after the shortest window of keys and
    /// secrets. Resources that the definition retains are deleted, too.
    pub fn discard_data(&mut self) {
        for declared in self.stack.resources.values_mut() {
            declared.on_delete = Some(OnDelete::Delete);
        }
    }
}
