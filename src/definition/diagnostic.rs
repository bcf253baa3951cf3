//! What is wrong with a definition: where, and what to do about it.

use std::{borrow::Cow, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Source;

/// One problem. Plain data; [`Diagnostic::render`] makes it readable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// What is wrong, without a final period.
    pub message: String,
    /// Bytes of the text it is about; `None` when it is about no place in it (`--set`).
    pub range: Option<Range<usize>>,
    /// What to say at that place.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// Stable name of the kind of problem.
    pub code: Cow<'static, str>,
}

impl Diagnostic {
    /// A problem without place and remedy.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { message: message.into(), range: None, label: None, help: None, notes: Vec::new(), code: code.into() }
    }
    /// Adds the place.
    pub fn at(mut self, range: Option<Range<usize>>) -> Diagnostic {
        self.range = range;
        self
    }
    /// Adds what to say at the place.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
    /// Adds the remedy, where there is one.
    pub fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }

    /// Adds something else there is to know.
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// The line it is about, counted from 1.
    pub fn line(&self, source: &Source) -> Option<usize> {
        Some(source.line(self.range.as_ref()?.start))
    }

    /// The problem with its line, a caret below it, and the remedy.
    pub fn render(&self, source: &Source, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str()).id(&*self.code);
        let text = source.text.as_str();
        let place = self
            .range
            .clone()
            .filter(|range| range.end <= text.len() && text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
        let first = match place {
            Some(range) => {
                let annotation = AnnotationKind::Primary.span(range);
                let annotation = match &self.label {
                    Some(label) => annotation.label(label.as_str()),
                    None => annotation,
                };
                title.element(Snippet::source(text).path(source.path.as_str()).annotation(annotation))
            }
            None => Group::with_title(title),
        };
        let first = self.notes.iter().fold(first, |first, note| first.element(Level::NOTE.message(note.as_str())));
        let first = match &self.help {
            Some(help) => first.element(Level::HELP.message(help.as_str())),
            None => first,
        };
        renderer.render(&[first])
    }
}
