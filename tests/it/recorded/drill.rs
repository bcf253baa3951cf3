//! Drills: the newest backups of an environment, restored into another one. No call changes what the source has.

use serde_json::{Value, json};

use super::rds::{DATABASE, ENDPOINT, answer, instance};
use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok};

const LIST: &str = "DescribeDBInstances";
const RESTORE: &str = "RestoreDBInstanceToPointInTime";
const MODIFY: &str = "ModifyDBInstance";
const DELETE: &str = "DeleteDBInstance";
const CLASS: &str = "db.t4g.medium";
const LATEST: &str = "<LatestRestorableTime>2026-01-02T03:04:05Z</LatestRestorableTime>";
const MANAGED: &str = "<MasterUserSecret><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1</SecretArn><SecretStatus>\
     active</SecretStatus><KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/2</KmsKeyId></MasterUserSecret>";

/// A definition with two environments and a drill that restores this resource.
fn with_drill(resources: &str, address: &str) -> String {
    format!(
        "{resources}environments: {{ production: {{}}, drill: {{}} }}\n\
         procedures: {{ drill: {{ environment: drill, restore: [{address}], gates: {{ healthy: [{address}] }} }} }}\n"
    )
}

/// An answer of the stand-in stack about one of its environments.
fn of(environment: &str, (code, body): Answer) -> Answer {
    let body =
        body.replace("shop-orders", &format!("shop-{environment}-orders")).replace("<Value>default<", &format!("<Value>{environment}<"));
    (code, body.replace("<DeletionProtection>true", "<DeletionProtection>false"))
}

/// An answer with the databases of both.
fn both(one: Answer, other: &Answer) -> Answer {
    let databases = |body: &str| {
        let start = body.find("<DBInstances>").expect("a list") + "<DBInstances>".len();
        body[start..body.find("</DBInstances>").expect("a list")].to_owned()
    };
    let more = databases(&other.1);
    (one.0, one.1.replace("</DBInstances>", &format!("{more}</DBInstances>")))
}

fn protected_database() -> String {
    DATABASE.replace("storage_gib: 50", "storage_gib: 20\n      database_name: orders\n      deletion_protection: false")
}

