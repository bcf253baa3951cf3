//! The selected environment, and its values for expressions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    LoadOptions,
    compiler::{Compiler, estimated_size},
    composition::document::ValuesFile,
    diagnostic::Diagnostic,
    nearest::{list_names, nearest, suggestion},
    parse::parse_argument,
    source::child_pointer,
    template::{self, is_template},
};
use crate::core::{EnvironmentName, NAME_RULE, expression};

/// Selects the environment and sets all values. Returns its name.
pub fn choose(c: &mut Compiler<'_>, document: &Map<String, Value>, files: &[ValuesFile], options: &LoadOptions) -> EnvironmentName {
    let environments = c.top_level_map(document, "environments").cloned().unwrap_or_default();
    for environment in environments.keys().filter(|name| name.parse::<EnvironmentName>().is_err()) {
        let message = format!("`{environment}` is not a valid name of an environment");
        c.problem_at_key("environment-name", &child_pointer("/environments", environment), message, NAME_RULE);
    }
    let name = chosen_name(c, &environments, files, options);
    let mut values: BTreeMap<String, (Value, String)> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let place = |file: &ValuesFile, key: &str| format!("{}{}", file.base, child_pointer("", key));
    let defaults = c.top_level_map(document, "values").cloned().unwrap_or_default();
    known.extend(defaults.keys().map(String::as_str));
    for (key, value) in &defaults {
        values.insert(key.clone(), (value.clone(), child_pointer("/values", key)));
    }
    for (environment, given) in &environments {
        let at = child_pointer("/environments", environment);
        match given {
            Value::Object(map) => {
                known.extend(map.keys().map(String::as_str));
                if name == environment.as_str() {
                    values.extend(map.iter().map(|(key, value)| (key.clone(), (value.clone(), child_pointer(&at, key)))));
                }
            }
            Value::Null => {}
            _ => {
                c.problem("type", &at, format!("environment `{environment}` must be a map of values"), "write `name: value` pairs below it")
            }
        }
    }
    let of_environment = files.iter().filter(|file| file.environment.as_deref() == Some(&*name));
    for file in of_environment.chain(files.iter().filter(|file| file.environment.is_none())) {
        for (key, value) in &file.values {
            if !known.contains(key.as_str()) {
                let help = suggestion(key, "values", known.iter().copied());
                c.problem_at_key("unknown-value", &place(file, key), format!("the definition has no value `{key}`"), help);
            }
            // An unknown one is there for expressions, too: that they use it is no problem of its own.
            values.insert(key.clone(), (value.clone(), place(file, key)));
        }
    }
    c.value_names = known.iter().map(|&name| name.to_owned()).collect();
    for (key, value) in options.moved_values.iter().filter(|(key, _)| known.contains(key.as_str())) {
        values.insert(key.clone(), (value.clone(), String::new()));
    }
    for (key, text) in &options.set {
        if !known.contains(key.as_str()) {
            let help = suggestion(key, "values", known.iter().copied());
            c.problems
                .push(Diagnostic::new("unknown-value", format!("`--set {key}` sets a value that the definition does not have")).help(help));
            continue;
        }
        // Without a location, so that it is not taken for a template.
        values.insert(key.clone(), (parse_argument(text), String::new()));
    }
    for key in ["stack", "environment", "each", "modules", "stacks", "existing"] {
        if let Some((_, at)) = values.remove(key) {
            c.problem_at_key("reserved", &at, format!("`{key}` is set by acme"), "choose another name for the value");
        }
    }
    c.templates.set("environment", &Value::String(name.to_string()));
    set_values(c, values);
    name
}

