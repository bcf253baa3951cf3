//! Upgrades of a cluster by several minor versions: step by step, each after its gates.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

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
    /// One whose add-ons have versions, which only the first apply sets.
    fn with_addons(addons: &str) -> Upgrade {
        let upgrade = Upgrade::new();
        upgrade.acme.apply(&upgrade.stack_with_addons("1.34", addons));
        upgrade
    }
    fn stack(&self, version: &str) -> PathBuf {
        self.stack_with_addons(version, "coredns: {}")
    }
    fn stack_with_addons(&self, version: &str, addons: &str) -> PathBuf {
        let text = STACK.replace("version: '1.34'", &format!("version: '{version}'")).replace("coredns: {}", addons);
        write_file(self.folder.path(), "stack.yaml", &text)
    }
    /// Applies the version 1.36 with a fault.
    fn apply(&self, fault: &str) -> CommandOutput {
        self.apply_stack(&self.stack("1.36"), fault)
    }
    fn apply_stack(&self, stack: &Path, fault: &str) -> CommandOutput {
        self.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", stack, &["--yes"])
    }
    /// Versions of the control plane and the nodes.
    fn versions(&self) -> [String; 2] {
        ["eks_cluster.main", "eks_node_group.main"].map(|address| self.version_of(address))
    }
    fn version_of(&self, address: &str) -> String {
        self.live(address)["spec"]["version"].as_str().unwrap_or_default().to_owned()
    }
    fn live(&self, address: &str) -> Value {
        let shown = self.acme.run("show", &self.folder.path().join("stack.yaml"), &["--live", "-o", "json"]).assert_success();
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let all = shown["resources"].as_array().expect("a list");
        all.iter().find(|one| one["tags"]["acme:address"] == address).cloned().unwrap_or_default()
    }
}

/// Add-ons with the versions that 1.34 has here.
const ADDONS: &str = "coredns: { version: v1.12.4-eksbuild.1 }, kube-proxy: { version: v1.34.6-eksbuild.13 }";
/// The same without versions.
const FOLLOWING: &str = "coredns: {}, kube-proxy: {}";

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

