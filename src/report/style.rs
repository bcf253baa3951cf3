//! Colours by meaning. The printer removes them if colour is disabled, so no text depends on them.

use std::{
    fmt::{self, Display},
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use anstyle::AnsiColor;

/// Begin of acme's own styles in a text: an escape sequence with numbers that nobody else knows. A text from outside can't imitate it, so
/// the printer can escape all other sequences. The numbers have three digits, because `console` measures only such sequences as zero columns.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new().hash_one("acme");
    let [first, second, third] = [0, 20, 40].map(|shift| 100 + (random >> shift) % 900);
    format!("\u{1b}[{first};{second};{third};")
});

/// Meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A created resource.
    Added,
    /// A changed resource.
    Changed,
    /// A deleted resource, or an error.
    Removed,
    /// A heading.
    Heading,
    /// A heading about the simulated cloud, which must not be taken for AWS.
    Simulated,
    /// Less important text.
    Faint,
}

impl Style {
    /// The text in this style.
    pub fn paint<T: Display>(self, text: T) -> impl Display {
        let style = match self {
            Style::Added => AnsiColor::Green.on_default(),
            Style::Changed => AnsiColor::Yellow.on_default(),
            Style::Removed => AnsiColor::Red.on_default(),
            Style::Heading => anstyle::Style::new().bold(),
            Style::Simulated => AnsiColor::Magenta.on_default().bold(),
            Style::Faint => anstyle::Style::new().dimmed(),
        };
        Styled(style, text)
    }
}

struct Styled<T>(anstyle::Style, T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [begin, end] = [self.0.render().to_string(), self.0.render_reset().to_string()];
        write!(f, "{}{}{}", mark_styles(&begin), self.1, mark_styles(&end))
    }
}

/// Marks the styles in a text from a trusted renderer as acme's own. The text must contain no other escape sequences.
pub(super) fn mark_styles(rendered: &str) -> String {
    rendered.replace("\u{1b}[", &MARK)
}

/// Parts of a text, each with the parameters of acme's own style before it.
pub(super) fn styled_parts(text: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    text.split(MARK.as_str()).enumerate().map(|(number, part)| match part.split_once('m') {
        Some((parameters, rest)) if number > 0 => (Some(parameters), rest),
        _ => (None, part),
    })
}
