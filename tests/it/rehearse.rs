//! Rehearsals through the command line: after any failure of any call, the stack is as desired or as before.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, repository_stack, write_file},
    end_to_end::EditableStack,
    standin::{Standin, StandinKind},
};

/// Rehearses a definition; every case must end as expected.
#[track_caller]
pub fn check_rehearsal(acme: &Acme, path: &Path, what: &str, more: &[&str]) -> Value {
    let mut command = acme.command("rehearse", path, &[&["-o", "json"], more].concat());
    let done = CommandOutput::from_output(command.output().expect("acme runs"));
    let report: Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{what}: no JSON ({error}):\n{}", done.combined_output()));
    let modes = report["modes"].as_array().expect("modes");
    for mode in modes {
        let text = |key: &str| mode[key].as_str().unwrap_or("-").to_owned();
        let (cases, passed) = (&mode["cases"], &mode["passed"]);
        let (fault, then) = (text("fault"), text("then"));
        eprintln!(
            "{what}: {fault:<14} {then:<8} {passed} of {cases}: {} back, {} on, {} anew",
            mode["rolled_back"], mode["completed"], mode["recreated"]
        );
    }
    assert_eq!(report["failures"], json!([]), "{what}: {:#}", report["failures"]);
    assert_eq!((done.code, &report["passed"], &report["format"]), (0, &json!(true), &json!("acme-rehearsal/2")), "{}", done.stderr);
    assert!(modes.iter().skip(1).all(|mode| mode["cases"] == report["calls"] && mode["passed"] == mode["cases"]), "{modes:?}");
    report
}

fn production_in_simulator(folder: &Path) -> Acme {
    Acme::local(&folder.join("cloud")).with_args(&["--env", "production"])
}

#[test]
fn rehearses_the_quickstart_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let report = check_rehearsal(&acme, &repository_stack("quickstart.yaml"), "quickstart", &[]);
    assert_eq!(report["modes"].as_array().map(Vec::len), Some(9));
    assert!(report["calls"].as_u64() > Some(15), "{report:#}");
    let plan = acme.plan(&repository_stack("quickstart.yaml"));
    assert!(plan.changes().iter().all(|change| change.starts_with("create ")), "the rehearsal touched the cloud: {:?}", plan.changes());
}

const SMALL: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, ingress: [{ port: 5432, security_group: web }] }
    alone: { vpc: main, ingress: [{ port: 22, security_group: database }] }
  s3_bucket:
    files: { name: small-files, on_delete: delete }
  elastic_ip:
    one: {}
";

/// An update, a replacement, a deletion and a creation in one plan.
const EDITED: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    web: { vpc: main, name: small-another, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, ingress: [{ port: 3306, security_group: web }] }
    alone: { vpc: main, description: Another one, ingress: [{ port: 22, security_group: database }] }
  elastic_ip:
    two: {}
";

/// The edited small stack, and the acme whose cloud has the first version.
fn applied_small_stack(folder: &Path) -> (Acme, std::path::PathBuf) {
    let acme = Acme::local(&folder.join("cloud"));
    acme.apply(&write_file(folder, "stack.yaml", SMALL));
    (acme, write_file(folder, "stack.yaml", EDITED))
}

#[test]
fn rehearses_every_kind_of_change_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, path) = applied_small_stack(folder.path());
    let before = acme.plan(&path);
    let report = check_rehearsal(&acme, &path, "small", &[]);
    assert_eq!(report["irreversible"].as_array().map(Vec::len), Some(1), "{report:#}");
    assert_eq!(before.0, acme.plan(&path).0, "the rehearsal touched the cloud");
}

#[test]
fn rehearses_with_every_third_call_throttled() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, path) = applied_small_stack(folder.path());
    check_rehearsal(&acme, &path, "small, throttled", &["--throttle", "3", "--modes", "refuse,lost,stuck", "--jobs", "8"]);
}

#[test]
fn rehearses_destroying_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, _) = applied_small_stack(folder.path());
    check_rehearsal(&acme, &write_file(folder.path(), "stack.yaml", SMALL), "destroy", &["--destroy"]);
}

/// Live resources come from an endpoint, and references to resources outside the stack are allowed.
#[test]
fn rehearses_live_resources_of_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url).with_args(&["--env", "staging"]);
    let definition =
        std::fs::read_to_string(repository_stack("quickstart.yaml")).unwrap().replace("region: eu-west-1", "region: us-east-1");
    let path = write_file(folder.path(), "stack.yaml", &definition);
    acme.apply(&path);
    let before = standin.all_resources();
    let edited = definition.replace("port: 443", "port: 8443").replace("api, web, worker", "api, web, batch");
    let path = write_file(folder.path(), "stack.yaml", &edited);
    let report = check_rehearsal(&acme, &path, "endpoint", &["--modes", "refuse,crash"]);
    assert_eq!(report["summary"], acme.plan(&path).0["summary"]);
    assert_eq!(standin.all_resources(), before, "the rehearsal touched the endpoint");
}