/// What the simulated cloud holds is real here: an old API, an old add-on, and nodes of another stack. The rest are faults.
#[test]
fn every_gate_stops_the_upgrade_at_its_step_until_its_cause_is_fixed() {
    let upgrade = Upgrade::new();
    let stack = |version: &str, api: &str, addons: &str| {
        let flow = format!(
            "
  kubernetes_object:
    flow: {{ cluster: main, manifest: {{ apiVersion: flowcontrol.apiserver.k8s.io/{api}, kind: FlowSchema, metadata: {{ name: flow }} }} }}
cluster:"
        );
        let text = STACK.replace("version: '1.34'", &format!("version: '{version}'")).replace("\ncluster:", &flow);
        write_file(upgrade.folder.path(), "stack.yaml", &text.replace("coredns: {}", addons))
    };
    let old_addon = "coredns: { version: v1.12.4-eksbuild.1 }";
    upgrade.acme.apply(&stack("1.34", "v1beta3", old_addon));
    let [subnet, role] = [("subnet.a", "/id"), ("iam_role.nodes", "/outputs/arn")].map(|(address, at)| {
        let live = upgrade.live(address);
        live.pointer(at).and_then(Value::as_str).expect("a text").to_owned()
    });
    let other_nodes = |version: &str| {
        let text = format!(
            "
stack: other
region: eu-west-1
resources:
  eks_node_group:
    old:
      cluster: {{ id: shop-main }}
      role: {role}
      subnets: [{{ id: {subnet} }}]
      version: '{version}'
      min: 1
      max: 1
"
        );
        write_file(upgrade.folder.path(), "other.yaml", &text)
    };
    upgrade.acme.apply(&other_nodes("1.32"));

    let stops = |stack: &Path, fault: &str, closed: &[(&str, &str)], versions: [&str; 2]| {
        let done = upgrade.apply_stack(stack, fault);
        assert_eq!(done.code, 4, "{closed:?}: {}", done.combined_output());
        for (gate, reason) in closed {
            for part in [format!("gate `{gate}`"), (*reason).to_owned(), "apply again".to_owned()] {
                assert!(done.stderr.contains(&part), "`{part}` is missing in {}", done.combined_output());
            }
        }
        let gates = ["insights", "removed_apis", "addons", "nodes", "addresses", "disruption_budgets"];
        for open in gates.into_iter().filter(|gate| closed.iter().all(|(closed, _)| closed != gate)) {
            assert!(!done.stderr.contains(&format!("gate `{open}`")), "{open} is open: {}", done.combined_output());
        }
        assert_eq!(upgrade.versions(), versions, "{closed:?}");
    };
    let (api, addon) =
        (("removed_apis", "FlowSchema"), ("addons", "`coredns` v1.12.4-eksbuild.1 does not run with it, v1.13.2-eksbuild.7 does"));
    let insight = ("insights", "Deprecated API usage detected in Kubernetes 1.35");
    stops(&stack("1.36", "v1beta3", old_addon), "gate:insights", &[insight, api, addon], ["1.34", "1.34"]);
    stops(&stack("1.36", "v1beta3", old_addon), "", &[api, addon], ["1.34", "1.34"]);
    stops(&stack("1.36", "v1", old_addon), "", &[addon], ["1.34", "1.34"]);
    let fixed = stack("1.36", "v1", "coredns: {}");
    stops(&fixed, "gate:addresses", &[("addresses", "which have 3")], ["1.34", "1.34"]);
    stops(&fixed, "gate:disruption_budgets", &[("disruption_budgets", "shop/web")], ["1.35", "1.34"]);
    // The nodes of the other stack were new enough for 1.35.
    let nodes = ("nodes", "the node group other-old has 1.32; upgrade or replace these nodes to 1.33 at least");
    stops(&fixed, "", &[nodes], ["1.35", "1.35"]);
    upgrade.acme.apply(&other_nodes("1.34"));
    let insight = ("insights", "Deprecated API usage detected in Kubernetes 1.36");
    stops(&fixed, "gate:insights", &[insight], ["1.35", "1.35"]);
    stops(&fixed, "gate:disruption_budgets", &[("disruption_budgets", "shop/web")], ["1.36", "1.35"]);
    upgrade.apply_stack(&fixed, "").assert_success();
    assert_eq!(upgrade.versions(), ["1.36", "1.36"]);
    assert_eq!(upgrade.version_of("eks_addon.coredns"), "v1.14.2-eksbuild.4");
    upgrade.acme.assert_no_changes(&fixed);
}

/// A plan makes no change, so closed gates are no failure.
#[test]
fn a_plan_shows_which_gates_are_closed_now() {
    let upgrade = Upgrade::new();
    let plan = |fault: &str, more: &[&str]| upgrade.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "plan", &upgrade.stack("1.36"), more);
    let faults = "gate:insights,gate:disruption_budgets";
    let shown = plan(faults, &[]).assert_success();
    for part in [
        "closed now: gate `insights` of Kubernetes 1.35: EKS reports an error for Kubernetes 1.35",
        "closed now: gate `insights` of Kubernetes 1.36",
        "refresh the insights of the cluster, and apply again",
        "closed now: gate `disruption_budgets` of the nodes: the disruption budgets of shop/web allow no eviction",
    ] {
        assert!(shown.stdout.contains(part), "`{part}` is missing in {}", shown.stdout);
    }
    assert_eq!(shown.stdout.matches("closed now").count(), 3, "the budgets are shown once: {}", shown.stdout);
    let json: Value = serde_json::from_str(&plan(faults, &["-o", "json"]).assert_success().stdout).expect("JSON");
    let gates: Vec<_> = json["gates"].as_array().expect("a list").iter().map(|gates| (&gates["address"], &gates["to"])).collect();
    let [cluster, nodes] = ["eks_cluster.main", "eks_node_group.main"].map(Value::from);
    assert_eq!(gates, [(&cluster, &"1.35".into()), (&cluster, &"1.36".into()), (&nodes, &"1.35".into())]);

    let open = plan("", &[]).assert_success();
    assert!(!open.stdout.contains("closed now"), "{}", open.stdout);
    let exit_code = |fault: &str| plan(fault, &["--detailed-exitcode"]).code;
    assert_eq!(exit_code(faults), exit_code(""));
    // A saved plan applies although a gate was closed when it was made.
    let saved = upgrade.folder.path().join("saved.json");
    let saved = saved.to_str().expect("a path");
    plan(faults, &["--out", saved]).assert_success();
    upgrade.acme.run("apply", Path::new(saved), &["--yes"]).assert_success();
    assert_eq!(upgrade.versions(), ["1.36", "1.36"]);
}

