//! Plants secrets, and searches for them in all output and records.

use std::{fs, path::Path, process::Stdio};

use super::wait_for_exit;
use crate::{
    acme::{Acme, CommandOutput, write_file},
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind, run_boto3},
};

const KEY: &str = "PLANTED-secret-access-key";
const TOKEN: &str = "PLANTED-session-token";
const VALUE: &str = "PLANTED-secret-value";
const PASSWORD: &str = "PLANTED-master-password";
const PROXY: &str = "PLANTED-proxy-password";

const STACK: &str = "
stack: shop
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.2.0/24, availability_zone: us-east-1b }
  security_group: { db: { vpc: main } }
  rds_subnet_group: { main: { description: Both, subnets: [a, b] } }
  rds_instance:
    orders:
      { engine: postgres, version: \"16\", class: db.t4g.micro, storage_gib: 20, subnet_group: main, security_groups: [db],
        deletion_protection: false, on_delete: delete }
  secret:
    api: { description: One, generate: { length: 40 }, on_delete: delete }
";

/// Asserts that no output, and no file below a folder, contains the planted secrets.
#[track_caller]
fn assert_no_secrets(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for line in text.lines() {
        assert!(!line.contains("PLANTED"), "{what} shows a secret: {line}");
    }
}

fn assert_no_secrets_below(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += assert_no_secrets_below(&path);
        } else {
            files += 1;
            assert_no_secrets(&path.display().to_string(), &fs::read(&path).expect("a file"));
        }
    }
    files
}

/// Log of all commands, which is checked with the records.
fn log_file(acme: &Acme) -> std::path::PathBuf {
    acme.state_dir().join("acme.log")
}

