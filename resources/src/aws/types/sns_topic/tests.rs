use serde_json::json;

use super::*;

fn topic(spec: serde_json::Value) -> SnsTopic {
    serde_json::from_value(spec).expect("a topic")
}

#[test]
fn reads_the_attributes_that_it_writes() {
    let written = topic(json!({
        "name": "orders.fifo", "fifo": true, "content_based_deduplication": true, "throughput_scope": "MessageGroup", "archive_days": 30,
        "display_name": "Orders", "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/0123", "policy": { "Statement": [] },
        "delivery_policy": { "http": { "disableSubscriptionOverrides": true } }, "tracing": "Active", "signature_version": 2,
        "delivery_logs": {
            "sqs": { "success_role": "arn:aws:iam::123456789012:role/a", "success_sample_percent": 50 },
            "http": { "failure_role": "arn:aws:iam::123456789012:role/b" },
        },
    }));
    assert!(written.check().is_empty());
    let mut attributes = written.attributes();
    attributes.extend(delivery_log::changed_attributes(&BTreeMap::new(), &written.delivery_logs));
    assert_eq!(attributes["SQSSuccessFeedbackSampleRate"], "50");
    assert_eq!(json!(read::from_attributes("orders.fifo", &attributes).expect("attributes")), json!(written));
}

#[test]
fn recognizes_the_default_policy() {
    let arn = "arn:aws:sns:eu-west-1:123456789012:orders";
    assert_eq!(policy::from_sns(policy::default_policy(arn)), Policy::none());
    let own = Policy::new(json!({ "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": arn }] }));
    assert_eq!(policy::from_sns(own.clone()), own);
}

/// No message must get past a filter while it changes.
#[test]
fn changes_filters_in_an_order_that_sns_accepts() {
    let with = |more: serde_json::Value| {
        let mut spec = json!({ "protocol": "sqs", "endpoint": "arn:aws:sqs:eu-west-1:123456789012:orders" });
        spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        serde_json::from_value::<Subscription>(spec).expect("a subscription")
    };
    let flat = with(json!({ "filter": { "a": ["b"] } }));
    let nested = with(json!({ "filter": { "a": { "b": ["c"] } }, "filter_scope": "MessageBody" }));
    let names =
        |wanted: &Subscription, live: &Subscription| wanted.attributes_unlike(live).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&nested, &flat), ["FilterPolicyScope", "FilterPolicy"]);
    assert_eq!(names(&flat, &nested), ["FilterPolicy", "FilterPolicyScope"]);
    assert_eq!(with(json!({})).attributes_unlike(&flat), [("FilterPolicy", "{}".to_owned())]);
}

#[test]
fn settings_of_unconfirmed_subscriptions_are_not_compared() {
    let declared = topic(json!({ "subscriptions": [{ "protocol": "email", "endpoint": "ops@example.com", "filter": { "a": ["b"] } }] }));
    let mut live = topic(json!({ "subscriptions": [
        { "protocol": "email", "endpoint": "ops@example.com", "pending_confirmation": true },
        { "protocol": "email", "endpoint": "old@example.com", "pending_confirmation": true },
    ] }));
    declared.normalize(&mut live);
    assert_eq!(live.subscriptions, declared.subscriptions);
    let mut confirmed = topic(json!({ "subscriptions": [{ "protocol": "email", "endpoint": "ops@example.com" }] }));
    declared.normalize(&mut confirmed);
    assert_ne!(confirmed.subscriptions, declared.subscriptions);
}

#[test]
fn checks_subscriptions() {
    let problems = |fifo: bool, one: serde_json::Value| {
        let problems = topic(json!({ "fifo": fifo, "subscriptions": [one] })).check();
        problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    let queue = "arn:aws:sqs:eu-west-1:123456789012:orders";
    assert_eq!(problems(true, json!({ "protocol": "sqs", "endpoint": queue, "raw": true })), [""; 0]);
    assert_eq!(problems(true, json!({ "protocol": "email", "endpoint": "ops@example.com" })), ["/subscriptions/0/protocol"]);
    assert_eq!(problems(false, json!({ "protocol": "https", "endpoint": "http://example.com" })), ["/subscriptions/0/endpoint"]);
    assert_eq!(problems(false, json!({ "protocol": "lambda", "endpoint": queue })), ["/subscriptions/0/endpoint"]);
    assert_eq!(problems(false, json!({ "protocol": "email", "endpoint": "ops@example.com", "raw": true })), ["/subscriptions/0/raw"]);
    let stream = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/orders";
    assert_eq!(problems(false, json!({ "protocol": "firehose", "endpoint": stream })), ["/subscriptions/0/role"]);
    assert_eq!(problems(false, json!({ "protocol": "sms", "endpoint": "+15550100" })), [""; 0]);
}
