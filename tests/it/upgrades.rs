//! Upgrades of a cluster by several minor versions: step by step, each after its gates.

use std::path::Path;

use serde_json::Value;

use crate::acme::{Acme, CommandOutput, write_file};

const STACK: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
cluster:
  version: '1.34'
  subnets: [a, b]
  deletion_protection: false
  node_groups: { main: { subnets: [a, b], min: 1, max: 3 } }
  addons: { coredns: {} }
";

/// A stack whose cluster has a version, on a simulated cloud of its own.
struct Upgrade {
    folder: tempfile::TempDir,
    acme: Acme,
}

impl Upgrade {
    fn new() -> Upgrade {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud"));
        let upgrade = Upgrade { acme, folder };
        upgrade.acme.apply(&upgrade.stack("1.34"));
        upgrade
    }
    fn stack(&self, version: &str) -> std::path::PathBuf {
        write_file(self.folder.path(), "stack.yaml", &STACK.replace("1.34", version))
    }
    /// Applies the version 1.36 with a fault.
    fn apply(&self, fault: &str) -> CommandOutput {
        self.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", &self.stack("1.36"), &["--yes"])
    }
    /// Versions of the control plane and the nodes.
    fn versions(&self) -> [String; 2] {
        let shown = self.acme.run("show", &self.folder.path().join("stack.yaml"), &["--live", "-o", "json"]).assert_success();
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let of = |type_name: &str| {
            let one = shown["resources"].as_array().expect("a list").iter().find(|one| one["type"] == type_name);
            one.and_then(|one| one["spec"]["version"].as_str()).unwrap_or_default().to_owned()
        };
        [of("eks_cluster"), of("eks_node_group")]
    }
}

