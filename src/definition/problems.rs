//! All problems of one spec, with remedies.

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    compiler::{Compiler, describe_type},
    dependencies::is_list_reference,
    diagnostic::Diagnostic,
    nearest::{nearest, suggestion},
    scalar::other_meaning,
    source::child_pointer,
};
use crate::core::{Problem, ResourceType, is_secret_name, rules::help_text, written_pointer};

/// Finds all problems of a spec: serde stops at the first error, so each invalid value is removed and the rest parsed again.
/// Returns all problems, and the canonical form of the valid part if it is complete enough.
pub fn parse_all(value: &Value, parse: impl Fn(&Value) -> Result<Value, Vec<Problem>>) -> (Option<Value>, Vec<Problem>) {
    let mut problems = match parse(value) {
        Ok(canonical) => return (Some(canonical), Vec::new()),
        Err(problems) => problems,
    };
    let mut rest = PrunedValue { value: value.clone(), removed: Vec::new(), shifts: Vec::new() };
    let mut all: Vec<Problem> = Vec::new();
    loop {
        let mut targets = Vec::new();
        let mut converted = false;
        for problem in problems {
            if rest.convert_scalar(&problem, &parse) {
                converted = true;
                continue;
            }
            let missing = problem.message.starts_with("missing field");
            let field = missing || problem.message.starts_with("unknown field");
            let here = match first_quoted(&problem.message).filter(|name| field && !ends_with(&problem.pointer, name)) {
                Some(name) => child_pointer(&problem.pointer, name),
                None => problem.pointer.clone(),
            };
            let there = rest.original_pointer(&here);
            // A field that was removed, or is there under a mistyped name, is not missing.
            let mistyped = |other: &Problem| missing && is_misspelling_of(other, &there);
            let follows = all.iter().any(mistyped)
                || rest.removed.iter().any(|taken| *taken == there || (!missing && taken.starts_with(&format!("{there}/"))));
            targets.push(if missing { problem.pointer.clone() } else { here });
            let problem = Problem { pointer: if missing { rest.original_pointer(&problem.pointer) } else { there }, ..problem };
            if !follows && !all.contains(&problem) {
                all.push(problem);
            }
        }
        targets.sort_by(|a, b| b.cmp(a));
        let taken = targets.iter().filter(|target| rest.remove(target)).count();
        if taken == 0 && !converted {
            return (None, all);
        }
        problems = match parse(&rest.value) {
            Ok(canonical) => return (Some(canonical), all),
            Err(problems) => problems,
        };
    }
}

/// Checks a spec against the facts of its fields: the canonical form, or the written one if there is none. Problems point into the
/// written form.
pub fn add_rule_violations(resource_type: &ResourceType, canonical: Option<&Value>, written: &Value, problems: &mut Vec<Problem>) {
    for problem in resource_type.check(canonical.unwrap_or(written)) {
        let at = canonical.map_or_else(|| problem.pointer.clone(), |canonical| written_pointer(&problem.pointer, canonical, written));
        // Within a value of a wrong form, everything else follows from that.
        let is_within = |other: &Problem| {
            let is_wrong_form =
                !other.pointer.is_empty() && ["invalid type", "expected "].iter().any(|words| other.message.starts_with(words));
            is_wrong_form && at.strip_prefix(&other.pointer).is_some_and(|rest| rest.starts_with('/'))
        };
        if !problems.iter().any(|other| other.pointer == at || is_within(other)) {
            problems.push(Problem { pointer: at, ..problem });
        }
    }
}

/// Whether an unknown field is probably a typo of `wanted`.
fn is_misspelling_of(problem: &Problem, wanted: &str) -> bool {
    let parts = problem.pointer.rsplit_once('/').zip(wanted.rsplit_once('/'));
    problem.message.starts_with("unknown field")
        && parts.is_some_and(|((owner, name), (other, wanted))| owner == other && nearest(name, [wanted]).is_some())
}

/// Value with removed parts.
struct PrunedValue {
    value: Value,
    /// Pointers into the complete value.
    removed: Vec<String>,
    /// Removed list elements, in order: pointer to the list and index of the element, both at the time of removal.
    shifts: Vec<(String, usize)>,
}

