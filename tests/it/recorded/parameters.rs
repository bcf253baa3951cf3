//! Parameters: copies of secrets, policies, and what a change sends again.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";
const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/shop/token";
const READ: &str = "DescribeParameters";
const PUT: &str = "PutParameter";

/// A secure parameter as Systems Manager describes it.
fn secure(version: u32, description: &str) -> Value {
    json!({
        "Name": "/shop/token", "ARN": ARN, "Type": "SecureString", "KeyId": "alias/aws/ssm", "Version": version, "Tier": "Standard",
        "DataType": "text", "Description": description, "Policies": [],
    })
}

fn described(parameters: &[Value]) -> Answer {
    ok(json!({ "Parameters": parameters }))
}

fn tags(source: &str) -> Answer {
    let mut tags = json_ownership_tags("parameter.token");
    if let Some(tags) = tags.as_array_mut().filter(|_| !source.is_empty()) {
        tags.push(json!({ "Key": "acme:secret", "Value": source }));
    }
    ok(json!({ "TagList": tags }))
}

fn put(version: u32) -> Answer {
    ok(json!({ "Version": version, "Tier": "Standard" }))
}

fn definition(more: &str) -> String {
    format!("  parameter: {{ token: {{ name: /shop/token, type: secure_string{more} }} }}\n")
}

fn copy(more: &str) -> String {
    definition(&format!(", secret: \"{SECRET}\", secret_key: password{more}"))
}

