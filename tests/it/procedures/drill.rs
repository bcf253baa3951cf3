//! Drills on the simulated cloud: what they restore, measure, report and delete.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use acme::simulator::{Behaviour, Simulator};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, repository_stack, write_file},
    wire::{Response, Server},
};

const STACK: &str = "
stack: shop
region: '{{ home }}'
values: { protected: false, days: 7, home: eu-west-1 }
environments:
  production: {}
  drill: {}
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: '{{ home }}a' }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: '{{ home }}b' }
  rds_subnet_group: { main: { subnets: [a, b] } }
  security_group: { db: { vpc: main } }
  kms_key: { main: {} }
  rds_instance:
    orders:
      engine: postgres
      version: '16'
      class: db.t4g.medium
      storage_gib: 50
      subnet_group: main
      security_groups: [db]
      kms_key: main
      database_name: orders
      backup_retention_days: '{{ days }}'
      deletion_protection: '{{ protected }}'
  aurora_cluster:
    ledger:
      engine: aurora-postgresql
      version: '16'
      subnet_group: main
      security_groups: [db]
      deletion_protection: false
  aurora_instance: { ledger: { cluster: ledger, class: db.r7g.large } }
  dynamodb_table:
    carts: { key: { partition: customer }, attributes: { customer: string }, deletion_protection: false }
procedures:
  drill:
    environment: drill
    restore: [rds_instance.orders, aurora_cluster.ledger, dynamodb_table.carts]
    gates:
      healthy: [rds_instance.orders]
      http: [{ url: 'URL/healthz', timeout: 2s }]
      sql: [{ database: orders, query: 'select 1', expect: '1' }]
    rpo: 15m
    rto: 4h
";

/// A stack on the simulated cloud, and a service whose health is a status code.
pub struct Bench {
    acme: Acme,
    folder: tempfile::TempDir,
    stack: PathBuf,
    health: Arc<AtomicU16>,
    _service: Server,
}

impl Bench {
    /// With the definition after `edit`; production is applied.
    pub fn new(edit: impl Fn(&str) -> String) -> Bench {
        let bench = Bench::unapplied(edit);
        bench.run("apply", &["--env", "production", "--yes"]).assert_success();
        bench
    }

