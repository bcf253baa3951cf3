//! State shared by all stages of compiling: source locations, values, and the problems found so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde_json::{Map, Value};

use super::{
    composition::stack_sections::JoinedSection,
    diagnostic::Diagnostic,
    gitops::Delivery,
    location::Location,
    scalar, sections,
    source::{Source, Spans, child_pointer},
    template::{ExpressionError, Templates, is_template},
};
use crate::core::Address;

/// State of compiling one definition.
pub struct Compiler<'a> {
    /// Source text.
    pub source: &'a Source,
    /// Source locations.
    pub spans: Spans,
    /// Expressions and their values.
    pub templates: Templates,
    /// Names of the definition's values.
    pub value_names: BTreeSet<String>,
    /// Problems found so far.
    pub problems: Vec<Diagnostic>,
    /// Locations of failed expressions, to suppress follow-up problems.
    broken_ranges: BTreeSet<(usize, usize)>,
    broken_pointers: BTreeSet<String>,
    /// Number of failed expressions.
    pub failed_expressions: usize,
    /// Names under `existing` whose declaration has a problem.
    pub broken_names: BTreeSet<String>,
    /// Begins of the names of entries of a `for_each` with a problem.
    pub broken_prefixes: Vec<String>,
    /// Whether a file is missing, so that references to what it has can't be checked.
    pub is_incomplete: bool,
    /// Locations of secrets.
    pub hidden: BTreeSet<(usize, usize)>,
    /// Resources whose `when` is false.
    pub absent: BTreeSet<Address>,
    /// References by name in sections, which are checked when all resources are known.
    pub named: Vec<NamedReference>,
    /// Account and region, as far as they are known.
    pub location: Location,
    /// Whether a generated name contains an account or region that is not known yet.
    pub needs_location: bool,
    /// Prefix of the names of resources: that of the module being evaluated.
    pub prefix: String,
    /// Sections of modules that join those of the stack.
    pub joined: Vec<JoinedSection>,
    /// Prefixes of the names of services that modules have, by their complete names.
    pub service_prefixes: BTreeMap<String, String>,
    /// Delivery through Git, if there is any.
    pub delivery: Option<Delivery>,
    /// Rest of [`MEMORY_LIMIT`].
    memory_left: usize,
}

/// The name of a resource in a section, whose expansion refers to it in several places.
pub struct NamedReference {
    /// The resource.
    pub address: Address,
    /// Output that the section uses.
    pub output: &'static str,
    /// What has the name, for messages.
    pub shown: String,
    /// Location of the name.
    pub pointer: String,
}

/// Maximum number of entries of one `for_each`, so that a mistyped range can't exhaust the memory.
const MAX_FOR_EACH_ENTRIES: i128 = 100_000;

/// Approximate maximum size of all evaluated values together, in bytes.
const MEMORY_LIMIT: usize = 1 << 28;

/// Approximate size of a value besides its text, in bytes.
const NODE_BYTES: usize = 32;

/// Approximate size of an entry of a `for_each`, with its name and location, in bytes.
const ENTRY_BYTES: usize = 256;

