//! Lists of several pages, for each service: resources on the second page are found.

use serde_json::json;

use crate::scripted_endpoint::{Script, json_error, json_ownership_tags, ok, ownership_tags, xml, xml_ownership_tags};

/// With these in the index and none declared, a plan that has read every page deletes them all.
fn assert_all_found(script: Script, resources: &[(&str, &str)]) {
    let endpoint = script.with_tagged_resources(resources).start("  {}\n");
    let mut expected: Vec<String> = resources.iter().map(|(_, address)| format!("delete {address}")).collect();
    // After a cluster, acme looks for what controllers made.
    let clusters = resources.iter().filter_map(|(_, address)| address.strip_prefix("eks_cluster."));
    expected.extend(clusters.map(|name| format!("delete cluster_leftover.rest-shop-{name}")));
    expected.sort();
    assert_eq!(endpoint.planned_changes(), expected);
}

#[test]
fn tagging_api_pages_by_pagination_token() {
    let (a, b) = ("arn:aws:ecr:us-east-1:123456789012:repository/shop-a", "arn:aws:ecr:us-east-1:123456789012:repository/shop-b");
    let page = |arn: &str, address: &str, next: &str| {
        let found = json!({ "ResourceARN": arn, "Tags": json_ownership_tags(address) });
        ok(json!({ "PaginationToken": next, "ResourceTagMappingList": [found] }))
    };
    let repository = |name: &str, arn: &str| json!({ "repositoryName": name, "repositoryArn": arn });
    let endpoint = Script::new()
        .on("GetResources", [page(a, "ecr_repository.a", "more")])
        .on_containing("GetResources", "\"PaginationToken\":\"more\"", [page(b, "ecr_repository.b", "")])
        .on("DescribeRepositories", [ok(json!({ "repositories": [repository("shop-a", a), repository("shop-b", b)] }))])
        .start("  {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete ecr_repository.a", "delete ecr_repository.b"]);
}

#[test]
fn ecr_pages_by_next_token() {
    let (a, b) = ("arn:aws:ecr:us-east-1:123456789012:repository/shop-a", "arn:aws:ecr:us-east-1:123456789012:repository/shop-b");
    let script = Script::new()
        .on(
            "DescribeRepositories",
            [ok(json!({ "repositories": [{ "repositoryName": "shop-a", "repositoryArn": a }], "nextToken": "more" }))],
        )
        .on_containing(
            "DescribeRepositories",
            "\"nextToken\":\"more\"",
            [ok(json!({ "repositories": [{ "repositoryName": "shop-b", "repositoryArn": b }] }))],
        );
    assert_all_found(script, &[(a, "ecr_repository.a"), (b, "ecr_repository.b")]);
}

#[test]
fn eks_pages_by_next_token() {
    let arn = |kind: &str, name: &str| format!("arn:aws:eks:us-east-1:123456789012:{kind}/{name}");
    let group = |name: &str, address: &str| {
        let tags = ownership_tags(address);
        ok(json!({ "nodegroup": { "clusterName": "shop-main", "nodegroupName": name, "status": "ACTIVE", "tags": tags } }))
    };
    let network = json!({ "subnetIds": [], "securityGroupIds": [], "vpcId": "vpc-1" });
    let tags = ownership_tags("eks_cluster.main");
    let script = Script::new()
        .on(
            "GET /clusters/-",
            [ok(json!({ "cluster": { "name": "shop-main", "status": "ACTIVE", "resourcesVpcConfig": network, "tags": tags } }))],
        )
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-a"], "nextToken": "more" }))])
        .on_containing(
            "GET /clusters/-/node-groups?nextToken",
            "nextToken=more",
            [ok(json!({ "nodegroups": ["shop-b"], "nextToken": null }))],
        )
        .on_containing("GET /clusters/-/node-groups/-", "/shop-a", [group("shop-a", "eks_node_group.a")])
        .on_containing("GET /clusters/-/node-groups/-", "/shop-b", [group("shop-b", "eks_node_group.b")]);
    let (cluster, a, b) = (arn("cluster", "shop-main"), arn("nodegroup", "shop-main/shop-a/1"), arn("nodegroup", "shop-main/shop-b/2"));
    assert_all_found(script, &[(&cluster, "eks_cluster.main"), (&a, "eks_node_group.a"), (&b, "eks_node_group.b")]);
}