    /// Same, with an empty cloud.
    pub fn unapplied(edit: impl Fn(&str) -> String) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let health = Arc::new(AtomicU16::new(200));
        let answered = health.clone();
        let service =
            Server::start(move |_| Ok(Response { status: answered.load(Ordering::Relaxed), headers: Vec::new(), body: b"ok".to_vec() }));
        let stack = write_file(folder.path(), "shop.yaml", &edit(&STACK.replace("URL", &service.url)));
        let acme = Acme::local(&folder.path().join("cloud"));
        Bench { acme, folder, stack, health, _service: service }
    }

    pub fn run(&self, command: &str, more: &[&str]) -> CommandOutput {
        self.acme.run(command, &self.stack, more)
    }

    /// Runs a drill of production.
    pub fn drill(&self, faults: &str, more: &[&str]) -> CommandOutput {
        let arguments = [["--env", "production", "--yes"].as_slice(), more].concat();
        self.acme.run_with_env(&[("ACME_LOCAL_FAULT", faults)], "drill", &self.stack, &arguments)
    }

    /// Resources of an environment, by type and id.
    pub fn live(&self, environment: &str) -> BTreeMap<String, Value> {
        let cloud = Simulator::open(self.folder.path().join("cloud"), "eu-west-1", Behaviour::default()).expect("the cloud can be read");
        cloud.dump().into_iter().filter(|(_, live)| live["tags"]["acme:environment"] == environment).collect()
    }

    pub fn stack(&self) -> &Path {
        &self.stack
    }

    fn backend(&self, environment: &str) -> PathBuf {
        self.folder.path().join("cloud/backend/eu-west-1/shop").join(environment)
    }

    fn record(&self) -> Option<Value> {
        let text = fs::read(self.backend("drill").join("drill.json")).ok()?;
        Some(serde_json::from_slice(&text).expect("JSON"))
    }

    /// What a run of the side environment has recorded about a resource.
    fn recorded(&self, revision: u64, address: &str) -> Value {
        read_json(&self.backend("drill").join(format!("revisions/{revision:06}/revision.json")))["live"][address].clone()
    }

    fn revisions(&self, environment: &str) -> usize {
        fs::read_dir(self.backend(environment).join("revisions")).map_or(0, Iterator::count)
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// The last line of the output, which has the format `acme-drill/1`.
fn result(done: &CommandOutput) -> Value {
    let line = done.stdout.lines().last().unwrap_or_default();
    let result: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no result ({error}):\n{}", done.combined_output()));
    assert_eq!(result["format"], "acme-drill/1", "{}", done.combined_output());
    result
}

fn assert_contains(done: &CommandOutput, parts: &[&str]) {
    for part in parts {
        assert!(done.combined_output().contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
}

#[test]
fn restores_measures_and_deletes_without_touching_the_source() {
    let bench = Bench::new(str::to_owned);
    let (before, runs) = (bench.live("production"), bench.revisions("production"));
    let done = bench.drill("backup:420", &["-o", "json"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    let result = result(&done);
    let of = |address: &str| {
        let all = result["resources"].as_array().expect("a list");
        all.iter().find(|one| one["address"] == address).cloned().unwrap_or_else(|| panic!("no {address} in {result:#}"))
    };
    for (address, source) in [
        ("rds_instance.orders", "shop-production-orders"),
        ("aurora_cluster.ledger", "shop-production-ledger"),
        ("dynamodb_table.carts", "shop-production-carts"),
    ] {
        let one = of(address);
        assert_eq!((&one["source"], &one["backup"], &one["reached"]), (&json!(source), &json!("point-in-time recovery"), &json!(true)));
        // The last full second before the newest backup.
        let age = one["rpo_seconds"].as_u64().expect("a number");
        assert!((420..450).contains(&age), "{age} s of {address}");
    }
    assert_eq!((&result["rpo_goal_seconds"], &result["rto_goal_seconds"]), (&json!(900), &json!(14_400)));
    assert!(result["rto_seconds"].as_u64().is_some_and(|seconds| seconds < 14_400), "{result:#}");
    assert_eq!(
        (&result["recovered"], &result["reached"], &result["missed"], &result["deleted"]),
        (&json!(true), &json!(true), &json!([]), &json!(true))
    );
    assert!(result["unchecked"][0].as_str().is_some_and(|text| text.starts_with("query on rds_instance.orders")), "{result:#}");

    let copy = bench.recorded(1, "rds_instance.orders");
    let point = &copy["spec"]["point_in_time"];
    assert_eq!((&copy["id"], &point["database"]["id"]), (&json!("shop-drill-orders"), &json!("shop-production-orders")));
    assert_eq!(point["time"], of("rds_instance.orders")["data_from"]);
    let source = before.iter().find(|(key, _)| key.contains("shop-production-orders")).expect("the source").1;
    assert_eq!(copy["spec"]["kms_key"], source["spec"]["kms_key"], "RDS restores with the key of the source only");
    assert_eq!((&copy["spec"]["database_name"], &copy["spec"]["username"]), (&Value::Null, &Value::Null));
    assert_eq!(bench.recorded(1, "aurora_cluster.ledger")["spec"]["point_in_time"]["cluster"]["id"], "shop-production-ledger");
    assert_eq!(bench.recorded(1, "dynamodb_table.carts")["spec"]["point_in_time"]["table"]["id"], "shop-production-carts");

    assert_eq!(bench.live("drill"), BTreeMap::new(), "the environment is gone");
    assert_eq!(bench.record(), None, "and so is the record");
    assert_eq!(
        (bench.live("production"), bench.revisions("production")),
        (before, runs),
        "the source is as before, and no run has changed it"
    );
}

#[test]
fn a_gate_that_stays_closed_is_reported_and_the_environment_deleted() {
    let bench = Bench::new(str::to_owned);
    bench.health.store(503, Ordering::Relaxed);
    let done = bench.drill("", &["--gate-timeout", "1s"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert_contains(
        &done,
        &["RTO  not reached", "/healthz: the answer has status 503, not 200", "did not recover the platform", "`drill` is deleted"],
    );
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
    // An unhealthy resource closes a gate, too.
    bench.health.store(200, Ordering::Relaxed);
    let done = bench.drill("gate:rds_instance.orders", &["--gate-timeout", "1s", "-o", "json"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let result = result(&done);
    assert!(result["failures"][0].as_str().is_some_and(|text| text.starts_with("rds_instance.orders: ")), "{result:#}");
    assert_eq!((&result["recovered"], &result["rto_seconds"], &result["deleted"]), (&json!(false), &Value::Null, &json!(true)));
}

#[test]
fn keeps_the_environment_on_request_until_it_is_deleted() {
    let bench = Bench::new(str::to_owned);
    let done = bench.drill("", &["--keep"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_contains(&done, &["`drill` still exists", "acme drill", "--env production", "--destroy` deletes it"]);
    assert!(!bench.live("drill").is_empty());
    assert_eq!(bench.record().expect("a record")["phase"]["is"], "kept");
    let done = bench.drill("", &["--destroy"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
    assert_contains(&bench.drill("", &["--destroy"]), &["No drill has left anything in `drill`"]);
    // After a failure, it is a change that remains.
    bench.health.store(500, Ordering::Relaxed);
    assert_eq!(bench.drill("", &["--keep", "--gate-timeout", "1s"]).code, 3);
    // The next drill deletes it first.
    bench.health.store(200, Ordering::Relaxed);
    let done = bench.drill("", &[]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_contains(&done, &["has left its environment: it is deleted first"]);
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
}

/// Whenever it is killed, the next run goes on from there, and the time counts from the first start.
#[test]
fn goes_on_after_it_was_killed() {
    let bench = Bench::new(str::to_owned);
    let before = bench.live("production");
    let mut phases = Vec::new();
    for call in [1, 6, 9, 14, 17] {
        let killed = bench.drill(&format!("crash-after:{call}"), &["-o", "json"]);
        assert_eq!(killed.code, -1, "call {call} was not made:\n{}", killed.combined_output());
        let record = bench.record().expect("a record");
        phases.push(record["phase"]["is"].as_str().expect("a phase").to_owned());
        let done = bench.drill("", &["-o", "json"]);
        assert_eq!(done.code, 0, "after call {call}:\n{}", done.combined_output());
        assert_contains(&done, &["Continues the drill of"]);
        let result = result(&done);
        let started: jiff::Timestamp = result["started_at"].as_str().expect("a time").parse().expect("a time");
        let recorded = record["started_at"].as_i64().expect("a time");
        assert!((started.as_millisecond() - recorded).abs() <= 1_000, "{started} and {recorded}");
        assert_eq!((&result["reached"], &result["deleted"]), (&json!(true), &json!(true)));
        assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None), "after call {call}");
    }
    assert!(["restoring", "deleting"].iter().all(|phase| phases.iter().any(|seen| seen == phase)), "{phases:?}");
    assert_eq!(bench.live("production"), before);
}

#[test]
fn missed_goals_are_named_and_fail_the_command() {
    let bench = Bench::new(|text| text.replace("rto: 4h", "rto: 1s"));
    let done = bench.drill("backup:3600,settle:0.005", &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert_contains(
        &done,
        &[
            "1 h 00 min",
            "goal 1.0 s: missed",
            "missed: RPO of aurora_cluster.ledger, RPO of dynamodb_table.carts, RPO of rds_instance.orders, RTO",
            "`drill` is deleted",
        ],
    );
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
}

#[test]
fn a_failed_creation_is_reported_and_the_rest_deleted() {
    let bench = Bench::new(str::to_owned);
    let done = bench.drill("refuse:7", &["-o", "json"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let result = result(&done);
    assert!(result["failures"][0].as_str().is_some_and(|text| text.contains("injected fault")), "{result:#}");
    assert_eq!((&result["recovered"], &result["deleted"]), (&json!(false), &json!(true)));
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
}

#[test]
fn a_failed_deletion_leaves_the_record_and_exits_with_3() {
    let bench = Bench::new(str::to_owned);
    bench.drill("", &["--keep"]).assert_success();
    let refused: Vec<String> = (1..=40).map(|call| format!("refuse:{call}")).collect();
    let done = bench.drill(&refused.join(","), &["--destroy"]);
    assert_eq!(done.code, 3, "{}", done.combined_output());
    assert!(bench.record().is_some());
    assert_eq!(bench.drill("", &["--destroy"]).code, 0);
    assert_eq!((bench.live("drill"), bench.record()), (BTreeMap::new(), None));
}

#[test]
fn shows_backups_gates_and_changes_without_making_any() {
    let bench = Bench::new(str::to_owned);
    let before = (bench.live("production"), bench.live("drill"));
    let done = bench.run("drill", &["--env", "production", "--plan"]).assert_success();
    assert_contains(
        &done,
        &[
            "Restores the newest backups of production into drill:",
            "point-in-time recovery of shop-production-orders, data from",
            "Gates, as they are now:",
            "rds_instance.orders: it does not exist",
            "/healthz",
        ],
    );
    let json: Value =
        serde_json::from_str(&bench.run("drill", &["--env", "production", "--plan", "-o", "json"]).assert_success().stdout).expect("JSON");
    assert_eq!((&json["format"], &json["plan"]["environment"]), (&json!("acme-drill-plan/1"), &json!("drill")));
    assert_eq!(json["resources"].as_array().map(Vec::len), Some(3));
    assert_eq!((bench.live("production"), bench.live("drill")), before);
    assert_eq!((bench.record(), bench.revisions("drill")), (None, 0));
}

/// Their side environments share no name with production, and can be deleted.
#[test]
fn the_stacks_with_recovery_goals_reach_them() {
    for name in ["alb-eks-rds.yaml", "devops-platform.yaml"] {
        let folder = tempfile::tempdir().unwrap();
        let (acme, stack) = (Acme::local(&folder.path().join("cloud")), repository_stack(name));
        acme.run("apply", &stack, &["--env", "production", "--yes"]).assert_success();
        let done = acme.run("drill", &stack, &["--env", "production", "--yes", "-o", "json"]);
        assert_eq!(done.code, 0, "{name}: {}", done.combined_output());
        let result = result(&done);
        assert_eq!(
            (&result["reached"], &result["deleted"], &result["rto_goal_seconds"]),
            (&json!(true), &json!(true), &json!(14_400)),
            "{name}"
        );
    }
}
