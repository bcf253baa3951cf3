//! Commands that acme prints as advice have the options of the run, and work when they are pasted.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use regex_lite::Regex;

use crate::acme::{Acme, CommandOutput, binary, write_file};

const STACK: &str = "
stack: shop
region: eu-west-1
values: { size: 1 }
environments: { staging: {} }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: '10.0.{{ size }}.0/24', availability_zone: eu-west-1a } }
";

/// Commands on the stack in a text.
fn printed(text: &str) -> Vec<String> {
    let pattern = Regex::new("`(acme (?:apply|rollback|plan|destroy|history|unlock)[^`]*)`").unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Runs a printed command in a shell, with more arguments.
fn paste(acme: &Acme, line: &str, more: &str) -> CommandOutput {
    let rest = line.strip_prefix("acme ").expect("a command of acme");
    let own = binary();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("'{}' {rest} {more}", own.to_str().unwrap())]).env("XDG_STATE_HOME", acme.state_dir()).env("NO_COLOR", "1");
    CommandOutput::from_output(shell.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output().expect("a shell"))
}

#[track_caller]
fn assert_complete(line: &str, folder: &Path) {
    let shown = folder.display().to_string();
    for part in ["stack.yaml", "--env staging", "--set size=2", "--backend", "--local="] {
        assert!(line.contains(part), "`{line}` lacks {part}");
    }
    assert!(line.contains(&shown), "{line}");
}

#[test]
fn printed_commands_have_the_options_of_the_run_and_work() {
    let folder = tempfile::tempdir().unwrap();
    let backend = folder.path().join("backend").display().to_string();
    let options = ["--env", "staging", "--set", "size=2", "--backend", &backend];
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&options);
    let stack = write_file(folder.path(), "stack.yaml", STACK);

    // Nothing is applied yet.
    let early = acme.run("outputs", &stack, &[]);
    let commands = printed(&early.stderr);
    assert_eq!(commands.len(), 1, "{}", early.stderr);
    assert_complete(&commands[0], folder.path());
    acme.run("apply", &stack, &["--yes"]).assert_success();

    // A run that was killed: the next commands are printed by whichever command notices it.
    let other = write_file(folder.path(), "stack.yaml", &STACK.replace("10.0.{{ size }}", "10.0.1{{ size }}"));
    acme.run_with_env(&[("ACME_LOCAL_FAULT", "crash-after:1")], "apply", &other, &["--yes"]);
    let mut checked = 0;
    for (command, more) in [("plan", &[][..]), ("history", &[]), ("rollback", &["--to", "1", "--yes"])] {
        let done = acme.run(command, &other, more);
        let commands = printed(&done.combined_output());
        assert!(!commands.is_empty(), "{command}: {}", done.combined_output());
        for line in &commands {
            assert_complete(line, folder.path());
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked}");
    let undo =
        printed(&acme.run("plan", &other, &[]).stderr).into_iter().find(|line| line.starts_with("acme rollback ")).expect("a rollback");
    paste(&acme, &undo, "--yes").assert_success();

    // A saved plan has its environment and values, and needs where the stack is.
    let saved = folder.path().join("next.acmeplan").display().to_string();
    let done = acme.run("plan", &other, &["--out", &saved]).assert_success();
    let [apply] = &printed(&done.stderr)[..] else { panic!("{}", done.stderr) };
    assert!(apply.contains("--local=") && apply.contains("--backend") && !apply.contains("--env"), "{apply}");
    paste(&acme, apply, "").assert_success();
    acme.assert_no_changes(&other);

    // A saved plan of another definition.
    write_file(folder.path(), "stack.yaml", STACK);
    let stale = paste(&acme, apply, "");
    let [plan] = &printed(&stale.stderr)[..] else { panic!("{}", stale.stderr) };
    assert_complete(plan, folder.path());
    assert!(plan.contains("--out "), "{plan}");
    paste(&acme, plan, "").assert_success();
    paste(&acme, apply, "").assert_success();
}
