//! Secrets that others have set in properties of Cloud Control: neither shown nor recorded.

use serde_json::{Value, json};

use super::cloud_control::{missing, progress, resource};
use crate::scripted_endpoint::{Answer, Endpoint, Script, json_ownership_tags, ok};

const NAME: &str = "nightly";
const ARN: &str = "arn:aws:glue:us-east-1:123456789012:job/nightly";
const CREATE: &str = "CreateResource";
const READ: &str = "GetResource";
const UPDATE: &str = "UpdateResource";

fn definition(timeout: u32, arguments: &str) -> String {
    format!(
        "  aws_resource:
    nightly:
      type: AWS::Glue::Job
      properties:
        Name: {NAME}
        Role: arn:aws:iam::123456789012:role/nightly
        Command: {{ Name: glueetl, ScriptLocation: s3://shop-code/nightly.py }}
        Timeout: {timeout}
        DefaultArguments: {arguments}
"
    )
}

fn job(timeout: u32, arguments: &Value) -> Answer {
    let tags: serde_json::Map<String, Value> = json_ownership_tags("aws_resource.nightly")
        .as_array()
        .expect("a list")
        .iter()
        .map(|tag| (tag["Key"].as_str().expect("a key").to_owned(), tag["Value"].clone()))
        .collect();
    resource(
        NAME,
        &json!({
            "Name": NAME, "Role": "arn:aws:iam::123456789012:role/nightly", "Timeout": timeout, "Tags": tags,
            "Command": { "Name": "glueetl", "ScriptLocation": "s3://shop-code/nightly.py" }, "DefaultArguments": arguments,
        }),
    )
}

fn done(operation: &str) -> Answer {
    progress(operation, "SUCCESS", &json!({ "TypeName": "AWS::Glue::Job", "Identifier": NAME }))
}

fn sent(endpoint: &Endpoint) -> Vec<Value> {
    let patch = |body: &Value| serde_json::from_str(body["PatchDocument"].as_str().expect("a text")).expect("JSON");
    endpoint.request_bodies(UPDATE).iter().map(patch).collect()
}

fn existing(arguments: &Value) -> Script {
    Script::new().with_tagged_resources(&[(ARN, "aws_resource.nightly")]).on(READ, [job(10, arguments)])
}

/// A variable that the definition does not name is left alone.
#[test]
fn hides_secrets_that_others_have_set() {
    let with_secret = json!({ "--stage": "test", "--db-password": "tiger" });
    let endpoint = existing(&with_secret)
        .on(UPDATE, [done("UPDATE")])
        .after(UPDATE)
        .on(READ, [job(20, &with_secret)])
        .start(&definition(20, "{ --stage: test }"));
    for more in [&[][..], &["-o", "json"]] {
        let plan = endpoint.run("plan", more).assert_success().combined_output();
        assert!(plan.contains("Timeout") && !plan.contains("tiger"), "{plan}");
    }
    let done = endpoint.run("apply", &["--yes", "-o", "json"]).assert_success().combined_output();
    assert!(!done.contains("tiger"), "{done}");
    let patch = &sent(&endpoint)[0];
    assert!(!patch.to_string().contains("DefaultArguments"), "{patch}");
    let history = endpoint.run("history", &["-o", "json"]).assert_success().combined_output();
    assert!(!history.contains("tiger"), "{history}");
}

/// What a rollback puts back has the hidden value only. AWS keeps the real one.
#[test]
fn keeps_secrets_that_it_does_not_show() {
    let arguments = json!({ "--stage": "test", "--db-password": "tiger" });
    let endpoint = existing(&arguments)
        .on(UPDATE, [done("UPDATE"), progress("UPDATE", "FAILED", &json!({ "ErrorCode": "InvalidRequest", "StatusMessage": "no" }))])
        .after(UPDATE)
        .on(READ, [job(20, &arguments)])
        .start(&definition(20, "{ --stage: test, --db-password: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf' }"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(!done.combined_output().contains("tiger"), "{}", done.combined_output());
    for patch in &sent(&endpoint) {
        assert!(!patch.to_string().contains("****"), "{patch}");
    }
}

#[test]
fn creates_nothing_with_a_hidden_value() {
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on("ListResources", [ok(json!({ "TypeName": "AWS::Glue::Job", "ResourceDescriptions": [] }))])
        .on(CREATE, [done("CREATE")])
        .after(CREATE)
        .on(READ, [job(10, &json!({}))])
        .start(&definition(10, "{ --db-password: '****' }"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.combined_output().contains("sees the value of `--db-password`"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count(CREATE), 0);
}
