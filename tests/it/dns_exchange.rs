//! Records of one name that change their type or routing: one change batch, and never a moment without a record.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    acme::{Acme, write_file},
    exclusive::any_plan,
};

struct Dns {
    folder: tempfile::TempDir,
    acme: Acme,
}

const SIMPLE: &str = "www: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1] }";
const CNAME: &str = "www: { zone: main, domain: www.example.com, type: CNAME, values: [old.example.net] }";
const WEIGHTED: &str = "www: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1], set_identifier: blue, weight: 90 }
    green: { zone: main, domain: www.example.com, type: A, values: [192.0.2.2], set_identifier: green, weight: 10 }";
const FAILOVER: &str = "www: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1], set_identifier: blue, failover: PRIMARY }
    green: { zone: main, domain: www.example.com, type: A, values: [192.0.2.2], set_identifier: green, failover: SECONDARY }";
const ALIAS: &str = "www: { zone: main, domain: www.example.com, type: A, alias: { target: '{{ load_balancer.web.dns_name }}',
      zone_id: '{{ load_balancer.web.zone_id }}' } }
    www-ipv6: { zone: main, domain: www.example.com, type: AAAA, values: ['2001:db8::1'] }
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  load_balancer: { web: { subnets: [a, b], security_groups: [web], internal: true, deletion_protection: false } }";

impl Dns {
    fn new() -> Dns {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        Dns { folder, acme }
    }
    fn define(&self, records: &str) -> PathBuf {
        let text = format!(
            "stack: shop\nregion: eu-west-1\nresources:\n  dns_zone: {{ main: {{ domain: example.com }} }}\n  dns_record:\n    {records}\n"
        );
        write_file(self.folder.path(), "stack.yaml", &text)
    }
    fn apply(&self, records: &str) {
        let path = self.define(records);
        self.acme.apply(&path);
        self.acme.assert_no_changes(&path);
    }
    /// Every line of the cloud's file about a record.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("cloud/cloud.jsonl")).unwrap();
        let all = text.lines().map(|line| serde_json::from_str(line).unwrap());
        all.filter(|entry: &Value| entry["type_name"] == "dns_record").collect()
    }
    /// Asserts that at no time between the first record and the last there was none, or two that exclude each other: the simulated cloud refuses
    /// the latter, so only gaps are left to check.
    fn assert_no_gap(&self) {
        let lines = self.lines();
        for deleted in lines.iter().filter(|entry| !entry["deletion"].is_null()) {
            let gone = &deleted["deletion"][1];
            let follows = |other: &&Value| {
                other["deletion"].is_null() && (other["created_at"] == *gone || other["created_at"].as_u64() < gone.as_u64())
            };
            let still = lines.iter().filter(follows).filter(|other| other["id"] != deleted["id"]);
            assert!(still.count() > 0, "{deleted:#}");
        }
    }
    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for entry in self.lines() {
            let id = entry["id"].as_str().unwrap().rsplit_once("www.example.com").unwrap().1.to_owned();
            ids.retain(|known| *known != id);
            if entry["deletion"].is_null() {
                ids.push(id);
            }
        }
        ids.sort();
        ids
    }
}

#[test]
fn a_cname_becomes_an_alias_when_its_target_exists() {
    let dns = Dns::new();
    dns.apply(CNAME);
    let plan = any_plan(&dns.acme, &dns.define(ALIAS));
    let change = plan.0["changes"].as_array().unwrap().iter().find(|change| change["address"] == "dns_record.www").unwrap().clone();
    assert_eq!(change["replacement_order"], "exchange", "{change:#}");
    assert_eq!(change["exchanged_with"], serde_json::json!(["dns_record.www", "dns_record.www-ipv6"]), "{change:#}");
    dns.apply(ALIAS);
    assert_eq!(dns.ids(), ["/A/", "/AAAA/"]);
    dns.assert_no_gap();
    dns.apply(CNAME);
    assert_eq!(dns.ids(), ["/CNAME/"]);
    dns.assert_no_gap();
}

