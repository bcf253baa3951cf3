//! Secrets Manager: a name is free again only some time after its secret was deleted.

use serde_json::json;

use crate::script::{Answer, Script, json_marks, ok, refused};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-token-AbCdEf";
const SECRET: &str = "  secret: { token: {} }\n";

fn secret(deleted: Option<u32>) -> Answer {
    ok(json!({ "ARN": ARN, "Name": "shop-token", "Tags": json_marks("secret.token"), "DeletedDate": deleted }))
}

#[test]
fn a_name_that_is_about_to_be_free_is_waited_for() {
    let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    let none = refused(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    let endpoint = Script::new()
        .on("DescribeSecret", [none])
        .on("CreateSecret", [refused(400, "InvalidRequestException", message), ok(json!({ "ARN": ARN, "Name": "shop-token" }))])
        .after("CreateSecret")
        .on("DescribeSecret", [secret(None)])
        .start(SECRET);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 CreateSecret", "200 CreateSecret"]);
}

/// The first answer was lost.
#[test]
fn a_secret_on_its_way_out_is_deleted() {
    let message = "You tried to perform the operation on a secret that's currently marked deleted.";
    let endpoint = Script::new()
        .indexed(&[(ARN, "secret.token")])
        .on("DescribeSecret", [secret(None), secret(Some(1_790_000_000))])
        .on("DeleteSecret", [refused(500, "InternalServiceError", ""), refused(400, "InvalidRequestException", message)])
        .start(SECRET);
    endpoint.run("destroy", &["--yes"]).ok();
    assert_eq!(endpoint.writes(), ["500 DeleteSecret", "400 DeleteSecret"]);
}