impl<'a> Compiler<'a> {
    /// Starts with the parsed text and what is known about the location.
    pub fn new(source: &'a Source, spans: Spans, location: Location) -> Compiler<'a> {
        Compiler {
            source,
            spans,
            templates: Templates::default(),
            value_names: BTreeSet::new(),
            problems: Vec::new(),
            broken_ranges: BTreeSet::new(),
            broken_pointers: BTreeSet::new(),
            failed_expressions: 0,
            broken_names: BTreeSet::new(),
            broken_prefixes: Vec::new(),
            is_incomplete: false,
            hidden: BTreeSet::new(),
            absent: BTreeSet::new(),
            named: Vec::new(),
            location,
            needs_location: false,
            prefix: String::new(),
            joined: Vec::new(),
            service_prefixes: BTreeMap::new(),
            delivery: None,
            memory_left: MEMORY_LIMIT,
        }
    }
    /// Best location for `pointer`.
    pub fn value_range(&self, pointer: &str) -> Option<Range<usize>> {
        self.spans.value_range(&self.source.text, pointer)
    }
    /// Location of the key at `pointer`.
    pub fn key_range(&self, pointer: &str) -> Option<Range<usize>> {
        self.spans.key_range(&self.source.text, pointer)
    }
    /// Hides the value at `pointer` in the excerpts of all problems. Where it is not written itself, what contains it is.
    pub fn hide_value(&mut self, pointer: &str) {
        let origin = self.spans.origin(pointer);
        let mut at: &str = &origin;
        while !at.is_empty() && !self.spans.values.contains_key(at) {
            at = &at[..at.rfind('/').unwrap_or(0)];
        }
        // The location of a map or list is that of its start only.
        let below = |at: &str| {
            let start = format!("{at}/");
            self.spans.values.range(start.clone()..).take_while(move |(pointer, _)| pointer.starts_with(&start))
        };
        let own = self.spans.values.get_key_value(at).into_iter();
        let leaves = own.chain(below(at)).filter(|(pointer, _)| below(pointer).next().is_none());
        let hidden: Vec<(usize, usize)> = leaves.map(|(_, range)| (range.start, range.end)).collect();
        self.hidden.extend(hidden);
    }
    /// Reports a problem with a value.
    pub fn problem(&mut self, code: &'static str, pointer: &str, message: impl Into<String>, help: impl Into<String>) {
        let place = self.value_range(pointer);
        self.problems.push(Diagnostic::new(code, message).at(place).help(help));
    }
    /// Reports a problem with a key.
    pub fn problem_at_key(&mut self, code: &'static str, pointer: &str, message: impl Into<String>, help: impl Into<String>) {
        let place = self.key_range(pointer);
        self.problems.push(Diagnostic::new(code, message).at(place).help(help));
    }
    /// Map at a top-level key, if present; reports any other type.
    pub fn top_level_map<'d>(&mut self, document: &'d Map<String, Value>, key: &str) -> Option<&'d Map<String, Value>> {
        match document.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => {
                self.problem(
                    "type",
                    &child_pointer("", key),
                    format!("`{key}` must be a map"),
                    format!("write `name: …` pairs below `{key}:`"),
                );
                None
            }
        }
    }
    /// Content of a map, empty if it is not there; reports any other type.
    pub fn map_of(&mut self, value: Option<&Value>, at: &str) -> Map<String, Value> {
        match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => {
                let name = at.rsplit('/').next().unwrap_or_default().to_owned();
                self.problem("type", at, format!("`{name}` must be a map"), format!("write `name: …` pairs below `{name}:`"));
                Map::new()
            }
        }
    }
    /// Whether an expression at or above this location failed, so that the rest can't be checked.
    pub fn is_broken(&self, range: Option<&Range<usize>>) -> bool {
        range.is_some_and(|range| self.broken_ranges.contains(&(range.start, range.end)))
    }
    /// Whether an expression at or below this pointer failed.
    pub fn is_broken_below(&self, pointer: &str) -> bool {
        let origin = self.spans.origin(pointer);
        self.broken_pointers.range(origin.to_string()..).next().is_some_and(|at| at.starts_with(&*origin))
    }

    /// Evaluates every scalar below `value`, without `for_each` and `when`.
    pub fn render(&mut self, value: &Value, at: &str) -> Value {
        let mut value = self.render_as_written(value, at);
        scalar::to_text(&mut value);
        value
    }
    /// Same, with marked scalars, see [`scalar`].
    pub fn render_as_written(&mut self, value: &Value, at: &str) -> Value {
        let mut path = WalkPath { source: at.to_owned(), out: at.to_owned() };
        self.walk(value, &mut path, false)
    }
    /// Evaluates every scalar below `value` and expands `for_each` and `when`.
    pub fn expand(&mut self, value: &Value, at: &str) -> Value {
        let mut path = WalkPath { source: at.to_owned(), out: at.to_owned() };
        let mut value = self.walk(value, &mut path, true);
        scalar::to_text(&mut value);
        value
    }

    fn walk(&mut self, value: &Value, path: &mut WalkPath, entries: bool) -> Value {
        if !self.reserve_memory(NODE_BYTES, &path.source) {
            return Value::Null;
        }
        match value {
            Value::String(text) if is_template(text) => match self.templates.render(text) {
                Ok(value) if self.reserve_memory(estimated_size(&value), &path.source) => value,
                Ok(_) => Value::Null,
                Err(fault) => {
                    self.report_expression_error(fault, &path.source);
                    value.clone()
                }
            },
            Value::Array(list) => {
                let mut out = Vec::with_capacity(list.len());
                for (index, item) in list.iter().enumerate() {
                    let before = path.push(&index.to_string());
                    if entries && let Some(map) = item.as_object().filter(|map| is_conditional_or_repeated(map)) {
                        path.out.truncate(before.1);
                        self.expand_entries(map, "", path, &mut |c, _, body, path| {
                            let at = format!("{}/{}", path.out, out.len());
                            c.spans.origins.insert(at, path.source.clone());
                            out.push(body);
                        });
                    } else {
                        if out.len() != index {
                            self.spans.origins.insert(format!("{}/{}", &path.out[..before.1], out.len()), path.source.clone());
                        }
                        let item = self.walk(item, path, entries);
                        out.push(item);
                    }
                    path.pop(before);
                }
                out.into()
            }
            Value::Object(map) => self.walk_map(map, path, entries, |_| true).into(),
            other => other.clone(),
        }
    }

    /// Whether the limit allows this many more bytes; reports once if it does not.
    pub fn reserve_memory(&mut self, bytes: usize, at: &str) -> bool {
        if self.memory_left >= bytes {
            self.memory_left -= bytes;
            return true;
        }
        if self.memory_left > 0 {
            self.memory_left = 0;
            let message = "the values up to here exceed 256 MiB";
            self.problem("too-large", at, message, "use fewer `for_each` entries, or smaller values");
        }
        false
    }

    fn walk_map(
        &mut self,
        map: &Map<String, Value>,
        path: &mut WalkPath,
        entries: bool,
        keep: impl Fn(&str) -> bool,
    ) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, item) in map.iter().filter(|(key, _)| keep(key)) {
            let before = path.push(key);
            if entries && let Some(entry) = item.as_object().filter(|map| is_conditional_or_repeated(map)) {
                path.out.truncate(before.1);
                self.expand_entries(entry, key, path, &mut |c, name, body, path| {
                    if name != *key {
                        c.spans.origins.insert(child_pointer(&path.out, &name), path.source.clone());
                    }
                    c.insert_entry(&mut out, name, body, path);
                });
            } else {
                let name = if is_template(key) { self.render_name(key, &path.source) } else { key.clone() };
                if name != *key {
                    self.spans.origins.insert(child_pointer(&path.out[..before.1], &name), path.source.clone());
                }
                let item = self.walk(item, path, entries);
                self.insert_entry(&mut out, name, item, path);
            }
            path.pop(before);
        }
        out
    }

    fn insert_entry(&mut self, map: &mut Map<String, Value>, name: String, body: Value, path: &WalkPath) {
        if map.contains_key(&name) {
            let help = "make the names unique, for example with `{{ each.key }}`";
            self.problem_at_key("duplicate", &path.source, format!("`{name}` is created twice"), help);
        }
        map.insert(name, body);
    }

    /// Expands one `for_each` or `when`. `path.out` points to the parent meanwhile.
    fn expand_entries(
        &mut self,
        entry: &Map<String, Value>,
        key: &str,
        path: &mut WalkPath,
        add: &mut dyn FnMut(&mut Self, String, Value, &WalkPath),
    ) {
        let at = path.source.clone();
        let Some(over) = entry.get("for_each") else {
            let name = if is_template(key) { self.render_name(key, &at) } else { key.to_owned() };
            if !self.evaluate_when(entry, &at) {
                self.absent.extend(address_of(&child_pointer(&path.out, &name), &self.prefix));
            } else {
                let body = self.expand_body(entry, &name, path);
                add(self, name, body, path);
            }
            return;
        };
        let outer = self.templates.take_each();
        self.templates.restore_each(outer.clone());
        let failed = self.failed_expressions;
        let items = self.for_each_items(over, &child_pointer(&at, "for_each"));
        if self.failed_expressions != failed {
            let begin = if is_template(key) { key.split("{{").next().unwrap_or_default().to_owned() } else { format!("{key}-") };
            self.broken_prefixes.extend(Some(format!("{}{begin}", self.prefix)).filter(|begin| !begin.is_empty()));
        }
        for (each, value) in items {
            if !self.reserve_memory(ENTRY_BYTES, &at) {
                break;
            }
            self.templates.set_each(&each, &value);
            let name = if key.contains("each.") {
                self.render_name(key, &at)
            } else {
                format!("{}-{each}", if is_template(key) { self.render_name(key, &at) } else { key.to_owned() })
            };
            if !self.evaluate_when(entry, &at) {
                self.absent.extend(address_of(&child_pointer(&path.out, &name), &self.prefix));
            } else {
                let body = self.expand_body(entry, &name, path);
                add(self, name, body, path);
            }
        }
        self.templates.restore_each(outer);
    }

    fn expand_body(&mut self, entry: &Map<String, Value>, name: &str, path: &mut WalkPath) -> Value {
        let out = path.out.len();
        path.out = child_pointer(&path.out, name);
        let body = self.walk_map(entry, path, true, |key| !matches!(key, "for_each" | "when"));
        path.out.truncate(out);
        body.into()
    }

    fn evaluate_when(&mut self, entry: &Map<String, Value>, at: &str) -> bool {
        let at = child_pointer(at, "when");
        let value = match entry.get("when") {
            None | Some(Value::Bool(true)) => return true,
            Some(value) if scalar::is_marked(value) => value.clone(),
            Some(Value::String(text)) => match self.templates.expression(text) {
                Ok(value) => value,
                Err(fault) => {
                    self.report_expression_error(fault, &at);
                    return true;
                }
            },
            Some(other) => other.clone(),
        };
        match scalar::to_typed(&value) {
            Value::Bool(on) => on,
            other => {
                self.problem(
                    "when",
                    &at,
                    format!("`when` must be true or false, not {}", describe_type(&other)),
                    "use a comparison: `when: zones > 2`",
                );
                true
            }
        }
    }

    /// Returns the keys and values of a `for_each`.
    fn for_each_items(&mut self, over: &Value, at: &str) -> Vec<(String, Value)> {
        let help = "use a list, a map, a number (`3`: 0, 1, 2) or a range `{from: 1, to: 3}`";
        let failed = (self.problems.len(), self.failed_expressions);
        let over = self.render_as_written(over, at);
        if (self.problems.len(), self.failed_expressions) != failed {
            return Vec::new();
        }
        let range = match &over {
            Value::String(_) => range_of(&scalar::to_typed(&over)),
            Value::Object(map) if map.len() == 2 => range_of(&scalar::to_typed(&over)),
            other => range_of(other),
        };
        if let Some((from, to)) = range {
            let count = i128::from(to) - i128::from(from) + 1;
            if count > MAX_FOR_EACH_ENTRIES {
                self.problem(
                    "for-each",
                    at,
                    format!("`for_each` has {count} entries, which is too many"),
                    format!("use at most {MAX_FOR_EACH_ENTRIES}"),
                );
                return Vec::new();
            }
            return (from..=to).map(|i| (i.to_string(), i.into())).collect();
        }
        match over {
            Value::Object(map) if map.len() == 2 && map.contains_key("from") && map.contains_key("to") => {
                self.problem("for-each", at, "a range must be between two whole numbers", "write numbers: `{from: 1, to: 3}`");
                Vec::new()
            }
            Value::Object(map) => map.into_iter().collect(),
            Value::Array(list) => {
                let add_key = "add a field `key` or `name`, or use a map";
                let mut entries: Vec<(String, Value)> = Vec::with_capacity(list.len());
                for (index, item) in list.into_iter().enumerate() {
                    let named = |item: &Value| item.get("key").or_else(|| item.get("name")).and_then(scalar_text);
                    match scalar_text(&item).or_else(|| named(&item)) {
                        Some(key) => entries.push((key, item)),
                        None => self.problem("for-each", &format!("{at}/{index}"), "this entry has no key", add_key),
                    }
                }
                entries
            }
            other => {
                self.problem("for-each", at, format!("can't iterate over this `for_each`: it is {}", describe_type(&other)), help);
                Vec::new()
            }
        }
    }

    fn render_name(&mut self, key: &str, at: &str) -> String {
        match self.templates.render(key) {
            Ok(value) => scalar_text(&value).unwrap_or_else(|| key.to_owned()),
            Err(fault) => {
                let place = self.key_range(at);
                self.add_expression_error(fault, place);
                key.to_owned()
            }
        }
    }

    fn report_expression_error(&mut self, fault: ExpressionError, at: &str) {
        let place = self.value_range(at);
        self.broken_pointers.insert(at.to_owned());
        self.add_expression_error(fault, place);
    }

    fn add_expression_error(&mut self, fault: ExpressionError, place: Option<Range<usize>>) {
        self.failed_expressions += 1;
        self.broken_ranges.extend(place.iter().map(|range| (range.start, range.end)));
        if !fault.is_consequence() {
            self.problems.push(Diagnostic::new("expression", fault.message).at(place).maybe_help(fault.help));
        }
    }
}

