//! What controllers of a cluster made, as AWS refuses to delete it.

use serde_json::json;

use super::eks::{CLUSTER, cluster};
use crate::scripted_endpoint::{Answer, Script, ec2_error, json_error, ok, ownership_tags, xml, xml_error, xml_ownership_tags};

fn gone_cluster() -> Answer {
    json_error(404, "ResourceNotFoundException", "No cluster found for name: shop-main.")
}

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
        .on("GET /clusters/-", [gone_cluster()])
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

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/k8s-web/0123456789abcdef";
const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/0123abcd-0123-0123-0123-0123456789ab";
const OTHER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/9876abcd-0123-0123-0123-0123456789ab";
const LISTENER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/0123abcd-0123-0123-0123-0123456789ab/listener/0123";
const GROUP: &str =
    "arn:aws:globalaccelerator::123456789012:accelerator/0123abcd-0123-0123-0123-0123456789ab/listener/0123/endpoint-group/0123";

fn answer(action: &str, inner: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"))
}

/// A load balancer of the controller, and its tags.
fn balancer() -> [Answer; 2] {
    let one = format!(
        "<member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><LoadBalancerName>k8s-web</LoadBalancerName><VpcId>vpc-1</VpcId>\
         <Type>application</Type></member>"
    );
    let tag = "<member><Key>elbv2.k8s.aws/cluster</Key><Value>shop-main</Value></member>";
    let tags = format!("<member><ResourceArn>{BALANCER}</ResourceArn><Tags>{tag}</Tags></member>");
    [
        answer("DescribeLoadBalancers", &format!("<LoadBalancers>{one}</LoadBalancers>")),
        answer("DescribeTags", &format!("<TagDescriptions>{tags}</TagDescriptions>")),
    ]
}

/// A cluster that is being destroyed, with one load balancer. Calls to classic load balancers have another version.
fn script_with_balancer() -> Script {
    let [balancers, tags] = balancer();
    Script::new()
        .with_tagged_resources(&[("arn:aws:eks:us-east-1:123456789012:cluster/shop-main", "eks_cluster.main")])
        .on("GET /clusters/-", [cluster(json!({ "deletionProtection": false }))])
        .on_containing("DescribeLoadBalancers", "2015-12-01", [balancers])
        .on_containing("DescribeTags", "2015-12-01", [tags])
}

fn accelerator(arn: &str, name: &str, status: &str, enabled: bool) -> serde_json::Value {
    json!({ "AcceleratorArn": arn, "Name": name, "Enabled": enabled, "Status": status })
}

