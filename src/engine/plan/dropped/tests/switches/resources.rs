//! Fields of most types.

use super::Switch;

pub(super) const RESOURCES: &[Switch] = &[
    ("backup_vault/notifications", "notifications: { topic: orders, events: [BACKUP_JOB_FAILED] }", ""),
    ("budget/amount", "amount: 5", "auto_adjust: {}"),
    ("budget/auto_adjust", "auto_adjust: {}", "amount: 5"),
    ("budget/auto_adjust/past_periods", "auto_adjust: { past_periods: 3 }", "auto_adjust: {}"),
    ("budget/end", "amount: 5, end: '2030-01-01'", "amount: 5"),
    ("budget/metric", "amount: 5, metric: AmortizedCost", "amount: 5"),
    ("budget/start", "amount: 5, start: '2026-01-01'", "amount: 5"),
    (
        "aurora_cluster/serverless/pause_after_seconds",
        "engine: aurora-postgresql, version: '16', subnet_group: reports, security_groups: [metrics], serverless: { min: 0, max: 4, pause_after_seconds: 600 }",
        "engine: aurora-postgresql, version: '16', subnet_group: reports, security_groups: [metrics], serverless: { min: 0, max: 4 }",
    ),
    (
        "aurora_instance/monitoring_interval_seconds",
        "cluster: shop, class: db.serverless, monitoring_interval_seconds: 60, monitoring_role: monitoring",
        "cluster: shop, class: db.serverless",
    ),
    (
        "aurora_instance/monitoring_role",
        "cluster: shop, class: db.serverless, monitoring_interval_seconds: 60, monitoring_role: monitoring",
        "cluster: shop, class: db.serverless",
    ),
    (
        "autoscaling_group/impaired_zone_health_checks",
        IMPAIRED_GROUP,
        "launch_template: web, min: 0, max: 1, subnets: [private-a], zonal_shift: true",
    ),
    (
        "cache_cluster/availability_zones",
        "version: '1.6', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics], availability_zones: [eu-west-1a]",
        "version: '1.6', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics]",
    ),
    (
        "cache_cluster/notification_topic",
        "version: '1.6', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics], notification_topic: 'arn:aws:sns:eu-west-1:123456789012:alerts'",
        "version: '1.6', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics]",
    ),
    (
        "cache_replication_group/auth_token",
        "version: '8.0', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics], auth_token: token",
        "version: '8.0', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics]",
    ),
    (
        "cache_replication_group/notification_topic",
        "version: '8.0', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics], notification_topic: 'arn:aws:sns:eu-west-1:123456789012:alerts'",
        "version: '8.0', node_type: cache.t4g.small, subnet_group: shop, security_groups: [metrics]",
    ),
    (
        "cache_user/user_name",
        "engine: valkey, access: 'on ~* +@all', authentication: password, passwords: [token], user_name: orders",
        "engine: valkey, access: 'on ~* +@all', authentication: password, passwords: [token]",
    ),
    ("cloudfront_distribution/access_log", LOGGED_SITE, SITE),
    ("cloudfront_distribution/certificate", CERTIFIED_SITE, SITE),
    ("cloudfront_distribution/iam_certificate", IAM_SITE, SITE),
    ("cloudfront_distribution/viewer_mtls", MTLS_SITE, SITE),
    ("cloudfront_headers_policy/cors", "cors: { origins: ['https://shop.example.com'], methods: [GET] }", ""),
    ("cloudfront_headers_policy/referrer_policy", "referrer_policy: { policy: same-origin }", ""),
    ("cloudfront_headers_policy/server_timing_percent", "server_timing_percent: 5", ""),
    (
        "code_connection/host",
        "provider: GitHubEnterpriseServer, host: 'arn:aws:codeconnections:eu-west-1:123456789012:host/shop/0123'",
        "provider: GitHub",
    ),
    (
        "codebuild_project/artifacts/bucket",
        "role: deployer, source: { type: S3, location: code/a.zip }, environment: { image: a }, artifacts: { type: S3, bucket: files }",
        "role: deployer, source: { type: S3, location: code/a.zip }, environment: { image: a }, artifacts: {}",
    ),
    (
        "dynamodb_table/key/sort",
        "key: { partition: customer, sort: day }, attributes: { customer: string, day: string }, deletion_protection: false",
        "key: { partition: customer }, attributes: { customer: string }, deletion_protection: false",
    ),
    (
        "dynamodb_table/scaling",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5, scaling: { read: { min: 5, max: 10 } }",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5",
    ),
    (
        "dynamodb_table/scaling/read",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5, scaling: { read: { min: 5, max: 10 }, write: { min: 5, max: 10 } }",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5, scaling: { write: { min: 5, max: 10 } }",
    ),
    (
        "dynamodb_table/scaling/write",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5, scaling: { read: { min: 5, max: 10 }, write: { min: 5, max: 10 } }",
        "key: { partition: customer }, attributes: { customer: string }, billing: provisioned, read_capacity: 5, write_capacity: 5, scaling: { read: { min: 5, max: 10 } }",
    ),
    (
        "dynamodb_table/snapshot",
        "key: { partition: customer }, attributes: { customer: string }, snapshot: 'arn:aws:dynamodb:eu-west-1:123456789012:table/carts/backup/01489173575360-b308cd7d'",
        "key: { partition: customer }, attributes: { customer: string }",
    ),
    (
        "dns_record/alias",
        "zone: main, domain: s.shop.example.com, type: A, alias: { target: '{{ load_balancer.web.dns_name }}', zone_id: '{{ load_balancer.web.zone_id }}' }",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1]",
    ),
    (
        "dns_record/failover",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1], set_identifier: a, failover: PRIMARY",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1]",
    ),
    (
        "dns_record/geolocation",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1], set_identifier: a, geolocation: { country: DE }",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1]",
    ),
    (
        "dns_record/region",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1], set_identifier: a, region: eu-west-1",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1]",
    ),
    (
        "dns_record/weight",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1], set_identifier: a, weight: 5",
        "zone: main, domain: s.shop.example.com, type: A, values: [192.0.2.1]",
    ),
    (
        "eks_capability/argocd",
        "cluster: second, type: argocd, role: ack, argocd: { identity_center: 'arn:aws:sso:::instance/ssoins-1' }",
        "cluster: second, type: kro, role: ack",
    ),
    (
        "eks_node_group/ami_type",
        "cluster: main, role: nodes, subnets: [private-a], min: 0, max: 1, instance_types: [t4g.medium], ami_type: AL2023_ARM_64_STANDARD",
        "cluster: main, role: nodes, subnets: [private-a], min: 0, max: 1, instance_types: [t4g.medium]",
    ),
    ("file_system/availability_zone", "availability_zone: eu-west-1a", ""),
    ("file_system/lifecycle/archive_days", "throughput_mode: elastic, lifecycle: { archive_days: 90 }", "throughput_mode: elastic"),
    ("file_system/provisioned_mibps", "throughput_mode: provisioned, provisioned_mibps: 10", ""),
    ("file_system/replication", "replication: { region: us-west-2 }", ""),
    (
        "file_system/replication/availability_zone",
        "replication: { region: us-west-2, availability_zone: us-west-2a }",
        "replication: { region: us-west-2 }",
    ),
    (
        "file_system/replication/file_system",
        "replication: { region: us-west-2, file_system: fs-0123456789abcdef0 }",
        "replication: { region: us-west-2 }",
    ),
    (
        "file_system/replication/kms_key",
        "replication: { region: us-west-2, kms_key: 'arn:aws:kms:us-west-2:123456789012:key/1' }",
        "replication: { region: us-west-2 }",
    ),
    ("flow_log/bucket", "vpc: other, bucket: files", "vpc: other, log_group: switch, role: flow"),
    ("flow_log/log_group", "vpc: other, log_group: switch, role: flow", "vpc: other, bucket: files"),
    ("flow_log/role", "vpc: other, log_group: switch, role: flow", "vpc: other, bucket: files"),
    ("flow_log/subnet", "subnet: b, bucket: files", "vpc: other, bucket: files"),
    ("flow_log/vpc", "vpc: other, bucket: files", "subnet: b, bucket: files"),
    ("health_check/alarm", "type: alarm, alarm: { name: errors, region: us-east-1 }", "type: http, domain: www.example.com"),
    (
        "listener/certificate",
        "load_balancer: web, port: 8090, protocol: HTTPS, certificate: shop, default_action: { fixed_response: { status_code: 404 } }",
        "load_balancer: web, port: 8090, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } }",
    ),
    (
        "listener/default_action/authenticate_cognito/then/fixed_response/content_type",
        "load_balancer: web, port: 8090, protocol: HTTPS, certificate: shop, default_action: { authenticate_cognito: { user_pool: 'arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_A', client_id: a, domain: shop, then: { fixed_response: { status_code: 404, content_type: text/html } } } }",
        "load_balancer: web, port: 8090, protocol: HTTPS, certificate: shop, default_action: { authenticate_cognito: { user_pool: 'arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_A', client_id: a, domain: shop, then: { fixed_response: { status_code: 404 } } } }",
    ),
    (
        "listener/default_action/authenticate_oidc/then/fixed_response/content_type",
        "load_balancer: web, port: 8090, protocol: HTTPS, certificate: shop, default_action: { authenticate_oidc: { issuer: 'https://login.example.com', authorization_endpoint: 'https://login.example.com/a', token_endpoint: 'https://login.example.com/t', user_info_endpoint: 'https://login.example.com/u', client_id: a, client_secret: token, then: { fixed_response: { status_code: 404, content_type: text/html } } } }",
        "load_balancer: web, port: 8090, protocol: HTTPS, certificate: shop, default_action: { authenticate_oidc: { issuer: 'https://login.example.com', authorization_endpoint: 'https://login.example.com/a', token_endpoint: 'https://login.example.com/t', user_info_endpoint: 'https://login.example.com/u', client_id: a, client_secret: token, then: { fixed_response: { status_code: 404 } } } }",
    ),
    ("listener/port", NETWORK_LISTENER, GATEWAY_LISTENER),
    ("listener/protocol", NETWORK_LISTENER, GATEWAY_LISTENER),
    (
        "load_balancer/subnet_mappings",
        "type: network, subnet_mappings: [{ subnet: a }], deletion_protection: false",
        "type: network, subnets: [a], deletion_protection: false",
    ),
    ("metric_alarm/metric", METRIC_ALARM, BAND_ALARM),
    (
        "metric_alarm/metric/unit",
        "metric: { namespace: Shop, name: Errors, statistic: Sum, period_seconds: 60, unit: Count }, comparison: GreaterThanThreshold, threshold: 5, evaluation_periods: 1",
        METRIC_ALARM,
    ),
    ("metric_alarm/threshold", METRIC_ALARM, BAND_ALARM),
    ("nat_gateway/elastic_ip", "subnet: b, elastic_ip: { id: eipalloc-0123456789abcdef0 }", "subnet: b, connectivity: private"),
    ("parameter/expires_at", "value: a, tier: Advanced, expires_at: '2030-01-31T00:00:00Z'", "value: a, tier: Advanced"),
    ("parameter/generate", "type: secure_string, generate: {}", "type: secure_string, secret: token"),
    ("parameter/generate/username", "type: secure_string, generate: { username: shop }", "type: secure_string, generate: {}"),
    ("parameter/secret", "type: secure_string, secret: token", "type: secure_string, generate: {}"),
    ("parameter/value", "value: a", "type: string_list, values: [a]"),
    ("rds_proxy/cluster", CLUSTER_PROXY, PROXY),
    ("s3_bucket/access_log/partition_by", "access_log: { bucket: files, partition_by: EventTime }", "access_log: { bucket: files }"),
    ("s3_bucket/encryption/kms_key", "encryption: { algorithm: 'aws:kms', kms_key: files }", "encryption: { algorithm: 'aws:kms' }"),
    ("sqs_queue/dead_letter_queue", "dead_letter_queue: failed-orders, max_receives: 5", ""),
    (
        "target_group/anomaly_mitigation",
        "vpc: main, port: 80, protocol: HTTP, algorithm: weighted_random, anomaly_mitigation: true",
        "vpc: main, port: 80, protocol: HTTP, algorithm: weighted_random",
    ),
    ("target_group/port", "vpc: main, port: 80, protocol: HTTP", "target_type: lambda"),
    ("target_group/protocol", "vpc: main, port: 80, protocol: HTTP", "target_type: lambda"),
    ("target_group/vpc", "vpc: main, port: 80, protocol: HTTP", "target_type: lambda"),
    (
        "target_group/stickiness",
        "vpc: main, port: 80, protocol: HTTP, stickiness: { enabled: true, type: lb_cookie }",
        "vpc: main, port: 80, protocol: HTTP",
    ),
    (
        "target_group/stickiness/cookie_name",
        "vpc: main, port: 80, protocol: HTTP, stickiness: { enabled: true, type: app_cookie, cookie_name: shop }",
        "vpc: main, port: 80, protocol: HTTP, stickiness: { enabled: true, type: lb_cookie }",
    ),
    (
        "target_group/stickiness/duration_seconds",
        "vpc: main, port: 80, protocol: HTTP, stickiness: { enabled: true, type: lb_cookie, duration_seconds: 60 }",
        "vpc: main, port: 80, protocol: HTTP, stickiness: { enabled: true, type: lb_cookie }",
    ),
    (
        "target_group/target_group_health/dns_failover/minimum_count",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { dns_failover: { minimum_count: 3 } }",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { dns_failover: {} }",
    ),
    (
        "target_group/target_group_health/dns_failover/minimum_percentage",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { dns_failover: { minimum_percentage: 30 } }",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { dns_failover: {} }",
    ),
    (
        "target_group/target_group_health/unhealthy_state_routing/minimum_count",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { unhealthy_state_routing: { minimum_count: 3 } }",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { unhealthy_state_routing: {} }",
    ),
    (
        "target_group/target_group_health/unhealthy_state_routing/minimum_percentage",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { unhealthy_state_routing: { minimum_percentage: 30 } }",
        "vpc: main, port: 80, protocol: HTTP, target_group_health: { unhealthy_state_routing: {} }",
    ),
    (
        "target_group/targets",
        "vpc: main, port: 80, protocol: HTTP, target_type: ip, targets: [{ id: 10.0.0.10 }]",
        "vpc: main, port: 80, protocol: HTTP, target_type: ip",
    ),
    (
        "target_group/unhealthy_draining_seconds",
        "vpc: main, port: 80, protocol: TCP, unhealthy_connection_termination: false, unhealthy_draining_seconds: 60",
        "vpc: main, port: 80, protocol: TCP, unhealthy_connection_termination: false",
    ),
    ("waf_web_acl/logging", "logging: { destination: 'arn:aws:logs:eu-west-1:123456789012:log-group:aws-waf-logs-shop' }", ""),
    ("trail/log_group", LOGGED_TRAIL, "bucket: audit"),
    ("trail/log_role", LOGGED_TRAIL, "bucket: audit"),
    ("certificate/import", "domain: i.example.com, import: { secret: token }", "domain: i.example.com"),
    (
        "ecr_creation_template/role",
        "prefix: other, applied_for: [REPLICATION], role: deployer",
        "prefix: other, applied_for: [REPLICATION]",
    ),
    (
        "ecr_pull_through_cache/role",
        "prefix: other, upstream: ecr, upstream_host: 111122223333.dkr.ecr.eu-west-1.amazonaws.com, role: deployer",
        "prefix: other, upstream: ecr, upstream_host: 111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    ),
    (
        "ecr_pull_through_cache/upstream_prefix",
        "prefix: other, upstream: ecr, upstream_host: 111122223333.dkr.ecr.eu-west-1.amazonaws.com, upstream_prefix: ROOT",
        "prefix: other, upstream: ecr, upstream_host: 111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    ),
    ("ecr_repository/two_layers", "kms_key: files, two_layers: true", "kms_key: files"),
    (
        "listener/mutual_authentication",
        "load_balancer: web, port: 8443, protocol: HTTPS, certificate: shop, default_action: { fixed_response: { status_code: 404 } }, mutual_authentication: { mode: passthrough }",
        "load_balancer: web, port: 8443, protocol: HTTPS, certificate: shop, default_action: { fixed_response: { status_code: 404 } }",
    ),
    (
        "listener/mutual_authentication/trust_store",
        "load_balancer: web, port: 8443, protocol: HTTPS, certificate: shop, default_action: { fixed_response: { status_code: 404 } }, mutual_authentication: { mode: verify, trust_store: 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/clients/1' }",
        "load_balancer: web, port: 8443, protocol: HTTPS, certificate: shop, default_action: { fixed_response: { status_code: 404 } }, mutual_authentication: { mode: passthrough }",
    ),
    (
        "listener/tcp_idle_timeout_seconds",
        "load_balancer: net, port: 9000, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: tcp }] } }, tcp_idle_timeout_seconds: 60",
        "load_balancer: net, port: 9000, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: tcp }] } }",
    ),
    (
        "listener/tcp_reset_on_idle",
        "load_balancer: gateway, default_action: { forward: { target_groups: [{ target_group: geneve }] } }, tcp_reset_on_idle: true",
        "load_balancer: gateway, default_action: { forward: { target_groups: [{ target_group: geneve }] } }",
    ),
    ("s3_bucket/object_lock/mode", "object_lock: { mode: GOVERNANCE, days: 30 }", "object_lock: {}"),
    ("s3_bucket/replication", "replication: { role: deployer, rules: { all: { priority: 1, bucket: files } } }", ""),
    ("s3_bucket/website", "website: { index_document: index.html }", ""),
    ("s3_bucket/website/redirect_all", "website: { redirect_all: { host: example.com } }", "website: { index_document: index.html }"),
    (
        "s3_bucket/website/redirect_all/protocol",
        "website: { redirect_all: { host: example.com, protocol: https } }",
        "website: { redirect_all: { host: example.com } }",
    ),
    (
        "helm_release/repository",
        "cluster: main, release: web, repository: 'https://charts.example.com', chart: web, version: 1.0.0",
        "cluster: main, release: web, chart: 'oci://registry.example.com/web', version: 1.0.0",
    ),
    ("aurora_cluster/point_in_time/cluster", RESTORED_CLUSTER, CLUSTER_FROM_BACKUPS),
    ("aurora_cluster/point_in_time/resource_id", CLUSTER_FROM_BACKUPS, RESTORED_CLUSTER),
    ("rds_instance/point_in_time/backup", RESTORED_FROM_BACKUP, RESTORED),
    ("rds_instance/point_in_time/database", RESTORED, RESTORED_FROM_BACKUP),
];

const IMPAIRED_GROUP: &str =
    "launch_template: web, min: 0, max: 1, subnets: [private-a], zonal_shift: true, impaired_zone_health_checks: IgnoreUnhealthy";
const SITE: &str = "origins: { web: { domain: web.example.com, type: { custom: {} } } }, default_behavior: { origin: web }";
const LOGGED_SITE: &str = "origins: { web: { domain: web.example.com, type: { custom: {} } } }, default_behavior: { origin: web }, access_log: { bucket: shop-logs.s3.amazonaws.com }";
const CERTIFIED_SITE: &str =
    "origins: { web: { domain: web.example.com, type: { custom: {} } } }, default_behavior: { origin: web }, certificate: edge";
const IAM_SITE: &str = "origins: { web: { domain: web.example.com, type: { custom: {} } } }, default_behavior: { origin: web }, iam_certificate: ASCACKCEVSQ6C2EXAMPLE";
const MTLS_SITE: &str = "origins: { web: { domain: web.example.com, type: { custom: {} } } }, default_behavior: { origin: web }, viewer_mtls: { trust_store: ts_0123456789 }";
const METRIC_ALARM: &str = "metric: { namespace: Shop, name: Errors, statistic: Sum, period_seconds: 60 }, comparison: GreaterThanThreshold, threshold: 5, evaluation_periods: 1";
const BAND_ALARM: &str = "queries: { m: { metric: { namespace: Shop, name: Errors, statistic: Sum, period_seconds: 60 }, compared: true }, band: { expression: ANOMALY_DETECTION_BAND(m), compared: true } }, comparison: GreaterThanUpperThreshold, threshold_query: band, evaluation_periods: 1";
const LOGGED_TRAIL: &str = "bucket: audit, log_group: shop, log_role: 'arn:aws:iam::123456789012:role/audit'";

const NETWORK_LISTENER: &str =
    "load_balancer: net, port: 8090, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: tcp }] } }";
const GATEWAY_LISTENER: &str = "load_balancer: gateway, default_action: { forward: { target_groups: [{ target_group: geneve }] } }";
const PROXY: &str =
    "engine_family: POSTGRESQL, subnets: [private-a, private-b], security_groups: [metrics], role: proxy, auth: [{ secret: catalog }]";
const CLUSTER_PROXY: &str = "engine_family: POSTGRESQL, subnets: [private-a, private-b], security_groups: [metrics], role: proxy, auth: [{ secret: catalog }], cluster: shop";
const RESTORED_CLUSTER: &str =
    "engine: aurora-postgresql, version: '16', subnet_group: reports, security_groups: [metrics], point_in_time: { cluster: shop }";
const CLUSTER_FROM_BACKUPS: &str = "engine: aurora-postgresql, version: '16', subnet_group: reports, security_groups: [metrics], point_in_time: { resource_id: cluster-ABCDEFGHIJKL }";
const RESTORED: &str = "engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: reports, security_groups: [metrics], point_in_time: { database: reports }";
const RESTORED_FROM_BACKUP: &str = "engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: reports, security_groups: [metrics], point_in_time: { backup: 'arn:aws:rds:eu-west-1:123456789012:auto-backup:ab-0123456789' }";
