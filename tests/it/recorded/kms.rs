//! KMS: a new key, and a new state of a key, are not visible everywhere at once.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const KEY: &str = "  kms_key: { main: {} }\n";
const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn key(state: &str) -> Answer {
    ok(json!({ "KeyMetadata": {
        "AWSAccountId": "123456789012",
        "KeyId": ID,
        "Arn": ARN,
        "Enabled": state == "Enabled",
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": state,
        "Origin": "AWS_KMS",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "MultiRegion": false,
    } }))
}

fn rotation(enabled: bool) -> Answer {
    ok(json!({ "KeyRotationEnabled": enabled, "KeyId": ARN, "RotationPeriodInDays": enabled.then_some(365) }))
}

fn alias() -> Answer {
    ok(json!({ "Aliases": [{ "AliasName": "alias/shop-main", "TargetKeyId": ID }] }))
}

/// Reads of a key besides its state.
fn script_with_metadata() -> Script {
    let tags: Value = ownership_tags("kms_key.main").iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    Script::new().on("ListResourceTags", [ok(json!({ "Tags": tags }))]).on("GetKeyPolicy", [ok(json!({ "Policy": policy }))])
}

fn status_lines(writes: &[(u16, &str)]) -> Vec<String> {
    writes.iter().map(|(status, action)| format!("{status} {action}")).collect()
}

#[test]
fn creates_the_alias_of_a_new_key_only_once() {
    let unseen = json_error(400, "NotFoundException", &format!("Key '{ARN}' does not exist"));
    let named = json_error(400, "AlreadyExistsException", "An alias with the name alias/shop-main already exists");
    let endpoint = script_with_metadata()
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .on("CreateKey", [key("Enabled")])
        .on("CreateAlias", [ok(json!({})), named])
        .on("EnableKeyRotation", [unseen, ok(json!({}))])
        .on("DescribeKey", [key("Enabled")])
        .on("GetKeyRotationStatus", [rotation(true)])
        .after("CreateAlias")
        .on("ListAliases", [alias()])
        .start(KEY);
    endpoint.apply();
    let writes = [(200, "CreateKey"), (200, "CreateAlias"), (400, "EnableKeyRotation"), (400, "CreateAlias"), (200, "EnableKeyRotation")];
    assert_eq!(endpoint.writes(), status_lines(&writes));
}

#[test]
fn retries_while_an_enabled_key_is_reported_disabled() {
    let disabled = json_error(409, "DisabledException", &format!("{ARN} is disabled."));
    let endpoint = script_with_metadata()
        .on("ListAliases", [alias()])
        .on("DescribeKey", [key("Disabled")])
        .on("GetKeyRotationStatus", [rotation(false)])
        .on("EnableKey", [ok(json!({}))])
        .on("EnableKeyRotation", [disabled, ok(json!({}))])
        .after("EnableKeyRotation")
        .on("DescribeKey", [key("Enabled")])
        .on("GetKeyRotationStatus", [rotation(true)])
        .start(KEY);
    endpoint.apply();
    let writes = [(200, "EnableKey"), (409, "EnableKeyRotation"), (200, "EnableKey"), (200, "EnableKeyRotation")];
    assert_eq!(endpoint.writes(), status_lines(&writes));
}

#[test]
fn accepts_that_a_key_is_already_pending_deletion() {
    let pending = json_error(400, "KMSInvalidStateException", &format!("{ARN} is pending deletion."));
    let endpoint = script_with_metadata()
        .on("ListAliases", [alias()])
        .on("DescribeKey", [key("Enabled")])
        .on("GetKeyRotationStatus", [rotation(true)])
        .on("DeleteAlias", [ok(json!({})), json_error(400, "NotFoundException", "Alias alias/shop-main is not found.")])
        .on("ScheduleKeyDeletion", [json_error(500, "KMSInternalException", ""), pending])
        .after("DeleteAlias")
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .start(KEY);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let writes = [(200, "DeleteAlias"), (500, "ScheduleKeyDeletion"), (400, "DeleteAlias"), (400, "ScheduleKeyDeletion")];
    assert_eq!(endpoint.writes(), status_lines(&writes));
}

/// Without the tagging API, every key without an alias is read, and the policy of one may forbid that.
#[test]
fn ignores_a_key_whose_policy_denies_reading() {
    let denied = |action: &str| json_error(400, "AccessDeniedException", &format!("User is not authorized to perform: {action}"));
    let endpoint = Script::new()
        .on("GetResources", [denied("tag:GetResources")])
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .on("ListKeys", [ok(json!({ "Keys": [{ "KeyId": ID, "KeyArn": ARN }] }))])
        .on("DescribeKey", [denied("kms:DescribeKey")])
        .start(KEY);
    assert_eq!(endpoint.planned_changes(), ["create kms_key.main"]);
}

/// Its alias is gone, so the tag index finds it.
#[test]
fn cancels_the_deletion_of_a_key() {
    let no_alias = json_error(400, "NotFoundException", "Alias alias/shop-main is not found.");
    let endpoint = script_with_metadata()
        .with_tagged_resources(&[(ARN, "kms_key.main")])
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .on("DescribeKey", [no_alias, key("PendingDeletion")])
        .on("CancelKeyDeletion", [ok(json!({ "KeyId": ARN }))])
        .on("EnableKey", [ok(json!({}))])
        .on("CreateAlias", [ok(json!({}))])
        .on("EnableKeyRotation", [ok(json!({}))])
        .after("EnableKeyRotation")
        .on("ListAliases", [alias()])
        .on("DescribeKey", [key("Enabled")])
        .on("GetKeyRotationStatus", [rotation(true)])
        .start(KEY);
    endpoint.apply();
    let writes = [(200, "CancelKeyDeletion"), (200, "EnableKey"), (200, "CreateAlias"), (200, "EnableKeyRotation")];
    assert_eq!(endpoint.writes(), status_lines(&writes));
}
