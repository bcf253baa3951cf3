//! JSON documents that AWS takes as text: the body of a dashboard, the pattern of an event rule.

use std::{borrow::Cow, cmp::Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Number, Value};

/// A JSON object that AWS takes as text. Written as YAML or as a JSON string; compared by its values, because AWS may return another order
/// and other white space. Without keys, it stands for no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Value);

impl Document {
    /// Converts an object to canonical form: whole numbers without a fraction.
    pub fn new(document: Value) -> Document {
        Document(canonical(document))
    }
    /// Parses a document as reported by AWS; an empty text is no document.
    ///
    /// # Errors
    /// Fails if the text is not JSON.
    pub fn parse(text: &str) -> Result<Document, serde_json::Error> {
        if text.trim().is_empty() { Ok(Document::default()) } else { serde_json::from_str(text).map(Document::new) }
    }
    /// Returns the document as JSON for AWS.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.as_object().is_none_or(Map::is_empty)
    }
    /// Returns the document as a value.
    pub fn value(&self) -> &Value {
        &self.0
    }
    /// Returns the document as JSON for AWS, if there is one.
    pub fn text(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.to_json())
    }
}

fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, canonical(value))).collect(),
        Value::Array(list) => list.into_iter().map(canonical).collect(),
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        other => other,
    }
}

/// The integer that a number with a fraction of zero stands for.
fn whole(number: &Number) -> Option<Number> {
    // Beyond this, neighbouring integers are the same number with a fraction.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT)?;
    Some(Number::from(float as i64))
}

impl Default for Document {
    fn default() -> Document {
        Document(Value::Object(Map::new()))
    }
}
/// The order of their texts.
impl Ord for Document {
    fn cmp(&self, other: &Document) -> Ordering {
        self.to_json().cmp(&other.to_json())
    }
}
impl PartialOrd for Document {
    fn partial_cmp(&self, other: &Document) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Document::default()),
            Value::String(text) => match Document::parse(&text) {
                Ok(document) if document.0.is_object() => Ok(document),
                Ok(_) => Err(D::Error::custom("the document is not a JSON object")),
                Err(error) => Err(D::Error::custom(format!("the document is not JSON: {error}"))),
            },
            object @ Value::Object(_) => Ok(Document::new(object)),
            _ => Err(D::Error::custom("expected an object, or a string with a JSON object")),
        }
    }
}
impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "Document".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "string"], "description": "A JSON object, as YAML or as a string." })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn compares_documents_by_their_values() {
        let written: Document = serde_json::from_value(json!({ "a": 5.0, "b": [1, { "c": 1.5 }] })).expect("a document");
        assert_eq!(Document::parse(r#"{ "b": [1.0, {"c":1.50}], "a": 5 }"#).expect("JSON"), written);
        assert_eq!(written.to_json(), r#"{"a":5,"b":[1,{"c":1.5}]}"#);
        let text: Document = serde_json::from_value(json!(r#"{"a":5,"b":[1,{"c":1.5}]}"#)).expect("a document");
        assert_eq!(text, written);
    }

    #[test]
    fn an_empty_document_is_none() {
        for none in [json!({}), json!(null), json!("")] {
            let document: Document = serde_json::from_value(none).expect("a document");
            assert!(document.is_empty() && document.text().is_none());
        }
        for wrong in [json!("["), json!("[]"), json!([]), json!(3)] {
            assert!(serde_json::from_value::<Document>(wrong).is_err());
        }
    }
}
