//! A stack definition: YAML with its places in the text, compiled into a graph of typed resources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    kind::Kind,
    resource::{OnDelete, Tags},
};

/// Where a resource stands in the stack: `subnet.private-a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name of the type.
    pub kind: String,
    /// Name in the definition, with the key of its `for_each` entry.
    pub name: String,
}

impl Address {
    /// The address of `name` of type `kind`.
    pub fn new(kind: &str, name: impl Into<String>) -> Address {
        Address { kind: kind.to_owned(), name: name.into() }
    }
    /// Reads `type.name`.
    pub fn parse(text: &str) -> Option<Address> {
        text.split_once('.').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()).map(|(kind, name)| Address::new(kind, name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One resource of the definition, in canonical form.
pub struct Declared {
    /// Its address.
    pub address: Address,
    /// Its type.
    pub kind: &'static Kind,
    /// The canonical spec. References stand in strings as `${type.name.output}`.
    pub spec: Value,
    /// Every tag it shall carry, marks included.
    pub tags: Tags,
    /// Addresses it needs: from references in the spec and `depends_on`.
    pub needs: BTreeSet<Address>,
    /// What becomes of its data; `None`: the type's default.
    pub on_delete: Option<OnDelete>,
    /// Where it stands: a JSON pointer into the definition.
    pub at: String,
}

/// A compiled stack for one environment.
pub struct Stack {
    /// Name of the stack.
    pub name: String,
    /// Name of the environment; `default` when the definition has none.
    pub environment: String,
    /// Region it belongs to, when pinned.
    pub region: Option<String>,
    /// Account it belongs to, when pinned.
    pub account: Option<String>,
    /// Every resource by address.
    pub resources: BTreeMap<Address, Declared>,
    /// Values to report after apply; references stand as `${type.name.output}`.
    pub outputs: BTreeMap<String, Value>,
}

impl Stack {
    /// What physical names start with: `<stack>-<environment>-`, or `<stack>-` where the definition has no environments.
    pub fn prefix(&self) -> String {
        if self.environment == "default" { format!("{}-", self.name) } else { format!("{}-{}-", self.name, self.environment) }
    }
}
