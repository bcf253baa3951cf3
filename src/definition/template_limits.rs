//! Limits of templates, so that no definition exhausts memory or time: results are limited by their writer, everything before them here.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tera::{Error, Kwargs, State, Tera, TeraResult};

/// Maximum size of the result of one expression, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 4 << 20;

/// Maximum size of the result of a filter, and of a value set by a template, in bytes.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Maximum size of all intermediate values of one template, in bytes.
const MAX_INTERMEDIATE_BYTES: usize = 1 << 28;

/// Maximum number of loop iterations and elements of ranges in one template.
const MAX_STEPS: usize = 1_000_000;

/// Maximum time to evaluate one template.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Approximate size of an element of a list, in bytes.
const ELEMENT_BYTES: usize = 32;

/// Filters whose result can be larger than their input, all of them limited.
const GROWING_FILTERS: &[&str] = &["replace", "join", "indent"];

/// Filters for HTML, which definitions don't need and whose result grows with every use.
const REMOVED_FILTERS: &[&str] = &["escape", "escape_html", "escape_xml", "newlines_to_br"];

/// Statements a template may have, besides `raw`.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor", "break", "continue", "set", "set_global"];

/// Consumption of the current template.
#[derive(Clone, Default)]
pub struct Budget(Arc<Mutex<Consumption>>);

#[derive(Default)]
struct Consumption {
    steps: usize,
    bytes: usize,
    started_at: Option<Instant>,
}

impl Budget {
    /// Starts a template.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Consumption { started_at: Some(Instant::now()), ..Consumption::default() };
    }

    fn spend(&self, steps: usize, bytes: usize) -> TeraResult<()> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.steps = spent.steps.saturating_add(steps);
        spent.bytes = spent.bytes.saturating_add(bytes);
        if spent.steps > MAX_STEPS {
            return Err(Error::message(format!("the loops and ranges of the template exceed {MAX_STEPS} steps")));
        }
        if bytes > MAX_VALUE_BYTES || spent.bytes > MAX_INTERMEDIATE_BYTES {
            return Err(Error::message(format!("a value in the template exceeds {} MiB", MAX_VALUE_BYTES >> 20)));
        }
        if spent.started_at.is_some_and(|begun| begun.elapsed() > MAX_TIME) {
            return Err(Error::message(format!("the template takes more than {} s", MAX_TIME.as_secs())));
        }
        Ok(())
    }
}

/// Registers limited functions and filters, under the names of Tera's own.
pub fn register(tera: &mut Tera, budget: &Budget) {
    let of = budget.clone();
    tera.register_function("__step", move |_: Kwargs, _: &State| of.spend(1, 0).map(|()| String::new()));
    let of = budget.clone();
    tera.register_function("__size", move |kwargs: Kwargs, _: &State| -> TeraResult<String> {
        let value = kwargs.must_get::<tera::Value>("value")?;
        let mut size = SizeCounter(0);
        let fits = serde_json::to_writer(&mut size, &value).is_ok();
        of.spend(1, if fits { size.0 } else { usize::MAX }).map(|()| String::new())
    });
    let of = budget.clone();
    tera.register_function("range", move |kwargs: Kwargs, _: &State| -> TeraResult<Vec<i64>> {
        let (start, end) = (kwargs.get::<i64>("start")?.unwrap_or_default(), kwargs.must_get::<i64>("end")?);
        let step = kwargs.get::<i64>("step_by")?.unwrap_or(1);
        let count = match step {
            0 => return Err(Error::message("`step_by` of `range` must not be 0")),
            1.. if start > end => return Err(Error::message("`start` of `range` must not be greater than `end`")),
            _ => {
                let span = if step > 0 { i128::from(end) - i128::from(start) } else { i128::from(start) - i128::from(end) };
                span.max(0).unsigned_abs().div_ceil(step.unsigned_abs().into())
            }
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        of.spend(count, 0)?;
        Ok((0..count).filter_map(|i| i64::try_from(i).ok()).map(|i| start + i * step).collect())
    });
    let of = budget.clone();
    tera.register_filter("replace", move |text: &str, kwargs: Kwargs, _: &State| -> TeraResult<String> {
        let (from, to) = (kwargs.must_get::<&str>("from")?, kwargs.must_get::<&str>("to")?);
        let found = text.matches(from).count();
        of.spend(0, (text.len() - found * from.len()).saturating_add(found.saturating_mul(to.len())))?;
        Ok(text.replace(from, to))
    });
    let of = budget.clone();
    tera.register_filter("join", move |list: &[tera::Value], kwargs: Kwargs, _: &State| -> TeraResult<String> {
        let separator = kwargs.get::<&str>("sep")?.unwrap_or_default();
        let mut out = String::new();
        for (number, value) in list.iter().enumerate() {
            if number > 0 {
                out.push_str(separator);
            }
            if !value.is_undefined() {
                out.push_str(&value.to_string());
            }
            if out.len() > MAX_VALUE_BYTES {
                break;
            }
        }
        of.spend(0, out.len()).map(|()| out)
    });
    let of = budget.clone();
    tera.register_filter("split", move |text: &str, kwargs: Kwargs, _: &State| -> TeraResult<Vec<String>> {
        let separator = kwargs.must_get::<&str>("pat")?;
        of.spend(text.split(separator).count(), text.len())?;
        Ok(text.split(separator).map(str::to_owned).collect())
    });
    let of = budget.clone();
    tera.register_filter("indent", move |text: &str, kwargs: Kwargs, _: &State| -> TeraResult<String> {
        let width = kwargs.get::<usize>("width")?.unwrap_or(4).min(1000);
        let (first, blank) = (kwargs.get::<bool>("first")?.unwrap_or(false), kwargs.get::<bool>("blank")?.unwrap_or(false));
        of.spend(0, text.len().saturating_add(text.split('\n').count().saturating_mul(width)))?;
        let line = |(number, line): (usize, &str)| match (number == 0 && !first) || (line.is_empty() && !blank) {
            true => line.to_owned(),
            false => format!("{:width$}{line}", ""),
        };
        Ok(text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n"))
    });
    for name in REMOVED_FILTERS {
        tera.register_filter(*name, |_: tera::Value, _: Kwargs, _: &State| -> TeraResult<String> {
            Err(Error::message("filters for HTML are not available in definitions"))
        });
    }
}

/// Whether the operators of a template could make values of more than [`MAX_INTERMEDIATE_BYTES`]; `largest` is the size of the largest value
/// it can use.
pub fn may_exceed_memory(text: &str, largest: usize) -> bool {
    let tags = text.split("{{").skip(1).chain(text.split("{%").skip(1)).map(|tag| tag.split(['}', '%']).next().unwrap_or_default());
    let operators = tags.flat_map(str::bytes).filter(|b| matches!(b, b'~' | b'|')).count();
    let grows = GROWING_FILTERS.iter().any(|name| text.contains(name));
    let largest = if grows { largest.max(MAX_VALUE_BYTES) } else { largest.max(text.len()) };
    operators.saturating_mul(largest) > MAX_INTERMEDIATE_BYTES
}

/// Approximate size of a value, in bytes.
pub fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => ELEMENT_BYTES,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|value| ELEMENT_BYTES + size_of(value)).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| ELEMENT_BYTES + key.len() + size_of(value)).sum(),
    }
}

