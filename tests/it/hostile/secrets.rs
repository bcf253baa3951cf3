//! Secrets that acme is near are planted, and looked for in everything it says and keeps.

use std::{fs, path::Path, process::Stdio};

use super::finished;
use crate::{
    acme::{Acme, Done, write},
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind, boto},
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

/// Nothing of what was said, or is kept below a folder, holds what was planted.
#[track_caller]
fn clean(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for line in text.lines() {
        assert!(!line.contains("PLANTED"), "{what} shows a secret: {line}");
    }
}

fn clean_below(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += clean_below(&path);
        } else {
            files += 1;
            clean(&path.display().to_string(), &fs::read(&path).expect("a file"));
        }
    }
    files
}

/// Runs a command with everything planted, by people's and by programs' output, and looks at all it says and at its command line.
fn run(acme: &Acme, command: &str, stack: &Path, more: &[&str]) -> Done {
    let proxy = format!("http://someone:{PROXY}@127.0.0.1:9");
    let mut whole = acme.command(command, stack, &[&["--stats"], more].concat());
    whole
        .envs([("AWS_SECRET_ACCESS_KEY", KEY), ("AWS_SESSION_TOKEN", TOKEN), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")])
        .envs([("HTTPS_PROXY", &proxy), ("https_proxy", &proxy)])
        .envs([("HTTP_PROXY", &proxy), ("NO_PROXY", &"127.0.0.1".to_owned())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = whole.spawn().expect("acme starts");
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    clean("the process list", &line);
    let done = finished(child);
    clean(command, done.screen().as_bytes());
    done
}

fn nowhere(kind: StandinKind, backend: &str) {
    let standin = Standin::start(kind);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write(folder.path(), "stack.yaml", STACK);
    let acme = Acme::on(&standin.url).with(if backend.is_empty() { &[] } else { &["--backend", "s3"] });
    run(&acme, "apply", &stack, &["--yes"]).ok();
    // What AWS holds and would give to those who ask for it.
    boto(
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
    let edited = write(folder.path(), "edited.yaml", &STACK.replace("One", "Another").replace("storage_gib: 20", "storage_gib: 30"));
    for output in ["text", "json"] {
        run(&acme, "plan", &edited, &["-o", output]).ok();
        run(&acme, "show", &edited, &["--live", "-o", output]).ok();
        run(&acme, "outputs", &edited, &["-o", output]).ok();
        run(&acme, "history", &edited, &["-o", output]).ok();
        run(&acme, "drift", &edited, &["-o", output]);
        run(&acme, "rehearse", &edited, &["--modes", "refuse", "-o", output]);
    }
    run(&acme, "plan", &edited, &["-o", "terraform"]).ok();
    for format in ["mermaid", "dot", "html"] {
        run(&acme, "graph", &edited, &["--plan", "--format", format]).ok();
    }
    // Plans that are kept, one of which is carried out.
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).expect("a folder");
    let keep = |name: &str, stack: &Path| {
        let file = kept.join(name);
        run(&acme, "plan", stack, &["--out", &file.display().to_string()]).ok();
        file
    };
    let described = write(folder.path(), "described.yaml", &STACK.replace("One", "Described"));
    run(&acme, "apply", &keep("described.json", &described), &["--yes"]).ok();
    keep("edited.json", &edited);
    assert_eq!(clean_below(&kept), 2);
    // One that fails and is rolled back, or is left, and is undone.
    let proxy = Proxy::start(&standin.url, Faults { expire_from: Some(20), ..Faults::default() });
    let failing = acme.with(&["--endpoint-url", &proxy.url]);
    assert_ne!(run(&failing, "apply", &edited, &["--yes", "-o", "json"]).code, 0);
    run(&acme, "rollback", &edited, &["--yes", "-o", "json"]);
    run(&acme, "apply", &edited, &["--yes", "-o", "json"]).ok();
    run(&acme, "rollback", &edited, &["--yes"]).ok();
    run(&acme, "destroy", &edited, &["--yes"]).ok();
    let files = clean_below(acme.state());
    if backend.is_empty() {
        assert!(files > 5, "only {files} files were looked at");
    } else {
        let objects = standin.boto(
            "s3 = client('s3')
for bucket in [b['Name'] for b in s3.list_buckets()['Buckets']]:
    for key in [o['Key'] for o in s3.list_objects_v2(Bucket=bucket).get('Contents', [])]:
        out[key] = s3.get_object(Bucket=bucket, Key=key)['Body'].read().decode()",
        );
        assert!(objects.as_object().is_some_and(|objects| objects.len() > 5));
        clean("the bucket", objects.to_string().as_bytes());
    }
}

#[test]
fn secrets_show_nowhere_with_a_folder() {
    nowhere(StandinKind::Ministack, "");
}

#[test]
fn secrets_show_nowhere_with_a_bucket() {
    nowhere(StandinKind::Ministack, "s3");
}

/// What can't be reached is said without the password that is part of its address.
#[test]
fn an_address_is_told_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write(folder.path(), "stack.yaml", STACK);
    let address = format!("http://someone:{PROXY}@127.0.0.1:9");
    for variables in
        [vec![("HTTP_PROXY", address.as_str()), ("HTTPS_PROXY", &address), ("ALL_PROXY", &address)], vec![("AWS_ENDPOINT_URL", &address)]]
    {
        let mut command = Acme::on("").command("plan", &stack, &[]);
        command.env("AWS_MAX_ATTEMPTS", "1").envs(variables.iter().copied()).env("RUST_LOG", "trace");
        let done = Done::of(command.output().expect("acme runs"));
        assert_eq!(done.code, 1, "{}", done.screen());
        clean("an error", done.screen().as_bytes());
    }
}
