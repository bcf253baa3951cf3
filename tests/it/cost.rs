//! The estimate of the monthly cost, from recorded answers of the price list.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, repository_stack, write_file},
    scripted_endpoint::{Answer, Endpoint, Script, json_error, ok},
};

fn prices() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prices")
}

/// The plan of a stack of the repository with its cost.
fn plan_with_cost(acme: &Acme, stack: &Path, more: &[&str]) -> Value {
    let prices = prices().display().to_string();
    let done = acme.run("plan", stack, &[&["--cost", "--prices", &prices, "-o", "json"], more].concat()).assert_success();
    serde_json::from_str(&done.stdout).expect("JSON")
}

fn amount(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no amount"))
}

#[track_caller]
fn assert_amount(found: &Value, expected: f64) {
    assert!((amount(found) - expected).abs() < 0.005, "{found} instead of {expected}");
}

/// Asserts that each line follows from what it states.
fn check_lines(cost: &Value) {
    let lines = cost["lines"].as_array().expect("lines");
    let mut total = 0.0;
    for line in lines {
        let quantity = amount(&line["quantity"]);
        let tiers = line["price"]["tiers"].as_array().expect("tiers").iter().map(|tier| {
            let end = tier["to"].as_f64().unwrap_or(quantity).min(quantity);
            (end - amount(&tier["from"])).max(0.0) * amount(&tier["price"])
        });
        assert_amount(&line["monthly"], tiers.sum());
        for key in ["sku", "usage_type", "service", "unit", "effective_date"] {
            assert!(line["price"][key].as_str().is_some_and(|text| !text.is_empty()), "{line:#}");
        }
        total += amount(&line["monthly"]);
    }
    assert_amount(&cost["monthly"], total);
    let sections = cost["sections"].as_array().expect("sections");
    assert_amount(&cost["monthly"], sections.iter().map(|section| amount(&section["monthly"])).sum());
}

