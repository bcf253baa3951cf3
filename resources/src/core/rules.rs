//! Checks specs against the facts of their fields: limits, lengths, patterns and closed lists, as the JSON schema states them.

#[cfg(test)]
mod tests;

use std::fmt::Display;

use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::{
    DnsName, Problem,
    expression::references,
    field_relations::FieldRelation,
    policy::{
        grammar,
        policy_kind::{self, PolicyKind},
    },
};

/// Rules of a schema, derived once, so that checking a spec costs one walk over the fields with rules.
pub struct Rules(RuleNode);

/// Rules for one value.
#[derive(Default)]
struct RuleNode {
    limits: Vec<Limit>,
    /// Description of the field: the remedy if a limit has none.
    description: Option<String>,
    /// Rules by key.
    fields: Vec<(String, RuleNode)>,
    /// Rules between two of the fields.
    relations: Vec<FieldRelation>,
    /// Rules for every element of a list, and every value of a map.
    items: Option<Box<RuleNode>>,
    /// Alternatives: a value must satisfy one whose form it has.
    alternatives: Vec<(AlternativeShape, RuleNode)>,
    /// Whether it is a policy document.
    is_policy: bool,
    /// Kind of the policy document, or of all in a map.
    policy_kind: Option<PolicyKind>,
}

/// Limit of a value.
enum Limit {
    Range { min: Option<Number>, max: Option<Number> },
    Length { min: u64, max: u64 },
    Prefix { min: u64, max: u64 },
    Pattern { text: String, regex: Regex },
    OneOf(Vec<Value>),
    DnsName,
}

/// Form that distinguishes the alternatives of a value.
#[derive(Default)]
pub(super) struct AlternativeShape {
    types: Vec<String>,
    constants: Vec<(String, Value)>,
    required: Vec<String>,
    /// Accepted keys, if no others are.
    keys: Option<Vec<String>>,
}

impl Rules {
    /// Reads the rules of a JSON schema with its `$defs`. A recursive definition has none: no type needs them.
    pub fn of(schema: &Value) -> Rules {
        let empty = Map::new();
        let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        Rules(RuleNode::of(schema, definitions, &mut Vec::new()))
    }

    /// Returns the problems of a spec. Text with `${…}` references is not known yet and not checked; a value of a wrong type is a separate
    /// problem.
    pub fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.0.check(spec, &mut String::new(), &mut problems);
        problems
    }
}

impl RuleNode {
    fn of<'a>(schema: &'a Value, definitions: &'a Map<String, Value>, within: &mut Vec<&'a str>) -> RuleNode {
        let mut node = RuleNode { limits: Limit::of(schema), relations: FieldRelation::all(schema), ..RuleNode::default() };
        node.is_policy = schema.get("x-acme-policy").is_some();
        node.policy_kind = schema.get("x-acme-policy-kind").and_then(|kind| PolicyKind::deserialize(kind).ok());
        node.description = if node.limits.is_empty() { None } else { help_text(schema) };
        if let Some(name) = definition_name(schema).filter(|name| !within.contains(name)) {
            within.push(name);
            node.merge(RuleNode::of(definitions.get(name).unwrap_or(&Value::Null), definitions, within));
            within.pop();
        }
        for (key, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let field = RuleNode::of(field, definitions, within);
            if !field.is_empty() {
                node.fields.push((key.clone(), field));
            }
        }
        for items in ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key)) {
            let each = RuleNode::of(items, definitions, within);
            if !each.is_empty() {
                node.items = Some(Box::new(each));
            }
        }
        let branches = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        let branches: Vec<&Value> = branches.filter(|branch| branch["type"] != "null").collect();
        match branches.as_slice() {
            [one] => node.merge(RuleNode::of(one, definitions, within)),
            several => {
                let form = |branch: &&'a Value, within: &mut Vec<&'a str>| {
                    (AlternativeShape::of(branch, definitions), RuleNode::of(branch, definitions, within))
                };
                let alternatives: Vec<(AlternativeShape, RuleNode)> = several.iter().map(|branch| form(branch, within)).collect();
                if alternatives.iter().any(|(_, node)| !node.is_empty()) {
                    node.alternatives = alternatives;
                }
            }
        }
        node
    }

    /// Resolves a reference, or the only alternative to `null`.
    fn merge(&mut self, other: RuleNode) {
        self.limits.extend(other.limits);
        self.description = self.description.take().or(other.description);
        self.fields.extend(other.fields);
        self.relations.extend(other.relations);
        self.items = self.items.take().or(other.items);
        self.alternatives.extend(other.alternatives);
        self.is_policy |= other.is_policy;
        self.policy_kind = self.policy_kind.or(other.policy_kind);
    }

    fn is_empty(&self) -> bool {
        self.limits.is_empty()
            && self.fields.is_empty()
            && self.relations.is_empty()
            && self.items.is_none()
            && self.alternatives.is_empty()
            && !self.is_policy
            && self.policy_kind.is_none()
    }

    fn check(&self, value: &Value, at: &mut String, problems: &mut Vec<Problem>) {
        for limit in &self.limits {
            self.check_limit(limit, value, at, problems);
        }
        if self.is_policy {
            grammar::check(value, at, problems);
        }
        match self.policy_kind {
            Some(kind) if self.is_policy => policy_kind::check(kind, value, at, problems),
            Some(kind) => for_each_item(value, at, |_, value, at| policy_kind::check(kind, value, at, problems)),
            None => {}
        }
        if let Some(map) = value.as_object() {
            for (key, node) in &self.fields {
                if let Some(value) = map.get(key) {
                    with_child_pointer(at, key, |at| node.check(value, at, problems));
                }
            }
            for relation in &self.relations {
                if let Some((message, help)) = relation.violation(map) {
                    with_child_pointer(at, &relation.field, |at| {
                        problems.push(Problem { pointer: at.clone(), message, help: Some(help), code: Problem::INVALID, is_secret: false });
                    });
                }
            }
        }
        if let Some(node) = &self.items {
            let known = |key: &String| self.fields.iter().any(|(field, _)| field == key);
            for_each_item(value, at, |key, value, at| {
                if !known(key) {
                    node.check(value, at, problems);
                }
            });
        }
        let fitting = self.alternatives.iter().filter(|(form, _)| form.matches(value)).map(|(_, node)| {
            let mut problems = Vec::new();
            node.check(value, at, &mut problems);
            problems
        });
        let found: Vec<Vec<Problem>> = fitting.collect();
        if found.iter().all(|problems| !problems.is_empty()) {
            problems.extend(found.into_iter().next().into_iter().flatten());
        }
    }

    /// Adds a limit for numbers or strings, which applies to each value of a list or map.
    fn check_limit(&self, limit: &Limit, value: &Value, at: &mut String, problems: &mut Vec<Problem>) {
        if let Some(message) = limit.violation(value) {
            problems.push(Problem {
                pointer: at.clone(),
                message,
                help: limit.example(value).or_else(|| self.description.clone()),
                code: Problem::INVALID,
                is_secret: false,
            });
        } else if !matches!(limit, Limit::Length { .. }) {
            for_each_item(value, at, |_, value, at| self.check_limit(limit, value, at, problems));
        }
    }
}

