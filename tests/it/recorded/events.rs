//! EventBridge: failures inside a success, rules of others, and the order of a deletion.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:events:us-east-1:123456789012:rule/shop-nightly";
const TARGET: &str = "arn:aws:sns:us-east-1:123456789012:ops";

fn definition() -> String {
    format!("  event_rule: {{ nightly: {{ schedule: rate(1 day), targets: {{ ops: {{ arn: '{TARGET}' }} }} }} }}\n")
}

fn rules(all: &[Value]) -> Answer {
    ok(json!({ "Rules": all }))
}

fn rule() -> Value {
    json!({ "Name": "shop-nightly", "Arn": ARN, "EventBusName": "default", "ScheduleExpression": "rate(1 day)", "State": "ENABLED" })
}

fn targets() -> Answer {
    ok(json!({ "Targets": [{ "Id": "ops", "Arn": TARGET }] }))
}

fn script() -> Script {
    Script::new()
        .on("ListEventBuses", [ok(json!({ "EventBuses": [{ "Name": "default" }] }))])
        .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("event_rule.nightly") }))])
        .on("DescribeRule", [json_error(400, "ResourceNotFoundException", "Rule shop-nightly does not exist on EventBus default.")])
        .on("ListTargetsByRule", [ok(json!({ "Targets": [] }))])
        .on("PutRule", [ok(json!({ "RuleArn": ARN }))])
}

#[test]
fn retries_a_target_that_failed_inside_a_success() {
    let failure = json!({ "TargetId": "ops", "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "Try again" });
    let failed = ok(json!({ "FailedEntryCount": 1, "FailedEntries": [failure] }));
    let endpoint = script()
        .on("ListRules", [rules(&[])])
        .on("PutTargets", [failed, ok(json!({ "FailedEntryCount": 0 }))])
        .after("PutRule")
        .on("ListRules", [rules(&[rule()])])
        .after("PutTargets")
        .on("ListTargetsByRule", [ok(json!({ "Targets": [] })), targets()])
        .start(&definition());
    endpoint.run("apply", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 PutRule", "200 PutTargets", "200 PutTargets"]);
}

#[test]
fn does_not_overwrite_a_rule_that_appears_after_the_plan() {
    let endpoint = script().on("ListRules", [rules(&[])]).on("DescribeRule", [ok(rule())]).start(&definition());
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0, "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

/// Rules that a service of AWS manages are not those of the stack, even under its names.
#[test]
fn ignores_rules_that_aws_manages() {
    let mut managed = rule();
    managed["ManagedBy"] = "autoscaling.amazonaws.com".into();
    let endpoint = script().on("ListRules", [rules(&[managed])]).start("  event_rule: {}\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

#[test]
fn removes_the_targets_before_the_rule() {
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "event_rule.nightly")])
        .on("ListRules", [rules(&[rule()])])
        .on("ListTargetsByRule", [targets()])
        .on("RemoveTargets", [ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))])
        .on("DeleteRule", [(200, String::new())])
        .start(&definition());
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 RemoveTargets", "200 DeleteRule"]);
}
