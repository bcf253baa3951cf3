//! EKS: every change takes minutes, a cluster accepts one kind of change at a time, and failures are explained in the health status.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

pub(super) const CLUSTER: &str = "
  eks_cluster:
    main:
      version: \"1.34\"
      role: arn:aws:iam::123456789012:role/cluster
      subnets: [{ id: subnet-1 }, { id: subnet-2 }]
";

pub(super) const GROUP: &str = "
  eks_node_group:
    main:
      cluster: { id: shop-main }
      role: arn:aws:iam::123456789012:role/node
      subnets: [{ id: subnet-1 }]
      version: \"1.34\"
      min: 1
      max: 5
";

const ADDON: &str = "
  eks_addon:
    dns: { cluster: { id: shop-main }, addon: coredns, configuration: { replicaCount: 3 } }
";

/// `base` with other values at some keys.
fn with_fields(mut base: Value, other: Value) -> Value {
    let other: serde_json::Map<_, _> = serde_json::from_value(other).expect("an object");
    base.as_object_mut().expect("an object").extend(other);
    base
}

/// A cluster as DescribeCluster shows it once it is active.
pub(super) fn cluster(other: Value) -> Answer {
    let disabled = json!([{ "types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": false }]);
    let cluster = json!({
        "name": "shop-main",
        "arn": "arn:aws:eks:us-east-1:123456789012:cluster/shop-main",
        "createdAt": 1_763_700_000.123,
        "version": "1.34",
        "endpoint": "https://ABCDEF.gr7.us-east-1.eks.amazonaws.com",
        "roleArn": "arn:aws:iam::123456789012:role/cluster",
        "resourcesVpcConfig": network(true, true),
        "kubernetesNetworkConfig": { "serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4", "elasticLoadBalancing": { "enabled": false } },
        "logging": { "clusterLogging": disabled },
        "identity": { "oidc": { "issuer": "https://oidc.eks.us-east-1.amazonaws.com/id/ABCDEF" } },
        "status": "ACTIVE",
        "certificateAuthority": { "data": "LS0t" },
        "platformVersion": "eks.9",
        "tags": ownership_tags("eks_cluster.main"),
        "health": { "issues": [] },
        "accessConfig": { "authenticationMode": "API_AND_CONFIG_MAP" },
        "upgradePolicy": { "supportType": "EXTENDED" },
        "zonalShiftConfig": { "enabled": false },
        "computeConfig": { "enabled": false },
        "deletionProtection": true,
    });
    ok(json!({ "cluster": with_fields(cluster, other) }))
}

fn network(public: bool, private: bool) -> Value {
    json!({
        "subnetIds": ["subnet-1", "subnet-2"],
        "securityGroupIds": [],
        "clusterSecurityGroupId": "sg-1",
        "vpcId": "vpc-1",
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": ["0.0.0.0/0"],
    })
}

fn no_cluster() -> Answer {
    json_error(404, "ResourceNotFoundException", "No cluster found for name: shop-main.")
}

pub(super) fn update_started(kind: &str) -> Answer {
    ok(
        json!({ "update": { "id": "8a6c", "status": "InProgress", "type": kind, "params": [], "createdAt": 1_763_700_000.5, "errors": [] } }),
    )
}

pub(super) fn group(other: Value) -> Answer {
    let group = json!({
        "nodegroupName": "shop-main",
        "nodegroupArn": "arn:aws:eks:us-east-1:123456789012:nodegroup/shop-main/shop-main/60c0",
        "clusterName": "shop-main",
        "version": "1.34",
        "releaseVersion": "1.34.2-20261101",
        "status": "ACTIVE",
        "capacityType": "ON_DEMAND",
        "scalingConfig": { "minSize": 1, "maxSize": 5, "desiredSize": 2 },
        "instanceTypes": ["t3.medium"],
        "subnets": ["subnet-1"],
        "amiType": "AL2023_x86_64_STANDARD",
        "nodeRole": "arn:aws:iam::123456789012:role/node",
        "diskSize": 20,
        "health": { "issues": [] },
        "updateConfig": { "maxUnavailable": 1 },
        "tags": ownership_tags("eks_node_group.main"),
    });
    ok(json!({ "nodegroup": with_fields(group, other) }))
}

