//! Problems of a definition, with location and remedy.

use std::{borrow::Cow, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Source;
use crate::core::{HIDDEN, printable};

/// One problem as plain data; [`Diagnostic::render`] formats it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Message, without a final period.
    pub message: String,
    /// Byte range in the text; `None` without a location (`--set`).
    pub range: Option<Range<usize>>,
    /// Label at the location.
    pub label: Option<String>,
    /// Remedy.
    pub help: Option<String>,
    /// Additional notes.
    pub notes: Vec<String>,
    /// Stable code of the problem.
    pub code: Cow<'static, str>,
    /// Byte ranges of secrets, in order, which the excerpt hides.
    pub hidden: Vec<Range<usize>>,
}

impl Diagnostic {
    /// Creates a problem without location and remedy.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            range: None,
            label: None,
            help: None,
            notes: Vec::new(),
            code: code.into(),
            hidden: Vec::new(),
        }
    }
    /// Adds the location.
    pub fn at(mut self, range: Option<Range<usize>>) -> Diagnostic {
        self.range = range;
        self
    }
    /// Adds a label at the location.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
    /// Adds the remedy, if any.
    pub fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }

    /// Adds a note.
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// Line number, starting at 1.
    pub fn line(&self, source: &Source) -> Option<usize> {
        Some(source.line(self.range.as_ref()?.start))
    }

    /// Renders the problem with its line, a caret, and the remedy. Control characters are escaped; the styles are the only escape sequences.
    pub fn render(&self, source: &Source, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let code = printable(&self.code);
        let title = Level::ERROR.primary_title(printable(&self.message)).id(code);
        let file = source.file_at(self.range.as_ref().map_or(0, |range| range.start));
        let text = source.text.get(file.range.clone()).unwrap_or_default();
        let start = file.range.start;
        let place = self
            .range
            .as_ref()
            .and_then(|range| Some(range.start.checked_sub(start)?..range.end.checked_sub(start)?))
            .filter(|range| range.end <= text.len() && text.is_char_boundary(range.start) && text.is_char_boundary(range.end))
            .map(|range| self.hide_secrets(&text[..range.start], start).len()..self.hide_secrets(&text[..range.end], start).len());
        let text = self.hide_secrets(text, start);
        if place.is_none() {
            // Without a place, the renderer would draw an empty frame.
            let notes = self.notes.iter().map(|note| ("note", note)).chain(self.help.iter().map(|help| ("help", help)));
            let notes: String = notes.map(|(kind, text)| format!("\n  = {kind}: {}", printable(text))).collect();
            return renderer.render(&[Group::with_title(title)]) + &notes;
        }
        let first = match place {
            Some(range) => {
                let annotation = AnnotationKind::Primary.span(range);
                let annotation = match &self.label {
                    Some(label) => annotation.label(printable(label)),
                    None => annotation,
                };
                title.element(Snippet::source(text.as_ref()).path(printable(&file.path)).annotation(annotation))
            }
            None => Group::with_title(title),
        };
        let first = self.notes.iter().fold(first, |first, note| first.element(Level::NOTE.message(printable(note))));
        let first = match &self.help {
            Some(help) => first.element(Level::HELP.message(printable(help))),
            None => first,
        };
        renderer.render(&[first])
    }

    /// The text of a file that starts at `start`, or its beginning, without secrets.
    fn hide_secrets<'a>(&self, text: &'a str, start: usize) -> Cow<'a, str> {
        let mut shown = String::new();
        let mut at = 0;
        let here = self.hidden.iter().filter_map(|range| Some(range.start.checked_sub(start)?..range.end.checked_sub(start)?));
        for range in here.filter(|range| range.start < text.len()) {
            // Text that is inside of another range is hidden with it.
            if let Some(before) = text.get(at..range.start) {
                shown.push_str(before);
                shown.push_str(HIDDEN);
            }
            at = at.max(range.end).min(text.len());
        }
        if at == 0 {
            return Cow::Borrowed(text);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(shown)
    }
}
