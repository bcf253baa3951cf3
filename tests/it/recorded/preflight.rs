//! Questions of a plan: values that AWS offers, values that it does not, and questions that it refuses to answer.

use serde_json::{Value, json};

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Endpoint, Script, ec2_error, json_error, ok, ownership_tags, xml, xml_error};

/// A plan as JSON, blocked or not.
pub(super) fn plan(endpoint: &Endpoint) -> Value {
    let done = endpoint.run("plan", &["-o", "json"]);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {}", done.combined_output()))
}

/// `line address: message (help)` of each obstacle.
pub(super) fn obstacles(plan: &Value) -> Vec<String> {
    let text = |obstacle: &Value, key: &str| obstacle[key].as_str().unwrap_or_default().to_owned();
    let of = |obstacle: &Value| {
        assert_eq!(obstacle["code"], "not-offered");
        let line = text(obstacle, "location").rsplit(':').next().unwrap_or_default().to_owned();
        format!("{line}: {} ({})", text(obstacle, "message"), text(obstacle, "help"))
    };
    plan["obstacles"].as_array().expect("a list").iter().map(of).collect()
}

/// Warnings of a plan. The command that prints the policy is complete, which differs with each stack.
pub(super) fn warnings(plan: &Value) -> Vec<String> {
    let shown = |warning: &str| match warning.split_once("`acme policy ") {
        Some((before, rest)) => {
            let (options, after) = rest.split_once('`').expect("the end of the command");
            assert!(options.contains(".yaml"), "{warning}");
            format!("{before}`acme policy`{after}")
        }
        None => warning.to_owned(),
    };
    plan["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str).map(shown).collect()
}

/// The endpoint allows a plan of these resources, or names the obstacle.
#[track_caller]
pub(super) fn assert_plan(script: Script, resources: &str, expected: &[&str]) -> Endpoint {
    let endpoint = script.start(resources);
    let plan = plan(&endpoint);
    assert_eq!(obstacles(&plan), expected);
    assert_eq!(warnings(&plan), [""; 0]);
    assert!(endpoint.writes().is_empty(), "{:?}", endpoint.writes());
    endpoint
}

/// The endpoint denies the question: the plan has one warning and no obstacle.
#[track_caller]
pub(super) fn assert_denied(script: Script, resources: &str, action: &str) {
    let plan = plan(&script.start(resources));
    assert_eq!(obstacles(&plan), [""; 0]);
    let expected = format!("Some values were not checked: `{action}` is not allowed; `acme policy` prints the permissions.");
    assert_eq!(warnings(&plan), [expected]);
}

const VERSIONS: &str = "GET /cluster-versions";
const ADDONS: &str = "GET /addons/-?kubernetesVersion";

/// Ten clusters of a version, from line 5 on, four lines each.
fn clusters(version: &str) -> String {
    let one = |number: usize| {
        format!(
            "    c{number}:\n      version: \"{version}\"\n      role: arn:aws:iam::123456789012:role/cluster\n      \
             subnets: [{{ id: subnet-1 }}, {{ id: subnet-2 }}]\n"
        )
    };
    format!("  eks_cluster:\n{}", (0..10).map(one).collect::<String>())
}

fn cluster_versions() -> Answer {
    let version = |version: &str, status: &str| json!({ "clusterVersion": version, "versionStatus": status });
    let versions = [version("1.36", "STANDARD_SUPPORT"), version("1.34", "EXTENDED_SUPPORT"), version("1.28", "UNSUPPORTED")].to_vec();
    ok(json!({ "clusterVersions": versions }))
}

#[test]
fn asks_for_kubernetes_versions_once() {
    let script = || Script::new().on(VERSIONS, [cluster_versions()]);
    let endpoint = assert_plan(script(), &clusters("1.36"), &[]);
    assert_eq!(endpoint.call_count(VERSIONS), 1);

    let endpoint = script().start(&clusters("1.28"));
    let plan = plan(&endpoint);
    assert_eq!(plan["obstacles"].as_array().map(Vec::len), Some(10));
    assert_eq!(
        obstacles(&plan)[0],
        "6: `version` of `eks_cluster.c0`: AWS does not offer `1.28` as a Kubernetes version (did you mean `1.34`? versions: 1.36, 1.34)"
    );
    assert_eq!(endpoint.call_count(VERSIONS), 1);
    // Nothing is applied.
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(endpoint.writes().is_empty());

    let denied = json_error(403, "AccessDeniedException", "not authorized to perform eks:DescribeClusterVersions");
    assert_denied(Script::new().on(VERSIONS, [denied]), &clusters("1.28"), "eks:DescribeClusterVersions");
    // A stand-in that does not know the question.
    let unknown = json_error(404, "UnknownOperationException", "");
    assert_plan(Script::new().on(VERSIONS, [unknown]), &clusters("1.28"), &[]);
}

#[test]
fn asks_for_addons_of_the_cluster_version() {
    let resources = |addon: &str, version: &str| {
        format!("{}  eks_addon:\n    dns:\n      cluster: c0\n      addon: {addon}\n      version: {version}\n", clusters("1.34"))
    };
    let addon = |name: &str, versions: &[&str]| {
        let versions: Vec<Value> = versions.iter().map(|version| json!({ "addonVersion": version })).collect();
        json!({ "addonName": name, "addonVersions": versions })
    };
    let addons = json!({ "addons": [addon("coredns", &["v1.13.1-eksbuild.1"]), addon("vpc-cni", &["v1.21.0-eksbuild.2"])] });
    let script = || Script::new().on(VERSIONS, [cluster_versions()]).on(ADDONS, [ok(addons.clone())]);
    assert_plan(script(), &resources("coredns", "v1.13.1-eksbuild.1"), &[]);
    assert_plan(
        script(),
        &resources("core-dns", "v1.13.1-eksbuild.1"),
        &["48: `addon` of `eks_addon.dns`: AWS does not offer `core-dns` for Kubernetes 1.34 (did you mean `coredns`? add-ons: coredns, \
           vpc-cni)"],
    );
    assert_plan(
        script(),
        &resources("coredns", "v1.11.0-eksbuild.1"),
        &["49: `version` of `eks_addon.dns`: AWS does not offer `v1.11.0-eksbuild.1` for Kubernetes 1.34 (did you mean \
           `v1.13.1-eksbuild.1`? versions: v1.13.1-eksbuild.1)"],
    );
    let denied = json_error(403, "AccessDeniedException", "not authorized");
    assert_denied(script().on(ADDONS, [denied]), &resources("core-dns", "v1"), "eks:DescribeAddonVersions");
}

fn node_group(more: &str) -> String {
    format!(
        "  subnet:\n    a: {{ vpc: {{ id: vpc-1 }}, cidr: 10.0.0.0/24, availability_zone: us-east-1a }}\n  eks_node_group:\n    main:\n      \
         cluster: {{ id: shop-main }}\n      role: arn:aws:iam::123456789012:role/node\n      subnets: [a]\n      min: 1\n      max: 5\n{more}"
    )
}

const OFFERINGS: &str = "DescribeInstanceTypeOfferings";

fn offerings(all: &[(&str, &str)]) -> Answer {
    let item = |(name, zone): &(&str, &str)| {
        format!("<item><instanceType>{name}</instanceType><locationType>availability-zone</locationType><location>{zone}</location></item>")
    };
    let items: String = all.iter().map(item).collect();
    xml(format!("<{OFFERINGS}Response><instanceTypeOfferingSet>{items}</instanceTypeOfferingSet></{OFFERINGS}Response>"))
}

#[test]
fn asks_for_instance_types_in_the_zones_of_the_subnets() {
    let types = |all: &str| node_group(&format!("      instance_types: [{all}]\n"));
    let script = |zones: &[(&str, &str)]| {
        let region: Vec<(&str, &str)> = vec![("m6i.large", "us-east-1"), ("t3.medium", "us-east-1"), ("t3.large", "us-east-1")];
        Script::new().on(OFFERINGS, [offerings(zones)]).on_containing(OFFERINGS, "LocationType=region", [offerings(&region)])
    };
    assert_plan(script(&[("t3.medium", "us-east-1a")]), &types("t3.medium"), &[]);
    assert_plan(
        script(&[("t3.medium", "us-east-1a")]),
        &types("t3.medium, t3.medum"),
        &["13: `instance_types` of `eks_node_group.main`: AWS does not offer `t3.medum` in this region (did you mean `t3.medium`? \
           instance types: m6i.large, t3.large, t3.medium)"],
    );
    assert_plan(
        script(&[("t3.medium", "us-east-1b"), ("t3.medium", "us-east-1d")]),
        &types("t3.medium"),
        &["13: `instance_types` of `eks_node_group.main`: AWS does not offer `t3.medium` in the zones of the subnets, us-east-1a (zones \
           with `t3.medium`: us-east-1b, us-east-1d)"],
    );
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    assert_denied(Script::new().on(OFFERINGS, [denied]), &types("t3.medum"), "ec2:DescribeInstanceTypeOfferings");
}

const ZONES: &str = "DescribeAvailabilityZones";

fn zones(names: &[&str]) -> Answer {
    let zone = |name: &&str| {
        format!("<item><zoneName>{name}</zoneName><zoneType>availability-zone</zoneType><zoneState>available</zoneState></item>")
    };
    let zones: String = names.iter().map(zone).collect();
    xml(format!("<{ZONES}Response><availabilityZoneInfo>{zones}</availabilityZoneInfo></{ZONES}Response>"))
}

const TOKYO: &[&str] = &["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"];

#[test]
fn refuses_zones_that_the_account_does_not_have() {
    let subnet =
        |zone: &str| format!("  subnet:\n    a:\n      vpc: {{ id: vpc-1 }}\n      cidr: 10.0.0.0/24\n      availability_zone: {zone}\n");
    let script = || Script::new().region("ap-northeast-1").on(ZONES, [zones(TOKYO)]);
    assert_plan(script(), &subnet("ap-northeast-1c"), &[]);
    assert_plan(
        script(),
        &subnet("ap-northeast-1b"),
        &[
            "8: `availability_zone` of `subnet.a`: AWS does not offer `ap-northeast-1b` to this account as an availability zone (did you mean \
           `ap-northeast-1a`? zones: ap-northeast-1a, ap-northeast-1c, ap-northeast-1d)",
        ],
    );
    let denied = ec2_error(403, "UnauthorizedOperation", "");
    assert_denied(script().on(ZONES, [denied]), &subnet("ap-northeast-1b"), "ec2:DescribeAvailabilityZones");
}

/// Zone of each subnet that a plan creates.
fn planned_zones(plan: &Value) -> Vec<String> {
    let changes =
        plan["changes"].as_array().expect("a list").iter().filter(|change| change["address"].as_str().unwrap().starts_with("subnet."));
    let zone = |change: &Value| {
        let fields = change["fields"].as_array().expect("a list");
        let zone = fields.iter().find(|field| field["pointer"] == "/availability_zone").map(|field| field["after"].as_str().unwrap());
        format!("{} {}", change["address"].as_str().unwrap(), zone.unwrap_or_default())
    };
    changes.map(zone).collect()
}

#[test]
fn chooses_zones_that_the_account_has_and_keeps_them() {
    let script = || Script::new().region("ap-northeast-1").on(ZONES, [zones(TOKYO)]);
    let network = |zones: &str| format!("  {{}}\nnetwork: {{ zones: {zones}, nat: none }}\n");
    let endpoint = script().start(&network("2"));
    let first = plan(&endpoint);
    assert_eq!(obstacles(&first), [""; 0]);
    let expected = ["private-a ap-northeast-1a", "private-b ap-northeast-1c", "public-a ap-northeast-1a", "public-b ap-northeast-1c"];
    assert_eq!(planned_zones(&first), expected.map(|text| format!("subnet.{text}")));
    assert_eq!(endpoint.call_count(ZONES), 1);
    assert_eq!(planned_zones(&plan(&endpoint)), planned_zones(&first));

    // More zones than the account has.
    let refused = plan(&script().start(&network("4")));
    let places: Vec<&str> =
        refused["obstacles"].as_array().unwrap().iter().map(|obstacle| obstacle["location"].as_str().unwrap()).collect();
    assert!(places.len() == 2 && places.iter().all(|place| place.ends_with(":5")), "{places:?}");

    // Subnets in place stay where they are, and nothing is asked while no zone is missing.
    let subnet = |number: u8, address: &str, zone: &str, cidr: &str| {
        let tags: String = ownership_tags(&format!("subnet.{address}"))
            .iter()
            .map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"))
            .collect();
        format!(
            "<item><subnetId>subnet-{number}</subnetId><vpcId>vpc-1</vpcId><state>available</state><cidrBlock>{cidr}</cidrBlock>\
             <availabilityZone>{zone}</availabilityZone><mapPublicIpOnLaunch>false</mapPublicIpOnLaunch><tagSet>{tags}</tagSet></item>"
        )
    };
    let live = [
        subnet(1, "public-a", "ap-northeast-1d", "10.0.0.0/20"),
        subnet(2, "private-a", "ap-northeast-1d", "10.0.128.0/20"),
        subnet(3, "public-b", "ap-northeast-1a", "10.0.16.0/20"),
    ];
    let live = xml(format!("<DescribeSubnetsResponse><subnetSet>{}</subnetSet></DescribeSubnetsResponse>", live.concat()));
    let endpoint = script().on("DescribeSubnets", [live.clone()]).start(&network("2"));
    let planned = plan(&endpoint);
    let zone_of = |address: &str| planned_zones(&planned).into_iter().find(|text| text.starts_with(address)).unwrap_or_default();
    assert_eq!(zone_of("subnet.private-b"), "subnet.private-b ap-northeast-1a");
    let replaced =
        planned["changes"].as_array().unwrap().iter().filter(|change| change["fields"].to_string().contains("/availability_zone"));
    assert!(replaced.clone().all(|change| change["action"] == "create"), "{planned:#}");
    // The check of the new subnet; none for the choice.
    assert_eq!(endpoint.call_count(ZONES), 1);
    let three = plan(&script().on("DescribeSubnets", [live]).start(&network("3")));
    assert!(planned_zones(&three).contains(&"subnet.public-c ap-northeast-1c".to_owned()), "{:?}", planned_zones(&three));
}

#[test]
fn asks_for_endpoint_services() {
    const SERVICES: &str = "DescribeVpcEndpointServices";
    let service = |name: &str, kind: &str| {
        format!(
            "<item><serviceName>com.amazonaws.us-east-1.{name}</serviceName><serviceType><item><serviceType>{kind}</serviceType></item></serviceType></item>"
        )
    };
    let all = [service("s3", "Gateway"), service("s3", "Interface"), service("ecr.api", "Interface")].concat();
    let services = xml(format!("<{SERVICES}Response><serviceDetailSet>{all}</serviceDetailSet></{SERVICES}Response>"));
    let script = || Script::new().on(SERVICES, [services.clone()]);
    let endpoint = |service: &str, kind: &str| {
        format!("  vpc_endpoint:\n    main:\n      vpc: {{ id: vpc-1 }}\n      service: {service}\n      type: {kind}\n")
    };
    assert_plan(script(), &endpoint("s3", "gateway"), &[]);
    assert_plan(script(), &endpoint("com.amazonaws.us-east-1.ecr.api", "interface"), &[]);
    assert_plan(script(), &endpoint("com.amazonaws.vpce.us-east-1.vpce-svc-1", "interface"), &[]);
    assert_plan(
        script(),
        &endpoint("ecr.apis", "interface"),
        &[
            "7: `service` of `vpc_endpoint.main`: AWS does not offer `ecr.apis` as an endpoint service of this region (did you mean `ecr.api`? \
           services: com.amazonaws.us-east-1.ecr.api, com.amazonaws.us-east-1.s3, ecr.api, s3)",
        ],
    );
    assert_plan(
        script(),
        &endpoint("ecr.api", "gateway"),
        &["8: `type` of `vpc_endpoint.main`: AWS does not offer `ecr.api` through this type of endpoint (set `type: interface`)"],
    );
    let denied = ec2_error(403, "UnauthorizedOperation", "");
    assert_denied(Script::new().on(SERVICES, [denied]), &endpoint("ecr.apis", "interface"), "ec2:DescribeVpcEndpointServices");
}

#[test]
fn asks_for_managed_rule_groups() {
    const GROUPS: &str = "ListAvailableManagedRuleGroups";
    let groups =
        |next: Option<&str>, name: &str| ok(json!({ "NextMarker": next, "ManagedRuleGroups": [{ "VendorName": "AWS", "Name": name }] }));
    let script = || {
        let (first, second) = (groups(Some("2"), "AWSManagedRulesCommonRuleSet"), groups(None, "AWSManagedRulesATPRuleSet"));
        Script::new().on(GROUPS, [first]).on_containing(GROUPS, "NextMarker", [second])
    };
    let acl = |group: &str| format!("  waf_web_acl:\n    main:\n      managed_rules:\n        - {group}\n");
    assert_plan(script(), &acl("name: common"), &[]);
    let login = "{ name: AWSManagedRulesATPRuleSet, login: { path: /login, username_field: user, password_field: password } }";
    assert_plan(script(), &acl(login), &[]);
    assert_plan(
        script(),
        &acl("name: comon"),
        &["7: `managed_rules` of `waf_web_acl.main`: AWS does not offer `comon` as a managed rule group of AWS (did you mean `common`? \
           groups: AWSManagedRulesATPRuleSet, common)"],
    );
    assert_plan(
        script(),
        &acl("{ name: rules, vendor: Example }"),
        &["7: `managed_rules` of `waf_web_acl.main`: AWS does not offer `Example` as a vendor of managed rule groups (vendors: AWS)"],
    );
    let denied = json_error(400, "AccessDeniedException", "not authorized");
    assert_denied(Script::new().on(GROUPS, [denied]), &acl("name: comon"), "wafv2:ListAvailableManagedRuleGroups");
}

#[test]
fn asks_for_managed_policies_of_aws() {
    let role = |policy: &str| {
        format!(
            "  iam_role:\n    main:\n      trust: {{ services: [ec2.amazonaws.com] }}\n      policies:\n        - {policy}\n        - \
             arn:aws:iam::123456789012:policy/own\n"
        )
    };
    let unknown = || xml_error(404, "NoSuchEntity", "Policy does not exist or is not attachable.");
    let policies = ["AmazonEKSClusterPolicy", "service-role/AmazonEBSCSIDriverPolicy"]
        .map(|name| format!("<member><Arn>arn:aws:iam::aws:policy/{name}</Arn></member>"))
        .concat();
    let script = || {
        Script::new().on("ListPolicies", [answer("ListPolicies", &format!("<Policies>{policies}</Policies>"))]).on_containing(
            "GetPolicy",
            "AmazonEBSCSIDriverPolici",
            [unknown()],
        )
    };
    let endpoint = assert_plan(script(), &role("ReadOnlyAccess"), &[]);
    let asked = endpoint.request_bodies("GetPolicy");
    assert_eq!((asked.len(), &asked[0]["PolicyArn"]), (1, &json!("arn:aws:iam::aws:policy/ReadOnlyAccess")));
    // Clusters need it, so it exists.
    assert_eq!(assert_plan(script(), &role("AmazonEKSClusterPolicy"), &[]).call_count("GetPolicy"), 0);
    assert_plan(
        script(),
        &role("service-role/AmazonEBSCSIDriverPolici"),
        &[
            "7: `policies` of `iam_role.main`: AWS does not offer `service-role/AmazonEBSCSIDriverPolici` as a managed policy (did you mean \
           `service-role/AmazonEBSCSIDriverPolicy`? policies: AmazonEKSClusterPolicy, service-role/AmazonEBSCSIDriverPolicy)",
        ],
    );
    // A stand-in that knows no policies of AWS.
    assert_plan(script().on("GetPolicy", [unknown()]), &role("ReadOnlyAccess"), &[]);
    let denied = xml_error(403, "AccessDenied", "not authorized to perform: iam:GetPolicy");
    assert_denied(Script::new().on("GetPolicy", [denied]), &role("ReadOnlyAccess"), "iam:GetPolicy");
}

#[test]
fn refuses_an_access_entry_that_the_new_cluster_gets_by_itself() {
    let caller = |arn: &str| {
        let identity = format!("<GetCallerIdentityResult><Arn>{arn}</Arn><Account>123456789012</Account></GetCallerIdentityResult>");
        Script::new().on("GetCallerIdentity", [xml(format!("<GetCallerIdentityResponse>{identity}</GetCallerIdentityResponse>"))])
    };
    let session = "arn:aws:sts::123456789012:assumed-role/deployer/ci";
    let entry = "  eks_access_entry:\n    ci:\n      cluster: c0\n      principal_arn: arn:aws:iam::123456789012:role/ci/deployer\n";
    let resources = format!("{}{entry}", clusters("1.34"));
    assert_plan(
        caller(session),
        &resources,
        &["48: `principal_arn` of `eks_access_entry.ci`: EKS gives this principal, which creates the cluster, an access entry of its own \
           (remove this entry, or set `bootstrap_cluster_creator_admin_permissions: false` on the cluster)"],
    );
    assert_plan(caller("arn:aws:sts::123456789012:assumed-role/other/ci"), &resources, &[]);
    let without = resources.replace("version: \"1.34\"", "version: \"1.34\"\n      bootstrap_cluster_creator_admin_permissions: false");
    assert_plan(caller(session), &without, &[]);
}

#[test]
fn creates_the_role_of_spot_instances_once() {
    let spot = node_group("      capacity_type: SPOT\n");
    let role = "<member><Path>/aws-service-role/spot.amazonaws.com/</Path><RoleName>AWSServiceRoleForEC2Spot</RoleName><RoleId>AROA1</RoleId>\
                <Arn>arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot</Arn>\
                <CreateDate>2026-01-01T00:00:00Z</CreateDate></member>";
    let roles = |roles: &str| answer("ListRoles", &format!("<Roles>{roles}</Roles><IsTruncated>false</IsTruncated>"));
    let (list, path) = ("ListRoles", "aws-service-role");
    // The path in a form is escaped.
    let script = |all: &str| Script::new().on(list, [roles("")]).on_containing(list, path, [roles(all)]);

    let endpoint = script(role).start(&spot);
    assert_eq!(plan(&endpoint)["prerequisites"], json!([]));
    let endpoint = script("").start(&spot);
    assert_eq!(plan(&endpoint)["prerequisites"], json!([{ "kind": "service_linked_role", "service": "spot.amazonaws.com" }]));
    let screen = endpoint.run("plan", &[]).assert_success().stdout;
    let lines = "  + service-linked role of spot.amazonaws.com\n      the whole account needs it once; acme never deletes it\n";
    assert!(screen.contains(lines), "{screen}");
    // Without spot instances, nothing is read.
    let endpoint = script("").start(&node_group(""));
    assert_eq!(plan(&endpoint)["prerequisites"], json!([]));
    assert!(endpoint.request_bodies(list).iter().all(|body| !body.to_string().contains(path)));

    // Another run creates it at the same time; IAM's words.
    let taken = "Service role name AWSServiceRoleForEC2Spot has been taken in this account, please try a different suffix.";
    for answer in [answer("CreateServiceLinkedRole", &format!("<Role>{role}</Role>")), xml_error(400, "InvalidInput", taken)] {
        let endpoint = script("").on("CreateServiceLinkedRole", [answer]).start(&spot);
        endpoint.run("apply", &["--yes"]);
        let writes = endpoint.writes();
        assert!(writes[0].ends_with("CreateServiceLinkedRole") && writes.len() > 1, "{writes:?}");
    }
    // Without permission, nothing else is created.
    let denied = xml_error(403, "AccessDenied", "not authorized to perform: iam:CreateServiceLinkedRole");
    let endpoint = script("").on("CreateServiceLinkedRole", [denied]).start(&spot);
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("iam:CreateServiceLinkedRole"), "{}", done.stderr);
    assert_eq!(endpoint.writes(), ["403 CreateServiceLinkedRole"]);
}