#[test]
fn eks_pages_cluster_components_by_next_token() {
    let network = json!({ "subnetIds": [], "securityGroupIds": [], "vpcId": "vpc-1" });
    let cluster =
        json!({ "name": "shop-main", "status": "ACTIVE", "resourcesVpcConfig": network, "tags": ownership_tags("eks_cluster.main") });
    let addon = |name: &str| {
        let tags = ownership_tags(&format!("eks_addon.{name}"));
        ok(json!({ "addon": { "clusterName": "shop-main", "addonName": name, "status": "ACTIVE", "tags": tags } }))
    };
    let entry = |name: &str| {
        let tags = ownership_tags(&format!("eks_access_entry.{name}"));
        ok(
            json!({ "accessEntry": { "clusterName": "shop-main", "principalArn": name, "accessEntryArn": "arn", "type": "STANDARD", "tags": tags } }),
        )
    };
    let pod = |name: &str| {
        let tags = ownership_tags(&format!("eks_pod_identity.{name}"));
        ok(json!({ "association": { "clusterName": "shop-main", "associationId": name, "tags": tags } }))
    };
    let associations = |name: &str, more: Option<&str>| ok(json!({ "associations": [{ "associationId": name }], "nextToken": more }));
    let script = Script::new()
        .on("GET /clusters/-", [ok(json!({ "cluster": cluster }))])
        .on("GET /clusters/-/addons", [ok(json!({ "addons": ["a"], "nextToken": "more" }))])
        .on("GET /clusters/-/addons?nextToken", [ok(json!({ "addons": ["b"] }))])
        .on_containing("GET /clusters/-/addons/-", "addons/a", [addon("a")])
        .on_containing("GET /clusters/-/addons/-", "addons/b", [addon("b")])
        .on("GET /clusters/-/access-entries", [ok(json!({ "accessEntries": ["a"], "nextToken": "more" }))])
        .on("GET /clusters/-/access-entries?nextToken", [ok(json!({ "accessEntries": ["b"] }))])
        .on_containing("GET /clusters/-/access-entries/-", "access-entries/a", [entry("a")])
        .on_containing("GET /clusters/-/access-entries/-", "access-entries/b", [entry("b")])
        .on("GET /clusters/-/pod-identity-associations", [associations("a", Some("more"))])
        .on("GET /clusters/-/pod-identity-associations?nextToken", [associations("b", None)])
        .on_containing("GET /clusters/-/pod-identity-associations/-", "associations/a", [pod("a")])
        .on_containing("GET /clusters/-/pod-identity-associations/-", "associations/b", [pod("b")]);
    let arn = |rest: &str| format!("arn:aws:eks:us-east-1:123456789012:{rest}");
    assert_all_found(
        script,
        &[
            (&arn("cluster/shop-main"), "eks_cluster.main"),
            (&arn("addon/shop-main/a/1"), "eks_addon.a"),
            (&arn("addon/shop-main/b/1"), "eks_addon.b"),
            (&arn("access-entry/shop-main/role/123456789012/a/1"), "eks_access_entry.a"),
            (&arn("access-entry/shop-main/role/123456789012/b/1"), "eks_access_entry.b"),
            (&arn("podidentityassociation/shop-main/a"), "eks_pod_identity.a"),
            (&arn("podidentityassociation/shop-main/b"), "eks_pod_identity.b"),
        ],
    );
}

