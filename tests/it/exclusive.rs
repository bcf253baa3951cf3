//! Resources that can't exist beside each other, or under two keys, and keys that data needs.

use std::path::Path;

use serde_json::Value;

use crate::acme::{Acme, Plan, write_file};

fn local(folder: &Path) -> Acme {
    Acme::local(&folder.join("cloud"))
}

/// A plan, blocked or not.
pub fn any_plan(acme: &Acme, path: &Path) -> Plan {
    let done = acme.run("plan", path, &["-o", "json"]);
    Plan(serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.combined_output())))
}

pub fn codes(plan: &Plan) -> Vec<String> {
    let all = plan.0["obstacles"].as_array().into_iter().flatten();
    all.map(|one| format!("{} {}", one["code"].as_str().unwrap_or_default(), one["address"].as_str().unwrap_or_default())).collect()
}

/// Applies one definition after the other; returns the plans.
pub fn apply_all(texts: &[&str]) -> Vec<Plan> {
    let folder = tempfile::tempdir().unwrap();
    let acme = local(folder.path());
    let apply = |text: &&str| {
        let path = write_file(folder.path(), "stack.yaml", &format!("stack: shop\nregion: eu-west-1\n{text}"));
        let plan = any_plan(&acme, &path);
        if codes(&plan).is_empty() {
            acme.apply(&path);
            acme.assert_no_changes(&path);
        }
        plan
    };
    texts.iter().map(apply).collect()
}

const SUBNET: &str = "resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, availability_zone: eu-west-1a, cidr: 10.0.0.0/24 } }
";

#[test]
fn a_subnet_that_grows_under_another_key_comes_after_the_old_one() {
    let plans = apply_all(&[SUBNET, &SUBNET.replace("a: {", "apps: {").replace("10.0.0.0/24", "10.0.0.0/23")]);
    assert_eq!(plans[1].changes(), ["create subnet.apps", "delete subnet.a"], "{:#}", plans[1].0);
    assert_eq!(codes(&plans[1]), [""; 0]);
}

#[test]
fn a_subnet_of_another_size_replaces_the_old_one() {
    let plans = apply_all(&[SUBNET, &SUBNET.replace("10.0.0.0/24", "10.0.0.0/23")]);
    assert_eq!(plans[1].changes(), ["replace subnet.a"]);
    assert_eq!(codes(&plans[1]), [""; 0], "{:#}", plans[1].0);
}

#[test]
fn a_subnet_under_another_key_is_moved() {
    let plans = apply_all(&[SUBNET, &SUBNET.replace("a: {", "apps: {")]);
    assert_eq!(plans[1].changes(), ["update subnet.apps"], "{:#}", plans[1].0);
}

#[test]
fn subnets_of_a_network_with_another_prefix_replace_each_other() {
    let network = |prefix: u8| format!("network: {{ cidr: 10.0.0.0/16, zones: 2, nat: none, subnet_prefix: {prefix} }}\n");
    let plans = apply_all(&[&network(20), &network(19)]);
    assert_eq!(codes(&plans[1]), [""; 0], "{:#}", plans[1].0);
    assert!(plans[1].changes().contains(&"replace subnet.private-a".to_owned()), "{:?}", plans[1].changes());
}

const BUCKET: &str = "resources:
  kms_key: { data: { description: Data } }
  s3_bucket: { files: { name: shop-files-1, on_delete: retain, encryption: { kms_key: data } } }
  elastic_ip: { nat: {} }
";

#[test]
fn resources_under_another_key_keep_their_identity() {
    let plans = apply_all(&[
        BUCKET,
        &BUCKET
            .replace("files: {", "documents: {")
            .replace("nat: {}", "gateway: {}")
            .replace("data: {", "secrets: {")
            .replace("kms_key: data", "kms_key: secrets")
            // A key has no name, and data needs it.
            .replace("resources:", "moved: { kms_key.data: kms_key.secrets }\nresources:"),
    ]);
    assert_eq!(
        plans[1].changes(),
        ["update elastic_ip.gateway", "update kms_key.secrets", "update s3_bucket.documents"],
        "{:#}",
        plans[1].0
    );
}

#[test]
fn a_stated_move_is_followed() {
    let moved = SUBNET.replace("a: { vpc: main,", "apps: { vpc: main, public_ip_on_launch: true,");
    let stated = format!("{moved}moved: {{ subnet.a: subnet.apps }}\n");
    let plans = apply_all(&[SUBNET, &stated]);
    assert_eq!(plans[1].changes(), ["update subnet.apps"], "{:#}", plans[1].0);
}

/// The final snapshot of a database and the objects of a retained bucket can't be read without the key.
#[test]
fn a_key_stays_as_long_as_data_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let acme = local(folder.path());
    let text = format!(
        "stack: shop\nregion: eu-west-1\n{BUCKET}  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}
  subnet:
    a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }}
    b: {{ vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }}
  security_group: {{ web: {{ vpc: main }} }}
  rds_subnet_group: {{ main: {{ subnets: [a, b] }} }}
  rds_instance:
    main: {{ engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: main, security_groups: [web],
      kms_key: database, deletion_protection: false }}