fn with_secret(script: Script) -> Script {
    script.on("GetSecretValue", [ok(json!({ "ARN": SECRET, "SecretString": r#"{"user":"shop","password":"0123456789abcdef"}"# }))])
}

/// A tag records the secret and the version with its value, because the value is never read.
#[test]
fn copies_a_secret_without_showing_it() {
    let endpoint = with_secret(Script::new())
        .on(READ, [described(&[])])
        .on(PUT, [put(1)])
        .after(PUT)
        .on(READ, [described(&[secure(1, "")])])
        .on("ListTagsForResource", [tags(&format!("1 {SECRET} password"))])
        .start(&copy(""));
    let mut screens = endpoint.apply().combined_output();
    let sent = &endpoint.request_bodies(PUT)[0];
    assert_eq!((&sent["Value"], &sent["Type"], &sent["Overwrite"]), (&json!("0123456789abcdef"), &json!("SecureString"), &Value::Null));
    assert!(sent["Tags"].to_string().contains(&format!("1 {SECRET} password")), "{sent}");
    screens += &endpoint.run("plan", &["-o", "json"]).combined_output();
    assert!(!screens.contains("0123456789abcdef") && !screens.contains("acme:secret"), "{screens}");
}

#[test]
fn copies_the_secret_again_when_the_parameter_was_overwritten_outside() {
    let endpoint = with_secret(Script::new())
        .with_tagged_resources(&[(ARN, "parameter.token")])
        .on(READ, [described(&[secure(2, "")])])
        .on("ListTagsForResource", [tags(&format!("1 {SECRET} password"))])
        .on(PUT, [put(3)])
        .on("AddTagsToResource", [ok(json!({}))])
        .after("AddTagsToResource")
        .on(READ, [described(&[secure(3, "")])])
        .on("ListTagsForResource", [tags(&format!("3 {SECRET} password"))])
        .start(&copy(""));
    assert_eq!(endpoint.planned_changes(), ["update parameter.token"]);
    endpoint.apply();
    let sent = &endpoint.request_bodies(PUT)[0];
    assert_eq!((&sent["Overwrite"], &sent["Tags"]), (&json!(true), &Value::Null));
    let recorded = &endpoint.request_bodies("AddTagsToResource")[0];
    assert_eq!(recorded["Tags"], json!([{ "Key": "acme:secret", "Value": format!("3 {SECRET} password") }]));
}

/// A put always has the value, so a change of the description sends the value that is there, and the new version is recorded.
#[test]
fn keeps_the_value_when_another_setting_changes() {
    let endpoint = Script::new()
        .with_tagged_resources(&[(ARN, "parameter.token")])
        .on(READ, [described(&[secure(1, "")])])
        .on("ListTagsForResource", [tags(&format!("1 {SECRET} password"))])
        .on("GetParameter", [ok(json!({ "Parameter": { "Name": "/shop/token", "Value": "fedcba9876543210" } }))])
        .on(PUT, [put(2)])
        .on("AddTagsToResource", [ok(json!({}))])
        .after("AddTagsToResource")
        .on(READ, [described(&[secure(2, "Token")])])
        .on("ListTagsForResource", [tags(&format!("2 {SECRET} password"))])
        .start(&copy(", description: Token"));
    let screens = endpoint.apply().combined_output();
    assert_eq!(endpoint.request_bodies("GetParameter")[0]["WithDecryption"], json!(true));
    assert_eq!(endpoint.request_bodies(PUT)[0]["Value"], json!("fedcba9876543210"));
    assert!(!screens.contains("fedcba9876543210"), "{screens}");
}

#[test]
fn reports_a_secret_without_the_value() {
    let endpoint =
        Script::new().on("GetSecretValue", [ok(json!({ "ARN": SECRET, "SecretString": r#"{"user":"shop"}"# }))]).start(&copy(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("has no JSON object with a text `password`"), "{}", done.combined_output());
}

#[test]
fn refuses_a_parameter_of_others() {
    let exists = json_error(400, "ParameterAlreadyExists", "The parameter already exists.");
    let endpoint = with_secret(Script::new())
        .on(READ, [described(&[])])
        .on(PUT, [exists])
        .after("GetSecretValue")
        .on(READ, [described(&[secure(7, "")])])
        .on("ListTagsForResource", [ok(json!({ "TagList": [] }))])
        .start(&copy(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0, "{}", done.combined_output());
    assert_eq!(endpoint.call_count("AddTagsToResource"), 0);
}

/// Generated values are lost with the parameter, so they are not deleted without a word.
#[test]
fn does_not_delete_a_generated_value() {
    let endpoint = Script::new()
        .with_tagged_resources(&[(ARN, "parameter.token")])
        .on(READ, [described(&[secure(1, "")])])
        .on("ListTagsForResource", [tags("")])
        .start("  {}\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("its value"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count("DeleteParameter"), 0);
}

fn policy(text: &Value) -> Value {
    json!({ "PolicyText": text.to_string(), "PolicyType": text["Type"], "PolicyStatus": "Pending" })
}

#[test]
fn sets_and_removes_policies() {
    let expiration = json!({ "Type": "Expiration", "Version": "1.0", "Attributes": { "Timestamp": "2030-01-31T00:00:00.000Z" } });
    let notice = json!({ "Type": "ExpirationNotification", "Version": "1.0", "Attributes": { "Before": "15", "Unit": "Days" } });
    let advanced = |policies: Value| {
        json!({
            "Name": "/shop/region", "ARN": "arn:aws:ssm:us-east-1:123456789012:parameter/shop/region", "Type": "String", "Version": 1,
            "Tier": "Advanced", "DataType": "text", "Policies": policies,
        })
    };
    let value = json!({ "Parameters": [{ "Name": "/shop/region", "Value": "eu-west-1", "Type": "String" }] });
    let own = ok(json!({ "TagList": json_ownership_tags("parameter.region") }));
    let plain = "  parameter: { region: { name: /shop/region, value: eu-west-1, tier: Advanced } }\n";
    let with_policies = "  parameter:\n    region:\n      name: /shop/region\n      value: eu-west-1\n      tier: Advanced\n      \
                         expires_at: \"2030-01-31T00:00:00Z\"\n      expiration_notices: [{ amount: 15 }]\n";
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:ssm:us-east-1:123456789012:parameter/shop/region", "parameter.region")])
        .on(READ, [described(&[advanced(json!([]))])])
        .on("GetParameters", [ok(value)])
        .on("ListTagsForResource", [own])
        .on(PUT, [put(2)])
        .after(PUT)
        .on(READ, [described(&[advanced(json!([policy(&expiration), policy(&notice)]))])])
        .after(PUT)
        .on(READ, [described(&[advanced(json!([]))])])
        .start(with_policies);
    endpoint.apply();
    endpoint.redefine(plain);
    endpoint.apply();
    let sent: Vec<Value> = endpoint.request_bodies(PUT).iter().map(|body| body["Policies"].clone()).collect();
    let first: Value = serde_json::from_str(sent[0].as_str().expect("a text")).expect("JSON");
    assert_eq!(first[0]["Attributes"]["Timestamp"], "2030-01-31T00:00:00Z");
    assert_eq!(first[1], notice);
    assert_eq!(sent[1], "[{}]");
}

#[test]
fn asks_for_names_in_groups_and_for_values_in_smaller_ones() {
    let names: Vec<String> = (0..60).map(|number| format!("/shop/p{number:02}")).collect();
    let resources: String =
        names.iter().enumerate().map(|(number, name)| format!("    p{number:02}: {{ name: {name}, value: a }}\n")).collect();
    let endpoint = Script::new().on(READ, [described(&[])]).start(&format!("  parameter:\n{resources}"));
    assert_eq!(endpoint.planned_changes().len(), 60);
    let asked: Vec<usize> =
        endpoint.request_bodies(READ).iter().map(|body| body["ParameterFilters"][0]["Values"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(asked.iter().filter(|count| **count == 50).count(), asked.iter().filter(|count| **count == 10).count());
    assert!(asked.iter().all(|count| *count <= 50), "{asked:?}");
}

#[test]
fn refuses_a_plain_secret_at_its_line() {
    let done = Script::new().start(&definition(", value: s3cr3t")).run("plan", &[]);
    for text in ["a definition must not contain secrets", "the type `secure_string` needs a `secret` with the value, or `generate`"] {
        assert!(done.stderr.contains(text), "{text}: {}", done.combined_output());
    }
}
