//! Sections whose entries are one resource each: `registries`, `storage`, `secrets`, `keys`, `roles`.

use serde_json::Value;

use super::{Expansion, SECTION_TYPES};

/// Converts every entry to a resource of its section's type, with the same name.
pub fn expand(out: &mut Expansion<'_, '_>, section: &str, value: Value, at: &str) {
    let Some((_, type_name)) = SECTION_TYPES.iter().find(|(name, _)| *name == section) else { return };
    for entry in out.parse_entries(value, at) {
        out.add_resource(type_name, entry.name, entry.fields, &entry.pointer);
    }
}
