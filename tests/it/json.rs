//! `-o json` of every command, and of errors.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use regex_lite::Regex;
use serde_json::Value;

use crate::acme::{Acme, CommandOutput, write_file};

/// Commands that write no data, or only files; and the one for builds, which always writes JSON.
const WITHOUT_DATA: [&str; 5] = ["completions", "docs", "fmt", "man", "runner"];
/// Documents in the form of another program.
const FOREIGN: [&str; 3] = ["policy", "schema", "show --expanded"];

const STACK: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
outputs: { vpc: '{{ vpc.main.id }}' }
";

fn commands() -> Vec<clap::Command> {
    acme::cli::Cli::command().get_subcommands().filter(|command| !WITHOUT_DATA.contains(&command.get_name())).cloned().collect()
}

/// Formats that the documentation lists.
fn documented_formats() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    Regex::new("`(acme-[a-z-]+/[0-9]+)`").unwrap().captures_iter(&text).map(|found| found[1].to_owned()).collect()
}

/// Values on stdout, which holds nothing else.
fn values(done: &CommandOutput) -> Vec<Value> {
    let stream = serde_json::Deserializer::from_str(&done.stdout).into_iter::<Value>();
    stream.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}:\n{}{}", done.stdout, done.stderr))
}

#[test]
fn every_command_with_data_accepts_json() {
    let all = commands();
    assert!(all.len() > 20);
    for command in all {
        let output = command.get_arguments().find(|argument| argument.get_id() == "output");
        let output = output.unwrap_or_else(|| panic!("`{}` has no -o", command.get_name()));
        assert_eq!((output.get_short(), output.get_long()), (Some('o'), Some("output")), "{}", command.get_name());
        assert!(output.get_possible_values().iter().any(|value| value.get_name() == "json"), "{}", command.get_name());
    }
}

#[test]
fn what_commands_print_states_its_documented_format() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "small.yaml", STACK);
    let documented = documented_formats();
    let offline = acme.with_only_args(&[]);
    let new = folder.path().join("new.yaml").display().to_string();
    let runs: [(&Acme, &str, &[&str]); 18] = [
        (&offline, "validate", &[]),
        (&offline, "validate", &["--all-environments"]),
        (&offline, "policy", &[]),
        (&offline, "policy", &["--resources"]),
        (&offline, "policy", &["--for", "plan"]),
        (&acme, "plan", &[]),
        (&acme, "rehearse", &["--modes", "refuse"]),
        (&acme, "apply", &["--yes"]),
        (&acme, "plan", &[]),
        (&acme, "drift", &[]),
        (&acme, "history", &[]),
        (&acme, "history", &["1"]),
        (&acme, "outputs", &[]),
        (&acme, "show", &["--live"]),
        (&acme, "show", &["--expanded"]),
        (&acme, "graph", &[]),
        (&acme, "unlock", &[]),
        (&acme, "destroy", &["--yes"]),
    ];
    let mut seen = BTreeSet::new();
    for (acme, command, more) in runs {
        let done = acme.run(command, &stack, &[more, &["-o", "json"]].concat()).assert_success();
        let values = values(&done);
        let name = [&[command], more].concat().join(" ");
        assert!(!values.is_empty(), "{name} prints nothing");
        if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            assert_eq!(values.len(), 1, "{name}");
            continue;
        }
        // Events of one stream have the format in the first.
        let formats: Vec<&str> = values.iter().filter_map(|value| value["format"].as_str()).collect();
        assert!(values[0]["format"].is_string() && formats.iter().all(|format| documented.contains(*format)), "{name}: {formats:?}");
        assert!(values.iter().all(|value| value["format"].is_string() || value["event"].is_string()), "{name}");
        seen.extend(formats.into_iter().map(str::to_owned));
    }
    for (command, argument, more) in
        [("explain", "cycle", &[][..]), ("new", "shop", &["--with", "network", "--out", &new]), ("schema", "-o", &["json"])]
    {
        let more = if command == "schema" { more.to_vec() } else { [more, &["-o", "json"]].concat() };
        let done = offline.run(command, Path::new(argument), &more).assert_success();
        seen.extend(values(&done)[0]["format"].as_str().map(str::to_owned));
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
    assert!(seen.is_subset(&documented), "{seen:?}");
}