pub(super) fn addon(other: Value) -> Answer {
    let addon = json!({
        "addonName": "coredns",
        "clusterName": "shop-main",
        "status": "ACTIVE",
        "addonVersion": "v1.12.4-eksbuild.1",
        "health": { "issues": [] },
        "addonArn": "arn:aws:eks:us-east-1:123456789012:addon/shop-main/coredns/60c0",
        "configurationValues": "{\"replicaCount\":3}",
        "tags": ownership_tags("eks_addon.dns"),
    });
    ok(json!({ "addon": with_fields(addon, other) }))
}

/// An add-on that AWS can't install: earlier steps of the run are undone.
pub(super) fn unsupported_addon() -> Answer {
    json_error(400, "InvalidParameterException", "Addon coredns specified is not supported in 1.34 kubernetes version")
}

#[test]
fn uses_a_cluster_only_once_it_is_active() {
    let creating = || {
        let mut network = network(true, true);
        network.as_object_mut().expect("an object").remove("clusterSecurityGroupId");
        cluster(
            json!({ "status": "CREATING", "endpoint": null, "certificateAuthority": {}, "identity": null, "resourcesVpcConfig": network }),
        )
    };
    let unknown = json_error(400, "InvalidParameterException", "roleArn, arn:aws:iam::123456789012:role/cluster, does not exist");
    let endpoint = Script::new()
        .on("GET /clusters/-", [no_cluster()])
        .on("POST /clusters", [unknown, creating()])
        .after("POST /clusters")
        .on("GET /clusters/-", [no_cluster(), creating(), creating(), cluster(json!({}))])
        .start(&format!("{CLUSTER}outputs: {{ url: \"{{{{ eks_cluster.main.endpoint }}}}\" }}\n"));
    let done = endpoint.apply();
    assert!(done.stderr.contains("eks_cluster.main: CREATING"), "{}", done.combined_output());
    assert!(done.stdout.contains("https://ABCDEF.gr7.us-east-1.eks.amazonaws.com"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["400 POST /clusters", "200 POST /clusters"], "a new role is not visible everywhere at once");
    let sent = &endpoint.request_bodies("POST /clusters")[1];
    assert_eq!(*sent, endpoint.request_bodies("POST /clusters")[0], "the same token makes it the same request");
    assert_eq!(sent["tags"], json!(ownership_tags("eks_cluster.main")));
    assert_eq!(sent["resourcesVpcConfig"]["subnetIds"], json!(["subnet-1", "subnet-2"]));
    assert_eq!((&sent["name"], &sent["deletionProtection"]), (&json!("shop-main"), &json!(true)));
    assert!(sent["clientRequestToken"].is_string(), "{sent}");
}

/// AWS does not change a failed cluster, and deletes it even if it is protected:
/// <https://docs.aws.amazon.com/eks/latest/userguide/deletion-protection.html>.
#[test]
fn reports_why_a_cluster_failed_and_deletes_it() {
    let (config, delete) = ("POST /clusters/-/update-config", "DELETE /clusters/-");
    let issue = json!({ "code": "Ec2SubnetNotFound", "message": "The subnet subnet-2 was not found.", "resourceIds": ["subnet-2"] });
    let failed = cluster(json!({ "status": "FAILED", "health": { "issues": [issue] } }));
    let inactive = json_error(400, "InvalidRequestException", "Cluster 'shop-main' is not in ACTIVE status");
    let endpoint = Script::new()
        .on("GET /clusters/-", [no_cluster()])
        .on("POST /clusters", [cluster(json!({ "status": "CREATING" }))])
        .after("POST /clusters")
        .on("GET /clusters/-", [cluster(json!({ "status": "CREATING" })), failed])
        .on(config, [inactive])
        .on(delete, [cluster(json!({ "status": "DELETING" }))])
        .after(delete)
        .on("GET /clusters/-", [cluster(json!({ "status": "DELETING" })), no_cluster()])
        .start(CLUSTER);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("FAILED: Ec2SubnetNotFound: The subnet subnet-2 was not found. (subnet-2)"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 POST /clusters".to_owned(), format!("400 {config}"), format!("200 {delete}")]);
}

/// A resource of the failed run has no data yet, so acme disables its protection; until then, AWS rejects the deletion.
#[test]
fn deletes_a_new_cluster_after_lifting_its_protection() {
    let (addons, config, delete) = ("POST /clusters/-/addons", "POST /clusters/-/update-config", "DELETE /clusters/-");
    let protected = json_error(400, "InvalidRequestException", "Cluster shop-main has deletion protection enabled.");
    let endpoint = Script::new()
        .on("GET /clusters/-", [no_cluster()])
        .on("POST /clusters", [cluster(json!({ "status": "CREATING" }))])
        .on(addons, [unsupported_addon()])
        .on(config, [update_started("DeletionProtectionUpdate")])
        .on(delete, [protected, cluster(json!({ "status": "DELETING" }))])
        .after("POST /clusters")
        .on("GET /clusters/-", [cluster(json!({}))])
        .after(delete)
        .on("GET /clusters/-", [no_cluster()])
        .start(&format!("{CLUSTER}{}", ADDON.replace("{ id: shop-main }", "main")));
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let writes = [(200, "POST /clusters"), (400, addons), (200, config), (400, delete), (200, delete)];
    assert_eq!(endpoint.writes(), writes.map(|(status, action)| format!("{status} {action}")));
    assert_eq!(endpoint.request_bodies(config)[0]["deletionProtection"], false);
}

/// AWS rejects a change that was already made: the read before it lagged behind.
#[test]
fn accepts_that_logs_are_already_enabled() {
    let config = "POST /clusters/-/update-config";
    let on = json!({ "clusterLogging": [{ "types": ["api", "audit"], "enabled": true }] });
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster(json!({})), cluster(json!({ "logging": on }))])
        .on(config, [json_error(400, "InvalidParameterException", "No changes needed for the logging config provided")])
        .start(&format!("{CLUSTER}      log_types: [api, audit]\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {config}")]);
}

