//! Upgrades of a cluster: what EKS knows about the next version, and the states of its updates.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::eks::{CLUSTER, GROUP, addon, cluster, group, update_started};
use crate::{
    scripted_endpoint::{Answer, Script, json_error, ok, xml},
    wire::{Response, Server},
};

const INSIGHTS: &str = "POST /clusters/-/insights";
const INSIGHT: &str = "GET /clusters/-/insights/-";
const UPDATE: &str = "POST /clusters/-/updates";

fn at(version: &str) -> Answer {
    cluster(json!({ "version": version }))
}

fn updating(version: &str) -> Answer {
    cluster(json!({ "version": version, "status": "UPDATING" }))
}

fn insights(found: &[(&str, &str)]) -> Answer {
    let one = |(version, status): &(&str, &str)| {
        json!({
            "id": "a1b2", "name": "Deprecated APIs removed in Kubernetes v1.34", "category": "UPGRADE_READINESS", "kubernetesVersion": version,
            "lastRefreshTime": 1_763_700_000.5, "insightStatus": { "status": status, "reason": "Deprecated API usage detected." },
        })
    };
    ok(json!({ "insights": found.iter().map(one).collect::<Value>() }))
}

/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeInsight.html>
fn insight() -> Answer {
    ok(json!({ "insight": {
        "id": "a1b2", "name": "Deprecated APIs removed in Kubernetes v1.34", "category": "UPGRADE_READINESS", "kubernetesVersion": "1.34",
        "insightStatus": { "status": "ERROR", "reason": "Deprecated API usage detected within last 30 days." },
        "recommendation": "Update manifests and API clients to use newer Kubernetes APIs.",
    }}))
}

#[test]
fn an_error_among_the_insights_stops_an_upgrade_before_its_call() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.33")])
        // For the plan, before the step, and for the next run.
        .on(INSIGHTS, [insights(&[("1.34", "ERROR")]), insights(&[("1.34", "ERROR")]), insights(&[])])
        .on(INSIGHT, [insight()])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .start(CLUSTER);
    let stopped = endpoint.run("apply", &["--yes"]);
    assert_eq!(stopped.code, 4, "{}", stopped.combined_output());
    for part in
        ["gate `insights`", "within last 30 days", "Update manifests and API clients", "skip_upgrade_gates: [insights]", "acme apply"]
    {
        assert!(stopped.stderr.contains(part), "`{part}` is missing in {}", stopped.combined_output());
    }
    assert!(endpoint.writes().is_empty(), "{:?}", endpoint.writes());
    let filter = json!({ "categories": ["UPGRADE_READINESS"], "kubernetesVersions": ["1.34"], "statuses": ["ERROR"] });
    assert_eq!(endpoint.request_bodies(INSIGHTS)[0]["filter"], filter);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}")]);
}

/// EKS refuses to skip a version.
#[test]
fn upgrades_by_two_versions_with_two_calls() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.32")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.32"), at("1.33")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .start(&format!("{CLUSTER}      force_upgrade: true\n"));
    endpoint.apply();
    let versions: Vec<(Value, Value)> =
        endpoint.request_bodies(UPDATE).into_iter().map(|body| (body["version"].clone(), body["force"].clone())).collect();
    assert_eq!(versions, [(json!("1.33"), json!(true)), (json!("1.34"), json!(true))]);
    let asked: Vec<Value> =
        endpoint.request_bodies(INSIGHTS).into_iter().map(|body| body["filter"]["kubernetesVersions"].clone()).collect();
    assert_eq!(asked.len(), 4, "once for the plan, and once before each step");
    assert_eq!(asked[2..], [json!(["1.33"]), json!(["1.34"])]);
}

/// A run was killed after its call: the next one waits, and calls no second time.
#[test]
fn waits_for_an_upgrade_that_is_under_way() {
    let endpoint = Script::new().on("GET /clusters/-", [updating("1.33"), updating("1.33"), at("1.34")]).start(CLUSTER);
    endpoint.apply();
    assert!(endpoint.writes().is_empty(), "{:?}", endpoint.writes());
}

