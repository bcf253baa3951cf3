//! Upgrades of a cluster: what EKS knows about the next version, and the states of its updates.

use serde_json::{Value, json};

use super::eks::{CLUSTER, addon, cluster, update_started};
use crate::scripted_endpoint::{Answer, Script, ok, xml};

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
        .on(INSIGHTS, [insights(&[("1.34", "ERROR")]), insights(&[])])
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
    assert_eq!(asked, [json!(["1.33"]), json!(["1.34"])]);
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
        .on_containing("DescribeSubnets", "SubnetId.1", [subnets(4), subnets(9)])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on("GET /clusters/-/addons/-", [addon("v1.11.0-eksbuild.1"), addon("v1.12.4-eksbuild.1")])
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
        let compatibility = |cluster: &&str| {
            json!({ "clusterVersion": cluster, "platformVersions": ["*"], "defaultVersion": *is_default && Some(cluster) == clusters.last() })
        };
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

#[test]
fn an_addon_stays_without_an_upgrade_of_the_cluster() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [at("1.34")])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(ADDONS, [addon_at("v1.11.0-eksbuild.1")])
        .start(&format!("{CLUSTER}{ADDON}"));
    assert!(endpoint.planned_changes().is_empty());
    assert_eq!(endpoint.call_count("GET /addons/-?addonName"), 0);
}