#[test]
fn an_accelerator_of_the_controller_is_deleted_before_its_load_balancer() {
    let list = |status, enabled| {
        ok(json!({ "Accelerators": [accelerator(ACCELERATOR, "web", status, enabled), accelerator(OTHER, "edge", "DEPLOYED", true)] }))
    };
    let described = |status, enabled| ok(json!({ "Accelerator": accelerator(ACCELERATOR, "web", status, enabled) }));
    let tags = json!([
        { "Key": "elbv2.k8s.aws/cluster", "Value": "shop-main" }, { "Key": "aga.k8s.aws/resource", "Value": "GlobalAccelerator" },
        { "Key": "aga.k8s.aws/stack", "Value": "web/web" },
    ]);
    let listener = json!({
        "ListenerArn": LISTENER, "PortRanges": [{ "FromPort": 80, "ToPort": 80 }], "Protocol": "TCP", "ClientAffinity": "NONE",
    });
    let groups = json!([{
        "EndpointGroupArn": GROUP, "EndpointGroupRegion": "us-east-1", "TrafficDialPercentage": 100.0, "HealthCheckPort": 80,
        "HealthCheckProtocol": "TCP", "HealthCheckIntervalSeconds": 30, "ThresholdCount": 3,
        "EndpointDescriptions": [{ "EndpointId": BALANCER, "Weight": 128, "HealthState": "HEALTHY", "ClientIPPreservationEnabled": true }],
    }]);
    let none = || answer("DescribeLoadBalancers", "<LoadBalancers/>");
    let endpoint = script_with_balancer()
        .on("ListAccelerators", [list("DEPLOYED", true)])
        .on_containing("ListTagsForResource", OTHER, [ok(json!({ "Tags": [{ "Key": "team", "Value": "edge" }] }))])
        .on_containing("ListTagsForResource", ACCELERATOR, [ok(json!({ "Tags": tags }))])
        .on("ListListeners", [ok(json!({ "Listeners": [listener] }))])
        .on("ListEndpointGroups", [ok(json!({ "EndpointGroups": groups }))])
        .on("DescribeAccelerator", [described("DEPLOYED", true)])
        .on("UpdateAccelerator", [described("IN_PROGRESS", false)])
        .after("UpdateAccelerator")
        .on("DescribeAccelerator", [described("IN_PROGRESS", false), described("DEPLOYED", false)])
        .on("DeleteEndpointGroup", [ok(json!({}))])
        .on("DeleteListener", [ok(json!({}))])
        .after("DeleteListener")
        .on("ListListeners", [ok(json!({ "Listeners": [] }))])
        .on("DeleteAccelerator", [ok(json!({}))])
        .after("DeleteAccelerator")
        .on("ListAccelerators", [ok(json!({ "Accelerators": [accelerator(OTHER, "edge", "DEPLOYED", true)] }))])
        .on("DescribeAccelerator", [json_error(400, "AcceleratorNotFoundException", "The accelerator was not found.")])
        .on("DeleteLoadBalancer", [answer("DeleteLoadBalancer", "")])
        .after("DeleteLoadBalancer")
        .on_containing("DescribeLoadBalancers", "2015-12-01", [none()])
        .on("DELETE /clusters/-", [ok(json!({}))])
        .after("DELETE /clusters/-")
        .on("GET /clusters/-", [gone_cluster()])
        .start(&unprotected());
    let plan = endpoint.run("plan", &["--destroy"]).assert_success().combined_output();
    for text in [
        "accelerator web, of the GlobalAccelerator web/web, made by AWS Load Balancer Controller",
        "its static addresses are lost",
        "endpoints of the accelerators `edge`, which stay in AWS",
    ] {
        assert!(plan.contains(text), "`{text}` is missing in\n{plan}");
    }
    endpoint.run("destroy", &["--yes"]).assert_success();
    let steps =
        ["UpdateAccelerator", "DeleteEndpointGroup", "DeleteListener", "DeleteAccelerator", "DeleteLoadBalancer", "DELETE /clusters/-"];
    assert_eq!(endpoint.writes(), steps.map(|step| format!("200 {step}")));
    let regions = endpoint.request_headers("DeleteAccelerator", "authorization");
    assert!(regions.iter().all(|header| header.contains("/us-west-2/globalaccelerator/")), "{regions:?}");
}

/// AWS refuses to delete a load balancer that is part of an endpoint service.
#[test]
fn a_load_balancer_that_an_endpoint_service_uses_is_named_with_it() {
    let service = format!(
        "<item><serviceId>vpce-svc-0123</serviceId><networkLoadBalancerArnSet><item>{BALANCER}</item></networkLoadBalancerArnSet></item>"
    );
    let endpoint = script_with_balancer()
        .on("DeleteLoadBalancer", [xml_error(400, "ResourceInUse", "Load balancer is currently associated with another service")])
        .on(
            "DescribeVpcEndpointServiceConfigurations",
            [list("DescribeVpcEndpointServiceConfigurations", "serviceConfigurationSet", &service)],
        )
        .start(&unprotected());
    let stuck = endpoint.run("destroy", &["--yes"]);
    let told = stuck.combined_output();
    assert_eq!(stuck.code, 3, "{told}");
    assert!(told.contains(&format!("`{BALANCER}` is still used by VPC endpoint service vpce-svc-0123")), "{told}");
}

