//! Endpoints of Database Migration Service: secrets, whole settings, files, and running tasks.

use serde_json::{Value, json};

use super::dms::{ROLE, SOURCE, merged, tags};
use crate::scripted_endpoint::{Answer, Script, ok};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db";

fn endpoint_answer(more: Value) -> Answer {
    let endpoint = json!({
        "EndpointIdentifier": "shop-from", "EndpointArn": SOURCE, "EndpointType": "SOURCE", "EngineName": "postgres", "Status": "active",
        "DatabaseName": "shop", "SslMode": "none", "ExtraConnectionAttributes": "", "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/0123",
        "PostgreSQLSettings": { "SecretsManagerSecretId": SECRET, "SecretsManagerAccessRoleArn": ROLE, "DatabaseName": "shop" },
    });
    let endpoint = merged(endpoint, more);
    ok(json!({ "Endpoint": endpoint, "Endpoints": [endpoint] }))
}

fn from(more: &str) -> String {
    format!(
        "  dms_endpoint: {{ from: {{ type: source, engine: postgres, database: shop, secret: '{SECRET}', secret_role: '{ROLE}'{more} }} }}\n"
    )
}

/// A change replaces all settings, so it repeats those that stay.
#[test]
fn an_endpoint_takes_its_password_from_a_secret() {
    let attributes = json!({ "ExtraConnectionAttributes": "captureDdls=false;", "SslMode": "require" });
    let endpoint = Script::new()
        .on("DescribeEndpoints", [ok(json!({ "Endpoints": [] }))])
        .on("ListTagsForResource", [tags("dms_endpoint.from")])
        .on("CreateEndpoint", [endpoint_answer(json!({}))])
        .on("ModifyEndpoint", [endpoint_answer(json!({}))])
        .after("CreateEndpoint")
        .on("DescribeEndpoints", [endpoint_answer(json!({}))])
        .after("ModifyEndpoint")
        .on("DescribeEndpoints", [endpoint_answer(attributes)])
        .after("ModifyEndpoint")
        .on("DescribeEndpoints", [endpoint_answer(json!({}))])
        .start(&from(""));
    endpoint.apply();
    let sent = &endpoint.request_bodies("CreateEndpoint")[0];
    let settings = json!({ "SecretsManagerSecretId": SECRET, "SecretsManagerAccessRoleArn": ROLE, "DatabaseName": "shop" });
    assert_eq!((&sent["PostgreSQLSettings"], sent.get("Password")), (&settings, None));
    endpoint.redefine(&from(", attributes: { captureDdls: \"false\" }, ssl_mode: require"));
    endpoint.apply();
    endpoint.redefine(&from(""));
    endpoint.apply();
    let sent = endpoint.request_bodies("ModifyEndpoint");
    assert_eq!((&sent[0]["ExactSettings"], &sent[0]["ExtraConnectionAttributes"]), (&json!(true), &json!("captureDdls=false;")));
    assert_eq!(sent[0]["PostgreSQLSettings"], settings);
    assert_eq!((&sent[1]["ExtraConnectionAttributes"], &sent[1]["SslMode"]), (&json!(""), &json!("none")));
}

