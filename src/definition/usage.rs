//! `usage:`, the quantities that the estimate of costs assumes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    compiler::{Compiler, describe_type},
    dependencies::KnownResources,
    source::child_pointer,
};
use crate::{
    aws::types::{RESOURCE_TYPES, resource_type},
    core::{Address, Usage, UsageKey, nearest::suggestion},
};

/// Name of the hours in a month.
const HOURS: &str = "hours_per_month";
/// Hours of the longest month.
const MAX_HOURS: f64 = 744.0;

/// Reads the quantities of a definition.
pub(super) fn parse(c: &mut Compiler<'_>, document: &Map<String, Value>, known: &KnownResources) -> Usage {
    let mut usage = Usage::default();
    // Another environment may have a resource that this one lacks; the estimate notes it.
    let has_others = document.get("environments").and_then(Value::as_object).is_some_and(|environments| environments.len() > 1);
    for (of, value) in c.top_level_map(document, "usage").cloned().into_iter().flatten() {
        let at = child_pointer("/usage", &of);
        let value = c.render(&value, &at);
        if of == HOURS {
            usage.hours_per_month = number(c, &value, &at).filter(|hours| {
                let fits = (0.0..=MAX_HOURS).contains(hours);
                if !fits {
                    c.problem("usage", &at, "a month has at most 744 hours", "write a number from 0 to 744; the average month has 730");
                }
                fits
            });
            continue;
        }
        let Some(keys) = usage_keys(c, &of, &at).filter(|_| has_others || is_declared(c, &of, &at, known)) else { continue };
        let quantities = match value {
            Value::Object(quantities) => quantities,
            Value::Null => continue,
            other => {
                let message = format!("the usage of `{of}` must be a map, not {}", describe_type(&other));
                c.problem("usage", &at, message, format!("write `{of}: {{ {}: 100 }}`", keys.first().map_or("name", |key| key.name)));
                continue;
            }
        };
        let mut stated = BTreeMap::new();
        for (name, value) in quantities {
            let at = child_pointer(&at, &name);
            if !keys.iter().any(|key| key.name == name) {
                let help = suggestion(&name, "quantities", keys.iter().map(|key| key.name));
                c.problem_at_key("usage", &at, format!("`{of}` has no quantity `{name}`"), help);
                continue;
            }
            if let Some(quantity) = number(c, &value, &at) {
                stated.insert(name, quantity);
            }
        }
        usage.quantities.insert(of, stated);
    }
    usage
}

/// The quantities of a type, or of the type of an address.
fn usage_keys(c: &mut Compiler<'_>, of: &str, at: &str) -> Option<&'static [UsageKey]> {
    let address = Address::parse(of);
    let type_name = address.as_ref().map_or(of, |address| address.type_name.as_str());
    let keys = resource_type(type_name).map(|kind| kind.operations.usage_keys()).unwrap_or_default();
    if keys.is_empty() {
        let all: Vec<&str> = RESOURCE_TYPES.iter().filter(|kind| !kind.operations.usage_keys().is_empty()).map(|kind| kind.name).collect();
        let help = suggestion(type_name, "types with a usage", all.iter().copied());
        c.problem_at_key("usage", at, format!("the price of `{of}` depends on no usage"), help);
        return None;
    }
    Some(keys)
}

/// Whether a usage is that of a type or of a resource that the definition has; reports any other.
fn is_declared(c: &mut Compiler<'_>, of: &str, at: &str, known: &KnownResources) -> bool {
    let Some(address) = Address::parse(of).filter(|address| !known.contains(address) && !known.is_absent(address)) else { return true };
    let names: Vec<&str> = known.names_of(&address.type_name).collect();
    let help = suggestion(&address.name, &format!("names of type `{}`", address.type_name), names);
    c.problem_at_key("usage", at, format!("there is no resource `{address}`"), help);
    false
}

fn number(c: &mut Compiler<'_>, value: &Value, at: &str) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    if number.is_none() && !value.is_null() {
        c.problem("usage", at, "a usage is a number, not below 0", "write a number, such as `100`");
    }
    number
}
