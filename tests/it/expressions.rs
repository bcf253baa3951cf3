//! The page about expressions: every example has the value that it states.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use acme::definition::{LoadOptions, Source, load};
use serde_json::{Value, json};

static PAGE: LazyLock<String> =
    LazyLock::new(|| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/expressions.md")).expect("the page"));

/// Lines of the code blocks of a language.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            found.push(lines.by_ref().take_while(|line| *line != "```").collect());
        }
    }
    found
}

fn examples() -> Vec<(&'static str, Value)> {
    let lines = blocks("acme").into_iter().flatten();
    let parse = |line: &'static str| {
        let (expression, value) = line.rsplit_once(" → ").unwrap_or_else(|| panic!("no value: {line}"));
        (expression, serde_json::from_str(value).unwrap_or_else(|error| panic!("{line}: {error}")))
    };
    lines.map(parse).collect()
}

#[test]
fn examples_of_the_page_have_their_values() {
    let examples = examples();
    assert!(examples.len() > 80, "{} examples", examples.len());
    let mut definition: Value = serde_yaml::from_str(&blocks("yaml")[0].join("\n")).expect("YAML");
    // Written as in the page: JSON has no `1.10`.
    definition["values"]["version"] = json!("VERSION");
    let outputs: BTreeMap<String, &str> =
        examples.iter().enumerate().map(|(number, (expression, _))| (format!("e{number:03}"), *expression)).collect();
    definition["outputs"] = json!(outputs);
    let text = serde_yaml::to_string(&definition).expect("YAML").replace("VERSION", "1.10");
    let source = Source::new("stack.yaml", text);
    let stack = load(&source, &LoadOptions::default())
        .map_err(|problems| problems.iter().map(|problem| problem.render(&source, false)).collect::<Vec<_>>().join("\n"));
    let stack = stack.unwrap_or_else(|problems| panic!("{problems}"));
    let wrong: Vec<String> = examples
        .iter()
        .zip(stack.outputs.values())
        .filter(|((_, expected), found)| expected != *found && expected.as_f64().is_none_or(|number| found.as_f64() != Some(number)))
        .map(|((expression, expected), found)| format!("{expression} is {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_has_an_example_of_every_filter_test_and_function() {
    let text: String = examples().into_iter().map(|(expression, _)| format!("{expression}\n")).collect();
    let filters = "safe default upper lower wordcount pluralize trim trim_start trim_end replace capitalize title truncate indent str int float length \
                   reverse split abs round first last nth join sort unique get values keys pairs group_by";
    let tests = "string number map bool array integer float none iterable defined undefined odd even divisible_by starting_with ending_with containing";
    let missing = |names: &'static str, form: fn(&str) -> Vec<String>| {
        names.split_whitespace().filter(|name| !form(name).iter().any(|form| text.contains(form.as_str()))).collect::<Vec<_>>()
    };
    assert_eq!(missing(filters, |name| [" ", "("].map(|end| format!("| {name}{end}")).to_vec()), [""; 0]);
    assert_eq!(
        missing(tests, |name| [" ", "("].iter().flat_map(|end| [format!("is {name}{end}"), format!("is not {name}{end}")]).collect()),
        [""; 0]
    );
    assert_eq!(missing("cidrsubnet range throw", |name| vec![format!("{name}(")]), [""; 0]);
}
