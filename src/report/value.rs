//! Values in readable form: references by name, ids of the stack by address.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{
    core::{
        Address, LiveResource,
        expression::{self, Reference},
    },
    engine::plan::{Action, Change, Plan},
};

/// Physical id or ARN → address, for resources in the plan.
pub struct AddressNames {
    addresses: HashMap<String, String>,
    /// Replaced resources, so that a reference to one means its successor.
    replaced: HashSet<String>,
}

impl AddressNames {
    /// Names for these resources.
    pub fn of<'a>(live: impl IntoIterator<Item = (&'a Address, &'a LiveResource)>) -> AddressNames {
        let mut names = HashMap::new();
        for (address, live) in live {
            for id in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
                // Names are unique only within a type, so a shared name identifies neither resource.
                let known = names.entry(id.to_owned()).or_insert_with(|| address.to_string());
                if *known != address.to_string() {
                    known.clear();
                }
            }
        }
        names.retain(|_, address| !address.is_empty());
        AddressNames { addresses: names, replaced: HashSet::new() }
    }

    /// Names for all resources of a plan.
    pub fn from_plan(plan: &Plan) -> AddressNames {
        let replaced = plan.changes.iter().filter(|change| change.action == Action::Replace).map(|change| change.address.to_string());
        // One that gets another name would read as if it had that already.
        let is_renamed = |change: &&Change| change.action == Action::Update && change.fields.iter().any(|field| field.pointer == "/name");
        let kept = plan.changes.iter().filter(|change| !is_renamed(change));
        let live = kept.filter_map(|change| Some((&change.address, change.before.as_ref()?)));
        AddressNames { replaced: replaced.collect(), ..AddressNames::of(live) }
    }

    /// Value on one line.
    pub fn format(&self, value: &Value) -> String {
        match value {
            Value::Null => "none".to_owned(),
            Value::String(text) if text.is_empty() => "none".to_owned(),
            Value::String(text) => self.format_text(text),
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            Value::Array(list) => format!("[{}]", list.iter().map(|v| self.format(v)).collect::<Vec<_>>().join(", ")),
            Value::Object(map) => match map.iter().next() {
                Some((key, Value::String(text))) if map.len() == 1 && (key == "id" || key == "arn") => self.format_text(text),
                None => "none".to_owned(),
                _ => {
                    let fields: Vec<String> =
                        map.iter().filter(|(_, v)| !is_empty_value(v)).map(|(k, v)| format!("{k}: {}", self.format(v))).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            },
            other => other.to_string(),
        }
    }

    fn format_text(&self, text: &str) -> String {
        if let Some(address) = self.addresses.get(text) {
            return address.clone();
        }
        let shown = |r: &Reference<'_>| {
            let address = format!("{}.{}", r.type_name, r.name);
            let new = if self.replaced.contains(&address) { "the new " } else { "" };
            match r.output {
                "id" | "arn" => format!("{new}{address}"),
                _ => format!("{new}{address}.{}", r.output_with_index()),
            }
        };
        let mut out = text.to_owned();
        for reference in expression::references(text) {
            out = out.replace(reference.text, &shown(&reference));
        }
        out
    }
}

/// Whether a value is empty.
pub fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
