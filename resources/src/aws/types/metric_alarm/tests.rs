use serde_json::{Value, json};

use super::*;

fn alarm(more: Value) -> MetricAlarm {
    let mut spec = json!({ "comparison": "GreaterThanThreshold", "evaluation_periods": 2 });
    spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(spec).expect("an alarm")
}

fn problems(more: Value) -> Vec<String> {
    alarm(more).check().into_iter().map(|problem| problem.pointer).collect()
}

fn metric(period: i32) -> Value {
    json!({ "namespace": "Shop", "name": "Errors", "statistic": "Sum", "period_seconds": period })
}

#[test]
fn checks_periods() {
    assert_eq!(problems(json!({ "metric": metric(60), "threshold": 5 })), [""; 0]);
    assert_eq!(problems(json!({ "metric": metric(90), "threshold": 5 })), ["/metric/period_seconds"]);
    assert_eq!(problems(json!({ "metric": metric(60), "threshold": 5, "datapoints_to_alarm": 3 })), ["/datapoints_to_alarm"]);
    assert_eq!(problems(json!({ "metric": metric(3600), "threshold": 5, "evaluation_periods": 168 })), [""; 0]);
    assert_eq!(problems(json!({ "metric": metric(1800), "threshold": 5, "evaluation_periods": 49 })), ["/evaluation_periods"]);
}

#[test]
fn checks_what_is_compared() {
    let queries = |compared: bool| {
        json!({
            "errors": { "metric": metric(60) }, "requests": { "metric": metric(60) },
            "rate": { "expression": "errors / requests", "compared": compared },
        })
    };
    assert_eq!(problems(json!({ "queries": queries(true), "threshold": 0.1 })), [""; 0]);
    assert_eq!(problems(json!({ "queries": queries(false), "threshold": 0.1 })), ["/queries"]);
    assert_eq!(problems(json!({ "queries": queries(true) })), [""]);
    assert_eq!(problems(json!({ "threshold": 1 })), [""]);
    let band = json!({
        "m": { "metric": metric(60), "compared": true }, "band": { "expression": "ANOMALY_DETECTION_BAND(m)", "compared": true },
    });
    let outside = "LessThanLowerOrGreaterThanUpperThreshold";
    assert_eq!(problems(json!({ "queries": band, "threshold_query": "band", "comparison": outside })), [""; 0]);
    assert_eq!(problems(json!({ "queries": band, "threshold_query": "band" })), ["/comparison"]);
    assert_eq!(problems(json!({ "queries": band, "threshold_query": "other", "comparison": outside })), ["/threshold_query"]);
    assert_eq!(problems(json!({ "queries": { "Bad": { "metric": metric(60), "compared": true } }, "threshold": 1 })), ["/queries/Bad"]);
}

#[test]
fn reads_the_queries_that_it_writes() {
    let written = alarm(json!({ "threshold": 1, "queries": {
        "errors": { "metric": { "namespace": "Shop", "name": "Errors", "statistic": "p99.9", "period_seconds": 60, "unit": "Count",
            "dimensions": { "b": "1", "a": "2" } } },
        "rate": { "expression": "errors * 2", "label": "Rate", "compared": true, "account": "123456789012" },
    } }));
    let queries: Vec<_> = written.queries.iter().map(|(id, query)| query.to_sdk(id)).collect();
    let read = sdk::MetricAlarm::builder().set_metrics(Some(queries)).threshold(1.0).evaluation_periods(2);
    let read = described(read.comparison_operator(sdk::ComparisonOperator::GreaterThanThreshold).build()).expect("an alarm");
    assert_eq!(json!(read), json!(written));
}

#[test]
fn needs_a_role_only_for_actions_of_ec2() {
    let needs =
        |action: &str| !alarm(json!({ "metric": metric(60), "threshold": 1, "alarm_actions": [action] })).prerequisites().is_empty();
    assert!(needs("arn:aws:automate:eu-west-1:ec2:recover"));
    assert!(!needs("arn:aws:sns:eu-west-1:123456789012:ops"));
}
