//! The text of a definition, and locations in it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use super::{FetchedModule, diagnostic::Diagnostic};

/// Source of a definition: the stack file, and the files that belong to it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the stack file for messages.
    pub path: String,
    /// The YAML text of the stack file, followed by those of the other files: a location is a range of bytes in all of them.
    pub text: String,
    /// The files; the first one is the stack file.
    pub(super) files: Vec<SourceFile>,
    /// Problems of reading the files that the stack file names; `None`: they were not read.
    pub(super) problems: Option<Vec<Diagnostic>>,
}

/// One file of a definition.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// File name for messages.
    pub path: String,
    /// Location of its text.
    pub range: Range<usize>,
    /// Its part in the definition.
    pub role: FileRole,
    /// Files by their position in its `include:`.
    pub includes: BTreeMap<usize, usize>,
    /// Module from a Git repository that it describes.
    pub fetched: Option<FetchedModule>,
}

/// Part of a file in a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// The stack file.
    Stack,
    /// Merged into the file that includes it.
    Included,
    /// Description of a module.
    Module,
    /// Values of an environment, or of `--values`.
    Values {
        /// The environment; `None`: the file of an option.
        environment: Option<String>,
    },
}

impl Source {
    /// Creates a source from a name for messages and its text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        let (path, text) = (path.into(), text.into());
        let file = SourceFile { path: path.clone(), range: 0..text.len(), role: FileRole::Stack, includes: BTreeMap::new(), fetched: None };
        Source { path, text, files: vec![file], problems: None }
    }
    /// Adds a file. Returns its index.
    pub(super) fn add_file(&mut self, path: String, text: &str, role: FileRole) -> usize {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.files.push(SourceFile { path, range: start..self.text.len(), role, includes: BTreeMap::new(), fetched: None });
        self.files.len() - 1
    }
    /// Adds values given for this run, which replace those of the definition.
    pub fn add_values(&mut self, path: impl Into<String>, text: &str) {
        self.add_file(path.into(), text, FileRole::Values { environment: None });
    }
    /// Files that belong to the user, each with its path as shown and its text; without those of fetched modules.
    pub fn own_files(&self) -> impl Iterator<Item = (&str, &str)> {
        let fetched = self.fetched_modules();
        let is_own = move |file: &&SourceFile| !fetched.iter().any(|module| module.has(Path::new(&file.path)));
        self.files.iter().filter(is_own).filter_map(|file| Some((file.path.as_str(), self.text.get(file.range.clone())?)))
    }
    /// Modules from Git repositories that it includes.
    pub fn fetched_modules(&self) -> BTreeSet<&FetchedModule> {
        self.files.iter().filter_map(|file| file.fetched.as_ref()).collect()
    }
    /// Files of values of environments, each with the name of its environment.
    pub fn environment_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|file| match &file.role {
            FileRole::Values { environment: Some(name) } => Some((file.path.as_str(), name.as_str())),
            _ => None,
        })
    }
    /// Names of the files with values given for this run.
    pub fn values_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|file| file.role == FileRole::Values { environment: None }).map(|file| file.path.as_str())
    }
    /// File that has a byte.
    pub(super) fn file_at(&self, byte: usize) -> &SourceFile {
        let after = self.files.partition_point(|file| file.range.start <= byte);
        &self.files[after.saturating_sub(1)]
    }
    /// Name of the file that has a byte.
    pub fn path_at(&self, byte: usize) -> &str {
        &self.file_at(byte).path
    }
    /// Line number of a byte in its file, starting at 1.
    pub fn line(&self, byte: usize) -> usize {
        let start = self.file_at(byte).range.start;
        self.text.as_bytes().iter().take(byte).skip(start).filter(|byte| **byte == b'\n').count() + 1
    }
    /// Files that determine a stack, each with its path and its text: all but the values of other environments.
    pub fn texts_for(&self, environment: &str) -> impl Iterator<Item = (&str, &str)> {
        let is_other = move |file: &SourceFile| matches!(&file.role, FileRole::Values { environment: Some(name) } if name != environment);
        let own = self.files.iter().filter(move |file| !is_other(file));
        own.filter_map(|file| Some((file.path.as_str(), self.text.get(file.range.clone())?)))
    }
    /// Text that determines a stack: all files, without the values of other environments.
    pub fn text_for(&self, environment: &str) -> Cow<'_, str> {
        let is_other = |file: &SourceFile| matches!(&file.role, FileRole::Values { environment: Some(name) } if name != environment);
        if !self.files.iter().any(is_other) {
            return Cow::Borrowed(&self.text);
        }
        let parts = self.files.iter().filter(|file| !is_other(file)).filter_map(|file| self.text.get(file.range.clone()));
        Cow::Owned(parts.collect::<Vec<_>>().join("\n"))
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