/// Sums computed by hand from the definitions and the prices in `tests/fixtures/prices`, for 730 hours in `production`.
#[test]
fn costs_of_the_stacks_are_the_sums_computed_by_hand() {
    // What a network with a gateway in each of three zones and a cluster costs: gateways, their addresses, control plane.
    let base = 3.0 * 730.0 * 0.048 + 3.0 * 730.0 * 0.005 + 730.0 * 0.10;
    // A load balancer with an address in each zone.
    let balancer = 730.0 * 0.0252 + 3.0 * 730.0 * 0.005;
    let disks = |nodes: f64| nodes * 20.0 * 0.088;
    // Twelve alarms of objectives have 4 × (3 + 2 + 1) metrics; six composite alarms, a dashboard.
    let objectives = 24.0 * 0.10 + 6.0 * 0.50 + 3.0;
    let firewall = |rules: f64| 5.0 + rules;
    let (key, secret, zone, metric) = (1.0, 0.40, 0.50, 0.10);
    let interfaces = |endpoints: f64| endpoints * 3.0 * 730.0 * 0.011;
    let gitops = base
        + (3.0 * 730.0 * 0.107 + disks(3.0))
        + (730.0 * 0.337 + 20.0 * 0.253)
        + 3.0 * 730.0 * 0.1392
        + (key + 3.0 * secret + zone + metric);
    let microservices = base + (2.0 * 730.0 * 0.0456 + disks(2.0)) + balancer + firewall(3.0) + (key + 3.0 * secret + zone);
    let alb_eks_rds = base
        + interfaces(3.0)
        + (3.0 * 730.0 * 0.107 + disks(3.0))
        + (730.0 * 0.351 + 50.0 * 0.253)
        + (balancer + firewall(4.0))
        + (key + secret + zone + objectives + metric);
    let devops = base
        + interfaces(4.0)
        + (3.0 * 730.0 * 0.214 + disks(3.0))
        + (730.0 * 0.702 + 100.0 * 0.253)
        + 3.0 * 730.0 * 0.1392
        + (balancer + firewall(5.0))
        // The health check of a web site over HTTPS has one option.
        + (key + 4.0 * secret + zone + objectives + 2.0 * metric + 1.0);
    let available = base
        + (3.0 * 730.0 * 0.0911 + disks(3.0))
        // Hosts of the Auto Scaling group; their disks are those of the image.
        + 3.0 * 730.0 * 0.0911
        + (2.0 * balancer + 730.0 * 0.028 + firewall(4.0))
        + (730.0 * 0.353 + 50.0 * 0.253)
        // Three serverless instances, each with the smallest number of units.
        + 3.0 * 2.0 * 730.0 * 0.14
        + (3.0 + 2.0) * 730.0 * 0.036
        + (key + 5.0 * secret + zone + objectives + 2.0 * metric);
    // 100 GB through each of three gateways, 120,000 requests with the key, of which 20,000 are free, and 10,000 for each secret.
    let metered = |secrets: f64| 3.0 * 100.0 * 0.048 + 100_000.0 * 0.000003 + secrets * 10_000.0 * 0.000005;
    for (name, expected, metered) in [
        ("gitops", gitops, metered(3.0)),
        ("microservices", microservices, metered(3.0)),
        ("alb-eks-rds", alb_eks_rds, metered(1.0)),
        ("devops-platform", devops, metered(4.0)),
        // Two pipelines and a distribution.
        ("highly-available", available, metered(5.0) + 2.0 * 600.0 * 0.002 + 1000.0 * 0.085),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
        let path = repository_stack(&format!("{name}.yaml"));
        let usage = "\nusage:\n  nat_gateway: { gb_processed: 100 }\n  kms_key: { requests: 120000 }\n  secret: { requests: 10000 }\n  \
                     code_pipeline: { action_minutes: 600 }\n  cloudfront_distribution: { gb_europe: 1000 }\n";
        let with_usage = write_file(folder.path(), "stack.yaml", &(fs::read_to_string(&path).unwrap() + usage));
        let cost = &plan_with_cost(&acme, &with_usage, &[])["cost"];
        check_lines(cost);
        let sum = expected + metered;
        assert!((amount(&cost["monthly"]) - sum).abs() < 0.005, "{name}: {} instead of {sum}: {cost:#}", cost["monthly"]);
        let plan = plan_with_cost(&acme, &path, &[]);
        let cost = &plan["cost"];
        check_lines(cost);
        assert!((amount(&cost["monthly"]) - expected).abs() < 0.005, "{name}: {} instead of {expected}: {cost:#}", cost["monthly"]);
        assert_amount(&cost["before"], 0.0);
        assert_eq!((&cost["currency"], &cost["notes"]), (&json!("USD"), &json!([])), "{name}");
        let unexpected =
            cost["not_priced"].as_array().unwrap().iter().filter(|part| part["reason"].as_str().unwrap().contains("the price list of "));
        assert_eq!(unexpected.count(), 0, "{name}: {:#}", cost["not_priced"]);
    }
}

