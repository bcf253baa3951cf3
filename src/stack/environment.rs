//! Which environment is meant, and the values it gives to expressions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Options,
    compiler::{Compiler, size},
    diagnostic::Diagnostic,
    nearest::{listed, nearest, suggestion},
    source::below,
    template::is_template,
};

/// Chooses the environment and sets every value; answers its name.
pub fn choose(c: &mut Compiler<'_>, document: &Map<String, Value>, options: &Options) -> String {
    let environments = c.map(document, "environments").cloned().unwrap_or_default();
    let name = chosen(c, &environments, options);
    let mut values: BTreeMap<String, (Value, String)> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let defaults = c.map(document, "values").cloned().unwrap_or_default();
    known.extend(defaults.keys().map(String::as_str));
    for (key, value) in &defaults {
        values.insert(key.clone(), (value.clone(), below("/values", key)));
    }
    for (environment, given) in &environments {
        let at = below("/environments", environment);
        match given {
            Value::Object(map) => {
                known.extend(map.keys().map(String::as_str));
                if *environment == name {
                    values.extend(map.iter().map(|(key, value)| (key.clone(), (value.clone(), below(&at, key)))));
                }
            }
            Value::Null => {}
            _ => c.problem("type", &at, format!("environment `{environment}` is no map of values"), "write `name: value` pairs below it"),
        }
    }
    for (key, text) in &options.set {
        if !known.contains(key.as_str()) {
            let help = suggestion(key, "values", known.iter().copied());
            c.found
                .push(Diagnostic::new("unknown-value", format!("`--set {key}` sets a value that the definition does not have")).help(help));
            continue;
        }
        let value = serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        values.insert(key.clone(), (value, String::new()));
    }
    for key in ["stack", "environment", "each"] {
        if let Some((_, at)) = values.remove(key) {
            c.problem_at_key("reserved", &at, format!("`{key}` is set by acme"), "give the value another name");
        }
    }
    c.templates.set("environment", &Value::String(name.clone()));
    settle(c, values);
    name
}

fn chosen(c: &mut Compiler<'_>, environments: &Map<String, Value>, options: &Options) -> String {
    let names = environments.keys().map(String::as_str);
    match &options.environment {
        Some(name) if environments.contains_key(name) => name.clone(),
        Some(name) => {
            let problem = Diagnostic::new("environment", format!("there is no environment `{name}`"));
            let help = if environments.is_empty() {
                "the definition has no `environments:`".into()
            } else {
                suggestion(name, "environments", names.clone())
            };
            let place = c.spans.keys.get("/environments").cloned();
            c.found.push(problem.at(place).help(help));
            // The rest is checked with the values of the one that was probably meant.
            let first = environments.keys().next().map(String::as_str);
            nearest(name, names).or(first).unwrap_or(name).to_owned()
        }
        None if environments.is_empty() => "default".into(),
        None if environments.len() == 1 => environments.keys().next().cloned().unwrap_or_default(),
        None => {
            let place = c.spans.keys.get("/environments").cloned();
            let help = format!("choose one with --env; {}", listed("environments", names.clone()));
            c.found.push(Diagnostic::new("environment", "which environment is meant?").at(place).help(help));
            environments.keys().next().cloned().unwrap_or_default()
        }
    }
}

/// Values may use each other, in any order: those whose expressions do not work yet wait for the rest.
fn settle(c: &mut Compiler<'_>, mut waiting: BTreeMap<String, (Value, String)>) {
    waiting.retain(|key, (value, _)| {
        let ready = !holds_template(value);
        if ready {
            c.templates.set(key, value);
        }
        !ready
    });
    while !waiting.is_empty() {
        let before = waiting.len();
        let names: BTreeSet<String> = waiting.keys().cloned().collect();
        waiting.retain(|key, (value, at)| {
            let others = names.iter().any(|other| other != key && mentions(value, other) && !c.templates.has(other));
            match if others { None } else { rendered(c, value, at) } {
                Some(value) => {
                    c.templates.set(key, &value);
                    false
                }
                None => true,
            }
        });
        if waiting.len() == before {
            break;
        }
    }
    let names: Vec<&String> = waiting.keys().collect();
    for (name, (value, at)) in &waiting {
        match names.iter().find(|other| mentions(value, other)) {
            Some(other) => {
                let message = format!("value `{name}` needs `{other}`, which can't be known before it");
                c.problem("expression", at, message, "values may use each other, but not in a circle");
            }
            None => drop(c.render(value, at)),
        }
    }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(list) => list.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => is_template(text) && text.contains(name),
        Value::Array(list) => list.iter().any(|v| mentions(v, name)),
        Value::Object(map) => map.values().any(|v| mentions(v, name)),
        _ => false,
    }
}

fn rendered(c: &mut Compiler<'_>, value: &Value, at: &str) -> Option<Value> {
    Some(match value {
        Value::String(text) if is_template(text) => {
            let value = c.templates.render(text).ok()?;
            c.takes(size(&value), at).then_some(value)?
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| rendered(c, v, at)).collect::<Option<_>>()?),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| Some((k.clone(), rendered(c, v, at)?))).collect::<Option<_>>()?),
        other => other.clone(),
    })
}
