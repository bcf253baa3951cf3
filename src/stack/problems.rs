//! Everything that is wrong with one spec, in words a user can act on.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    compiler::{Compiler, kind_of},
    diagnostic::Diagnostic,
    nearest::suggestion,
    source::below,
};
use crate::resource::Problem;

/// Parses until nothing new turns up: serde stops at the first error, so what is wrong is taken out and the rest tried again.
/// Answers all problems, and the canonical form of what is right, where that is enough for one.
pub fn parse_all(value: &Value, parse: impl Fn(Value) -> Result<Value, Vec<Problem>>) -> (Option<Value>, Vec<Problem>) {
    let mut problems = match parse(value.clone()) {
        Ok(canonical) => return (Some(canonical), Vec::new()),
        Err(problems) => problems,
    };
    let mut rest = value.clone();
    let mut removed: Vec<String> = Vec::new();
    let mut all: Vec<Problem> = Vec::new();
    loop {
        let first = all.is_empty();
        let mut again = false;
        for problem in problems {
            let name = quoted(&problem.message);
            let at = match name {
                Some(name) if is_field(&problem.message) && !ends_with(&problem.at, name) => below(&problem.at, name),
                _ => problem.at.clone(),
            };
            let missing = problem.message.starts_with("missing field");
            // What follows from taking something out is nobody's mistake.
            let follows = removed.contains(&at) || (!first && !missing && rest.pointer(&at).is_none_or(|_| at.is_empty()));
            if !follows && !missing && remove(&mut rest, &at) {
                removed.push(at.clone());
                again = true;
            }
            let at = if missing { problem.at.clone() } else { at };
            let problem = Problem { at, ..problem };
            if !follows && !all.contains(&problem) {
                all.push(problem);
            }
        }
        if !again {
            return (None, all);
        }
        problems = match parse(rest.clone()) {
            Ok(canonical) => return (Some(canonical), all),
            Err(problems) => problems,
        };
    }
}

/// A section's own fields, typed; everything wrong is reported below `at`, and the rest taken as it is.
pub fn typed<T: DeserializeOwned>(c: &mut Compiler<'_>, value: Value, at: &str, what: &str) -> Option<T> {
    let parse = |value: Value| -> Result<Value, Vec<Problem>> {
        let kept = value.clone();
        serde_path_to_error::deserialize::<_, T>(value).map(|_| kept).map_err(|e| vec![crate::kind::problem(e)])
    };
    let (right, problems) = parse_all(&value, parse);
    for problem in problems {
        report(c, problem, &value, what, &[], None, &|pointer| format!("{at}{pointer}"));
    }
    serde_json::from_value(right?).ok()
}

/// Turns a problem with a spec into a diagnostic at its place.
pub fn report(
    c: &mut Compiler<'_>,
    problem: Problem,
    spec: &Value,
    what: &str,
    more_fields: &[&str],
    schema: Option<&Value>,
    place: &dyn Fn(&str) -> String,
) {
    let Problem { at, message, help } = problem;
    let pointer = place(&at);
    if c.is_broken_below(&pointer) {
        return;
    }
    let name = quoted(&message).unwrap_or_default().to_owned();
    let found = if is_unknown(&message) {
        let mut fields: Vec<&str> = expected(&message);
        if at.matches('/').count() == 1 {
            fields.extend(more_fields);
        }
        let owner = at.rsplit_once('/').map_or("", |(owner, _)| owner);
        let owner =
            if owner.is_empty() { what.to_owned() } else { format!("`{}` of {what}", owner.trim_start_matches('/').replace('/', ".")) };
        let variant = message.starts_with("unknown variant");
        let text = if variant { format!("`{name}` is none of the values of {owner}") } else { format!("{owner} has no field `{name}`") };
        let label = if variant { "unknown value" } else { "unknown field" };
        let range = if variant { c.place(&pointer) } else { c.key(&pointer) };
        let what = if variant { "values" } else { "fields" };
        let help = suggestion(&name, what, fields.iter().copied());
        Diagnostic::new(if variant { "unknown-value" } else { "unknown-field" }, text).at(range).label(label).help(help)
    } else if message.starts_with("missing field") {
        let range = c.key(&pointer);
        let owner = if at.is_empty() { what.to_owned() } else { format!("`{}` of {what}", at.trim_start_matches('/').replace('/', ".")) };
        let described = schema.filter(|_| at.is_empty()).and_then(|schema| description(schema, &name));
        let help = described.map_or_else(|| format!("add `{name}: …`"), |text| format!("add `{name}: …`: {text}"));
        Diagnostic::new("missing-field", format!("{owner} has no `{name}`")).at(range).label(format!("`{name}` is missing")).help(help)
    } else {
        let field = at.trim_start_matches('/').replace('/', ".");
        let text = if field.is_empty() { format!("{what}: {message}") } else { format!("`{field}` of {what}: {message}") };
        let wrong = spec.pointer(&at);
        let quote = message.starts_with("invalid type") && message.contains("expected a string");
        let remedy = match wrong {
            Some(value @ (Value::Number(_) | Value::Bool(_))) if quote => Some(format!("put it in quotes: \"{value}\"")),
            Some(Value::String(text)) if message.starts_with("invalid type: string") && text.parse::<f64>().is_ok() => {
                Some(format!("leave the quotes out: {text}"))
            }
            Some(value) if message.starts_with("invalid type: string") && message.contains("expected a sequence") => {
                Some(format!("write a list: [{}]", value.as_str().unwrap_or_default()))
            }
            Some(value) if message.starts_with("invalid") => {
                let described = schema.and_then(|schema| description(schema, field.split('.').next().unwrap_or_default()));
                Some(described.unwrap_or_else(|| format!("this is {}", kind_of(value))))
            }
            _ => schema.and_then(|schema| description(schema, field.split('.').next().unwrap_or_default())),
        };
        Diagnostic::new("invalid", text).at(c.place(&pointer)).maybe_help(help.or(remedy))
    };
    c.found.push(found);
}

/// What the schema says about a field of the top level.
fn description(schema: &Value, field: &str) -> Option<String> {
    let text = schema.pointer(&below("/properties", field))?.get("description")?.as_str()?;
    Some(text.replace('\n', " ").trim_end_matches('.').to_owned())
}

fn is_field(message: &str) -> bool {
    message.starts_with("unknown field") || message.starts_with("missing field")
}

fn is_unknown(message: &str) -> bool {
    message.starts_with("unknown field") || message.starts_with("unknown variant")
}

/// The first text in backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// Names that serde says it expected.
fn expected(message: &str) -> Vec<&str> {
    message.split('`').skip(3).step_by(2).collect()
}

fn ends_with(pointer: &str, name: &str) -> bool {
    pointer.rsplit_once('/').is_some_and(|(_, last)| last == name)
}

fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(list)) => match last.parse::<usize>().ok().filter(|i| *i < list.len()) {
            // Later elements keep their numbers, so the whole list goes when it is the last resort.
            Some(index) if index + 1 == list.len() => list.pop().is_some(),
            Some(index) if index + 1 < list.len() => {
                list[index] = list[index + 1].clone();
                true
            }
            _ => false,
        },
        _ => false,
    }
}
