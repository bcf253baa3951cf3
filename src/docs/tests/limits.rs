//! The limits of fields are those of AWS: for each a value that it takes, and one beyond.

use serde_json::{Value, json};

use crate::{aws::types::resource_type, core::rules::Rules};

/// Whether the limits of the type's fields allow this value.
fn allows(type_name: &str, field: &str, value: &Value) -> bool {
    let kind = resource_type(type_name).unwrap_or_else(|| panic!("{type_name}"));
    assert!(kind.schema()["properties"].get(field).is_some(), "{type_name}/{field}");
    Rules::of(kind.schema()).check(&json!({ field: value })).is_empty()
}

#[track_caller]
fn assert_limits(cases: Vec<(&str, &str, Value, Value)>) {
    let mut wrong = Vec::new();
    for (type_name, field, right, beyond) in cases {
        if !allows(type_name, field, &right) {
            wrong.push(format!("{type_name}/{field} refuses {right}"));
        }
        if allows(type_name, field, &beyond) {
            wrong.push(format!("{type_name}/{field} allows {beyond}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn text(length: usize) -> Value {
    "x".repeat(length).into()
}

fn texts(count: usize) -> Value {
    (0..count).map(|n| format!("x{n}")).collect()
}

#[test]
fn limits_of_names() {
    assert_limits(vec![
        ("launch_template", "name", json!("shop_web.(1)/a"), json!("shop web")),
        ("launch_template", "name", text(128), text(129)),
        ("load_balancer", "name", json!("shop-web"), json!("shop-web_app")),
        ("load_balancer", "name", json!("s"), json!("-shop")),
        ("load_balancer", "name", text(32), text(33)),
        ("target_group", "name", json!("shop-web"), json!("shop-web-")),
        ("rds_parameter_group", "name", json!("shop-pg16"), json!("shop--pg16")),
        ("rds_parameter_group", "name", text(255), text(256)),
        ("rds_subnet_group", "name", json!("shop_db.main x"), json!("1shop")),
        ("ecr_repository", "name", json!("shop/web_app"), json!("shop/web___app")),
        ("ecr_repository", "name", json!("ab"), json!("a")),
        ("s3_bucket", "name", json!("shop.files"), json!("shop-files-")),
        ("s3_bucket", "name", json!("abc"), json!("ab")),
        ("iam_role", "name", json!("shop+web=a,b.c@d"), json!("shop web")),
        ("iam_policy", "name", json!("shop_web"), json!("shop/web")),
        ("instance_profile", "name", json!("shop_web"), json!("shop:web")),
        ("waf_ip_set", "name", json!("shop_web-1"), json!("shop.web")),
        ("waf_regex_set", "name", json!("shop_web-1"), json!("shop.web")),
        ("waf_web_acl", "name", json!("shop_web-1"), json!("shop web")),
        ("security_group", "name", json!("shop web (1)"), json!("shop%web")),
        ("security_group", "name", text(255), text(256)),
        ("sqs_queue", "name", json!("shop_Web-1.fifo"), json!("shop.web")),
        ("sqs_queue", "name", text(80), text(81)),
        ("dynamodb_table", "name", json!("shop_Orders.v1"), json!("shop/orders")),
        ("dynamodb_table", "name", text(255), text(256)),
        ("dynamodb_table", "name", text(3), text(2)),
        ("aurora_cluster", "name", json!("shop-orders"), json!("shop--orders")),
        ("aurora_instance", "name", text(63), text(64)),
        ("cache_replication_group", "name", text(40), text(41)),
        ("cache_replication_group", "name", json!("shop-carts"), json!("shop-carts-")),
        ("cache_cluster", "name", text(50), text(51)),
        ("cache_user", "name", text(40), text(41)),
        ("cache_user_group", "name", text(40), text(41)),
        ("cache_subnet_group", "name", json!("1-shop"), json!("shop_main")),
    ]);
}

#[test]
fn limits_of_texts() {
    assert_limits(vec![
        ("launch_template", "version_description", text(255), text(256)),
        ("security_group", "description", json!("a"), json!("")),
        ("waf_ip_set", "description", json!("the office"), json!("an")),
        ("waf_regex_set", "description", json!("bots"), json!("an")),
        ("waf_web_acl", "description", text(256), text(257)),
        ("waf_web_acl", "description", json!("a b"), json!("ab ")),
        ("iam_role", "description", text(1000), text(1001)),
        ("iam_policy", "description", text(1000), text(1001)),
        ("kms_key", "description", text(8192), text(8193)),
        ("secret", "description", text(2048), text(2049)),
        ("secret", "generate", json!({ "exclude_characters": "x".repeat(4096) }), json!({ "exclude_characters": "x".repeat(4097) })),
        ("dns_zone", "comment", text(256), text(257)),
        ("dns_zone", "delegation_set", text(32), text(33)),
        ("dns_record", "set_identifier", text(128), text(129)),
        ("dns_record", "geolocation", json!({ "country": "DE" }), json!({ "country": "Germany" })),
        ("health_check", "failure_threshold", json!(10), json!(11)),
        ("health_check", "interval_seconds", json!(10), json!(20)),
        ("health_check", "regions", json!(["eu-west-1", "us-east-1", "us-west-2"]), json!(["eu-west-1", "us-east-1"])),
        ("oidc_provider", "url", json!("https://example.com"), json!(format!("https://{}", "x".repeat(248)))),
        ("oidc_provider", "client_ids", json!(["x".repeat(255)]), json!(["x".repeat(256)])),
        ("certificate", "alternative_names", json!([format!("{}x", "x.".repeat(126))]), json!([format!("{}xx", "x.".repeat(126))])),
        ("ecr_repository", "tag_exceptions", json!(["dev-*", "x".repeat(128)]), json!(["dev/*"])),
        ("rds_instance", "username", json!("admin_1"), json!("1admin")),
        ("rds_instance", "username", text(63), text(64)),
        ("rds_instance", "database_name", json!("shop"), json!("shop-orders")),
        ("rds_instance", "backup_window", json!("02:00-03:00"), json!("2:00-3:00")),
        ("rds_instance", "maintenance_window", json!("sun:04:00-sun:05:00"), json!("04:00-05:00")),
        ("target_group", "health_check", json!({ "path": "x".repeat(1024) }), json!({ "path": "x".repeat(1025) })),
        ("waf_web_acl", "managed_rules", json!([{ "name": "a", "version": "1" }]), json!([{ "name": "a", "version": "" }])),
        ("eks_node_group", "labels", json!({ "a": "b" }), json!({ "a": "" })),
        ("eks_node_group", "taints", json!([{ "key": "a", "value": "" }]), json!([{ "key": "" }])),
        ("eks_node_group", "taints", json!([{ "key": "a", "value": "x".repeat(63) }]), json!([{ "key": "a", "value": "x".repeat(64) }])),
    ]);
}

#[test]
fn limits_of_numbers_and_ranges() {
    assert_limits(vec![
        ("vpc", "secondary_cidrs", json!(["10.2.0.0/16", "10.3.0.0/28"]), json!(["10.2.0.0/15"])),
        ("vpc", "secondary_cidrs", json!([]), json!(["10.3.0.0/29"])),
        ("rds_instance", "storage_gib", json!(65_536), json!(65_537)),
        ("rds_instance", "storage_gib", json!(5), json!(4)),
        ("sqs_queue", "max_message_bytes", json!(1_048_576), json!(1_048_577)),
        ("sqs_queue", "retention_seconds", json!(60), json!(59)),
        ("flow_log", "max_aggregation_seconds", json!(60), json!(61)),
        ("waf_web_acl", "rate_limit", json!({ "window_seconds": 120 }), json!({ "window_seconds": 180 })),
        ("rds_instance", "max_storage_gib", json!(0), json!(-1)),
        ("rds_instance", "port", json!(1150), json!(1149)),
        ("rds_instance", "port", json!(65_535), json!(65_536)),
        ("dns_record", "ttl_seconds", json!(2_147_483_647), json!(2_147_483_648_u32)),
        ("eks_node_group", "min", json!(0), json!(-1)),
        ("eks_node_group", "max", json!(1), json!(0)),
        ("s3_bucket", "lifecycle_rules", json!({ "a": { "expire_days": 0 } }), json!({ "a": { "expire_days": -1 } })),
        ("s3_bucket", "lifecycle_rules", json!({ "a": { "noncurrent_keep": 100 } }), json!({ "a": { "noncurrent_keep": 101 } })),
        (
            "s3_bucket",
            "lifecycle_rules",
            json!({ "a": { "transitions": [{ "days": 0 }] } }),
            json!({ "a": { "transitions": [{ "days": -1 }] } }),
        ),
        ("s3_bucket", "lifecycle_rules", json!({ "a": { "larger_than_bytes": 5 } }), json!({ "a": { "larger_than_bytes": -1 } })),
        ("s3_bucket", "cors", json!([{ "max_age_seconds": 0 }]), json!([{ "max_age_seconds": -1 }])),
        ("dynamodb_table", "recovery_days", json!(35), json!(36)),
        ("dynamodb_table", "scaling", json!({ "read": { "target_percent": 90 } }), json!({ "read": { "target_percent": 91 } })),
        ("aurora_cluster", "backup_retention_days", json!(1), json!(0)),
        ("aurora_cluster", "backtrack_seconds", json!(259_200), json!(259_201)),
        ("aurora_cluster", "monitoring_interval_seconds", json!(60), json!(45)),
        ("aurora_instance", "promotion_tier", json!(15), json!(16)),
        ("cache_replication_group", "replicas", json!(5), json!(6)),
        ("cache_replication_group", "shards", json!(500), json!(501)),
        ("cache_replication_group", "snapshot_retention_days", json!(35), json!(36)),
        ("cache_cluster", "nodes", json!(60), json!(61)),
    ]);
}

#[test]
fn limits_of_lists() {
    let rules = |count: usize| vec![json!({ "allowed_methods": ["GET"] }); count];
    assert_limits(vec![
        ("s3_bucket", "cors", json!(rules(100)), json!(rules(101))),
        ("s3_bucket", "cors", json!([{ "allowed_methods": ["GET", "DELETE"] }]), json!([{ "allowed_methods": ["PATCH"] }])),
        ("s3_bucket", "cors", json!([{ "allowed_origins": ["*"] }]), json!([{ "allowed_origins": [] }])),
        ("certificate", "alternative_names", texts(99), texts(100)),
        ("oidc_provider", "client_ids", texts(100), texts(101)),
        ("eks_cluster", "security_groups", texts(5), texts(6)),
        ("eks_node_group", "instance_types", texts(20), texts(21)),
        ("waf_web_acl", "managed_rules", json!([{ "count_rules": texts(100) }]), json!([{ "count_rules": texts(101) }])),
        ("rds_instance", "log_exports", json!(["slowquery"]), json!(["slow"])),
        ("listener", "alpn", json!("HTTP2Preferred"), json!("http2")),
        ("aurora_cluster", "log_exports", json!(["instance"]), json!(["slow"])),
        ("cache_user", "passwords", texts(2), texts(3)),
        ("cache_replication_group", "security_groups", texts(5), texts(6)),
        ("cache_replication_group", "user_groups", texts(1), texts(2)),
    ]);
}

#[test]
fn limits_of_listener_rules() {
    let rule = |field: &str, value: Value| json!([{ field: value }]);
    assert_limits(vec![
        ("listener", "rules", rule("hosts", json!(["x".repeat(128)])), rule("hosts", json!(["x".repeat(129)]))),
        ("listener", "rules", rule("paths", json!(["/a"])), rule("paths", json!([""]))),
        ("listener", "rules", rule("methods", json!(["GET", "M-SEARCH"])), rule("methods", json!(["get"]))),
        ("listener", "rules", rule("query", json!([{ "value": "a" }])), rule("query", json!([{ "value": "" }]))),
        ("listener", "rules", rule("source_ips", texts(5)), rule("source_ips", texts(6))),
        ("listener", "default_action", json!({ "redirect": { "path": "/a", "port": "443" } }), json!({ "redirect": { "path": "a" } })),
        ("listener", "default_action", json!({ "redirect": { "port": "#{port}" } }), json!({ "redirect": { "port": "https" } })),
    ]);
}

#[test]
fn fields_that_require_or_exclude_others() {
    let cases = [
        ("vpc", json!({ "dns_support": false, "dns_hostnames": false }), json!({ "dns_support": false, "dns_hostnames": true })),
        (
            "eks_pod_identity",
            json!({ "policy": { "Statement": [] }, "disable_session_tags": true }),
            json!({ "policy": { "Statement": [] } }),
        ),
        ("ecr_repository", json!({ "keep_last": 5 }), json!({ "keep_last": 5, "lifecycle_policy": { "rules": [{}] } })),
        ("eks_node_group", json!({ "max_unavailable": 1 }), json!({ "max_unavailable": 1, "max_unavailable_percentage": 10 })),
        ("eks_node_group", json!({ "launch_template": "lt-1" }), json!({ "launch_template": "lt-1", "disk_gib": 50 })),
        ("eks_node_group", json!({ "disk_gib": 50 }), json!({ "launch_template": "lt-1", "remote_access": { "key_pair": "ops" } })),
        ("eks_node_group", json!({ "launch_template": "lt-1", "launch_template_version": "1" }), json!({ "launch_template_version": "1" })),
        ("flow_log", json!({ "bucket": { "arn": "logs" }, "prefix": "a" }), json!({ "log_group": "logs", "prefix": "a" })),
        ("flow_log", json!({ "log_group": "logs" }), json!({ "log_group": "logs", "file_format": "parquet" })),
        ("flow_log", json!({ "role": { "arn": "writer" } }), json!({ "bucket": { "arn": "logs" }, "role": { "arn": "writer" } })),
        ("sqs_queue", json!({ "fifo": true, "deduplication_scope": "messageGroup" }), json!({ "deduplication_scope": "messageGroup" })),
        ("sqs_queue", json!({ "dead_letter_queue": { "arn": "failed" }, "max_receives": 3 }), json!({ "max_receives": 3 })),
        ("cache_replication_group", json!({ "auth_token": "a" }), json!({ "auth_token": "a", "user_groups": ["b"] })),
        ("load_balancer", json!({}), json!({ "enforce_security_groups_on_private_link": false })),
    ];
    for (type_name, right, wrong) in cases {
        let kind = resource_type(type_name).unwrap_or_else(|| panic!("{type_name}"));
        let problems = |spec: &Value| Rules::of(kind.schema()).check(spec);
        assert_eq!(problems(&right), [], "{type_name} {right}");
        assert_eq!(problems(&wrong).len(), 1, "{type_name} {wrong}: {:?}", problems(&wrong));
    }
}
