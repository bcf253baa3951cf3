//! Filter expressions, in AWS's format.

use aws_sdk_budgets::types::{self as sdk, Expression, MatchOption};
use serde_json::{Map, Value, json};

use super::super::prelude::*;
use crate::core::ErrorKind;

/// Parses an expression; `None` without one.
pub(super) fn to_sdk(document: &Document) -> Result<Option<Expression>> {
    if document.is_empty() { Ok(None) } else { expression(document.value()).map(Some) }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Rejected, "Request", message)
}

fn expression(value: &Value) -> Result<Expression> {
    let fields = value
        .as_object()
        .filter(|fields| fields.len() == 1)
        .ok_or_else(|| invalid("an expression has exactly one of the keys `And`, `Or`, `Not`, `Dimensions`, `Tags`, `CostCategories`"))?;
    let all = |value: &Value| match value.as_array() {
        Some(list) => list.iter().map(expression).collect::<Result<Vec<_>>>(),
        None => Err(invalid("`And` and `Or` have lists of expressions")),
    };
    let mut built = Expression::builder();
    for (name, value) in fields {
        built = match name.as_str() {
            "And" => built.set_and(Some(all(value)?)),
            "Or" => built.set_or(Some(all(value)?)),
            "Not" => built.not(expression(value)?),
            "Dimensions" => {
                let (key, values, options) = condition(value)?;
                let dimensions = sdk::ExpressionDimensionValues::builder().key(key.as_str().into());
                built.dimensions(dimensions.set_values(Some(values)).set_match_options(options).build()?)
            }
            "Tags" => {
                let (key, values, options) = condition(value)?;
                built.tags(sdk::TagValues::builder().key(key).set_values(Some(values)).set_match_options(options).build())
            }
            "CostCategories" => {
                let (key, values, options) = condition(value)?;
                let categories = sdk::CostCategoryValues::builder().key(key);
                built.cost_categories(categories.set_values(Some(values)).set_match_options(options).build())
            }
            other => return Err(invalid(format!("`{other}` is none of the keys of an expression"))),
        };
    }
    Ok(built.build())
}

/// Key, values and match options of a condition.
fn condition(value: &Value) -> Result<(String, Vec<String>, Option<Vec<MatchOption>>)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct Condition {
        key: String,
        values: Vec<String>,
        #[serde(default)]
        match_options: Vec<String>,
    }
    let condition = Condition::deserialize(value).map_err(|error| invalid(format!("a condition has `Key` and `Values`: {error}")))?;
    let options: Vec<MatchOption> = condition.match_options.iter().map(|option| option.as_str().into()).collect();
    Ok((condition.key, condition.values, (!options.is_empty()).then_some(options)))
}

/// The reverse of [`to_sdk`].
pub(super) fn from_sdk(expression: Option<&Expression>) -> Document {
    expression.map(|expression| Document::new(to_value(expression))).unwrap_or_default()
}

fn to_value(expression: &Expression) -> Value {
    let list = |list: &[Expression]| list.iter().map(to_value).collect::<Value>();
    let condition = |key: &str, values: &[String], options: &[MatchOption]| {
        let mut condition = json!({ "Key": key, "Values": values });
        // Without options, AWS reports the one that they stand for.
        if !options.is_empty() && options != [MatchOption::Equals] {
            condition["MatchOptions"] = options.iter().map(|option| option.as_str()).collect();
        }
        condition
    };
    let mut value = Map::new();
    if !expression.and().is_empty() {
        value.insert("And".into(), list(expression.and()));
    }
    if !expression.or().is_empty() {
        value.insert("Or".into(), list(expression.or()));
    }
    value.extend(expression.not().map(|not| ("Not".into(), to_value(not))));
    value
        .extend(expression.dimensions().map(|one| ("Dimensions".into(), condition(one.key().as_str(), one.values(), one.match_options()))));
    value.extend(expression.tags().map(|one| ("Tags".into(), condition(one.key().unwrap_or_default(), one.values(), one.match_options()))));
    let categories = expression.cost_categories();
    value.extend(
        categories.map(|one| ("CostCategories".into(), condition(one.key().unwrap_or_default(), one.values(), one.match_options()))),
    );
    Value::Object(value)
}
