//! The deletion of clusters in which controllers have made resources of AWS: some live, some are dead, and Argo CD and Flux create again what is
//! missing.

mod controllers;
mod planted;
mod rolled_back;
mod volumes;

use serde_json::{Value, json};

use self::controllers::Controllers;
use super::Lab;

/// Names of everything that was planted, as in plans and reports.
const PLANTED: &[&str] = &[
    "cluster_cleanup.shop-main",
    "cluster_leftover.load-balancer-k8s-dead",
    "cluster_leftover.load-balancer-k8s-live",
    "cluster_leftover.load-balancer-k8s-gateway",
    "cluster_leftover.classic-load-balancer-a0123",
    "cluster_leftover.target-group-k8s-web",
    "cluster_leftover.security-group-k8s-traffic-shop",
    "cluster_leftover.security-group-k8s-web",
    "cluster_leftover.security-group-k8s-elb-a0123",
    "cluster_leftover.network-interface-eni-",
    "cluster_leftover.instance-i-",
    "cluster_leftover.instance-profile-shop-main_0123",
    "cluster_leftover.instance-profile-default_0123",
    "cluster_leftover.launch-template-karpenter-1",
    "cluster_leftover.volume-vol-",
    "cluster_leftover.dns-record-a-www.example.com",
    "cluster_leftover.log-group-/aws/eks/shop-main/cluster",
];

fn assert_has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn destroy_deletes_what_controllers_made() {
    let lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let controllers = Controllers::start(&lab, &planted);
    // Argo CD and Flux create again what someone deletes, and the controller its load balancer.
    for name in ["again", "applied", "released", "mesh"] {
        controllers.wait_for(&format!("created k8s-{name}"), 1);
        lab.server.kubectl(&["delete", "service", name, "-n", "web", "--wait=false"]);
        controllers.wait_for(&format!("created k8s-{name}"), 2);
    }

    // A plan without the deletion looks for nothing of this. It reads what has the tags of the stack, and leaves it alone.
    lab.proxy.take_calls();
    lab.assert_no_changes(&stack);
    let calls = lab.proxy.take_calls().table();
    assert!(!calls.contains("DescribeVolumes") && !calls.contains("DescribeNetworkInterfaces"), "{calls}");

    // The plan says what was found, and what is lost.
    let plan = lab.run("plan", &stack, &["--destroy"]).assert_success().stdout;
    assert_has_all(&plan, PLANTED);
    let details = [
        "load balancer k8s-dead, made by AWS Load Balancer Controller",
        "load balancer k8s-gateway, of the Gateway web/gateway, made by AWS Load Balancer Controller",
        "load balancer k8s-again, made by AWS Load Balancer Controller",
        "classic load balancer a0123, of the Service web/classic, made by the cloud provider",
        "target group k8s-web, made by AWS Load Balancer Controller",
        "instance profile default_0123, made by Karpenter",
        "20 GiB of the claim web/data-db-0, made by the EBS CSI driver",
        "dns record a-www.example.com, for www.example.com, made by external-dns",
        "left behind by eks_cluster.main",
        "its data is kept only in a snapshot",
        "its log events are deleted, too",
        &format!("The snapshot `{}` stays in AWS", planted["snapshot"].as_str().expect("an id")),
    ];
    assert_has_all(&plan, &details);
    assert!(!plan.contains("shop-main_other"), "it belongs to another cluster:\n{plan}");

    lab.proxy.take_calls();
    let output = lab.destroy(&stack).assert_success().combined_output();
    let calls = lab.proxy.take_calls().table();
    assert!(calls.contains("RevokeSecurityGroupIngress"), "groups that refer to each other can't be deleted:\n{calls}");
    assert_eq!(lab.left(), json!([]), "{output}");
    // It says what it did, and for whom it waited in vain.
    assert_has_all(&output, PLANTED);
    assert_has_all(&output, &["waiting for controllers to delete", "Ingress web/dead"]);
    // The controllers that lived have done their part.
    for action in ["deleted the accelerator", "deleted k8s-live", "deleted k8s-gateway", "deleted k8s-mesh", "terminated the node"] {
        assert_eq!(controllers.count(action), if action == "deleted k8s-mesh" { 2 } else { 1 }, "{action}\n{output}");
    }
    let kept = lab.kept();
    assert_eq!((&kept["others"], &kept["of_driver"]), (&json!(2), &json!([planted["snapshot"]])), "{kept}");
    assert_eq!(kept["snapshots"].as_array().map(Vec::len), Some(1), "{kept}");
    assert_eq!(kept["snapshots"][0][0], planted["volume"], "{kept}");
    assert_eq!(kept["snapshots"][0][1]["kubernetes.io/created-for/pvc/name"], "data-db-0", "{kept}");
    assert_gitops_stopped(&lab);
    // An uninstalled release does not take its volume along.
    let policy = lab.server.kubectl(&["get", "persistentvolume/database", "-o", "jsonpath={.spec.persistentVolumeReclaimPolicy}"]);
    assert_eq!(policy, "Retain");
}

