//! Values of a release.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::core::Document;

/// Stands for `null` in a spec, where `null` would mean that a value is not managed: Helm removes a default of the chart by it.
/// <https://helm.sh/docs/chart_template_guide/values_files/#deleting-a-default-key>
const NULL: &str = "<null>";

/// Values in place of a chart's. A value `null` removes the chart's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Document);

impl Values {
    /// The values as Helm has them.
    pub fn from_helm(values: Value) -> Values {
        Values(Document::new(replaced(values, &Value::Null, &Value::from(NULL))))
    }
    /// The values for Helm.
    pub fn for_helm(&self) -> Value {
        replaced(self.0.value().clone(), &Value::from(NULL), &Value::Null)
    }
    /// The values as a spec has them.
    pub fn value(&self) -> &Value {
        self.0.value()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The same with another value in place of one.
fn replaced(value: Value, from: &Value, to: &Value) -> Value {
    match value {
        value if value == *from => to.clone(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, replaced(value, from, to))).collect::<Map<_, _>>().into(),
        Value::Array(list) => list.into_iter().map(|value| replaced(value, from, to)).collect(),
        value => value,
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        Ok(Values::from_helm(Document::deserialize(deserializer)?.value().clone()))
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        Document::schema_name()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Document::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_is_a_value_in_a_spec_and_null_for_helm() {
        let written = json!({ "limits": null, "list": [null, 1], "replicas": 2.0 });
        let values: Values = serde_json::from_value(written).expect("values");
        let spec = serde_json::to_value(&values).expect("JSON");
        assert_eq!(spec, json!({ "limits": "<null>", "list": ["<null>", 1], "replicas": 2 }));
        assert_eq!(values.for_helm(), json!({ "limits": null, "list": [null, 1], "replicas": 2 }));
        assert_eq!(serde_json::from_value::<Values>(spec).expect("values"), values);
        assert!(serde_json::from_value::<Values>(json!(null)).expect("none").is_empty());
    }
}
