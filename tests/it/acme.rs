//! The binary under test, as a user runs it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
    time::Duration,
};

use assert_cmd::Command;
use serde_json::Value;

use crate::standin;

/// Configuration of acme: an endpoint or a simulated cloud's folder, and common arguments.
#[derive(Clone, Debug)]
pub struct Acme {
    arguments: Vec<String>,
    /// Folder of its history: never the developer's own.
    state_dir: Arc<tempfile::TempDir>,
    /// Folder of the backend that several machines share; `None`: the history is in the home folder.
    backend: Option<Arc<tempfile::TempDir>>,
}

/// Result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Acme {
    /// Against an endpoint, in the region of the stand-ins' clients.
    pub fn at_endpoint(endpoint: &str) -> Acme {
        Acme::new(["--endpoint-url", endpoint, "--region", "us-east-1"].map(str::to_owned).into())
    }
    /// Against an endpoint, in the region of the definition.
    pub fn without_region(endpoint: &str) -> Acme {
        Acme::new(["--endpoint-url", endpoint].map(str::to_owned).into())
    }
    /// Against the simulated cloud in a folder.
    pub fn local(folder: &Path) -> Acme {
        Acme::new(vec![format!("--local={}", folder.display())])
    }
    fn new(arguments: Vec<String>) -> Acme {
        Acme { arguments, state_dir: Arc::new(tempfile::tempdir().expect("a folder")), backend: None }
    }
    /// Same with a backend outside its home folder.
    pub fn with_shared_backend(&self) -> Acme {
        Acme { backend: Some(Arc::new(tempfile::tempdir().expect("a folder"))), ..self.clone() }
    }
    /// Another machine: an empty home folder, and the same backend.
    pub fn on_another_machine(&self) -> Acme {
        assert!(self.backend.is_some(), "its history is in its home folder");
        Acme { backend: self.backend.clone(), ..Acme::new(self.arguments.clone()) }
    }
    /// Adds arguments to every command.
    pub fn with_args(&self, arguments: &[&str]) -> Acme {
        let mut all = self.arguments.clone();
        all.extend(arguments.iter().map(|&a| a.to_owned()));
        Acme { arguments: all, ..self.clone() }
    }

    /// Same with another endpoint.
    pub fn with_endpoint(&self, endpoint: &str) -> Acme {
        let mut arguments = self.arguments.clone();
        arguments[1] = endpoint.to_owned();
        Acme { arguments, ..self.clone() }
    }
    /// Copy with its own copy of the history.
    pub fn with_copied_state(&self) -> Acme {
        let twin = Acme::new(self.arguments.clone());
        copy_dir(self.state_dir.path(), twin.state_dir.path()).expect("its memory can be copied");
        let Some(backend) = &self.backend else { return twin };
        let twin = twin.with_shared_backend();
        copy_dir(backend.path(), twin.backend.as_ref().expect("a backend").path()).expect("its memory can be copied");
        twin
    }
    /// Without a cloud, for commands that need none.
    pub fn without_cloud() -> Acme {
        Acme::new(Vec::new())
    }
    /// Same with other arguments for every command.
    pub fn with_only_args(&self, arguments: &[&str]) -> Acme {
        Acme { arguments: arguments.iter().map(|&a| a.to_owned()).collect(), ..self.clone() }
    }

    /// A command on a stack, not yet run.
    pub fn command(&self, command: &str, stack: &Path, more: &[&str]) -> std::process::Command {
        let mut whole = standin::with_test_credentials(std::process::Command::new(binary()));
        whole
            .env("XDG_STATE_HOME", self.state_dir.path())
            .env("XDG_CACHE_HOME", self.state_dir.path())
            .env_remove("ACME_PRICES")
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .env_remove("ACME_BACKEND")
            .env_remove("ACME_ENV")
            .env_remove("GITHUB_ACTIONS")
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("ACME_LOCAL_FAULT")
            .env_remove("CI")
            .env_remove("ACME_LOG")
            .env_remove("ACME_LOG_PATH")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg(command)
            .arg(stack)
            .args(&self.arguments)
            .args(more);
        if let Some(backend) = &self.backend {
            whole.env("ACME_BACKEND", backend.path());
        }
        whole
    }

    /// Runs a command on a stack; there is no terminal.
    pub fn run(&self, command: &str, stack: &Path, more: &[&str]) -> CommandOutput {
        self.run_with_env(&[], command, stack, more)
    }

    /// Same, with environment variables.
    pub fn run_with_env(&self, variables: &[(&str, &str)], command: &str, stack: &Path, more: &[&str]) -> CommandOutput {
        let mut inner = self.command(command, stack, more);
        inner.envs(variables.iter().copied());
        CommandOutput::from_output(Command::from_std(inner).timeout(Duration::from_secs(300)).output().expect("acme runs"))
    }

    /// Folder of its history without a backend.
    pub fn state_dir(&self) -> &Path {
        self.state_dir.path()
    }

    pub fn apply(&self, stack: &Path) {
        self.run("apply", stack, &["--yes"]).assert_success();
    }
    pub fn destroy(&self, stack: &Path) {
        self.run("destroy", stack, &["--yes"]).assert_success();
    }
    pub fn plan(&self, stack: &Path) -> Plan {
        let done = self.run("plan", stack, &["-o", "json"]).assert_success();
        Plan(serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("the plan is no JSON ({error}):\n{}", done.stdout)))
    }
    /// Asserts that a plan shows no changes, by exit code.
    pub fn assert_no_changes(&self, stack: &Path) {
        let done = self.run("plan", stack, &["--detailed-exitcode"]);
        assert_eq!(done.code, 0, "the second plan is not empty:\n{}{}", done.stdout, done.stderr);
    }
}

impl CommandOutput {
    /// `code` is -1 if a signal ended it.
    pub fn from_output(output: Output) -> CommandOutput {
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
    /// Asserts success.
    pub fn assert_success(self) -> CommandOutput {
        assert_eq!(self.code, 0, "acme failed:\n{}{}", self.stdout, self.stderr);
        self
    }
    /// Complete output.
    pub fn combined_output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A plan as `plan -o json` prints it.
#[derive(Debug)]
pub struct Plan(pub Value);

impl Plan {
    /// `action address` of every change, sorted.
    pub fn changes(&self) -> Vec<String> {
        let text = |change: &Value, key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let list = self.0["changes"].as_array().expect("a list of changes");
        let mut all: Vec<String> = list.iter().map(|c| format!("{} {}", text(c, "action"), text(c, "address"))).collect();
        all.sort();
        all
    }
    /// JSON pointers of the fields that differ in one resource.
    pub fn changed_fields(&self, address: &str) -> BTreeSet<String> {
        let changes = self.0["changes"].as_array().expect("a list of changes");
        let fields = changes.iter().filter(|c| c["address"] == address).filter_map(|c| c["fields"].as_array()).flatten();
        fields.filter_map(|field| field["pointer"].as_str()).map(str::to_owned).collect()
    }
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Binary under test: the one built by cargo, or `ACME_BINARY`, to test a release.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os("ACME_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_acme").into())
}

/// The repository's own stacks.
pub fn repository_stack(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks").join(name)
}

/// Writes a definition into a folder.
pub fn write_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the definition can be written");
    path
}
