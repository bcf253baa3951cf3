//! A live resource without its type.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Phase, Shared, Tags};

/// A live resource of any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveResource {
    /// Name of its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Physical id.
    pub id: String,
    /// Value of [`super::TypeInfo::permanent_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_id: Option<String>,
    /// All tags, including ownership tags.
    pub tags: Shared<Tags>,
    /// Phase of its life: pending, ready, failed or deleted.
    pub phase: Phase,
    /// Attributes in the shape of the spec.
    pub spec: Shared<Value>,
    /// Outputs for references.
    pub outputs: Shared<Value>,
    /// Region, if it is not the stack's. `None` for global types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// See [`super::Observed::version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl LiveResource {
    /// Ready resource without tags and outputs.
    pub fn ready(type_name: impl Into<String>, id: impl Into<String>, spec: Value) -> LiveResource {
        LiveResource {
            type_name: type_name.into(),
            id: id.into(),
            permanent_id: None,
            tags: Shared::default(),
            phase: Phase::Ready,
            spec: spec.into(),
            outputs: Shared::default(),
            region: None,
            version: None,
        }
    }
    /// Returns the value of an output; `id` is the physical id.
    pub fn output(&self, name: &str) -> Option<Value> {
        if name == "id" {
            return Some(Value::String(self.id.clone()));
        }
        self.outputs.get(name).or_else(|| self.spec.get(name)).filter(|v| !v.is_null()).cloned()
    }
    /// Whether both are the same resource: ids are unique within a type and region. A resource that was renamed is the same.
    pub fn is_same_as(&self, other: &LiveResource) -> bool {
        let has_same_id = self.id == other.id || (self.permanent_id.is_some() && self.permanent_id == other.permanent_id);
        (&self.type_name, &self.region) == (&other.type_name, &other.region) && has_same_id
    }
    /// Returns the ARN, if the type has one.
    pub fn arn(&self) -> Option<&str> {
        self.outputs.get("arn").and_then(Value::as_str).or_else(|| self.id.starts_with("arn:").then_some(self.id.as_str()))
    }
}

/// A type-erased [`super::Created`].
#[derive(Clone, Debug, PartialEq)]
pub enum CreatedResource {
    /// Physical id; the rest is read.
    Id(String),
    /// Complete resource.
    Complete(Box<LiveResource>),
}

impl CreatedResource {
    /// Physical id.
    pub fn id(&self) -> &str {
        match self {
            CreatedResource::Id(id) => id,
            CreatedResource::Complete(live) => &live.id,
        }
    }
}
