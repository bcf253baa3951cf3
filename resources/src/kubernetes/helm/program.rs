//! Runs of the program `helm`.

use std::{
    env,
    ffi::OsString,
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
    time::{Instant, SystemTime},
};

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::{io::AsyncWriteExt, process::Command};

use super::EmbeddedChart;
use crate::{
    aws::permit_attempt,
    core::{Error, ErrorKind, Result},
    kubernetes::{Cluster, exec_entry},
};

/// Variable with the path of the program, if it is not `helm` on the search path.
pub const PROGRAM_VARIABLE: &str = "ACME_HELM";

/// Returns the path of the program; `None` if it is not installed.
pub fn find_program() -> Option<PathBuf> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let name = if cfg!(windows) { "helm.exe" } else { "helm" };
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Source of a chart.
pub struct Chart<'a> {
    /// Name in a repository, `oci://` address, path, or name of an embedded chart.
    pub chart: &'a str,
    /// URL of a repository.
    pub repository: Option<&'a str>,
    /// Version.
    pub version: &'a str,
}

impl Chart<'_> {
    /// Writes an embedded chart to a folder, which must exist until Helm has read it.
    fn unpack(&self) -> Result<Option<TempDir>> {
        let found = EmbeddedChart::find(self.chart, self.version);
        let found = found.map_err(|(message, _)| Error::new(ErrorKind::Rejected, "InvalidChart", message))?;
        found.map(EmbeddedChart::unpack).transpose()
    }

    fn arguments(&self, unpacked: Option<&TempDir>) -> Vec<String> {
        let chart = unpacked.map_or_else(|| self.chart.to_owned(), |folder| folder.path().display().to_string());
        let mut arguments = vec![chart, "--version".to_owned(), self.version.to_owned()];
        arguments.extend(self.repository.iter().flat_map(|url| ["--repo".to_owned(), (*url).to_owned()]));
        arguments
    }
}

/// Helm with access to one cluster.
pub struct Helm<'a> {
    cluster: &'a Cluster,
    program: PathBuf,
    kubeconfig: NamedTempFile,
}