#[test]
fn rds_pages_by_marker() {
    let page = |name: &str, marker: &str| {
        let tags = xml_ownership_tags(&format!("rds_instance.{name}"), "Tag", "Key", "Value");
        let one = format!(
            "<DBInstance><DBInstanceIdentifier>shop-{name}</DBInstanceIdentifier><Engine>postgres</Engine><TagList>{tags}</TagList>\
             <DBInstanceStatus>available</DBInstanceStatus></DBInstance>"
        );
        xml(format!(
            "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances>{one}</DBInstances>{marker}</DescribeDBInstancesResult>\
             </DescribeDBInstancesResponse>"
        ))
    };
    let script = Script::new().on("DescribeDBInstances", [page("a", "<Marker>more</Marker>")]).on_containing(
        "DescribeDBInstances",
        "&Marker=more",
        [page("b", "")],
    );
    let (a, b) = ("arn:aws:rds:us-east-1:123456789012:db:shop-a", "arn:aws:rds:us-east-1:123456789012:db:shop-b");
    assert_all_found(script, &[(a, "rds_instance.a"), (b, "rds_instance.b")]);
}

#[test]
fn load_balancing_pages_by_next_marker() {
    let arn = |name: &str| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop-{name}/1");
    let page = |name: &str, marker: &str| {
        let one = format!(
            "<member><LoadBalancerArn>{}</LoadBalancerArn><LoadBalancerName>shop-{name}</LoadBalancerName><Type>application</Type>\
             <State><Code>active</Code></State></member>",
            arn(name)
        );
        xml(format!(
            "<DescribeLoadBalancersResponse><DescribeLoadBalancersResult><LoadBalancers>{one}</LoadBalancers>{marker}\
             </DescribeLoadBalancersResult></DescribeLoadBalancersResponse>"
        ))
    };
    let script = Script::new().on("DescribeLoadBalancers", [page("a", "<NextMarker>more</NextMarker>")]).on_containing(
        "DescribeLoadBalancers",
        "&Marker=more",
        [page("b", "")],
    );
    assert_all_found(script, &[(&arn("a"), "load_balancer.a"), (&arn("b"), "load_balancer.b")]);
}

#[test]
fn route_53_pages_zones_by_marker_and_records_by_name() {
    let zone = |name: &str| {
        format!(
            "<HostedZone><Id>/hostedzone/Z{name}</Id><Name>{name}.example.com.</Name><CallerReference>1</CallerReference>\
             <Config><PrivateZone>false</PrivateZone></Config></HostedZone>"
        )
    };
    let zones = |name: &str, more: &str| {
        xml(format!(
            "<ListHostedZonesResponse><HostedZones>{}</HostedZones><MaxItems>100</MaxItems>{more}</ListHostedZonesResponse>",
            zone(name)
        ))
    };
    let get = |name: &str| xml(format!("<GetHostedZoneResponse>{}</GetHostedZoneResponse>", zone(name)));
    let record = |name: &str, kind: &str, value: &str| {
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><TTL>300</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value>\
             </ResourceRecord></ResourceRecords></ResourceRecordSet>"
        )
    };
    let records = |records: &str, more: &str| {
        xml(format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{records}</ResourceRecordSets><MaxItems>100</MaxItems>{more}\
             </ListResourceRecordSetsResponse>"
        ))
    };
    let mark = "&quot;acme:stack=shop,acme:environment=default,acme:address=dns_record.www,acme:region=us-east-1&quot;";
    let script = Script::new()
        .on("GET /hostedzone", [zones("a", "<IsTruncated>true</IsTruncated><NextMarker>more</NextMarker>")])
        .on_containing("GET /hostedzone?marker", "marker=more", [zones("b", "<IsTruncated>false</IsTruncated>")])
        .on_containing("GET /hostedzone/-", "/Za", [get("a")])
        .on_containing("GET /hostedzone/-", "/Zb", [get("b")])
        .on("GET /hostedzone/-/rrset", [records("", "<IsTruncated>false</IsTruncated>")])
        .on_containing(
            "GET /hostedzone/-/rrset",
            "/Zb/",
            [records(
                &record("_acme-a.www.b.example.com.", "TXT", mark),
                "<IsTruncated>true</IsTruncated><NextRecordName>www.b.example.com.</NextRecordName><NextRecordType>A</NextRecordType>",
            )],
        )
        .on_containing(
            "GET /hostedzone/-/rrset?name&type",
            "name=www.b.example.com.&type=A",
            [records(&record("www.b.example.com.", "A", "192.0.2.1"), "<IsTruncated>false</IsTruncated>")],
        );
    let endpoint = script
        .with_tagged_resources(&[("arn:aws:route53:::hostedzone/Za", "dns_zone.a"), ("arn:aws:route53:::hostedzone/Zb", "dns_zone.b")])
        .start("  {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete dns_record.www", "delete dns_zone.a", "delete dns_zone.b"]);
}

