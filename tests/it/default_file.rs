//! Commands without a file: `acme.yaml` or `stack.yaml` in the current folder.

use std::{path::Path, process::Command};

use crate::{
    acme::{CommandOutput, binary, write_file},
    standin::with_test_credentials,
};

const TEXT: &str = "stack: shop\nregion: us-east-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";

fn run_in(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let mut command = with_test_credentials(Command::new(binary()));
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").env("XDG_STATE_HOME", folder.join("state"));
    for variable in ["ACME_ENV", "ACME_BACKEND", "ACME_LOCAL_FAULT", "GITHUB_ACTIONS", "CI"] {
        command.env_remove(variable);
    }
    CommandOutput::from_output(command.output().expect("acme runs"))
}

#[test]
fn commands_take_the_file_of_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    let none = run(&["validate"]);
    assert!(
        none.code == 1 && none.stderr.contains("error[definition-file]") && none.stderr.contains("acme new"),
        "{}",
        none.combined_output()
    );
    write_file(folder.path(), "stack.yaml", TEXT);
    run(&["validate"]).assert_success();
    run(&["apply", "--local", "--yes"]).assert_success();
    let plan = run(&["plan", "--local", "--detailed-exitcode"]).assert_success();
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);
    assert!(run(&["history", "1", "--local"]).assert_success().stdout.contains("vpc.main"));
    assert!(run(&["history", "-f", "stack.yaml", "1", "--local"]).assert_success().stdout.contains("vpc.main"));
    // The address is not taken for a file.
    let known = run(&["import", "vpc.main", "vpc-0", "--local"]);
    assert!(known.code == 1 && known.stderr.contains("error[not-found]"), "{}", known.combined_output());
    run(&["forget", "vpc.main", "--local", "--yes"]).assert_success();
    write_file(folder.path(), "acme.yaml", TEXT);
    let both = run(&["plan", "--local"]);
    assert!(both.code == 1 && both.stderr.contains("both `acme.yaml` and `stack.yaml`"), "{}", both.combined_output());
    run(&["validate", "acme.yaml"]).assert_success();
    run(&["validate", "--file", "acme.yaml"]).assert_success();
    let twice = run(&["validate", "acme.yaml", "-f", "stack.yaml"]);
    assert!(twice.code == 1 && twice.stderr.contains("error[definition-file]"), "{}", twice.combined_output());
}
