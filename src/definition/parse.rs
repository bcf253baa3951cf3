//! YAML → plain values, with the place of each.

use std::{fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::{
    diagnostic::Diagnostic,
    source::{Source, Spans, below},
};

/// Deepest nesting of maps and lists.
const DEPTH: usize = 64;

/// Most nodes, roughly, that all aliases (`*name`) together may stand for.
const REPLAYED: usize = 100_000;

/// Reads the text; duplicate keys and syntax errors are diagnostics.
pub fn parse(source: &Source) -> Result<(Value, Spans), Vec<Diagnostic>> {
    // Far beyond what people write, and little enough that no file takes the stack, the memory or minutes.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPLAYED },
        with_snippet: false,
    };
    let node: Node = serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| vec![refused(source, &error)])?;
    let mut spans = Spans::default();
    for (pointer, part, range) in node.places {
        match part {
            Part::Key => spans.keys.insert(pointer, range),
            Part::Value => spans.values.insert(pointer, range),
        };
    }
    Ok((node.value, spans))
}

fn refused(source: &Source, error: &serde_saphyr::Error) -> Diagnostic {
    let message = error.without_snippet().to_string();
    let message = message.split(" at line ").next().unwrap_or_default().trim();
    // The rest of that message is for whoever calls the parser.
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    let start = error.location().map(|at| bytes(&at).start).unwrap_or_default().min(source.text.len());
    let length = source.text.get(start..).map_or(0, |rest| rest.find(['\n', '\r', ':']).unwrap_or(rest.len()));
    let lower = message.to_lowercase();
    let help = if lower.contains("duplicate") {
        "each key may stand once: rename or merge the two"
    } else if ["depth", "nesting", "recursion", "alias replay"].iter().any(|word| lower.contains(word)) {
        "write it flatter, and with fewer aliases: a definition has at most 64 levels"
    } else if lower.contains("tab") {
        "YAML is indented with spaces, not with tabs"
    } else {
        "check the indentation, and put text that holds `: `, `#`, `{` or `*` in quotes"
    };
    Diagnostic::new("syntax", format!("this is not valid YAML: {message}")).at(Some(start..start + length)).help(help)
}

enum Part {
    Key,
    Value,
}

/// A value with the places of all that is below it.
struct Node {
    value: Value,
    places: Vec<(String, Part, Range<usize>)>,
}

impl Node {
    fn leaf(value: Value) -> Node {
        Node { value, places: Vec::new() }
    }
}

fn bytes(location: &Location) -> Range<usize> {
    let span = location.span();
    let (start, length) = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(length)) => (start as usize, length as usize),
        _ => (span.offset() as usize, span.len() as usize),
    };
    start..start + length
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

macro_rules! leaves {
    ($($visit:ident: $from:ty),*) => {
        $(fn $visit<E>(self, value: $from) -> Result<Node, E> { Ok(Node::leaf(value.into())) })*
    };
}

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_string: String);

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::leaf(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::leaf(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let (mut list, mut places) = (Vec::new(), Vec::new());
        while let Some(item) = access.next_element::<Spanned<Node>>()? {
            let at = format!("/{}", list.len());
            places.push((at.clone(), Part::Value, bytes(&item.referenced)));
            places.extend(item.value.places.into_iter().map(|(rest, part, range)| (format!("{at}{rest}"), part, range)));
            list.push(item.value.value);
        }
        Ok(Node { value: list.into(), places })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let (mut map, mut places) = (Map::new(), Vec::new());
        while let Some((key, item)) = access.next_entry::<Spanned<String>, Spanned<Node>>()? {
            let at = below("", &key.value);
            places.push((at.clone(), Part::Key, bytes(&key.referenced)));
            places.push((at.clone(), Part::Value, bytes(&item.referenced)));
            places.extend(item.value.places.into_iter().map(|(rest, part, range)| (format!("{at}{rest}"), part, range)));
            map.insert(key.value, item.value.value);
        }
        Ok(Node { value: map.into(), places })
    }
}