/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateClusterVersion.html>: "this status transition is eventually consistent".
#[test]
fn upgrades_a_cluster_although_its_status_lags() {
    let old = || cluster(json!({ "version": "1.33" }));
    let updating = || cluster(json!({ "version": "1.33", "status": "UPDATING" }));
    let endpoint = Script::new()
        .on("GET /clusters/-", [old()])
        .on("POST /clusters/-/updates", [update_started("VersionUpdate")])
        .after("POST /clusters/-/updates")
        .on("GET /clusters/-", [old(), updating(), updating(), cluster(json!({}))])
        .start(CLUSTER);
    let done = endpoint.apply();
    assert!(done.stderr.contains("eks_cluster.main: UPDATING"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 POST /clusters/-/updates"]);
    assert_eq!(endpoint.request_bodies("POST /clusters/-/updates")[0]["version"], "1.34");
}

/// An update may fail after it was accepted: the cluster is active again, and unchanged.
#[test]
fn reports_why_an_accepted_update_failed() {
    let old = || cluster(json!({ "version": "1.33" }));
    let message = "Amazon EKS does not have enough permissions on the subnets.";
    let failed = |created: f64, status: &str| {
        let errors = json!([{ "errorCode": "InsufficientFreeAddresses", "errorMessage": message, "resourceIds": ["subnet-1"] }]);
        ok(
            json!({ "update": { "id": "8a6c", "status": status, "type": "VersionUpdate", "params": [], "createdAt": created, "errors": errors } }),
        )
    };
    let endpoint = Script::new()
        .on("GET /clusters/-", [old()])
        .on("POST /clusters/-/updates", [update_started("VersionUpdate")])
        .on("GET /clusters/-/updates", [ok(json!({ "updateIds": ["8a6c", "0f00"] }))])
        .on_containing("GET /clusters/-/updates/-", "8a6c", [failed(1_763_700_000.5, "Failed")])
        .on_containing("GET /clusters/-/updates/-", "0f00", [failed(1_763_600_000.5, "Successful")])
        .after("POST /clusters/-/updates")
        .on("GET /clusters/-", [cluster(json!({ "version": "1.33", "status": "UPDATING" })), old()])
        .start(CLUSTER);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    for part in ["version is \"1.33\", expected \"1.34\"", &format!("Failed: InsufficientFreeAddresses: {message} (subnet-1)")] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
}

#[test]
fn makes_one_kind_of_cluster_change_at_a_time() {
    let config = "POST /clusters/-/update-config";
    let closed = || json!({ "resourcesVpcConfig": network(false, true) });
    let logging = json!({ "clusterLogging": [
        { "types": ["api", "audit"], "enabled": true },
        { "types": ["authenticator", "controllerManager", "scheduler"], "enabled": false },
    ] });
    let busy = "Cannot LoggingUpdate because cluster shop-main currently has update 8a6c in progress";
    let endpoint = Script::new()
        .on("GET /clusters/-", [cluster(json!({}))])
        .on_containing(config, "endpointPublicAccess", [update_started("EndpointAccessUpdate")])
        .on_containing(config, "clusterLogging", [json_error(409, "ResourceInUseException", busy), update_started("LoggingUpdate")])
        .after(config)
        .on("GET /clusters/-", [cluster(json!({ "status": "UPDATING" })), cluster(closed())])
        .after(config)
        .on(
            "GET /clusters/-",
            [
                cluster(with_fields(closed(), json!({ "status": "UPDATING" }))),
                cluster(with_fields(closed(), json!({ "logging": logging }))),
            ],
        )
        .start(&format!("{CLUSTER}      endpoint_public: false\n      log_types: [api, audit]\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200", "409", "200"].map(|status| format!("{status} {config}")));
    let sent = endpoint.request_bodies(config);
    assert_eq!(sent[0]["resourcesVpcConfig"], json!({ "endpointPublicAccess": false, "endpointPrivateAccess": true }));
    assert_eq!(sent[2]["logging"], json!({ "clusterLogging": [{ "types": ["api", "audit"], "enabled": true }] }));
    for body in sent {
        assert_ne!(body.get("logging").is_some(), body.get("resourcesVpcConfig").is_some(), "one kind a call: {body}");
    }
}

#[test]
fn updates_node_group_scaling_before_its_version() {
    let (config, version) = ("POST /clusters/-/node-groups/-/update-config", "POST /clusters/-/node-groups/-/update-version");
    let scaling = |max| json!({ "minSize": 1, "maxSize": max, "desiredSize": 2 });
    let state = |status, version, max| group(json!({ "status": status, "version": version, "scalingConfig": scaling(max) }));
    let endpoint = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [state("ACTIVE", "1.33", 3)])
        .on(config, [update_started("ConfigUpdate")])
        .on(version, [update_started("VersionUpdate")])
        .after(config)
        .on("GET /clusters/-/node-groups/-", [state("UPDATING", "1.33", 3), state("ACTIVE", "1.33", 5)])
        .after(version)
        .on("GET /clusters/-/node-groups/-", [state("UPDATING", "1.33", 5), state("ACTIVE", "1.34", 5)])
        .start(GROUP);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [config, version].map(|action| format!("200 {action}")));
    assert_eq!(
        endpoint.request_bodies(config)[0]["scalingConfig"],
        json!({ "minSize": 1, "maxSize": 5 }),
        "how many run is the autoscaler's"
    );
    assert_eq!(endpoint.request_bodies(version)[0]["version"], "1.34");
}