/// What the plan itself fixes before the step is no closed gate.
#[test]
fn a_plan_counts_what_it_changes_before_a_step() {
    let upgrade = Upgrade::with_addons(ADDONS);
    let stack = |version: &str, api: &str, addons: &str| {
        let flow = format!(
            "
  kubernetes_object:
    flow: {{ cluster: main, manifest: {{ apiVersion: flowcontrol.apiserver.k8s.io/{api}, kind: FlowSchema, metadata: {{ name: flow }} }} }}
cluster:"
        );
        let text = STACK.replace("version: '1.34'", &format!("version: '{version}'")).replace("\ncluster:", &flow);
        write_file(upgrade.folder.path(), "stack.yaml", &text.replace("coredns: {}", addons))
    };
    upgrade.acme.apply(&stack("1.34", "v1beta3", ADDONS));
    let closed = |api: &str, addons: &str| {
        let shown = upgrade.acme.run("plan", &stack("1.36", api, addons), &[]).assert_success().stdout;
        let gates = ["removed_apis", "addons", "nodes"].into_iter();
        gates.filter(|gate| shown.contains(&format!("closed now: gate `{gate}`"))).collect::<Vec<_>>()
    };
    assert_eq!(closed("v1beta3", ADDONS), ["removed_apis", "addons"]);
    assert_eq!(closed("v1", ADDONS), ["addons"]);
    assert!(closed("v1", FOLLOWING).is_empty());
}

/// Kubernetes 1.35 and 1.36 need other versions of CoreDNS; kube-proxy runs with both.
#[test]
fn addons_without_a_version_follow_the_cluster() {
    let upgrade = Upgrade::with_addons(ADDONS);
    let wanted = upgrade.stack_with_addons("1.36", FOLLOWING);
    let plan = upgrade.acme.plan(&wanted);
    assert_eq!(plan.changes(), ["update eks_addon.coredns", "update eks_cluster.main", "update eks_node_group.main"]);
    let addon = &plan.0["changes"].as_array().expect("a list")[0];
    let at = |version: &str| json!({ "address": "eks_cluster.main", "version": version });
    let expected = json!([
        { "from": "v1.12.4-eksbuild.1", "to": "v1.13.2-eksbuild.7", "gates": [], "at": at("1.34") },
        { "from": "v1.13.2-eksbuild.7", "to": "v1.14.2-eksbuild.4", "gates": [], "at": at("1.35") },
    ]);
    assert_eq!(addon["stages"], expected);
    let shown = upgrade.acme.run("plan", &wanted, &[]).assert_success();
    for part in [
        "version: v1.12.4-eksbuild.1 → v1.14.2-eksbuild.4",
        "impact: its pods restart",
        "step: v1.12.4-eksbuild.1 → v1.13.2-eksbuild.7, while eks_cluster.main has 1.34",
    ] {
        assert!(shown.stdout.contains(part), "`{part}` is missing in {}", shown.stdout);
    }
    let done = upgrade.acme.run("apply", &wanted, &["--yes", "-o", "json"]).assert_success();
    let expected =
        ["eks_addon.coredns", "eks_cluster.main", "eks_addon.coredns", "eks_node_group.main", "eks_cluster.main", "eks_node_group.main"];
    assert_eq!(steps(&done), expected);
    assert_eq!(upgrade.version_of("eks_addon.coredns"), "v1.14.2-eksbuild.4");
    assert_eq!(upgrade.version_of("eks_addon.kube-proxy"), "v1.34.6-eksbuild.13");
    upgrade.acme.assert_no_changes(&wanted);
}