impl Limit {
    fn of(schema: &Value) -> Vec<Limit> {
        let number = |key: &str| schema.get(key).and_then(Value::as_number).cloned();
        let bounds = |key: &str| {
            let bounds = schema.get(key)?.as_array()?;
            Some((bounds.first()?.as_u64()?, bounds.get(1)?.as_u64()?))
        };
        let mut limits = Vec::new();
        let (min, max) = (number("minimum"), number("maximum"));
        // Every unsigned number has the minimum 0, which parsing has checked.
        if max.is_some() || min.as_ref().is_some_and(|min| min.as_u64() != Some(0)) {
            limits.push(Limit::Range { min, max });
        }
        limits.extend(bounds("x-acme-length").map(|(min, max)| Limit::Length { min, max }));
        limits.extend(bounds("x-acme-prefix").map(|(min, max)| Limit::Prefix { min, max }));
        let pattern = schema.get("x-acme-pattern").and_then(Value::as_str);
        let regex = pattern.and_then(|text| Some((text, anchored_regex(text).ok()?)));
        limits.extend(regex.map(|(text, regex)| Limit::Pattern { text: text.to_owned(), regex }));
        let choices = schema.get("x-acme-one-of").and_then(Value::as_array);
        limits.extend(choices.map(|all| Limit::OneOf(all.clone())));
        limits.extend(schema.get("x-acme-dns-name").map(|_| Limit::DnsName));
        limits
    }

    /// A value like this one that is within the limit, as a remedy: the description of a range only repeats the limit.
    fn example(&self, value: &Value) -> Option<String> {
        let Limit::Prefix { min, max } = self else { return None };
        let (address, prefix) = value.as_str()?.rsplit_once('/')?;
        Some(format!("for example `{address}/{}`", prefix.parse::<u64>().ok()?.clamp(*min, *max)))
    }

    /// Problem of this value itself.
    fn violation(&self, value: &Value) -> Option<String> {
        if let Value::String(text) = value
            && text.contains("${")
            && !references(text).is_empty()
        {
            return None;
        }
        match (self, value) {
            (Limit::Range { min, max }, Value::Number(number)) => {
                let number = number.as_f64()?;
                let is_above = min.as_ref().and_then(Number::as_f64).is_none_or(|min| number >= min);
                let is_below = max.as_ref().and_then(Number::as_f64).is_none_or(|max| number <= max);
                // A maximum that is the type's own is worth naming only to a value above it.
                let known = max.clone().filter(|max| !is_below || max.as_u64().is_none_or(|max| max < UNLIMITED));
                (!is_above || !is_below).then(|| format!("must be {}", describe_range(min.as_ref(), known.as_ref())))
            }
            (Limit::Length { min, max }, Value::String(text)) => {
                length_violation(text.chars().count(), *min, *max, ("character", "characters"))
            }
            (Limit::Length { min, max }, Value::Array(list)) => length_violation(list.len(), *min, *max, ("item", "items")),
            (Limit::Length { min, max }, Value::Object(map)) => length_violation(map.len(), *min, *max, ("entry", "entries")),
            (Limit::Prefix { min, max }, Value::String(text)) => {
                let prefix: u64 = text.rsplit_once('/')?.1.parse().ok()?;
                let wanted = if min == max { format!("/{min}") } else { format!("between /{min} and /{max}") };
                (!(*min..=*max).contains(&prefix)).then(|| format!("the prefix length must be {wanted}, not /{prefix}"))
            }
            (Limit::Pattern { text: pattern, regex }, Value::String(text)) => {
                (!regex.is_match(text)).then(|| format!("must match the pattern `{pattern}`"))
            }
            (Limit::OneOf(choices), Value::String(_) | Value::Number(_)) => {
                let show = |choice: &Value| choice.as_str().map_or_else(|| choice.to_string(), |text| format!("`{text}`"));
                (!choices.contains(value)).then(|| format!("must be one of {}", choices.iter().map(show).collect::<Vec<_>>().join(", ")))
            }
            (Limit::DnsName, Value::String(text)) => DnsName::violation(text).map(str::to_owned),
            _ => None,
        }
    }
}