#[test]
fn rehearsal_output() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, path) = applied_small_stack(folder.path());
    let shown = |done: &CommandOutput| {
        assert!(done.stdout.lines().all(|line| line.chars().count() <= 80), "{}", done.stdout);
        let text = format!("$? = {}\n{}{}", done.code, done.stdout, done.stderr);
        // The number of recreated resources depends on parallel steps.
        regex_lite::Regex::new(r"In \d+ of them").unwrap().replace(&text, "In … of them").into_owned()
    };
    insta::assert_snapshot!("rehearsal", shown(&acme.run("rehearse", &path, &["--modes", "refuse,lost,crash"])));
    acme.apply(&path);
    insta::assert_snapshot!("rehearsal_of_nothing", shown(&acme.run("rehearse", &path, &[])));
}

/// The replacement of a resource with a generated name gets another one, and keeps it.
#[test]
fn replaces_a_resource_in_use_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, _) = applied_small_stack(folder.path());
    let edited = |description: &str| {
        let text = SMALL.replace("web: { vpc: main,", &format!("web: {{ vpc: main, description: {description},"));
        write_file(folder.path(), "stack.yaml", &text)
    };
    for description in ["Another one", "A third one"] {
        let path = edited(description);
        let plan = acme.plan(&path);
        assert_eq!(plan.changes(), ["replace security_group.web", "update security_group.database"]);
        let report = check_rehearsal(&acme, &path, description, &[]);
        assert_eq!(report["irreversible"], json!([]), "{report:#}");
        acme.apply(&path);
        acme.assert_no_changes(&path);
    }
    acme.run("rollback", &edited("A third one"), &["--to", "1", "--yes"]).assert_success();
    acme.assert_no_changes(&write_file(folder.path(), "stack.yaml", SMALL));
}

const NETWORK: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  internet_gateway: { main: { vpc: main } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  elastic_ip: { a: {} }
  nat_gateway: { a: { subnet: a, elastic_ip: a, depends_on: [internet_gateway.main] } }
  route_table: { a: { vpc: main, subnets: [a], routes: [{ destination: 0.0.0.0/0, nat_gateway: a }] } }
  target_group: { web: { vpc: main, port: 80, protocol: HTTP, depends_on: [route_table.a] } }
  rds_subnet_group: { main: { subnets: [a, b] } }
  parameter: { network: { value: '{{ rds_subnet_group.main.vpc_id }}' } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, ingress: [{ port: 5432, security_group: web }] }
";

/// Everything is replaced, and an `apply` after a crash has both networks before it: the definition has the references of neither. A rollback
/// creates the old network again, with another id, which the parameter has from the subnet group.
#[test]
fn rehearses_another_range_of_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&write_file(folder.path(), "stack.yaml", NETWORK));
    let path = write_file(folder.path(), "stack.yaml", &NETWORK.replace("10.0.", "10.9."));
    check_rehearsal(&acme, &path, "another range", &["--modes", "crash"]);
}

/// A change that AWS can't reverse is not a failure of the rollback, and everything else is restored.
#[test]
fn rehearsal_accepts_irreversible_changes() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let before = "
stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
databases:
  orders: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20 }
";
    acme.apply(&write_file(folder.path(), "stack.yaml", before));
    let after = before.replace("db.t4g.medium", "db.t4g.large").replace("storage_gib: 20", "storage_gib: 30");
    let after = format!("{after}resources:\n  elastic_ip: {{ last: {{ depends_on: [rds_instance.orders] }} }}\n");
    let report = check_rehearsal(&acme, &write_file(folder.path(), "stack.yaml", &after), "one way", &[]);
    assert_eq!(report["irreversible"], json!([{ "address": "rds_instance.orders", "what": "storage can't shrink" }]));
}

/// AWS would reject it forever.
#[test]
fn deleting_first_what_is_in_use_blocks_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let named = SMALL.replace("web: { vpc: main,", "web: { vpc: main, name: web,");
    acme.apply(&write_file(folder.path(), "stack.yaml", &named));
    let text = named.replace("web: { vpc: main,", "web: { vpc: main, description: Another one,");
    let blocked = acme.run("rehearse", &write_file(folder.path(), "stack.yaml", &text), &[]);
    assert_eq!(blocked.code, 1);
    insta::assert_snapshot!(blocked.stdout.replace(&folder.path().display().to_string(), "FOLDER"));
    // A dependent that drops its reference in the same plan does so first.
    let text = text.replace("ingress: [{ port: 5432, security_group: web }]", "ingress: [{ port: 5432, cidr: 10.0.0.0/16 }]");
    check_rehearsal(&acme, &write_file(folder.path(), "stack.yaml", &text), "let go", &[]);
}

