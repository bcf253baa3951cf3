//! Rollbacks on the simulated cloud: of killed deletions, of runs that continue others, and of what AWS keeps within a recovery window.

use std::{collections::BTreeMap, path::PathBuf};

use acme::simulator::{Behaviour, Simulator};
use serde_json::Value;

use crate::acme::{Acme, CommandOutput, write_file};

const STACK: &str = r#"
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  internet_gateway: { main: { vpc: main } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  load_balancer: { web: { subnets: [a, b], security_groups: [web], deletion_protection: false } }
  target_group: { app: { vpc: main, port: 8080, protocol: HTTP, target_type: ip } }
  listener:
    http: { load_balancer: web, port: 80, protocol: HTTP, default_action: { forward: { target_groups: [{ target_group: app }] } } }
  waf_web_acl: { web: { rate_limit: { requests: 2000 } } }
  waf_association: { web: { web_acl: web, resource: "{{ load_balancer.web.arn }}" } }
  kms_key: { data: { description: Data } }
  s3_bucket: { files: { encryption: { kms_key: data }, on_delete: delete }, empty: {} }
  sqs_queue: { jobs: { on_delete: delete } }
  secret:
    kept: { generate: { length: 20 }, kms_key: data }
    gone: { generate: { length: 20 }, on_delete: delete }
"#;

struct LocalStack {
    folder: tempfile::TempDir,
    acme: Acme,
    definition: PathBuf,
}

impl LocalStack {
    fn applied() -> LocalStack {
        let folder = tempfile::tempdir().expect("a folder");
        let (acme, definition) = (Acme::local(&folder.path().join("cloud")), write_file(folder.path(), "shop.yaml", STACK));
        acme.apply(&definition);
        LocalStack { folder, acme, definition }
    }
    /// The resources by address.
    fn resources(&self) -> BTreeMap<String, (String, Value)> {
        let cloud = Simulator::open(self.folder.path().join("cloud"), "eu-west-1", Behaviour::default()).expect("a cloud");
        let dump = cloud.dump().into_iter();
        dump.map(|(id, live)| (live["tags"]["acme:address"].as_str().unwrap_or(&id).to_owned(), (id, live["spec"].clone()))).collect()
    }
    fn run(&self, fault: &str, command: &str) -> CommandOutput {
        self.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], command, &self.definition, &["--yes"])
    }
    fn kill(&self, fault: &str, command: &str) {
        let done = self.run(fault, command);
        assert_eq!(done.code, -1, "it was not killed:\n{}", done.combined_output());
    }
    /// Addresses about which the output warns, sorted.
    fn warned(done: &CommandOutput) -> Vec<String> {
        let text = done.combined_output();
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("warning: ")?.split(' ').next());
        let mut all: Vec<String> = lines.map(|word| word.trim_matches('`').to_owned()).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Number of mutating calls of a destroy of the whole stack: one for each of its resources.
const DELETIONS: usize = 16;

#[test]
fn rollback_of_a_killed_destroy_says_what_is_lost() {
    let shop = LocalStack::applied();
    let before = shop.resources();
    assert_eq!(before.len(), DELETIONS);
    shop.kill(&format!("crash-after:{DELETIONS}"), "destroy");
    assert!(shop.resources().is_empty());
    let done = shop.run("", "rollback").assert_success();
    // A bucket without `on_delete: delete` was empty. The key and the other secret are restored with their data.
    let expected = ["load_balancer.web", "s3_bucket.files", "secret.gone", "sqs_queue.jobs"];
    assert_eq!(LocalStack::warned(&done), expected, "{}", done.combined_output());
    let after = shop.resources();
    for same in ["kms_key.data", "secret.kept"] {
        assert_eq!(after[same], before[same]);
    }
    assert!(after.keys().eq(before.keys()), "{:?}", after.keys());
    // Its id is that of the load balancer, to which the listener refers, too.
    let balancer = after["load_balancer.web"].0.trim_start_matches("load_balancer/");
    assert_ne!(after["load_balancer.web"].0, before["load_balancer.web"].0);
    assert_eq!(after["listener.http"].1["load_balancer"]["arn"], balancer);
    let associations: Vec<_> = after.iter().filter(|(address, _)| address.starts_with("waf_association")).collect();
    assert_eq!(associations[0].1.1["resource"], balancer);
    shop.acme.assert_no_changes(&shop.definition);
}

