//! YAML → plain values with source locations.

use std::{collections::BTreeMap, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::{
    diagnostic::Diagnostic,
    scalar,
    source::{Source, Spans, child_pointer},
};

/// Maximum nesting of maps and lists.
const MAX_DEPTH: usize = 64;

/// Approximate maximum number of nodes that all aliases (`*name`) together may expand to.
const MAX_ALIAS_NODES: usize = 100_000;

/// Parses the text; duplicate keys and syntax errors are diagnostics.
pub fn parse(source: &Source) -> Result<(Value, Spans), Vec<Diagnostic>> {
    let mut node = parse_node(source)?;
    let mut spans = Spans::default();
    for (pointer, part, range) in node.spans {
        match part {
            SpanKind::Key => drop(spans.keys.insert(pointer, range)),
            SpanKind::Value => drop(spans.values.insert(pointer, range)),
            SpanKind::Scalar => keep_written_text(&mut node.value, &pointer, source.text.get(range)),
        }
    }
    Ok((node.value, spans))
}

/// Parses one file of a source; locations are those in the whole source.
pub fn parse_file(source: &Source, index: usize) -> Result<(Value, Spans), Vec<Diagnostic>> {
    if source.files.len() == 1 {
        return parse(source);
    }
    let file = &source.files[index];
    let start = file.range.start;
    let moved = |range: Range<usize>| range.start + start..range.end + start;
    let part = Source::new(file.path.clone(), source.text.get(file.range.clone()).unwrap_or_default());
    match parse(&part) {
        Ok((value, spans)) => {
            let all = |ranges: BTreeMap<String, Range<usize>>| ranges.into_iter().map(|(at, range)| (at, moved(range))).collect();
            Ok((value, Spans { values: all(spans.values), keys: all(spans.keys), origins: spans.origins }))
        }
        Err(problems) => Err(problems.into_iter().map(|problem| Diagnostic { range: problem.range.map(moved), ..problem }).collect()),
    }
}

/// Parses a value that is given besides the definition, by the same rules. Text that is not YAML is taken as it is.
pub fn parse_argument(text: &str) -> Value {
    let source = Source::new("", format!("- {text}"));
    match parse(&source) {
        // `#` begins a comment in YAML, but is text here.
        Ok((Value::Array(mut list), _)) if list.len() == 1 && (!list[0].is_null() || !text.contains('#')) => list.remove(0),
        _ => Value::String(text.to_owned()),
    }
}

fn keep_written_text(document: &mut Value, pointer: &str, written: Option<&str>) {
    if let (Some(written), Some(value)) = (written, document.pointer_mut(pointer)) {
        *value = scalar::as_written(value.take(), written.trim());
    }
}

fn parse_node(source: &Source) -> Result<SpannedValue, Vec<Diagnostic>> {
    // Far beyond real definitions, and small enough that no file exhausts the stack or the memory, or takes minutes.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_ALIAS_NODES },
        with_snippet: false,
        // `12e4567` is a commit, not infinity.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
    };
    serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| vec![syntax_error(source, &error)])
}

fn syntax_error(source: &Source, error: &serde_saphyr::Error) -> Diagnostic {
    let message = error.without_snippet().to_string();
    let message = message.split(" at line ").next().unwrap_or_default().trim();
    // The rest of that message is for callers of the parser.
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    let start = error.location().map(|at| byte_range(&at).start).unwrap_or_default().min(source.text.len());
    let length = source.text.get(start..).map_or(0, |rest| rest.find(['\n', '\r', ':']).unwrap_or(rest.len()));
    let lower = message.to_lowercase();
    let line = source.text.get(..start).map_or("", |before| before.rsplit('\n').next().unwrap_or_default());
    let help = if line.trim_end().ends_with(['{', ':', '[', ',', '-']) && is_expression(source, start) {
        let message = "this is not valid YAML: an expression has no quotes, so YAML takes its braces for a map";
        return Diagnostic::new("syntax", message).at(Some(start..start + length)).help("put the expression in quotes: `\"{{ … }}\"`");
    } else if let Some((message, help)) = own_words(&lower) {
        return Diagnostic::new("syntax", message).at(Some(start..start + length)).help(help);
    } else if lower.contains("duplicate") {
        "a key may occur only once: rename or merge the two"
    } else if ["depth", "nesting", "recursion"].iter().any(|word| lower.contains(word)) {
        "reduce the nesting: a definition may have at most 64 levels"
    } else if lower.contains("tab") {
        "indent with spaces, not with tabs"
    } else {
        "check the indentation, and put text with `: `, `#`, `{` or `*` in quotes"
    };
    Diagnostic::new("syntax", format!("this is not valid YAML: {message}")).at(Some(start..start + length)).help(help)
}

