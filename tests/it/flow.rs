//! The whole flow over real sockets: apply, plan, edit, destroy of the reference stack on both stand-ins, counted at the endpoint.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, stack, write},
    proxy::{Calls, Faults, Proxy},
    standin::{Standin, StandinKind},
};

/// The most calls, and of those writes, that may reach the endpoint.
#[track_caller]
fn at_most(what: &str, calls: &Calls, total: usize, writes: usize) {
    eprintln!("{what}: {} calls, {} writes", calls.total(), calls.writes());
    assert!(calls.total() <= total && calls.writes() <= writes, "{what}: more than {total} calls or {writes} writes\n{}", calls.table());
}

/// A stack whose definition is edited step by step.
pub struct Edited {
    folder: tempfile::TempDir,
    definition: Value,
}

impl Edited {
    pub fn of(path: &Path) -> Edited {
        let text = std::fs::read_to_string(path).expect("the stack can be read");
        let definition = serde_yaml::from_str(&text).expect("the stack is YAML");
        Edited { folder: tempfile::tempdir().expect("a temporary folder"), definition }
    }
    pub fn path(&self) -> PathBuf {
        write(self.folder.path(), "stack.yaml", &serde_yaml::to_string(&self.definition).expect("a definition is YAML"))
    }
    /// Sets what stands at a JSON pointer, which must be there.
    #[track_caller]
    pub fn set(&mut self, pointer: &str, value: Value) {
        *self.at(pointer) = value;
    }
    #[track_caller]
    pub fn at(&mut self, pointer: &str) -> &mut Value {
        self.definition.pointer_mut(pointer).unwrap_or_else(|| panic!("the stack has nothing at {pointer}"))
    }
}

/// An edit of the reference stack gives exactly these changes, and nothing is left to do after apply.
#[track_caller]
fn edit(acme: &Acme, stack: &mut Edited, what: &str, change: impl FnOnce(&mut Edited), expected: &[&str]) {
    change(stack);
    let path = stack.path();
    let plan = acme.plan(&path);
    assert_eq!(plan.changes(), expected, "{what}: {:#}", plan.0);
    acme.apply(&path);
    acme.settled(&path);
}

fn reference_flow(kind: StandinKind) {
    let standin = Standin::start(kind);
    let proxy = Proxy::start(&standin.url, Faults::default());
    let acme = Acme::on(&proxy.url).with(&["--env", "production"]);
    let reference = stack("reference.yaml");

    acme.apply(&reference);
    at_most("apply from nothing", &proxy.take(), 156, 80);
    let done = acme.run("plan", &reference, &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    at_most("plan with nothing to do", &proxy.take(), 56, 0);

    every_edit(kind, &acme, &mut Edited::of(&reference));

    // Back to the reference, so that what destroy takes is known.
    acme.apply(&reference);
    acme.settled(&reference);
    proxy.take();
    acme.destroy(&reference);
    at_most("destroy", &proxy.take(), 128, 60);
    assert_eq!(standin.everything(), json!({}), "something is left");
    let plan = acme.plan(&reference);
    assert!(plan.changes().iter().all(|change| change.starts_with("create ")), "{:#}", plan.0);
}

fn every_edit(kind: StandinKind, acme: &Acme, stack: &mut Edited) {
    let nat = |s: &mut Edited| s.set("/environments/production/nat", json!("single"));
    let expected = [
        "delete elastic_ip.nat-b",
        "delete elastic_ip.nat-c",
        "delete nat_gateway.b",
        "delete nat_gateway.c",
        "update route_table.private-b",
        "update route_table.private-c",
    ];
    edit(acme, stack, "one NAT gateway instead of three", nat, &expected);
    if kind == StandinKind::Moto {
        let logs = |s: &mut Edited| s.set("/cluster/log_types", json!(["api", "audit"]));
        edit(acme, stack, "the cluster's log types", logs, &["update eks_cluster.main"]);
    }
    let rule = |s: &mut Edited| s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
    edit(acme, stack, "one rule of a security group", rule, &["update security_group.database"]);
    let class = |s: &mut Edited| s.set("/environments/production/db_class", json!("db.m6g.xlarge"));
    edit(acme, stack, "the database's class", class, &["update rds_instance.orders"]);
    let record = |s: &mut Edited| s.set("/dns/records/mail/values/0", json!("20 mail.example.com"));
    edit(acme, stack, "a record's value", record, &["update dns_record.mail"]);
    let registry = |s: &mut Edited| s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment", "stock"]));
    edit(acme, stack, "one repository less", registry, &["delete ecr_repository.service-user"]);
}

#[test]
fn the_reference_stack_on_moto() {
    reference_flow(StandinKind::Moto);
}

#[test]
fn the_reference_stack_on_ministack() {
    reference_flow(StandinKind::Ministack);
}

#[test]
fn the_reference_stack_with_addons_on_ministack() {
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::on(&standin.url).with(&["--env", "production", "--set", "addons=true"]);
    let reference = stack("reference.yaml");
    acme.apply(&reference);
    acme.settled(&reference);
    acme.destroy(&reference);
    assert_eq!(standin.everything(), json!({}), "something is left");
}

#[test]
fn a_thousand_subnets_are_planned_in_twenty_calls() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults::default());
    let acme = Acme::on(&proxy.url).with(&["--set", "n=1000"]);
    let scale = stack("scale.yaml");
    acme.apply(&scale);
    proxy.take();
    acme.settled(&scale);
    at_most("plan of 2,001 resources with nothing to do", &proxy.take(), 20, 0);
}

#[test]
fn every_third_call_is_throttled() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { throttle_every: Some(3), ..Faults::default() });
    through(&standin, &proxy);
}

#[test]
fn every_third_call_is_not_answered_if_it_reads() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { broken_read_every: Some(3), ..Faults::default() });
    through(&standin, &proxy);
}

#[test]
fn reads_lag_behind_writes() {
    let standin = Standin::start(StandinKind::Ministack);
    let lag = [("ec2", Duration::from_secs(2)), ("iam", Duration::from_secs(8))].into();
    let proxy = Proxy::start(&standin.url, Faults { lag, ..Faults::default() });
    through(&standin, &proxy);
}

/// Through a proxy that makes trouble, apply and destroy come out right; seen without the trouble.
fn through(standin: &Standin, proxy: &Proxy) {
    let reference = stack("reference.yaml");
    let (acme, plain) = (Acme::on(&proxy.url).with(&["--env", "production"]), Acme::on(&standin.url).with(&["--env", "production"]));
    acme.apply(&reference);
    assert!(proxy.take().0.iter().any(|seen| seen.fault), "the proxy made no trouble");
    plain.settled(&reference);
    let everything = standin.everything();
    let lists = everything.as_object().expect("lists by type").iter();
    let counts: Vec<String> = lists.map(|(name, list)| format!("{} {name}", list.as_array().map_or(0, Vec::len))).collect();
    insta::assert_snapshot!("what_the_reference_stack_is", counts.join("\n"));
    acme.destroy(&reference);
    assert_eq!(standin.everything(), json!({}), "something is left");
}
