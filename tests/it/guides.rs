//! The guides are correct: their files are valid, and their commands run in order, on the simulated cloud.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    acme::{CommandOutput, binary},
    readme::copy_stacks,
    standin,
};

/// A part of a guide that does something.
enum Step<'a> {
    /// A file, by its name in the code block's first line.
    File(&'a str, &'a str),
    Command(&'a str),
}

/// Files and commands of a guide, in order.
fn steps(text: &str) -> Vec<Step<'_>> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let blocks = blocks.map(|block| block.split_once('\n').unwrap_or((block, "")));
    blocks
        .flat_map(|(info, body)| match info.split_once(' ') {
            Some(("yaml", name)) => vec![Step::File(name, body)],
            None if info == "console" => body.lines().filter_map(|line| line.strip_prefix("$ ")).map(Step::Command).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// A folder with the repository's stacks, and `acme` on the simulated cloud.
fn folder() -> tempfile::TempDir {
    let folder = copy_stacks();
    let acme = std::path::absolute(binary()).expect("a path");
    let acme = acme.display();
    let cloud = folder.path().join("cloud");
    // Commands without a cloud don't have the flag.
    let script = format!(
        "#!/bin/sh\nif {acme} \"$1\" --help | grep -q -- '--local\\['; then exec {acme} \"$@\" --local={}; else exec {acme} \"$@\"; fi\n",
        cloud.display()
    );
    let program = folder.path().join("bin/acme");
    fs::remove_file(&program).expect("the link");
    fs::write(&program, script).expect("written");
    assert!(Command::new("chmod").arg("+x").arg(&program).status().expect("chmod runs").success());
    folder
}

fn guides() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).expect("the guides").flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Number of commands that ran.
fn check(guide: &Path) -> usize {
    let text = fs::read_to_string(guide).expect("a guide");
    let folder = folder();
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").expect("a path"));
    let mut commands = 0;
    for step in steps(&text) {
        match step {
            Step::File(name, body) => {
                let file = folder.path().join(name);
                fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                fs::write(file, format!("{body}\n")).expect("written");
            }
            Step::Command(command) => {
                let mut shell = standin::with_test_credentials(Command::new("sh"));
                shell.args(["-c", command]).current_dir(folder.path()).env("PATH", &path);
                shell.env("XDG_STATE_HOME", folder.path().join("state"));
                for name in ["ACME_BACKEND", "ACME_ENV", "GITHUB_ACTIONS", "CI"] {
                    shell.env_remove(name);
                }
                let done = CommandOutput::from_output(shell.output().expect("sh runs"));
                assert_eq!(done.code, 0, "{}: $ {command}\n{}", guide.display(), done.combined_output());
                commands += 1;
            }
        }
    }
    commands
}

#[test]
fn guide_commands_run_in_order() {
    let guides = guides();
    assert!(guides.len() >= 10, "{guides:?}");
    let wrong: Vec<&PathBuf> = guides.iter().filter(|guide| check(guide) == 0).collect();
    assert!(wrong.is_empty(), "without commands: {wrong:?}");
}