/// external-dns of another cluster has records of the same name, with another set identifier.
#[test]
fn records_of_other_clusters_with_the_same_name_are_left_alone() {
    let set = |cluster: &str| {
        let owner = format!("&quot;heritage=external-dns,external-dns/owner={cluster},external-dns/resource=ingress/web/web&quot;");
        let one = |name: &str, kind: &str, value: &str| {
            format!(
                "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><SetIdentifier>{cluster}</SetIdentifier><Weight>1</Weight>\
                 <TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
            )
        };
        one("a-www.example.com.", "TXT", &owner) + &one("www.example.com.", "A", "192.0.2.1")
    };
    let records = |sets: &str| {
        let rest = "<IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>";
        xml(format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{sets}</ResourceRecordSets>{rest}</ListResourceRecordSetsResponse>"
        ))
    };
    let zone = "<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>1</CallerReference><Config><PrivateZone>false\
                </PrivateZone></Config></HostedZone>";
    let zones = format!("<HostedZones>{zone}</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>");
    let servers = "<DelegationSet><NameServers><NameServer>ns-1.example.com</NameServer></NameServers></DelegationSet>";
    let tags = xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value");
    let tags =
        format!("<ResourceTagSet><ResourceType>hostedzone</ResourceType><ResourceId>Z1</ResourceId><Tags>{tags}</Tags></ResourceTagSet>");
    let changed = "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
                   <SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>";
    let change = "POST /hostedzone/-/rrset";
    let endpoint = Script::new()
        .with_tagged_resources(&[
            ("arn:aws:eks:us-east-1:123456789012:cluster/shop-main", "eks_cluster.main"),
            ("arn:aws:route53:::hostedzone/Z1", "dns_zone.main"),
        ])
        .on("GET /clusters/-", [cluster(json!({ "deletionProtection": false }))])
        .on("GET /hostedzone", [xml(format!("<ListHostedZonesResponse>{zones}</ListHostedZonesResponse>"))])
        .on("GET /hostedzone/-", [xml(format!("<GetHostedZoneResponse>{zone}{servers}</GetHostedZoneResponse>"))])
        .on(
            "POST /tags/-",
            [xml(format!("<ListTagsForResourcesResponse><ResourceTagSets>{tags}</ResourceTagSets></ListTagsForResourcesResponse>"))],
        )
        .on("GET /hostedzone/-/rrset", [records(&(set("other") + &set("shop-main")))])
        .on("DELETE /clusters/-", [ok(json!({}))])
        .after("DELETE /clusters/-")
        .on("GET /clusters/-", [gone_cluster()])
        .on(change, [xml(changed)])
        .after(change)
        .on("GET /hostedzone/-/rrset", [records(&set("other"))])
        .on("GET /hostedzone/-/rrset?name&type&identifier&maxitems", [records(&set("other"))])
        .start("  dns_zone: { main: { domain: example.com } }\n");
    let plan = endpoint.run("plan", &[]).assert_success().stdout;
    assert!(plan.contains("dns record a-www.example.com-shop-main, for www.example.com"), "{plan}");
    endpoint.run("apply", &["--yes"]).assert_success();
    let changes = endpoint.request_bodies(change)[0].to_string();
    assert_eq!((changes.matches("<Action>DELETE").count(), changes.contains("<SetIdentifier>other")), (2, false), "{changes}");
}

/// A cluster that is being destroyed, with this treatment of volumes.
fn script_with_volumes(policy: &str) -> Script {
    let mut tags = json!(ownership_tags("eks_cluster.main"));
    tags["acme:volumes"] = policy.into();
    Script::new()
        .with_tagged_resources(&[("arn:aws:eks:us-east-1:123456789012:cluster/shop-main", "eks_cluster.main")])
        .on("GET /clusters/-", [cluster(json!({ "deletionProtection": false, "tags": tags }))])
        .on("DELETE /clusters/-", [ok(json!({}))])
}

const OWNED: &str = "<tagSet><item><key>kubernetes.io/cluster/shop-main</key><value>owned</value></item></tagSet>";