impl<'a> Helm<'a> {
    /// Finds the program, and writes a kubeconfig without secrets: its token is from `acme token`.
    ///
    /// # Errors
    /// Fails if the program is not installed.
    pub fn of(cluster: &'a Cluster) -> Result<Helm<'a>> {
        let program = find_program().ok_or_else(missing_program)?;
        let failed = |error: std::io::Error| Error::new(ErrorKind::Rejected, "Helm", format!("can't write a kubeconfig: {error}"));
        let own = env::current_exe().map_err(failed)?;
        let mut kubeconfig = NamedTempFile::with_prefix("acme-kubeconfig-").map_err(failed)?;
        #[cfg(unix)]
        kubeconfig.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
        let config = kubeconfig_of(cluster, &own.display().to_string());
        kubeconfig.write_all(config.to_string().as_bytes()).map_err(failed)?;
        Ok(Helm { cluster, program, kubeconfig })
    }

    /// Installs a release, or upgrades it. If that fails, everything is as before with the option `--rollback-on-failure`, by which Helm
    /// always waits until everything is ready.
    ///
    /// # Errors
    /// Returns errors of Helm.
    pub async fn upgrade(&self, release: (&str, &str), chart: &Chart<'_>, values: &Value, options: &[String]) -> Result<()> {
        let (namespace, name) = release;
        let mut arguments = ["upgrade", name, "--install", "--namespace", namespace, "--values", "-"].map(str::to_owned).to_vec();
        let unpacked = chart.unpack()?;
        arguments.extend(chart.arguments(unpacked.as_ref()));
        arguments.extend(["--reset-values", "--server-side=true", "--force-conflicts"].map(str::to_owned));
        arguments.extend_from_slice(options);
        self.run(arguments, Some(values)).await.map(drop)
    }

    /// Returns the objects that [`Helm::upgrade`] would apply, as YAML documents.
    ///
    /// # Errors
    /// Returns errors of Helm.
    pub async fn render(&self, release: (&str, &str), chart: &Chart<'_>, values: &Value, options: &[String]) -> Result<String> {
        let (namespace, name) = release;
        let mut arguments =
            ["upgrade", name, "--install", "--namespace", namespace, "--values", "-", "--reset-values"].map(str::to_owned).to_vec();
        let unpacked = chart.unpack()?;
        arguments.extend(chart.arguments(unpacked.as_ref()));
        arguments.extend(["--dry-run=server", "--output=json"].map(str::to_owned));
        arguments.extend_from_slice(options);
        let output = self.run(arguments, Some(values)).await?;
        let rendered: Value = serde_json::from_slice(&output.stdout)?;
        Ok(rendered.get("manifest").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Returns a release to an earlier revision.
    ///
    /// # Errors
    /// Returns errors of Helm.
    pub async fn rollback(&self, release: (&str, &str), revision: u64, options: &[String]) -> Result<()> {
        let (namespace, name) = release;
        let revision = revision.to_string();
        let mut arguments = ["rollback", name, &revision, "--namespace", namespace, "--server-side=true", "--force-conflicts"];
        self.run(arguments.iter_mut().map(|one| one.to_owned()).chain(options.iter().cloned()).collect(), None).await.map(drop)
    }

    /// Deletes a release.
    ///
    /// # Errors
    /// Returns errors of Helm, among them "not found".
    pub async fn uninstall(&self, release: (&str, &str), options: &[String]) -> Result<()> {
        let (namespace, name) = release;
        let arguments = ["uninstall", name, "--namespace", namespace].map(str::to_owned);
        self.run(arguments.into_iter().chain(options.iter().cloned()).collect(), None).await.map(drop)
    }

    /// Returns the custom resource definitions in a chart's folder `crds`, as YAML documents.
    ///
    /// # Errors
    /// Returns errors of Helm.
    pub async fn show_crds(&self, chart: &Chart<'_>) -> Result<String> {
        let unpacked = chart.unpack()?;
        let arguments = ["show", "crds"].map(str::to_owned).into_iter().chain(chart.arguments(unpacked.as_ref())).collect();
        let output = self.run(arguments, None).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the program with values on its standard input. It is not interrupted with acme: an operation that ends is better than one that does
    /// not.
    async fn run(&self, arguments: Vec<String>, values: Option<&Value>) -> Result<Output> {
        permit_attempt()?;
        let action = format!("helm {}", arguments.first().map_or("", String::as_str));
        // The name of a release, or that of a chart; repositories may have passwords.
        let object = arguments.get(1).map_or("", String::as_str).to_owned();
        self.cluster.count_call(&action);
        let (at, started) = (SystemTime::now(), Instant::now());
        let output = self.run_program(arguments, values).await;
        self.cluster.record_call(&action, &object, (at, started.elapsed()), output.as_ref().err());
        output
    }

    async fn run_program(&self, arguments: Vec<String>, values: Option<&Value>) -> Result<Output> {
        let failed =
            |error: std::io::Error| Error::new(ErrorKind::Rejected, "Helm", format!("can't run {}: {error}", self.program.display()));
        let mut command = Command::new(&self.program);
        command.args(arguments.iter().map(OsString::from)).env("KUBECONFIG", self.kubeconfig.path());
        command.stdin(if values.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(values), Some(mut input)) = (values, child.stdin.take()) {
            // A program that fails early may not read it.
            input.write_all(values.to_string().as_bytes()).await.ok();
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() { Ok(output) } else { Err(error_of(&String::from_utf8_lossy(&output.stderr))) }
    }
}

/// Error without the program.
pub fn missing_program() -> Error {
    let message = format!(
        "`helm` is not on the search path: install Helm 4, or set {PROGRAM_VARIABLE} to its path (https://helm.sh/docs/intro/install/)"
    );
    Error::new(ErrorKind::Rejected, "NoHelm", message)
}

fn kubeconfig_of(cluster: &Cluster, own: &str) -> Value {
    let mut access = json!({
        "server": cluster.endpoint().url,
        "certificate-authority-data": cluster.endpoint().certificate_authority,
    });
    if let Some(proxy) = cluster.proxy() {
        access["proxy-url"] = json!(proxy);
    }
    let exec = exec_entry(own, cluster.name(), cluster.region(), cluster.caller());
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "acme",
        "clusters": [{ "name": "acme", "cluster": access }],
        "users": [{ "name": "acme", "user": { "exec": exec } }],
        "contexts": [{ "name": "acme", "context": { "cluster": "acme", "user": "acme" } }],
    })
}

/// Error in the words that Helm printed. It has no codes.
fn error_of(stderr: &str) -> Error {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let starts = |line: &&str| line.starts_with("Error:") || line.starts_with("level=ERROR");
    // An error can have several lines, the first of which says only that there are some.
    let begin = lines.iter().rposition(starts).or(lines.len().checked_sub(1)).unwrap_or_default();
    let rest = lines.get(begin..).unwrap_or_default().iter().enumerate();
    let message =
        rest.take_while(|(at, line)| *at == 0 || !line.starts_with("level=")).map(|(_, line)| *line).collect::<Vec<_>>().join(" ");
    let message = if message.is_empty() { "it failed without a message" } else { message.as_str() };
    let message = message.strip_prefix("Error:").unwrap_or(message).trim();
    let kind = match message {
        _ if message.contains("release: not found") => ErrorKind::NotFound,
        _ if message.contains("another operation") && message.contains("in progress") => ErrorKind::Conflict,
        _ if message.contains("cannot reuse a name") || message.contains("cannot re-use a name") => ErrorKind::AlreadyExists,
        _ if message.contains("cluster unreachable") || message.contains("connection refused") => ErrorKind::Unavailable,
        _ if message.contains("failed calling webhook") => ErrorKind::Conflict,
        _ => ErrorKind::Rejected,
    };
    Error { kind, ..Error::new(ErrorKind::Rejected, "HelmFailed", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_errors_of_helm() {
        for (stderr, kind, message) in [
            (
                "Error: uninstall: Release not loaded: web: release: not found\n",
                ErrorKind::NotFound,
                "uninstall: Release not loaded: web: release: not found",
            ),
            (
                "level=WARN msg=x\nError: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n",
                ErrorKind::Conflict,
                "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
            ),
            ("Error: chart \"a\" not found\n", ErrorKind::Rejected, "chart \"a\" not found"),
            (
                "Error: patch failed: errors:\n  .spec.a: unknown\n  .spec.b: unknown\n",
                ErrorKind::Rejected,
                "patch failed: errors: .spec.a: unknown .spec.b: unknown",
            ),
            ("", ErrorKind::Rejected, "it failed without a message"),
        ] {
            let error = error_of(stderr);
            assert_eq!((error.kind, error.message.as_str()), (kind, message));
        }
    }
}