"
    )
    .replace("kms_key: { data:", "kms_key: { database: { description: Database }, unused: { description: Unused }, data:");
    let path = write_file(folder.path(), "stack.yaml", &text);
    acme.apply(&path);
    let plan = acme.run("plan", &path, &["--destroy", "-o", "json"]);
    let plan = Plan(serde_json::from_str(&plan.stdout).unwrap());
    let changes = plan.changes();
    for kept in ["forget kms_key.data", "forget kms_key.database", "forget s3_bucket.files", "delete kms_key.unused"] {
        assert!(changes.iter().any(|change| change == kept), "{kept}: {changes:?}");
    }
    let shown = acme.run("plan", &path, &["--destroy"]).stdout;
    assert!(shown.contains("stays in AWS, because data of rds_instance.main needs it"), "{shown}");
    acme.destroy(&path);
}

#[test]
fn a_key_in_use_is_replaced_before_it_is_deleted() {
    let text = "resources:
  kms_key: { data: { description: Data } }
  secret: { token: { kms_key: data } }
  sqs_queue: { jobs: { kms_key: data } }
";
    let multi = text.replace("description: Data", "description: Data, multi_region: true");
    let plans = apply_all(&[text, &multi]);
    let change = plans[1].0["changes"].as_array().unwrap().iter().find(|change| change["address"] == "kms_key.data").unwrap();
    assert_eq!(change["replacement_order"], "create_before_destroy", "{change:#}");
    assert_eq!(change["kept_for"], "sqs_queue.jobs", "messages are encrypted with the old key: {change:#}");

    let named = |text: &str| text.replace("description: Data", "name: alias/data, description: Data");
    let plans = apply_all(&[&named(text), &named(&multi)]);
    assert!(codes(&plans[1]).contains(&"held kms_key.data".to_owned()), "{:#}", plans[1].0);
}

/// AWS stops every use of a key the moment its deletion is scheduled, also those that no definition names.
#[test]
fn keys_are_deleted_last() {
    let folder = tempfile::tempdir().unwrap();
    let acme = local(folder.path());
    let text = "stack: shop
region: eu-west-1
resources:
  kms_key: { data: { description: Data } }
  sqs_queue: { jobs: {} }
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } }
";
    let path = write_file(folder.path(), "stack.yaml", text);
    acme.apply(&path);
    let done = acme.run("destroy", &path, &["--yes", "-o", "json"]).assert_success();
    let events: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |event: &str, address: &str| {
        events.iter().position(|line| line["event"] == event && line["address"] == address).unwrap_or_else(|| panic!("{event} {address}"))
    };
    let key = at("step_started", "kms_key.data");
    for other in ["sqs_queue.jobs", "vpc.main", "subnet.a"] {
        assert!(at("step_done", other) < key, "{other}: {}", done.stdout);
    }
}

#[test]
fn another_name_of_a_database_cluster_is_refused() {
    let text = "resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  rds_subnet_group: { main: { subnets: [a, b] } }
  aurora_cluster:
    main: { name: orders, engine: aurora-postgresql, version: '16', subnet_group: main, security_groups: [web], deletion_protection: false }
";
    let plans = apply_all(&[text, &text.replace("name: orders", "name: sales")]);
    assert_eq!(codes(&plans[1]), ["renamed aurora_cluster.main"], "{:#}", plans[1].0);
}

/// The simulated cloud refuses an update that adds entries beyond the quota before it removes others.
#[test]
fn entries_are_exchanged_at_a_quota() {
    let role = |policies: &[usize]| {
        let policies: Vec<String> = policies.iter().map(|number| format!("'arn:aws:iam::123456789012:policy/p{number}'")).collect();
        format!(
            "resources:\n  iam_role: {{ app: {{ trust: {{ services: [ec2.amazonaws.com] }}, policies: [{}] }} }}\n",
            policies.join(", ")
        )
    };
    let (all, other): (Vec<usize>, Vec<usize>) = ((0..10).collect(), (1..11).collect());
    apply_all(&[&role(&all), &role(&other)]);

    let group = |direction: &str, ports: std::ops::Range<usize>| {
        let rules: Vec<String> = ports.map(|port| format!("{{ port: {}, cidr: 10.0.0.0/8 }}", port + 1)).collect();
        format!(
            "resources:\n  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}\n  security_group: {{ web: {{ vpc: main, {direction}: [{}] }} }}\n",
            rules.join(", ")
        )
    };
    for direction in ["ingress", "egress"] {
        apply_all(&[&group(direction, 0..60), &group(direction, 1..61)]);
    }
}

/// AWS refuses a cluster of a version below that of its nodes.
#[test]
fn nodes_go_back_to_a_version_before_their_cluster() {
    let text = |version: &str| {
        format!(
            "stack: shop
region: eu-west-1
resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}
  subnet:
    a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }}
    b: {{ vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }}
  iam_role: {{ cluster: {{ trust: {{ services: [eks.amazonaws.com] }} }}, node: {{ trust: {{ services: [ec2.amazonaws.com] }} }} }}
  eks_cluster: {{ main: {{ version: '{version}', role: cluster, subnets: [a, b], deletion_protection: false }} }}
  eks_node_group: {{ main: {{ cluster: main, role: node, subnets: [a], min: 0, max: 1, version: '{version}' }} }}
"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let acme = local(folder.path());
    let order_of = |version: &str| {
        let path = write_file(folder.path(), "stack.yaml", &text(version));
        let done = acme.run("apply", &path, &["--yes"]).assert_success().combined_output();
        let changed = done
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("changed "))
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned());
        changed.collect::<Vec<_>>()
    };
    order_of("1.33");
    assert_eq!(order_of("1.34"), ["eks_cluster.main", "eks_node_group.main"]);
    assert_eq!(order_of("1.33"), ["eks_node_group.main", "eks_cluster.main"]);
}
