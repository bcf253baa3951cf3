//! Resources in a cluster: AWS may remove or reset settings that a change omits, and can't reverse some changes.

use serde_json::{Value, json};

use super::eks::{CLUSTER, GROUP, addon, cluster, group, unsupported_addon, update_started};
use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const ROLE: &str = "arn:aws:iam::123456789012:role/pods";

/// An add-on that is installed after the resource at this address, and fails.
fn failing_addon_after(address: &str) -> String {
    format!(
        "  eks_addon:\n    dns: {{ cluster: {{ id: shop-main }}, addon: coredns, configuration: {{ after: \"{{{{ {address} }}}}\" }} }}\n"
    )
}

/// Without a version, AWS uses the cluster's; with an image from the template, it accepts none.
#[test]
fn keeps_the_node_group_version_when_the_launch_template_changes() {
    let version = "POST /clusters/-/node-groups/-/update-version";
    for (image, kept) in [("AL2023_x86_64_STANDARD", json!("1.33")), ("CUSTOM", Value::Null)] {
        let state = |template: &str| {
            let template = json!({ "id": "lt-1", "name": "nodes", "version": template });
            group(json!({ "version": "1.33", "amiType": image, "diskSize": null, "launchTemplate": template }))
        };
        let endpoint = Script::new()
            .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
            .on("GET /clusters/-/node-groups/-", [state("1")])
            .on(version, [update_started("VersionUpdate")])
            .after(version)
            .on("GET /clusters/-/node-groups/-", [state("2")])
            .start(&GROUP.replace("version: \"1.34\"", "launch_template: { id: lt-1 }\n      launch_template_version: \"2\""));
        endpoint.apply();
        let sent = &endpoint.request_bodies(version)[0];
        assert_eq!((&sent["version"], &sent["launchTemplate"]), (&kept, &json!({ "id": "lt-1", "version": "2" })), "{image}");
    }
}

/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html>: "You cannot roll back a node group to an earlier
/// Kubernetes version or AMI version".
#[test]
fn rollback_keeps_the_release_version_of_a_node_group() {
    let version = "POST /clusters/-/node-groups/-/update-version";
    let endpoint = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [group(json!({}))])
        .on(version, [update_started("VersionUpdate")])
        .on("POST /clusters/-/addons", [unsupported_addon()])
        .after(version)
        .on("GET /clusters/-/node-groups/-", [group(json!({ "releaseVersion": "1.34.2-20261115" }))])
        .start(&format!("{GROUP}      release_version: 1.34.2-20261115\n{}", failing_addon_after("eks_node_group.main.arn")));
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.combined_output().contains("keeps release_version 1.34.2-20261115"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [format!("200 {version}"), "400 POST /clusters/-/addons".to_owned()]);
}

/// UpdateAddon removes an omitted role, even one that the definition does not manage.
#[test]
fn keeps_an_undeclared_addon_role() {
    let action = "POST /clusters/-/addons/-/update";
    let state =
        |replicas: u8| addon(json!({ "configurationValues": format!("{{\"replicaCount\":{replicas}}}"), "serviceAccountRoleArn": ROLE }));
    let endpoint = Script::new()
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on("GET /clusters/-/addons/-", [state(2)])
        .on(action, [update_started("AddonUpdate")])
        .after(action)
        .on("GET /clusters/-/addons/-", [state(3)])
        .start("  eks_addon:\n    dns: { cluster: { id: shop-main }, addon: coredns, configuration: { replicaCount: 3 } }\n");
    endpoint.apply();
    assert_eq!(endpoint.request_bodies(action)[0]["serviceAccountRoleArn"], ROLE);
}

fn access_entry(kind: &str) -> Answer {
    let arn = "arn:aws:eks:us-east-1:123456789012:access-entry/shop-main/role/123456789012/pods/60c0";
    ok(json!({ "accessEntry": {
        "clusterName": "shop-main",
        "principalArn": ROLE,
        "kubernetesGroups": [],
        "accessEntryArn": arn,
        "tags": ownership_tags("eks_access_entry.pods"),
        "username": "arn:aws:sts::123456789012:assumed-role/pods/{{SessionName}}",
        "type": kind,
    } }))
}

