//! One document from all files of a definition.

use std::ops::Range;

use serde_json::{Map, Value};

use super::instance_name;
use crate::{
    core::{is_resource_name, nearest},
    definition::{
        TOP_LEVEL_KEYS,
        diagnostic::Diagnostic,
        foreign_keys, parse,
        sections::{SECTION_NAMES, WHOLE_STACK_SECTIONS},
        source::{FileRole, Source, Spans, child_pointer},
    },
};

/// Content of a definition or of a module.
#[derive(Default)]
pub struct Document {
    /// Merged content of all its files.
    pub fields: Map<String, Value>,
    /// Modules, in the order of the text.
    pub modules: Vec<ModuleUse>,
    /// Names of modules that can't be evaluated, because of a problem that is reported.
    pub broken_modules: Vec<String>,
    /// Whether a file that it includes has a problem that hides its content.
    pub is_incomplete: bool,
    /// Values beside the stack file, and of `--values`, in the order of their precedence.
    pub values: Vec<ValuesFile>,
}

impl Document {
    /// Notes that the content of an entry of `include:` is missing.
    fn add_broken(&mut self, entry: &Value) {
        match entry {
            Value::Object(_) => self.broken_modules.push(instance_name(entry)),
            _ => self.is_incomplete = true,
        }
    }
}

/// A module in a definition.
pub struct ModuleUse {
    /// Name in the definition.
    pub name: String,
    /// Pointer to its entry under `include:`.
    pub entry: String,
    /// Values for its inputs.
    pub inputs: Map<String, Value>,
    /// Pointer to its content.
    pub base: String,
    /// Its content.
    pub document: Document,
}

/// A file of values.
pub struct ValuesFile {
    /// The environment; `None`: the file of an option.
    pub environment: Option<String>,
    /// Pointer to its content.
    pub base: String,
    /// Values by name.
    pub values: Map<String, Value>,
}

/// Keys that belong in the stack file.
const STACK_KEYS: &[&str] = &["stack", "region", "account", "backend", "rollback"];

/// Keys of a module besides sections.
const MODULE_KEYS: &[&str] = &["description", "inputs", "outputs", "values", "resources", "include"];

/// Sections that a module can have.
fn module_sections() -> impl Iterator<Item = &'static str> + Clone {
    SECTION_NAMES.iter().copied().filter(|name| !WHOLE_STACK_SECTIONS.iter().any(|(section, ..)| section == name))
}

/// Keys whose entries are merged one level below: `resources: { vpc: { main: … } }`.
const NESTED_KEYS: &[&str] = &["resources", "environments", "network", "cluster", "dns", "backup", "existing", "procedures"];

/// Content of all files of a source, its locations, and the problems found.
///
/// # Errors
/// Returns the errors of the syntax of the stack file.
pub fn compose(source: &Source) -> Result<(Option<Document>, Spans, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (value, spans) = parse::parse_file(source, 0)?;
    let mut composer = Composer { source, spans: Spans::default(), problems: source.problems.clone().unwrap_or_default(), modules: 0 };
    let Some(fields) = into_fields(value) else { return Ok((None, spans, composer.problems)) };
    if source.files.len() == 1 && !fields.contains_key("include") {
        return Ok((Some(Document { fields, ..Document::default() }), spans, composer.problems));
    }
    let mut document = Document::default();
    composer.add_content(&mut document, fields, spans, ("", true), 0);
    for index in 1..source.files.len() {
        if let FileRole::Values { environment } = &source.files[index].role {
            composer.add_values(&mut document, index, environment.clone());
        }
    }
    Ok((Some(document), composer.spans, composer.problems))
}

/// The map of a file; an empty file is an empty map.
fn into_fields(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

struct Composer<'a> {
    source: &'a Source,
    spans: Spans,
    problems: Vec<Diagnostic>,
    /// Number of modules so far.
    modules: usize,
}

