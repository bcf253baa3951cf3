//! KMS, which shows a new key, and a key's new state, not everywhere at once.

use serde_json::{Value, json};

use crate::script::{Answer, Script, marks, ok, refused};

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

/// What is read of a key besides its state.
fn read() -> Script {
    let tags: Value = marks("kms_key.main").iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    Script::new().on("ListResourceTags", [ok(json!({ "Tags": tags }))]).on("GetKeyPolicy", [ok(json!({ "Policy": policy }))])
}

fn status(writes: &[(u16, &str)]) -> Vec<String> {
    writes.iter().map(|(status, action)| format!("{status} {action}")).collect()
}

#[test]
fn a_new_key_that_is_not_seen_everywhere_is_named_once() {
    let unseen = refused(400, "NotFoundException", &format!("Key '{ARN}' does not exist"));
    let named = refused(400, "AlreadyExistsException", "An alias with the name alias/shop-main already exists");
    let endpoint = read()
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
    assert_eq!(endpoint.writes(), status(&writes));
}

#[test]
fn a_key_that_was_just_enabled_may_still_count_as_disabled() {
    let disabled = refused(409, "DisabledException", &format!("{ARN} is disabled."));
    let endpoint = read()
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
    assert_eq!(endpoint.writes(), status(&writes));
}

#[test]
fn a_key_whose_deletion_was_scheduled_without_an_answer_is_gone() {
    let pending = refused(400, "KMSInvalidStateException", &format!("{ARN} is pending deletion."));
    let endpoint = read()
        .on("ListAliases", [alias()])
        .on("DescribeKey", [key("Enabled")])
        .on("GetKeyRotationStatus", [rotation(true)])
        .on("DeleteAlias", [ok(json!({})), refused(400, "NotFoundException", "Alias alias/shop-main is not found.")])
        .on("ScheduleKeyDeletion", [refused(500, "KMSInternalException", ""), pending])
        .after("DeleteAlias")
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .start(KEY);
    endpoint.run("destroy", &["--yes"]).ok();
    let writes = [(200, "DeleteAlias"), (500, "ScheduleKeyDeletion"), (400, "DeleteAlias"), (400, "ScheduleKeyDeletion")];
    assert_eq!(endpoint.writes(), status(&writes));
}

/// Where the tagging API can't be asked, every key without an alias is looked at, and the policy of one may forbid that.
#[test]
fn a_key_that_keeps_others_away_is_somebody_elses() {
    let denied = |action: &str| refused(400, "AccessDeniedException", &format!("User is not authorized to perform: {action}"));
    let endpoint = Script::new()
        .on("GetResources", [denied("tag:GetResources")])
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .on("ListKeys", [ok(json!({ "Keys": [{ "KeyId": ID, "KeyArn": ARN }] }))])
        .on("DescribeKey", [denied("kms:DescribeKey")])
        .start(KEY);
    assert_eq!(endpoint.changes(), ["create kms_key.main"]);
}