impl AlternativeShape {
    pub(super) fn of<'a>(mut schema: &'a Value, definitions: &'a Map<String, Value>) -> AlternativeShape {
        while let Some(target) = definition_name(schema).and_then(|name| definitions.get(name)) {
            schema = target;
        }
        let texts = |key: &str| -> Vec<String> {
            match schema.get(key) {
                Some(Value::String(one)) => vec![one.clone()],
                Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                _ => Vec::new(),
            }
        };
        let fields = schema.get("properties").and_then(Value::as_object);
        let constants = fields.into_iter().flatten().filter_map(|(key, field)| Some((key.clone(), field.get("const")?.clone()))).collect();
        let keys = fields.filter(|_| schema["additionalProperties"] == false).map(|fields| fields.keys().cloned().collect());
        AlternativeShape { types: texts("type"), constants, required: texts("required"), keys }
    }

    pub(super) fn matches(&self, value: &Value) -> bool {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is_of_type = self.types.is_empty() || self.types.iter().any(|one| one == name || (name == "number" && one == "integer"));
        is_of_type
            && value.as_object().is_none_or(|map| {
                self.constants.iter().all(|(key, constant)| map.get(key) == Some(constant))
                    && self.required.iter().all(|key| map.contains_key(key))
                    && self.keys.as_ref().is_none_or(|keys| map.keys().all(|key| keys.contains(key)))
            })
    }
}

/// Regular expression that must match the whole text.
pub fn anchored_regex(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// Name of the definition that a schema refers to.
pub(super) fn definition_name(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// Formats limits of a number: `between 1 and 5`.
fn describe_range(min: Option<&Number>, max: Option<&Number>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => min.to_string(),
        (Some(min), Some(max)) => format!("between {min} and {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "a number".to_owned(),
    }
}

fn length_violation(length: usize, min: u64, max: u64, nouns: (&str, &str)) -> Option<String> {
    let length = length as u64;
    (length < min || length > max).then(|| format!("must have {}", describe_count(min, max, nouns)))
}

/// Formats limits of a count: `1 to 5 items`, `at most 256 characters`.
pub fn describe_count(min: u64, max: u64, (one, many): (&str, &str)) -> String {
    let of = |words: &dyn Display, last: u64| format!("{words} {}", if last == 1 { one } else { many });
    match (min, max) {
        _ if min == max => of(&min, max),
        (0, _) => of(&format_args!("at most {max}"), max),
        (_, UNLIMITED..) => of(&format_args!("at least {min}"), min),
        _ => of(&format_args!("{min} to {max}"), max),
    }
}

/// Maximum from which on there is effectively no limit.
const UNLIMITED: u64 = i32::MAX as u64;

/// Help line for a field: its description, with the prefix limits of an IP range.
pub fn help_text(field: &Value) -> Option<String> {
    let text = field.get("description")?.as_str()?.replace('\n', " ");
    let text = text.trim_end_matches('.');
    Some(match Limit::of(field).iter().find(|limit| matches!(limit, Limit::Prefix { .. })) {
        Some(Limit::Prefix { min, max }) => format!("{text}, between /{min} and /{max}"),
        _ => text.to_owned(),
    })
}

/// Calls `act` with the pointer to the value of a key.
pub(super) fn with_child_pointer(at: &mut String, key: &str, act: impl FnOnce(&mut String)) {
    let length = at.len();
    at.push('/');
    if key.contains(['~', '/']) {
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
    } else {
        at.push_str(key);
    }
    act(at);
    at.truncate(length);
}

/// Calls `act` for every element of a list and every value of a map.
pub(super) fn for_each_item(value: &Value, at: &mut String, mut act: impl FnMut(&String, &Value, &mut String)) {
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| {
            let key = index.to_string();
            with_child_pointer(at, &key, |at| act(&key, value, at));
        }),
        Value::Object(map) => map.iter().for_each(|(key, value)| with_child_pointer(at, key, |at| act(key, value, at))),
        _ => {}
    }
}