#[test]
fn waf_pages_by_next_marker() {
    let arn = |name: &str| format!("arn:aws:wafv2:us-east-1:123456789012:regional/webacl/shop-{name}/{name}1");
    let page = |name: &str, more: Option<&str>| {
        ok(
            json!({ "WebACLs": [{ "Name": format!("shop-{name}"), "Id": format!("{name}1"), "ARN": arn(name), "LockToken": "1" }], "NextMarker": more }),
        )
    };
    let acl = |name: &str| {
        ok(json!({ "LockToken": "1", "WebACL": {
        "Name": format!("shop-{name}"), "Id": format!("{name}1"), "ARN": arn(name), "DefaultAction": { "Allow": {} }, "Rules": [],
        "VisibilityConfig": { "SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": name }, "Capacity": 1,
    } }))
    };
    let script = Script::new()
        .on_containing("ListWebACLs", "\"Scope\":\"REGIONAL\"", [page("a", Some("more"))])
        .on_containing("ListWebACLs", "\"NextMarker\":\"more\"", [page("b", None)])
        .on_containing("GetWebACL", "shop-a", [acl("a")])
        .on_containing("GetWebACL", "shop-b", [acl("b")]);
    assert_all_found(script, &[(&arn("a"), "waf_web_acl.a"), (&arn("b"), "waf_web_acl.b")]);
}

#[test]
fn iam_pages_by_marker() {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let trust = format!("<AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument>");
    let role = |name: &str| {
        format!(
            "<member><RoleName>shop-{name}</RoleName><RoleId>A{name}</RoleId><Path>/acme/shop/default/</Path><Arn>arn:aws:iam::123456789012:role/acme/shop/default/shop-{name}</Arn>\
             <CreateDate>2026-11-21T16:00:00Z</CreateDate>{trust}</member>"
        )
    };
    let detail = |name: &str| {
        let tags = xml_ownership_tags(&format!("iam_role.{name}"), "member", "Key", "Value");
        format!("<member><RoleName>shop-{name}</RoleName>{trust}<Tags>{tags}</Tags></member>")
    };
    let page = |action: &str, list: &str, one: String, more: &str| {
        xml(format!("<{action}Response><{action}Result><{list}>{one}</{list}>{more}</{action}Result></{action}Response>"))
    };
    let more = "<IsTruncated>true</IsTruncated><Marker>more</Marker>";
    let last = "<IsTruncated>false</IsTruncated>";
    let bulk = "GetAccountAuthorizationDetails";
    let endpoint = Script::new()
        .on("ListRoles", [page("ListRoles", "Roles", role("a"), more)])
        .on_containing("ListRoles", "&Marker=more", [page("ListRoles", "Roles", role("b"), last)])
        .on(bulk, [page(bulk, "RoleDetailList", detail("a"), more)])
        .on_containing(bulk, "&Marker=more", [page(bulk, "RoleDetailList", detail("b"), last)])
        .start("  {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete iam_role.a", "delete iam_role.b"]);
    assert_eq!(endpoint.call_count("GetRole"), 0, "the bulk read has them all");
}

