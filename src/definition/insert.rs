//! Writes resources into the text of a definition. Everything else, comments included, stays as it is.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{
    diagnostic::Diagnostic,
    parse,
    source::{Source, Spans, child_pointer},
};

/// Adds entries under `resources:`, by type and name. They must not exist.
///
/// # Errors
/// Returns the syntax errors of the text.
pub fn insert_resources(source: &Source, resources: &Map<String, Value>) -> Result<Source, Vec<Diagnostic>> {
    if resources.is_empty() {
        return Ok(source.clone());
    }
    let (document, spans) = parse::parse(source)?;
    let mut edits = Vec::new();
    match document.get("resources") {
        None => edits.push(insertion(source, &spans, &document, "", "resources", &Value::Object(resources.clone()))),
        Some(written) => {
            for (type_name, entries) in resources {
                let at = child_pointer("/resources", type_name);
                match (written.get(type_name), entries.as_object()) {
                    (Some(of_type), Some(entries)) => {
                        edits.extend(entries.iter().map(|(name, entry)| insertion(source, &spans, of_type, &at, name, entry)));
                    }
                    _ => edits.push(insertion(source, &spans, written, "/resources", type_name, entries)),
                }
            }
        }
    }
    let mut text = source.text.clone();
    // From the end, so that earlier positions stay valid; what is inserted at the same position keeps its order.
    edits.sort_by_key(|(at, _)| *at);
    for (at, new) in edits.into_iter().rev() {
        text.insert_str(at, &new);
    }
    Ok(Source::new(source.path.clone(), text))
}

/// Range of an entry: its key and its value.
pub fn entry_range(source: &Source, pointer: &str) -> Option<Range<usize>> {
    let (_, spans) = parse::parse(source).ok()?;
    let key = spans.keys.get(pointer)?.clone();
    // A value may be reported by its first character only, so the last of the parts below it counts.
    let below = format!("{pointer}/");
    let ends = spans.values.iter().filter(|(at, _)| *at == pointer || at.starts_with(&below)).map(|(_, range)| range.end);
    Some(key.start..ends.max().unwrap_or(key.end).max(key.end))
}

/// Position and text that add an entry to the map at `pointer`.
fn insertion(source: &Source, spans: &Spans, map: &Value, pointer: &str, key: &str, value: &Value) -> (usize, String) {
    let text = &source.text;
    let start =
        if pointer.is_empty() { text.find(|c: char| !c.is_whitespace()) } else { spans.values.get(pointer).map(|range| range.start) };
    if let Some(brace) = start.filter(|at| text[*at..].starts_with('{')) {
        // JSON is YAML in flow style, and a comma after the last entry is allowed.
        return (brace + 1, format!(" {}: {value},", Value::String(key.to_owned())));
    }
    let first = map.as_object().into_iter().flat_map(Map::keys).filter_map(|key| spans.keys.get(&child_pointer(pointer, key)));
    let first = first.map(|range| range.start).min();
    if pointer.is_empty() {
        let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return (text.len(), format!("{line_end}{}", block(key, value, 0)));
    }
    let parent = spans.keys.get(pointer).map_or(0, |range| range.start);
    let indent = first.map_or_else(|| column(text, parent) + 2, |first| column(text, first));
    let after_key = text[parent..].find('\n').map(|end| parent + end + 1);
    match after_key {
        Some(at) => (at, block(key, value, indent)),
        None => (text.len(), format!("\n{}", block(key, value, indent))),
    }
}

/// Column of a position, starting at 0.
fn column(text: &str, at: usize) -> usize {
    at - text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// An entry in block style.
fn block(key: &str, value: &Value, indent: usize) -> String {
    let entry: Map<String, Value> = [(key.to_owned(), value.clone())].into_iter().collect();
    let text = serde_yaml::to_string(&entry).unwrap_or_default();
    let space = " ".repeat(indent);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{space}{line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inserted(text: &str, resources: Value) -> String {
        let source = Source::new("stack.yaml", text);
        insert_resources(&source, resources.as_object().expect("a map")).unwrap_or_else(|problems| panic!("{problems:?}")).text
    }

    #[test]
    fn keeps_the_text_around_new_entries() {
        let new = json!({ "vpc": { "main": { "cidr": "10.0.0.0/16" } }, "subnet": { "a": { "vpc": "main" } } });
        assert_eq!(
            inserted("stack: shop # the shop\n", new.clone()),
            "stack: shop # the shop\nresources:\n  subnet:\n    a:\n      vpc: main\n  vpc:\n    main:\n      cidr: 10.0.0.0/16\n"
        );
        let text = "stack: shop\nresources: # all\n    # one network\n    vpc: { old: { cidr: 10.1.0.0/16 } }\noutputs: {}\n";
        assert_eq!(
            inserted(text, new.clone()),
            "stack: shop\nresources: # all\n    subnet:\n      a:\n        vpc: main\n    # one network\n    \
             vpc: { \"main\": {\"cidr\":\"10.0.0.0/16\"}, old: { cidr: 10.1.0.0/16 } }\noutputs: {}\n"
        );
        assert_eq!(inserted("stack: shop\nresources:", new.clone()).matches("main").count(), 2);
        assert!(inserted(r#"{"stack": "shop"}"#, new).starts_with(r#"{ "resources": {"subnet""#));
        assert_eq!(inserted("stack: shop\n", json!({})), "stack: shop\n");
    }

    #[test]
    fn finds_the_range_of_an_entry() {
        let source =
            Source::new("stack.yaml", "resources:\n  vpc:\n    main:\n      cidr: 10.0.0.0/16\n    other: { cidr: 10.1.0.0/16 }\n");
        let range = entry_range(&source, "/resources/vpc/main").expect("an entry");
        assert_eq!(&source.text[range], "main:\n      cidr: 10.0.0.0/16");
        assert_eq!(entry_range(&source, "/resources/vpc/third"), None);
    }
}
