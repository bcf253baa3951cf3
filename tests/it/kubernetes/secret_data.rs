//! Secrets whose values are in Secrets Manager and Parameter Store.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::Lab;

const SECRETS: &str = "
  secret: { admin: { generate: { length: 24 }, on_delete: delete, recovery_window_days: 7 } }
  parameter: { token: { type: string, value: first } }
  kubernetes_object:
    admin:
      cluster: main
      secret_data:
        password: { secret: admin }
        token: { parameter: token }
      manifest: { apiVersion: v1, kind: Secret, metadata: { name: admin, namespace: default }, type: Opaque }
";

impl Lab {
    /// A value of the Secret as it is in the cluster.
    fn value(&self, key: &str) -> String {
        let text = self.server.kubectl(&["get", "secret", "admin", "-n", "default", "-o", &format!("jsonpath={{.data.{key}}}")]);
        String::from_utf8(BASE64_STANDARD.decode(text.trim()).expect("base64")).expect("text")
    }
    fn rotate(&self, value: &str) {
        self._standin.run_boto3(&format!(
            "secrets = client('secretsmanager')
name = secrets.list_secrets()['SecretList'][0]['Name']
out = secrets.put_secret_value(SecretId=name, SecretString='{value}')['VersionId']"
        ));
    }
}

/// Whether a file in a folder has a text.
fn has(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => has(&path, text),
        false => String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).contains(text),
    })
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn copies_secret_values_that_nothing_shows_and_follows_their_rotation() {
    let lab = Lab::start();
    let stack = lab.stack(SECRETS);
    // The secret is created in the same run.
    lab.apply(&stack);
    let password = lab.value("password");
    assert_eq!((password.chars().count(), lab.value("token").as_str()), (24, "first"));
    lab.assert_no_changes(&stack);

    lab.rotate("a-new-password");
    assert_eq!(lab.changes(&stack), ["update kubernetes_object.admin"]);
    let planned = lab.run("plan", &stack, &[]).assert_success();
    let applied = lab.apply(&stack);
    assert_eq!(lab.value("password"), "a-new-password");
    lab.assert_no_changes(&stack);

    // A value that others change is copied again, and one that the definition no longer has is removed.
    lab.server.kubectl(&["patch", "secret", "admin", "-n", "default", "--type=merge", "-p", r#"{"stringData":{"password":"theirs"}}"#]);
    assert_eq!(lab.changes(&stack), ["update kubernetes_object.admin"]);
    lab.apply(&stack);
    assert_eq!(lab.value("password"), "a-new-password");
    let shorter = lab.stack(&SECRETS.replace("        token: { parameter: token }\n", ""));
    lab.apply(&shorter);
    assert_eq!((lab.value("password").as_str(), lab.value("token").as_str()), ("a-new-password", ""));
    lab.assert_no_changes(&shorter);

    let shown = lab.run("show", &shorter, &["--live", "-o", "json"]).assert_success();
    for secret in [password.as_str(), "a-new-password", &BASE64_STANDARD.encode("a-new-password"), &BASE64_STANDARD.encode(&password)] {
        assert!(!has(lab.acme.state_dir(), secret), "a record has a secret");
        for output in [&planned, &applied, &shown] {
            assert!(!output.combined_output().contains(secret), "an output has a secret");
        }
    }
    lab.run("destroy", &shorter, &["--yes"]).assert_success();
}