/// Adds a step to every loop of a template, and a check of its size to every value it sets.
///
/// # Errors
/// Fails with the name of a statement that definitions can't have.
pub fn instrument(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, open)) = ["{{", "{%", "{#"].iter().filter_map(|open| Some((rest.find(open)?, *open))).min() {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = match open {
            "{{" => end_of_tag(rest, "}}"),
            "{%" => end_of_tag(rest, "%}"),
            _ => rest.find("#}").map(|end| end + 2),
        };
        let Some(end) = end else { break };
        let (tag, after) = rest.split_at(end);
        out.push_str(tag);
        rest = after;
        if open == "{#" {
            continue;
        }
        if has_comprehension(tag) {
            return Err("[… for … in …]".to_owned());
        }
        if open == "{{" {
            continue;
        }
        let trims = tag.ends_with("-%}");
        let words = tag[2..tag.len() - 2].trim_matches('-').trim();
        let statement = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        let check = match statement {
            "for" => "__step()".to_owned(),
            "set" | "set_global" => {
                let Some((name, _)) = words[statement.len()..].split_once('=') else {
                    return Err(format!("{statement} … end{statement}"));
                };
                format!("__size(value={})", name.trim())
            }
            "raw" => {
                let end = rest.find("endraw").and_then(|at| Some(at + rest[at..].find("%}")? + 2)).unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            _ if STATEMENTS.contains(&statement) => continue,
            _ => return Err(statement.to_owned()),
        };
        out.push_str(&if trims { format!("{{{{- {check} -}}}}") } else { format!("{{{{ {check} }}}}") });
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether a tag has `for` after its first word, outside texts in quotes: a loop without steps.
fn has_comprehension(tag: &str) -> bool {
    let mut rest = &tag[2..];
    let mut words = 0;
    while let Some(first) = rest.chars().next() {
        let of_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '"' | '\'' | '`' => end_of_quote(rest, first).unwrap_or(rest.len()),
            _ if of_word(first) => rest.find(|c| !of_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        words += usize::from(!first.is_whitespace() && first != '-');
        if &rest[..length] == "for" && (words > 1 || tag.starts_with("{{")) {
            return true;
        }
        rest = &rest[length..];
    }
    false
}

/// End of the tag at the begin of a text; texts in quotes may contain its closing characters.
fn end_of_tag(text: &str, close: &str) -> Option<usize> {
    let mut at = 2;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(close) {
            return Some(at + close.len());
        }
        let first = rest.chars().next()?;
        at += match first {
            '"' | '\'' | '`' => end_of_quote(rest, first)?,
            _ => first.len_utf8(),
        };
    }
    None
}

/// Length of the quoted text at the begin of a text; a backslash quotes the next character.
fn end_of_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Counts bytes up to [`MAX_VALUE_BYTES`], then fails: a value can contain another one many times.
struct SizeCounter(usize);

impl io::Write for SizeCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > MAX_VALUE_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_every_loop_and_every_set_value() {
        let cases = [
            ("a {{ b }} c", Ok("a {{ b }} c")),
            ("{% for i in x %}{{ i }}{% endfor %}", Ok("{% for i in x %}{{ __step() }}{{ i }}{% endfor %}")),
            ("{%- for i in \"%}\" -%} x", Ok("{%- for i in \"%}\" -%}{{- __step() -}} x")),
            ("{% set_global x = x ~ x %}", Ok("{% set_global x = x ~ x %}{{ __size(value=x) }}")),
            ("{# {% for i in x %} #}{% raw %}{% for %}{% endraw %}", Ok("{# {% for i in x %} #}{% raw %}{% for %}{% endraw %}")),
            ("{% set x %}a{% endset %}", Err("set … endset")),
            ("{{ [[i for i in x] for j in x] }}", Err("[… for … in …]")),
            ("{{ 'a for b' }}", Ok("{{ 'a for b' }}")),
            ("{% filter upper %}a{% endfilter %}", Err("filter")),
            ("{% component a() %}{% endcomponent %}", Err("component")),
        ];
        for (text, expected) in cases {
            assert_eq!(instrument(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
