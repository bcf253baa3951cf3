//! Address of a resource in a stack.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Address of a resource in the stack: `subnet.private-a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name of the type.
    pub type_name: String,
    /// Name in the definition, including the key of its `for_each` entry.
    pub name: String,
}

impl Address {
    /// Creates the address of `name` of type `kind`.
    pub fn new(type_name: &str, name: impl Into<String>) -> Address {
        Address { type_name: type_name.to_owned(), name: name.into() }
    }
    /// Parses `type.name`.
    pub fn parse(text: &str) -> Option<Address> {
        text.split_once('.').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()).map(|(kind, name)| Address::new(kind, name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.type_name, self.name)
    }
}
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a valid address")))
    }
}
