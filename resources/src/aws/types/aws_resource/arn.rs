//! Patterns of ARNs: `{name}` is a named part, `{+name}` one that may contain `/` and `:`, `{}` one without a name.

use std::collections::BTreeMap;

/// Whether a pattern has a part of this name.
pub fn names_part(pattern: &str, name: &str) -> bool {
    pattern.contains(&format!("{{{name}}}")) || pattern.contains(&format!("{{+{name}}}"))
}

/// The named parts of an ARN; `None` if it does not match. Partitions may differ.
pub fn parse<'a>(pattern: &'a str, arn: &'a str) -> Option<BTreeMap<&'a str, &'a str>> {
    let after_partition = |arn: &'a str| arn.strip_prefix("arn:")?.split_once(':').map(|(_, rest)| rest);
    let mut parts = BTreeMap::new();
    matches(after_partition(pattern)?, after_partition(arn)?, &mut parts).then_some(parts)
}

fn matches<'a>(pattern: &'a str, text: &'a str, parts: &mut BTreeMap<&'a str, &'a str>) -> bool {
    let Some((literal, rest)) = pattern.split_once('{') else { return pattern == text };
    let (Some(text), Some((name, rest))) = (text.strip_prefix(literal), rest.split_once('}')) else { return false };
    let (name, spans) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
    let longest = if spans { text.len() } else { text.find(['/', ':']).unwrap_or(text.len()) };
    // The longest part first: an ending that follows it is found from the right.
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).filter(|at| (1..=longest).contains(at));
    for end in ends.collect::<Vec<_>>().into_iter().rev() {
        if matches(rest, &text[end..], parts) {
            parts.insert(name, &text[..end]);
            return true;
        }
    }
    false
}

/// The ARN with these parts.
pub fn fill(pattern: &str, partition: &str, parts: &BTreeMap<&str, &str>) -> String {
    let mut arn = pattern.replacen("arn:aws:", &format!("arn:{partition}:"), 1);
    for (name, value) in parts {
        arn = arn.replace(&format!("{{{name}}}"), value).replace(&format!("{{+{name}}}"), value);
    }
    arn
}
