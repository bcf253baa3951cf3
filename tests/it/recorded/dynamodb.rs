//! DynamoDB: a table is changed one step at a time, and backed up before its deletion.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Endpoint, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-orders";
const UPDATE: &str = "UpdateTable";
const DESCRIBE: &str = "DescribeTable";

const TABLE: &str = "
  dynamodb_table:
    orders:
      key: { partition: customer }
      attributes: { customer: string }
      deletion_protection: false
";

/// The definition of the table with these fields besides.
fn definition(more: &str) -> String {
    format!("{TABLE}      {more}\n")
}

/// DescribeTable with one table, billed by request, and these fields besides.
fn table(status: &str, more: Value) -> Answer {
    let mut table = json!({
        "TableName": "shop-orders", "TableArn": ARN, "TableId": "1", "TableStatus": status,
        "KeySchema": [{ "AttributeName": "customer", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "customer", "AttributeType": "S" }, { "AttributeName": "day", "AttributeType": "S" }],
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" }, "DeletionProtectionEnabled": false,
        "WarmThroughput": { "ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE" },
    });
    if let (Some(table), Value::Object(more)) = (table.as_object_mut(), more) {
        table.extend(more);
    }
    ok(json!({ "Table": table }))
}

fn missing() -> Answer {
    json_error(400, "ResourceNotFoundException", "Requested resource not found: Table: shop-orders not found")
}

fn accepted() -> Answer {
    ok(json!({ "TableDescription": { "TableName": "shop-orders" } }))
}

