//! Properties of Cloud Control that AWS never reports, and resources with data.

use serde_json::{Value, json};

use super::cloud_control::{missing, progress, resource};
use crate::scripted_endpoint::{Answer, Endpoint, Script, json_ownership_tags, ok};

const NAME: &str = "resize";
const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:resize";
const CREATE: &str = "CreateResource";
const READ: &str = "GetResource";
const UPDATE: &str = "UpdateResource";

fn definition(key: &str, memory: u32, more: &str) -> String {
    format!(
        "  aws_resource:
    resize:
      type: AWS::Lambda::Function
      properties:
        FunctionName: {NAME}
        Role: arn:aws:iam::123456789012:role/resize
        Handler: index.handler
        Runtime: nodejs22.x
        MemorySize: {memory}
        Code: {{ S3Bucket: shop-code, S3Key: {key} }}
{more}"
    )
}

/// The function as Cloud Control reports it: without its code.
fn function(memory: u32, hash: &str, more: &Value) -> Answer {
    let mut tags = json_ownership_tags("aws_resource.resize");
    tags.as_array_mut().expect("a list").push(json!({ "Key": "acme:hash-Code", "Value": hash }));
    let mut model = json!({
        "FunctionName": NAME, "Arn": ARN, "Role": "arn:aws:iam::123456789012:role/resize", "Handler": "index.handler",
        "Runtime": "nodejs22.x", "MemorySize": memory, "Timeout": 3, "PackageType": "Zip", "Tags": tags,
        "EphemeralStorage": { "Size": 512 },
    });
    model.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    resource(NAME, &model)
}

fn done(operation: &str) -> Answer {
    progress(operation, "SUCCESS", &json!({ "TypeName": "AWS::Lambda::Function", "Identifier": NAME }))
}

fn patches(endpoint: &Endpoint) -> Vec<Value> {
    let patch = |body: &Value| serde_json::from_str(body["PatchDocument"].as_str().expect("a text")).expect("JSON");
    endpoint.request_bodies(UPDATE).iter().map(patch).collect()
}

/// Creates the function, and returns the hash that it got.
fn hash_of_code(key: &str) -> String {
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on(CREATE, [done("CREATE")])
        .after(CREATE)
        .on(READ, [function(128, "", &json!({}))])
        .start(&definition(key, 128, ""));
    endpoint.run("apply", &["--yes"]);
    let state: Value = serde_json::from_str(endpoint.request_bodies(CREATE)[0]["DesiredState"].as_str().expect("a text")).expect("JSON");
    let tags = state["Tags"].as_array().expect("a list").clone();
    let hash = tags.iter().find(|tag| tag["Key"] == "acme:hash-Code").expect("a hash")["Value"].as_str().expect("a text").to_owned();
    assert!(!hash.contains(key), "{hash}");
    assert_eq!(state["Code"], json!({ "S3Bucket": "shop-code", "S3Key": key }));
    hash
}

fn with_function(answer: Answer) -> Script {
    Script::new().with_tagged_resources(&[(ARN, "aws_resource.resize")]).on(READ, [answer])
}

#[test]
fn compares_unreported_values_by_their_hash() {
    let hash = hash_of_code("v1.zip");
    let endpoint = with_function(function(128, &hash, &json!({}))).start(&definition("v1.zip", 128, ""));
    assert!(endpoint.planned_changes().is_empty());
    endpoint.redefine(&definition("v2.zip", 128, ""));
    assert_eq!(endpoint.planned_changes(), ["update aws_resource.resize"]);
    let plan = endpoint.run("plan", &[]).combined_output();
    assert!(plan.contains("v2.zip") && plan.contains("the earlier `Code` is not known"), "{plan}");
    assert!(!plan.contains("acme:hash"), "{plan}");
}

/// A handler would lose the code, because the patch is applied to what AWS reports.
#[test]
fn writes_unreported_values_with_every_change() {
    let hash = hash_of_code("v1.zip");
    let endpoint = with_function(function(128, &hash, &json!({ "Description": "Images" })))
        .on(UPDATE, [done("UPDATE")])
        .after(UPDATE)
        .on(READ, [function(256, &hash, &json!({ "Description": "Images" }))])
        .start(&definition("v1.zip", 256, ""));
    assert_eq!(endpoint.planned_changes(), ["update aws_resource.resize"]);
    endpoint.apply();
    let mut sent = patches(&endpoint)[0].as_array().cloned().expect("a list");
    sent.sort_by_key(|operation| operation["path"].to_string());
    let expected = json!([
        { "op": "add", "path": "/Code", "value": { "S3Bucket": "shop-code", "S3Key": "v1.zip" } },
        { "op": "add", "path": "/MemorySize", "value": 256 },
    ]);
    assert_eq!(Value::from(sent), expected);
}

