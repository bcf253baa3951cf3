//! Completion of environments, addresses and codes. The script of `acme completions` calls acme for them, with the words of the command line.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_complete::{CompleteEnv, engine::CompletionCandidate};

use super::{Cli, definition_file};
use crate::{
    definition::{LoadOptions, Source, Stack, environment_names, load},
    docs::codes::all_codes,
    engine::plan::Selector,
};

/// Variable that makes acme complete a command line instead of running it; its value is the shell.
pub const COMPLETE_VARIABLE: &str = "ACME_COMPLETE";

/// Completes a command line and exits, if [`COMPLETE_VARIABLE`] is set.
pub fn complete_and_exit_if_requested() {
    CompleteEnv::with_factory(Cli::command).var(COMPLETE_VARIABLE).complete();
}

/// Environments of the definition.
pub fn environments(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = definition().map(|source| environment_names(&source).unwrap_or_default()).unwrap_or_default();
    candidates(current, names.iter().map(ToString::to_string))
}

/// Addresses in the definition.
pub fn addresses(current: &OsStr) -> Vec<CompletionCandidate> {
    let stack = stack();
    candidates(current, stack.iter().flat_map(|stack| stack.resources.keys().map(ToString::to_string)))
}

/// Addresses in the definition, entries of its sections, and its modules.
pub fn selectors(current: &OsStr) -> Vec<CompletionCandidate> {
    let stack = stack();
    let others = stack.iter().flat_map(Selector::of_stack);
    candidates(current, stack.iter().flat_map(|stack| stack.resources.keys().map(ToString::to_string)).chain(others))
}

/// The stack of the definition in the environment on the command line, or in the first one.
fn stack() -> Option<Stack> {
    let source = definition()?;
    let chosen = option_value(&["--env", "-e"]).or_else(|| std::env::var("ACME_ENV").ok()).and_then(|name| name.parse().ok());
    let environment = chosen.or_else(|| environment_names(&source).ok()?.into_iter().next());
    load(&source, &LoadOptions { environment, ..LoadOptions::default() }).ok()
}

/// Codes of problems, errors and outcomes.
pub fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(current, all_codes().map(|(code, _)| code.to_owned()))
}

fn candidates(current: &OsStr, all: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let begin = current.to_str().unwrap_or_default();
    all.filter(|text| text.starts_with(begin)).map(CompletionCandidate::new).collect()
}

/// Words of the command line to complete, which follow `--`.
fn words() -> Vec<String> {
    std::env::args().skip_while(|word| word != "--").skip(1).collect()
}

/// Value of an option: the word after it, or after `=`.
fn option_value(names: &[&str]) -> Option<String> {
    let words = words();
    let value = |(number, word): (usize, &String)| {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
        names.contains(&name).then(|| value.or_else(|| words.get(number + 1).cloned()))?
    };
    words.iter().enumerate().find_map(value)
}

/// Definition on the command line, or the default one.
fn definition() -> Option<Source> {
    let is_definition = |word: &String| matches!(Path::new(word).extension().and_then(OsStr::to_str), Some("yaml" | "yml"));
    let named = option_value(&["--file", "-f"]).or_else(|| words().into_iter().find(is_definition)).map(PathBuf::from);
    let path = named.or_else(|| definition_file::default_file(Path::new("")).ok())?;
    Source::read(&path).ok()
}
