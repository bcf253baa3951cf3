//! Secrets Manager: a name is available again only some time after its secret was deleted.

use serde_json::json;

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-token-AbCdEf";
const SECRET: &str = "  secret: { token: {} }\n";

fn secret(deleted: Option<u32>) -> Answer {
    ok(json!({ "ARN": ARN, "Name": "shop-token", "Tags": json_ownership_tags("secret.token"), "DeletedDate": deleted }))
}

#[test]
fn waits_for_the_name_of_a_deleted_secret() {
    let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    let none = json_error(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    let endpoint = Script::new()
        .on("DescribeSecret", [none])
        .on("CreateSecret", [json_error(400, "InvalidRequestException", message), ok(json!({ "ARN": ARN, "Name": "shop-token" }))])
        .after("CreateSecret")
        .on("DescribeSecret", [secret(None)])
        .start(SECRET);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 CreateSecret", "200 CreateSecret"]);
}

/// The first response was lost.
#[test]
fn accepts_that_a_secret_is_already_marked_deleted() {
    let message = "You tried to perform the operation on a secret that's currently marked deleted.";
    let endpoint = Script::new()
        .with_tagged_resources(&[(ARN, "secret.token")])
        .on("DescribeSecret", [secret(None), secret(Some(1_790_000_000))])
        .on("DeleteSecret", [json_error(500, "InternalServiceError", ""), json_error(400, "InvalidRequestException", message)])
        .start(SECRET);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["500 DeleteSecret", "400 DeleteSecret"]);
}

/// AWS never reports the window, so it comes from the record of the last run.
#[test]
fn deletes_a_removed_secret_with_its_last_recovery_window() {
    let none = json_error(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    let endpoint = Script::new()
        .on("DescribeSecret", [none.clone()])
        .on("CreateSecret", [ok(json!({ "ARN": ARN, "Name": "shop-token" }))])
        .after("CreateSecret")
        .with_tagged_resources(&[(ARN, "secret.token")])
        .on("DescribeSecret", [secret(None)])
        .on("DeleteSecret", [ok(json!({ "ARN": ARN }))])
        .after("DeleteSecret")
        .on("DescribeSecret", [none])
        .start("  secret: { token: { recovery_window_days: 8 } }\n");
    endpoint.apply();
    // Not an update: no call would transmit it.
    endpoint.redefine("  secret: { token: { recovery_window_days: 9 } }\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine("    {}\n");
    endpoint.run("apply", &["--yes"]).assert_success();
    assert_eq!(endpoint.request_bodies("DeleteSecret")[0]["RecoveryWindowInDays"], 8);
}

/// A secret within its recovery window keeps its name and its value.
#[test]
fn restores_a_deleted_secret() {
    let endpoint = Script::new()
        .on("DescribeSecret", [secret(Some(1_790_000_000))])
        .on("RestoreSecret", [ok(json!({ "ARN": ARN, "Name": "shop-token" }))])
        .after("RestoreSecret")
        .on("DescribeSecret", [secret(None)])
        .start(SECRET);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 RestoreSecret"]);
}