/// Usage of the parts that depend on it, and what they cost in a month, computed by hand from the prices in `tests/fixtures/prices`.
const METERED: &[(&str, &str, &str, f64)] = &[
    ("sqs_queue.orders", "{ requests: 5000000 }", "requests", 5_000_000.0 * 0.0000004),
    // The first million is free.
    ("sns_topic.orders", "{ publishes: 3000000, http_deliveries: 1000000, emails: 11000 }", "messages", 2_000_000.0 * 0.0000005),
    ("sns_topic.orders", "", "messages to HTTP endpoints", 1_000_000.0 * 0.0000006),
    ("sns_topic.orders", "", "e-mails", 10_000.0 * 0.00002),
    ("s3_bucket.files", "{ gb_stored: 100, write_requests: 2000000, read_requests: 50000000 }", "objects", 100.0 * 0.023),
    ("s3_bucket.files", "", "writing requests", 2_000_000.0 * 0.000005),
    ("s3_bucket.files", "", "reading requests", 50_000_000.0 * 0.0000004),
    ("kms_key.files", "{ requests: 1020000 }", "requests", 1_000_000.0 * 0.000003),
    ("secret.token", "{ requests: 100000 }", "requests", 100_000.0 * 0.000005),
    ("event_rule.nightly", "{ custom_events: 4000000 }", "events of applications", 4_000_000.0 * 0.000001),
    ("dynamodb_table.carts", "{ read_units: 10000000, write_units: 2000000 }", "reads", 10_000_000.0 * 0.00000014),
    ("dynamodb_table.carts", "", "writes", 2_000_000.0 * 0.0000007),
    ("code_pipeline.shop", "{ action_minutes: 500 }", "actions", 500.0 * 0.002),
    ("codebuild_project.shop", "{ build_minutes: 300 }", "builds", 300.0 * 0.005),
    (
        "backup_vault.files",
        "{ gb_disks: 100, gb_file_systems: 200, gb_databases: 10, gb_aurora: 50, gb_buckets: 40 }",
        "backups of disks",
        100.0 * 0.05,
    ),
    ("backup_vault.files", "", "backups of file systems", 200.0 * 0.055),
    ("backup_vault.files", "", "backups of databases", 10.0 * 0.095),
    ("backup_vault.files", "", "backups of Aurora clusters", 50.0 * 0.022),
    ("backup_vault.files", "", "backups of buckets", 40.0 * 0.0525),
    ("rds_instance.catalog", "{ gb_backup: 20 }", "backups", 20.0 * 0.095),
    // `db.t4g.medium` has two vCPUs.
    ("rds_proxy.catalog", "", "vCPUs", 2.0 * 730.0 * 0.016),
    ("eks_fargate_profile.batch", "{ vcpus: 2, memory_gb: 8 }", "vCPUs of pods", 2.0 * 730.0 * 0.04048),
    ("eks_fargate_profile.batch", "", "memory of pods", 8.0 * 730.0 * 0.004445),
    (
        "cloudfront_distribution.shop",
        "{ gb_europe: 11240, gb_north_america: 100, https_requests_europe: 20000000 }",
        "transfer to viewers (EU)",
        10240.0 * 0.085 + 1000.0 * 0.08,
    ),
    ("cloudfront_distribution.shop", "", "transfer to viewers (US)", 100.0 * 0.09),
    ("cloudfront_distribution.shop", "", "requests (EU)", 20_000_000.0 * 0.0000012),
    ("cloudfront_function.pages", "{ calls: 12000000 }", "calls", 10_000_000.0 * 0.0000001),
    ("accelerator.shop", "{ gb_north_america: 1000 }", "premium for traffic from EU to NA", 1000.0 * 0.015),
    ("trail.audit", "{ management_events: 500000, analyzed_events: 2000000 }", "further copies of management events", 500_000.0 * 0.00002),
    ("trail.audit", "", "insights", 2_000_000.0 * 0.0000035),
    ("flow_log.rejected", "{ gb_delivered: 10 }", "logs delivered", 10.0 * 0.28),
    ("aurora_global.catalog", "{ replicated_writes: 10000000 }", "replicated writes", 10_000_000.0 * 0.00000022),
];

