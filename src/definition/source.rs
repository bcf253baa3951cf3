//! The text of a definition, and locations in it.

use std::{borrow::Cow, collections::BTreeMap, io, ops::Range, path::Path};

/// Source of a definition.
#[derive(Clone, Debug)]
pub struct Source {
    /// File name for messages.
    pub path: String,
    /// The YAML text.
    pub text: String,
}

impl Source {
    /// Creates a source from a name for messages and its text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        Source { path: path.into(), text: text.into() }
    }
    /// Line number of a byte, starting at 1.
    pub fn line(&self, byte: usize) -> usize {
        self.text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1
    }
    /// Reads a file.
    ///
    /// # Errors
    /// Fails if the file can't be read as UTF-8 text.
    pub fn read(path: &Path) -> io::Result<Source> {
        Ok(Source::new(path.display().to_string(), std::fs::read_to_string(path)?))
    }
}

/// Source locations: JSON pointer → byte range in the text.
#[derive(Default, Debug)]
pub struct Spans {
    /// Ranges of values.
    pub values: BTreeMap<String, Range<usize>>,
    /// Ranges of keys.
    pub keys: BTreeMap<String, Range<usize>>,
    /// Entries created by `for_each` → their source entry.
    pub origins: BTreeMap<String, String>,
}

impl Spans {
    /// Converts `pointer` to one into the source text.
    pub fn origin<'a>(&self, pointer: &'a str) -> Cow<'a, str> {
        if self.origins.is_empty() {
            return Cow::Borrowed(pointer);
        }
        let mut end = pointer.len();
        loop {
            if let Some(origin) = self.origins.get(&pointer[..end]) {
                return Cow::Owned(format!("{origin}{}", &pointer[end..]));
            }
            match pointer[..end].rfind('/') {
                Some(slash) => end = slash,
                None => return Cow::Borrowed(pointer),
            }
        }
    }
    /// Best location to report: the scalar itself, the key of a block, or the nearest enclosing value if there is none.
    pub fn value_range(&self, text: &str, pointer: &str) -> Option<Range<usize>> {
        let origin = self.origin(pointer);
        let mut at: &str = &origin;
        let mut exact = true;
        while !at.is_empty() {
            let key = self.keys.get(at);
            if let Some(value) = self.values.get(at) {
                let range = if exact || key.is_none() { value } else { key.unwrap_or(value) };
                let one_line = text.get(range.clone()).is_some_and(|t| !t.trim_end().contains('\n') && !t.is_empty());
                return Some(if one_line { range.clone() } else { key.cloned().unwrap_or_else(|| first_line(text, range)) });
            }
            exact = false;
            at = &at[..at.rfind('/').unwrap_or(0)];
        }
        None
    }
    /// Location of the key at `pointer`, or the best one around it.
    pub fn key_range(&self, text: &str, pointer: &str) -> Option<Range<usize>> {
        self.keys.get(&*self.origin(pointer)).cloned().or_else(|| self.value_range(text, pointer))
    }
    /// Whether the source text has a value at `pointer`.
    pub fn has(&self, pointer: &str) -> bool {
        self.values.contains_key(&*self.origin(pointer))
    }
}

fn first_line(text: &str, range: &Range<usize>) -> Range<usize> {
    let length = text.get(range.clone()).and_then(|t| t.find('\n')).unwrap_or(range.len());
    range.start..range.start + length
}

/// Appends a segment to a JSON pointer.
pub fn child_pointer(pointer: &str, segment: &str) -> String {
    if segment.contains(['~', '/']) {
        return format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"));
    }
    format!("{pointer}/{segment}")
}
