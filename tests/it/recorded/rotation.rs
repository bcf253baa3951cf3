//! Secrets: rotation by a function, and copies in other regions.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-token-AbCdEf";
const LAMBDA: &str = "arn:aws:lambda:us-east-1:123456789012:function:rotate";

fn secret(more: &Value) -> Answer {
    let mut secret = json!({ "ARN": ARN, "Name": "shop-token", "Tags": json_ownership_tags("secret.token") });
    secret.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    ok(secret)
}

fn copies(of: &[(&str, &str)]) -> Answer {
    let all: Value = of.iter().map(|(region, status)| json!({ "Region": region, "KmsKeyId": "alias/aws/secretsmanager", "Status": status, "StatusMessage": "Secret with this name already exists in this region" })).collect();
    secret(&json!({ "PrimaryRegion": "us-east-1", "ReplicationStatus": all }))
}

fn script() -> Script {
    Script::new().with_tagged_resources(&[(ARN, "secret.token")]).on("DescribeSecret", [secret(&json!({}))])
}

/// The function's policy is new, and AWS would rotate at once unless told not to. AWS keeps the rules of a rotation that has ended.
#[test]
fn a_rotation_begins_at_its_next_time_and_ends() {
    let denied =
        json_error(400, "AccessDeniedException", &format!("Secrets Manager cannot invoke the specified Lambda function. {LAMBDA}"));
    let rules = json!({ "AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(30 days)", "Duration": "3h" });
    let rotating = |on: bool| secret(&json!({ "RotationEnabled": on, "RotationLambdaARN": LAMBDA, "RotationRules": rules }));
    let endpoint = script()
        .on("RotateSecret", [denied, ok(json!({ "ARN": ARN }))])
        .on("CancelRotateSecret", [ok(json!({ "ARN": ARN }))])
        .after("RotateSecret")
        .on("DescribeSecret", [rotating(true)])
        .after("CancelRotateSecret")
        .on("DescribeSecret", [rotating(false)])
        .start(&format!("  secret: {{ token: {{ rotation: {{ lambda: '{LAMBDA}', schedule: rate(30 days), window_hours: 3 }} }} }}\n"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("RotateSecret")[1];
    assert_eq!((&sent["RotateImmediately"], &sent["RotationRules"]["Duration"]), (&json!(false), &json!("3h")), "{sent}");
    endpoint.redefine("  secret: { token: {} }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 RotateSecret", "200 RotateSecret", "200 CancelRotateSecret"]);
}

/// Copies take a while; AWS deletes no secret that has some.
#[test]
fn copies_of_a_secret_are_waited_for_and_removed_before_it() {
    let endpoint = script()
        .on("ReplicateSecretToRegions", [ok(json!({ "ARN": ARN }))])
        .on("RemoveRegionsFromReplication", [ok(json!({ "ARN": ARN }))])
        .on("DeleteSecret", [ok(json!({ "ARN": ARN }))])
        .after("ReplicateSecretToRegions")
        .on("DescribeSecret", [copies(&[("eu-west-1", "InProgress")]), copies(&[("eu-west-1", "InSync")])])
        .after("DeleteSecret")
        .on("DescribeSecret", [json_error(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")])
        .start("  secret: { token: { replicas: { eu-west-1: {} } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ReplicateSecretToRegions")[0]["ForceOverwriteReplicaSecret"], false);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(
        endpoint.writes(),
        ["ReplicateSecretToRegions", "RemoveRegionsFromReplication", "DeleteSecret"].map(|call| format!("200 {call}"))
    );
}

/// A failed copy is not there: the next apply tries again, and the error has AWS's reason.
#[test]
fn a_failed_copy_is_reported_and_replaced() {
    let endpoint = script()
        .on("ReplicateSecretToRegions", [ok(json!({ "ARN": ARN }))])
        .on("RemoveRegionsFromReplication", [ok(json!({ "ARN": ARN }))])
        .after("ReplicateSecretToRegions")
        .on("DescribeSecret", [copies(&[("eu-west-1", "Failed")])])
        .start("  secret: { token: { replicas: { eu-west-1: {} } } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0, "{}", done.combined_output());
    assert!(
        done.combined_output().contains("eu-west-1: Secret with this name already exists in this region"),
        "{}",
        done.combined_output()
    );
}