#[test]
fn refuses_to_rehearse_after_an_unfinished_run() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let broken = SMALL.replace("database: { vpc: main,", "database: { vpc: { id: vpc-0123456789abcdef0 },");
    let path = write_file(folder.path(), "stack.yaml", &broken);
    assert_eq!(acme.run("apply", &path, &["--yes", "--no-rollback"]).code, 3);
    let refused = acme.run("rehearse", &path, &[]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(refused.stderr.contains("the last run is unfinished"), "{}", refused.stderr);
}

/// An error of the simulated cloud without injected failures is the only one reported.
#[test]
fn reports_a_plan_that_always_fails() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let broken = SMALL.replace("database: { vpc: main,", "database: { vpc: { id: vpc-0123456789abcdef0 },");
    let done = acme.run("rehearse", &write_file(folder.path(), "stack.yaml", &broken), &[]);
    insta::assert_snapshot!(format!("$? = {}\n{}", done.code, done.combined_output()));
}

mod exhaustive {
    #[test]
    #[ignore = "takes minutes"]
    fn rehearses_every_call_of_the_reference_stack() {
        super::rehearse_reference_stack();
    }
}

/// Every failure of every call of the reference stack, from nothing and for all kinds of edits: takes minutes.
/// `cargo test --test it rehearse::exhaustive -- --ignored --nocapture` prints the counts.
fn rehearse_reference_stack() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, throttled) = (
        production_in_simulator(folder.path()).with_args(&["--jobs", "6"]),
        production_in_simulator(folder.path()).with_args(&["--jobs", "24"]),
    );
    let reference = repository_stack("reference.yaml");
    check_rehearsal(&acme, &reference, "from nothing", &[]);
    check_rehearsal(&throttled, &reference, "from nothing, throttled", &["--throttle", "3"]);
    production_in_simulator(folder.path()).apply(&reference);
    type Edit = fn(&mut EditableStack);
    let update: Edit = |s| {
        s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
        s.set("/cluster/log_types", json!(["api", "audit"]));
        s.set("/dns/records/mail/values/0", json!("20 mail.example.com"));
        s.set("/registries/service/keep_last", json!(20));
        s.set("/tags/team", json!("shop"));
    };
    let replacement: Edit = |s| {
        let application = s.value_at("/network/security_groups/application").as_object_mut().expect("a group");
        application.insert("name".into(), json!("reference-another"));
        s.set("/load_balancers/web/target_groups/shop", json!({ "name": "reference-other", "port": 8081, "target_type": "ip" }));
        s.set("/environments/production/instance_type", json!("m7i.large"));
    };
    let deletion: Edit = |s| {
        s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment"]));
        for (section, name) in [("/dns/records", "mail"), ("/firewall", "web"), ("", "secrets"), ("", "storage")] {
            s.value_at(section).as_object_mut().expect("a section").remove(name);
        }
    };
    let nat: Edit = |s| s.set("/environments/production/nat", json!("single"));
    let network: Edit = |s| {
        s.set("/network/cidr", json!("10.9.0.0/16"));
        s.set("/network/security_groups/application/ingress/2/cidr", json!("10.9.0.0/16"));
        s.set("/network/security_groups/database/ingress/1/cidr", json!("10.9.0.0/16"));
    };
    let edits: [(&str, &[Edit]); 6] = [
        ("another range", &[network]),
        ("an update", &[update]),
        ("a replacement", &[replacement]),
        ("a deletion", &[deletion]),
        ("one NAT gateway", &[nat]),
        ("a mix of all", &[update, replacement, deletion, nat]),
    ];
    for (what, edits) in edits {
        let mut edited = EditableStack::load(&reference);
        edits.iter().for_each(|edit| edit(&mut edited));
        check_rehearsal(&acme, &edited.write(), what, &[]);
        check_rehearsal(&throttled, &edited.write(), &format!("{what}, throttled"), &["--throttle", "3"]);
    }
}

/// Another stack with the same addresses in the same folder is none of its business.
#[test]
fn rehearses_one_of_several_stacks_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let others = write_file(folder.path(), "other.yaml", &SMALL.replace("small", "other"));
    acme.apply(&others);
    let small = write_file(folder.path(), "small.yaml", SMALL);
    check_rehearsal(&acme, &small, "beside another stack", &[]);
    acme.apply(&small);
    let edited = write_file(folder.path(), "small.yaml", EDITED);
    check_rehearsal(&acme, &edited, "an edit beside another stack", &[]);
    check_rehearsal(&acme, &edited, "a deletion beside another stack", &["--destroy"]);
    acme.assert_no_changes(&others);
}