/// AWS rejects a minimum above the number of running nodes.
#[test]
fn raises_desired_size_with_the_minimum() {
    let config = "POST /clusters/-/node-groups/-/update-config";
    let state = |min, desired| group(json!({ "scalingConfig": { "minSize": min, "maxSize": 5, "desiredSize": desired } }));
    let endpoint = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [state(1, 2)])
        .on(config, [update_started("ConfigUpdate")])
        .after(config)
        .on("GET /clusters/-/node-groups/-", [state(3, 3)])
        .start(&GROUP.replace("min: 1", "min: 3"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies(config)[0]["scalingConfig"], json!({ "minSize": 3, "maxSize": 5, "desiredSize": 3 }));
}

fn failed_group() -> Answer {
    let message = "Instances failed to join the kubernetes cluster";
    let issue = json!({ "code": "NodeCreationFailure", "message": message, "resourceIds": ["i-1", "i-2"] });
    group(json!({ "status": "CREATE_FAILED", "health": { "issues": [issue] } }))
}

/// It stays visible for a while after its deletion.
fn with_group_deletion(script: Script) -> Script {
    let (list, delete) = ("GET /clusters/-/node-groups", "DELETE /clusters/-/node-groups/-");
    let listed = || ok(json!({ "nodegroups": ["shop-main"] }));
    let deleting = || group(json!({ "status": "DELETING" }));
    script.on(delete, [deleting()]).after(delete).on(list, [listed(), listed(), ok(json!({ "nodegroups": [] }))]).on(
        "GET /clusters/-/node-groups/-",
        [failed_group(), deleting(), json_error(404, "ResourceNotFoundException", "No node group found for name: shop-main.")],
    )
}