/// AWS reports values in other letters, and repeats settings of a bucket as attributes.
#[test]
fn reads_the_settings_of_a_bucket() {
    let settings = json!({
        "BucketName": "files", "ServiceAccessRoleArn": ROLE, "DataFormat": "PARQUET", "CompressionType": "NONE", "EncryptionMode": "SSE_S3",
        "ParquetVersion": "PARQUET_1_0", "CsvDelimiter": ",", "CsvRowDelimiter": "\\n", "DatePartitionEnabled": true,
    });
    let live = json!({
        "EndpointType": "TARGET", "EngineName": "s3", "DatabaseName": null, "PostgreSQLSettings": null, "S3Settings": settings,
        "ExtraConnectionAttributes": "bucketName=files;dataFormat=parquet;",
    });
    let endpoint = Script::new()
        .on("DescribeEndpoints", [endpoint_answer(live)])
        .on("ListTagsForResource", [tags("dms_endpoint.from")])
        .start(&format!(
            "  dms_endpoint: {{ from: {{ name: shop-from, type: target, engine: s3, s3: {{ bucket: {{ id: files }}, role: '{ROLE}', format: parquet, \
             date_folders: true }} }} }}\n"
        ));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

const FILES: &str = "  dms_endpoint:\n    from:\n      name: shop-from\n      type: target\n      engine: s3\n      s3: { bucket: { id: files }, role: 'arn:aws:iam::123456789012:role/dms'";

fn files_answer(settings: Value) -> Answer {
    let settings = merged(
        json!({ "BucketName": "files", "ServiceAccessRoleArn": ROLE, "DataFormat": "CSV", "CompressionType": "NONE", "EncryptionMode": "SSE_S3" }),
        settings,
    );
    let attributes = "bucketName=files;CdcPath=changes;";
    endpoint_answer(json!({
        "EndpointType": "TARGET", "EngineName": "s3", "DatabaseName": null, "PostgreSQLSettings": null, "S3Settings": settings,
        "ExtraConnectionAttributes": attributes,
    }))
}

/// The create call may lose the key, and takes the folder with changes only as an attribute.
#[test]
fn sets_what_the_create_call_loses() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/0123";
    let live = |key: Option<&str>| {
        let encryption = json!({ "EncryptionMode": "SSE_KMS", "ServerSideEncryptionKmsKeyId": key });
        files_answer(merged(encryption, json!({ "CdcPath": "changes", "CdcInsertsOnly": true, "CsvNullValue": "-" })))
    };
    let endpoint = Script::new()
        .on("DescribeEndpoints", [ok(json!({ "Endpoints": [] }))])
        .on("ListTagsForResource", [tags("dms_endpoint.from")])
        .on("DescribeReplicationTasks", [ok(json!({ "ReplicationTasks": [] }))])
        .on("CreateEndpoint", [live(None)])
        .on("ModifyEndpoint", [live(Some(key))])
        .after("CreateEndpoint")
        .on("DescribeEndpoints", [live(None)])
        .after("ModifyEndpoint")
        .on("DescribeEndpoints", [live(Some(key))])
        .start(&format!("{FILES}, changes_folder: changes, changes: inserts, csv_null: \"-\", kms_key: {{ arn: '{key}' }} }}\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateEndpoint", "200 ModifyEndpoint"]);
    for sent in [&endpoint.request_bodies("CreateEndpoint")[0], &endpoint.request_bodies("ModifyEndpoint")[0]] {
        assert_eq!((&sent["ExtraConnectionAttributes"], &sent["S3Settings"]["CdcInsertsOnly"]), (&json!("CdcPath=changes;"), &json!(true)));
        assert_eq!(
            (&sent["S3Settings"]["EncryptionMode"], &sent["S3Settings"]["ServerSideEncryptionKmsKeyId"]),
            (&json!("sse-kms"), &json!(key))
        );
    }
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// DMS does not begin to use a key.
#[test]
fn a_key_for_files_replaces_their_endpoint() {
    let endpoint = Script::new()
        .on("DescribeEndpoints", [files_answer(json!({}))])
        .on("ListTagsForResource", [tags("dms_endpoint.from")])
        .on("DescribeReplicationTasks", [ok(json!({ "ReplicationTasks": [] }))])
        .start(&format!("{FILES}, kms_key: {{ arn: 'arn:aws:kms:us-east-1:123456789012:key/0123' }} }}\n"));
    assert_eq!(endpoint.planned_changes(), ["replace dms_endpoint.from"]);
}

#[test]
fn an_endpoint_of_a_running_task_is_not_changed() {
    let script = |status: &str| {
        Script::new()
            .on("DescribeEndpoints", [endpoint_answer(json!({}))])
            .on("ListTagsForResource", [tags("dms_endpoint.from")])
            .on(
                "DescribeReplicationTasks",
                [ok(json!({ "ReplicationTasks": [{ "ReplicationTaskIdentifier": "nightly", "Status": status }] }))],
            )
            .start(&from(", ssl_mode: require"))
    };
    let refused = script("running").run("plan", &[]);
    assert!(refused.combined_output().contains("`nightly` is running"), "{}", refused.combined_output());
    let endpoint = script("stopped");
    assert_eq!(endpoint.planned_changes(), ["update dms_endpoint.from"]);
}