impl PrunedValue {
    /// Converts a pointer to one into the complete value.
    fn original_pointer(&self, pointer: &str) -> String {
        let mut pointer = pointer.to_owned();
        for (list, lost) in self.shifts.iter().rev() {
            let Some(rest) = pointer.strip_prefix(list.as_str()).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let (index, tail) = rest.split_once('/').map_or((rest, String::new()), |(index, tail)| (index, format!("/{tail}")));
            if let Some(index) = index.parse::<usize>().ok().filter(|index| index >= lost) {
                pointer = format!("{list}/{}{tail}", index + 1);
            }
        }
        pointer
    }
    /// Converts a scalar of a wrong type: a number to its written text where text is wanted, and `010` or `yes` to a number or a switch.
    /// Returns whether that solves the problem.
    fn convert_scalar(&mut self, problem: &Problem, parse: &impl Fn(&Value) -> Result<Value, Vec<Problem>>) -> bool {
        if !problem.message.starts_with("invalid type") && !problem.message.starts_with("expected") {
            return false;
        }
        let converted = match self.value.pointer(&problem.pointer) {
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(Value::String(value.to_string())),
            // A list output is resolved to its items.
            Some(Value::String(text)) if is_list_reference(text) => Some(Value::Array(vec![text.clone().into()])),
            Some(Value::String(text)) => other_meaning(text),
            _ => None,
        };
        let Some((value, converted)) = self.value.pointer_mut(&problem.pointer).zip(converted) else { return false };
        let before = std::mem::replace(value, converted);
        let is_solved = parse(&self.value).err().is_none_or(|problems| problems.iter().all(|other| other.pointer != problem.pointer));
        if let Some(value) = self.value.pointer_mut(&problem.pointer).filter(|_| !is_solved) {
            *value = before;
        }
        is_solved
    }
    /// Removes the value at `pointer`. Returns whether there was one.
    fn remove(&mut self, pointer: &str) -> bool {
        let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
        let original = self.original_pointer(pointer);
        let taken = match self.value.pointer_mut(parent) {
            Some(Value::Object(map)) => map.remove(&last.replace("~1", "/").replace("~0", "~")).is_some(),
            Some(Value::Array(list)) => match last.parse::<usize>().ok().filter(|index| *index < list.len()) {
                Some(index) => {
                    list.remove(index);
                    self.shifts.push((parent.to_owned(), index));
                    true
                }
                None => false,
            },
            _ => false,
        };
        if taken {
            self.removed.push(original);
        }
        taken
    }
}

/// Parses a section's own fields; reports problems below `at` and uses the rest.
pub fn parse_section<T: DeserializeOwned + JsonSchema>(c: &mut Compiler<'_>, value: Value, at: &str, what: &str) -> Option<T> {
    let parse = |value: &Value| -> Result<Value, Vec<Problem>> {
        serde_path_to_error::deserialize::<_, T>(value).map(|_| value.clone()).map_err(|e| vec![crate::core::problem_from_serde(e)])
    };
    let (right, problems) = parse_all(&value, parse);
    let schema = (!problems.is_empty()).then(|| schema_for!(T).to_value());
    for problem in problems {
        report_problem(c, problem, &value, what, &[], schema.as_ref(), &|pointer| format!("{at}{pointer}"));
    }
    T::deserialize(&right?).ok()
}

/// Converts a problem of a spec to a diagnostic at its location.
pub fn report_problem(
    c: &mut Compiler<'_>,
    problem: Problem,
    spec: &Value,
    what: &str,
    more_fields: &[&str],
    schema: Option<&Value>,
    place: &dyn Fn(&str) -> String,
) {
    let Problem { pointer: at, message, help, code, is_secret } = problem;
    let pointer = place(&at);
    let is_field = message.starts_with("unknown field") || message.starts_with("invalid type") || message.starts_with("expected");
    if is_secret || (is_field && has_secret_name(&at)) {
        c.hide_value(&pointer);
    }
    if !message.starts_with("missing field") && c.is_broken_below(&pointer) {
        return;
    }
    let name = first_quoted(&message).unwrap_or_default().to_owned();
    let found = if is_unknown(&message) {
        let variant = message.starts_with("unknown variant");
        let mut fields: Vec<&str> = expected_names(&message);
        if !variant && at.matches('/').count() == 1 {
            fields.extend(more_fields);
        }
        let owner = at.rsplit_once('/').map_or("", |(owner, _)| owner);
        let owner =
            if owner.is_empty() { what.to_owned() } else { format!("`{}` of {what}", owner.trim_start_matches('/').replace('/', ".")) };
        let field = at.rsplit('/').find(|part| !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit()));
        let text = if let Some(field) = field.filter(|_| variant) {
            format!("`{name}` is not a valid value of `{field}` in {owner}")
        } else if variant {
            format!("`{name}` is not a valid value in {owner}")
        } else {
            format!("{owner} has no field `{name}`")
        };
        let label = if variant { "unknown value" } else { "unknown field" };
        let range = if variant { c.value_range(&pointer) } else { c.key_range(&pointer) };
        let what = if variant { "values" } else { "fields" };
        let help = suggestion(&name, what, fields.iter().copied());
        Diagnostic::new(if variant { "unknown-value" } else { "unknown-field" }, text).at(range).label(label).help(help)
    } else if message.starts_with("missing field") {
        let range = c.key_range(&pointer);
        let owner = if at.is_empty() { what.to_owned() } else { format!("`{}` of {what}", at.trim_start_matches('/').replace('/', ".")) };
        let described = schema.filter(|_| at.is_empty()).and_then(|schema| description(schema, &name));
        let help = described.map_or_else(|| format!("add `{name}: …`"), |text| format!("add `{name}: …`: {text}"));
        Diagnostic::new("missing-field", format!("{owner} has no `{name}`")).at(range).label(format!("`{name}` is missing")).help(help)
    } else {
        let field = at.trim_start_matches('/').replace('/', ".");
        let wrong = spec.pointer(&at);
        let (said, remedy) = match describe_wrong_type(&at, &message, wrong) {
            Some((said, remedy)) => (said, remedy),
            None => (message, None),
        };
        let colon = if said.starts_with("must ") { "" } else { ":" };
        let text = if field.is_empty() { format!("{what}{colon} {said}") } else { format!("`{field}` of {what}{colon} {said}") };
        let values = said.strip_prefix("must be one of ").zip(wrong.and_then(Value::as_str));
        let meant = values.and_then(|(values, wrong)| nearest(wrong, values.split('`').skip(1).step_by(2)));
        let meant = meant.map(|value| format!("did you mean `{value}`?"));
        // The field's documentation describes valid values.
        let described = schema.filter(|_| !field.contains('.')).and_then(|schema| description(schema, &field));
        Diagnostic::new(code, text).at(c.value_range(&pointer)).maybe_help(meant.or(help).or(remedy).or(described))
    };
    c.problems.push(found);
}

