//! Written texts of scalars in templates: `v{{ version }}` with `version: 1.10` is `v1.10`, though `{{ version * 2 }}` is 2.2.

/// Begin of the names of values with their written texts.
pub const PREFIX: &str = "__written_";

/// Path of a template that is nothing but a value: `{{ cluster.version }}` → `cluster`, `version`.
pub fn sole_path(expression: &str) -> Option<Vec<&str>> {
    let is_name = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let parts: Vec<&str> = expression.split('.').collect();
    parts.iter().all(is_name).then_some(parts)
}

/// Replaces values by their written texts where a template writes them: alone, before a filter for texts, and joined with `~`.
pub fn use_written_texts(text: &str, has_written_text: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        let (before, tag) = (&rest[..start + 2], &rest[start + 2..start + length]);
        out.push_str(before);
        write_expression(tag, &has_written_text, &mut out);
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

fn write_expression(tag: &str, has_written_text: &impl Fn(&str) -> bool, out: &mut String) {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut rest = tag;
    // Whether the next path begins an operand.
    let mut begins = true;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if is_path(first) => rest.find(|c| !is_path(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let head = token.split('.').next().unwrap_or_default();
        if begins && is_path(first) && has_written_text(head) && wants_text(after) {
            out.push_str(PREFIX);
        }
        out.push_str(token);
        begins = if token.trim().is_empty() || token == "-" && out.ends_with("{{-") { begins } else { token == "~" };
        rest = after;
    }
}

/// Whether what follows a path takes a text.
fn wants_text(after: &str) -> bool {
    let after = after.trim_start().trim_start_matches('-').trim_start();
    match after.strip_prefix('|') {
        Some(filter) => !["abs", "round"].iter().any(|name| filter.trim_start().starts_with(name)),
        None => after.is_empty() || after.starts_with('~'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_paths_where_text_is_wanted() {
        let cases = [
            ("v{{ x }}", "v{{ __written_x }}"),
            ("{{- x.y -}}", "{{- __written_x.y -}}"),
            ("{{ x | upper }} {{ x|round }}", "{{ __written_x | upper }} {{ x|round }}"),
            ("{{ x ~ '-' ~ x }}", "{{ __written_x ~ '-' ~ __written_x }}"),
            ("{{ x * 2 }} {{ y }} {{ f(a=x) }} {{ 'x' }}", "{{ x * 2 }} {{ y }} {{ f(a=x) }} {{ 'x' }}"),
            ("{% if x %}{{ x - 1 }}{% endif %}", "{% if x %}{{ x - 1 }}{% endif %}"),
        ];
        for (text, expected) in cases {
            assert_eq!(use_written_texts(text, |name| name == "x"), expected);
        }
        assert_eq!(sole_path("a.b_1"), Some(vec!["a", "b_1"]));
        assert_eq!(sole_path("a.b | upper"), None);
    }
}