impl Composer<'_> {
    /// Adds the content of a file to the document whose pointers begin with `base`. A pointer with `~` and a letter is none of a user's.
    fn add_content(
        &mut self,
        document: &mut Document,
        mut fields: Map<String, Value>,
        spans: Spans,
        (base, is_first): (&str, bool),
        index: usize,
    ) {
        let includes = if is_first { format!("{base}/include") } else { format!("{base}/~f{index}/include") };
        self.add_spans(&spans, base, &includes);
        if index == 0 && fields.contains_key("include") && self.source.problems.is_none() {
            let message = "this definition is not a file, so it can't include others".to_owned();
            self.report(&spans, "/include", message, "put everything into one text".to_owned());
        }
        let include = fields.remove("include");
        for (key, value) in fields {
            if self.is_allowed(&key, (index, base), &spans) {
                self.merge(&mut document.fields, key, value, ("", base), &spans);
            }
        }
        let entries = match include {
            None | Some(Value::Null) => return,
            Some(Value::Array(entries)) => entries,
            Some(_) => {
                let help = "write `include: [common.yaml]`, or a module: `include: [{ module: ./modules/web, as: web }]`";
                return self.report(&spans, "/include", "`include` must be a list".to_owned(), help.to_owned());
            }
        };
        for (number, entry) in entries.into_iter().enumerate() {
            // The problem of an entry without a file is known.
            let Some(&file) = self.source.files[index].includes.get(&number) else {
                document.add_broken(&entry);
                continue;
            };
            let pointer = format!("/include/{number}");
            let parsed = parse::parse_file(self.source, file);
            let (content, file_spans) = match parsed {
                Ok((value, spans)) => (into_fields(value), spans),
                Err(problems) => {
                    self.problems.extend(problems);
                    document.add_broken(&entry);
                    continue;
                }
            };
            let Some(content) = content else {
                let start = self.source.files[file].range.start;
                let problem = Diagnostic::new("type", "an included file must be a map").at(Some(start..start));
                self.problems.push(problem.help("write sections, `resources:` or `values:`, as in a stack file"));
                continue;
            };
            if self.source.files[file].role == FileRole::Module {
                self.add_module(document, entry, (content, file_spans), (&spans, &pointer), &format!("{includes}/{number}"), (base, file));
            } else {
                self.add_content(document, content, file_spans, (base, false), file);
            }
        }
    }

    fn add_module(
        &mut self,
        document: &mut Document,
        entry: Value,
        (content, content_spans): (Map<String, Value>, Spans),
        (spans, pointer): (&Spans, &str),
        shown: &str,
        (base, file): (&str, usize),
    ) {
        let name = instance_name(&entry);
        let named_at = if entry.get("as").is_some() { child_pointer(pointer, "as") } else { pointer.to_owned() };
        if !is_resource_name(&name) || name.contains(['.', '*', '@']) {
            let help = "write `as:` with a name of letters, digits, `-` and `_`".to_owned();
            return self.report(spans, &named_at, format!("`{name}` is not a valid name of a module"), help);
        }
        if document.modules.iter().any(|other| other.name == name) {
            let help = "write `as:` with a name for each".to_owned();
            return self.report(spans, &named_at, format!("there are two modules `{name}`"), help);
        }
        let inputs = match entry.get("inputs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => {
                let at = child_pointer(pointer, "inputs");
                document.broken_modules.push(name);
                return self.report(spans, &at, "`inputs` must be a map".to_owned(), "write `name: value` pairs below it".to_owned());
            }
        };
        let inner = format!("{base}/~m{}", self.modules);
        self.modules += 1;
        let mut module = Document::default();
        self.add_content(&mut module, content, content_spans, (&inner, true), file);
        document.modules.push(ModuleUse { name, entry: shown.to_owned(), inputs, base: inner, document: module });
    }

    fn add_values(&mut self, document: &mut Document, index: usize, environment: Option<String>) {
        let (value, spans) = match parse::parse_file(self.source, index) {
            Ok(parsed) => parsed,
            Err(problems) => return self.problems.extend(problems),
        };
        let base = format!("/~f{index}");
        self.add_spans(&spans, &base, &format!("{base}/include"));
        match into_fields(value) {
            Some(values) => document.values.push(ValuesFile { environment, base, values }),
            None => {
                let start = self.source.files[index].range.start;
                let problem = Diagnostic::new("type", "a file of values must be a map").at(Some(start..start));
                self.problems.push(problem.help("write `name: value` pairs"));
            }
        }
    }

    /// Whether a file may have this key; a key that is not known anywhere is reported with all others.
    fn is_allowed(&mut self, key: &str, (index, base): (usize, &str), spans: &Spans) -> bool {
        let at = child_pointer("", key);
        // A file that a module includes is part of the module.
        let role = if base.is_empty() { &self.source.files[index].role } else { &FileRole::Module };
        match role {
            FileRole::Included if STACK_KEYS.contains(&key) => {
                let message = format!("`{key}` belongs in the stack file");
                self.report_key(spans, &at, "include", message, format!("move it to `{}`", self.source.path));
                false
            }
            FileRole::Module if key.starts_with("x-") || MODULE_KEYS.contains(&key) || module_sections().any(|section| section == key) => {
                true
            }
            FileRole::Module if SECTION_NAMES.contains(&key) || TOP_LEVEL_KEYS.contains(&key) => {
                let section = WHOLE_STACK_SECTIONS.iter().find(|(section, ..)| *section == key);
                let reason = section.map_or_else(String::new, |(_, reason, _)| format!(": {reason}"));
                let help = section.map_or("put it into the stack, or into a file that the stack includes", |(.., help)| *help);
                self.report_key(spans, &at, "module", format!("a module can't have `{key}`{reason}"), help.to_owned());
                false
            }
            FileRole::Module => {
                let known = MODULE_KEYS.iter().copied().chain(module_sections());
                let help = foreign_keys::remedy(key).unwrap_or_else(|| nearest::suggestion(key, "sections", known));
                self.report_key(spans, &at, "unknown-section", format!("there is no section `{key}`"), help);
                false
            }
            _ => true,
        }
    }

    /// Adds a key of another file. Maps of entries are merged; what both files have is a problem.
    fn merge(&mut self, into: &mut Map<String, Value>, key: String, value: Value, (parent, base): (&str, &str), spans: &Spans) {
        let at = child_pointer(parent, &key);
        let depth = at.matches('/').count();
        let top = at.split('/').nth(1).unwrap_or_default();
        let levels = if NESTED_KEYS.contains(&top) { 2 } else { 1 };
        match (into.get_mut(&key), value) {
            (None, value) => drop(into.insert(key, value)),
            (Some(_), Value::Null) => {}
            (Some(old @ Value::Null), value) => *old = value,
            (Some(Value::Object(old)), Value::Object(new)) if depth <= levels => {
                let mut merged = std::mem::take(old);
                for (inner, value) in new {
                    self.merge(&mut merged, inner, value, (&at, base), spans);
                }
                into.insert(key, merged.into());
            }
            _ => {
                let other = self.spans.key_range(&self.source.text, &format!("{base}{at}"));
                let place = other.map(|range| self.shown_place(&range)).unwrap_or_default();
                let message = format!("`{}` is defined twice", at.trim_start_matches('/').replace('/', "."));
                self.report_key(spans, &at, "duplicate", message, format!("the other definition is at {place}: rename or remove one"));
            }
        }
    }

    fn shown_place(&self, range: &Range<usize>) -> String {
        format!("{}:{}", self.source.path_at(range.start), self.source.line(range.start))
    }

    /// Adds the locations of a file. What an earlier file has keeps its location.
    fn add_spans(&mut self, spans: &Spans, base: &str, includes: &str) {
        let moved = |at: &String| match at.strip_prefix("/include") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{includes}{rest}"),
            _ => format!("{base}{at}"),
        };
        for (at, range) in &spans.values {
            self.spans.values.entry(moved(at)).or_insert_with(|| range.clone());
        }
        for (at, range) in &spans.keys {
            self.spans.keys.entry(moved(at)).or_insert_with(|| range.clone());
        }
    }

    fn report(&mut self, spans: &Spans, pointer: &str, message: String, help: String) {
        let range = spans.value_range(&self.source.text, pointer);
        self.problems.push(Diagnostic::new("include", message).at(range).help(help));
    }

    fn report_key(&mut self, spans: &Spans, pointer: &str, code: &'static str, message: String, help: String) {
        let range = spans.key_range(&self.source.text, pointer);
        self.problems.push(Diagnostic::new(code, message).at(range).help(help));
    }
}