/// Whether the name of a field, or of one around it, says that its value is secret: a misspelled field of a variable may have it.
fn has_secret_name(pointer: &str) -> bool {
    pointer.split('/').any(is_secret_name)
}

/// Rewords serde's "invalid type: string \"5\", expected u32", with a remedy.
fn describe_wrong_type(at: &str, message: &str, wrong: Option<&Value>) -> Option<(String, Option<String>)> {
    if let Some((_, expected)) = message.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected ")) {
        let (least, most) = integer_range(expected)?;
        let found =
            wrong.filter(|value| value.is_number() && !has_secret_name(at)).map(|value| format!(", not {value}")).unwrap_or_default();
        return Some((format!("expected a whole number from {least} to {most}{found}"), None));
    }
    let (found, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    let number = matches!(expected, "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f64" | "usize");
    let words = match expected {
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ if number => "a number",
        _ if expected.starts_with("a map") || expected.starts_with("struct ") => "a map of fields",
        other => other,
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let remedy = match wrong {
        _ if has_secret_name(at) => None,
        Some(value @ (Value::Number(_) | Value::Bool(_))) if expected == "a string" => {
            Some(format!("put it in quotes: {}", quoted(&value.to_string())))
        }
        Some(Value::String(text))
            if (number && text.parse::<f64>().is_ok()) || (words == "true or false" && matches!(text.as_str(), "true" | "false")) =>
        {
            Some(format!("remove the quotes: {text}"))
        }
        Some(value @ (Value::String(_) | Value::Number(_))) if words == "a list" => {
            Some(format!("write a list: [{}]", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        }
        _ if words == "a map of fields" => Some("write `field: value` pairs below it".into()),
        _ if words == "true or false" => Some("write `true` or `false`".into()),
        _ if expected == "f64" => Some("write a number without quotes".into()),
        _ if number => Some("write a whole number without quotes".into()),
        Some(Value::Array(items)) if words == "text" => Some(match items.as_slice() {
            [Value::String(one)] => format!("write it without brackets: {one}"),
            _ => "write one text, not a list".into(),
        }),
        Some(Value::Object(_)) if words == "text" => Some("write one text, not `field: value` pairs".into()),
        _ if words == "text" => Some("write a text".into()),
        _ if words == "a list" => Some("write a list: `[…]`, or lines that begin with `- `".into()),
        _ => None,
    };
    let found = match wrong {
        Some(Value::String(_) | Value::Number(_)) if has_secret_name(at) => "a secret".to_owned(),
        Some(Value::String(text)) => format!("the string {}", quoted(text)),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Null) => "null".to_owned(),
        Some(other) => describe_type(other).to_owned(),
        None => found.to_owned(),
    };
    Some((format!("expected {words}, not {found}"), remedy))
}

/// Range of an integer type of Rust, which serde names.
fn integer_range(name: &str) -> Option<(i128, i128)> {
    Some(match name {
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, u64::MAX.into()),
        "i32" => (i32::MIN.into(), i32::MAX.into()),
        "i64" => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}

/// Description of a top-level field in the schema.
fn description(schema: &Value, field: &str) -> Option<String> {
    help_text(schema.pointer(&child_pointer("/properties", field))?)
}

fn is_unknown(message: &str) -> bool {
    message.starts_with("unknown field") || message.starts_with("unknown variant")
}

/// The first text in backticks.
fn first_quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// Names that serde expected.
fn expected_names(message: &str) -> Vec<&str> {
    message.split('`').skip(3).step_by(2).collect()
}

fn ends_with(pointer: &str, name: &str) -> bool {
    pointer.rsplit_once('/').is_some_and(|(_, last)| last == name)
}