#[test]
fn reports_why_a_node_group_failed_and_deletes_it() {
    let create = "POST /clusters/-/node-groups";
    let creating = || group(json!({ "status": "CREATING" }));
    let script = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": [] }))])
        .on(create, [creating()])
        .after(create)
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [creating(), failed_group()]);
    let endpoint = with_group_deletion(script).start(GROUP);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let expected = "CREATE_FAILED: NodeCreationFailure: Instances failed to join the kubernetes cluster (i-1, i-2)";
    assert!(done.stderr.contains(expected), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 POST /clusters/-/node-groups", "200 DELETE /clusters/-/node-groups/-"]);
}

fn degraded_group(code: &str) -> Answer {
    let issue = json!({ "code": code, "message": "Something is wrong.", "resourceIds": ["i-1"] });
    group(json!({ "status": "DEGRADED", "health": { "issues": [issue] } }))
}

/// acme does not wait for problems that need a manual fix, but for temporary ones.
#[test]
fn waits_for_a_degraded_node_group_only_if_it_can_recover() {
    let create = "POST /clusters/-/node-groups";
    let creating = || group(json!({ "status": "CREATING" }));
    let created = |states: Vec<Answer>| {
        Script::new()
            .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": [] }))])
            .on(create, [creating()])
            .after(create)
            .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
            .on("GET /clusters/-/node-groups/-", states)
    };
    let endpoint = created(vec![creating(), degraded_group("InsufficientFreeAddresses"), group(json!({}))]).start(GROUP);
    let done = endpoint.apply();
    assert!(
        done.stderr.contains("eks_node_group.main: DEGRADED: InsufficientFreeAddresses: Something is wrong."),
        "{}",
        done.combined_output()
    );

    let endpoint = with_group_deletion(created(vec![creating(), degraded_group("AccessDenied")])).start(GROUP);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("AWS reports `DEGRADED: AccessDenied: Something is wrong. (i-1)`"), "{}", done.combined_output());
}

/// It may run workloads: it is fixed, not replaced.
#[test]
fn never_replaces_a_degraded_node_group() {
    let endpoint = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [degraded_group("AccessDenied")])
        .start(GROUP);
    let done = endpoint.run("plan", &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert!(done.stdout.contains("AWS reports `DEGRADED: AccessDenied"), "{}", done.combined_output());
}