fn chosen_name(c: &mut Compiler<'_>, environments: &Map<String, Value>, files: &[ValuesFile], options: &LoadOptions) -> EnvironmentName {
    // An invalid name is reported at its line.
    let valid = |name: &str| name.parse().unwrap_or_default();
    let names = environments.keys().map(String::as_str);
    match &options.environment {
        Some(name) if environments.contains_key(&**name) => name.clone(),
        Some(name) => {
            let origin = options.environment_variable.map(|variable| format!(", which `{variable}` names")).unwrap_or_default();
            let problem = Diagnostic::new("environment", format!("there is no environment `{name}`{origin}"));
            let has_values = files.iter().any(|file| file.environment.as_deref() == Some(&**name));
            let help = if has_values {
                format!("`values/{name}.yaml` is there: declare the environment with `environments: {{ {name}: {{}} }}`")
            } else if environments.is_empty() {
                "the definition has no `environments:`".into()
            } else {
                suggestion(name, "environments", names.clone())
            };
            let place = c.spans.keys.get("/environments").cloned();
            c.problems.push(problem.at(place).help(help));
            // Checks the rest with the values of the environment probably meant.
            let first = environments.keys().next().map(String::as_str);
            nearest(name, names).or(first).map_or_else(|| name.clone(), valid)
        }
        None if environments.is_empty() => EnvironmentName::default(),
        None if environments.len() == 1 => environments.keys().next().map(String::as_str).map_or_else(EnvironmentName::default, valid),
        None => {
            let place = c.spans.keys.get("/environments").cloned();
            let help = format!("choose one with `--env`; {}", list_names("environments", names.clone()));
            c.problems.push(Diagnostic::new("environment", "no environment is selected").at(place).help(help));
            environments.keys().next().map(String::as_str).map_or_else(EnvironmentName::default, valid)
        }
    }
}

/// Sets values in dependency order, because they may use each other. Each has its location.
pub fn set_values(c: &mut Compiler<'_>, values: BTreeMap<String, (Value, String)>) {
    let unresolved: BTreeMap<String, (Value, String)> = values
        .into_iter()
        .filter(|(key, (value, at))| {
            let waits = !at.is_empty() && holds_template(value);
            if !waits {
                c.templates.set(key, value);
            }
            waits
        })
        .collect();
    let mut dependencies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, (value, _)) in &unresolved {
        let mut used = BTreeSet::new();
        expression::for_each_string(value, &mut |text| template::collect_names(text, &mut used));
        used.retain(|name| unresolved.contains_key(*name));
        for other in &used {
            dependents.entry(*other).or_default().push(name);
        }
        dependencies.insert(name, used);
    }
    let mut ready: Vec<&str> = dependencies.iter().filter(|(_, used)| used.is_empty()).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        let (value, at) = &unresolved[name];
        let Some(value) = try_render(c, value, at) else { continue };
        c.templates.set(name, &value);
        for user in dependents.remove(name).unwrap_or_default() {
            let left = dependencies.entry(user).or_default();
            left.remove(name);
            if left.is_empty() {
                ready.push(user);
            }
        }
    }
    let mut waiting: Vec<&str> = unresolved.keys().map(String::as_str).filter(|name| !c.templates.has(name)).collect();
    // A value that uses one with a problem has none of its own, and is in no cycle.
    while let Some(place) = waiting.iter().position(|name| dependencies[*name].iter().all(|other| !waiting.contains(other))) {
        let name = waiting.remove(place);
        let (value, at) = &unresolved[name];
        drop(c.render(value, at));
        c.templates.set_broken(name);
    }
    for name in waiting {
        if let Some(other) = dependencies[name].first() {
            let message = format!("value `{name}` needs `{other}`, which depends on it");
            c.problem("expression", &unresolved[name].1, message, "values may use each other, but not in a cycle");
        }
        c.templates.set_broken(name);
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

fn try_render(c: &mut Compiler<'_>, value: &Value, at: &str) -> Option<Value> {
    Some(match value {
        Value::String(text) if is_template(text) => {
            let value = c.templates.render(text).ok()?;
            c.reserve_memory(estimated_size(&value), at).then_some(value)?
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| try_render(c, v, at)).collect::<Option<_>>()?),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| Some((k.clone(), try_render(c, v, at)?))).collect::<Option<_>>()?),
        other => other.clone(),
    })
}
