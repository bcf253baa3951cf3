//! Resources that `--only` and `--except` name: by address, by the entry of a section, by module, or by a pattern.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    core::{Address, nearest::suggestion},
    definition::{
        DesiredResource, Stack,
        sections::{SECTION_NAMES, resolve_reference},
    },
};

/// First word of a module in a selector, as in expressions.
const MODULES: &str = "modules";

/// Text that selects resources of a stack: `vpc.main`, `queues.jobs`, `queues`, `modules.mail` or `sqs_queue.*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector(String);

/// Text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor the entry of a section, a module or a pattern")]
pub struct InvalidSelector(String);

impl Selector {
    /// Addresses that it selects, of all that a plan knows.
    pub fn expand(&self, stack: &Stack, known: &BTreeSet<&Address>) -> BTreeSet<Address> {
        // A record of a zone can have the name `*`, and is meant before a pattern is.
        if let Some(address) = Address::parse(&self.0).filter(|address| known.contains(address)) {
            return BTreeSet::from([address]);
        }
        let select = |is_selected: &dyn Fn(&DesiredResource) -> bool| {
            let declared = stack.resources.values().filter(|declared| known.contains(&declared.address) && is_selected(declared));
            declared.map(|declared| declared.address.clone()).collect::<BTreeSet<Address>>()
        };
        if let Some(path) = self.0.strip_prefix(MODULES).and_then(|rest| rest.strip_prefix('.')) {
            let around = stack.modules.iter().filter(|(_, module)| is_within(path, module));
            // The rest is an entry of a section in the innermost module.
            let Some((pointer, module)) = around.max_by_key(|(_, module)| module.len()) else { return BTreeSet::new() };
            let entry = path.get(module.len()..).unwrap_or_default().trim_start_matches('.');
            if entry.is_empty() {
                let within = format!("{pointer}/");
                return select(&|declared: &DesiredResource| declared.pointer.starts_with(&within));
            }
            return select(&|declared: &DesiredResource| declared.module_pointer() == pointer && is_of_section(declared, entry));
        }
        if self.0.contains('*') {
            return known
                .iter()
                .filter(|address| matches_pattern(&self.0, &address.to_string()))
                .map(|address| (*address).clone())
                .collect();
        }
        let found = select(&|declared: &DesiredResource| declared.module_pointer().is_empty() && is_of_section(declared, &self.0));
        if !found.is_empty() {
            return found;
        }
        // One of a `for_each`: `queues.jobs-api`.
        let parts: Vec<&str> = self.0.split('.').chain(["id"]).collect();
        let reference = resolve_reference(&parts).map(|(kind, name, _)| Address::new(&kind, name));
        reference.into_iter().filter(|address| known.contains(address)).collect()
    }

    /// Remedy for a selector that selects nothing.
    pub fn suggest(&self, stack: &Stack, known: &BTreeSet<&Address>) -> String {
        let first = self.0.split('.').next().unwrap_or_default();
        if first == MODULES {
            let names: Vec<String> = stack.modules.values().map(|module| format!("{MODULES}.{module}")).collect();
            return suggestion(&self.0, MODULES, names.iter().map(String::as_str));
        }
        if SECTION_NAMES.contains(&first) {
            return suggestion(&self.0, "entries", entries(stack).iter().map(String::as_str));
        }
        let names: Vec<String> = known.iter().map(ToString::to_string).collect();
        suggestion(&self.0, "addresses", names.iter().map(String::as_str))
    }

    /// Selectors of a stack, besides its addresses and patterns: its modules, and the entries of its own sections.
    pub fn of_stack(stack: &Stack) -> Vec<String> {
        entries(stack).into_iter().chain(stack.modules.values().map(|module| format!("{MODULES}.{module}"))).collect()
    }
}

/// Entries of the stack's own sections.
fn entries(stack: &Stack) -> Vec<String> {
    let own = stack.resources.values().filter(|declared| declared.module_pointer().is_empty());
    let entries = own.filter_map(|declared| Some((declared.section()?, declared.section_entry()?)));
    let entries = entries.filter(|(section, _)| SECTION_NAMES.contains(section));
    entries.map(|(section, entry)| format!("{section}.{entry}")).collect::<BTreeSet<String>>().into_iter().collect()
}

/// Whether a path is that of a module, or of something within it.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a section (`queues`) or an entry of one (`queues.jobs`) declares a resource.
fn is_of_section(declared: &DesiredResource, text: &str) -> bool {
    let (section, entry) = text.split_once('.').map_or((text, None), |(section, entry)| (section, Some(entry)));
    SECTION_NAMES.contains(&section)
        && declared.section() == Some(section)
        && entry.is_none_or(|entry| declared.section_entry().as_deref() == Some(entry))
}

/// Whether a text matches a pattern, in which `*` matches any characters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Selector, InvalidSelector> {
        let is_valid = Address::parse(text).is_some() || SECTION_NAMES.contains(&text);
        if is_valid { Ok(Selector(text.to_owned())) } else { Err(InvalidSelector(text.to_owned())) }
    }
}

impl TryFrom<String> for Selector {
    type Error = InvalidSelector;

    fn try_from(text: String) -> Result<Selector, InvalidSelector> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> String {
        selector.0
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, is_match) in [
            ("sqs_queue.*", "sqs_queue.jobs", true),
            ("sqs_queue.*", "sqs_queues.jobs", false),
            ("*.jobs", "sqs_queue.jobs", true),
            ("*.jobs", "sqs_queue.jobs-2", false),
            ("*queue.j*s", "sqs_queue.jobs", true),
            ("sqs*.jo*bs", "sqs_queue.jobs", true),
            ("s*s.s", "sqs.s", true),
            ("a.*b*b", "a.b", false),
            ("a.b", "a.b", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn only_addresses_and_sections_are_selectors() {
        for (text, is_valid) in
            [("vpc.main", true), ("queues", true), ("modules.mail", true), ("subnet", false), ("", false), ("vpc.", false)]
        {
            assert_eq!(text.parse::<Selector>().is_ok(), is_valid, "{text}");
        }
    }
}
