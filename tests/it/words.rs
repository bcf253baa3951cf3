//! Texts for users are plain English, in the terms of `docs/glossary.md`: help, codes, plans, runs, documentation and the schema.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use acme::docs::{codes, reference, schema};
use regex_lite::Regex;
use serde_json::Value;

use crate::screens;

/// Phrases to avoid as regular expressions for whole words, and the words to use.
const AVOID: &[(&str, &str)] = &[
    (r"carr(?:y|ies|ied|ying)(?: \w+){0,3} out", "apply"),
    ("everything that is ready at once", "running independent steps in parallel"),
    ("plan is empty", "plan shows no changes"),
    ("marks|marked", "ownership tags; tagged as part of the stack"),
    ("usual time", "estimated time"),
    ("longest road", "critical path"),
    ("pivot", "point of no return"),
    ("disturbs?", "impact"),
    ("answers? 2", "exits with 2"),
    (r"(?:try|tries|tried|trying) it again|tries again|trying again|tried again", "retry"),
    ("mend|mends|mended", "fix"),
    ("anew", "recreated"),
    ("none of", "not a valid …"),
    ("is no", "is not a valid …"),
    ("whoever|somebody|someone else|nobody", "another principal, outside acme"),
    ("what keeps it", "what still uses it"),
    ("settle|settles|settled|settling", "ready, pending"),
    ("does not know who", "can't authenticate"),
    ("no end", "unfinished"),
    ("sign of life", "heartbeat"),
    ("never ask", "skip confirmation"),
    ("small letters?", "lowercase letters"),
    (r"(?:go|goes|going|gone|went) on", "continue"),
    (r"(?:go|goes|going|went) back", "roll back"),
    ("tell|tells|told|telling", "state, report, show"),
    (r"(?:give|gives|gave|giving|given) up", "forget"),
    ("nothing was done|nothing to do", "no changes"),
    ("put back", "restore"),
    ("what is there", "live resources"),
    ("usual bucket", "default bucket"),
];

/// Every phrase to avoid in a text. Inline code is skipped: it contains names, not words.
fn phrases_to_avoid(text: &str) -> Vec<String> {
    static INLINE_CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`[^`\n]+`").expect("a pattern"));
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |phrase| Regex::new(&format!(r"(?i)\b(?:{phrase})\b")).expect("a pattern");
        AVOID.iter().map(|(phrase, better)| (pattern(phrase), *better)).collect()
    });
    let text = INLINE_CODE.replace_all(text, "…");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (pattern, better) in PATTERNS.iter() {
        for hit in pattern.find_iter(&text) {
            let before: String = text[..hit.start()].chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
            let after: String = text[hit.end()..].chars().take(30).collect();
            // "There is no backend" and "is no longer there" are plain English, "`x` is no backend" is not.
            let plain = before.to_lowercase().ends_with("there ") || after.starts_with(" longer");
            if hit.as_str().eq_ignore_ascii_case("is no") && plain {
                continue;
            }
            found.push(format!("“{before}{}{after}”: {better}", hit.as_str()));
        }
    }
    found
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with this extension.
fn files(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

/// Adds every `description` in a schema, by JSON pointer.
fn descriptions(schema: &Value, at: &str, into: &mut BTreeMap<String, String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => drop(into.insert(format!("schema {at}"), text.clone())),
                    value => descriptions(value, &format!("{at}/{key}"), into),
                }
            }
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| descriptions(value, &format!("{at}/{index}"), into)),
        _ => {}
    }
}

/// All texts for users, by their source.
fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::from([("help".to_owned(), screens::complete_help())]);
    texts.extend(codes::all_codes().map(|(code, text)| (format!("code {code}"), text.to_owned())));
    texts.extend(reference::pages().into_iter().map(|(name, text)| (format!("docs/reference/{name}"), text)));
    descriptions(&schema::definition(), "", &mut texts);
    let mut paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| repository().join(name)).to_vec();
    let mut documents = Vec::new();
    files(&repository().join("docs"), "md", &mut documents);
    // The generated pages are checked above; another test checks that the files are up to date.
    paths.extend(documents.into_iter().filter(|path| !path.starts_with(repository().join("docs/reference"))));
    files(&repository().join("src"), "snap", &mut paths);
    files(&repository().join("tests/it/snapshots"), "snap", &mut paths);
    for path in paths {
        let text = fs::read_to_string(&path).expect("a text file");
        // A snapshot starts with its source and expression.
        let text = if path.extension().is_some_and(|found| found == "snap") {
            text.splitn(3, "---\n").nth(2).unwrap_or_default().to_owned()
        } else {
            text
        };
        texts.insert(path.strip_prefix(repository()).unwrap_or(&path).display().to_string(), text);
    }
    texts
}

#[test]
fn texts_for_users_are_plain_english() {
    let texts = texts();
    assert!(texts.len() > 300, "{} texts", texts.len());
    let found = texts.iter().flat_map(|(source, text)| phrases_to_avoid(text).into_iter().map(move |hit| format!("{source}: {hit}")));
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} phrases to avoid:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_phrase_to_avoid_is_found() {
    for planted in [
        "it carries it out",
        "carried the plan\nout",
        "everything that is ready at once",
        "a second plan is empty",
        "the stack's marks",
        "Usual time: 3 min",
        "the longest road",
        "Pivot: 2 deletions",
        "disturbs: connections",
        "answers\n2",
        "acme tries again",
        "mend the cause",
        "made anew",
        "`x` is none of the values",
        "`x` is no address",
        "whoever calls",
        "somebody else",
        "what keeps it from going",
        "Settling",
        "AWS does not know who calls",
        "did not keep what it was told",
        "no end",
        "last sign of life",
        "Never ask",
        "a small letter",
        "goes on from there",
        "goes back",
        "tells more",
        "given up",
        "Nothing was done.",
        "put back",
        "what is there",
        "the usual bucket",
    ] {
        assert_eq!(phrases_to_avoid(planted).len(), 1, "{planted}: {:?}", phrases_to_avoid(planted));
    }
    for plain in [
        "there is no backend",
        "it is no longer declared",
        "`pivot` and `settling`",
        "the command is ready",
        "a pivotal change",
        "endless",
        "an intelligent plan",
    ] {
        assert_eq!(phrases_to_avoid(plain), Vec::<String>::new(), "{plain}");
    }
}