#[test]
fn an_upgrade_needs_free_addresses_and_addons_that_run_with_both_versions() {
    let subnet = |free: u32| format!("<item><subnetId>subnet-1</subnetId><availableIpAddressCount>{free}</availableIpAddressCount></item>");
    let subnets = |free| xml(format!("<DescribeSubnetsResponse><subnetSet>{}</subnetSet></DescribeSubnetsResponse>", subnet(free)));
    let version = |version: &str, clusters: &[&str]| {
        let clusters: Value = clusters.iter().map(|cluster| json!({ "clusterVersion": cluster, "platformVersions": ["*"] })).collect();
        json!({ "addonVersion": version, "compatibilities": clusters })
    };
    let offered = json!([version("v1.12.4-eksbuild.1", &["1.33", "1.34"]), version("v1.11.0-eksbuild.1", &["1.32", "1.33"])]);
    let addon = |version: &str| ok(json!({ "addon": { "addonName": "coredns", "clusterName": "shop-main", "addonVersion": version } }));
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.33")])
        .on_containing("DescribeSubnets", "SubnetId.1", [subnets(4), subnets(4), subnets(9)])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on("GET /clusters/-/addons/-", [addon("v1.11.0-eksbuild.1"), addon("v1.11.0-eksbuild.1"), addon("v1.12.4-eksbuild.1")])
        .on("GET /addons/-?addonName", [ok(json!({ "addons": [{ "addonName": "coredns", "addonVersions": offered }] }))])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .start(CLUSTER);
    let stopped = endpoint.run("apply", &["--yes"]);
    assert_eq!(stopped.code, 4, "{}", stopped.combined_output());
    for part in
        ["gate `addons`", "`coredns` v1.11.0-eksbuild.1 does not run with it, v1.12.4-eksbuild.1 does", "gate `addresses`", "which have 4"]
    {
        assert!(stopped.stderr.contains(part), "`{part}` is missing in {}", stopped.combined_output());
    }
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}")]);
}

const ADDON: &str = "  eks_addon:\n    dns: { cluster: main, addon: coredns }\n";
const ADDONS: &str = "GET /clusters/-/addons/-";
const UPDATE_ADDON: &str = "POST /clusters/-/addons/-/update";

/// Versions as DescribeAddonVersions returns them: version, versions of Kubernetes, and whether it is the default of the last one.
fn offered(versions: &[(&str, &[&str], bool)]) -> Answer {
    let version = |(version, clusters, is_default): &(&str, &[&str], bool)| {
        let compatibility = |cluster: &&str| json!({ "clusterVersion": cluster, "platformVersions": ["*"], "defaultVersion": *is_default && Some(cluster) == clusters.last() });
        let compatibilities: Value = clusters.iter().map(compatibility).collect();
        json!({ "addonVersion": version, "architecture": ["amd64", "arm64"], "compatibilities": compatibilities, "requiresConfiguration": false })
    };
    let versions: Value = versions.iter().map(version).collect();
    ok(json!({ "addons": [{ "addonName": "coredns", "type": "networking", "addonVersions": versions }] }))
}

fn addon_at(version: &str) -> Answer {
    addon(json!({ "addonVersion": version }))
}

