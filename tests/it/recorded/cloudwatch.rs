//! CloudWatch: alarms and dashboards of others are not overwritten, and updates keep what acme does not manage.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:shop-errors";
const ALARM: &str = "  metric_alarm:
    errors:
      metric: { namespace: Shop, name: Errors, statistic: Sum, period_seconds: 60 }
      comparison: GreaterThanThreshold
      threshold: 5
      evaluation_periods: 3
";

fn alarm(more: Value) -> Answer {
    let mut alarm = json!({
        "AlarmName": "shop-errors", "AlarmArn": ARN, "AlarmDescription": "", "ActionsEnabled": true, "Namespace": "Shop",
        "MetricName": "Errors", "Statistic": "Sum", "Dimensions": [], "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "missing", "StateValue": "INSUFFICIENT_DATA",
    });
    if let (Value::Object(alarm), Value::Object(more)) = (&mut alarm, more) {
        alarm.extend(more);
    }
    ok(json!({ "MetricAlarms": [alarm] }))
}

fn tags(address: &str) -> Answer {
    ok(json!({ "Tags": json_ownership_tags(address) }))
}

#[test]
fn does_not_overwrite_an_alarm_that_appears_after_the_plan() {
    let endpoint = Script::new()
        .on("DescribeAlarms", [ok(json!({}))])
        .on_containing("DescribeAlarms", "AlarmNames", [alarm(json!({}))])
        .on("ListTagsForResource", [ok(json!({ "Tags": [] }))])
        .start(ALARM);
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0, "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

#[test]
fn refuses_an_alarm_of_others_in_the_plan() {
    let endpoint =
        Script::new().on("DescribeAlarms", [alarm(json!({}))]).on("ListTagsForResource", [ok(json!({ "Tags": [] }))]).start(ALARM);
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.combined_output().contains("acme import"), "{}", done.combined_output());
}

/// PutMetricAlarm replaces the whole alarm.
#[test]
fn an_update_keeps_settings_that_acme_does_not_manage() {
    let warm_up = json!({ "WarmUpConfiguration": { "WarmUpPeriodDurationInMinutes": 10 } });
    let mut changed = warm_up.clone();
    changed["Threshold"] = json!(9.0);
    let endpoint = Script::new()
        .with_tagged_resources(&[(ARN, "metric_alarm.errors")])
        .on("DescribeAlarms", [alarm(warm_up)])
        .on("ListTagsForResource", [tags("metric_alarm.errors")])
        .on("PutMetricAlarm", [ok(json!({}))])
        .after("PutMetricAlarm")
        .on("DescribeAlarms", [alarm(changed)])
        .start(&ALARM.replace("threshold: 5", "threshold: 9"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("PutMetricAlarm")[0];
    assert_eq!(sent["WarmUpConfiguration"]["WarmUpPeriodDurationInMinutes"], 10);
    assert_eq!((&sent["Threshold"], sent.get("Tags")), (&json!(9.0), None));
}

/// No stand-in reports queries.
#[test]
fn reads_the_queries_of_an_alarm() {
    let metric =
        |name: &str| json!({ "Metric": { "Namespace": "Shop", "MetricName": name, "Dimensions": [] }, "Period": 60, "Stat": "p99" });
    let queries = json!([
        { "Id": "rate", "Expression": "errors / requests", "ReturnData": true },
        { "Id": "errors", "MetricStat": metric("Errors"), "ReturnData": false },
        { "Id": "requests", "MetricStat": metric("Requests"), "ReturnData": false },
    ]);
    let unset = json!({ "Namespace": null, "MetricName": null, "Statistic": null, "Period": null, "Metrics": queries });
    let endpoint = Script::new().with_tagged_resources(&[(ARN, "metric_alarm.errors")]).on("DescribeAlarms", [alarm(unset)]).start(
        "  metric_alarm:
    errors:
      queries:
        errors: { metric: { namespace: Shop, name: Errors, statistic: p99, period_seconds: 60 } }
        requests: { metric: { namespace: Shop, name: Requests, statistic: p99, period_seconds: 60 } }
        rate: { expression: errors / requests, compared: true }
      comparison: GreaterThanThreshold
      threshold: 5
      evaluation_periods: 3
",
    );
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// The error of a service with CBOR: a composite alarm outside the stack refers to the alarm.
#[test]
fn waits_for_composite_alarms_before_the_deletion_of_their_children() {
    let used = json_error(400, "ValidationError", "Cannot delete shop-errors as there are composite alarm(s) depending on it.");
    let endpoint = Script::new()
        .with_tagged_resources(&[(ARN, "metric_alarm.errors")])
        .on("DescribeAlarms", [alarm(json!({}))])
        .on("DeleteAlarms", [used, ok(json!({}))])
        .start(ALARM);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["400 DeleteAlarms", "200 DeleteAlarms"]);
}

#[test]
fn does_not_overwrite_a_dashboard_of_others() {
    let endpoint = Script::new()
        .on("ListDashboards", [ok(json!({}))])
        .on("GetDashboard", [ok(json!({ "DashboardName": "shop-all", "DashboardBody": "{}" }))])
        .start("  dashboard: { all: { body: { widgets: [] } } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0, "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

/// CloudWatch returns the body in another order, and reports warnings in a success.
#[test]
fn compares_dashboards_by_their_values() {
    let arn = "arn:aws:cloudwatch::123456789012:dashboard/shop-all";
    let entry = json!({ "DashboardName": "shop-all", "DashboardArn": arn, "Size": 100 });
    let body = r#"{ "widgets": [ {"width": 6.0, "type": "text", "properties": {"markdown": "a"}} ] }"#;
    let warning = json!({ "DashboardValidationMessages": [{ "DataPath": "/widgets/0", "Message": "Unknown property" }] });
    let endpoint = Script::new()
        .on("ListDashboards", [ok(json!({ "DashboardEntries": [] }))])
        .on("GetDashboard", [json_error(404, "ResourceNotFound", "Dashboard shop-all does not exist")])
        .on("ListTagsForResource", [tags("dashboard.all")])
        .on("PutDashboard", [ok(warning)])
        .after("PutDashboard")
        .on("ListDashboards", [ok(json!({ "DashboardEntries": [entry] }))])
        .on("GetDashboard", [ok(json!({ "DashboardName": "shop-all", "DashboardArn": arn, "DashboardBody": body }))])
        .start("  dashboard: { all: { body: { widgets: [{ type: text, width: 6, properties: { markdown: a } }] } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PutDashboard"]);
}

/// An alarm about errors has no data while there are no errors.
#[test]
fn only_an_alarm_in_alarm_is_unhealthy() {
    for (state, phase) in [("OK", "ready"), ("INSUFFICIENT_DATA", "ready"), ("ALARM", "degraded")] {
        let endpoint = Script::new()
            .with_tagged_resources(&[(ARN, "metric_alarm.errors")])
            .on("DescribeAlarms", [alarm(json!({ "StateValue": state, "StateReason": "Threshold Crossed" }))])
            .on("ListTagsForResource", [tags("metric_alarm.errors")])
            .start(ALARM);
        let shown = endpoint.run("show", &["--live", "-o", "json"]).assert_success().stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let live = &shown["resources"][0]["phase"];
        assert_eq!(live["phase"], phase, "{state}: {live}");
        assert_eq!(live["status"].as_str(), (state == "ALARM").then_some("in alarm: Threshold Crossed"), "{live}");
    }
}
