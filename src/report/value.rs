//! Values as people read them: references by name, ids of the stack by address.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{
    core::{
        Address, Live,
        expression::{self, Reference},
    },
    engine::plan::{Action, Plan},
};

/// Physical id or ARN → address, for what the plan knows.
pub struct Names {
    known: HashMap<String, String>,
    /// What gets a successor, so that a reference to it means the new one.
    replaced: HashSet<String>,
}

impl Names {
    /// Of these resources.
    pub fn of<'a>(live: impl IntoIterator<Item = (&'a Address, &'a Live)>) -> Names {
        let mut names = HashMap::new();
        for (address, live) in live {
            for id in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
                // Names are unique within a type only: what two share names neither.
                let known = names.entry(id.to_owned()).or_insert_with(|| address.to_string());
                if *known != address.to_string() {
                    known.clear();
                }
            }
        }
        names.retain(|_, address| !address.is_empty());
        Names { known: names, replaced: HashSet::new() }
    }

    /// Of all that a plan is about.
    pub fn of_plan(plan: &Plan) -> Names {
        let replaced = plan.changes.iter().filter(|change| change.action == Action::Replace).map(|change| change.address.to_string());
        let live = plan.changes.iter().filter_map(|change| Some((&change.address, change.before.as_ref()?)));
        Names { replaced: replaced.collect(), ..Names::of(live) }
    }

    /// One line.
    pub fn show(&self, value: &Value) -> String {
        match value {
            Value::Null => "none".to_owned(),
            Value::String(text) if text.is_empty() => "none".to_owned(),
            Value::String(text) => self.text(text),
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            Value::Array(list) => format!("[{}]", list.iter().map(|v| self.show(v)).collect::<Vec<_>>().join(", ")),
            Value::Object(map) => match map.iter().next() {
                Some((key, Value::String(text))) if map.len() == 1 && (key == "id" || key == "arn") => self.text(text),
                None => "none".to_owned(),
                _ => {
                    let fields: Vec<String> =
                        map.iter().filter(|(_, v)| !is_none(v)).map(|(k, v)| format!("{k}: {}", self.show(v))).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            },
            other => other.to_string(),
        }
    }

    fn text(&self, text: &str) -> String {
        if let Some(address) = self.known.get(text) {
            return address.clone();
        }
        let shown = |r: &Reference<'_>| {
            let address = format!("{}.{}", r.kind, r.name);
            let new = if self.replaced.contains(&address) { "the new " } else { "" };
            match r.output {
                "id" | "arn" => format!("{new}{address}"),
                output => format!("{new}{address}.{output}"),
            }
        };
        let mut out = text.to_owned();
        for reference in expression::references(text) {
            out = out.replace(reference.text, &shown(&reference));
        }
        out
    }
}

/// Whether a value says nothing.
pub fn is_none(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