/// CreateSnapshot has no token, and a new snapshot is not visible at once.
#[test]
fn a_volume_gets_one_snapshot_although_ec2_is_slow() {
    let volume = format!("<item><volumeId>vol-0123</volumeId><size>20</size><status>available</status>{OWNED}</item>");
    let snapshots = |items: &str| list("DescribeSnapshots", "snapshotSet", items);
    let own = |state: &str| {
        snapshots(&format!(
            "<item><snapshotId>snap-0123</snapshotId><volumeId>vol-0123</volumeId><status>{state}</status><progress>50%</progress>\
             <tagSet><item><key>acme:volume</key><value>vol-0123</value></item></tagSet></item>"
        ))
    };
    let busy =
        ec2_error(400, "SnapshotCreationPerVolumeRateExceeded", "The maximum per volume CreateSnapshot request rate has been exceeded.");
    let endpoint = script_with_volumes("snapshot")
        .on("DescribeVolumes", [list("DescribeVolumes", "volumeSet", &volume)])
        .after("DELETE /clusters/-")
        .on("GET /clusters/-", [gone_cluster()])
        .on("CreateSnapshot", [busy, xml("<CreateSnapshotResponse><snapshotId>snap-0123</snapshotId></CreateSnapshotResponse>")])
        .on("DeleteVolume", [success("DeleteVolume")])
        .after("CreateSnapshot")
        .on_containing("DescribeSnapshots", "volume-id", [snapshots(""), own("pending"), own("pending"), own("completed")])
        .after("DeleteVolume")
        .on("DescribeVolumes", [ec2_error(400, "InvalidVolume.NotFound", "The volume 'vol-0123' does not exist.")])
        .on_containing("DescribeVolumes", "tag-key", [list("DescribeVolumes", "volumeSet", "")])
        .start(&unprotected().replace("version:", "volumes: snapshot\n      version:"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    let writes = ["200 DELETE /clusters/-", "400 CreateSnapshot", "200 CreateSnapshot", "200 DeleteVolume"];
    assert_eq!(endpoint.writes(), writes);
}

#[test]
fn a_snapshot_of_which_an_image_is_made_is_named_with_it() {
    let snapshot = format!("<item><snapshotId>snap-0123</snapshotId><volumeId>vol-0123</volumeId><status>completed</status>{OWNED}</item>");
    let in_use = ec2_error(400, "InvalidSnapshot.InUse", "The snapshot snap-0123 is currently in use by ami-0123");
    let endpoint = script_with_volumes("delete")
        .on("DescribeSnapshots", [list("DescribeSnapshots", "snapshotSet", &snapshot)])
        .on("DescribeImages", [list("DescribeImages", "imagesSet", "<item><imageId>ami-0123</imageId></item>")])
        .after("DELETE /clusters/-")
        .on("GET /clusters/-", [gone_cluster()])
        .on("DeleteSnapshot", [in_use])
        .start(&unprotected().replace("version:", "volumes: delete\n      version:"));
    let stuck = endpoint.run("destroy", &["--yes"]);
    let told = stuck.combined_output();
    assert_eq!(stuck.code, 3, "{told}");
    assert!(told.contains("`snap-0123` is still used by image ami-0123"), "{told}");
}

/// EKS Auto Mode deletes its instances with the cluster, and EC2 the disks of nodes with these.
#[test]
fn what_aws_deletes_by_itself_has_no_steps() {
    let disk = format!(
        "<item><volumeId>vol-1</volumeId><size>20</size><status>in-use</status>{OWNED}<attachmentSet><item><instanceId>i-1</instanceId>\
         <volumeId>vol-1</volumeId><deleteOnTermination>true</deleteOnTermination></item></attachmentSet></item>"
    );
    let claim = format!("<item><volumeId>vol-2</volumeId><size>5</size><status>available</status>{OWNED}</item>");
    let instance = |id: &str, operator: &str| {
        format!("<item><instanceId>{id}</instanceId><instanceState><name>running</name></instanceState>{OWNED}{operator}</item>")
    };
    let operated = "<operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator>";
    let instances = format!("<item><instancesSet>{}{}</instancesSet></item>", instance("i-1", operated), instance("i-2", ""));
    let endpoint = script_with_volumes("snapshot")
        .on("DescribeVolumes", [list("DescribeVolumes", "volumeSet", &(disk + &claim))])
        .on("DescribeInstances", [list("DescribeInstances", "reservationSet", &instances)])
        .start(&unprotected().replace("version:", "volumes: snapshot\n      version:"));
    let plan = endpoint.run("plan", &["--destroy"]).assert_success().stdout;
    let planned = |name: &str| plan.contains(&format!("cluster_leftover.{name}"));
    assert!(planned("instance-i-2") && planned("volume-vol-2"), "{plan}");
    assert!(!planned("instance-i-1") && !planned("volume-vol-1"), "{plan}");
}
