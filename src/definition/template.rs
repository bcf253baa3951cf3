//! Tera expressions in scalars. Templates are compiled once and cached, so a `for_each` over many entries never parses a text twice.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
};

use serde_json::Value;
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use super::{
    cidr_subnet::cidr_subnet,
    location::Location,
    nearest::{list_names, nearest, suggestion},
    scalar, sections,
    template_limits::{self, Budget, MAX_OUTPUT_BYTES},
    template_path::{parse_path, split_index},
    template_written::{PREFIX, sole_path, use_written_texts},
};

/// Problem of an expression.
#[derive(Clone, Debug)]
pub struct ExpressionError {
    /// Message.
    pub message: String,
    /// Remedy.
    pub help: Option<String>,
}

impl ExpressionError {
    /// Error of an expression that uses a value whose own problem is reported.
    fn consequence() -> ExpressionError {
        ExpressionError { message: String::new(), help: None }
    }
    /// Whether the problem of a value that the expression uses is reported.
    pub fn is_consequence(&self) -> bool {
        self.message.is_empty()
    }
}

/// Compiled scalar.
enum Template {
    /// Literal text, or one reference.
    Plain(String),
    /// Exactly one expression, which keeps the type of its value.
    Expression(Box<Tera>),
    /// Text with expressions.
    Text(Box<Tera>),
    /// Text that can't be compiled.
    Invalid(ExpressionError),
}

/// Evaluator of scalars with one set of values.
pub struct Templates {
    base: Tera,
    context: Context,
    budget: Budget,
    /// Values that contain scalars whose written text differs, see [`scalar`].
    written: BTreeMap<String, Value>,
    /// Whether the entries of a `for_each` may be such values.
    each_is_written: bool,
    /// Size of the largest value.
    largest: usize,
    known_names: BTreeMap<String, ()>,
    /// Types of the resources under `existing`, by name.
    existing: BTreeMap<String, BTreeSet<String>>,
    compiled: HashMap<String, Template>,
    /// Values whose own problem is reported, as expressions name them: `size`, `modules.mail`.
    broken: BTreeSet<String>,
    /// Whether `account` is a placeholder, and whether an expression uses it.
    unknown_account: bool,
    uses_account: bool,
}

/// The current entry of a `for_each`.
#[derive(Clone, Default)]
pub struct Each {
    typed: Option<tera::Value>,
    texts: Option<tera::Value>,
    written: Option<Value>,
}

/// Whether a text contains an expression.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Names used by the expressions in a text, without attributes, filters, functions, their arguments, and text in quotes.
pub fn collect_names<'a>(text: &'a str, into: &mut BTreeSet<&'a str>) {
    let mut rest = text;
    while let Some(start) = ["{{", "{%"].iter().filter_map(|open| rest.find(open)).min() {
        rest = &rest[start + 2..];
        // Last character before the next word, without blanks.
        let mut before = "";
        while let Some(first) = rest.chars().next() {
            if rest.starts_with("}}") || rest.starts_with("%}") {
                break;
            }
            let of_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                '"' | '\'' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
                _ if of_word(first) => rest.find(|c| !of_word(c)).unwrap_or(rest.len()),
                '.' => rest.find(|c| c != '.').unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (word, after) = rest.split_at(length);
            let next = after.trim_start();
            let argument = next.starts_with('=') && !next.starts_with("==");
            if of_word(first) && !first.is_numeric() && !matches!(before, "." | "|") && !next.starts_with('(') && !argument {
                into.insert(word);
            }
            if !first.is_whitespace() {
                before = word;
            }
            rest = after;
        }
    }
}

