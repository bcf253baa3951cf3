//! Settings of buckets that are resources of their own in Terraform.

use serde_json::{Value, json};

use super::mapping::{SubResource, id_or_arn};
use crate::aws::types::s3_bucket::{ArchiveTiers, Notification, ReplicationRule, RoutingRule, S3Bucket, WebProtocol};

/// The settings that a bucket has.
pub fn bucket_parts(bucket: &S3Bucket, id: &str) -> Vec<SubResource> {
    let mut parts = Vec::new();
    let mut single = |name: &'static str, mut arguments: Value| {
        arguments["bucket"] = json!(id);
        parts.push(SubResource::single(name, arguments));
    };
    let notifications = &bucket.notifications;
    if notifications.event_bridge || !notifications.rules.is_empty() {
        let of = |key: &'static str, arn: fn(&Notification) -> Option<&str>| {
            let rules = notifications.rules.iter().filter_map(|(name, rule)| Some((name, rule, arn(rule)?)));
            let block = |(name, rule, arn): (&String, &Notification, &str)| json!({ "id": name, key: arn, "events": rule.events, "filter_prefix": rule.prefix, "filter_suffix": rule.suffix });
            rules.map(block).collect::<Vec<_>>()
        };
        single(
            "aws_s3_bucket_notification",
            json!({
                "eventbridge": notifications.event_bridge,
                "queue": of("queue_arn", |rule| id_or_arn(rule.queue.as_ref())),
                "topic": of("topic_arn", |rule| id_or_arn(rule.topic.as_ref())),
                "lambda_function": of("lambda_function_arn", |rule| rule.lambda.as_deref()),
            }),
        );
    }
    if let Some(replication) = &bucket.replication {
        let rules: Vec<Value> = replication.rules.iter().map(|(name, rule)| replication_rule(name, rule)).collect();
        single("aws_s3_bucket_replication_configuration", json!({ "role": replication.role.get(), "rule": rules }));
    }
    if let Some(lock) = &bucket.object_lock {
        let positive = |number: i32| Some(number).filter(|number| *number > 0);
        let retention = |mode| json!({ "mode": mode, "days": positive(lock.days), "years": positive(lock.years) });
        let rules: Vec<Value> = lock.mode.iter().map(|mode| json!({ "default_retention": [retention(mode)] })).collect();
        single("aws_s3_bucket_object_lock_configuration", json!({ "object_lock_enabled": "Enabled", "rule": rules }));
    }
    if let Some(log) = &bucket.access_log {
        let format: Vec<Value> =
            log.partition_by.iter().map(|date| json!({ "partitioned_prefix": [{ "partition_date_source": date }] })).collect();
        let arguments = json!({ "target_bucket": log.bucket.get(), "target_prefix": log.prefix, "target_object_key_format": format });
        single("aws_s3_bucket_logging", arguments);
    }
    if let Some(website) = &bucket.website {
        let text = |key: &str, text: &str| Some(text).filter(|text| !text.is_empty()).map(|text| json!({ key: text }));
        let redirect = website.redirect_all.iter().map(|to| json!({ "host_name": to.host, "protocol": to.protocol }));
        single(
            "aws_s3_bucket_website_configuration",
            json!({
                "index_document": text("suffix", &website.index_document).into_iter().collect::<Vec<_>>(),
                "error_document": text("key", &website.error_document).into_iter().collect::<Vec<_>>(),
                "redirect_all_requests_to": redirect.collect::<Vec<_>>(),
                "routing_rule": website.routing_rules.iter().map(routing_rule).collect::<Vec<_>>(),
            }),
        );
    }
    if bucket.transfer_acceleration {
        single("aws_s3_bucket_accelerate_configuration", json!({ "status": "Enabled" }));
    }
    if bucket.requester_pays {
        single("aws_s3_bucket_request_payment_configuration", json!({ "payer": "Requester" }));
    }
    let tiers = bucket.intelligent_tiering.iter().map(|(name, tiers)| {
        let arguments = archive_tiers(name, tiers, id);
        SubResource::keyed("aws_s3_bucket_intelligent_tiering_configuration", name, arguments)
    });
    parts.extend(tiers);
    parts
}

fn status(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

fn replication_rule(name: &str, rule: &ReplicationRule) -> Value {
    let minutes = || json!([{ "minutes": 15 }]);
    let metrics = (rule.within_15_minutes || rule.metrics).then(|| {
        let threshold = if rule.within_15_minutes { minutes() } else { json!([]) };
        json!({ "status": status(true), "event_threshold": threshold })
    });
    let time = rule.within_15_minutes.then(|| json!({ "status": status(true), "time": minutes() }));
    let selected = |name: &str, on: bool| on.then(|| json!({ name: [{ "status": status(true) }] }));
    let criteria = [selected("sse_kms_encrypted_objects", rule.kms_key.is_some()), selected("replica_modifications", rule.replica_changes)];
    let filter = match rule.tags.is_empty() {
        true => json!({ "prefix": rule.prefix }),
        false => json!({ "and": [{ "prefix": rule.prefix, "tags": rule.tags }] }),
    };
    json!({
        "id": name,
        "status": status(rule.enabled),
        "priority": rule.priority,
        "filter": [filter],
        "delete_marker_replication": [{ "status": status(rule.delete_markers) }],
        "source_selection_criteria": criteria.into_iter().flatten().collect::<Vec<_>>(),
        "destination": [{
            "bucket": rule.bucket.get(),
            "account": rule.owner_account,
            "access_control_translation": rule.owner_account.iter().map(|_| json!({ "owner": "Destination" })).collect::<Vec<_>>(),
            "storage_class": rule.storage_class,
            "encryption_configuration": rule.kms_key.iter().map(|key| json!({ "replica_kms_key_id": key.get() })).collect::<Vec<_>>(),
            "metrics": metrics.into_iter().collect::<Vec<_>>(),
            "replication_time": time.into_iter().collect::<Vec<_>>(),
        }],
    })
}

fn routing_rule(rule: &RoutingRule) -> Value {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let has_condition = !rule.prefix.is_empty() || !rule.error_code.is_empty();
    let condition = json!({ "key_prefix_equals": text(&rule.prefix), "http_error_code_returned_equals": text(&rule.error_code) });
    let protocol: Option<&WebProtocol> = rule.protocol.as_ref();
    json!({
        "condition": has_condition.then_some(condition).into_iter().collect::<Vec<_>>(),
        "redirect": [{
            "host_name": rule.host,
            "protocol": protocol,
            "http_redirect_code": rule.status_code,
            "replace_key_prefix_with": rule.replace_prefix,
            "replace_key_with": rule.replace_name,
        }],
    })
}

fn archive_tiers(name: &str, tiers: &ArchiveTiers, bucket: &str) -> Value {
    let all = [("ARCHIVE_ACCESS", tiers.archive_days), ("DEEP_ARCHIVE_ACCESS", tiers.deep_archive_days)];
    let tierings = all.into_iter().filter(|(_, days)| *days > 0).map(|(tier, days)| json!({ "access_tier": tier, "days": days }));
    let has_filter = !tiers.prefix.is_empty() || !tiers.tags.is_empty();
    json!({
        "bucket": bucket,
        "name": name,
        "status": status(tiers.enabled),
        "filter": has_filter.then(|| json!({ "prefix": tiers.prefix, "tags": tiers.tags })).into_iter().collect::<Vec<_>>(),
        "tiering": tierings.collect::<Vec<_>>(),
    })
}