/// Address of the resource at a pointer into the definition, if there is one.
fn address_of(pointer: &str, prefix: &str) -> Option<Address> {
    let segments: Vec<String> = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    // Modules have their content below pointers of their own.
    let own = segments.iter().map(String::as_str).skip_while(|part| part.starts_with("~m"));
    let parts = own.skip_while(|part| *part == "resources").chain(["id"]);
    let (type_name, name, _) = sections::resolve_reference(&parts.collect::<Vec<_>>())?;
    Some(Address::new(&type_name, format!("{prefix}{name}")))
}

/// Range of a `for_each`: a number of entries, or the first and the last.
fn range_of(over: &Value) -> Option<(i64, i64)> {
    match over {
        Value::Number(count) => count.as_i64().map(|count| (0, count.saturating_sub(1))),
        Value::Object(map) if map.len() == 2 => map.get("from").and_then(Value::as_i64).zip(map.get("to").and_then(Value::as_i64)),
        _ => None,
    }
}

/// Position of a walk, in the source text and in the expanded definition.
struct WalkPath {
    source: String,
    out: String,
}

impl WalkPath {
    fn push(&mut self, segment: &str) -> (usize, usize) {
        let before = (self.source.len(), self.out.len());
        for path in [&mut self.source, &mut self.out] {
            path.push('/');
            if segment.contains(['~', '/']) {
                path.push_str(&segment.replace('~', "~0").replace('/', "~1"));
            } else {
                path.push_str(segment);
            }
        }
        before
    }
    fn pop(&mut self, (source, out): (usize, usize)) {
        self.source.truncate(source);
        self.out.truncate(out);
    }
}

fn is_conditional_or_repeated(map: &Map<String, Value>) -> bool {
    map.contains_key("for_each") || map.contains_key("when")
}

/// Approximate size of a value, in bytes.
pub fn estimated_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|value| NODE_BYTES + estimated_size(value)).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| NODE_BYTES + key.len() + estimated_size(value)).sum(),
    }
}

/// Converts a scalar to text.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(scalar::unmarked(text).to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}

/// Type of a value, in words.
pub fn describe_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
