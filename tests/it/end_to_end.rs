//! Complete flow over real sockets: apply, plan, edit, destroy of the reference stack on both stand-ins, counted at the endpoint.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, repository_stack, write_file},
    proxy::{Calls, Faults, Proxy, RecordedCall},
    standin::{Standin, StandinKind},
};

/// Maximum numbers of calls and of writes among them at the endpoint.
#[track_caller]
fn assert_calls_at_most(what: &str, calls: &Calls, total: usize, writes: usize) {
    eprintln!("{what}:\n{}", calls.table());
    assert!(calls.total() <= total && calls.writes() <= writes, "{what}: more than {total} calls or {writes} writes\n{}", calls.table());
}

/// Calls that ask whether AWS offers a value.
const QUESTIONS: &[&str] = &[
    "DescribeAccountAttributes",
    "DescribeAvailabilityZones",
    "DescribeDBEngineVersions",
    "DescribeEngineDefaultParameters",
    "DescribeInstanceTypeOfferings",
    "DescribeManagedRuleGroup",
    "DescribeOrderableDBInstanceOptions",
    "DescribeSSLPolicies",
    "DescribeVpcEndpointServices",
    "GET /access-policies",
    "GET /addons/-?kubernetesVersion",
    "GET /cluster-versions",
    "GetAccountSummary",
    "GetPolicy",
    "ListAvailableManagedRuleGroups",
    "ListPolicies",
];

fn count_questions(calls: &Calls) -> usize {
    // Roles outside the stack's path may have the names of new ones.
    let lists_all_roles = |call: &RecordedCall| call.action == "ListRoles" && !String::from_utf8_lossy(&call.body).contains("PathPrefix");
    // All addresses of the account count against its quota.
    let lists_all_addresses =
        |call: &RecordedCall| call.action == "DescribeAddresses" && !String::from_utf8_lossy(&call.body).contains("Filter");
    let is_question = |call: &RecordedCall| QUESTIONS.contains(&call.action.as_str()) || lists_all_roles(call) || lists_all_addresses(call);
    calls.0.iter().filter(|call| is_question(call)).count()
}

/// A stack whose definition is edited step by step.
pub struct EditableStack {
    folder: tempfile::TempDir,
    pub definition: Value,
}

impl EditableStack {
    pub fn load(path: &Path) -> EditableStack {
        let text = std::fs::read_to_string(path).expect("the stack can be read");
        let definition = serde_yaml::from_str(&text).expect("the stack is YAML");
        EditableStack { folder: tempfile::tempdir().expect("a temporary folder"), definition }
    }
    pub fn write(&self) -> PathBuf {
        write_file(self.folder.path(), "stack.yaml", &serde_yaml::to_string(&self.definition).expect("a definition is YAML"))
    }
    /// Sets the value at a JSON pointer, which must exist.
    #[track_caller]
    pub fn set(&mut self, pointer: &str, value: Value) {
        *self.value_at(pointer) = value;
    }
    #[track_caller]
    pub fn value_at(&mut self, pointer: &str) -> &mut Value {
        self.definition.pointer_mut(pointer).unwrap_or_else(|| panic!("the stack has nothing at {pointer}"))
    }
}

/// Asserts that an edit of the reference stack gives exactly these changes, and that a plan after apply shows none.
#[track_caller]
fn apply_edit(acme: &Acme, stack: &mut EditableStack, what: &str, change: impl FnOnce(&mut EditableStack), expected: &[&str]) {
    change(stack);
    let path = stack.write();
    let plan = acme.plan(&path);
    assert_eq!(plan.changes(), expected, "{what}: {:#}", plan.0);
    acme.apply(&path);
    acme.assert_no_changes(&path);
}