#[test]
fn restores_the_last_second_before_the_latest_restorable_time_and_deletes_the_copy() {
    let source = || of("production", instance("available", CLASS, &format!("{ENDPOINT}{LATEST}<DBName>orders</DBName>")));
    let copy = |status: &str, more: &str| of("drill", instance(status, CLASS, &format!("{ENDPOINT}<DBName>orders</DBName>{more}")));
    let accepted = |action: &str| answer(action, "<DBInstance><DBInstanceIdentifier>shop-drill-orders</DBInstanceIdentifier></DBInstance>");
    let endpoint = Script::new()
        .on(LIST, [source()])
        .on(RESTORE, [accepted(RESTORE)])
        .on(MODIFY, [accepted(MODIFY)])
        .on(DELETE, [accepted(DELETE)])
        .after(RESTORE)
        .on(LIST, [both(source(), &copy("creating", "")), both(source(), &copy("available", ""))])
        .after(MODIFY)
        .on(LIST, [both(source(), &copy("available", MANAGED))])
        .after(DELETE)
        .on(LIST, [both(source(), &copy("deleting", MANAGED)), source()])
        .start(&with_drill(&protected_database(), "rds_instance.orders"));
    let done = endpoint.run("drill", &["--env", "production", "--yes", "-o", "json"]).assert_success();
    let result: Value = serde_json::from_str(done.stdout.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!(
        (&result["resources"][0]["source"], &result["resources"][0]["data_from"], &result["deleted"]),
        (&json!("shop-production-orders"), &json!("2026-01-02T03:04:04Z"), &json!(true))
    );
    assert_eq!(endpoint.writes(), [RESTORE, MODIFY, DELETE].map(|call| format!("200 {call}")));
    let sent = &endpoint.request_bodies(RESTORE)[0];
    assert_eq!(
        (&sent["SourceDBInstanceIdentifier"], &sent["TargetDBInstanceIdentifier"], &sent["RestoreTime"]),
        (&json!("shop-production-orders"), &json!("shop-drill-orders"), &json!("2026-01-02T03:04:04Z"))
    );
    assert_eq!(sent["AllocatedStorage"], "50", "storage never shrinks");
    for (call, field) in [(MODIFY, "DBInstanceIdentifier"), (DELETE, "DBInstanceIdentifier")] {
        for sent in endpoint.request_bodies(call) {
            assert_eq!(sent[field], "shop-drill-orders", "{call} {sent}");
        }
    }
    let sent = &endpoint.request_bodies(DELETE)[0];
    assert_eq!((&sent["SkipFinalSnapshot"], &sent["DeleteAutomatedBackups"]), (&json!("true"), &json!("true")));
}

/// RDS makes the first backup when the database is available, and reports no time until then.
#[test]
fn a_new_database_has_no_backup_yet() {
    let source = || of("production", instance("available", CLASS, ENDPOINT));
    let endpoint = Script::new().on(LIST, [source()]).start(&with_drill(&protected_database(), "rds_instance.orders"));
    let done = endpoint.run("drill", &["--env", "production", "--yes"]);
    assert!(done.code == 1 && done.stderr.contains("RDS has not finished its first backup yet"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

#[test]
fn finds_the_latest_restorable_time_of_a_cluster() {
    let cluster = |more: &str| of("production", super::aurora::cluster("available", more));
    let plan = |source: Answer| {
        let endpoint =
            Script::new().on(super::aurora::CLUSTERS, [source]).start(&with_drill(super::aurora::CLUSTER, "aurora_cluster.orders"));
        endpoint.run("drill", &["--env", "production", "--plan", "-o", "json"])
    };
    let planned: Value = serde_json::from_str(&plan(cluster(LATEST)).assert_success().stdout).expect("JSON");
    assert_eq!(planned["resources"][0]["data_from"], "2026-01-02T03:04:04Z");
    assert!(planned["plan"].to_string().contains("shop-production-orders"), "{planned:#}");
    let refused = plan(cluster(""));
    assert!(refused.code == 1 && refused.stderr.contains("RDS has not finished its first backup yet"), "{}", refused.combined_output());
}

/// A table that has just got its recovery has no time between the earliest and the latest one.
#[test]
fn finds_the_latest_restorable_time_of_a_table() {
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-production-orders";
    let tags: Value =
        serde_json::from_str(&json_ownership_tags("dynamodb_table.orders").to_string().replace("default", "production")).expect("JSON");
    let table = json!({
        "TableName": "shop-production-orders", "TableArn": arn, "TableId": "1", "TableStatus": "ACTIVE",
        "KeySchema": [{ "AttributeName": "customer", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "customer", "AttributeType": "S" }],
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" }, "DeletionProtectionEnabled": false,
    });
    let definition = "
  dynamodb_table:
    orders:
      key: { partition: customer }
      attributes: { customer: string }
      deletion_protection: false
";
    let plan = |recovery: Value| {
        let recovery = json!({ "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery });
        let endpoint = Script::new()
            .on("GetResources", [ok(json!({ "ResourceTagMappingList": [{ "ResourceARN": arn, "Tags": tags }] }))])
            .on("DescribeTable", [crate::scripted_endpoint::json_error(400, "ResourceNotFoundException", "not found")])
            .on_containing("DescribeTable", "shop-production-orders", [ok(json!({ "Table": table }))])
            .on("DescribeContinuousBackups", [ok(json!({ "ContinuousBackupsDescription": recovery }))])
            .on("ListTagsOfResource", [ok(json!({ "Tags": tags }))])
            .start(&with_drill(definition, "dynamodb_table.orders"));
        endpoint.run("drill", &["--env", "production", "--plan", "-o", "json"])
    };
    let on = |earliest: u64, latest: u64| json!({ "PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35, "EarliestRestorableDateTime": earliest, "LatestRestorableDateTime": latest });
    let planned: Value = serde_json::from_str(&plan(on(1_767_000_000, 1_767_323_045)).assert_success().stdout).expect("JSON");
    assert_eq!(planned["resources"][0]["data_from"], "2026-01-02T03:04:04Z");
    assert!(planned["plan"].to_string().contains("shop-production-orders"), "{planned:#}");
    for (recovery, told) in [
        (on(1_767_323_045, 1_767_323_045), "DynamoDB has no state of it to restore yet"),
        (json!({ "PointInTimeRecoveryStatus": "DISABLED" }), "set `recovery_days` to 1 or more"),
    ] {
        let refused = plan(recovery);
        assert!(refused.code == 1 && refused.stderr.contains(told), "{}", refused.combined_output());
    }
}
