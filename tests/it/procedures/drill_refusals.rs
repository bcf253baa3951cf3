//! What keeps a drill from starting: found before the first change, each with the remedy.

use std::collections::BTreeMap;

use super::drill::Bench;
use crate::acme::Acme;

/// Problems of the definition: found without a call.
#[test]
fn refuses_a_definition_that_would_not_leave_the_source_alone_or_could_not_be_deleted() {
    let zone = "  dns_record:\n    www: { zone: { id: Z0123456789 }, domain: www.example.com, type: CNAME, values: [shop.example.com] }\nprocedures:";
    for (from, to, told) in [
        ("protected: false", "protected: true", "`rds_instance.orders` has `deletion_protection: true` in `drill`"),
        ("      database_name: orders", "      name: orders", "have `name: orders` in common"),
        ("procedures:", zone, "`type: CNAME`"),
        ("procedures:", "  dns_zone: { main: { domain: example.com } }\nprocedures:", "have `example.com` in common"),
        ("  drill: {}", "  drill: { home: eu-central-1 }", "a drill restores backups where they are: use the same region"),
        ("    environment: drill", "    environment: production", "name another environment, only for drills"),
        ("dynamodb_table.carts]", "kms_key.main]", "a drill can't restore a kms key"),
    ] {
        let bench = Bench::unapplied(|text| text.replace(from, to));
        let done = bench.drill("", &[]);
        assert_eq!(done.code, 1, "{to}: {}", done.combined_output());
        assert!(done.stderr.contains(told) && done.stderr.contains("help"), "`{told}` is missing in {}", done.combined_output());
        assert_eq!((bench.live("production"), bench.live("drill")), (BTreeMap::new(), BTreeMap::new()), "{to}");
    }
}

#[test]
fn refuses_an_environment_that_no_drill_has_filled() {
    let bench = Bench::new(str::to_owned);
    bench.run("apply", &["--env", "drill", "--yes"]).assert_success();
    let before = bench.live("drill");
    let done = bench.drill("", &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("`drill` is not empty, and no drill has filled it"), "{}", done.combined_output());
    assert_eq!(bench.live("drill"), before, "it is left alone");
}

#[test]
fn refuses_a_source_without_backups_or_without_resources() {
    let bench = Bench::unapplied(|text| text.replace("days: 7", "days: 0"));
    let done = bench.drill("", &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("apply `production` first"), "{}", done.combined_output());
    bench.run("apply", &["--env", "production", "--yes"]).assert_success();
    let done = bench.drill("", &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("it has no automatic backups: set `backup_retention_days` to 1 or more"), "{}", done.combined_output());
    assert_eq!(bench.live("drill"), BTreeMap::new());
}

#[test]
fn refuses_a_definition_without_a_drill() {
    let bench = Bench::unapplied(|text| text.split("procedures:").next().unwrap_or_default().to_owned());
    let done = bench.drill("", &[]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("error[no-procedure]"), "{}", done.combined_output());
}

/// Which backups it restores is known only in the drill.
#[test]
fn the_policy_of_the_side_environment_allows_to_restore_from_any_source() {
    let bench = Bench::unapplied(str::to_owned);
    let policy = |environment: &str| {
        let done = Acme::without_cloud().run("policy", bench.stack(), &["--env", environment, "--for", "apply"]).assert_success();
        let documents = serde_json::Deserializer::from_str(&done.stdout).into_iter::<serde_json::Value>();
        let documents: Vec<serde_json::Value> = documents.map(|document| document.expect("JSON")).collect();
        let statements = documents.iter().filter_map(|document| document["Statement"].as_array()).flatten();
        let restores = |statement: &&serde_json::Value| statement["Action"].to_string().contains("rds:RestoreDBInstanceToPointInTime");
        statements.filter(restores).map(|statement| statement["Resource"].to_string()).collect::<String>()
    };
    assert!(policy("drill").contains(":db:*\""), "{}", policy("drill"));
    assert!(!policy("production").contains(":db:*\""), "{}", policy("production"));
}