fn recovery(days: i32) -> Answer {
    let recovery = match days {
        0 => json!({ "PointInTimeRecoveryStatus": "DISABLED" }),
        days => json!({ "PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": days }),
    };
    ok(json!({ "ContinuousBackupsDescription": { "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery } }))
}

/// A table as the definition states it, with its tags and settings.
fn script_with(first: Answer) -> Script {
    Script::new()
        .with_tagged_resources(&[(ARN, "dynamodb_table.orders")])
        .on(DESCRIBE, [first])
        .on("DescribeContinuousBackups", [recovery(35)])
        .on("ListTagsOfResource", [ok(json!({ "Tags": json_ownership_tags("dynamodb_table.orders") }))])
        .on(UPDATE, [accepted()])
}

fn index(name: &str, status: &str) -> Value {
    json!({
        "IndexName": name, "IndexStatus": status, "KeySchema": [{ "AttributeName": "day", "KeyType": "HASH" }],
        "Projection": { "ProjectionType": "ALL" },
    })
}

fn indexes(all: &[Value]) -> Answer {
    table("ACTIVE", json!({ "GlobalSecondaryIndexes": all }))
}

fn sent(endpoint: &Endpoint) -> Vec<Value> {
    endpoint.request_bodies(UPDATE)
}

#[test]
fn sets_other_settings_once_the_table_is_active() {
    let busy = json_error(400, "ContinuousBackupsUnavailableException", "Backups are being enabled for the table: shop-orders.");
    let expires = ok(json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "ENABLING", "AttributeName": "expires" } }));
    let endpoint = Script::new()
        .on(DESCRIBE, [missing()])
        .on("CreateTable", [accepted()])
        .after("CreateTable")
        .on("ListTables", [ok(json!({ "TableNames": ["shop-orders"] }))])
        .on("ListTagsOfResource", [ok(json!({ "Tags": json_ownership_tags("dynamodb_table.orders") }))])
        .on(DESCRIBE, [table("CREATING", json!({})), table("ACTIVE", json!({}))])
        .on("DescribeContinuousBackups", [recovery(0)])
        .on("UpdateContinuousBackups", [busy, ok(json!({}))])
        .on("UpdateTimeToLive", [ok(json!({}))])
        .after("UpdateTimeToLive")
        .on("DescribeContinuousBackups", [recovery(35)])
        .on("DescribeTimeToLive", [expires])
        .start(&definition("ttl_attribute: expires"));
    let done = endpoint.apply();
    assert!(done.stderr.contains("dynamodb_table.orders: CREATING"), "{}", done.combined_output());
    let expected = ["200 CreateTable", "400 UpdateContinuousBackups", "200 UpdateContinuousBackups", "200 UpdateTimeToLive"];
    assert_eq!(endpoint.writes(), expected);
    let create = &endpoint.request_bodies("CreateTable")[0];
    assert_eq!((&create["BillingMode"], &create["Tags"][0]["Key"]), (&json!("PAY_PER_REQUEST"), &json!("acme:address")));
}

/// DynamoDB makes one index at a time, fills it, and refuses other changes meanwhile.
#[test]
fn exchanges_indexes_one_at_a_time() {
    let refused = json_error(
        400,
        "ResourceInUseException",
        "Attempt to change a resource which is still in use: Table is being updated: shop-orders",
    );
    let endpoint = script_with(indexes(&[index("old-index", "ACTIVE")]))
        .on(UPDATE, [refused, accepted()])
        .after(UPDATE)
        .on(DESCRIBE, [indexes(&[index("old-index", "DELETING")]), table("ACTIVE", json!({}))])
        .after(UPDATE)
        .on(DESCRIBE, [table("UPDATING", json!({})), indexes(&[index("by-day", "CREATING")]), indexes(&[index("by-day", "ACTIVE")])])
        .after(UPDATE)
        .on(DESCRIBE, [indexes(&[index("by-day", "ACTIVE"), index("by-week", "ACTIVE")])])
        .start(
            &definition("global_indexes: { by-day: { key: { partition: day } }, by-week: { key: { partition: day } } }")
                .replace("attributes: { customer: string }", "attributes: { customer: string, day: string }"),
        );
    let done = endpoint.apply();
    assert!(done.stderr.contains("dynamodb_table.orders: index by-day CREATING"), "{}", done.combined_output());
    let changes: Vec<Value> = sent(&endpoint)
        .iter()
        .map(|body| {
            let change = &body["GlobalSecondaryIndexUpdates"][0];
            json!([change["Delete"]["IndexName"], change["Create"]["IndexName"]])
        })
        .collect();
    assert_eq!(json!(changes), json!([["old-index", null], ["old-index", null], [null, "by-day"], [null, "by-week"]]));
}

/// A table that gets provisioned capacity needs that of every index in the same call.
#[test]
fn changes_billing_with_the_capacity_of_every_index() {
    let provisioned = |status: &str| {
        let capacity = json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 });
        let mut by_day = index("by-day", "ACTIVE");
        by_day["ProvisionedThroughput"] = json!({ "ReadCapacityUnits": 2, "WriteCapacityUnits": 1 });
        let mode = json!({ "BillingMode": "PROVISIONED" });
        table(status, json!({ "BillingModeSummary": mode, "ProvisionedThroughput": capacity, "GlobalSecondaryIndexes": [by_day] }))
    };
    let index_of = "by-day: { key: { partition: day }, read_capacity: 2, write_capacity: 1 }";
    let endpoint = script_with(indexes(&[index("by-day", "ACTIVE")]))
        .after(UPDATE)
        .on(DESCRIBE, [provisioned("UPDATING"), provisioned("ACTIVE")])
        .start(
            &definition(&format!(
                "billing: provisioned\n      read_capacity: 5\n      write_capacity: 5\n      global_indexes: {{ {index_of} }}"
            ))
            .replace("attributes: { customer: string }", "attributes: { customer: string, day: string }"),
        );
    endpoint.apply();
    let body = &sent(&endpoint)[0];
    assert_eq!(sent(&endpoint).len(), 1);
    assert_eq!((&body["BillingMode"], &body["ProvisionedThroughput"]["ReadCapacityUnits"]), (&json!("PROVISIONED"), &json!(5)));
    let index = &body["GlobalSecondaryIndexUpdates"][0]["Update"];
    assert_eq!(index["ProvisionedThroughput"], json!({ "ReadCapacityUnits": 2, "WriteCapacityUnits": 1 }));
}

