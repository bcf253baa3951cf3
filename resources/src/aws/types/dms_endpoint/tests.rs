//! Rules and conversions of endpoints.

use serde_json::{Value, json};

use super::*;

fn endpoint(spec: Value) -> DmsEndpoint {
    serde_json::from_value(spec).expect("an endpoint")
}

fn problems(spec: Value) -> Vec<String> {
    endpoint(spec).check().into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn checks_what_an_engine_needs() {
    let role = "arn:aws:iam::123456789012:role/dms";
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db";
    for (spec, expected) in [
        (json!({ "type": "source", "engine": "mysql" }), "/secret: a database needs a secret with its host, port, user and password"),
        (json!({ "type": "target", "engine": "s3" }), "/s3: an endpoint with the engine `s3` needs `s3`"),
        (
            json!({ "type": "source", "engine": "kinesis", "kinesis": { "stream": "arn:aws:kinesis:eu-west-1:123456789012:stream/a", "role": role } }),
            "/type: the engine `kinesis` can't be a source",
        ),
        (
            json!({ "type": "target", "engine": "dynamodb", "dynamodb_role": role, "ssl_mode": "require" }),
            "/ssl_mode: an endpoint with the engine `dynamodb` has no SSL mode",
        ),
        (
            json!({ "type": "source", "engine": "postgres", "secret": secret, "secret_role": role, "ssl_mode": "verify-full" }),
            "/certificate: `ssl_mode: verify-full` needs a certificate",
        ),
        (
            json!({ "type": "source", "engine": "oracle", "secret": secret, "secret_role": role, "attributes": { "asm_password": "tiger" } }),
            "/attributes/asm_password: `asm_password` is a secret, which definitions must not contain",
        ),
        (
            json!({ "type": "source", "engine": "oracle", "server": "db.example.com", "port": 1521, "iam_role": role }),
            "/iam_role: DMS can't sign in to the engine `oracle` by IAM",
        ),
        (
            json!({ "type": "source", "engine": "mysql", "secret": secret, "secret_role": role, "asm_secret": secret, "asm_secret_role": role }),
            "/asm_secret: `asm_secret` is for the engine `oracle`",
        ),
        (
            json!({ "type": "source", "engine": "s3", "s3": { "bucket": { "id": "files" }, "role": role, "date_folders": true } }),
            "/s3/date_folders: `date_folders` is for targets",
        ),
    ] {
        assert_eq!(problems(spec), [expected]);
    }
}

#[test]
fn attributes_come_back_as_they_were_sent() {
    let sent = endpoint(json!({ "type": "source", "engine": "postgres", "attributes": { "slotName": "shop", "captureDdls": "false" } }));
    let text = sent.attributes_to_sdk();
    assert_eq!(text, "captureDdls=false;slotName=shop;");
    assert_eq!(read::parse_attributes(&text), sent.attributes);
    let hidden = read::parse_attributes("asmPassword=tiger;a=b=c");
    assert_eq!((hidden["asmPassword"].as_str(), hidden["a"].as_str()), ("****", "b=c"));
}

#[test]
fn files_come_back_as_they_were_sent() {
    let files = json!({
        "bucket": { "id": "files" }, "role": "arn:aws:iam::123456789012:role/dms", "bucket_owner": "123456789012", "folder": "a",
        "format": "parquet", "compression": "gzip", "acl": "bucket-owner-full-control", "changes": "inserts-and-updates",
        "date_folders": true, "date_folder_order": "YYYYMM", "date_folder_delimiter": "DASH", "date_folder_timezone": "Europe/Berlin",
        "parquet": { "version": "parquet-2-0", "milliseconds": true, "encoding": "plain", "statistics": false, "group_rows": 5000 },
    });
    let sent = endpoint(json!({ "type": "target", "engine": "s3", "s3": files })).s3.expect("files");
    let read = S3Data::from_sdk(sent.to_sdk(true)).expect("files");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), serde_json::to_value(&sent).expect("JSON"));
    let source = endpoint(json!({ "type": "source", "engine": "s3", "s3": { "bucket": { "id": "files" }, "role": "r", "skip_rows": 1 } }));
    let settings = source.s3.expect("files").to_sdk(false);
    assert_eq!((settings.encryption_mode, settings.cdc_max_batch_interval, settings.ignore_header_rows), (None, None, Some(1)));
}
