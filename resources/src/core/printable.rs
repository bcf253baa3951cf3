//! Text that is safe to show. Definitions and AWS may send characters that control a terminal or reorder other text.

use std::borrow::Cow;

/// Text with escapes such as `\u{1b}` for control, bidirectional and other invisible characters. Keeps line breaks and tabs.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_unprintable(c) && !matches!(c, '\n' | '\t'))
}

/// Same on one line: escapes line breaks and tabs, too.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    escape(text, is_unprintable)
}

/// Whether a character controls a terminal, changes the order of text, or is invisible.
///
/// Joiners (U+200C, U+200D) are part of many scripts and stay.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'                       // Arabic letter mark
            | '\u{200b}'                    // zero-width space
            | '\u{200e}'..='\u{200f}'       // left-to-right and right-to-left marks
            | '\u{2028}'..='\u{202e}'       // line and paragraph separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}'       // word joiner, invisible operators, isolates, deprecated controls
            | '\u{feff}'                    // byte order mark
            | '\u{fff9}'..='\u{fffb}'       // interlinear annotations
            | '\u{e0000}'..='\u{e0fff}'     // tags
        )
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if !is_escaped(c) => out.push(c),
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            _ => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_and_bidirectional_characters() {
        let escaped = [
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("admin\u{202e}nimda\u{2066}", "admin\\u{202e}nimda\\u{2066}"),
            ("one\rtwo\u{2028}three\u{feff}", "one\\rtwo\\u{2028}three\\u{feff}"),
        ];
        for (raw, shown) in escaped {
            assert_eq!(printable(raw), shown);
            assert_eq!(printable_line(raw), shown);
        }
        assert_eq!(printable("one\n\ttwo"), "one\n\ttwo");
        assert_eq!(printable_line("one\n\ttwo"), "one\\n\\ttwo");
        for plain in ["", "café → 東京", "می‌خواهم", "👩‍💻"] {
            assert!(matches!(printable_line(plain), Cow::Borrowed(same) if same == plain));
        }
    }
}
