//! Tests of sections whose entries become several resources.

use serde_json::json;

use super::*;

const NETWORK: &str = "stack: shop\nregion: eu-west-1\nnetwork: { cidr: 10.0.0.0/16, zones: 2, nat: none, tiers: [database] }\n";

#[test]
fn the_engine_decides_the_type_of_a_database_and_a_cache() {
    let text = format!(
        "{NETWORK}
databases:
  orders: {{ engine: aurora-postgresql, version: '16', class: db.r7g.large, instances: 3, parameters: {{ rds.force_ssl: 1 }} }}
  events: {{ engine: aurora-mysql, version: 8.0.mysql_aurora.3, serverless: {{ min: 0.5, max: 8 }} }}
  users: {{ engine: mysql, version: '8.0', class: db.t4g.micro, storage_gib: 20, subnets: private }}
caches:
  sessions: {{ version: '8.0', node_type: cache.t4g.small, cluster_mode: enabled, parameters: {{ maxmemory-policy: volatile-lru }} }}
  pages: {{ engine: memcached, version: '1.6', node_type: cache.t4g.small, parameters: {{ idle_timeout: 60 }} }}
outputs:
  orders: '{{{{ databases.orders.reader_endpoint }}}}'
  users: '{{{{ databases.users.endpoint }}}}'
  cache: '{{{{ caches.sessions.primary_endpoint }}}}'
resources:
  secret: {{ address: {{ generate: {{}}, description: '{{{{ caches.pages.endpoint }}}}' }} }}
"
    );
    let stack = compile(&text, &located());
    let stores = addresses(&stack);
    let is_store = |address: &&String| ["aurora", "rds", "cache"].iter().any(|prefix| address.starts_with(prefix));
    insta::assert_snapshot!(stores.iter().filter(is_store).cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(spec(&stack, "aurora_parameter_group.orders")["family"], "aurora-postgresql16");
    assert_eq!(spec(&stack, "aurora_instance.events-1")["class"], "db.serverless");
    assert_eq!(spec(&stack, "security_group.database-orders")["ingress"][0]["from_port"], 5432);
    assert_eq!(spec(&stack, "security_group.cache-pages")["ingress"][0]["from_port"], 11_211);
    assert_eq!(spec(&stack, "cache_parameter_group.sessions")["parameters"]["cluster-enabled"], "yes");
    assert_eq!(spec(&stack, "cache_parameter_group.pages")["family"], "memcached1.6");
    assert_eq!(
        spec(&stack, "rds_subnet_group.main")["subnets"],
        json!([{ "id": "${subnet.database-a.id}" }, { "id": "${subnet.database-b.id}" }])
    );
    assert_eq!(spec(&stack, "rds_subnet_group.users")["subnets"][0]["id"], "${subnet.private-a.id}");
    assert_eq!(spec(&stack, "secret.address")["description"], "${cache_cluster.pages.endpoint}");
    let outputs: Vec<&Value> = stack.outputs.values().collect();
    let expected = [
        "${cache_replication_group.sessions.primary_endpoint}",
        "${aurora_cluster.orders.reader_endpoint}",
        "${rds_instance.users.endpoint}",
    ];
    assert_eq!(outputs, expected);

    let said = compile_problems(&text.replace("class: db.r7g.large, instances: 3", "instances: 16"), &located());
    assert!(said.contains("`instances` must be from 1 to 15"), "{said}");
    let said = compile_problems(&text.replace("class: db.r7g.large, ", ""), &located());
    assert!(said.contains("`orders` needs `class`"), "{said}");
    let said = compile_problems(&text.replace("orders.reader_endpoint", "order.reader_endpoint"), &located());
    assert!(said.contains("refers to the unknown rds instance `order`"), "{said}");
}

#[test]
fn a_network_has_further_tiers_and_network_acls() {
    let text = "
stack: shop
region: eu-west-1
network:
  cidr: 10.0.0.0/16
  zones: [a, c]
  nat: none
  endpoints: [s3]
  tiers: [database, intra]
  acls:
    database:
      subnets: database
      ingress: [{ number: 100, action: allow, port: 5432, cidr: 10.0.0.0/16 }]
      egress: [{ number: 100, action: allow, from_port: 1024, to_port: 65535, cidr: 10.0.0.0/16 }]
";
    let stack = compile(text, &located());
    let cidrs: Vec<String> = stack
        .resources
        .iter()
        .filter(|(address, _)| address.type_name == "subnet")
        .map(|(address, declared)| format!("{} {}", address.name, declared.spec["cidr"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        "database-a 10.0.112.0/20",
        "database-c 10.0.80.0/20",
        "intra-a 10.0.240.0/20",
        "intra-c 10.0.208.0/20",
        "private-a 10.0.128.0/20",
        "private-c 10.0.160.0/20",
        "public-a 10.0.0.0/20",
        "public-c 10.0.32.0/20",
    ];
    assert_eq!(cidrs, expected);
    assert_eq!(spec(&stack, "route_table.database")["routes"], json!([]));
    assert_eq!(spec(&stack, "network_acl.database")["subnets"].as_array().map(Vec::len), Some(2));
    let said = compile_problems(&text.replace("zones: [a, c]", "zones: [a, e]"), &located());
    assert!(said.contains("has no room for /20 subnets in zone `e`"), "{said}");
    let without =
        format!("{}databases: {{ a: {{ engine: mysql, version: '8.0', class: db.t4g.micro, storage_gib: 20, subnets: intra }} }}", NETWORK);
    let said = compile_problems(&without, &located());
    assert!(said.contains("the network has no tier `intra`"), "{said}");
}

#[test]
fn a_trail_gets_a_bucket_that_admits_it() {
    let text = "stack: shop\nregion: eu-west-1\ntrail: { keep_days: 365, log_retention_days: 30, prefix: audit }\noutputs: { trail: '{{ trail.arn }}' }\n";
    let stack = compile(text, &located());
    assert_eq!(addresses(&stack), ["iam_role.trail", "log_group.trail", "s3_bucket.trail", "trail.main"]);
    assert_eq!(stack.outputs["trail"], "${trail.main.arn}");
    let write = &spec(&stack, "s3_bucket.trail")["policy"]["Statement"][1];
    assert_eq!(write["Resource"][0], "arn:aws:s3:::shop-trail-123456789012-eu-west-1/audit/AWSLogs/123456789012/*");
    let name = spec(&stack, "trail.main")["name"].as_str().unwrap_or_default().to_owned();
    assert_eq!(write["Condition"]["ArnLike"]["aws:SourceArn"][0], format!("arn:aws:cloudtrail:eu-west-1:123456789012:trail/{name}"));
    let said = compile_problems(&text.replace("prefix: audit", "bucket: { id: logs }"), &located());
    assert!(said.contains("`keep_days` configures a dedicated bucket"), "{said}");
}

#[test]
fn backups_meet_the_recovery_point_objective() {
    let rules = |fields: &str| {
        let stack = compile(&format!("stack: shop\nregion: eu-west-1\nbackup: {{ {fields} }}\n"), &located());
        spec(&stack, "backup_plan.main")["rules"].clone()
    };
    let every = |rpo: &str| rules(&format!("rpo: {rpo}"))["regular"]["schedule"].clone();
    assert_eq!(every("24h"), "cron(0 3 * * ? *)");
    assert_eq!(every("5h"), "cron(0 0/4 * * ? *)");
    assert_eq!(every("1h"), "cron(0 * * * ? *)");
    let continuous = rules("rpo: 15m, retention_days: 90, copy_to: { eu-central-1: {} }");
    assert_eq!((&continuous["continuous"]["continuous"], &continuous["continuous"]["delete_after_days"]), (&true.into(), &35.into()));
    assert_eq!(continuous["daily"]["delete_after_days"], 90);
    assert_eq!(continuous["continuous"]["copies"][0]["vault"], "${backup_vault.copies-eu-central-1.arn}");

    let stack = compile("stack: shop\nregion: eu-west-1\nbackup: { copy_to: { eu-central-1: {} } }\n", &located());
    assert_eq!(addresses(&stack), ["backup_plan.main", "backup_vault.copies-eu-central-1", "backup_vault.main", "iam_role.backup"]);
    let selection = &spec(&stack, "backup_plan.main")["selections"]["main"];
    assert_eq!(selection["conditions"]["equals"]["acme:stack"], "shop");
    for (fields, message) in [
        ("rpo: 1m", "continuous backups are up to 5 minutes old"),
        ("rpo: soon", "`soon` is not a valid duration"),
        ("rto: 4h, monthly_retention_days: 365, monthly_cold_after_days: 30", "a restore from cold storage can take longer than `rto`"),
        ("monthly_cold_after_days: 30", "there are no monthly backups"),
    ] {
        let said = compile_problems(&format!("stack: shop\nregion: eu-west-1\nbackup: {{ {fields} }}\n"), &located());
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn objectives_become_alarms_about_the_use_of_their_budgets() {
    let text = format!(
        "{NETWORK}
load_balancers: {{ web: {{ listeners: {{ http: {{ port: 80, protocol: HTTP, redirect_to_https: true }} }} }} }}
slo:
  shop: {{ load_balancer: web, availability: 99.9, error_rate: 0.1, latency: {{ percent: 99, seconds: 0.5 }}, emails: [ops@example.com] }}
outputs: {{ topic: '{{{{ slo.shop.arn }}}}' }}
"
    );
    let stack = compile(&text, &located());
    let is_ours =
        |address: &&String| ["metric_alarm", "composite_alarm", "sns_topic", "dashboard"].iter().any(|kind| address.starts_with(kind));
    insta::assert_snapshot!(addresses(&stack).iter().filter(is_ours).cloned().collect::<Vec<_>>().join("\n"));
    let alarm = spec(&stack, "metric_alarm.shop-availability-fast-1h");
    assert_eq!(alarm["threshold"], 1.44);
    insta::assert_snapshot!("availability_alarm", format!("{alarm:#}"));
    assert_eq!(spec(&stack, "metric_alarm.shop-latency-slow-30m")["queries"]["within"]["metric"]["statistic"], "PR(:0.5)");
    assert_eq!(spec(&stack, "composite_alarm.shop-errors-slow")["alarm_actions"][0], "${sns_topic.slo-shop.arn}");
    for (from, to, message) in [
        ("availability: 99.9", "availability: 999", "999 is not a percentage between 0 and 100"),
        ("seconds: 0.5", "seconds: 0", "must be more than 0"),
        ("web: { listeners", "web: { type: network, listeners", "is not an application load balancer"),
        ("emails:", "topics: ['arn:aws:sns:eu-west-1:123456789012:ops'], emails:", "configures a topic of its own"),
    ] {
        let said = compile_problems(&text.replace(from, to), &located());
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_migration_gets_its_endpoints_an_instance_and_a_role() {
    let text = format!(
        "{NETWORK}
secrets: [legacy, orders]
migration:
  orders:
    source: {{ engine: mysql, secret: legacy, ssl_mode: require }}
    target: {{ engine: postgres, secret: '{{{{ secrets.orders.arn }}}}', database: orders }}
    type: full-load-and-cdc
    tables: [shop.orders, audit]
    excluded_tables: [shop.tmp%]
    instance: {{ class: dms.c6i.large, subnets: private }}
  items: {{ source: orders-source, target: orders-target, type: full-load, tables: [shop.items], instance: orders }}
  files: {{ source: orders-source, target: {{ engine: dynamodb, dynamodb_role: files }}, type: full-load, tables: ['%'] }}
roles: {{ files: {{ trust: {{ services: [dms.amazonaws.com] }} }} }}
outputs: {{ task: '{{{{ migration.orders.arn }}}}' }}
"
    );
    let stack = compile(&text, &located());
    let found: Vec<String> = addresses(&stack).into_iter().filter(|at| at.starts_with("dms_") || at.starts_with("iam_role")).collect();
    let expected = [
        "dms_endpoint.files-target",
        "dms_endpoint.orders-source",
        "dms_endpoint.orders-target",
        "dms_instance.files",
        "dms_instance.orders",
        "dms_subnet_group.main",
        "dms_subnet_group.orders",
        "dms_task.files",
        "dms_task.items",
        "dms_task.orders",
        "iam_role.files",
        "iam_role.migration-orders",
    ];
    assert_eq!(found, expected);
    assert_eq!(spec(&stack, "dms_endpoint.orders-source")["type"], "source");
    let role = spec(&stack, "iam_role.migration-orders");
    assert_eq!(role["trust"]["Statement"][0]["Principal"]["Service"], json!(["dms.eu-west-1.amazonaws.com"]), "{role}");
    let read = &role["inline_policies"]["secrets"]["Statement"][0]["Resource"];
    assert_eq!(*read, json!(["${secret.legacy.arn}", "${secret.orders.arn}"]));
    let rules = spec(&stack, "dms_task.orders")["mappings"]["rules"].clone();
    assert_eq!(rules[2]["object-locator"], json!({ "schema-name": "shop", "table-name": "tmp%" }));
    assert_eq!(rules[2]["rule-action"], "exclude");
    assert_eq!(spec(&stack, "dms_instance.files")["class"], "dms.t3.medium");
    assert_eq!(spec(&stack, "dms_subnet_group.main")["subnets"][0]["id"], "${subnet.database-a.id}");
    assert_eq!(stack.outputs["task"], "${dms_task.orders.arn}");

    let said = compile_problems(&text.replace("tables: ['%']", "tables: ['%'], mappings: { rules: [] }"), &located());
    assert!(said.contains("`tables` makes the mappings"), "{said}");
    let said = compile_problems(&text.replace("source: orders-source, target: {", "target: {"), &located());
    assert!(said.contains("`files` has no `source`") || said.contains("has no `source`"), "{said}");
}
