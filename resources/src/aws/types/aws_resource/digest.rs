//! The supported types, from the digest of their schemas.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{arn, shape::Shape};
use crate::core::partition;

/// A supported type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeDigest {
    /// Properties and attributes of its identifier, in order.
    pub id: Vec<String>,
    /// Pattern of its ARNs, with `{Property}` for a part of the identifier and `{}` for other parts.
    pub arn: String,
    /// Attribute with the ARN.
    #[serde(default)]
    arn_property: Option<String>,
    /// Property with the tags.
    pub tags: String,
    /// Whether tags are a map, not a list of keys and values.
    #[serde(default)]
    pub tags_as_map: bool,
    /// Whether its resources may hold data.
    #[serde(default)]
    pub data: bool,
    /// Whether its resources have no region.
    #[serde(default)]
    pub global: bool,
    /// Whether Cloud Control lists its resources without those of a parent.
    #[serde(default)]
    pub listed: bool,
    /// Paths of properties whose change replaces the resource.
    #[serde(default)]
    pub create_only: Vec<String>,
    /// Paths of properties of which AWS refuses some changes in place.
    #[serde(default)]
    pub conditional: Vec<String>,
    /// Paths, inside of properties, of what AWS sets.
    #[serde(default)]
    pub read_only: Vec<String>,
    /// Paths of properties that AWS never reports.
    #[serde(default)]
    pub write_only: Vec<String>,
    /// Paths of properties with secrets, with the remedy.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Paths of maps, and of lists of names and values, in which some values are secrets by their name, with the remedy.
    #[serde(default)]
    pub named_values: BTreeMap<String, String>,
    /// Properties that are instructions for one call.
    #[serde(default)]
    pub not_a_state: Vec<String>,
    /// Whether AWS can't change it at all.
    #[serde(default)]
    pub immutable: bool,
    /// What AWS reports besides the properties.
    #[serde(default)]
    pub attributes: BTreeMap<String, Shape>,
    /// The properties that a definition can set.
    pub properties: Shape,
    /// IAM actions of the handlers that read.
    #[serde(default)]
    pub read_actions: Vec<String>,
    /// IAM actions of the handlers that create, change and delete.
    #[serde(default)]
    pub change_actions: Vec<String>,
}

#[derive(Deserialize)]
struct Digest {
    types: BTreeMap<String, TypeDigest>,
}

/// Read by a unit test, so it is well-formed.
static TYPES: LazyLock<BTreeMap<String, TypeDigest>> =
    LazyLock::new(|| serde_json::from_str::<Digest>(include_str!("types.json")).map(|digest| digest.types).unwrap_or_default());

/// All supported types, by name.
pub fn all() -> &'static BTreeMap<String, TypeDigest> {
    &TYPES
}

/// Names of all supported types.
pub fn names() -> Vec<&'static str> {
    TYPES.keys().map(String::as_str).collect()
}

/// A supported type.
pub fn find(name: &str) -> Option<&'static TypeDigest> {
    TYPES.get(name)
}

/// Type and identifier of a resource with this ARN.
pub fn find_by_arn(arn: &str) -> Option<(&'static str, String)> {
    TYPES.iter().find_map(|(name, digest)| Some((name.as_str(), digest.identifier_in(arn)?)))
}

impl TypeDigest {
    /// Whether the identifier is the ARN.
    pub fn is_identified_by_arn(&self) -> bool {
        matches!(self.id.as_slice(), [one] if !arn::names_part(&self.arn, one))
    }
    /// Identifier in an ARN of the type.
    fn identifier_in(&self, arn: &str) -> Option<String> {
        let parts = arn::parse(&self.arn, arn)?;
        if self.is_identified_by_arn() {
            return Some(arn.to_owned());
        }
        let parts: Option<Vec<&str>> = self.id.iter().map(|name| parts.get(name.as_str()).copied()).collect();
        parts.map(|parts| parts.join("|"))
    }
    /// ARN of a resource.
    pub fn arn_of(&self, identifier: &str, model: &Map<String, Value>, region: &str, account: &str) -> String {
        let reported = self.arn_property.as_ref().and_then(|name| model.get(name)?.as_str());
        if let Some(arn) = reported {
            return arn.to_owned();
        }
        if self.is_identified_by_arn() {
            return identifier.to_owned();
        }
        let mut parts: BTreeMap<&str, &str> = self.id.iter().map(String::as_str).zip(identifier.split('|')).collect();
        parts.extend([("region", region), ("account", account)]);
        arn::fill(&self.arn, partition(region), &parts)
    }
    /// Paths of write-only values below a property, as parts; an empty one is the property itself.
    pub fn write_only_below<'a>(&'a self, property: &str) -> Vec<Vec<&'a str>> {
        below(&self.write_only, property)
    }
    /// Shape of a property.
    pub fn shape_of(&self, property: &str) -> &Shape {
        self.properties.field(property).unwrap_or(&Shape::Any)
    }
    /// Names of the properties that distinguish two resources of the type: its identifier, if a definition sets it, and other names that can't
    /// change.
    pub fn name_properties(&self) -> impl Iterator<Item = &str> {
        let is_name = |path: &&String| !path.contains('/') && (self.id.contains(path) || path.ends_with("Name"));
        let names = self.create_only.iter().filter(is_name).map(String::as_str);
        names.filter(|name| self.properties.field(name).is_some())
    }
}

/// The paths below a property, as parts.
pub fn below<'a>(paths: &'a [String], property: &str) -> Vec<Vec<&'a str>> {
    let parts = paths.iter().map(|path| path.split('/').collect::<Vec<_>>());
    parts.filter(|parts| parts.first() == Some(&property)).map(|parts| parts[1..].to_vec()).collect()
}