impl Default for Templates {
    fn default() -> Self {
        let mut base = Tera::new();
        base.autoescape_on(Vec::<String>::new());
        let budget = Budget::default();
        template_limits::register(&mut base, &budget);
        base.register_function("typed", |kwargs: Kwargs, _: &State| -> tera::TeraResult<String> {
            let value = kwargs.must_get::<tera::Value>("value")?;
            if value.is_undefined() {
                return Err(tera::Error::message("the expression has no value"));
            }
            let mut out = LimitedWriter(Vec::new());
            let written = serde_json::to_writer(&mut out, &value);
            if out.0.len() > MAX_OUTPUT_BYTES {
                return Err(tera::Error::message(TOO_LONG));
            }
            written.map_err(|e| tera::Error::message(e.to_string()))?;
            Ok(String::from_utf8_lossy(&out.0).into_owned())
        });
        base.register_function("cidrsubnet", |kwargs: Kwargs, _: &State| -> tera::TeraResult<String> {
            let cidr = kwargs.must_get::<String>("cidr")?;
            let (newbits, index) = (kwargs.must_get::<u64>("newbits")?, kwargs.must_get::<u64>("index")?);
            cidr_subnet(&cidr, newbits, index).map_err(tera::Error::message)
        });
        Templates {
            base,
            context: Context::new(),
            budget,
            written: BTreeMap::new(),
            each_is_written: false,
            largest: 0,
            known_names: BTreeMap::new(),
            existing: BTreeMap::new(),
            compiled: HashMap::new(),
            broken: BTreeSet::new(),
            unknown_account: false,
            uses_account: false,
        }
    }
}