/// The rollback does what its plan says, so it succeeds; each loss is named wherever somebody may look.
#[test]
fn a_loss_is_named_in_text_json_and_the_step_summary() {
    let lost = ["load_balancer.web", "s3_bucket.files", "secret.gone", "sqs_queue.jobs"];
    let shop = LocalStack::applied();
    shop.kill(&format!("crash-after:{DELETIONS}"), "destroy");
    let done = shop.acme.run("rollback", &shop.definition, &["--yes", "-o", "json"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    let events = done.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let named: Vec<Value> = events.filter(|event| event["event"] == "not_restored").collect();
    let mut addresses: Vec<&str> = named.iter().filter_map(|event| event["address"].as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses, lost, "{named:?}");
    assert!(named.iter().any(|event| event["message"].as_str().is_some_and(|text| text.contains("objects"))), "{named:?}");

    let shop = LocalStack::applied();
    shop.kill(&format!("crash-after:{DELETIONS}"), "destroy");
    let summary = shop.folder.path().join("summary.md");
    let path = summary.display().to_string();
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", path.as_str())];
    let done = shop.acme.run_with_env(&variables, "rollback", &shop.definition, &["--yes"]).assert_success();
    assert_eq!(LocalStack::warned(&done), lost, "{}", done.combined_output());
    let summary = std::fs::read_to_string(summary).expect("a summary");
    for address in lost {
        assert!(summary.contains(address), "{address} is missing in {summary}");
    }
}

#[test]
fn rollback_restores_everything_wherever_a_destroy_is_killed() {
    for n in 1..=DELETIONS {
        let shop = LocalStack::applied();
        let before = shop.resources();
        let fault = if n % 2 == 0 { "crash-before" } else { "crash-after" };
        shop.kill(&format!("{fault}:{n}"), "destroy");
        let left = shop.resources();
        let done = shop.run("", "rollback").assert_success();
        let after = shop.resources();
        assert!(after.keys().eq(before.keys()), "{fault}:{n}: {}", done.combined_output());
        shop.acme.assert_no_changes(&shop.definition);
        let warned = LocalStack::warned(&done);
        for lossy in ["load_balancer.web", "s3_bucket.files", "secret.gone", "sqs_queue.jobs"] {
            assert!(left.contains_key(lossy) || warned.iter().any(|address| address == lossy), "{fault}:{n}: {lossy} not in {warned:?}");
        }
        for same in ["kms_key.data", "secret.kept"] {
            assert_eq!(after[same].0, before[same].0, "{fault}:{n}");
            assert!(!warned.iter().any(|address| address == same), "{fault}:{n}: {warned:?}");
        }
    }
}

#[test]
fn rollback_undoes_a_continued_destroy_as_one_run() {
    for (first, second) in [("crash-after:6", Some("crash-before:5")), ("crash-before:4", Some("crash-after:3")), ("crash-after:9", None)] {
        let shop = LocalStack::applied();
        let before = shop.resources();
        shop.kill(first, "destroy");
        match second {
            Some(fault) => shop.kill(fault, "destroy"),
            None => drop(shop.run("", "destroy").assert_success()),
        }
        let done = shop.run("", "rollback").assert_success();
        assert!(shop.resources().keys().eq(before.keys()), "{first} {second:?}: {}", done.combined_output());
        shop.acme.assert_no_changes(&shop.definition);
    }
}

#[test]
fn rollback_undoes_a_continued_apply_as_one_run() {
    for fault in ["crash-after:4", "crash-before:9", "refuse:7"] {
        let shop = LocalStack::applied();
        let before = shop.resources();
        let edited = STACK
            .replace("port: 80,", "port: 81,")
            .replace("description: Data", "description: The data")
            .replace("s3_bucket: { ", "s3_bucket: { more: {}, ");
        let edited =
            edited.replace("jobs: { on", "work: { on").replace("requests: 2000", "requests: 3000").replace("10.0.1.0/24", "10.0.3.0/24");
        write_file(shop.folder.path(), "shop.yaml", &edited);
        let more: &[&str] = if fault.starts_with("refuse") { &["--yes", "--no-rollback"] } else { &["--yes"] };
        let done = shop.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", &shop.definition, more);
        assert_ne!(done.code, 0, "{}", done.combined_output());
        shop.run("", "apply").assert_success();
        let done = shop.run("", "rollback").assert_success();
        let restored = shop.resources();
        assert!(restored.keys().eq(before.keys()), "{fault}: {}", done.combined_output());
        write_file(shop.folder.path(), "shop.yaml", STACK);
        shop.acme.assert_no_changes(&shop.definition);
    }
}

/// A failure undoes only the run that continued; the one before it is still unfinished.
#[test]
fn a_failed_continuation_leaves_the_first_half_to_undo() {
    let shop = LocalStack::applied();
    let before = shop.resources();
    shop.kill("crash-after:6", "destroy");
    let done = shop.run("refuse:3", "apply");
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let done = shop.run("", "rollback").assert_success();
    assert!(shop.resources().keys().eq(before.keys()), "{}", done.combined_output());
    shop.acme.assert_no_changes(&shop.definition);
}

#[test]
fn apply_restores_deleted_keys_and_secrets() {
    let shop = LocalStack::applied();
    let before = shop.resources();
    shop.acme.destroy(&shop.definition);
    write_file(shop.folder.path(), "shop.yaml", &STACK.replace("description: Data", "description: The data"));
    let plan = shop.acme.run("plan", &shop.definition, &[]).combined_output();
    assert_eq!(plan.matches("restored, within its recovery window").count(), 2, "{plan}");
    shop.acme.apply(&shop.definition);
    let after = shop.resources();
    assert_eq!(after["secret.kept"].0, before["secret.kept"].0);
    assert_eq!((&after["kms_key.data"].0, &after["kms_key.data"].1["description"]), (&before["kms_key.data"].0, &"The data".into()));
    assert_ne!(after["secret.gone"].0, before["secret.gone"].0);
    shop.acme.assert_no_changes(&shop.definition);
}

/// A rollback deletes what a run created without its data. What it restored has some.
#[test]
fn a_failed_apply_does_not_delete_what_it_restored_for_good() {
    let shop = LocalStack::applied();
    let before = shop.resources();
    shop.acme.destroy(&shop.definition);
    for fault in ["refuse:20", "crash-after:14"] {
        let done = shop.run(fault, "apply");
        assert_ne!(done.code, 0, "{}", done.combined_output());
        if fault.starts_with("crash") {
            shop.run("", "rollback").assert_success();
        }
        assert!(shop.resources().is_empty());
    }
    shop.acme.apply(&shop.definition);
    let after = shop.resources();
    for same in ["kms_key.data", "secret.kept"] {
        assert_eq!(after[same].0, before[same].0);
    }
}

/// A resource that the run has not reached is not taken for a deleted one that is equal.
#[test]
fn rollback_of_a_killed_destroy_leaves_equal_resources_their_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n  route_table: { a: { vpc: main }, b: { vpc: main } }\n  vpc_endpoint: { s3: { vpc: main, service: s3, route_tables: [a] } }\n";
    let shop =
        LocalStack { acme: Acme::local(&folder.path().join("cloud")), definition: write_file(folder.path(), "shop.yaml", text), folder };
    shop.acme.apply(&shop.definition);
    let before = shop.resources();
    for deleted in 1..=4 {
        shop.kill(&format!("crash-after:{deleted}"), "destroy");
        let left = shop.resources();
        shop.run("", "rollback").assert_success();
        let after = shop.resources();
        assert!(after.keys().eq(before.keys()), "{deleted}: {after:?}");
        for (address, (id, _)) in &left {
            assert_eq!(after[address].0, *id, "{deleted}: {address} was not deleted");
        }
        shop.acme.assert_no_changes(&shop.definition);
    }
}

/// A replacement would be a replica of today's source, without what was written since the promotion.
#[test]
fn rollback_leaves_a_promoted_replica_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let database = "engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: main, security_groups: [db]";
    let before = format!(
        "stack: shop
region: eu-west-1
resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}
  subnet:
    a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }}
    b: {{ vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }}
  rds_subnet_group: {{ main: {{ subnets: [a, b] }} }}
  security_group: {{ db: {{ vpc: main }} }}
  secret: {{ orders: {{ generate: {{ length: 20 }} }} }}
  rds_instance:
    orders: {{ {database}, password_secret: orders }}
    reader: {{ {database}, replica_of: orders }}
"
    );
    acme.apply(&write_file(folder.path(), "shop.yaml", &before));
    let after = before.replace(", replica_of: orders", "") + "  elastic_ip: { last: { depends_on: [rds_instance.reader] } }\n";
    let shop = write_file(folder.path(), "shop.yaml", &after);
    let done = acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:2")], "apply", &shop, &["--yes"]);
    let words = "rds_instance.reader stays without replica_of: a promoted replica never becomes a replica again";
    assert!(done.code == 1 && done.combined_output().contains(words), "{}", done.combined_output());
    assert_eq!(acme.plan(&shop).changes(), ["create elastic_ip.last"]);
}
