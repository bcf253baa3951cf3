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
    let comment = COMMENTS.iter().find(|(name, ..)| path.ends_with(name));
    let (begin, end) = comment.map_or(("# ", ""), |(_, begin, end)| (*begin, *end));
    format!("{begin}{OWNER}{stack}{ADVICE}{end}\n{begin}{DIGEST}{}{end}\n{body}", digest(body))
}

/// Where a file is from.
pub fn origin(text: &str) -> Origin<'_> {
    let Some((first, rest)) = text.split_once('\n') else { return Origin::People };
    let owner = COMMENTS.iter().find_map(|(_, begin, end)| {
        let owner = comment(first, begin, end)?.strip_prefix(OWNER)?.strip_suffix(ADVICE)?;
        Some((owner, begin, end))
    });
    let (Some((owner, begin, end)), Some((second, body))) = (owner, rest.split_once('\n')) else { return Origin::People };
    match comment(second, begin, end).and_then(|line| line.strip_prefix(DIGEST)) {
        Some(known) if known == digest(body) => Origin::Rendered(owner),
        _ => Origin::Edited,
    }
}

/// Text of a line that is a comment.
fn comment<'a>(line: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(begin)?.strip_suffix(end)
}

/// Whether a line belongs to a header.
pub fn is_header_line(line: &str) -> bool {
    let texts = COMMENTS.iter().filter_map(|(_, begin, end)| comment(line, begin, end));
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
        assert_eq!(origin("a: 1\n"), Origin::People);
        assert_eq!(origin(""), Origin::People);
    }
}