/// Steps of a run: `eks_cluster.main` once for each version.
fn steps(done: &CommandOutput) -> Vec<String> {
    let events = done.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["event"] == "step_done").map(|event| event["address"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn plans_an_upgrade_by_several_versions_as_one_change_in_steps() {
    let upgrade = Upgrade::new();
    let plan = upgrade.acme.plan(&upgrade.stack("1.36"));
    assert_eq!(plan.changes(), ["update eks_cluster.main", "update eks_node_group.main"]);
    let changes = plan.0["changes"].as_array().expect("a list");
    for change in changes {
        let versions: Vec<_> = change["stages"].as_array().expect("steps").iter().map(|stage| (&stage["from"], &stage["to"])).collect();
        assert_eq!(versions, [(&"1.34".into(), &"1.35".into()), (&"1.35".into(), &"1.36".into())], "{change:#}");
    }
    let shown = upgrade.acme.run("plan", &upgrade.stack("1.36"), &[]).assert_success();
    for part in
        ["step: 1.34 → 1.35, after the gates insights, removed_apis, addons, nodes, addresses", "disruption_budgets", "within 7 days"]
    {
        assert!(shown.stdout.contains(part), "`{part}` is missing in {}", shown.stdout);
    }
    let done = upgrade.acme.run("apply", &upgrade.stack("1.36"), &["--yes", "-o", "json"]).assert_success();
    assert_eq!(steps(&done), ["eks_cluster.main", "eks_node_group.main", "eks_cluster.main", "eks_node_group.main"]);
    upgrade.acme.assert_no_changes(&upgrade.stack("1.36"));
    let back = upgrade.acme.run("plan", &upgrade.stack("1.34"), &[]);
    assert!(back.combined_output().contains("Blocked[one-way]"), "{}", back.combined_output());
}

#[test]
fn stops_at_the_step_of_a_gate_that_fails_and_goes_on_once_it_is_open() {
    let upgrade = Upgrade::new();
    let stopped = |gate: &str, words: &str, versions: [&str; 2]| {
        let done = upgrade.apply(&format!("gate:{gate}"));
        assert_eq!(done.code, 4, "{gate}: {}", done.combined_output());
        for part in [format!("gate `{gate}`"), words.to_owned(), "apply again".to_owned()] {
            assert!(done.stderr.contains(&part), "`{part}` is missing in {}", done.combined_output());
        }
        assert_eq!(upgrade.versions(), versions, "{gate}");
    };
    stopped("insights", "Deprecated APIs removed", ["1.34", "1.34"]);
    stopped("removed_apis", "flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema", ["1.34", "1.34"]);
    stopped("addons", "`coredns` v1 does not run with it, v2 does", ["1.34", "1.34"]);
    stopped("nodes", "ip-10-0-0-1 has v1.31.1", ["1.34", "1.34"]);
    stopped("addresses", "which have 3", ["1.34", "1.34"]);
    // The control plane has its first version, and stays there.
    stopped("disruption_budgets", "shop/web", ["1.35", "1.34"]);
    // The nodes follow; the next version of the control plane has its own gates.
    stopped("insights", "Kubernetes 1.36", ["1.35", "1.35"]);
    stopped("disruption_budgets", "shop/web", ["1.36", "1.35"]);
    upgrade.apply("").assert_success();
    assert_eq!(upgrade.versions(), ["1.36", "1.36"]);
    upgrade.acme.assert_no_changes(&upgrade.stack("1.36"));
}

/// Each kill is a new process: what it did before stays, and the next run continues.
#[test]
fn continues_after_a_kill_at_every_call() {
    for fault in ["crash-before", "crash-after"] {
        let upgrade = Upgrade::new();
        let mut kills = 0;
        loop {
            let done = upgrade.apply(&format!("{fault}:{}", if fault == "crash-before" { 2 } else { 1 }));
            if done.code == 0 {
                break;
            }
            kills += 1;
            assert!(kills < 6, "{}", done.combined_output());
        }
        assert!(kills >= 3, "{kills} kills");
        assert_eq!(upgrade.versions(), ["1.36", "1.36"], "{fault}");
        upgrade.acme.assert_no_changes(&upgrade.stack("1.36"));
    }
}

#[test]
fn leaves_out_the_gates_that_the_definition_skips() {
    let upgrade = Upgrade::new();
    let text = STACK.replace("'1.34'", "'1.35'\n  skip_upgrade_gates: [insights]");
    let stack = write_file(upgrade.folder.path(), "stack.yaml", &text);
    let done = upgrade.acme.run_with_env(&[("ACME_LOCAL_FAULT", "gate:insights")], "apply", &stack, &["--yes"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert_eq!(upgrade.versions(), ["1.35", "1.35"]);
}

/// A rollback keeps the version that the control plane has reached.
#[test]
fn a_rollback_says_what_it_keeps() {
    let upgrade = Upgrade::new();
    assert_eq!(upgrade.apply("gate:disruption_budgets").code, 4);
    let path: &Path = &upgrade.stack("1.36");
    let done = upgrade.acme.run("rollback", path, &["--yes"]);
    assert!(done.combined_output().contains("AWS rolls back only the last minor version"), "{}", done.combined_output());
    assert_eq!(upgrade.versions(), ["1.35", "1.34"]);
}

/// They may prepare the upgrade, even those that the definition orders after the nodes.
#[test]
fn changes_in_the_cluster_come_before_its_upgrade() {
    let upgrade = Upgrade::new();
    let object = |version: &str, data: &str, api: &str| {
        let objects = format!(
            "
  kubernetes_object:
    flow: {{ cluster: main, manifest: {{ apiVersion: flowcontrol.apiserver.k8s.io/{api}, kind: FlowSchema, metadata: {{ name: flow }} }} }}
    config:
      cluster: main
      depends_on: [eks_node_group.main]
      manifest: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: config, namespace: default }}, data: {{ a: {data} }} }}
cluster:"
        );
        let text = STACK.replace("1.34", version).replace("\ncluster:", &objects);
        write_file(upgrade.folder.path(), "stack.yaml", &text)
    };
    upgrade.acme.apply(&object("1.34", "one", "v1beta3"));
    let stopped = upgrade.acme.run("apply", &object("1.35", "one", "v1beta3"), &["--yes"]);
    assert_eq!(stopped.code, 4, "{}", stopped.combined_output());
    assert!(stopped.stderr.contains("has flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema"), "{}", stopped.combined_output());
    let done = upgrade.acme.run("apply", &object("1.35", "two", "v1"), &["--yes", "-o", "json"]).assert_success();
    let steps = steps(&done);
    assert_eq!(steps[steps.len() - 2..], ["eks_cluster.main", "eks_node_group.main"], "{steps:?}");
    assert_eq!(upgrade.versions(), ["1.35", "1.35"]);
    upgrade.acme.assert_no_changes(&object("1.35", "two", "v1"));
}
