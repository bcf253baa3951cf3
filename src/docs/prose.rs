//! Facts in the prose of doc comments ("Default: 5. Changing it replaces the thing."), of types and sections that do not state them at the
//! field. Remove this module and its uses once all of them do.

use serde_json::Value;

use crate::core::{OneWay, ResourceType};

/// Facts in the prose of a field.
pub struct Prose {
    /// Default.
    pub default: Option<String>,
    /// Effect of a change.
    pub change: Option<String>,
    /// Other sentences of the description.
    pub description: Vec<String>,
}

/// Extracts the facts from prose.
pub fn parse(text: &str) -> Prose {
    let mut prose = Prose { default: None, change: None, description: Vec::new() };
    for sentence in sentences(text) {
        if let Some(value) = sentence.strip_prefix("Default: ") {
            prose.default = Some(value.trim_end_matches('.').to_owned());
        } else if let Some(what) = sentence.strip_prefix("Changing it ").or_else(|| sentence.strip_prefix("Changing them ")) {
            prose.change = Some(what.trim_end_matches('.').to_owned());
        } else {
            prose.description.push(sentence.to_owned());
        }
    }
    prose
}

/// Facts in the constants of a type that its schema lacks.
pub fn type_facts(resource_type: &ResourceType) -> Vec<String> {
    let states = |pointer: &str, fact: &str| {
        let field = resource_type.schema().get("properties").and_then(|fields| fields.get(pointer.trim_start_matches('/')));
        field.and_then(|field| field.get(fact)).is_some_and(Value::is_string)
    };
    let impact = resource_type.impact.iter().filter(|(field, _)| !states(field, "x-acme-impact"));
    let impact = impact.map(|(field, words)| format!("Impact of changing `{}`: {words}.", field.trim_start_matches('/')));
    let one_way = resource_type.one_way.iter().filter(|one| !states(one.field, "x-acme-one-way"));
    let one_way = one_way
        .map(|OneWay { field, reason: why, .. }| format!("A change of `{}` cannot be undone: {why}.", field.trim_start_matches('/')));
    impact.chain(one_way).collect()
}

/// Splits a text into sentences, at full stops before a capital letter.
fn sentences(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(". ") {
        if text[at + 2..].starts_with(|c: char| c.is_uppercase()) && text[start..at].matches('`').count().is_multiple_of(2) {
            all.push(text[start..=at].trim());
            start = at + 2;
        }
    }
    all.push(text[start..].trim());
    all.retain(|sentence| !sentence.is_empty());
    all
}
