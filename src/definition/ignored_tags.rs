//! `ignore_tags`: tags that others set.

use serde_json::{Map, Value};

use super::compiler::{Compiler, describe_type, scalar_text};
use crate::core::IgnoredTags;

/// Reads the keys of tags that others set.
pub(super) fn parse_ignored_tags(c: &mut Compiler<'_>, document: &Map<String, Value>) -> IgnoredTags {
    let Some(value) = document.get("ignore_tags") else { return IgnoredTags::default() };
    let list = match c.render(value, "/ignore_tags") {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        other => {
            let message = format!("`ignore_tags` must be a list of keys, not {}", describe_type(&other));
            c.problem("tags", "/ignore_tags", message, "write `ignore_tags: [cost-centre, map-*]`");
            Vec::new()
        }
    };
    let mut patterns = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let pattern = scalar_text(item).unwrap_or_default();
        let wrong = match pattern.trim_end_matches('*') {
            "" => Some("a key of a tag has at least one character"),
            start if start.contains('*') => Some("`*` is allowed only at the end of a key"),
            start if start.starts_with("acme:") || pattern.ends_with('*') && "acme:".starts_with(start) => {
                Some("the tags that begin with `acme:` are acme's own")
            }
            _ => None,
        };
        match wrong {
            Some(message) => c.problem("tags", &format!("/ignore_tags/{index}"), message, "write a key, or the beginning of keys and `*`"),
            None => patterns.push(pattern),
        }
    }
    IgnoredTags::new(patterns)
}