#[test]
fn parts_that_depend_on_the_usage_cost_what_is_stated() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let examples = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/examples.yaml")).unwrap();
    let usage: String =
        METERED.iter().filter(|(_, usage, ..)| !usage.is_empty()).map(|(of, usage, ..)| format!("  {of}: {usage}\n")).collect();
    let stack = write_file(folder.path(), "stack.yaml", &format!("{examples}\nusage:\n{usage}"));
    let plan = plan_with_cost(&acme, &stack, &[]);
    check_lines(&plan["cost"]);
    let lines = plan["cost"]["lines"].as_array().unwrap();
    for (address, _, component, expected) in METERED {
        let line = lines.iter().find(|line| line["address"] == *address && line["component"] == *component);
        let line = line.unwrap_or_else(|| panic!("no line `{component}` of {address}: {:#}", plan["cost"]["not_priced"]));
        assert!((amount(&line["monthly"]) - expected).abs() < 0.005, "{address} {component}: {} instead of {expected}", line["monthly"]);
    }
    // The sums of the resources are those of the lines.
    let resources = plan["cost"]["resources"].as_array().unwrap();
    assert_amount(&plan["cost"]["monthly"], resources.iter().map(|resource| amount(&resource["monthly"])).sum());
    let reason = |address: &str| {
        let all = plan["cost"]["not_priced"].as_array().unwrap().iter().filter(|part| part["address"] == address);
        all.map(|part| part["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    assert!(reason("accelerator.shop").contains("hourly fee"), "{:#}", plan["cost"]["not_priced"]);
    assert!(reason("eks_capability.ack").contains("does not document"), "{:#}", plan["cost"]["not_priced"]);
}

const STACK: &str = "
stack: shop
region: eu-west-1
usage:
  nat_gateway: { gb_processed: 100 }
  load_balancer: { capacity_units: 2 }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  internet_gateway: { main: { vpc: main } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  elastic_ip: { a: {} }
  nat_gateway: { a: { subnet: a, elastic_ip: a, depends_on: [internet_gateway.main] } }
";

const ANOTHER_GATEWAY: &str = "
    b: { subnet: b, connectivity: private, depends_on: [internet_gateway.main] }";

fn local() -> (tempfile::TempDir, Acme, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    (folder, acme, stack)
}

#[test]
fn a_plan_shows_the_change_of_the_cost_with_the_stated_usage() {
    let (folder, acme, stack) = local();
    let one = 730.0 * 0.048 + 100.0 * 0.048 + 730.0 * 0.005;
    assert_amount(&plan_with_cost(&acme, &stack, &[])["cost"]["monthly"], one);
    acme.apply(&stack);
    let unchanged = plan_with_cost(&acme, &stack, &[]);
    assert_amount(&unchanged["cost"]["before"], one);
    assert_amount(&unchanged["cost"]["change"], 0.0);

    let more = STACK.replace(
        "  nat_gateway: { a: { subnet: a, elastic_ip: a, depends_on: [internet_gateway.main] } }\n",
        &format!("  nat_gateway:\n    a: {{ subnet: a, elastic_ip: a, depends_on: [internet_gateway.main] }}{ANOTHER_GATEWAY}\n"),
    );
    let more = more.replace("usage:\n", "usage:\n  nat_gateway.b: { gb_processed: 1000 }\n");
    let stack = write_file(folder.path(), "stack.yaml", &more);
    let plan = plan_with_cost(&acme, &stack, &[]);
    assert_amount(&plan["cost"]["change"], 730.0 * 0.048 + 1000.0 * 0.048);
    check_lines(&plan["cost"]);
    let prices = prices().display().to_string();
    let text = acme.run("plan", &stack, &["--cost", "--full", "--prices", &prices]).assert_success().stdout;
    assert!(text.contains("Cost: 126.53 USD a month (+83.04)"), "{text}");
    assert!(text.contains("nat_gateway.b data processed: 1000 GB × 0.048 = 48.00"), "{text}");

    let destroyed = plan_with_cost(&acme, &stack, &["--destroy"]);
    assert_amount(&destroyed["cost"]["change"], -one);
    assert_amount(&destroyed["cost"]["monthly"], 0.0);
}

#[test]
fn a_cost_above_the_limit_is_refused() {
    let (folder, acme, stack) = local();
    let prices = prices().display().to_string();
    let out = folder.path().join("plan.json").display().to_string();
    let limited = |command: &str, limit: &str, more: &[&str]| {
        acme.run(command, &stack, &[&["--max-monthly", limit, "--prices", &prices], more].concat())
    };
    let refused = limited("plan", "40", &["--out", &out]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(
        refused.stderr.contains("error[max-monthly]: the estimated cost is 43.49 USD a month, above the limit of 40.00"),
        "{}",
        refused.stderr
    );
    assert!(refused.stdout.contains("Cost: 43.49 USD a month"), "{}", refused.stdout);
    assert!(!Path::new(&out).exists());
    let refused = limited("apply", "40", &["--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    let created = acme.plan(&stack).changes();
    assert!(created.iter().all(|change| change.starts_with("create ")), "{created:?}");
    limited("plan", "50", &[]).assert_success();
    limited("apply", "50", &["--yes"]).assert_success();
}

#[test]
fn usage_of_what_has_none_is_a_mistake_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let wrong =
        STACK.replace("gb_processed: 100 }", "gb_procesed: 100 }").replace("load_balancer: { capacity_units: 2 }", "vpc: { gb: 1 }");
    let stack = write_file(folder.path(), "stack.yaml", &wrong);
    let done = Acme::without_cloud().run("validate", &stack, &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let text = done.combined_output();
    assert!(text.contains("`nat_gateway` has no quantity `gb_procesed`") && text.contains("did you mean `gb_processed`?"), "{text}");
    assert!(text.contains("the price of `vpc` depends on no usage"), "{text}");
}

#[test]
fn the_simulated_cloud_has_no_prices_of_its_own() {
    let (_folder, acme, stack) = local();
    let done = acme.run("plan", &stack, &["--cost"]).assert_success();
    assert!(done.stdout.contains("Cost: not known") && done.stdout.contains("pass `--prices DIR`"), "{}", done.stdout);
    let none = acme.run("plan", &stack, &[]).assert_success();
    assert!(!none.stdout.contains("Cost"), "{}", none.stdout);
}

/// The recorded answer of a service.
fn answer(service: &str) -> Answer {
    let text = fs::read_to_string(prices().join(format!("{service}.json"))).expect("recorded prices");
    ok(serde_json::from_str(&text).expect("JSON"))
}

const ADDRESSES: &str = "  elastic_ip: { a: {}, b: {} }\n  kms_key: { main: { description: Files } }\n";

fn run_with_cost(endpoint: &Endpoint) -> CommandOutput {
    endpoint.run("plan", &["--cost", "-o", "json"])
}

#[test]
fn prices_are_read_once_and_kept() {
    let endpoint = Script::new()
        .region("eu-west-1")
        .on_containing("GetProducts", "AmazonVPC", [answer("AmazonVPC")])
        .on_containing("GetProducts", "awskms", [answer("awskms")])
        .start(ADDRESSES);
    endpoint.run("plan", &[]).assert_success();
    assert_eq!(endpoint.call_count("GetProducts"), 0, "prices were not asked for");
    for _ in 0..2 {
        let done = run_with_cost(&endpoint).assert_success();
        let plan: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_amount(&plan["cost"]["monthly"], 2.0 * 730.0 * 0.005 + 1.0);
        check_lines(&plan["cost"]);
    }
    assert_eq!(endpoint.call_count("GetProducts"), 2);
    let request = &endpoint.request_bodies("GetProducts")[0];
    assert_eq!(request["FormatVersion"], "aws_v1");
    let filters = request["Filters"].as_array().expect("filters");
    assert!(filters.contains(&json!({ "Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1" })), "{request:#}");
}

#[test]
fn denied_prices_are_a_note() {
    let denied = json_error(400, "AccessDeniedException", "not authorized to perform: pricing:GetProducts");
    let endpoint = Script::new().region("eu-west-1").on("GetProducts", [denied]).start(ADDRESSES);
    let done = endpoint.run("plan", &["--max-monthly", "1"]).assert_success();
    assert!(done.stdout.contains("Cost: not known"), "{}", done.stdout);
    assert!(done.stdout.contains("the price list can't be read") && done.stdout.contains("pricing:GetProducts"), "{}", done.stdout);
    assert!(done.stdout.contains("elastic_ip.a, elastic_ip.b"), "{}", done.stdout);
}