#[test]
fn an_addon_without_a_version_is_updated_before_the_control_plane() {
    let versions = offered(&[
        ("v1.13.2-eksbuild.7", &["1.33", "1.34"], false),
        ("v1.12.4-eksbuild.1", &["1.33", "1.34"], true),
        ("v1.11.0-eksbuild.1", &["1.32", "1.33"], true),
    ]);
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.33")])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(ADDONS, [addon_at("v1.11.0-eksbuild.1")])
        .on("GET /addons/-?addonName", [versions])
        .on(UPDATE_ADDON, [update_started("AddonUpdate")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE_ADDON)
        .on(ADDONS, [addon(json!({ "addonVersion": "v1.12.4-eksbuild.1", "status": "UPDATING" })), addon_at("v1.12.4-eksbuild.1")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .start(&format!("{CLUSTER}{ADDON}"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE_ADDON}"), format!("200 {UPDATE}")]);
    let sent = &endpoint.request_bodies(UPDATE_ADDON)[0];
    assert_eq!((&sent["addonVersion"], &sent["resolveConflicts"]), (&json!("v1.12.4-eksbuild.1"), &json!("OVERWRITE")), "AWS's default");
    assert_eq!(sent.get("configurationValues"), None, "it keeps its own");
}

#[test]
fn an_addon_without_a_version_for_both_sides_is_updated_after_the_control_plane() {
    let versions = offered(&[
        ("v1.13.2-eksbuild.7", &["1.34"], false),
        ("v1.12.4-eksbuild.1", &["1.34"], true),
        ("v1.11.0-eksbuild.1", &["1.33"], true),
    ]);
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.33")])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(ADDONS, [addon_at("v1.11.0-eksbuild.1")])
        .on("GET /addons/-?addonName", [versions])
        .on(UPDATE_ADDON, [update_started("AddonUpdate")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .after(UPDATE_ADDON)
        .on(ADDONS, [addon_at("v1.12.4-eksbuild.1")])
        .start(&format!("{CLUSTER}{ADDON}"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}"), format!("200 {UPDATE_ADDON}")]);
    assert_eq!(endpoint.request_bodies(UPDATE_ADDON)[0]["addonVersion"], "v1.12.4-eksbuild.1");
}

/// The first run ends after the control plane, which has its version.
#[test]
fn an_addon_that_an_unfinished_run_left_behind_is_updated_by_the_next_one() {
    let versions = offered(&[("v1.12.4-eksbuild.1", &["1.34"], true), ("v1.11.0-eksbuild.1", &["1.33"], true)]);
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.33")])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(ADDONS, [addon_at("v1.11.0-eksbuild.1")])
        .on("GET /addons/-?addonName", [versions])
        .on(UPDATE_ADDON, [json_error(400, "InvalidParameterException", "not now"), update_started("AddonUpdate")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .after(UPDATE_ADDON)
        .on(ADDONS, [addon_at("v1.12.4-eksbuild.1")])
        .start(&format!("{CLUSTER}{ADDON}"));
    let ended = endpoint.run("apply", &["--yes", "--no-rollback"]);
    assert_eq!(ended.code, 3, "{}", ended.combined_output());
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}"), format!("400 {UPDATE_ADDON}")]);
    endpoint.apply();
    assert_eq!(endpoint.writes()[2..], [format!("200 {UPDATE_ADDON}")]);
}

#[test]
fn an_addon_stays_without_an_upgrade_of_the_cluster() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.34")])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(ADDONS, [addon_at("v1.11.0-eksbuild.1")])
        .start(&format!("{CLUSTER}{ADDON}"));
    assert!(endpoint.planned_changes().is_empty());
    for gate in ["GET /addons/-?addonName", INSIGHTS, "GET /clusters/-/node-groups"] {
        assert_eq!(endpoint.call_count(gate), 0, "{gate}");
    }
}

/// The lists of a Kubernetes API, by path.
struct KubernetesApi {
    server: Server,
    lists: Arc<Mutex<BTreeMap<&'static str, Value>>>,
}

impl KubernetesApi {
    fn start() -> KubernetesApi {
        let lists: Arc<Mutex<BTreeMap<&str, Value>>> = Arc::default();
        let served = lists.clone();
        let server = Server::start(move |request| {
            let path = request.path.split('?').next().unwrap_or_default();
            let items = served.lock().expect("the lists").get(path).cloned().unwrap_or_else(|| json!([]));
            let list = json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items });
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            Ok(Response { status: 200, headers, body: list.to_string().into_bytes() })
        });
        KubernetesApi { server, lists }
    }
    fn set(&self, path: &'static str, items: Value) {
        self.lists.lock().expect("the lists").insert(path, items);
    }
    /// The cluster of which this is the API.
    fn at(&self, other: Value) -> Answer {
        let mut fields = json!({ "endpoint": self.server.url, "certificateAuthority": { "data": "" } });
        fields.as_object_mut().expect("fields").extend(other.as_object().expect("fields").clone());
        cluster(fields)
    }
}

/// Nodes, the kinds that a stack has, and budgets: only the API of Kubernetes knows them.
#[test]
fn gates_that_read_the_cluster_stop_an_upgrade_until_their_cause_is_fixed() {
    const UPDATE_NODES: &str = "POST /clusters/-/node-groups/-/update-version";
    let kubernetes = KubernetesApi::start();
    let cluster_at = |version: &str| kubernetes.at(json!({ "version": version }));
    let group_at = |version: &str, status: &str| group(json!({ "version": version, "status": status, "releaseVersion": null }));
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster_at("1.33")])
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [group_at("1.33", "ACTIVE")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .on(UPDATE_NODES, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [kubernetes.at(json!({ "version": "1.33", "status": "UPDATING" })), cluster_at("1.34")])
        .after(UPDATE_NODES)
        .on("GET /clusters/-/node-groups/-", [group_at("1.33", "UPDATING"), group_at("1.34", "ACTIVE")])
        .start(&format!("{CLUSTER}{}", GROUP.replace("{ id: shop-main }", "main")));
    let stops = |gate: &str, reason: &str, writes: &[String]| {
        let stopped = endpoint.run("apply", &["--yes"]);
        assert_eq!(stopped.code, 4, "{}", stopped.combined_output());
        for part in [&format!("gate `{gate}`"), reason, "apply again"] {
            assert!(stopped.stderr.contains(part), "`{part}` is missing in {}", stopped.combined_output());
        }
        assert_eq!(endpoint.writes(), writes, "{gate}");
    };

    let node = |version: &str| json!([{ "metadata": { "name": "ip-10-0-0-1.ec2.internal" }, "status": { "nodeInfo": { "kubeletVersion": version } } }]);
    kubernetes.set("/api/v1/nodes", node("v1.30.14-eksbuild.8"));
    stops("nodes", "ip-10-0-0-1.ec2.internal has v1.30.14-eksbuild.8; upgrade or replace these nodes to 1.31 at least", &[]);

    kubernetes.set("/api/v1/nodes", node("v1.33.5-eksbuild.2"));
    let inventory = |kind: &str| json!([{ "metadata": { "name": "acme-other-default", "namespace": "kube-system", "labels": { "acme/stack": "other" } }, "data": { kind: "" } }]);
    kubernetes.set("/api/v1/configmaps", inventory("flowcontrol.apiserver.k8s.io_v1beta3_FlowSchema"));
    let reason = "an object of the stack other has flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema, instead of which there is";
    stops("removed_apis", reason, &[]);

    kubernetes.set("/api/v1/configmaps", inventory("flowcontrol.apiserver.k8s.io_v1_FlowSchema"));
    let budget = |name: &str, allowed: u32, pods: u32| {
        let status = json!({ "expectedPods": pods, "currentHealthy": pods, "desiredHealthy": pods - allowed.min(pods), "disruptionsAllowed": allowed });
        json!({ "metadata": { "name": name, "namespace": "web" }, "status": status })
    };
    kubernetes
        .set("/apis/policy/v1/poddisruptionbudgets", json!([budget("shop", 0, 2), budget("wide", 1, 2), budget("without-pods", 0, 0)]));
    let first = [format!("200 {UPDATE}")];
    stops("disruption_budgets", "the disruption budgets of web/shop allow no eviction", &first);

    kubernetes.set("/apis/policy/v1/poddisruptionbudgets", json!([budget("shop", 1, 3)]));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}"), format!("200 {UPDATE_NODES}")]);
}

/// A cluster that can't be reached from here is upgraded all the same, with a note.
#[test]
fn gates_that_cannot_be_read_are_noted() {
    let endpoint = Script::new()
        .on(
            "GET /clusters/-",
            [cluster(json!({ "version": "1.33", "endpoint": "http://127.0.0.1:9", "certificateAuthority": { "data": "" } }))],
        )
        .on(INSIGHTS, [json_error(403, "AccessDeniedException", "not authorized to perform: eks:ListInsights")])
        .on(UPDATE, [update_started("VersionUpdate")])
        .after(UPDATE)
        .on("GET /clusters/-", [updating("1.33"), at("1.34")])
        .start(CLUSTER);
    let done = endpoint.apply();
    for part in ["the insights were not checked", "eks:ListInsights", "the nodes were not checked", "the objects were not checked"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}")]);
}
