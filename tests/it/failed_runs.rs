//! A failed run leaves settings alone that acme did not read, because neither the definition nor the record has them, or because it was
//! about to delete the resource.

use crate::{
    acme::{Acme, write_file},
    proxy::{Faults, Proxy, WriteFault},
    standin::{Standin, StandinKind},
};

const BUCKET: &str = "
stack: shop
region: us-east-1
resources:
  s3_bucket:
    files:
      object_ownership: BucketOwnerPreferred
      block_public_access: false
      lifecycle_rules: { old: { expire_days: 30 } }
";

/// Every setting of the bucket that acme reads, as S3 answers.
const SETTINGS: &str = r#"
s3 = client("s3")
bucket = s3.list_buckets()["Buckets"][0]["Name"]
def read(call):
    try: return {key: value for key, value in call(Bucket=bucket).items() if key != "ResponseMetadata"}
    except Exception as error: return str(error)
out = [read(call) for call in (s3.get_bucket_policy, s3.get_bucket_ownership_controls, s3.get_public_access_block,
    s3.get_bucket_encryption, s3.get_bucket_lifecycle_configuration, s3.get_bucket_versioning, s3.get_bucket_tagging)]
"#;

const ADD_POLICY: &str = r#"
s3 = client("s3")
bucket = s3.list_buckets()["Buckets"][0]["Name"]
statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
out = s3.get_bucket_policy(Bucket=bucket)["Policy"]
"#;

struct Shop {
    folder: tempfile::TempDir,
    standin: Standin,
    acme: Acme,
}

impl Shop {
    /// A stack with one bucket, whose policy was added outside acme.
    fn new() -> Shop {
        let (folder, standin) = (tempfile::tempdir().expect("a folder"), Standin::start(StandinKind::Ministack));
        let acme = Acme::at_endpoint(&standin.url);
        let shop = Shop { folder, standin, acme };
        shop.acme.apply(&shop.define(BUCKET));
        let policy = shop.standin.run_boto3(ADD_POLICY);
        assert!(policy.to_string().contains("SecureTransport"), "{policy}");
        shop
    }
    fn define(&self, text: &str) -> std::path::PathBuf {
        write_file(self.folder.path(), "stack.yaml", text)
    }
    fn settings(&self) -> serde_json::Value {
        self.standin.run_boto3(SETTINGS)
    }
    /// Runs a command that fails because of this fault; returns the writes that reached the endpoint.
    fn fail(&self, command: &str, more: &[&str], text: &str, fault: (usize, WriteFault)) -> Vec<String> {
        let proxy = Proxy::start(&self.standin.url, Faults { at_write: Some(fault), ..Faults::default() });
        let run = self.acme.with_endpoint(&proxy.url).run(command, &self.define(text), &[&["--yes"], more].concat());
        assert_ne!(run.code, 0, "{}", run.combined_output());
        proxy.take_calls().0.into_iter().filter(|call| call.write).map(|call| call.action).collect()
    }
}

#[test]
fn failed_destroy_changes_no_settings() {
    let shop = Shop::new();
    let before = shop.settings();
    let writes = shop.fail("destroy", &[], BUCKET, (1, WriteFault::RefuseFromHere));
    assert!(!writes.is_empty() && writes.iter().all(|action| action == "DELETE /-"), "{writes:?}");
    assert_eq!(shop.settings(), before);
}

#[test]
fn rollback_after_a_failed_destroy_changes_no_settings() {
    let shop = Shop::new();
    let before = shop.settings();
    shop.fail("destroy", &["--no-rollback"], BUCKET, (1, WriteFault::RefuseFromHere));
    shop.acme.run("rollback", &shop.define(BUCKET), &["--yes"]).assert_success();
    assert_eq!(shop.settings(), before);
    shop.acme.assert_no_changes(&shop.define(BUCKET));
}

#[test]
fn rollback_of_a_change_keeps_settings_made_outside_acme() {
    let shop = Shop::new();
    let before = shop.settings();
    let edited = BUCKET.replace("expire_days: 30", "expire_days: 60").replace("files:", "files:\n      versioning: false");
    let writes = shop.fail("apply", &[], &edited, (2, WriteFault::Refuse));
    assert!(writes.len() > 2, "nothing was rolled back: {writes:?}");
    assert_eq!(shop.settings(), before);
}

#[test]
fn rollback_to_a_revision_keeps_settings_made_outside_acme() {
    let shop = Shop::new();
    let before = shop.settings();
    let edited = shop.define(&BUCKET.replace("expire_days: 30", "expire_days: 60"));
    shop.acme.apply(&edited);
    assert_ne!(shop.settings(), before);
    for more in [&["--yes"][..], &["--yes", "--to", "1"]] {
        shop.acme.apply(&edited);
        shop.acme.run("rollback", &edited, more).assert_success();
        assert_eq!(shop.settings(), before, "{more:?}");
    }
}
