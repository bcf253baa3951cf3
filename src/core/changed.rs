//! What differs between two specs.

/// JSON pointers of what differs.
#[derive(Clone, Debug, Default)]
pub struct Changed(pub Vec<String>);

impl Changed {
    /// Whether the field at `pointer`, or anything below it, differs.
    pub fn has(&self, pointer: &str) -> bool {
        self.0.iter().any(|p| p == pointer || p.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/')))
    }
    /// Whether any of these fields differs.
    pub fn any(&self, pointers: &[&str]) -> bool {
        pointers.iter().any(|p| self.has(p))
    }
}