#[test]
fn an_addon_that_runs_with_the_next_version_stays() {
    let upgrade = Upgrade::with_addons("coredns: { version: v1.13.2-eksbuild.7 }");
    let plan = upgrade.acme.plan(&upgrade.stack("1.35"));
    assert_eq!(plan.changes(), ["update eks_cluster.main", "update eks_node_group.main"]);
    assert!(upgrade.acme.plan(&upgrade.stack("1.34")).changes().is_empty(), "without an upgrade, nothing changes");
}

/// One with a version of its own passes the versions between, too.
#[test]
fn addons_reach_the_version_of_the_definition_over_those_between() {
    let upgrade = Upgrade::with_addons(ADDONS);
    let wanted = upgrade.stack_with_addons("1.36", &ADDONS.replace("v1.12.4-eksbuild.1", "v1.14.2-eksbuild.4"));
    let done = upgrade.acme.run("apply", &wanted, &["--yes", "-o", "json"]).assert_success();
    let steps = steps(&done);
    assert_eq!(steps[..3], ["eks_addon.coredns", "eks_cluster.main", "eks_addon.coredns"], "{steps:?}");
    upgrade.acme.assert_no_changes(&wanted);
}

#[test]
fn other_changes_of_an_addon_come_with_its_first_step() {
    let upgrade = Upgrade::with_addons(ADDONS);
    let wanted = upgrade.stack_with_addons("1.35", "coredns: { configuration: { replicaCount: 3 } }, kube-proxy: {}");
    let plan = upgrade.acme.plan(&wanted);
    let fields = plan.changed_fields("eks_addon.coredns");
    assert_eq!(fields.iter().map(String::as_str).collect::<Vec<_>>(), ["/configuration", "/version"]);
    let done = upgrade.acme.run("apply", &wanted, &["--yes", "-o", "json"]).assert_success();
    assert_eq!(steps(&done), ["eks_addon.coredns", "eks_cluster.main", "eks_node_group.main"]);
    upgrade.acme.assert_no_changes(&wanted);
}

/// A rollback keeps the version of an add-on only if the control plane keeps its own.
#[test]
fn a_rollback_keeps_the_version_of_an_addon_with_that_of_the_cluster() {
    let upgrade = Upgrade::with_addons(ADDONS);
    let wanted = upgrade.stack_with_addons("1.36", FOLLOWING);
    assert_eq!(upgrade.apply_stack(&wanted, "gate:insights").code, 4);
    assert_eq!(upgrade.version_of("eks_addon.coredns"), "v1.13.2-eksbuild.7");
    upgrade.acme.run("rollback", &wanted, &["--yes"]).assert_success();
    assert_eq!(upgrade.version_of("eks_addon.coredns"), "v1.12.4-eksbuild.1");
    assert_eq!(upgrade.apply_stack(&wanted, "gate:disruption_budgets").code, 4);
    let done = upgrade.acme.run("rollback", &wanted, &["--yes"]);
    let kept = "keeps version v1.14.2-eksbuild.4: after an upgrade of the cluster";
    assert!(done.combined_output().contains(kept), "{}", done.combined_output());
    assert_eq!([upgrade.version_of("eks_cluster.main"), upgrade.version_of("eks_addon.coredns")], ["1.35", "v1.14.2-eksbuild.4"]);
}

/// Each kill is a new process: what it did before stays, and the next run continues.
#[test]
fn continues_after_a_kill_at_every_call() {
    for fault in ["crash-before", "crash-after"] {
        let upgrade = Upgrade::with_addons(ADDONS);
        let wanted = upgrade.stack_with_addons("1.36", FOLLOWING);
        let mut kills = 0;
        loop {
            let done = upgrade.apply_stack(&wanted, &format!("{fault}:{}", if fault == "crash-before" { 2 } else { 1 }));
            if done.code == 0 {
                break;
            }
            kills += 1;
            assert!(kills < 8, "{}", done.combined_output());
        }
        assert!(kills >= 5, "{kills} kills");
        assert_eq!(upgrade.versions(), ["1.36", "1.36"], "{fault}");
        assert_eq!(upgrade.version_of("eks_addon.coredns"), "v1.14.2-eksbuild.4", "{fault}");
        upgrade.acme.assert_no_changes(&wanted);
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
        let text = STACK.replace("version: '1.34'", &format!("version: '{version}'")).replace("\ncluster:", &objects);
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
