//! KMS: grants, and replicas of keys in other regions.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const ID: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";
const PRIMARY: &str = "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const REPLICA: &str = "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const ROLE: &str = "arn:aws:iam::123456789012:role/ci";

fn metadata(arn: &str, state: &str) -> Value {
    let kind = if arn == REPLICA { "REPLICA" } else { "PRIMARY" };
    json!({
        "AWSAccountId": "123456789012", "KeyId": ID, "Arn": arn, "Enabled": state == "Enabled", "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": state, "Origin": "AWS_KMS", "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": true,
        "MultiRegionConfiguration": {
            "MultiRegionKeyType": kind, "PrimaryKey": { "Arn": PRIMARY, "Region": "us-east-1" },
            "ReplicaKeys": [{ "Arn": REPLICA, "Region": "eu-west-1" }],
        },
    })
}

fn key(arn: &str, state: &str) -> Answer {
    ok(json!({ "KeyMetadata": metadata(arn, state) }))
}

fn tags(address: &str) -> Answer {
    let tags: Value = ownership_tags(address).iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
    ok(json!({ "Tags": tags }))
}

fn script(arn: &str, address: &str, alias: &str) -> Script {
    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    Script::new()
        .on("ListResourceTags", [tags(address)])
        .on("GetKeyPolicy", [ok(json!({ "Policy": policy }))])
        .on("GetKeyRotationStatus", [ok(json!({ "KeyRotationEnabled": true, "KeyId": arn, "RotationPeriodInDays": 365 }))])
        .on("ListAliases", [ok(json!({ "Aliases": [{ "AliasName": alias, "TargetKeyId": ID }] }))])
        .on("DescribeKey", [key(arn, "Enabled")])
        .on("ListGrants", [ok(json!({ "Grants": [] }))])
}

fn grant(id: &str, name: &str, operations: &[&str], created: u32) -> Value {
    json!({ "GrantId": id, "Name": name, "GranteePrincipal": ROLE, "Operations": operations, "CreationDate": created, "KeyId": PRIMARY })
}

fn grants(more: bool, all: &[Value]) -> Answer {
    ok(json!({ "Grants": all, "Truncated": more, "NextMarker": more.then_some("next") }))
}

/// AWS can't change a grant. Its principal is not visible everywhere yet. Grants of services have no names of acme.
#[test]
fn a_changed_grant_is_replaced_and_grants_of_services_stay() {
    let service = || grant("of-ebs", "", &["Decrypt"], 1);
    let old = || grant("old", "acme/ci", &["Decrypt"], 2);
    let new = || grant("new", "acme/ci", &["Decrypt", "Encrypt"], 3);
    let not_yet = json_error(400, "InvalidArnException", "ARN does not refer to a valid principal");
    let endpoint = script(PRIMARY, "kms_key.main", "alias/shop-main")
        .with_tagged_resources(&[(PRIMARY, "kms_key.main")])
        .on("ListGrants", [grants(true, &[service()])])
        .on_containing("ListGrants", "next", [grants(false, &[old()])])
        .on("CreateGrant", [not_yet, ok(json!({ "GrantId": "new", "GrantToken": "t" }))])
        .on("RevokeGrant", [ok(json!({}))])
        .after("CreateGrant")
        .on("ListGrants", [grants(false, &[service(), old(), new()])])
        .after("RevokeGrant")
        .on("ListGrants", [grants(false, &[service(), new()])])
        .start(&format!(
            "  kms_key: {{ main: {{ multi_region: true, grants: {{ ci: {{ principal: '{ROLE}', operations: [Decrypt, Encrypt] }} }} }} }}\n"
        ));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 CreateGrant", "200 CreateGrant", "200 RevokeGrant"]);
    assert_eq!(endpoint.request_bodies("RevokeGrant")[0]["GrantId"], "old");
}

/// The call that creates a replica goes to the region of the primary key; the replica is in its own region.
#[test]
fn a_replica_is_created_from_the_region_of_its_primary_key() {
    let none = json_error(400, "NotFoundException", "There is no such key.");
    let replica = |state: &str| ok(json!({ "ReplicaKeyMetadata": metadata(REPLICA, state), "ReplicaPolicy": "{}" }));
    let endpoint = script(REPLICA, "kms_replica.files", "alias/shop-files")
        .region("eu-west-1")
        .on("ListAliases", [ok(json!({ "Aliases": [] }))])
        .on("DescribeKey", [none])
        .on("ReplicateKey", [replica("Creating")])
        .on("CreateAlias", [ok(json!({}))])
        .on("DeleteAlias", [ok(json!({}))])
        .on("ScheduleKeyDeletion", [ok(json!({ "KeyId": ID, "KeyState": "PendingDeletion" }))])
        .after("ReplicateKey")
        .with_tagged_resources(&[(REPLICA, "kms_replica.files")])
        .on("DescribeKey", [key(REPLICA, "Creating"), key(REPLICA, "Enabled")])
        .after("CreateAlias")
        .on("ListAliases", [ok(json!({ "Aliases": [{ "AliasName": "alias/shop-files", "TargetKeyId": ID }] }))])
        .after("ScheduleKeyDeletion")
        .on("DescribeKey", [key(REPLICA, "PendingDeletion")])
        .start(&format!("  kms_replica: {{ files: {{ primary: '{PRIMARY}' }} }}\n"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ReplicateKey")[0]["ReplicaRegion"], "eu-west-1");
    let signed = |call: &str| endpoint.request_headers(call, "authorization").remove(0);
    assert!(signed("ReplicateKey").contains("/us-east-1/kms/") && signed("CreateAlias").contains("/eu-west-1/kms/"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["ReplicateKey", "CreateAlias", "DeleteAlias", "ScheduleKeyDeletion"].map(|call| format!("200 {call}")));
}

#[test]
fn a_replica_needs_a_multi_region_key_of_another_region() {
    let endpoint = Script::new().start("  kms_key: { main: {} }\n  kms_replica: { files: { primary: main } }\n");
    let done = endpoint.run("plan", &[]);
    for message in ["`kms_key.main` is not a multi-region key", "`kms_key.main` is in the same region"] {
        assert!(done.code != 0 && done.combined_output().contains(message), "{}", done.combined_output());
    }
}