/// A request that failed is repeated under another token.
#[test]
fn retries_a_throttled_creation() {
    let throttled = json!({ "ErrorCode": "Throttling", "StatusMessage": "Rate exceeded", "TypeName": "AWS::Lambda::Function" });
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on("ListResources", [ok(json!({ "TypeName": "AWS::Lambda::Function", "ResourceDescriptions": [] }))])
        .on(CREATE, [progress("CREATE", "FAILED", &throttled), progress("CREATE", "FAILED", &throttled), done("CREATE")])
        .after(CREATE)
        .after(CREATE)
        .after(CREATE)
        .on(READ, [function(128, "", &json!({}))])
        .start(&definition("v1.zip", 128, ""));
    endpoint.run("apply", &["--yes"]);
    let tokens: std::collections::BTreeSet<String> =
        endpoint.request_bodies(CREATE).iter().map(|body| body["ClientToken"].to_string()).collect();
    assert!(endpoint.call_count(CREATE) >= 3 && tokens.len() >= 2, "{tokens:?}");
}

/// The description leaves the definition, and so AWS. The timeout was never in it.
#[test]
fn removes_only_what_the_last_revision_set() {
    let hash = hash_of_code("v1.zip");
    let described = "        Description: Images\n        Environment: { Variables: { STAGE: test, LEVEL: info } }\n";
    let more = json!({ "Description": "Images", "Environment": { "Variables": { "STAGE": "test", "LEVEL": "info" } } });
    let endpoint = with_function(function(128, &hash, &json!({})))
        .on(UPDATE, [done("UPDATE")])
        .after(UPDATE)
        .on(READ, [function(128, &hash, &more)])
        .after(UPDATE)
        .on(READ, [function(128, &hash, &json!({ "Environment": { "Variables": { "STAGE": "test" } } }))])
        .start(&definition("v1.zip", 128, described));
    endpoint.apply();
    endpoint.redefine(&definition("v1.zip", 128, "        Environment: { Variables: { STAGE: test } }\n"));
    assert_eq!(endpoint.planned_changes(), ["update aws_resource.resize"]);
    endpoint.apply();
    let patch = patches(&endpoint).pop().expect("a patch").to_string();
    for operation in [r#"{"op":"remove","path":"/Description"}"#, r#"{"op":"remove","path":"/Environment/Variables/LEVEL"}"#] {
        assert!(patch.contains(operation), "{operation}: {patch}");
    }
    assert!(!patch.contains("Timeout") && !patch.contains("STAGE"), "{patch}");
}

/// A patch would lose the code, so the tagging API sets the tags.
#[test]
fn tags_a_resource_with_unreported_values_by_its_arn() {
    let hash = hash_of_code("v1.zip");
    let endpoint = with_function(function(128, &hash, &json!({})))
        .on("TagResources", [ok(json!({ "FailedResourcesMap": {} }))])
        .start(&definition("v1.zip", 128, "      tags: { team: web }\n"));
    endpoint.run("apply", &["--yes"]);
    let tagged = &endpoint.request_bodies("TagResources")[0];
    assert_eq!((&tagged["ResourceARNList"], &tagged["Tags"]), (&json!([ARN]), &json!({ "team": "web" })));
    assert_eq!(endpoint.call_count(UPDATE), 0);
}

#[test]
fn retains_what_may_hold_data() {
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    let mut tags = json_ownership_tags("aws_resource.orders");
    tags.as_array_mut().expect("a list").push(json!({ "Key": "acme:on-delete", "Value": "retain" }));
    let stream = json!({ "Name": "orders", "Arn": arn, "RetentionPeriodHours": 24, "Tags": tags });
    let endpoint = Script::new()
        .with_tagged_resources(&[(arn, "aws_resource.orders")])
        .on(READ, [resource("orders", &stream)])
        .start("  aws_resource: { orders: { type: AWS::Kinesis::Stream, properties: { Name: orders } } }\n");
    assert!(endpoint.planned_changes().is_empty());
    endpoint.redefine("  aws_resource: {}\n");
    assert_eq!(endpoint.planned_changes(), ["forget aws_resource.orders"]);
    let mut untold = stream;
    untold["Tags"] = json_ownership_tags("aws_resource.orders");
    let endpoint = Script::new()
        .with_tagged_resources(&[(arn, "aws_resource.orders")])
        .on(READ, [resource("orders", &untold)])
        .start("  aws_resource: {}\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("on_delete: delete"), "{}", done.combined_output());
    assert!(endpoint.writes().is_empty());
}
