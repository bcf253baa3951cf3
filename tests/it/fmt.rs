//! `acme fmt`: the standard layout of definitions.

use std::{fs, io::Write as _, path::Path, process::Stdio};

use crate::acme::{CommandOutput, binary, write_file};

const TEXT: &str = "stack:   shop # ours\nvalues: {zones:   2}\nnetwork:\n    zones: '{{ zones }}'   # all of them\n";
const FORMATTED: &str = "stack: shop # ours\nvalues: { zones: 2 }\nnetwork:\n  zones: \"{{ zones }}\" # all of them\n";

fn run(folder: &Path, arguments: &[&str], input: &str) -> CommandOutput {
    let mut command = std::process::Command::new(binary());
    command.arg("fmt").args(arguments).current_dir(folder).env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).ok();
    CommandOutput::from_output(child.wait_with_output().expect("acme ends"))
}

#[test]
fn formats_files_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_file(folder.path(), "acme.yaml", TEXT);
    let checked = run(folder.path(), &["--check"], "");
    assert_eq!(checked.code, 2, "{}", checked.combined_output());
    assert!(checked.stdout.contains("- stack:   shop # ours") && checked.stdout.contains("+ stack: shop # ours"), "{}", checked.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), TEXT, "a check writes nothing");
    let done = run(folder.path(), &[], "").assert_success();
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), done.stderr.as_str()), (FORMATTED, "Formatted acme.yaml.\n"));
    let again = run(folder.path(), &["--check", "acme.yaml"], "").assert_success();
    assert_eq!(again.combined_output(), "");
    assert_eq!(run(folder.path(), &["-"], TEXT).assert_success().stdout, FORMATTED);
    let wrong = run(folder.path(), &["-"], "stack: [\n");
    assert!(wrong.code == 1 && wrong.stdout.is_empty(), "{}", wrong.combined_output());
}
