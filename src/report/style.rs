//! Colour by meaning. Everything reads well without it; the stream strips it where it is not wanted.

use std::fmt::{self, Display};

use anstyle::AnsiColor;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something made.
    Added,
    /// Something changed.
    Changed,
    /// Something deleted, or an error.
    Removed,
    /// A heading.
    Heading,
    /// What matters less.
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