/// A stream with another content is another stream.
#[test]
fn replaces_a_stream_in_two_steps() {
    let stream = |view: &str| table("ACTIVE", json!({ "StreamSpecification": { "StreamEnabled": true, "StreamViewType": view } }));
    let endpoint = script_with(stream("KEYS_ONLY"))
        .after(UPDATE)
        .on(DESCRIBE, [table("UPDATING", json!({})), table("ACTIVE", json!({}))])
        .after(UPDATE)
        .on(DESCRIBE, [stream("NEW_IMAGE")])
        .start(&definition("stream: new_image"));
    endpoint.apply();
    let streams: Vec<Value> = sent(&endpoint).iter().map(|body| body["StreamSpecification"].clone()).collect();
    assert_eq!(streams, [json!({ "StreamEnabled": false }), json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" })]);
}

/// Application Auto Scaling changes the capacity within its limits, which is no difference.
#[test]
fn leaves_scaled_capacity_alone() {
    let capacity = json!({ "ReadCapacityUnits": 40, "WriteCapacityUnits": 5 });
    let live = table("ACTIVE", json!({ "BillingModeSummary": null, "ProvisionedThroughput": capacity }));
    let (dimension, resource) = ("dynamodb:table:ReadCapacityUnits", "table/shop-orders");
    let target = json!({ "ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension, "MinCapacity": 5,
        "MaxCapacity": 50, "RoleARN": "arn:aws:iam::123456789012:role/a", "CreationTime": 1 });
    let policy = json!({ "PolicyARN": "a", "PolicyName": "read", "ServiceNamespace": "dynamodb", "ResourceId": resource,
        "ScalableDimension": dimension, "PolicyType": "TargetTrackingScaling", "CreationTime": 1,
        "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 70.0 } });
    let script = || {
        script_with(live.clone())
            .on("DescribeScalableTargets", [ok(json!({ "ScalableTargets": [target] }))])
            .on("DescribeScalingPolicies", [ok(json!({ "ScalingPolicies": [policy] }))])
    };
    let billing = "billing: provisioned\n      read_capacity: 5\n      write_capacity: 5\n";
    let endpoint = script().start(&definition(&format!("{billing}      scaling: {{ read: {{ min: 5, max: 50 }} }}")));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let endpoint = script().start(&definition(&format!("{billing}      scaling: {{ read: {{ min: 5, max: 30 }} }}")));
    assert_eq!(endpoint.planned_changes(), ["update dynamodb_table.orders"]);
}

/// Scaling ends before the billing changes: a table that is billed by request can't have it.
#[test]
fn ends_scaling_before_billing_by_request() {
    let capacity = json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 });
    let live = table("ACTIVE", json!({ "BillingModeSummary": null, "ProvisionedThroughput": capacity }));
    let none = || (ok(json!({ "ScalableTargets": [] })), ok(json!({ "ScalingPolicies": [] })));
    let (dimension, resource) = ("dynamodb:table:ReadCapacityUnits", "table/shop-orders");
    let target = json!({ "ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension, "MinCapacity": 5,
        "MaxCapacity": 50, "RoleARN": "arn:aws:iam::123456789012:role/a", "CreationTime": 1 });
    let scaled = "billing: provisioned\n      read_capacity: 5\n      write_capacity: 5\n      scaling: { read: { min: 5, max: 50 } }";
    let (deregister, register, put) = ("DeregisterScalableTarget", "RegisterScalableTarget", "PutScalingPolicy");
    let policy = json!({ "PolicyARN": "a", "PolicyName": "read", "ServiceNamespace": "dynamodb", "ResourceId": resource,
        "ScalableDimension": dimension, "PolicyType": "TargetTrackingScaling", "CreationTime": 1,
        "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 70.0, "ScaleOutCooldown": 0, "ScaleInCooldown": 0 } });
    let endpoint = script_with(live)
        .on("DescribeScalableTargets", [none().0])
        .on("DescribeScalingPolicies", [none().1])
        .on(register, [ok(json!({}))])
        .on(put, [ok(json!({ "PolicyARN": "a" }))])
        .after(put)
        .on("DescribeScalableTargets", [ok(json!({ "ScalableTargets": [target] }))])
        .on("DescribeScalingPolicies", [ok(json!({ "ScalingPolicies": [policy] }))])
        .on(deregister, [ok(json!({}))])
        .after(deregister)
        .on("DescribeScalableTargets", [none().0])
        .on("DescribeScalingPolicies", [none().1])
        .after(UPDATE)
        .on(DESCRIBE, [table("ACTIVE", json!({}))])
        .start(&definition(scaled));
    endpoint.apply();
    assert!(endpoint.request_bodies(register)[0]["Tags"]["acme:address"].is_string());
    endpoint.redefine(TABLE);
    endpoint.apply();
    let expected = [register, put, deregister, UPDATE].map(|call| format!("200 {call}"));
    assert_eq!(endpoint.writes(), expected);
}

#[test]
fn refuses_another_attribute_for_expiry_before_the_first_call() {
    let expires = ok(json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "ENABLED", "AttributeName": "expires" } }));
    let endpoint = script_with(table("ACTIVE", json!({}))).on("DescribeTimeToLive", [expires]).start(&definition("ttl_attribute: until"));
    let done = endpoint.run("plan", &[]);
    assert!(done.combined_output().contains("items of the table expire by `expires`"), "{}", done.combined_output());
}

#[test]
fn makes_a_final_backup_before_the_deletion() {
    let details = |status: &str| {
        let arn = format!("{ARN}/backup/01489173575360-b308cd7d");
        json!({ "BackupArn": arn, "BackupName": "shop-orders-final", "BackupStatus": status, "BackupType": "USER", "BackupCreationDateTime": 1 })
    };
    let made = |status: &str| ok(json!({ "BackupDetails": details(status) }));
    let endpoint = script_with(table("ACTIVE", json!({})))
        .on("ListBackups", [ok(json!({ "BackupSummaries": [{ "BackupName": "shop-orders-final-other", "BackupStatus": "AVAILABLE" }] }))])
        // The list may not show it at once.
        .on("CreateBackup", [made("CREATING"), made("AVAILABLE")])
        .on("DeleteTable", [accepted()])
        .after("DeleteTable")
        .on(DESCRIBE, [table("DELETING", json!({})), missing()])
        .start(TABLE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 CreateBackup", "200 CreateBackup", "200 DeleteTable"]);
    let name = endpoint.request_bodies("CreateBackup")[0]["BackupName"].clone();
    assert!(name.as_str().is_some_and(|name| name.starts_with("shop-orders-final-")), "{name}");
}

/// The call that restores a table takes neither tags nor most settings.
#[test]
fn restores_a_table_from_a_backup() {
    let backup = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-orders/backup/01489173575360-b308cd7d";
    let summary = json!({ "SourceBackupArn": backup, "RestoreDateTime": 1, "RestoreInProgress": false });
    check_restored("RestoreTableFromBackup", &format!("snapshot: {backup}"), &summary);
}

/// The same for a point in time of another table.
#[test]
fn creates_a_table_as_another_one_was() {
    let source = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-primary";
    let summary = json!({ "SourceTableArn": source, "RestoreDateTime": 1, "RestoreInProgress": false });
    let restore = "RestoreTableToPointInTime";
    let endpoint = check_restored(restore, "point_in_time: { table: { id: shop-primary }, time: \"2026-11-28T12:00:00Z\" }", &summary);
    let sent = &endpoint.request_bodies(restore)[0];
    assert_eq!((&sent["SourceTableName"], &sent["TargetTableName"]), (&json!("shop-primary"), &json!("shop-orders")));
    assert_eq!((sent["RestoreDateTime"].as_f64(), sent.get("UseLatestRestorableTime")), (Some(1_795_867_200.0), None));
    let endpoint = check_restored(restore, "point_in_time: { table: { id: shop-primary } }", &summary);
    let sent = &endpoint.request_bodies(restore)[0];
    assert_eq!((sent.get("RestoreDateTime"), &sent["UseLatestRestorableTime"]), (None, &json!(true)));
}

fn check_restored(restore: &'static str, origin: &str, summary: &Value) -> Endpoint {
    let restored = |status: &str, more: Value| {
        let mut all = json!({ "RestoreSummary": summary });
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        table(status, all)
    };
    let stream = json!({ "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" } });
    let endpoint = Script::new()
        .on(DESCRIBE, [missing()])
        .on("DescribeBackup", [ok(json!({ "BackupDescription": {} }))])
        .on(restore, [accepted()])
        .after(restore)
        .on("ListTables", [ok(json!({ "TableNames": ["shop-orders"] }))])
        .on(DESCRIBE, [restored("CREATING", json!({})), restored("ACTIVE", json!({}))])
        .on("DescribeContinuousBackups", [recovery(0)])
        .on(UPDATE, [accepted()])
        .on("TagResource", [ok(json!({}))])
        .on("UpdateContinuousBackups", [ok(json!({}))])
        .after("TagResource")
        .on("ListTagsOfResource", [ok(json!({ "Tags": json_ownership_tags("dynamodb_table.orders") }))])
        .on(DESCRIBE, [restored("ACTIVE", stream)])
        .after("UpdateContinuousBackups")
        .on("DescribeContinuousBackups", [recovery(35)])
        .start(&definition(&format!("{origin}\n      stream: new_image")));
    endpoint.apply();
    let expected = [restore, UPDATE, "TagResource", "UpdateContinuousBackups"].map(|call| format!("200 {call}"));
    assert_eq!(endpoint.writes(), expected);
    endpoint
}
