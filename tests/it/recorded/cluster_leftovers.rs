//! What controllers of a cluster made, as AWS refuses to delete it.

use serde_json::json;

use super::eks::{CLUSTER, cluster};
use crate::scripted_endpoint::{Answer, Script, ec2_error, json_error, ok, xml};

fn list(action: &str, set: &str, items: &str) -> Answer {
    xml(format!("<{action}Response><{set}>{items}</{set}></{action}Response>"))
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

fn group(id: &str, name: &str, tag: (&str, &str), permissions: &str) -> String {
    format!(
        "<item><ownerId>123456789012</ownerId><groupId>{id}</groupId><groupName>{name}</groupName><vpcId>vpc-1</vpcId>\
         <groupDescription>-</groupDescription><ipPermissions>{permissions}</ipPermissions>\
         <tagSet><item><key>{}</key><value>{}</value></item></tagSet></item>",
        tag.0, tag.1
    )
}

/// Rules that allow traffic from the group of the controller.
fn from_controller(description: &str) -> String {
    format!(
        "<item><ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort><groups><item><userId>123456789012</userId>\
         <groupId>sg-7</groupId><description>{description}</description></item></groups></item>"
    )
}

/// A cluster that is being destroyed, with one group of the load balancer controller. `referring` are groups with rules that refer to it.
fn script(referring: &str) -> Script {
    let own = group("sg-7", "k8s-traffic", ("elbv2.k8s.aws/cluster", "shop-main"), "");
    let groups = |items: &str| list("DescribeSecurityGroups", "securityGroupInfo", items);
    let gone = json_error(404, "ResourceNotFoundException", "No cluster found for name: shop-main.");
    let violation = || ec2_error(400, "DependencyViolation", "resource sg-7 has a dependent object");
    Script::new()
        .with_tagged_resources(&[("arn:aws:eks:us-east-1:123456789012:cluster/shop-main", "eks_cluster.main")])
        .on("GET /clusters/-", [cluster(json!({ "deletionProtection": false }))])
        .on_containing("DescribeSecurityGroups", "tag-key", [groups(&own)])
        .on_containing("DescribeSecurityGroups", "ip-permission.group-id", [groups(referring)])
        .on("RevokeSecurityGroupIngress", [success("RevokeSecurityGroupIngress")])
        .on("DELETE /clusters/-", [ok(json!({}))])
        .on("DeleteSecurityGroup", [violation()])
        .after("DELETE /clusters/-")
        .on("GET /clusters/-", [gone])
        .after("RevokeSecurityGroupIngress")
        .on_containing("DescribeSecurityGroups", "ip-permission.group-id", [groups("")])
        .on("DeleteSecurityGroup", [success("DeleteSecurityGroup")])
        .after("DeleteSecurityGroup")
        .on_containing("DescribeSecurityGroups", "tag-key", [groups("")])
}

fn unprotected() -> String {
    CLUSTER.replace("version:", "deletion_protection: false\n      version:")
}

#[test]
fn a_group_that_others_refer_to_is_named_with_its_user() {
    let endpoint = script(&group("sg-9", "bastion", ("team", "web"), &from_controller("from the cluster"))).start(&unprotected());
    let stuck = endpoint.run("destroy", &["--yes"]);
    let told = stuck.combined_output();
    assert_eq!(stuck.code, 3, "{told}");
    assert!(told.contains("`sg-7` is still used by security group sg-9 (bastion)"), "{told}");
    assert_eq!(endpoint.call_count("RevokeSecurityGroupIngress"), 0, "the rules of others stay");
}

#[test]
fn rules_that_the_controller_added_to_groups_of_others_are_revoked() {
    let description = "elbv2.k8s.aws/targetGroupBinding=shared";
    let endpoint = script(&group("sg-9", "nodes", ("team", "web"), &from_controller(description))).start(&unprotected());
    endpoint.run("destroy", &["--yes"]).assert_success();
    let revoked = &endpoint.request_bodies("RevokeSecurityGroupIngress")[0];
    assert_eq!((&revoked["GroupId"], &revoked["IpPermissions.1.Groups.1.GroupId"]), (&"sg-9".into(), &"sg-7".into()));
}
