//! CloudWatch Logs: changes in progress, roles that can't deliver yet, deletion protection, and data protection policies.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/shop/requests";
const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/logs";
const ROLE: &str = "arn:aws:iam::123456789012:role/writer";

/// The log group with these further fields of its description.
fn group(more: Value) -> Answer {
    let mut group = json!({
        "logGroupName": "/shop/requests", "arn": format!("{ARN}:*"), "logGroupArn": ARN, "creationTime": 1_790_000_000_000_u64,
        "metricFilterCount": 0, "storedBytes": 0, "logGroupClass": "STANDARD", "deletionProtectionEnabled": false,
    });
    if let (Value::Object(group), Value::Object(more)) = (&mut group, more) {
        group.extend(more);
    }
    ok(json!({ "logGroups": [group] }))
}

fn none() -> Answer {
    ok(json!({ "logGroups": [] }))
}

fn done() -> Answer {
    (200, String::new())
}

fn script() -> Script {
    Script::new()
        .on("DescribeLogGroups", [none()])
        .on("ListTagsForResource", [ok(json!({ "tags": ownership_tags("log_group.requests") }))])
        .on("CreateLogGroup", [done()])
}

fn definition(fields: &str) -> String {
    format!("  log_group: {{ requests: {{ name: /shop/requests, {fields} }} }}\n")
}

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>: "Multiple concurrent requests to update
/// the same resource were in conflict."
#[test]
fn retries_while_another_change_of_the_group_is_in_progress() {
    let aborted = json_error(400, "OperationAbortedException", "A conflicting operation is currently in progress against this resource.");
    let endpoint = script()
        .on("PutRetentionPolicy", [aborted, done()])
        .after("CreateLogGroup")
        .on("DescribeLogGroups", [group(json!({}))])
        .after("PutRetentionPolicy")
        .on("DescribeLogGroups", [group(json!({ "retentionInDays": 30 }))])
        .start(&definition("retention_days: 30"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateLogGroup", "400 PutRetentionPolicy", "200 PutRetentionPolicy"]);
}

/// PutSubscriptionFilter sends a test message, which a new role can't deliver yet.
#[test]
fn retries_until_a_new_role_can_deliver() {
    let message = "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state.";
    let filter = json!({
        "filterName": "all", "logGroupName": "/shop/requests", "filterPattern": "", "destinationArn": STREAM, "roleArn": ROLE,
        "distribution": "ByLogStream", "creationTime": 1_790_000_000_000_u64,
    });
    let endpoint = script()
        .on("DescribeSubscriptionFilters", [ok(json!({ "subscriptionFilters": [] }))])
        .on("PutSubscriptionFilter", [json_error(400, "InvalidParameterException", message), done()])
        .after("CreateLogGroup")
        .on("DescribeLogGroups", [group(json!({}))])
        .after("PutSubscriptionFilter")
        .on("DescribeSubscriptionFilters", [ok(json!({ "subscriptionFilters": [filter] }))])
        .start(&definition(&format!("subscription_filters: {{ all: {{ destination: '{STREAM}', role: '{ROLE}' }} }}")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateLogGroup", "400 PutSubscriptionFilter", "200 PutSubscriptionFilter"]);
}

#[test]
fn does_not_delete_a_protected_group() {
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "log_group.requests")])
        .on("DescribeLogGroups", [group(json!({ "deletionProtectionEnabled": true }))])
        .start(&definition("deletion_protection: true"));
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("is protected from deletion"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

/// The stored bytes lag behind by hours.
#[test]
fn does_not_delete_recent_log_events_without_consent() {
    let stream = json!({ "logStreamName": "web", "lastIngestionTime": 1_790_000_000_000_u64 });
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "log_group.requests")])
        .on("DescribeLogGroups", [group(json!({}))])
        .on("DescribeLogStreams", [ok(json!({ "logStreams": [stream] }))])
        .start(&definition(""));
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("log events"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

#[test]
fn sets_and_removes_a_data_protection_policy() {
    let policy = json!({ "Name": "mask", "Version": "2021-06-01", "Statement": [] });
    let protected = group(json!({ "dataProtectionStatus": "ACTIVATED" }));
    let endpoint = script()
        .on("PutDataProtectionPolicy", [ok(json!({}))])
        .on("DeleteDataProtectionPolicy", [done()])
        .after("CreateLogGroup")
        .on("DescribeLogGroups", [group(json!({}))])
        .after("PutDataProtectionPolicy")
        .on("DescribeLogGroups", [protected])
        .on("GetDataProtectionPolicy", [ok(json!({ "policyDocument": policy.to_string() }))])
        .after("DeleteDataProtectionPolicy")
        .on("DescribeLogGroups", [group(json!({ "dataProtectionStatus": "DELETED" }))])
        .start(&definition("data_protection: { Name: mask, Version: '2021-06-01', Statement: [] }"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("PutDataProtectionPolicy")[0]["policyDocument"];
    assert_eq!(serde_json::from_str::<Value>(sent.as_str().expect("a text")).expect("JSON"), policy);
    endpoint.redefine(&definition(""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateLogGroup", "200 PutDataProtectionPolicy", "200 DeleteDataProtectionPolicy"]);
}

/// Groups whose names lack the stack's prefix are asked for 50 at a time.
#[test]
fn reads_groups_by_their_names() {
    let names: Vec<String> = (0..60).map(|number| format!("/shop/{number}")).collect();
    let arns: Vec<String> = names.iter().map(|name| format!("arn:aws:logs:us-east-1:123456789012:log-group:{name}")).collect();
    let addresses: Vec<String> = (0..60).map(|number| format!("log_group.g{number}")).collect();
    let tagged: Vec<(&str, &str)> = arns.iter().map(String::as_str).zip(addresses.iter().map(String::as_str)).collect();
    let groups: Vec<Value> =
        names.iter().zip(&arns).map(|(name, arn)| json!({ "logGroupName": name, "logGroupArn": arn, "storedBytes": 0 })).collect();
    let endpoint = Script::new()
        .with_tagged_resources(&tagged)
        .on("DescribeLogGroups", [none()])
        .on_containing("DescribeLogGroups", "logGroupIdentifiers", [ok(json!({ "logGroups": groups }))])
        .start(&format!(
            "  log_group: {{ {} }}\n",
            (0..60).map(|number| format!("g{number}: {{ name: /shop/{number} }}")).collect::<Vec<_>>().join(", ")
        ));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let asked: Vec<usize> = endpoint
        .request_bodies("DescribeLogGroups")
        .iter()
        .filter_map(|body| Some(body["logGroupIdentifiers"].as_array()?.len()))
        .collect();
    assert_eq!(asked, [50, 10]);
}
