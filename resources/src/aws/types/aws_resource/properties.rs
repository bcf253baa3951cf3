//! Properties as a definition writes them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

use crate::core::Document;

/// Properties of a resource. In a definition, `null` stands for a property that the last revision set and this one does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Properties(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Properties, D::Error> {
        match Document::new(Value::deserialize(deserializer)?).value() {
            Value::Object(map) => Ok(Properties(map.clone())),
            Value::Null => Ok(Properties::default()),
            _ => Err(D::Error::custom("expected a map of properties")),
        }
    }
}

impl JsonSchema for Properties {
    fn schema_name() -> Cow<'static, str> {
        "AwsProperties".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": Property::removed_if_unset(generator) })
    }
}

/// Value of a property, at any depth.
struct Property;

impl Property {
    /// Schema of a value that AWS loses if the definition no longer sets it.
    fn removed_if_unset(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<Property>();
        schema.insert("x-acme-dropped".to_owned(), Value::Null);
        schema
    }
}

impl JsonSchema for Property {
    fn schema_name() -> Cow<'static, str> {
        "AwsProperty".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value as in CloudFormation's resource reference.",
            "additionalProperties": Property::removed_if_unset(generator),
        })
    }
}
