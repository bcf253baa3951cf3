//! Paths of references in expressions.

/// Splits `[0]` or `.0` off the end of a path: an item of a list output. Returns it as `[0]`.
pub fn split_index(tail: &str) -> (&str, String) {
    let split = tail.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')).or_else(|| tail.rsplit_once('.'));
    match split.and_then(|(rest, index)| Some((rest, index.trim().parse::<u16>().ok()?))) {
        Some((rest, index)) if rest.matches(['.', '[']).count() > 0 => (rest, format!("[{index}]")),
        _ => (tail, String::new()),
    }
}

/// Parses `.orders.endpoint` or `[each.key].endpoint` into names; `None` for any other text.
pub fn parse_path(mut tail: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    while !tail.is_empty() {
        if let Some(rest) = tail.strip_prefix('.') {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            parts.push(rest[..end].to_owned());
            tail = &rest[end..];
        } else {
            let rest = tail.strip_prefix('[')?;
            let (index, after) = rest.split_once(']')?;
            let quoted = index.trim().strip_prefix(['"', '\'']).and_then(|t| t.strip_suffix(['"', '\'']));
            parts.push(quoted.map_or_else(|| format!("{{{{ {} }}}}", index.trim()), str::to_owned));
            tail = after;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_indexes_off_paths() {
        let cases = [
            (".main.name_servers[0]", (".main.name_servers", "[0]")),
            (".main.name_servers.12", (".main.name_servers", "[12]")),
            ("[each.key].endpoint", ("[each.key].endpoint", "")),
            (".main.id", (".main.id", "")),
            ("[0]", ("[0]", "")),
        ];
        for (tail, (rest, index)) in cases {
            assert_eq!(split_index(tail), (rest, index.to_owned()), "{tail}");
        }
        assert_eq!(parse_path("[\"a\"].b-c"), Some(vec!["a".to_owned(), "b-c".to_owned()]));
    }
}
