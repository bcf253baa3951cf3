//! Destinations of routes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::Cidr;

/// Destination of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Destination {
    /// A range.
    Range(Cidr),
    /// A prefix list's id.
    PrefixList(String),
}

impl TryFrom<String> for Destination {
    type Error = String;
    fn try_from(text: String) -> Result<Destination, String> {
        if text.starts_with("pl-") { Ok(Destination::PrefixList(text)) } else { text.parse().map(Destination::Range) }
    }
}
impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Range(cidr) => cidr.fmt(f),
            Destination::PrefixList(id) => id.fmt(f),
        }
    }
}