/// A cluster with permissions in a config map rejects listing entries, until it is changed to support them.
#[test]
fn switches_a_cluster_from_config_map_to_access_entries() {
    let (config, entries) = ("POST /clusters/-/update-config", "POST /clusters/-/access-entries");
    let message = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.";
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster(json!({ "accessConfig": { "authenticationMode": "CONFIG_MAP" } }))])
        .on("GET /clusters/-/access-entries", [json_error(400, "InvalidRequestException", message)])
        .on(config, [update_started("AccessConfigUpdate")])
        .on(entries, [access_entry("STANDARD")])
        .after(config)
        .on("GET /clusters/-", [cluster(json!({}))])
        .on("GET /clusters/-/access-entries", [ok(json!({ "accessEntries": [] }))])
        .after(entries)
        .on("GET /clusters/-/access-entries", [ok(json!({ "accessEntries": [ROLE] }))])
        .on("GET /clusters/-/access-entries/-", [access_entry("STANDARD")])
        .start(&format!("{CLUSTER}  eks_access_entry:\n    pods: {{ cluster: main, principal_arn: \"{ROLE}\" }}\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [config, entries].map(|action| format!("200 {action}")));
}

/// <https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html>: AmazonEKSAutoNodePolicy.
#[test]
fn associates_the_policy_of_auto_mode_nodes() {
    let (entries, policies) = ("POST /clusters/-/access-entries", "POST /clusters/-/access-entries/-/access-policies");
    let arn = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy";
    let policy = json!({ "policyArn": arn, "accessScope": { "type": "cluster", "namespaces": [] } });
    let endpoint = Script::new()
        .on(entries, [access_entry("EC2")])
        .on(policies, [ok(json!({ "associatedAccessPolicy": policy }))])
        .after(entries)
        .on("GET /clusters/-/access-entries", [ok(json!({ "accessEntries": [ROLE] }))])
        .on("GET /clusters/-/access-entries/-", [access_entry("EC2")])
        .on("GET /clusters/-/access-entries/-/access-policies", [ok(json!({ "associatedAccessPolicies": [policy] }))])
        .start(&format!(
            "  eks_access_entry:\n    pods:\n      cluster: {{ id: shop-main }}\n      principal_arn: {ROLE}\n      type: EC2\n      \
             policies: [{{ policy: AmazonEKSAutoNodePolicy }}]\n"
        ));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [entries, policies].map(|action| format!("200 {action}")));
}

/// UpdatePodIdentityAssociation keeps an omitted target role; an empty value removes it.
#[test]
fn rollback_removes_an_added_target_role() {
    let update = "POST /clusters/-/pod-identity-associations/-";
    let target = "arn:aws:iam::210987654321:role/target";
    let state = |target: Value| {
        ok(json!({ "association": {
            "clusterName": "shop-main",
            "associationId": "a-1",
            "associationArn": "arn:aws:eks:us-east-1:123456789012:podidentityassociation/shop-main/a-1",
            "namespace": "shop",
            "serviceAccount": "web",
            "roleArn": ROLE,
            "targetRoleArn": target,
            "disableSessionTags": false,
            "tags": ownership_tags("eks_pod_identity.web"),
        } }))
    };
    let endpoint = Script::new()
        .on(
            "GET /clusters/-/pod-identity-associations",
            [ok(json!({ "associations": [{ "clusterName": "shop-main", "associationId": "a-1" }] }))],
        )
        .on("GET /clusters/-/pod-identity-associations/-", [state(Value::Null)])
        .on(update, [state(json!(target))])
        .on("POST /clusters/-/addons", [unsupported_addon()])
        .after(update)
        .on("GET /clusters/-/pod-identity-associations/-", [state(json!(target))])
        .after(update)
        .on("GET /clusters/-/pod-identity-associations/-", [state(Value::Null)])
        .start(&format!(
            "  eks_pod_identity:\n    web: {{ cluster: {{ id: shop-main }}, namespace: shop, service_account: web, role: \"{ROLE}\", \
             target_role: \"{target}\" }}\n{}",
            failing_addon_after("eks_pod_identity.web.arn")
        ));
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let sent: Vec<Value> = endpoint.request_bodies(update).into_iter().map(|body| body["targetRoleArn"].clone()).collect();
    assert_eq!(sent, [target, ""]);
}
