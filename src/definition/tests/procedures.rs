//! `procedures`: what is read, and every mistake at its line.

use std::time::Duration;

use serde_json::json;

use super::{compile, compile_problems, options};
use crate::{
    core::Address,
    definition::{LoadOptions, procedures::Procedures},
};

const TEXT: &str = "stack: shop
region: eu-west-1
values: { share: 0, active: eu-west-1, old: true, standby: true, name: text }
environments: { production: {}, drill: { standby: false } }
resources:
  sqs_queue: { orders: {}, standby: { when: standby } }
  rds_subnet_group: { main: { subnets: [{ id: subnet-a }, { id: subnet-b }] } }
  rds_instance: { orders: { engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, subnet_group: main, security_groups: [{ id: sg-1 }] } }
procedures:
  cutover:
    value: share
    steps: [1, 10, 100]
    bake: 10m
    gates:
      healthy: [sqs_queue.orders, sqs_queue.standby]
      http: [{ url: 'https://{{ name }}.example.com/healthz', status: 204, timeout: 2s }]
      sql: [{ database: orders, query: 'select 1', expect: 1 }]
    before_last: { healthy: [sqs_queue.orders] }
    decommission: { old: false }
  failover:
    values: { active: eu-central-1 }
    gates: { http: [{ url: '{{ sqs_queue.orders.arn }}' }] }
    bake: 0s
  drill:
    environment: drill
    restore: [rds_instance.orders]
    gates: { healthy: [rds_instance.orders] }
    rpo: 15m
";

fn procedures(text: &str, options: &LoadOptions) -> Procedures {
    compile(text, options).procedures.expect("it has procedures")
}

#[test]
fn reads_steps_gates_and_values() {
    let all = procedures(TEXT, &options(Some("production"), &[]));
    let cutover = all.cutover.expect("a cut-over");
    assert_eq!((cutover.value.as_str(), cutover.steps.as_slice(), cutover.bake), ("share", &[1, 10, 100][..], Duration::from_secs(600)));
    assert_eq!(cutover.gates.healthy, [Address::new("sqs_queue", "orders"), Address::new("sqs_queue", "standby")]);
    let http = &cutover.gates.http[0];
    assert_eq!((http.url.as_str(), http.status, http.follow_redirects), ("https://text.example.com/healthz", 204, false));
    let sql = &cutover.gates.sql[0];
    assert_eq!((&sql.database, sql.expect.as_str(), sql.timeout), (&Address::new("rds_instance", "orders"), "1", Duration::from_secs(30)));
    assert_eq!(cutover.gates.and(&cutover.before_last).count(), 4);
    let failover = all.failover.expect("a failover");
    assert_eq!((failover.gates.http[0].url.as_str(), failover.bake), ("${sqs_queue.orders.arn}", Duration::ZERO));
    let drill = all.drill.expect("a drill");
    assert_eq!((drill.rpo, drill.rto), (Some(Duration::from_secs(900)), None));
    assert_eq!(
        all.values,
        [("active", json!("eu-west-1")), ("old", json!(true)), ("share", json!(0))].map(|(k, v)| (k.to_owned(), v)).into()
    );
}

#[test]
fn leaves_out_resources_that_an_environment_does_not_have() {
    let cutover = procedures(TEXT, &options(Some("drill"), &[])).cutover.expect("a cut-over");
    assert_eq!(cutover.gates.healthy, [Address::new("sqs_queue", "orders")]);
}

#[test]
fn moved_values_replace_those_of_the_definition() {
    let moved = [("share".to_owned(), json!(10)), ("gone".to_owned(), json!(1))].into();
    let all = procedures(TEXT, &LoadOptions { moved_values: moved, ..options(Some("production"), &[]) });
    assert_eq!(all.values["share"], json!(10));
}

#[test]
fn mistakes_are_reported_at_their_lines() {
    for (from, to, line, message) in [
        ("value: share", "value: shares", 11, "did you mean `share`?"),
        ("value: share", "value: name", 11, "the value `name` must be a whole number"),
        ("[1, 10, 100]", "[1, 10, 10]", 12, "step 10 follows step 10"),
        ("[1, 10, 100]", "[10, 1, 100]", 12, "step 1 follows step 10"),
        ("[1, 10, 100]", "[]", 12, "`steps` is empty"),
        ("[1, 10, 100]", "[1, half]", 12, "expected a number"),
        ("bake: 10m", "bake: 10", 13, "`10` is not a valid time"),
        ("bake: 10m", "bakes: 10m", 13, "has no field `bakes`"),
        ("[sqs_queue.orders, sqs_queue.standby]", "[sqs_queue.order]", 15, "did you mean `sqs_queue.orders`?"),
        ("[sqs_queue.orders, sqs_queue.standby]", "[sqs_queue.orders, sqs_queue.orders]", 15, "is listed twice"),
        ("https://{{ name }}.example.com/healthz", "www.example.com", 16, "is not a valid address"),
        ("https://{{ name }}.example.com/healthz", "https://me:secret@example.com/", 16, "contains a user or a password"),
        ("status: 204", "status: 999", 16, "999 is not a valid status code"),
        ("timeout: 2s", "timeout: 2h", 16, "`2h` is not a valid timeout"),
        ("database: orders", "database: order", 17, "there is no database `order`"),
        ("before_last: { healthy: [sqs_queue.orders] }", "before_last: {}", 18, "there are no gates in it"),
        ("decommission: { old: false }", "decommission: { older: false }", 19, "the definition has no value `older`"),
        ("decommission: { old: false }", "decommission: { share: 0 }", 19, "which the steps move"),
        ("{ active: eu-central-1 }", "{}", 21, "a failover sets no value"),
        ("{ active: eu-central-1 }", "{ share: 3 }", 21, "is moved by the cut-over, too"),
        ("{ active: eu-central-1 }", "{ active: [a] }", 21, "must be text, a number, true or false, not a list"),
        ("sqs_queue.orders.arn", "sqs_queue.orders.uri", 22, "refers to the output `uri`"),
        ("environment: drill", "environment: drills", 25, "there is no environment `drills`"),
        ("[rds_instance.orders]\n    gates", "[]\n    gates", 26, "a drill restores nothing"),
        ("    gates: { healthy: [rds_instance.orders] }\n", "", 24, "has no `gates`"),
        ("rpo: 15m", "rpo: soon", 28, "`soon` is not a valid time"),
    ] {
        assert!(TEXT.contains(from), "{from}");
        let said = compile_problems(&TEXT.replacen(from, to, 1), &options(Some("production"), &[]));
        assert!(said.contains(message) && said.contains(&format!("stack.yaml:{line}:")), "{to}: {said}");
        assert!(!said.contains("secret@"), "{said}");
    }
    let said = compile_problems("stack: shop\nregion: eu-west-1\nprocedures: {}\n", &LoadOptions::default());
    assert!(said.contains("`procedures` is empty") && said.contains("stack.yaml:3:"), "{said}");
}
