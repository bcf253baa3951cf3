//! Explanations of all codes: of problems, obstacles, refusals, outcomes and errors. One table, `codes.md`.

use crate::{
    core::{Error, ErrorKind},
    engine::journal::RunOutcome,
};

const CODES_MD: &str = include_str!("codes.md");

/// Codes and their explanations, in the order of the table.
pub fn all_codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    CODES_MD.split("\n## ").skip(1).filter_map(|part| {
        let (code, text) = part.split_once('\n')?;
        // The introduction of the next group is not part of this code.
        Some((code.trim(), text.split("\n# ").next().unwrap_or(text).trim()))
    })
}

/// Length from which on a word in capitals and small letters is taken for a code of AWS.
const MIN_AWS_CODE: usize = 8;

/// Explanation of a code. AWS's own codes are explained by their kind.
pub fn explain(code: &str) -> Option<String> {
    // `Unreachable` is an error, `unreachable` a kind.
    let found =
        |code: &str| all_codes().find(|(name, _)| *name == code).or_else(|| all_codes().find(|(name, _)| name.eq_ignore_ascii_case(code)));
    let known = |code: &str| found(code).map(|(name, text)| format!("{name}\n\n{text}\n"));
    let of_aws = || {
        let sort = Error::from_code(code, "").kind;
        // Any other word is none of AWS's codes.
        let is_written_as_code = code.starts_with(|c: char| c.is_ascii_uppercase()) && code.len() > MIN_AWS_CODE;
        let text = known(error_kind_code(sort)).filter(|_| sort != ErrorKind::Rejected || is_written_as_code)?;
        Some(format!("`{code}` is an AWS error code of the kind\n\n{text}"))
    };
    known(code).or_else(of_aws)
}

/// Code of an error kind.
pub fn error_kind_code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "gone",
        ErrorKind::NotYetVisible => "not-yet",
        ErrorKind::Throttled => "throttled",
        ErrorKind::Conflict => "conflict",
        ErrorKind::AlreadyExists => "exists",
        ErrorKind::AccessDenied => "denied",
        ErrorKind::Unavailable => "unreachable",
        ErrorKind::Rejected => "refused",
    }
}

/// Code of an outcome.
pub fn outcome_code(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::RolledBack => "rolled-back",
        RunOutcome::Kept => "kept",
        RunOutcome::Waiting => "waiting",
        RunOutcome::Stuck => "stuck",
    }
}

/// Renders the table as a page of the reference.
pub fn page() -> String {
    let text: String = CODES_MD
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(_) => format!("#{line}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    format!("# Codes\n\nEvery problem, error and outcome has a stable code. `acme explain CODE` prints these texts.\n\n{text}")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use regex_lite::Regex;

    use super::*;

    fn read_sources(folder: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("the sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                read_sources(&path, into);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                into.push((path.display().to_string(), text));
            }
        }
    }

    /// The simulated cloud returns AWS's codes, which AWS documents.
    #[test]
    fn explains_every_code_in_the_source() {
        let mut all_sources = Vec::new();
        for folder in ["src", "resources/src"] {
            read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all_sources);
        }
        let uses = [
            r#"Diagnostic::new\(\s*(?:if \w+ \{ )?"([\w-]+)"(?: \} else \{ "([\w-]+)")?"#,
            r#"\bproblem(?:_at_key)?\(\s*"([\w-]+)""#,
            r#"\brefuse!\(\s*"([\w-]+)""#,
            r#"SessionError::\w+(?: \{ \.\. \}|\(_\))? => "([\w-]+)""#,
            r#"Error::new\(\s*ErrorKind::\w+,\s*"(\w+)""#,
            r#"\bcode: "([\w-]+)""#,
            r#"\.code\("([\w-]+)"\)"#,
            r#"const INVALID: &'static str = "(\w+)""#,
            r#"const (?:INTERRUPTED|NO_PRICES): &str = "(\w+)""#,
            r#"const (?:GENERAL|DEFINITION)_CODE: &str = "([\w-]+)""#,
        ];
        let mut found: BTreeSet<String> = BTreeSet::new();
        for pattern in uses {
            let pattern = Regex::new(pattern).expect("a pattern");
            let before = found.len();
            for (path, text) in all_sources.iter().filter(|(path, _)| !path.contains("/src/simulator/")) {
                for captures in pattern.captures_iter(text) {
                    found.extend(captures.iter().skip(1).flatten().map(|code| code.as_str().to_owned()).filter(|_| !path.is_empty()));
                }
            }
            assert!(found.len() > before, "nothing matches {pattern}: the source spells codes differently now");
        }
        let bare: Vec<&String> = all_sources.iter().filter(|(_, text)| text.contains("bail!(")).map(|(path, _)| path).collect();
        assert!(bare.is_empty(), "a refusal has a code: `refuse!` instead of `bail!` in {bare:?}");
        let explained: BTreeSet<&str> = all_codes().map(|(code, _)| code).collect();
        let of_aws = |code: &str| Error::from_code(code, "").kind != ErrorKind::Rejected;
        let missing: Vec<&String> = found.iter().filter(|code| !explained.contains(code.as_str()) && !of_aws(code)).collect();
        assert!(missing.is_empty(), "add these to src/docs/codes.md: {missing:?}");
        let sorts = [
            ErrorKind::NotFound,
            ErrorKind::NotYetVisible,
            ErrorKind::Throttled,
            ErrorKind::Conflict,
            ErrorKind::AlreadyExists,
            ErrorKind::AccessDenied,
            ErrorKind::Unavailable,
            ErrorKind::Rejected,
        ];
        let outcomes = [RunOutcome::Done, RunOutcome::RolledBack, RunOutcome::Kept, RunOutcome::Waiting, RunOutcome::Stuck];
        let others =
            sorts.map(error_kind_code).into_iter().chain(outcomes.map(outcome_code)).chain(["NoCredentials", "LocalState", "file"]);
        let known: BTreeSet<&str> = found.iter().map(String::as_str).chain(others).collect();
        let unused: Vec<_> = explained.iter().filter(|code| !known.contains(*code)).collect();
        assert!(unused.is_empty(), "no source has these: {unused:?}");
        let mute: Vec<&str> = all_codes().filter(|(_, text)| text.len() < 60).map(|(code, _)| code).collect();
        assert!(mute.is_empty(), "these explanations are too short: {mute:?}");
    }

    #[test]
    fn explains_an_aws_code_by_its_error_kind() {
        assert!(explain("DependencyViolation").is_some_and(|text| text.contains("conflict")));
        assert!(explain("LOCKED").is_some_and(|text| text.starts_with("Locked")));
        assert!(explain("DBSubnetGroupDoesNotCoverEnoughAZs").is_some_and(|text| text.contains("rejected")));
        assert_eq!(explain("no-such-code"), None);
    }
}