impl Templates {
    /// Sets a value for expressions.
    pub fn set(&mut self, name: &str, value: &Value) {
        if self.known_names.insert(name.to_owned(), ()).is_none() {
            // A new name may shadow a reference.
            self.compiled.clear();
        }
        if self.insert(name, value) {
            self.compiled.clear();
        }
    }
    /// Sets the names under `existing`, each with its types, for `{{ existing.main.id }}`.
    pub fn set_existing(&mut self, names: BTreeMap<String, BTreeSet<String>>) {
        self.existing = names;
    }
    /// Marks a value whose own problem is reported, as expressions name it: those that use it have no further problem.
    pub fn set_broken(&mut self, path: impl Into<String>) {
        self.broken.insert(path.into());
    }
    /// Same for an entry of a value that is a map.
    pub fn set_entry_broken(&mut self, of: &str, name: &str) {
        self.broken.extend([format!("{of}.{name}"), format!("{of}[\"{name}\"]"), format!("{of}['{name}']")]);
    }
    /// Sets the account for expressions, or a placeholder of the same length.
    pub fn set_account(&mut self, location: &Location) {
        self.unknown_account = location.account.is_none();
        self.set("account", &Value::String(location.account().to_owned()));
    }
    /// Whether an expression uses the account, which is not known.
    pub fn uses_unknown_account(&self) -> bool {
        self.unknown_account && self.uses_account
    }
    /// Inserts a value, and its written texts if they differ. Returns whether templates have to be compiled again.
    fn insert(&mut self, name: &str, value: &Value) -> bool {
        self.largest = self.largest.max(template_limits::size_of(value));
        if !scalar::is_marked(value) {
            self.context.insert_value(name.to_owned(), tera::Value::from_serializable(value));
            return self.written.remove(name).is_some();
        }
        self.context.insert_value(name.to_owned(), tera::Value::from_serializable(&scalar::to_typed(value)));
        let mut texts = value.clone();
        scalar::to_text(&mut texts);
        self.context.insert_value(format!("{PREFIX}{name}"), tera::Value::from_serializable(&texts));
        self.written.insert(name.to_owned(), value.clone()).is_none()
    }
    /// Value of this name, for another evaluator.
    pub fn value(&self, name: &str) -> Option<Value> {
        let value = self.written.get(name).cloned();
        value.or_else(|| serde_json::to_value(self.context.get(name)?).ok())
    }
    /// Whether a value of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.known_names.contains_key(name)
    }
    /// Sets `each` for the current entry.
    pub fn set_each(&mut self, key: &str, value: &Value) {
        self.known_names.entry("each".to_owned()).or_default();
        let each = serde_json::json!({ "key": key, "value": value });
        self.insert("each", &each);
        if !self.each_is_written && self.written.contains_key("each") {
            self.each_is_written = true;
            self.compiled.clear();
        }
        if self.each_is_written && !self.written.contains_key("each") {
            // Templates compiled for an entry with such scalars are used for all entries.
            self.context.insert_value(format!("{PREFIX}each"), tera::Value::from_serializable(&each));
        }
    }
    /// Takes the current `each`, for [`Templates::restore_each`].
    pub fn take_each(&mut self) -> Each {
        self.known_names.remove("each");
        let texts = self.context.remove(&format!("{PREFIX}each"));
        Each { typed: self.context.remove("each"), texts, written: self.written.remove("each") }
    }
    /// Restores the `each` taken by [`Templates::take_each`].
    pub fn restore_each(&mut self, each: Each) {
        self.take_each();
        if let Some(typed) = each.typed {
            self.known_names.entry("each".to_owned()).or_default();
            self.context.insert_value("each", typed);
        }
        if let Some(texts) = each.texts {
            self.context.insert_value(format!("{PREFIX}each"), texts);
        }
        self.written.extend(each.written.map(|value| ("each".to_owned(), value)));
    }

    /// Value of a template that is nothing but a value with a written text.
    fn written_value(&self, text: &str) -> Option<Value> {
        let path = sole_path(sole_expression(text)?)?;
        let (head, rest) = path.split_first()?;
        rest.iter().try_fold(self.written.get(*head)?, |value, part| value.get(*part)).cloned()
    }

    /// Evaluates a scalar.
    ///
    /// # Errors
    /// Fails if it is not a valid template or uses an unknown value.
    pub fn render(&mut self, text: &str) -> Result<Value, ExpressionError> {
        if self.broken.iter().any(|path| uses_value(text, path)) {
            return Err(ExpressionError::consequence());
        }
        if let Some(value) = (!self.written.is_empty()).then(|| self.written_value(text)).flatten() {
            return Ok(value);
        }
        if template_limits::may_exceed_memory(text, self.largest) {
            let help = "use fewer operators in one template, or smaller values".to_owned();
            return Err(ExpressionError { message: "the template may need more than 256 MiB".to_owned(), help: Some(help) });
        }
        self.budget.reset();
        if !self.compiled.contains_key(text) {
            let template = self.compile(text);
            if self.unknown_account && !self.uses_account {
                let mut names = BTreeSet::new();
                collect_names(text, &mut names);
                self.uses_account = names.contains("account");
            }
            self.compiled.insert(text.to_owned(), template);
        }
        let fault = |error: &tera::Error| self.to_expression_error(error, text);
        match &self.compiled[text] {
            Template::Plain(plain) => Ok(Value::String(plain.clone())),
            Template::Invalid(fault) => Err(fault.clone()),
            Template::Text(tera) => render_limited(tera, &self.context)?.map(Value::String).map_err(|e| fault(&e)),
            Template::Expression(tera) => {
                // Rendered as text, an expression without a value fails with an error that names it.
                let named = |typed: tera::Error| match typed.to_string().contains("exceed") {
                    true => fault(&typed),
                    false => fault(&self.render_as_text(text).err().unwrap_or(typed)),
                };
                let json = render_limited(tera, &self.context)?.map_err(named)?;
                serde_json::from_str(&json).map_err(|e| ExpressionError { message: e.to_string(), help: None })
            }
        }
    }
    /// Evaluates a bare expression (`when: zones > 2`) or a scalar with one.
    ///
    /// # Errors
    /// Same as [`Templates::render`].
    pub fn expression(&mut self, text: &str) -> Result<Value, ExpressionError> {
        if is_template(text) { self.render(text) } else { self.render(&format!("{{{{ {text} }}}}")) }
    }

    fn render_as_text(&self, text: &str) -> tera::TeraResult<()> {
        let mut tera = self.base.clone();
        tera.add_raw_template("it", text)?;
        let mut out = LimitedWriter(Vec::new());
        tera.render_to("it", &self.context, &mut out)
    }

    fn compile(&self, text: &str) -> Template {
        let text = match self.canonicalize_references(text) {
            Ok(text) => text,
            Err(fault) => return Template::Invalid(fault),
        };
        if !is_template(&text) {
            return Template::Plain(text);
        }
        let original = text;
        let text = match template_limits::instrument(&original) {
            Ok(text) => use_written_texts(&text, |name| self.written.contains_key(name) || (name == "each" && self.each_is_written)),
            Err(statement) => {
                let help = Some("use `if`, `for`, and `set` with a value; declare values under `values:`".to_owned());
                return Template::Invalid(ExpressionError { message: format!("`{statement}` is not available in definitions"), help });
            }
        };
        let (content, typed) = match sole_expression(&text) {
            Some(expression) => (format!("{{{{ typed(value=({expression})) }}}}"), true),
            None => (text.clone(), false),
        };
        let mut tera = self.base.clone();
        match tera.add_raw_template("it", &content) {
            Ok(()) if typed => Template::Expression(Box::new(tera)),
            Ok(()) => Template::Text(Box::new(tera)),
            Err(error) => {
                // The definition does not contain `typed(..)`: report the error of the original text, if it fails, too.
                let plain = self.base.clone().add_raw_template("it", &original);
                Template::Invalid(self.to_expression_error(plain.as_ref().err().unwrap_or(&error), &original))
            }
        }
    }

    /// Converts references (`{{ vpc.main.id }}`, `{{ databases[each.key].endpoint }}`) to canonical form.
    fn canonicalize_references(&self, text: &str) -> Result<String, ExpressionError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let Some(length) = rest[start..].find("}}") else { break };
            let whole = &rest[start..start + length + 2];
            let inner = whole[2..length].trim_matches('-').trim();
            out.push_str(&rest[..start]);
            match self.parse_reference(inner)? {
                Some(canonical) => out.push_str(&canonical),
                None => out.push_str(whole),
            }
            rest = &rest[start + length + 2..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn parse_reference(&self, expression: &str) -> Result<Option<String>, ExpressionError> {
        let end = expression.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(expression.len());
        let (head, tail) = expression.split_at(end);
        let is_outside = head == "existing" && !self.existing.is_empty();
        if !tail.starts_with(['.', '[']) || self.known_names.contains_key(head) || !(is_outside || sections::starts_reference(head)) {
            return Ok(None);
        }
        let (tail, index) = split_index(tail);
        let Some(path) = parse_path(tail) else {
            return Err(ExpressionError {
                message: format!("`{expression}` calculates with a value known only after apply"),
                help: Some("write the reference alone: `{{ type.name.output }}`".into()),
            });
        };
        let mut parts: Vec<&str> = std::iter::once(head).chain(path.iter().map(String::as_str)).collect();
        if is_outside && parts.len() == 3 {
            let name = parts[1];
            let types: Vec<&str> = self.existing.get(name).into_iter().flatten().map(String::as_str).collect();
            parts[0] = match types.as_slice() {
                [one] => *one,
                [] => {
                    let help = suggestion(name, "names", self.existing.keys().map(String::as_str));
                    return Err(ExpressionError { message: format!("there is no `{name}` under `existing`"), help: Some(help) });
                }
                [first, ..] => {
                    let message = format!("`existing` has several resources `{name}`, of the types {}", types.join(", "));
                    return Err(ExpressionError { message, help: Some(format!("name the type: `{{{{ {first}.{name}.id }}}}`")) });
                }
            };
        }
        match sections::resolve_reference(&parts) {
            Some((kind, name, output)) => Ok(Some(format!("${{{kind}.{name}.{output}{index}}}"))),
            None => Err(ExpressionError {
                message: format!("`{expression}` is not a reference to an output"),
                help: Some(format!("write `{{{{ {} }}}}`", sections::reference_syntax(head))),
            }),
        }
    }

    /// Remedy for a name that an expression uses and that is not defined.
    fn undefined_help(&self, text: &str, name: &str, is_field: bool) -> String {
        if let Some((map, keys)) = self.keys_beside(text, name).filter(|_| is_field) {
            let what = match map.as_str() {
                "modules" => "modules".to_owned(),
                module if module.starts_with("modules.") => format!("outputs of `{module}`"),
                map => format!("keys of `{map}`"),
            };
            return suggestion(name, &what, keys.iter().map(String::as_str));
        }
        let values = self.known_names.keys().map(String::as_str);
        if ["yes", "no", "on", "off"].contains(&name) {
            return "write `true` or `false`".to_owned();
        }
        if sections::starts_reference(name) && !is_field {
            return "write a value known only after apply alone: `{{ type.name.output }}`".to_owned();
        }
        // Only a path can begin with a section or a type.
        let is_path = [".", "["].iter().any(|next| text.contains(&format!("{name}{next}")));
        let heads = sections::reference_heads().filter(|_| is_path);
        match nearest(name, values.clone().chain(heads)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => list_names("values", values),
        }
    }

    /// Path of the map in which an expression looks for a field, and its keys.
    fn keys_beside(&self, text: &str, field: &str) -> Option<(String, Vec<String>)> {
        let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        text.match_indices(field).find_map(|(start, _)| {
            let before = &text[..start];
            let before = [".", "[\"", "['"].iter().find_map(|open| before.strip_suffix(*open))?;
            let begin = before.char_indices().rev().find(|(_, c)| !is_path(*c)).map_or(0, |(at, c)| at + c.len_utf8());
            let path = &before[begin..];
            let mut parts = path.split('.');
            let whole = self.value(parts.next()?)?;
            let map = parts.try_fold(&whole, |value, part| value.get(part))?.as_object()?;
            Some((path.to_owned(), map.keys().cloned().collect()))
        })
    }

    fn to_expression_error(&self, error: &tera::Error, text: &str) -> ExpressionError {
        let message = match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => report.message().to_owned(),
            other => other.to_string(),
        };
        // Tera adds its own drawing, or a list of names; acme adds its own below.
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let message = message.split(". Available").next().unwrap_or_default().trim_end_matches('.').replace(PREFIX, "");
        let message = if message.contains("found `") { in_words(&message) } else { message };
        let message = message.as_str();
        let name = message.split('`').nth(1).unwrap_or_default();
        let help = if message.contains("not defined") || message.contains("undefined") {
            Some(self.undefined_help(text, name, message.to_lowercase().starts_with("field")))
        } else if message.starts_with("Unknown filter") {
            Some(suggestion(name, "filters", FILTERS.iter().copied()))
        } else if message.starts_with("Unknown function") {
            Some(suggestion(name, "functions", ["cidrsubnet", "range", "throw"]))
        } else {
            None
        };
        let mut first = message.to_owned();
        if let Some(letter) = first.get(..1).map(str::to_lowercase) {
            first.replace_range(..1, &letter);
        }
        let source = std::error::Error::source(error).map(|e| format!(": {e}")).unwrap_or_default();
        ExpressionError { message: format!("the expression is not valid: {first}{source}"), help }
    }
}

