//! On a terminal: the live view starts, ends with the summary, and leaves nothing behind.

use std::{
    io::{BufRead, BufReader, Read},
    num::NonZero,
    path::Path,
    process::{Command, Stdio},
};

use regex_lite::Regex;

use crate::{
    acme::{Acme, CommandOutput, write_file},
    standin::python,
};

/// Sequential steps, so that the order on the screen is known.
const CHAIN: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a } }
  elastic_ip: { nat: { depends_on: [subnet.a] } }
  nat_gateway: { nat: { subnet: a, elastic_ip: nat } }
outputs: { subnet: '{{ subnet.a.id }}' }
";
const ROWS: u16 = 40;
const COLUMNS: u16 = 80;

/// Output to a terminal, in bytes.
struct TerminalOutput(CommandOutput);

impl TerminalOutput {
    /// Runs a command on a terminal; with a `text`, types Ctrl-C as soon as that is shown.
    fn run(command: &Command, text: &str) -> TerminalOutput {
        let mut typed = Command::new(python());
        typed.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/terminal.py"));
        typed.args([&COLUMNS.to_string(), &ROWS.to_string(), text]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => typed.env(name, value),
                None => typed.env_remove(name),
            };
        }
        TerminalOutput(CommandOutput::from_output(typed.output().expect("python runs")))
    }

    /// Final content of the terminal, without variable parts.
    fn final_screen(&self) -> String {
        let [rows, columns] = [ROWS, COLUMNS].map(|n| NonZero::new(n).unwrap());
        let mut terminal = vt100::Parser::new(rows, columns, 0);
        terminal.process(self.0.stdout.as_bytes());
        let rows: Vec<String> = terminal.screen().rows(0, COLUMNS).map(|row| row.trim_end().to_owned()).collect();
        let text = rows.join("\n").trim_end().to_owned();
        let text = Regex::new(r"\b([a-z]+)-[0-9a-f]{8,17}\b").unwrap().replace_all(&text, "$1-…").into_owned();
        Regex::new(r"\b\d+\.\d s\b").unwrap().replace_all(&text, "… s").into_owned()
    }
}

fn apply_command(folder: &Path) -> Command {
    let acme = Acme::local(&folder.join("cloud"));
    let mut command = acme.command("apply", &write_file(folder, "small.yaml", CHAIN), &["--yes"]);
    command.env("TERM", "xterm").env_remove("CI").env("ACME_LOCAL_FAULT", "settle:0.01");
    command
}

#[test]
fn live_view_disappears_and_the_summary_stays() {
    let folder = tempfile::tempdir().unwrap();
    let shown = TerminalOutput::run(&apply_command(folder.path()), "");
    assert_eq!(shown.0.code, 0, "{}", shown.0.combined_output());
    for part in [
        "Applying small (default), simulated cloud: ",
        "critical path: subnet.a → ",
        "waiting for elastic_ip.nat",
        "creating  nat_gateway.nat",
        "usually 2 min",
    ] {
        assert!(shown.0.stdout.contains(part), "`{part}` was never shown:\n{}", shown.0.stdout);
    }
    assert!(!shown.0.stdout.contains("\x1b[32m"), "NO_COLOR is heeded");
    insta::assert_snapshot!(shown.final_screen());
}

#[test]
fn interrupt_leaves_a_clean_screen() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = apply_command(folder.path());
    command.env_remove("NO_COLOR").env("ACME_LOCAL_FAULT", "settle:0.1");
    let shown = TerminalOutput::run(&command, "creating  nat_gateway.nat");
    assert_eq!(shown.0.code, 130, "{}", shown.0.combined_output());
    assert!(shown.0.stdout.contains("\x1b[32m"), "colours are shown");
    insta::assert_snapshot!(shown.final_screen());
}

#[test]
fn prints_lines_on_a_terminal_without_cursor_movement() {
    for (name, value) in [("TERM", "dumb"), ("CI", "true")] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = apply_command(folder.path());
        let shown = TerminalOutput::run(command.env(name, value), "");
        assert_eq!(shown.0.code, 0, "{}", shown.0.combined_output());
        assert!(!shown.0.stdout.contains('\x1b'), "{:?}", shown.0.stdout);
        assert!(shown.0.stdout.contains("creating nat_gateway.nat (usually 2 min)"), "{}", shown.0.stdout);
    }
}

/// A closed terminal or SSH connection, and the end of a job in CI.
#[cfg(unix)]
#[test]
fn hang_up_and_termination_roll_back_like_an_interrupt() {
    for signal in ["-HUP", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = apply_command(folder.path());
        command.env("ACME_LOCAL_FAULT", "settle:0.1").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut acme = command.spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(acme.stderr.take().unwrap());
        while !said.contains("creating nat_gateway.nat") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        assert!(Command::new("kill").args([signal, &acme.id().to_string()]).status().unwrap().success());
        lines.read_to_string(&mut said).unwrap();
        assert_eq!(acme.wait().unwrap().code(), Some(130), "{signal}: {said}");
        assert!(said.contains("Rolled back"), "{signal}: {said}");
    }
}
