//! JSON pointers to fields.

use std::{borrow::Cow, fmt};

/// A JSON pointer below a spec. `#[spec]` writes one for each field, such as `Subnet::POINTERS.cidr`, so a misspelled field does not
/// compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Cow<'static, str>);

impl Pointer {
    /// The spec as a whole.
    pub const ROOT: Pointer = Pointer(Cow::Borrowed(""));

    /// Creates a pointer from its text form. Only `#[spec]` calls it: other code starts with the pointer of a field.
    pub const fn new(text: &'static str) -> Pointer {
        Pointer(Cow::Borrowed(text))
    }
    /// Points at an element of this list, by index from 0, or at an entry of this map, by key.
    pub fn item(self, key: impl fmt::Display) -> Pointer {
        Pointer(Cow::Owned(format!("{}/{}", self.0, key.to_string().replace('~', "~0").replace('/', "~1"))))
    }
    /// Points at a field of this struct.
    pub fn field(self, below: Pointer) -> Pointer {
        Pointer(Cow::Owned(format!("{}{}", self.0, below.0)))
    }
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The text form.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_keys_but_not_fields() {
        const RULES: Pointer = Pointer::new("/rules");
        assert_eq!(RULES.item("a/b~c").field(Pointer::new("/port")).as_str(), "/rules/a~1b~0c/port");
        assert_eq!(Pointer::ROOT.field(RULES).item(0).as_str(), "/rules/0");
    }
}
