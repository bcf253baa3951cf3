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
    for (name, expected) in [
        ("gitops", gitops),
        ("microservices", microservices),
        ("alb-eks-rds", alb_eks_rds),
        ("devops-platform", devops),
        ("highly-available", available),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
        let plan = plan_with_cost(&acme, &repository_stack(&format!("{name}.yaml")), &[]);
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

const STACK: &str = "
stack: shop
region: eu-west-1
usage:
  nat_gateway: { gb_processed: 100 }
  nat_gateway.b: { gb_processed: 1000 }
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