/// Argo CD and Flux no longer have what they would create again.
fn assert_gitops_stopped(lab: &Lab) {
    let get = |kinds: &str, namespace: &str| {
        let listed: Value =
            serde_json::from_str(&lab.server.kubectl(&["get", kinds, "-n", namespace, "-o", "json"])).expect("kubectl prints JSON");
        let items = listed["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().filter(|one| one["metadata"]["deletionTimestamp"].is_null()).collect::<Vec<Value>>()
    };
    let names = |all: &[Value]| all.iter().map(|one| one["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let applications = get("applications.argoproj.io,applicationsets.argoproj.io", "argocd");
    assert_eq!(names(&applications), ["generated", "web"], "the root and the set are deleted, but not their Applications");
    assert!(applications.iter().all(|one| one["spec"]["syncPolicy"]["automated"].is_null()), "{applications:#?}");
    let of_flux = get("kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io", "flux-system");
    assert_eq!(names(&of_flux), ["apps", "flux-system", "web"]);
    assert!(of_flux.iter().all(|one| one["spec"]["suspend"] == true), "{of_flux:#?}");
}

/// Attaches the volume of the claim to an instance outside the cluster.
fn attach_elsewhere(lab: &Lab, planted: &Value) -> String {
    let script = format!(
        "ec2 = client('ec2')\nmade = ec2.run_instances(ImageId='{}', MinCount=1, MaxCount=1, \
         TagSpecifications=[{{'ResourceType': 'instance', 'Tags': [{{'Key': 'Name', 'Value': 'bastion'}}]}}])\n\
         out = made['Instances'][0]['InstanceId']\nec2.attach_volume(Device='/dev/sdf', VolumeId='{}', InstanceId=out)",
        planted["image"].as_str().expect("an id"),
        planted["volume"].as_str().expect("an id"),
    );
    lab._standin.run_boto3(&script).as_str().expect("an id").to_owned()
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn destroy_names_a_blocker_and_deletes_the_rest() {
    let lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let _controllers = Controllers::start(&lab, &planted);
    let bastion = attach_elsewhere(&lab, &planted);
    let stuck = lab.destroy(&stack);
    let output = stuck.combined_output();
    assert_eq!(stuck.code, 3, "{output}");
    assert_has_all(&output, &[&format!("is still used by instance {bastion} `bastion`")]);
    let mut staying = vec![bastion.as_str(), planted["volume"].as_str().expect("an id"), planted["vpc"].as_str().expect("an id")];
    staying.sort_unstable();
    assert_eq!(lab.left(), json!(staying), "{output}");
    assert_gitops_stopped(&lab);
    // Once it is gone, a second run finishes, although the cluster no longer exists.
    let volume = planted["volume"].as_str().expect("an id");
    let release = format!(
        "ec2 = client('ec2')\nec2.detach_volume(VolumeId='{volume}', InstanceId='{bastion}')\nec2.terminate_instances(InstanceIds=['{bastion}'])"
    );
    lab._standin.run_boto3(&release);
    let done = lab.destroy(&stack).assert_success();
    assert_eq!(lab.left(), json!([]), "{}", done.combined_output());
    assert_eq!(lab.kept()["snapshots"][0][0], planted["volume"]);
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_destroy_that_is_killed_is_finished_by_the_next_one() {
    let mut lab = Lab::start();
    let (stack, _) = lab.with_leftovers();
    lab.server.stop();
    // Each run is killed after a few more changes, among them the deletion of the cluster.
    for changes in [3, 6, 9] {
        lab.run_and_kill("destroy", &stack, changes);
    }
    let done = lab.destroy(&stack).assert_success();
    assert_eq!(lab.left(), json!([]), "{}", done.combined_output());
}
