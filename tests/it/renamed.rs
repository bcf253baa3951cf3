//! A database with a new name: AWS renames it, and it keeps its data. Its id, ARN and endpoint change.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    acme::{Acme, write_file},
    rehearse::check_rehearsal,
};

const DATABASE: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { data: { vpc: main } }
  rds_subnet_group: { main: { subnets: [a, b] } }
  rds_instance:
    orders:
      name: orders
      engine: postgres
      version: '16'
      class: db.t4g.medium
      storage_gib: 50
      subnet_group: main
      security_groups: [data]
  metric_alarm:
    cpu:
      metric:
        namespace: AWS/RDS
        name: CPUUtilization
        statistic: Average
        period_seconds: 60
        dimensions: { DBInstanceIdentifier: '{{ rds_instance.orders.id }}' }
      evaluation_periods: 5
      comparison: GreaterThanThreshold
      threshold: 80
outputs: { host: '{{ rds_instance.orders.endpoint }}', database: '{{ rds_instance.orders.resource_id }}' }
";

const NEW_NAME: (&str, &str) = ("name: orders", "name: purchases");

fn define(folder: &Path, edits: &[(&str, &str)]) -> PathBuf {
    let text = edits.iter().fold(DATABASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    write_file(folder, "shop.yaml", &text)
}

fn outputs(acme: &Acme, stack: &Path) -> Value {
    let done = acme.run("outputs", stack, &["-o", "json"]).assert_success();
    let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
    document["outputs"].clone()
}

#[test]
fn a_new_name_renames_a_database_and_updates_what_refers_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let old = define(folder.path(), &[]);
    acme.apply(&old);
    let before = outputs(&acme, &old);
    let renamed = define(folder.path(), &[NEW_NAME, ("class: db.t4g.medium", "class: db.m7g.large")]);
    let plan = acme.plan(&renamed);
    assert_eq!(plan.changes(), ["update metric_alarm.cpu", "update rds_instance.orders"]);
    let text = acme.run("plan", &renamed, &[]).stdout;
    assert!(text.contains("name: orders → purchases") && text.contains("its endpoint changes"), "{text}");
    acme.apply(&renamed);
    let after = outputs(&acme, &renamed);
    assert!(before["database"].is_string() && before["database"] == after["database"], "it is the same database: {before} {after}");
    assert!(after["host"].to_string().contains("purchases"), "{after}");
    acme.assert_no_changes(&renamed);
    acme.run("rollback", &renamed, &["--yes"]).assert_success();
    let old = define(folder.path(), &[]);
    acme.assert_no_changes(&old);
    assert_eq!(outputs(&acme, &old), before);
}

#[test]
fn a_rename_that_fails_at_any_call_is_undone_or_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&define(folder.path(), &[]));
    let renamed = define(
        folder.path(),
        &[NEW_NAME, ("class: db.t4g.medium", "class: db.m7g.large"), ("region: eu-west-1", "region: eu-west-1\ntags: { team: shop }")],
    );
    check_rehearsal(&acme, &renamed, "a renamed database", &[]);
}

/// RDS itself follows the new name in a replica, but acme can't tell that from another source.
#[test]
fn a_rename_never_replaces_a_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let replica = (
        "    orders:\n      name: orders",
        "    reader:
      replica_of: orders
      engine: postgres
      version: '16'
      class: db.t4g.medium
      storage_gib: 50
      security_groups: [data]
      subnet_group: main
    orders:
      password_secret: orders
      name: orders",
    );
    let secret = ("  metric_alarm:", "  secret: { orders: { generate: { username: postgres } } }\n  metric_alarm:");
    acme.apply(&define(folder.path(), &[replica, secret]));
    let done = acme.run("plan", &define(folder.path(), &[replica, secret, NEW_NAME]), &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let text = done.combined_output();
    assert!(text.contains("a new name of `rds_instance.orders` would replace `rds_instance.reader`"), "{text}");
}

/// Another key in the definition has another generated name, which is no reason to rename.
#[test]
fn a_moved_database_keeps_its_generated_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let generated = ("      name: orders\n", "");
    acme.apply(&define(folder.path(), &[generated]));
    let moved = define(
        folder.path(),
        &[
            generated,
            ("    orders:\n", "    purchases:\n"),
            ("rds_instance.orders", "rds_instance.purchases"),
            ("resources:", "moved: { rds_instance.orders: rds_instance.purchases }\nresources:"),
        ],
    );
    let plan = acme.plan(&moved);
    assert_eq!(plan.changes(), ["update rds_instance.purchases"], "only the tag with its address changes");
    assert!(!plan.changed_fields("rds_instance.purchases").contains("name"));
}
