//! References between resources.
//!
//! In a definition, a reference is the name of the other resource (`vpc: main`). In canonical form it is `{"id": "${vpc.main.id}"}`; the
//! engine replaces `${type.name.output}` in any string once the other exists, and every such text is an edge of the graph.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};

use super::Named;

/// Output of the other resource that a [`Ref`] stands for.
pub trait ReferencedOutput: 'static {
    /// Name of the output.
    const OUTPUT: &'static str;
}

/// Physical id.
pub struct Id;
impl ReferencedOutput for Id {
    const OUTPUT: &'static str = "id";
}

/// The ARN.
pub struct Arn;
impl ReferencedOutput for Arn {
    const OUTPUT: &'static str = "arn";
}

/// A reference to a resource of type `T` by its id. A literal id is written `{id: vpc-0123}`.
pub struct Ref<T, B = Id>(String, PhantomData<fn() -> (T, B)>);

/// A reference to a resource of type `T` by its ARN. A literal ARN may be written as it is.
pub type ArnRef<T> = Ref<T, Arn>;

impl<T: Named, B: ReferencedOutput> Ref<T, B> {
    /// Creates a reference to the resource with this physical id or ARN.
    pub fn to(value: impl Into<String>) -> Self {
        Ref(value.into(), PhantomData)
    }
    /// Creates a reference to the resource with this name in the stack.
    pub fn named(name: &str) -> Self {
        Self::to(format!("${{{}.{name}.{}}}", T::NAME, B::OUTPUT))
    }
    /// Returns the physical id or ARN. The engine resolves references before specs reach the calls.
    pub fn get(&self) -> &str {
        &self.0
    }
}

/// Returns the physical ids or ARNs of references, as parameters of calls.
pub fn referenced_ids<T: Named, B: ReferencedOutput>(refs: &BTreeSet<Ref<T, B>>) -> Vec<String> {
    refs.iter().map(|one| one.get().to_owned()).collect()
}

impl<T, B> Clone for Ref<T, B> {
    fn clone(&self) -> Self {
        Ref(self.0.clone(), PhantomData)
    }
}
impl<T, B> PartialEq for Ref<T, B> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T, B> Eq for Ref<T, B> {}
impl<T, B> PartialOrd for Ref<T, B> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T, B> Ord for Ref<T, B> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T, B> fmt::Debug for Ref<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Named, B: ReferencedOutput> Serialize for Ref<T, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(B::OUTPUT, &self.0)?;
        map.end()
    }
}

impl<'de, T: Named, B: ReferencedOutput> Deserialize<'de> for Ref<T, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected the name of a resource in this stack, or `{id: …}` / `{arn: …}`")]
        enum ReferenceSyntax {
            Name(String),
            Literal(std::collections::BTreeMap<String, String>),
        }
        match ReferenceSyntax::deserialize(deserializer)? {
            ReferenceSyntax::Name(text) if text.contains("${") || text.starts_with("arn:") => Ok(Self::to(text)),
            ReferenceSyntax::Name(name) => Ok(Self::named(name.strip_prefix(T::NAME).and_then(|n| n.strip_prefix('.')).unwrap_or(&name))),
            ReferenceSyntax::Literal(mut map) => match (map.remove(B::OUTPUT), map.is_empty()) {
                (Some(value), true) => Ok(Self::to(value)),
                _ => Err(D::Error::custom(format!("expected the name of a `{}` in this stack, or `{{{}: …}}`", T::NAME, B::OUTPUT))),
            },
        }
    }
}

impl<T: Named, B: ReferencedOutput> JsonSchema for Ref<T, B> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}_{}", T::NAME, B::OUTPUT).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": format!("Name of a `{}` in this stack, or `{{{}: …}}` for one outside it.", T::NAME, B::OUTPUT),
            "anyOf": [
                { "type": "string" },
                { "type": "object", "properties": { B::OUTPUT: { "type": "string" } }, "required": [B::OUTPUT], "additionalProperties": false },
            ],
            "x-acme-ref": T::NAME,
        })
    }
}
