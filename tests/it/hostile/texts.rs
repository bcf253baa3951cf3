//! Texts from definitions and from AWS that would control a terminal, a CI system, a Markdown document or a page.

use std::{fs, path::Path, process::Command};

use acme::core::is_unprintable;
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, write_file},
    scripted_endpoint::{Script, json_error, ok},
};

/// Clears the screen, sets the title, blinks, reverses the order, gives commands to GitHub and Azure, ends a fence, and starts a script.
const PAYLOAD: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[5;7m\u{9b}2J\u{202e}\r\n::set-output name=owned::x\n  ::warning::owned\n\
                       ##[error]owned ##vso[task.setvariable variable=owned]x\n```\n````\n[owned](https://example.com) <img src=owned> | a |\n</script>";

/// JSON in ASCII, which is YAML.
fn yaml(value: &Value) -> String {
    value.to_string().chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
}

/// Definition with the payload in tags, fields, values and outputs.
fn definition() -> String {
    let definition = json!({
        "stack": "shop",
        "region": "eu-west-1",
        "values": { "payload": PAYLOAD },
        "tags": { "team": PAYLOAD.get(..PAYLOAD.len().min(200)) },
        "resources": {
            "kms_key": { "a": { "description": "{{ payload }}" } },
            "secret": { "b": { "description": PAYLOAD, "tags": { "own": "\u{1b}[2J\n::set-output name=owned::x" } } },
            "vpc": { "main": { "cidr": "10.0.0.0/16", "tags": { "Name": "\u{1b}[2J\u{202e}" } } },
        },
        "outputs": { "plain": PAYLOAD, "list": [PAYLOAD], "x\n::warning::owned": "{{ vpc.main.id }}" },
    });
    yaml(&definition)
}

/// Runs a command as a step of a job, with colours; returns its output and the step's summary.
fn run_step(folder: &Path, mut command: Command) -> (CommandOutput, String) {
    let summary = folder.join("summary.md");
    fs::write(&summary, "").expect("a file");
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).env_remove("NO_COLOR");
    let done = CommandOutput::from_output(command.output().expect("acme runs"));
    (done, fs::read_to_string(summary).expect("a summary"))
}

#[track_caller]
fn assert_printable(plain: &str) {
    let raw = plain.chars().find(|c| is_unprintable(*c) && *c != '\n' && *c != '\t');
    assert!(raw.is_none(), "{raw:?} in {plain}");
}

#[track_caller]
fn assert_harmless(shown: &str) {
    let styles = Regex::new("\u{1b}\\[(0|1|2|3[0-9]|9[0-7])(;(0|1|2|3[0-9]|9[0-7]))*m").expect("a pattern");
    let plain = styles.replace_all(shown, "");
    assert_printable(&plain);
    for line in plain.lines() {
        assert!(!line.contains("##[") && !line.contains("##vso["), "{line}");
        let command = line.trim_start();
        // A command has a second pair of colons.
        let is_command = command.strip_prefix("::").is_some_and(|rest| rest.contains("::"));
        assert!(!is_command || command.starts_with("::error"), "{line}");
    }
}

/// Fails if the payload is outside fenced code.
#[track_caller]
fn assert_harmless_markdown(summary: &str) {
    assert_printable(summary);
    let mut fence: Option<&str> = None;
    for line in summary.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => assert!(!line.contains("owned"), "{line}\n{summary}"),
        }
    }
    assert_eq!(fence, None, "{summary}");
}

