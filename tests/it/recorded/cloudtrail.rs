//! CloudTrail: a policy that is not visible yet, insights, and the removal of settings.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:cloudtrail:us-east-1:123456789012:trail/shop-audit";

fn trail(more: Value) -> Answer {
    let mut trail = json!({
        "Name": "shop-audit", "TrailARN": ARN, "S3BucketName": "logs", "HomeRegion": "us-east-1", "IsMultiRegionTrail": true,
        "IncludeGlobalServiceEvents": true, "LogFileValidationEnabled": true, "IsOrganizationTrail": false, "HasInsightSelectors": false,
    });
    if let (Value::Object(trail), Value::Object(more)) = (&mut trail, more) {
        trail.extend(more);
    }
    ok(json!({ "trailList": [trail] }))
}

fn script() -> Script {
    let tags = json!([{ "ResourceId": ARN, "TagsList": json_ownership_tags("trail.audit") }]);
    Script::new()
        .on("DescribeTrails", [ok(json!({ "trailList": [] }))])
        .on("ListTags", [ok(json!({ "ResourceTagList": tags }))])
        .on("GetTrailStatus", [ok(json!({ "IsLogging": true }))])
        .on("GetEventSelectors", [ok(json!({ "TrailARN": ARN, "EventSelectors": [] }))])
}

/// The policy of the bucket is not visible everywhere at once, and a new trail records nothing.
#[test]
fn retries_until_the_policy_of_the_bucket_is_visible_then_starts_logging() {
    let message = "Incorrect S3 bucket policy is detected for bucket: logs";
    let created = ok(json!({ "Name": "shop-audit", "TrailARN": ARN }));
    let endpoint = script()
        .on("GetTrailStatus", [ok(json!({ "IsLogging": false }))])
        .on("CreateTrail", [json_error(400, "InsufficientS3BucketPolicyException", message), created])
        .on("StartLogging", [ok(json!({}))])
        .after("CreateTrail")
        .on("DescribeTrails", [trail(json!({}))])
        .after("StartLogging")
        .on("GetTrailStatus", [ok(json!({ "IsLogging": true }))])
        .start("  trail: { audit: { bucket: { id: logs } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 CreateTrail", "200 CreateTrail", "200 StartLogging"]);
}

/// An empty text removes a setting, and settings that stay are not sent.
#[test]
fn removes_settings_with_empty_texts() {
    let set = json!({
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/0123", "S3KeyPrefix": "audit",
        "SnsTopicARN": "arn:aws:sns:us-east-1:123456789012:ops",
    });
    let endpoint = script()
        .on("CreateTrail", [ok(json!({ "Name": "shop-audit", "TrailARN": ARN }))])
        .on("StartLogging", [ok(json!({}))])
        .on("UpdateTrail", [ok(json!({}))])
        .after("CreateTrail")
        .on("DescribeTrails", [trail(set)])
        .after("UpdateTrail")
        .on("DescribeTrails", [trail(json!({ "KmsKeyId": "", "S3KeyPrefix": "" }))])
        .start(
            "  trail: { audit: { bucket: { id: logs }, prefix: audit, topic: 'arn:aws:sns:us-east-1:123456789012:ops', \
             kms_key: 'arn:aws:kms:us-east-1:123456789012:key/0123' } }\n",
        );
    endpoint.apply();
    endpoint.redefine("  trail: { audit: { bucket: { id: logs } } }\n");
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateTrail")[0];
    assert_eq!((&sent["KmsKeyId"], &sent["S3KeyPrefix"], &sent["SnsTopicName"]), (&json!(""), &json!(""), &json!("")));
    assert_eq!((sent.get("S3BucketName"), sent.get("IsMultiRegionTrail")), (None, None));
}

/// Insights that stay keep the categories of events that were chosen for them outside acme.
#[test]
fn keeps_the_categories_of_insights() {
    let data = json!({ "InsightType": "ApiErrorRateInsight", "EventCategories": ["Management", "Data"] });
    let both = json!([data, { "InsightType": "ApiCallRateInsight" }]);
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "trail.audit")])
        .on("DescribeTrails", [trail(json!({ "HasInsightSelectors": true }))])
        .on("GetInsightSelectors", [ok(json!({ "InsightSelectors": [data] }))])
        .on("PutInsightSelectors", [ok(json!({}))])
        .after("PutInsightSelectors")
        .on("GetInsightSelectors", [ok(json!({ "InsightSelectors": both }))])
        .start("  trail: { audit: { bucket: { id: logs }, insights: [ApiCallRateInsight, ApiErrorRateInsight] } }\n");
    endpoint.apply();
    let sent = &endpoint.request_bodies("PutInsightSelectors")[0]["InsightSelectors"];
    assert_eq!(sent.as_array().and_then(|all| all.iter().find(|one| one["InsightType"] == "ApiErrorRateInsight")), Some(&data));
}
