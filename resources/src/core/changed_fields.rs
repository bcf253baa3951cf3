//! Differences between two specs.

/// JSON pointers to fields that differ.
#[derive(Clone, Debug, Default)]
pub struct ChangedFields(pub Vec<String>);

impl ChangedFields {
    /// Whether the field at `pointer`, or anything below it, differs.
    pub fn contains(&self, pointer: &str) -> bool {
        self.0.iter().any(|p| p == pointer || p.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/')))
    }
    /// Whether any of these fields differs.
    pub fn contains_any(&self, pointers: &[&str]) -> bool {
        pointers.iter().any(|p| self.contains(p))
    }
}