#[test]
fn recreates_a_failed_node_group() {
    let create = "POST /clusters/-/node-groups";
    let creating = || group(json!({ "status": "CREATING" }));
    let script = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [failed_group()]);
    let endpoint = with_group_deletion(script)
        .on(create, [creating()])
        .after(create)
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [creating(), group(json!({}))])
        .start(GROUP);
    assert_eq!(endpoint.planned_changes(), ["replace eks_node_group.main"]);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 DELETE /clusters/-/node-groups/-", "200 POST /clusters/-/node-groups"]);
}

#[test]
fn waits_for_an_addon_without_nodes() {
    let issue = json!({ "code": "InsufficientNumberOfReplicas", "message": "The add-on is unhealthy because it doesn't have the desired number of replicas." });
    let creating = || addon(json!({ "status": "CREATING", "health": { "issues": [] } }));
    let endpoint = Script::new()
        .on("GET /clusters/-/addons", [ok(json!({ "addons": [] }))])
        .on("POST /clusters/-/addons", [creating()])
        .after("POST /clusters/-/addons")
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on(
            "GET /clusters/-/addons/-",
            [creating(), addon(json!({ "status": "DEGRADED", "health": { "issues": [issue] } })), addon(json!({}))],
        )
        .start(ADDON);
    let done = endpoint.apply();
    let expected = "eks_addon.dns: DEGRADED: InsufficientNumberOfReplicas: The add-on is unhealthy";
    assert!(done.stderr.contains(expected), "{}", done.combined_output());
    let sent = &endpoint.request_bodies("POST /clusters/-/addons")[0];
    assert_eq!((&sent["configurationValues"], &sent["resolveConflicts"]), (&json!("{\"replicaCount\":3}"), &json!("OVERWRITE")));
}

#[test]
fn reports_why_an_addon_failed_and_deletes_it() {
    let delete = "DELETE /clusters/-/addons/-";
    let message = "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.";
    let issue = json!({ "code": "ConfigurationConflict", "message": message });
    let endpoint = Script::new()
        .on("GET /clusters/-/addons", [ok(json!({ "addons": [] }))])
        .on("POST /clusters/-/addons", [addon(json!({ "status": "CREATING" }))])
        .after("POST /clusters/-/addons")
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["coredns"] }))])
        .on("GET /clusters/-/addons/-", [addon(json!({ "status": "CREATE_FAILED", "health": { "issues": [issue] } }))])
        .on(delete, [addon(json!({ "status": "DELETING" }))])
        .after(delete)
        .on("GET /clusters/-/addons", [ok(json!({ "addons": [] }))])
        .on("GET /clusters/-/addons/-", [json_error(404, "ResourceNotFoundException", "No addon: coredns found in cluster: shop-main")])
        .start(ADDON);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains(&format!("CREATE_FAILED: ConfigurationConflict: {message}")), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 POST /clusters/-/addons", "200 DELETE /clusters/-/addons/-"]);
}

#[test]
fn deletes_a_cluster_once_nothing_uses_it() {
    let unprotected = cluster(json!({ "deletionProtection": false }));
    let deleting = || cluster(json!({ "status": "DELETING", "deletionProtection": false }));
    let delete = "DELETE /clusters/-";
    let in_use = json_error(409, "ResourceInUseException", "Cluster has nodegroups attached");
    let endpoint = Script::new()
        .on("GET /clusters/-", [unprotected])
        .on(delete, [in_use, deleting()])
        .after(delete)
        .on("GET /clusters/-", [deleting(), deleting(), no_cluster()])
        .start(&format!("{CLUSTER}      deletion_protection: false\n"));
    let done = endpoint.run("destroy", &["--yes"]).assert_success();
    assert!(done.stderr.contains("deleted eks_cluster.main"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["409", "200"].map(|status| format!("{status} {delete}")));
    assert_eq!(endpoint.planned_changes(), ["create eks_cluster.main"]);
}
