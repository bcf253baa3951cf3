//! The first lines of a rendered file: they say whose file it is, and whether it was edited since.

use sha2::{Digest as _, Sha256};

/// Start of the first line, before the name of the stack.
const OWNER: &str = "Rendered by acme from the stack ";
/// Rest of the first line.
const ADVICE: &str = ". Change the definition and run `acme render`; acme leaves a file alone that was edited.";
/// Start of the second line, before the digest of the rest.
const DIGEST: &str = "acme-digest: ";
/// Begin and end of a comment, in files whose names end so.
const COMMENTS: &[(&str, &str, &str)] = &[("Jenkinsfile", "// ", ""), (".md", "<!-- ", " -->"), ("", "# ", "")];
/// JSON has no comments, so the header of an object are its first two fields, which a JSON Schema may have.
const JSON: [(&str, &str); 2] = [("  \"$comment\": \"", "\","), ("  \"x-acme\": \"", "\",")];
/// First line of a file with an object.
const BRACE: &str = "{\n";

/// A file in a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Rendered from this stack, and unchanged.
    Rendered(&'a str),
    /// Rendered, then edited.
    Edited,
    /// Not rendered.
    People,
}

/// The file with its header.
pub fn with_header(path: &str, stack: &str, body: &str) -> String {
    let digest = digest(body);
    if let Some(fields) = body.strip_prefix(BRACE).filter(|_| path.ends_with(".json")) {
        let [(first, first_end), (second, second_end)] = JSON;
        return format!("{BRACE}{first}{OWNER}{stack}{ADVICE}{first_end}\n{second}{DIGEST}{digest}{second_end}\n{fields}");
    }
    let comment = COMMENTS.iter().find(|(name, ..)| path.ends_with(name));
    let (begin, end) = comment.map_or(("# ", ""), |(_, begin, end)| (*begin, *end));
    format!("{begin}{OWNER}{stack}{ADVICE}{end}\n{begin}{DIGEST}{digest}{end}\n{body}")
}

/// Where a file is from.
pub fn origin(text: &str) -> Origin<'_> {
    let object = text.strip_prefix(BRACE).or_else(|| text.strip_prefix("{\r\n"));
    let Some((first, rest)) = object.unwrap_or(text).split_once('\n') else { return Origin::People };
    let Some((second, body)) = rest.split_once('\n') else { return Origin::People };
    let [first_field, second_field] = JSON;
    let of_object = object.is_some().then_some((first_field, second_field));
    let styles = of_object.into_iter().chain(COMMENTS.iter().map(|(_, begin, end)| ((*begin, *end), (*begin, *end))));
    let found = styles.into_iter().find_map(|(one, other)| Some((comment(first, one)?.strip_prefix(OWNER)?.strip_suffix(ADVICE)?, other)));
    let Some((owner, style)) = found else { return Origin::People };
    let own = if object.is_some() { digest(&format!("{BRACE}{body}")) } else { digest(body) };
    match comment(second, style).and_then(|line| line.strip_prefix(DIGEST)) {
        Some(known) if known == own => Origin::Rendered(owner),
        _ => Origin::Edited,
    }
}

/// Text of a line that is a comment.
fn comment<'a>(line: &'a str, (begin, end): (&str, &str)) -> Option<&'a str> {
    line.trim_end().strip_prefix(begin)?.strip_suffix(end)
}

/// Whether a line belongs to a header.
pub fn is_header_line(line: &str) -> bool {
    let styles = COMMENTS.iter().map(|(_, begin, end)| (*begin, *end)).chain(JSON);
    let texts = styles.into_iter().filter_map(|style| comment(line, style));
    texts.into_iter().any(|text| text.starts_with(OWNER) || text.starts_with(DIGEST))
}

/// Git may have other ends of lines in a work tree.
fn digest(body: &str) -> String {
    let bytes = Sha256::digest(body.replace("\r\n", "\n").as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_who_owns_a_file() {
        for (path, begin) in [("a.yaml", "# Rendered"), ("ci/Jenkinsfile", "// Rendered"), ("README.md", "<!-- Rendered")] {
            let text = with_header(path, "shop", "a: 1\n");
            assert!(text.starts_with(begin), "{text}");
            assert_eq!(origin(&text), Origin::Rendered("shop"));
            assert_eq!(origin(&text.replace('\n', "\r\n")), Origin::Rendered("shop"));
            assert_eq!(origin(&text.replace("a: 1", "a: 2")), Origin::Edited);
            assert_eq!(text.lines().filter(|line| is_header_line(line)).count(), 2);
        }
        let text = with_header("values.schema.json", "shop", "{\n  \"a\": 1\n}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["a"], 1);
        assert_eq!(origin(&text), Origin::Rendered("shop"));
        assert_eq!(origin(&text.replace('\n', "\r\n")), Origin::Rendered("shop"));
        assert_eq!(origin(&text.replace("\"a\": 1", "\"a\": 2")), Origin::Edited);
        assert_eq!(text.lines().filter(|line| is_header_line(line)).count(), 2);
        assert_eq!(origin("a: 1\n"), Origin::People);
        assert_eq!(origin(""), Origin::People);
    }
}