/// Message and remedy in place of those for callers of the parser.
fn own_words(message: &str) -> Option<(String, &'static str)> {
    if message.contains("multiple yaml documents") {
        let text = "a definition is one YAML document, and `---` begins a second one";
        return Some((text.to_owned(), "remove `---`, or split the file"));
    }
    if message.contains("alias replay") {
        let text = format!("the aliases (`*name`) expand to more than {MAX_ALIAS_NODES} values");
        return Some((text, "use fewer aliases inside of anchored values, or a module: `acme explain include`"));
    }
    if message.contains("expected string scalar") {
        let text = "this is not valid YAML: the key of a map must be text, not a map or a list";
        return Some((text.to_owned(), "write `key: value`, and put text with `: `, `#`, `{` or `*` in quotes"));
    }
    None
}

/// Whether an error is at an expression without quotes: YAML takes its braces for maps.
fn is_expression(source: &Source, start: usize) -> bool {
    let first = source.text[..start].bytes().rev().chain([0; 2]).take(2).filter(|byte| *byte == b'{').count();
    source.text[start..].starts_with(&"{{"[first.min(2)..])
}

enum SpanKind {
    Key,
    Value,
    /// Number, switch or null, where it is defined: an alias is elsewhere.
    Scalar,
}

/// Value with the locations of everything below it.
struct SpannedValue {
    value: Value,
    spans: Vec<(String, SpanKind, Range<usize>)>,
}

impl SpannedValue {
    fn leaf(value: Value) -> SpannedValue {
        SpannedValue { value, spans: Vec::new() }
    }
}

fn byte_range(location: &Location) -> Range<usize> {
    let span = location.span();
    let (start, length) = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(length)) => (start as usize, length as usize),
        _ => (span.offset() as usize, span.len() as usize),
    };
    start..start + length
}

impl<'de> Deserialize<'de> for SpannedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpannedValueVisitor)
    }
}

fn push_scalar(places: &mut Vec<(String, SpanKind, Range<usize>)>, at: &str, item: &Spanned<SpannedValue>) {
    if matches!(item.value.value, Value::Null | Value::Bool(_) | Value::Number(_)) {
        places.push((at.to_owned(), SpanKind::Scalar, byte_range(&item.defined)));
    }
}

struct SpannedValueVisitor;

macro_rules! visit_scalars {
    ($($visit:ident: $from:ty),*) => {
        $(fn $visit<E>(self, value: $from) -> Result<SpannedValue, E> { Ok(SpannedValue::leaf(value.into())) })*
    };
}

impl<'de> Visitor<'de> for SpannedValueVisitor {
    type Value = SpannedValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    visit_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_string: String);

    fn visit_unit<E>(self) -> Result<SpannedValue, E> {
        Ok(SpannedValue::leaf(Value::Null))
    }
    fn visit_none<E>(self) -> Result<SpannedValue, E> {
        Ok(SpannedValue::leaf(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<SpannedValue, D::Error> {
        SpannedValue::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<SpannedValue, A::Error> {
        let (mut list, mut places) = (Vec::new(), Vec::new());
        while let Some(item) = access.next_element::<Spanned<SpannedValue>>()? {
            let at = format!("/{}", list.len());
            push_scalar(&mut places, &at, &item);
            places.push((at.clone(), SpanKind::Value, byte_range(&item.referenced)));
            places.extend(item.value.spans.into_iter().map(|(rest, part, range)| (format!("{at}{rest}"), part, range)));
            list.push(item.value.value);
        }
        Ok(SpannedValue { value: list.into(), spans: places })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<SpannedValue, A::Error> {
        let (mut map, mut places) = (Map::new(), Vec::new());
        while let Some((key, item)) = access.next_entry::<Spanned<String>, Spanned<SpannedValue>>()? {
            let at = child_pointer("", &key.value);
            push_scalar(&mut places, &at, &item);
            places.push((at.clone(), SpanKind::Key, byte_range(&key.referenced)));
            places.push((at.clone(), SpanKind::Value, byte_range(&item.referenced)));
            places.extend(item.value.spans.into_iter().map(|(rest, part, range)| (format!("{at}{rest}"), part, range)));
            map.insert(key.value, item.value.value);
        }
        Ok(SpannedValue { value: map.into(), spans: places })
    }
}
