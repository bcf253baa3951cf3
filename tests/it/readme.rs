//! The README is correct: its commands run in order, and acme prints the shown plan.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    acme::{Acme, CommandOutput, binary},
    standin::{self, Standin, StandinKind},
};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README")
}

/// Code blocks of this language.
fn code_blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("\n```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("\n```").next().expect("a block")).collect()
}

fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("$ "))
}

/// A folder with the repository's stacks, and `bin/acme`.
pub fn copy_stacks() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        path
    };
    let (stacks, bin) = (made("stacks"), made("bin"));
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks")).expect("the stacks").flatten() {
        fs::copy(file.path(), stacks.join(file.file_name())).expect("a copy");
    }
    std::os::unix::fs::symlink(std::path::absolute(binary()).expect("a path"), bin.join("acme")).expect("a link");
    folder
}

/// A command for the test; `None` for the test run itself, and for the stand-in, which is already running.
fn runnable(command: &str, endpoint: &str) -> Option<String> {
    if command == "cargo test" || command.ends_with("/ministack &") {
        return None;
    }
    let command = command.split(" # ").next()?.trim_end().replace("cargo run -- ", "acme ").replace("http://127.0.0.1:4566", endpoint);
    let asks = ["acme apply ", "acme destroy "].iter().any(|start| command.starts_with(start)) && !command.contains("--yes");
    Some(if asks { format!("{command} --yes") } else { command })
}

/// Calls to AWS go to ministack, set by `AWS_ENDPOINT_URL`.
#[test]
fn readme_commands_run_in_order() {
    let standin = Standin::start(StandinKind::Ministack);
    let folder = copy_stacks();
    let path: Vec<PathBuf> =
        [folder.path().join("bin")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())).collect();
    let text = readme();
    let mut ran = Vec::new();
    for command in code_blocks(&text, "console").into_iter().flat_map(commands) {
        let Some(runnable) = runnable(command, &standin.url) else { continue };
        let mut shell = standin::with_test_credentials(Command::new("sh"));
        shell.args(["-c", &runnable]).current_dir(folder.path());
        shell.env("PATH", std::env::join_paths(&path).unwrap()).env("XDG_STATE_HOME", folder.path().join("state"));
        shell.env("AWS_ENDPOINT_URL", &standin.url).env_remove("ACME_BACKEND").env_remove("GITHUB_ACTIONS");
        let done = CommandOutput::from_output(shell.output().expect("sh runs"));
        assert_eq!(done.code, 0, "$ {command}\n{}", done.combined_output());
        ran.push((runnable, done));
    }
    let outputs_of = |command: &str| -> Vec<&str> {
        ran.iter()
            .filter(|(ran, _)| ran.split_whitespace().collect::<Vec<_>>().join(" ") == command)
            .map(|(_, done)| done.stdout.as_str())
            .collect()
    };
    let [first, second] = outputs_of("acme plan --env staging --local")[..] else { panic!("the walk plans twice: {ran:#?}") };
    assert!(first.contains("; 0 unchanged.") && second.contains("Plan: ") && !second.contains("; 0 unchanged."), "{first}{second}");
    assert_eq!(outputs_of("acme outputs --env staging -o json").len(), 1, "{ran:#?}");
}

/// The plan in the README: the reference stack after the edits it describes.
#[test]
fn readme_plan_matches_the_output() {
    let folder = copy_stacks();
    let reference = folder.path().join("stacks/reference.yaml");
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    acme.apply(&reference);
    let mut text = fs::read_to_string(&reference).unwrap();
    for (before, after) in [("nat: per-az", "nat: single"), ("db_class: db.m6g.large", "db_class: db.m6g.xlarge")] {
        assert_eq!(text.matches(before).count(), 1, "{before}");
        text = text.replace(before, after);
    }
    fs::write(&reference, text).unwrap();
    let readme = readme();
    let (command, picture) = code_blocks(&readme, "text")[0].split_once('\n').unwrap();
    assert_eq!(command, "$ acme plan stacks/reference.yaml --env production --local");
    assert_eq!(acme.run("plan", &reference, &[]).assert_success().stdout.trim_end(), picture.trim_end());
}