#[test]
fn kms_pages_by_next_marker() {
    let page = |name: &str, more: serde_json::Value| {
        let alias = json!({ "AliasName": format!("alias/shop-{name}"), "TargetKeyId": format!("key-{name}") });
        ok(json!({ "Aliases": [alias], "Truncated": !more.is_null(), "NextMarker": more }))
    };
    let arn = |name: &str| format!("arn:aws:kms:us-east-1:123456789012:key/key-{name}");
    let key = |name: &str| ok(json!({ "KeyMetadata": { "KeyId": format!("key-{name}"), "Arn": arn(name), "KeyState": "Enabled" } }));
    let script = Script::new()
        .on("ListAliases", [page("a", json!("more"))])
        .on_containing("ListAliases", "\"Marker\":\"more\"", [page("b", json!(null))])
        .on_containing("DescribeKey", "key-a", [key("a")])
        .on_containing("DescribeKey", "key-b", [key("b")]);
    assert_all_found(script, &[(&arn("a"), "kms_key.a"), (&arn("b"), "kms_key.b")]);
}

#[test]
fn acm_pages_by_next_token() {
    let arn = |name: &str| format!("arn:aws:acm:us-east-1:123456789012:certificate/{name}");
    let page = |name: &str, more: Option<&str>| {
        ok(json!({ "CertificateSummaryList": [{ "CertificateArn": arn(name), "DomainName": "shop.example.com" }], "NextToken": more }))
    };
    let certificate =
        |name: &str| ok(json!({ "Certificate": { "CertificateArn": arn(name), "DomainName": "shop.example.com", "Status": "ISSUED" } }));
    let script = Script::new()
        .on("ListCertificates", [page("a", Some("more"))])
        .on_containing("ListCertificates", "\"NextToken\":\"more\"", [page("b", None)])
        .on_containing("DescribeCertificate", "certificate/a", [certificate("a")])
        .on_containing("DescribeCertificate", "certificate/b", [certificate("b")]);
    assert_all_found(script, &[(&arn("a"), "certificate.a"), (&arn("b"), "certificate.b")]);
}

/// Without the tagging API, every type is read, and types without a list by tag are listed completely.
#[test]
fn lists_every_type_without_the_tagging_api() {
    let denied = json_error(400, "AccessDeniedException", "User is not authorized to perform: tag:GetResources");
    let cluster = |name: &str| {
        let network = json!({ "subnetIds": [], "securityGroupIds": [], "vpcId": "vpc-1" });
        let tags = ownership_tags(&format!("eks_cluster.{name}"));
        ok(json!({ "cluster": { "name": format!("shop-{name}"), "status": "ACTIVE", "resourcesVpcConfig": network, "tags": tags } }))
    };
    let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-{name}-AbCdEf");
    let secret =
        |name: &str| json!({ "Name": format!("shop-{name}"), "ARN": arn(name), "Tags": json_ownership_tags(&format!("secret.{name}")) });
    let endpoint = Script::new()
        .on("GetResources", [denied])
        .on("GET /clusters", [ok(json!({ "clusters": ["shop-a"], "nextToken": "more" }))])
        .on("GET /clusters?nextToken", [ok(json!({ "clusters": ["shop-b", "other"] }))])
        .on_containing("GET /clusters/-", "/shop-a", [cluster("a")])
        .on_containing("GET /clusters/-", "/shop-b", [cluster("b")])
        .on("ListSecrets", [ok(json!({ "SecretList": [secret("a")], "NextToken": "more" }))])
        .on_containing("ListSecrets", "\"NextToken\":\"more\"", [ok(json!({ "SecretList": [secret("b")] }))])
        .on_containing("DescribeSecret", "shop-a", [ok(secret("a"))])
        .on_containing("DescribeSecret", "shop-b", [ok(secret("b"))])
        .start("  {}\n");
    let expected = [
        "delete cluster_leftover.rest-shop-a",
        "delete cluster_leftover.rest-shop-b",
        "delete eks_cluster.a",
        "delete eks_cluster.b",
        "delete secret.a",
        "delete secret.b",
    ];
    assert_eq!(endpoint.planned_changes(), expected);
    let done = endpoint.run("plan", &[]);
    assert!(done.stdout.contains("The tagging API is not available"), "{}", done.combined_output());
    assert_eq!(endpoint.request_bodies("GET /clusters/-").len(), 4, "the other's cluster is not read");
}