/// A message of Tera with the types of a definition in place of Rust's.
fn in_words(message: &str) -> String {
    const TYPES: &[(&str, &str)] = &[
        ("`string`", "text"),
        ("`i64`", "a number"),
        ("`u64`", "a number"),
        ("`f64`", "a number"),
        ("`bool`", "true or false"),
        ("`array`", "a list"),
        ("`map`", "a map"),
        ("`none`", "null"),
    ];
    let words = TYPES.iter().fold(message.to_owned(), |text, (name, words)| text.replace(name, words));
    match words.split_once(" but expected ") {
        Some((found, expected)) if !expected.contains('`') => format!("{found}, expected `{expected}`"),
        _ => words,
    }
}

/// Whether the expressions in a text use a value: `size`, or `modules.mail`.
fn uses_value(text: &str, path: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_whole = |start: usize| {
        let (before, after) = (&text[..start], &text[start + path.len()..]);
        !before.ends_with(|c: char| is_word(c) || c == '.') && !after.starts_with(is_word)
    };
    is_template(text) && text.match_indices(path).any(|(start, _)| is_whole(start))
}

/// Message about a result of more than [`MAX_OUTPUT_BYTES`].
const TOO_LONG: &str = "the result of the expression exceeds 4 MiB";

/// Renders a template. The outer error reports that the result is too long.
fn render_limited(tera: &Tera, context: &Context) -> Result<tera::TeraResult<String>, ExpressionError> {
    let mut out = LimitedWriter(Vec::new());
    let rendered = tera.render_to("it", context, &mut out);
    if out.0.len() > MAX_OUTPUT_BYTES {
        let help = "make it shorter: values that repeat other values grow exponentially".to_owned();
        return Err(ExpressionError { message: TOO_LONG.to_owned(), help: Some(help) });
    }
    Ok(rendered.map(|()| String::from_utf8_lossy(&out.0).into_owned()))
}

/// Writer that fails beyond a maximum size.
struct LimitedWriter(Vec<u8>);

impl io::Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_OUTPUT_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tera's filters, for messages.
const FILTERS: &[&str] = &[
    "abs",
    "capitalize",
    "default",
    "first",
    "float",
    "get",
    "group_by",
    "int",
    "join",
    "keys",
    "last",
    "length",
    "lower",
    "nth",
    "pairs",
    "replace",
    "reverse",
    "round",
    "sort",
    "split",
    "str",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "values",
];

/// Returns the expression if the text is exactly one.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim_start_matches('-').trim_end_matches('-').trim();
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}