#[test]
fn texts_of_a_definition_are_shown_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--color", "always"]);
    let stack = write_file(folder.path(), "stack.yaml", &definition());
    let step = |command: &str, more: &[&str]| {
        let (done, summary) = run_step(folder.path(), acme.command(command, &stack, more));
        assert!(!done.stdout.is_empty() || !done.stderr.is_empty(), "{command} {more:?}");
        assert_harmless(&done.stdout);
        assert_harmless(&done.stderr);
        assert_harmless_markdown(&summary);
        (done.assert_success(), summary)
    };
    let (planned, _) = step("plan", &["--all"]);
    assert!(planned.stdout.contains("\\u{1b}[2J"), "{}", planned.stdout);
    let (planned, _) = step("plan", &["-o", "json"]);
    assert!(serde_json::from_str::<Value>(&planned.stdout).expect("JSON")["changes"].to_string().contains("owned"));
    let (applied, _) = step("apply", &["--yes", "-o", "json"]);
    let events: Vec<Value> = applied.stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!(events.last().expect("outputs")["outputs"]["plain"], PAYLOAD, "JSON keeps the value");
    step("apply", &["--yes"]);
    step("outputs", &[]);
    assert!(step("outputs", &["--name", "plain"]).0.stdout.contains("\\::set-output"));
    step("show", &["--live"]);
    let (expanded, _) = step("show", &["--expanded"]);
    write_file(folder.path(), "expanded.yaml", &expanded.stdout);
    acme.run("validate", &folder.path().join("expanded.yaml"), &[]);
    step("history", &[]);
    step("history", &["1"]);
    step("drift", &[]);
    for format in ["mermaid", "dot", "json", "html"] {
        let (graph, _) = step("graph", &["--live", "--format", format]);
        if format == "html" {
            assert_eq!(graph.stdout.matches("</script>").count(), 2);
            assert!(!graph.stdout.contains("<img"), "data can't become elements");
        }
    }
    // Changed tags and texts, and everything deleted.
    write_file(folder.path(), "stack.yaml", &definition().replace("owned", "owned-again"));
    step("plan", &[]);
    step("apply", &["--yes"]);
    step("destroy", &["--yes"]);
}

#[test]
fn mistakes_are_shown_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--color", "always"]);
    let mistakes = [
        yaml(&json!({ "stack": PAYLOAD })),
        yaml(&json!({ "stack": "shop", PAYLOAD: {} })),
        yaml(&json!({ "stack": "shop", "environments": { PAYLOAD: {} } })),
        yaml(&json!({ "stack": "shop", "resources": { "vpc": { PAYLOAD: { PAYLOAD: 1 } }, "subnet": { "a": { "vpc": PAYLOAD } } } })),
        yaml(&json!({ "stack": "shop", "outputs": { "a": format!("{{{{ {PAYLOAD} }}}}") } })),
        yaml(&json!({ "stack": "shop", "tags": { PAYLOAD: "x".repeat(300) } })),
        // Not valid YAML, or shown from the file.
        "stack: \u{1b}[2J\u{202e}\n::warning::owned: [".to_owned(),
        "stack: shop\nresources: { vpc: { main: { cidr: \"10\u{202e}\" } } } # \u{202e}owned\n".to_owned(),
    ];
    for text in mistakes {
        let stack = write_file(folder.path(), "x\u{1b}[2J.yaml", &text);
        let (done, summary) = run_step(folder.path(), acme.command("plan", &stack, &[]));
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert_harmless(&done.stdout);
        assert_harmless(&done.stderr);
        assert_harmless_markdown(&summary);
    }
    for argument in [format!("--env={PAYLOAD}"), format!("--{PAYLOAD}"), format!("--set={PAYLOAD}=1")] {
        let (done, _) = run_step(folder.path(), acme.command("plan", &write_file(folder.path(), "s.yaml", "stack: shop\n"), &[&argument]));
        assert_ne!(done.code, 0);
        assert_harmless(&done.stdout);
        assert_harmless(&done.stderr);
    }
}

#[test]
fn answers_of_aws_are_shown_escaped() {
    let secret =
        |tags: Value| ok(json!({ "ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:b-AbCdEf", "Name": "b", "Tags": tags }));
    let stranger = json!([{ "Key": "acme:stack", "Value": PAYLOAD }, { "Key": PAYLOAD, "Value": PAYLOAD }]);
    let refused = Script::new()
        .on("DescribeSecret", [json_error(400, "ResourceNotFoundException", PAYLOAD)])
        .on("CreateSecret", [json_error(400, "InvalidParameterException", PAYLOAD)])
        .start("  secret: { b: {} }\n");
    let foreign = Script::new().on("DescribeSecret", [secret(stranger)]).start("  secret: { b: { name: b } }\n");
    for (endpoint, command, more) in
        [(&refused, "apply", &["--yes"][..]), (&foreign, "plan", &[]), (&foreign, "apply", &["--yes", "-o", "json"])]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let more = [more, &["--color", "always"]].concat();
        let (done, summary) = run_step(folder.path(), endpoint.command(command, &more));
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert!(done.combined_output().contains("owned"), "{}", done.combined_output());
        assert_harmless(&done.stdout);
        assert_harmless(&done.stderr);
        assert_harmless_markdown(&summary);
    }
}
