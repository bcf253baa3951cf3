//! Shapes of properties.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::core::{Pointer, Problem, expression::has_reference, is_secret_name, nearest::suggestion};

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Anything, such as a JSON document.
    Any,
    /// A text.
    Text,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List {
        /// Shape of the items.
        item: Box<Shape>,
        /// Whether their order matters.
        ordered: bool,
    },
    /// A map with any keys.
    Map(Box<Shape>),
    /// An object.
    Object(BTreeMap<String, Field>),
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    shape: Shape,
    required: bool,
}

impl Shape {
    fn parse(value: &Value) -> Result<Shape, String> {
        Ok(match value {
            Value::String(letter) => match letter.as_str() {
                "j" => Shape::Any,
                "s" => Shape::Text,
                "i" => Shape::Integer,
                "n" => Shape::Number,
                "b" => Shape::Boolean,
                other => return Err(format!("unknown shape `{other}`")),
            },
            Value::Array(list) => match list.as_slice() {
                [item] => Shape::List { item: Box::new(Shape::parse(item)?), ordered: true },
                [item, _] => Shape::List { item: Box::new(Shape::parse(item)?), ordered: false },
                _ => return Err("a list has one shape for its items".to_owned()),
            },
            Value::Object(map) => match map.get("*") {
                Some(each) => Shape::Map(Box::new(Shape::parse(each)?)),
                None => Shape::Object(map.iter().map(|(name, shape)| Field::parse(name, shape)).collect::<Result<_, _>>()?),
            },
            _ => return Err("a shape is a letter, a list or an object".to_owned()),
        })
    }

    /// The shape of a field of an object or of the values of a map.
    pub fn field(&self, name: &str) -> Option<&Shape> {
        match self {
            Shape::Object(fields) => fields.get(name).map(|field| &field.shape),
            Shape::Map(each) => Some(each),
            _ => None,
        }
    }
    /// Adds `null` for every field that the objects in a value lack.
    pub fn fill_with_nulls(&self, value: &mut Value) {
        match (self, value) {
            (Shape::Object(fields), Value::Object(map)) => {
                for (name, field) in fields {
                    field.shape.fill_with_nulls(map.entry(name.clone()).or_insert(Value::Null));
                }
            }
            (Shape::Map(each), Value::Object(map)) => map.values_mut().for_each(|value| each.fill_with_nulls(value)),
            (Shape::List { item, .. }, Value::Array(list)) => list.iter_mut().for_each(|value| item.fill_with_nulls(value)),
            _ => {}
        }
    }
    /// Whether it is a map with any keys, to which AWS adds none.
    pub fn is_map(&self) -> bool {
        matches!(self, Shape::Map(_))
    }
    /// The shape of the items of a list.
    pub fn item(&self) -> &Shape {
        if let Shape::List { item, .. } = self { item } else { &Shape::Any }
    }
    /// Whether the order of a list matters.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Shape::List { ordered: false, .. })
    }
    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self, Shape::List { .. })
    }

    /// Adds the problems of a value at this place. A reference may stand for any value, and `null` for none.
    pub fn check(&self, value: &Value, at: &Pointer, problems: &mut Vec<Problem>) {
        match (self, value) {
            (Shape::Any, _) | (_, Value::Null) => {}
            (_, Value::String(_)) if has_reference(value) => {}
            (Shape::Text, Value::String(_)) | (Shape::Number, Value::Number(_)) | (Shape::Boolean, Value::Bool(_)) => {}
            (Shape::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {}
            (Shape::List { item, .. }, Value::Array(list)) => {
                for (index, value) in list.iter().enumerate() {
                    item.check(value, &at.clone().item(index), problems);
                }
            }
            (Shape::Map(each), Value::Object(map)) => {
                for (key, value) in map {
                    each.check(value, &at.clone().item(key), problems);
                }
            }
            (Shape::Object(fields), Value::Object(map)) => check_fields(fields, map, at, problems),
            (wanted, _) => problems.push(Problem::new(at.clone(), format!("expected {}", wanted.words())).help(wanted.remedy(value))),
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Shape::Any => "a value",
            Shape::Text => "a text",
            Shape::Integer => "an integer",
            Shape::Number => "a number",
            Shape::Boolean => "`true` or `false`",
            Shape::List { .. } => "a list",
            Shape::Map(_) | Shape::Object(_) => "a map",
        }
    }

    fn remedy(&self, value: &Value) -> String {
        match (self, value) {
            (Shape::Text, Value::Number(_) | Value::Bool(_)) => format!("write it in quotes: `\"{value}\"`"),
            (Shape::Text, Value::Object(_)) => "write the document as JSON text".to_owned(),
            (Shape::List { .. }, Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Object(_)) => {
                "write it as an item: `- …`".to_owned()
            }
            (_, Value::String(_)) => "remove the quotes".to_owned(),
            _ => "see the type's page in the CloudFormation resource reference".to_owned(),
        }
    }
}

fn check_fields(fields: &BTreeMap<String, Field>, map: &Map<String, Value>, at: &Pointer, problems: &mut Vec<Problem>) {
    for (name, value) in map {
        match fields.get(name) {
            Some(field) => field.shape.check(value, &at.clone().item(name), problems),
            None => {
                let help = suggestion(name, "properties", fields.keys().map(String::as_str));
                let problem = Problem::new(at.clone().item(name), format!("unknown property `{name}`")).help(help);
                problems.push(if is_secret_name(name) { problem.hide_value() } else { problem });
            }
        }
    }
    let missing = fields.iter().filter(|(name, field)| field.required && map.get(*name).is_none_or(Value::is_null));
    for (name, field) in missing {
        let problem = Problem::new(at.clone(), format!("the property `{name}` is missing"));
        problems.push(problem.help(format!("set `{name}` to {}", field.shape.words())));
    }
}

impl Field {
    fn parse(name: &str, shape: &Value) -> Result<(String, Field), String> {
        let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        Ok((name.to_owned(), Field { shape: Shape::parse(shape)?, required }))
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        Shape::parse(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