/// As of any other replacement, both halves count: in the plan, in the outcome and in the history.
#[test]
fn an_exchanged_record_counts_as_replaced() {
    let dns = Dns::new();
    dns.apply(CNAME);
    let path = dns.define(SIMPLE);
    let plan = any_plan(&dns.acme, &path);
    assert_eq!((&plan.0["summary"]["replace"], &plan.0["summary"]["create"]), (&1.into(), &0.into()), "{:#}", plan.0);
    let shown = dns.acme.run("plan", &path, &[]).assert_success().stdout;
    assert!(shown.contains("Plan: 1 to replace"), "{shown}");
    let summary = dns.folder.path().join("summary.md");
    let file = summary.display().to_string();
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", file.as_str())];
    let done = dns.acme.run_with_env(&variables, "apply", &path, &["--yes"]).assert_success();
    assert!(done.stderr.contains("Done: 1 created, 1 deleted in"), "{}", done.combined_output());
    assert!(std::fs::read_to_string(summary).unwrap().contains("1 created, 1 deleted"));
    let history = dns.acme.run("history", &path, &["-o", "json"]).assert_success().stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    let last = &history["revisions"][0]["counts"];
    assert_eq!((&last["create"], &last["delete"]), (&1.into(), &1.into()), "{history:#}");

    // Under another key, there are two changes.
    let moved = dns.define(&CNAME.replace("www: {", "web: {"));
    let done = dns.acme.run("apply", &moved, &["--yes"]).assert_success();
    assert!(done.stderr.contains("Done: 1 created, 1 deleted in"), "{}", done.combined_output());
}

#[test]
fn routing_policies_change_in_one_call() {
    let dns = Dns::new();
    for (records, ids) in [
        (SIMPLE, vec!["/A/"]),
        (WEIGHTED, vec!["/A/blue", "/A/green"]),
        (FAILOVER, vec!["/A/blue", "/A/green"]),
        (CNAME, vec!["/CNAME/"]),
        (WEIGHTED, vec!["/A/blue", "/A/green"]),
        (SIMPLE, vec!["/A/"]),
    ] {
        dns.apply(records);
        assert_eq!(dns.ids(), ids);
    }
    dns.assert_no_gap();
}

#[test]
fn a_record_of_another_type_under_another_key_takes_over() {
    let dns = Dns::new();
    dns.apply(CNAME);
    dns.apply(&SIMPLE.replace("www: {", "web: {"));
    assert_eq!(dns.ids(), ["/A/"]);
    dns.assert_no_gap();
}

/// What happens to the call: a fault, and whether the exchange took effect nevertheless.
fn run_with_fault(fault: &str, expected: &[&str]) {
    let dns = Dns::new();
    dns.apply(CNAME);
    let path = dns.define(&WEIGHTED.replace("www: {", "blue: {"));
    let plan = any_plan(&dns.acme, &path);
    assert_eq!(plan.changes(), ["create dns_record.blue", "create dns_record.green", "delete dns_record.www"]);
    let done = dns.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", &path, &["--yes"]);
    assert_eq!(dns.ids(), expected, "{fault}: {}", done.combined_output());
    dns.assert_no_gap();
    if fault.starts_with("crash") {
        dns.acme.run("rollback", &path, &["--yes"]).assert_success();
        assert_eq!(dns.ids(), ["/CNAME/"], "{fault}");
        dns.assert_no_gap();
        dns.acme.apply(&path);
        assert_eq!(dns.ids(), ["/A/blue", "/A/green"], "{fault}");
    }
    dns.assert_no_gap();
}

#[test]
fn an_exchange_is_refused_lost_or_killed_as_a_whole() {
    run_with_fault("refuse:1", &["/CNAME/"]);
    run_with_fault("lost:1", &["/A/blue", "/A/green"]);
    run_with_fault("crash-before:1", &["/CNAME/"]);
    run_with_fault("crash-after:1", &["/A/blue", "/A/green"]);
}

/// A later step fails: the records go back in one call, too.
#[test]
fn a_rollback_exchanges_back() {
    let dns = Dns::new();
    dns.apply(CNAME);
    let more = format!("{}\n  secret: {{ late: {{ depends_on: [dns_record.blue] }} }}", WEIGHTED.replace("www: {", "blue: {"));
    let path = dns.define(&more);
    let done = dns.acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:2")], "apply", &path, &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert_eq!(dns.ids(), ["/CNAME/"], "{}", done.combined_output());
    let created = dns.lines().iter().filter(|entry| entry["deletion"].is_null()).count();
    assert!(created >= 4, "the exchange and its return: {created} lines");
    dns.assert_no_gap();
}

#[test]
fn records_that_exclude_each_other_are_refused_before_the_first_call() {
    let refused = |records: &str| {
        let dns = Dns::new();
        let done = Acme::without_cloud().run("validate", &dns.define(records), &[]);
        assert_ne!(done.code, 0, "{records}");
        assert!(done.combined_output().contains("can't exist beside"), "{}", done.combined_output());
    };
    let green = WEIGHTED.lines().nth(1).unwrap();
    refused(&format!("{CNAME}\n    other: {{ zone: main, domain: WWW.example.com, type: TXT, values: [x] }}"));
    refused(&format!("{SIMPLE}\n{green}"));
    refused(&format!("{}\n{}", FAILOVER.lines().next().unwrap(), green));
}