fn check_reference_stack(kind: StandinKind) {
    let standin = Standin::start(kind);
    let proxy = Proxy::with_complete_tag_index(&standin.url);
    let acme = Acme::at_endpoint(&proxy.url).with_args(&["--env", "production"]);
    let reference = repository_stack("reference.yaml");

    acme.plan(&reference);
    let first = proxy.take_calls();
    let questions = count_questions(&first);
    assert!((1..=12).contains(&questions), "{questions} questions\n{}", first.table());

    acme.apply(&reference);
    // moto lacks S3's default public access block, and the ARN of a new security group. A slow machine asks more often what is ready.
    let most = if kind == StandinKind::Moto { 140 } else { 130 };
    let applied = proxy.take_calls();
    assert_calls_at_most("apply from nothing", &applied, most + count_questions(&applied), 80);
    let done = acme.run("plan", &reference, &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    let unchanged = proxy.take_calls();
    assert_calls_at_most("plan without changes", &unchanged, 45, 0);
    assert_eq!(count_questions(&unchanged), 0, "{}", unchanged.table());

    check_edits(kind, &acme, &mut EditableStack::load(&reference));

    // Back to the reference, so that the calls of a destroy are known.
    acme.apply(&reference);
    acme.assert_no_changes(&reference);
    proxy.take_calls();
    acme.destroy(&reference);
    // About 25 of them look for what controllers of the cluster made.
    assert_calls_at_most("destroy", &proxy.take_calls(), 120, 60);
    assert_eq!(standin.all_resources(), json!({}), "resources remain");
    let plan = acme.plan(&reference);
    assert!(plan.changes().iter().all(|change| change.starts_with("create ")), "{:#}", plan.0);
}

fn check_edits(kind: StandinKind, acme: &Acme, stack: &mut EditableStack) {
    let nat = |s: &mut EditableStack| s.set("/environments/production/nat", json!("single"));
    let expected = [
        "delete elastic_ip.nat-b",
        "delete elastic_ip.nat-c",
        "delete nat_gateway.b",
        "delete nat_gateway.c",
        "update route_table.private-b",
        "update route_table.private-c",
    ];
    apply_edit(acme, stack, "one NAT gateway instead of three", nat, &expected);
    if kind == StandinKind::Moto {
        let logs = |s: &mut EditableStack| s.set("/cluster/log_types", json!(["api", "audit"]));
        apply_edit(acme, stack, "the cluster's log types", logs, &["update eks_cluster.main"]);
    }
    let rule = |s: &mut EditableStack| s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
    apply_edit(acme, stack, "one rule of a security group", rule, &["update security_group.database"]);
    let class = |s: &mut EditableStack| s.set("/environments/production/db_class", json!("db.m6g.xlarge"));
    apply_edit(acme, stack, "the database's class", class, &["update rds_instance.orders"]);
    let record = |s: &mut EditableStack| s.set("/dns/records/mail/values/0", json!("20 mail.example.com"));
    apply_edit(acme, stack, "a record's value", record, &["update dns_record.mail"]);
    let registry = |s: &mut EditableStack| s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment", "stock"]));
    apply_edit(acme, stack, "one repository less", registry, &["delete ecr_repository.service-user"]);
}

#[test]
fn applies_edits_and_destroys_the_reference_stack_on_moto() {
    check_reference_stack(StandinKind::Moto);
}

#[test]
fn applies_edits_and_destroys_the_reference_stack_on_ministack() {
    check_reference_stack(StandinKind::Ministack);
}

#[test]
fn applies_and_destroys_the_reference_stack_with_addons_on_ministack() {
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url).with_args(&["--env", "production", "--set", "addons=true"]);
    let reference = repository_stack("reference.yaml");
    acme.apply(&reference);
    acme.assert_no_changes(&reference);
    acme.destroy(&reference);
    assert_eq!(standin.all_resources(), json!({}), "resources remain");
}

#[test]
fn plans_a_thousand_subnets_in_twenty_calls() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults::default());
    let acme = Acme::at_endpoint(&proxy.url).with_args(&["--set", "n=1000"]);
    let scale = repository_stack("scale.yaml");
    acme.apply(&scale);
    proxy.take_calls();
    acme.assert_no_changes(&scale);
    assert_calls_at_most("plan of 2,001 resources without changes", &proxy.take_calls(), 20, 0);
}

#[test]
fn survives_throttling_of_every_third_call() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { throttle_every: Some(3), ..Faults::default() });
    apply_and_destroy_through(&standin, &proxy);
}

#[test]
fn survives_failing_reads() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { fail_read_every: Some(3), ..Faults::default() });
    apply_and_destroy_through(&standin, &proxy);
}

#[test]
fn survives_reads_that_lag_behind_writes() {
    let standin = Standin::start(StandinKind::Ministack);
    let lag = [("ec2", Duration::from_secs(2)), ("iam", Duration::from_secs(8))].into();
    let proxy = Proxy::start(&standin.url, Faults { read_lag: lag, ..Faults::default() });
    apply_and_destroy_through(&standin, &proxy);
}

/// Through a proxy that injects failures, apply and destroy succeed; checked without the proxy.
fn apply_and_destroy_through(standin: &Standin, proxy: &Proxy) {
    let reference = repository_stack("reference.yaml");
    let (acme, plain) = (
        Acme::at_endpoint(&proxy.url).with_args(&["--env", "production"]),
        Acme::at_endpoint(&standin.url).with_args(&["--env", "production"]),
    );
    acme.apply(&reference);
    assert!(proxy.take_calls().0.iter().any(|seen| seen.fault), "the proxy made no trouble");
    plain.assert_no_changes(&reference);
    let everything = standin.all_resources();
    let lists = everything.as_object().expect("lists by type").iter();
    let counts: Vec<String> = lists.map(|(name, list)| format!("{} {name}", list.as_array().map_or(0, Vec::len))).collect();
    insta::assert_snapshot!("what_the_reference_stack_is", counts.join("\n"));
    acme.destroy(&reference);
    assert_eq!(standin.all_resources(), json!({}), "resources remain");
}