/// Every command on a stack fails in the same way if there is none.
#[test]
fn every_command_reports_a_missing_file_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let missing = folder.path().join("missing.yaml");
    let mut checked = 0;
    for command in commands().iter().filter(|command| command.get_arguments().any(|argument| argument.get_id() == "file")) {
        let more: &[&str] = match command.get_name() {
            "forget" => &["vpc.main"],
            "import" => &["vpc.main", "vpc-1"],
            "render" => &["--to", "rendered"],
            _ => &[],
        };
        let is_offline = matches!(command.get_name(), "validate" | "policy");
        let acme = if is_offline { acme.with_only_args(&[]) } else { acme.clone() };
        let done = acme.run(command.get_name(), &missing, &[more, &["-o", "json"]].concat());
        let name = command.get_name();
        assert_eq!(done.code, 1, "{name}: {}", done.stderr);
        let [error] = &values(&done)[..] else { panic!("{name}: {}", done.stdout) };
        assert_eq!((error["format"].as_str(), error["error"]["code"].as_str()), (Some("acme-error/1"), Some("file")), "{name}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("missing.yaml"), "{name}: {error}");
        assert!(done.stderr.contains("error[file]:"), "people see it, too: {}", done.stderr);
        checked += 1;
    }
    assert!(checked >= 18, "{checked}");
}

#[test]
fn a_problem_of_a_definition_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = STACK.replace("{ cidr: 10.0.0.0/16 }", "{ cidr: 10.0.0.0/99, colour: red }");
    let stack = write_file(folder.path(), "small.yaml", &text);
    let done = acme.run("plan", &stack, &["-o", "json"]);
    let [error] = &values(&done)[..] else { panic!("{}", done.stdout) };
    assert_eq!((done.code, error["error"]["code"].as_str()), (1, Some("invalid-definition")));
    let problems = error["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for problem in problems {
        let (line, column) = (problem["line"].as_u64().unwrap() as usize, problem["column"].as_u64().unwrap() as usize);
        let at = &text.lines().nth(line - 1).unwrap()[column - 1..];
        assert!(at.starts_with("10.0.0.0/99") || at.starts_with("colour"), "{at}");
        assert!(problem["file"].as_str().unwrap().ends_with("small.yaml") && problem["code"].is_string());
    }
    let place = |value: &Value| ["file", "line", "column"].map(|name| value[name].clone());
    assert_eq!(place(&error["error"]), place(&problems[0]));

    let validated = acme.with_only_args(&[]).run("validate", &stack, &["--all-environments", "-o", "json"]);
    assert_eq!(validated.code, 1);
}

#[test]
fn a_refusal_has_its_code_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["-o", "json"]);
    let stack = write_file(folder.path(), "small.yaml", STACK);
    let done = acme.run("rollback", &stack, &["--yes"]);
    let [error] = &values(&done)[..] else { panic!("{}", done.stdout) };
    assert_eq!((done.code, error["error"]["code"].as_str()), (1, Some("nothing-to-undo")), "{error}");
    let unknown = acme.with_only_args(&["-o", "json"]).run("explain", Path::new("cyclle"), &[]);
    let [error] = &values(&unknown)[..] else { panic!("{}", unknown.stdout) };
    assert_eq!(error["error"]["message"], "unknown code `cyclle`");
    assert!(error["error"]["help"].as_str().unwrap().contains("cycle"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "small.yaml", STACK);
    let full = fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let done = acme.command("plan", &stack, &[]).stdout(full).output().expect("acme runs");
    let done = CommandOutput::from_output(done);
    assert!(done.code == 1 && done.stderr.contains("can't write to stdout"), "{} {}", done.code, done.stderr);
}

/// `head` has seen enough: no error, no message, for every command that prints much.
#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let stack = crate::acme::repository_stack("reference.yaml");
    acme.run_with_env(&[("ACME_LOCAL_FAULT", "settle:0.001")], "apply", &stack, &["--yes"]).assert_success();
    for (command, more) in
        [("show", &["--live"][..]), ("show", &["--live", "-o", "json"]), ("show", &[]), ("plan", &["--all"]), ("graph", &[])]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done = acme.command(command, &stack, more).stdout(writer).output().expect("acme runs");
        let done = CommandOutput::from_output(done);
        assert_eq!((done.code, done.stderr.contains("panic") || done.stderr.contains("error")), (0, false), "{command}: {}", done.stderr);
    }
}
