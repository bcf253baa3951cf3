use aws_sdk_cloudtrail::types as sdk;
use serde_json::{Value, json};

use super::*;

fn problems(more: Value) -> Vec<String> {
    let mut spec = json!({ "bucket": "logs" });
    spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value::<Trail>(spec).expect("a trail").check().into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn checks_selectors() {
    assert_eq!(problems(json!({})), [""; 0]);
    assert_eq!(problems(json!({ "prefix": "audit/" })), ["/prefix"]);
    assert_eq!(problems(json!({ "event_selectors": [{ "management": false }] })), ["/event_selectors/0/management"]);
    let advanced = |fields: Value| problems(json!({ "advanced_selectors": [{ "fields": fields }] }));
    assert_eq!(advanced(json!({ "eventCategory": { "equals": ["Data"] }, "resources.type": { "equals": ["AWS::S3::Object"] } })), [""; 0]);
    assert_eq!(advanced(json!({ "readOnly": { "equals": ["true"] } })), ["/advanced_selectors/0/fields"]);
    assert_eq!(advanced(json!({ "eventCategory": {} })), ["/advanced_selectors/0/fields/eventCategory"]);
}

#[test]
fn names_the_streams_of_a_log_group_to_cloudtrail_only() {
    let arn = "arn:aws:logs:eu-west-1:123456789012:log-group:audit";
    for written in [arn.to_owned(), format!("{arn}:*")] {
        let trail: Trail = serde_json::from_value(json!({ "bucket": "logs", "log_group": written })).expect("a trail");
        assert_eq!(trail.log_group_arn(), format!("{arn}:*"));
    }
    let read = read::described(sdk::Trail::builder().cloud_watch_logs_log_group_arn(format!("{arn}:*")).kms_key_id("").build());
    assert_eq!((read.log_group, read.kms_key.is_some()), (Some(ArnRef::to(arn)), false));
}
