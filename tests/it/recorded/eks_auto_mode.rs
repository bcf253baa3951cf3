//! EKS Auto Mode: AWS enables and disables its three parts in one call.

use serde_json::{Value, json};

use super::eks::{CLUSTER, cluster, update_started};
use crate::{
    acme::{Acme, write_file},
    scripted_endpoint::{Script, json_error},
};

const CONFIG: &str = "POST /clusters/-/update-config";
const NODE_ROLE: &str = "arn:aws:iam::123456789012:role/auto-nodes";

fn with_auto_mode(fields: &str) -> String {
    format!("{CLUSTER}      auto_mode: {{ {fields} }}\n")
}

/// What DescribeCluster shows of it.
fn enabled(pools: &[&str]) -> Value {
    json!({
        "computeConfig": { "enabled": true, "nodePools": pools, "nodeRoleArn": NODE_ROLE },
        "storageConfig": { "blockStorage": { "enabled": true } },
        "kubernetesNetworkConfig": { "serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4", "elasticLoadBalancing": { "enabled": true } },
    })
}

/// The three parts of a request.
fn parts(sent: &Value) -> [&Value; 3] {
    [&sent["computeConfig"], &sent["storageConfig"], &sent["kubernetesNetworkConfig"]["elasticLoadBalancing"]]
}

#[test]
fn a_new_cluster_has_all_three_parts_and_no_self_managed_add_ons() {
    let missing = json_error(404, "ResourceNotFoundException", "No cluster found for name: shop-main.");
    let active = cluster(enabled(&["general-purpose", "system"]));
    let endpoint = Script::new()
        .on("GET /clusters/-", [missing])
        .on("POST /clusters", [cluster(json!({ "status": "CREATING" }))])
        .after("POST /clusters")
        .on("GET /clusters/-", [active])
        .start(&with_auto_mode(&format!("node_role: {NODE_ROLE}")));
    endpoint.apply();
    let sent = &endpoint.request_bodies("POST /clusters")[0];
    let compute = json!({ "enabled": true, "nodePools": ["general-purpose", "system"], "nodeRoleArn": NODE_ROLE });
    assert_eq!(parts(sent), [&compute, &json!({ "blockStorage": { "enabled": true } }), &json!({ "enabled": true })]);
    assert_eq!(sent["bootstrapSelfManagedAddons"], false);
}

#[test]
fn an_existing_cluster_gets_it_in_one_call() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster(json!({}))])
        .on(CONFIG, [update_started("AutoModeUpdate")])
        .after(CONFIG)
        .on("GET /clusters/-", [cluster(json!({ "status": "UPDATING" })), cluster(enabled(&["system"]))])
        .start(&with_auto_mode(&format!("node_pools: [system], node_role: {NODE_ROLE}")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {CONFIG}")]);
    let sent = &endpoint.request_bodies(CONFIG)[0];
    let compute = json!({ "enabled": true, "nodePools": ["system"], "nodeRoleArn": NODE_ROLE });
    assert_eq!(parts(sent), [&compute, &json!({ "blockStorage": { "enabled": true } }), &json!({ "enabled": true })]);
}

/// It was never set: what somebody enabled outside acme is left alone.
#[test]
fn a_cluster_keeps_what_the_definition_never_set() {
    let endpoint = Script::new().on("GET /clusters/-", [cluster(enabled(&["system"]))]).start(CLUSTER);
    assert!(endpoint.planned_changes().is_empty());
}

#[test]
fn another_role_of_the_nodes_replaces_the_cluster() {
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster(enabled(&["system"]))])
        .start(&with_auto_mode("node_pools: [system], node_role: arn:aws:iam::123456789012:role/other"));
    let done = endpoint.run("plan", &[]);
    assert!(done.combined_output().contains("protected"), "{}", done.combined_output());
}

/// Validates a definition; returns what it says.
fn validate(resources: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("stack: shop\nregion: eu-west-1\nresources:\n{resources}");
    Acme::without_cloud().run("validate", &write_file(folder.path(), "stack.yaml", &text), &[]).combined_output()
}

#[test]
fn mistakes_are_reported_at_their_lines() {
    let cases = [
        (with_auto_mode(""), "built-in node pools need a role for their nodes"),
        (with_auto_mode(&format!("node_role: {NODE_ROLE}")).replace("1.34", "1.28"), "EKS Auto Mode needs Kubernetes 1.29 or newer"),
        (with_auto_mode(&format!("node_role: {NODE_ROLE}")) + "      authentication_mode: CONFIG_MAP\n", "needs access entries"),
    ];
    for (resources, message) in cases {
        let said = validate(resources.trim_start_matches('\n'));
        assert!(said.contains(message) && said.contains("stack.yaml:"), "{message}: {said}");
    }
    let role = "  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] }, policies: [AmazonEKSClusterPolicy] } }\n";
    let resources = with_auto_mode(&format!("node_role: {NODE_ROLE}")).replace("arn:aws:iam::123456789012:role/cluster", "cluster");
    let said = validate(&format!("{role}{}", resources.trim_start_matches('\n')));
    for message in ["AmazonEKSBlockStoragePolicy, AmazonEKSComputePolicy", "does not allow `sts:TagSession`"] {
        assert!(said.contains(message), "{message}: {said}");
    }
}

/// The section adds the roles that it needs.
#[test]
fn the_section_of_a_cluster_adds_both_roles() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "stack: shop\nregion: eu-west-1\nnetwork: {}\ncluster: { version: \"1.34\", auto_mode: {} }\n";
    let definition = write_file(folder.path(), "stack.yaml", text);
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&definition);
    acme.assert_no_changes(&definition);
    let expanded = acme.run("show", &definition, &["--expanded"]).assert_success().stdout;
    for part in ["AmazonEKSComputePolicy", "sts:TagSession", "AmazonEKSWorkerNodeMinimalPolicy", "node_role: iam_role.auto-nodes"] {
        assert!(expanded.contains(part), "{part}: {expanded}");
    }
    // Without it, AWS disables all three parts.
    let off = write_file(folder.path(), "stack.yaml", &text.replace(", auto_mode: {}", ""));
    assert!(acme.plan(&off).changed_fields("eks_cluster.main").contains("/auto_mode"));
    acme.apply(&off);
    acme.assert_no_changes(&off);
}
