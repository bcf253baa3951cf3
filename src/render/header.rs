//! The first lines of a rendered file: they say whose file it is, and whether it was edited since.

use sha2::{Digest as _, Sha256};

/// Start of the first line, before the name of the stack.
const OWNER: &str = "# Rendered by acme from the stack ";
/// Rest of the first line.
const ADVICE: &str = ". Change the definition and run `acme render`; acme leaves a file alone that was edited.";
/// Start of the second line, before the digest of the rest.
const DIGEST: &str = "# acme-digest: ";

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
pub fn with_header(stack: &str, body: &str) -> String {
    format!("{OWNER}{stack}{ADVICE}\n{DIGEST}{}\n{body}", digest(body))
}

/// Where a file is from.
pub fn origin(text: &str) -> Origin<'_> {
    let Some((first, rest)) = text.split_once('\n') else { return Origin::People };
    let owner = first.trim_end().strip_prefix(OWNER).and_then(|rest| rest.strip_suffix(ADVICE));
    let (Some(owner), Some((second, body))) = (owner, rest.split_once('\n')) else { return Origin::People };
    match second.trim_end().strip_prefix(DIGEST) {
        Some(known) if known == digest(body) => Origin::Rendered(owner),
        _ => Origin::Edited,
    }
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
        let text = with_header("shop", "a: 1\n");
        assert_eq!(origin(&text), Origin::Rendered("shop"));
        assert_eq!(origin(&text.replace('\n', "\r\n")), Origin::Rendered("shop"));
        assert_eq!(origin(&text.replace("a: 1", "a: 2")), Origin::Edited);
        assert_eq!(origin("a: 1\n"), Origin::People);
        assert_eq!(origin(""), Origin::People);
    }
}