/// Runs a command with all planted secrets, with text and JSON output, and checks its output and command line.
fn run_with_secrets(acme: &Acme, command: &str, stack: &Path, more: &[&str]) -> CommandOutput {
    let proxy = format!("http://someone:{PROXY}@127.0.0.1:9");
    let mut whole = acme.command(command, stack, &[&["--stats"], more].concat());
    whole
        .envs([("AWS_SECRET_ACCESS_KEY", KEY), ("AWS_SESSION_TOKEN", TOKEN), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")])
        .envs([("HTTPS_PROXY", &proxy), ("https_proxy", &proxy)])
        .envs([("HTTP_PROXY", &proxy), ("NO_PROXY", &"127.0.0.1".to_owned())])
        .env("ACME_LOG", "debug")
        .env("ACME_LOG_PATH", log_file(acme))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = whole.spawn().expect("acme starts");
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    assert_no_secrets("the process list", &line);
    let done = wait_for_exit(child);
    assert_no_secrets(command, done.combined_output().as_bytes());
    done
}

fn check_secrets_stay_hidden(kind: StandinKind, backend: &str) {
    let standin = Standin::start(kind);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let acme = Acme::at_endpoint(&standin.url).with_args(if backend.is_empty() { &[] } else { &["--backend", "s3"] });
    run_with_secrets(&acme, "apply", &stack, &["--yes"]).assert_success();
    // Secret values in AWS that a read would return.
    run_boto3(
        &standin.url,
        &format!(
            "sm = client('secretsmanager')
[secret] = sm.list_secrets()['SecretList']
sm.put_secret_value(SecretId=secret['ARN'], SecretString='{VALUE}')
rds = client('rds')
[instance] = rds.describe_db_instances()['DBInstances']
rds.modify_db_instance(DBInstanceIdentifier=instance['DBInstanceIdentifier'], MasterUserPassword='{PASSWORD}', ApplyImmediately=False)"
        ),
    );
    let edited = write_file(folder.path(), "edited.yaml", &STACK.replace("One", "Another").replace("storage_gib: 20", "storage_gib: 30"));
    for output in ["text", "json"] {
        run_with_secrets(&acme, "plan", &edited, &["-o", output]).assert_success();
        run_with_secrets(&acme, "show", &edited, &["--live", "-o", output]).assert_success();
        run_with_secrets(&acme, "outputs", &edited, &["-o", output]).assert_success();
        run_with_secrets(&acme, "history", &edited, &["-o", output]).assert_success();
        run_with_secrets(&acme, "drift", &edited, &["-o", output]);
        run_with_secrets(&acme, "rehearse", &edited, &["--modes", "refuse", "-o", output]);
    }
    run_with_secrets(&acme, "plan", &edited, &["-o", "terraform"]).assert_success();
    for format in ["mermaid", "dot", "html"] {
        run_with_secrets(&acme, "graph", &edited, &["--plan", "--format", format]).assert_success();
    }
    // Saved plans, one of which is applied.
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).expect("a folder");
    let keep = |name: &str, stack: &Path| {
        let file = kept.join(name);
        run_with_secrets(&acme, "plan", stack, &["--out", &file.display().to_string()]).assert_success();
        file
    };
    let described = write_file(folder.path(), "described.yaml", &STACK.replace("One", "Described"));
    run_with_secrets(&acme, "apply", &keep("described.json", &described), &["--yes"]).assert_success();
    keep("edited.json", &edited);
    assert_eq!(assert_no_secrets_below(&kept), 2);
    // A failing run, with and without rollback, and its later rollback.
    let proxy = Proxy::start(&standin.url, Faults { expire_credentials_from: Some(20), ..Faults::default() });
    let failing = acme.with_args(&["--endpoint-url", &proxy.url]);
    assert_ne!(run_with_secrets(&failing, "apply", &edited, &["--yes", "-o", "json"]).code, 0);
    run_with_secrets(&acme, "rollback", &edited, &["--yes", "-o", "json"]);
    run_with_secrets(&acme, "apply", &edited, &["--yes", "-o", "json"]).assert_success();
    run_with_secrets(&acme, "rollback", &edited, &["--yes"]).assert_success();
    run_with_secrets(&acme, "destroy", &edited, &["--yes"]).assert_success();
    let log = fs::read_to_string(log_file(&acme)).expect("a log");
    for part in ["\"action\":\"CreateDBInstance\"", "\"action\":\"CreateSecret\"", "Sensitive Data Redacted", "\"request_id\":\""] {
        assert!(log.contains(part), "the log has no {part}");
    }
    let files = assert_no_secrets_below(acme.state_dir());
    if backend.is_empty() {
        assert!(files > 5, "only {files} files were looked at");
    } else {
        let objects = standin.run_boto3(
            "s3 = client('s3')
for bucket in [b['Name'] for b in s3.list_buckets()['Buckets']]:
    for key in [o['Key'] for o in s3.list_objects_v2(Bucket=bucket).get('Contents', [])]:
        out[key] = s3.get_object(Bucket=bucket, Key=key)['Body'].read().decode()",
        );
        assert!(objects.as_object().is_some_and(|objects| objects.len() > 5));
        assert_no_secrets("the bucket", objects.to_string().as_bytes());
    }
}

#[test]
fn hides_secrets_with_a_folder_backend() {
    check_secrets_stay_hidden(StandinKind::Ministack, "");
}

#[test]
fn hides_secrets_with_a_bucket_backend() {
    check_secrets_stay_hidden(StandinKind::Ministack, "s3");
}

/// The error for an unreachable address does not contain its password.
#[test]
fn hides_the_password_in_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let address = format!("http://someone:{PROXY}@127.0.0.1:9");
    for variables in
        [vec![("HTTP_PROXY", address.as_str()), ("HTTPS_PROXY", &address), ("ALL_PROXY", &address)], vec![("AWS_ENDPOINT_URL", &address)]]
    {
        let mut command = Acme::at_endpoint("").command("plan", &stack, &[]);
        command.env("AWS_MAX_ATTEMPTS", "1").envs(variables.iter().copied()).env("RUST_LOG", "trace");
        let done = CommandOutput::from_output(command.output().expect("acme runs"));
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert_no_secrets("an error", done.combined_output().as_bytes());
    }
}
