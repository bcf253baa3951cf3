//! Every command that works on the simulated cloud says so: nobody takes it for AWS.

use std::{path::Path, process::Command};

use acme::cli::Cli;
use clap::CommandFactory as _;

use crate::{
    acme::{CommandOutput, binary, write_file},
    standin::with_test_credentials,
};

/// Line at the begin of stderr.
const MARK: &str = "[simulated cloud] Nothing in AWS is read or changed.";

const TEXT: &str = "stack: shop\nregion: us-east-1\nresources: { parameter: { size: { value: small } } }\noutputs: { size: '{{ parameter.size.value }}' }\n";

fn run_in(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let mut command = with_test_credentials(Command::new(binary()));
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").env("XDG_STATE_HOME", folder.join("state"));
    for variable in ["ACME_ENV", "ACME_BACKEND", "ACME_LOCAL_FAULT", "ACME_LOG", "GITHUB_ACTIONS", "CI"] {
        command.env_remove(variable);
    }
    CommandOutput::from_output(command.output().expect("acme runs"))
}

/// Names of the commands with `--local`.
fn commands() -> Vec<String> {
    let has_local = |command: &&clap::Command| command.get_arguments().any(|argument| argument.get_id() == "local");
    Cli::command().get_subcommands().filter(has_local).map(|command| command.get_name().to_owned()).collect()
}

/// Arguments that a command needs besides the file; `--yes` where it asks.
fn arguments_of(command: &str) -> &'static [&'static str] {
    match command {
        "apply" | "destroy" | "rollback" => &["--yes"],
        "import" => &["parameter.size", "none", "--yes"],
        "forget" => &["parameter.size", "--yes"],
        "show" => &["--live"],
        "render" => &["--to", "rendered"],
        "token" => &["--cluster", "main"],
        // Without a name, which is the default file.
        "kubeconfig" => &["--merge"],
        _ => &[],
    }
}

#[test]
fn every_command_with_the_simulated_cloud_says_so() {
    let commands = commands();
    for known in ["plan", "apply", "graph", "show", "history", "outputs", "stacks", "forget", "import", "drift", "unlock", "render"] {
        assert!(commands.iter().any(|command| command == known), "{commands:?}");
    }
    for command in &commands {
        let folder = tempfile::tempdir().unwrap();
        write_file(folder.path(), "acme.yaml", TEXT);
        run_in(folder.path(), &["apply", "--local", "--yes"]).assert_success();
        let arguments = [&[command.as_str(), "--local"][..], arguments_of(command)].concat();
        let done = run_in(folder.path(), &arguments);
        assert!(!done.stderr.contains("Usage:"), "give {command} its arguments: {}", done.stderr);
        let first = done.stderr.lines().next().unwrap_or_default();
        assert_eq!(first, MARK, "{command}: {}", done.combined_output());
        assert!(!done.stdout.contains(MARK), "{command}: stdout has the result alone: {}", done.stdout);
        // Colour distinguishes it, too.
        let coloured = run_in(folder.path(), &[&arguments[..], &["--color", "always"]].concat());
        assert!(coloured.stderr.starts_with("\u{1b}[1m\u{1b}[35m[simulated cloud]"), "{command}: {:?}", coloured.stderr);
        let quiet = run_in(folder.path(), &[&arguments[..], &["--quiet"]].concat());
        assert!(!quiet.stderr.contains(MARK), "{command}: {}", quiet.stderr);
    }
}

#[test]
fn pipes_get_the_same_result_with_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    run_in(folder.path(), &["apply", "--local", "--yes"]).assert_success();
    for arguments in [
        &["outputs", "-o", "json"][..],
        &["outputs", "--name", "size"],
        &["plan", "-o", "json"],
        &["graph"],
        &["graph", "-o", "json"],
        &["show"],
        &["show", "--live", "-o", "json"],
        &["history", "-o", "json"],
        &["stacks", "-o", "json"],
        &["drift", "-o", "json"],
    ] {
        let done = run_in(folder.path(), &[arguments, &["--local"]].concat()).assert_success();
        assert!(done.stderr.starts_with(MARK), "{arguments:?}: {}", done.stderr);
        let quiet = run_in(folder.path(), &[arguments, &["--local", "--quiet"]].concat()).assert_success();
        assert!(!done.stdout.is_empty() && !done.stdout.contains(MARK), "{arguments:?}: {}", done.stdout);
        if !arguments.contains(&"stacks") {
            assert_eq!(done.stdout, quiet.stdout, "{arguments:?}");
        }
        if arguments.contains(&"json") {
            serde_json::from_str::<serde_json::Value>(&done.stdout)
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", done.stdout));
        }
    }
    assert_eq!(run_in(folder.path(), &["outputs", "--name", "size", "--local"]).stdout, "small\n");
}

#[test]
fn aws_is_not_marked() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    let done = run_in(folder.path(), &["plan", "--endpoint-url", "http://127.0.0.1:1"]);
    assert!(done.code == 1 && !done.combined_output().contains("simulated cloud"), "{}", done.combined_output());
    assert!(!folder.path().join(".acme").exists());
}
