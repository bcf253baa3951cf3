//! Colours by meaning. The output stream strips them if colour is disabled, so no text depends on them.

use std::fmt::{self, Display};

use anstyle::AnsiColor;

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
            Style::Faint => anstyle::Style::new().dimmed(),
        };
        Styled(style, text)
    }
}

struct Styled<T>(anstyle::Style, T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0.render(), self.1, self.0.render_reset())
    }
}
