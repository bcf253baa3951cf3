use serde_json::{Value, json};

use super::*;

fn rule(spec: Value) -> EventRule {
    serde_json::from_value(spec).expect("a rule")
}

fn problems(spec: Value) -> Vec<String> {
    rule(spec).check().into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn a_rule_has_a_pattern_or_a_schedule() {
    assert_eq!(problems(json!({ "schedule": "rate(1 hour)" })), [""; 0]);
    assert_eq!(problems(json!({ "pattern": { "source": ["shop"], "detail": { "kind": ["order"] } } })), [""; 0]);
    assert_eq!(problems(json!({})), [""]);
    assert_eq!(problems(json!({ "schedule": "rate(1 hour)", "bus": "orders" })), ["/schedule"]);
    assert_eq!(problems(json!({ "pattern": { "source": "shop" } })), ["/pattern"]);
}

#[test]
fn checks_targets() {
    let target = |target: Value| problems(json!({ "schedule": "rate(1 hour)", "targets": { "a": target } }));
    let queue = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo";
    assert_eq!(target(json!({ "arn": queue, "message_group": "a", "input": "{\"a\": 1}" })), [""; 0]);
    assert_eq!(target(json!({ "arn": queue, "input": "text" })), ["/targets/a/input"]);
    assert_eq!(target(json!({ "arn": queue, "input_path": "detail" })), ["/targets/a/input_path"]);
    assert_eq!(target(json!({ "arn": queue, "partition_key_path": "$.id" })), ["/targets/a/partition_key_path"]);
    let cluster = json!({ "arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/a", "role": "arn:aws:iam::123456789012:role/a" });
    assert_eq!(target(cluster), ["/targets/a/arn"]);
    assert_eq!(target(json!({ "arn": "arn:aws:kinesis:eu-west-1:123456789012:stream/a" })), ["/targets/a/arn"]);
}

#[test]
fn reads_the_targets_that_it_writes() {
    let written = rule(json!({ "schedule": "rate(1 hour)", "targets": { "a": {
        "arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/a", "role": "arn:aws:iam::123456789012:role/a", "max_retries": 3,
        "max_age_seconds": 600, "dead_letter_queue": "arn:aws:sqs:eu-west-1:123456789012:dead", "message_group": "m",
        "partition_key_path": "$.id", "http": { "path_values": ["a"], "headers": { "b": "c" }, "query": { "d": "e" } },
        "input_transformer": { "paths": { "id": "$.id" }, "template": "\"<id>\"" },
        "ecs": { "task_definition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/a", "count": 2, "launch_type": "FARGATE",
            "subnets": [{ "id": "subnet-1" }], "security_groups": [{ "id": "sg-1" }], "public_ip": true, "group": "g",
            "platform_version": "1.4.0", "propagate_tags": true, "managed_tags": true, "execute_command": true },
    } } }));
    let (id, read) = Target::from_sdk(written.targets["a"].to_sdk("a", None).expect("a target"));
    assert_eq!((id.as_str(), json!(read)), ("a", json!(written.targets["a"])));
}

#[test]
fn keeps_unmanaged_parameters_of_the_same_target() {
    let live = |arn: &str| {
        let batch = sdk::BatchParameters::builder().job_definition("d").job_name("n").build().expect("parameters");
        sdk::Target::builder().id("a").arn(arn).batch_parameters(batch).build().expect("a target")
    };
    let queue = "arn:aws:batch:eu-west-1:123456789012:job-queue/a";
    let target: Target = serde_json::from_value(json!({ "arn": queue })).expect("a target");
    assert!(target.to_sdk("a", Some(live(queue))).expect("a target").batch_parameters.is_some());
    assert!(
        target.to_sdk("a", Some(live("arn:aws:batch:eu-west-1:123456789012:job-queue/b"))).expect("a target").batch_parameters.is_none()
    );
}
