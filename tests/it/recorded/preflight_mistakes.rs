//! One definition with the mistakes that only AWS can find: a plan reports all of them, each at its line, before the first change.

use serde_json::{Value, json};

use super::{
    preflight::{plan, warnings},
    rds::answer,
};
use crate::{
    acme::{Acme, write_file},
    scripted_endpoint::{Answer, Script, ec2_error, json_error, ok, xml, xml_error},
};

/// Each mistake has its message as a comment in its line. Those with `(any cloud)` are reported by the simulated cloud, too.
const MISTAKES: &str = r#"
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    c: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1c }
    e: { vpc: main, cidr: 10.0.2.0/24, availability_zone: us-east-1e }
    g:
      vpc: main
      cidr: 10.0.3.0/24
      availability_zone: us-east-1g # does not offer `us-east-1g` to this account as an availability zone (any cloud)
  elastic_ip:
    one: {}
    six: {} # exceeds a quota of the account: 5 of this type, of which 4 exist; the plan creates 2
  iam_role:
    app:
      trust: { services: [eks.amazonaws.com] }
      policies: [AmazonEKSClusterPolicie] # does not offer `AmazonEKSClusterPolicie` as a managed policy (any cloud)
    limited:
      trust: { services: [ec2.amazonaws.com] }
      permissions_boundary: arn:aws:iam::aws:policy/PowerUserAcess # does not offer `PowerUserAcess` as a managed policy (any cloud)
  iam_policy:
    read: { document: { Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "*" }] } } # 1500 of this type, of which 1500 exist
  eks_cluster:
    old:
      role: app
      subnets: [a, c]
      version: "1.19" # does not offer `1.19` as a Kubernetes version (any cloud)
    main:
      role: app
      version: "1.34"
      subnets: [a, e] # EKS has no control planes in the zone `us-east-1e` of a subnet (any cloud)
  eks_addon:
    dns:
      cluster: main
      addon: core-dns # does not offer `core-dns` for Kubernetes 1.34
    network:
      cluster: main
      addon: vpc-cni
      version: v1.0.0-eksbuild.1 # does not offer `v1.0.0-eksbuild.1` for Kubernetes 1.34
  eks_node_group:
    general:
      cluster: old
      role: limited
      subnets: [a]
      min: 1
      max: 2
      instance_types: [t3.medum] # does not offer `t3.medum` in this region (any cloud)
      version: "1.18" # does not offer `1.18` as a Kubernetes version (any cloud)
      remote_access:
        ec2_ssh_key: ops # the account has no key pair `ops` in this region
    gpu:
      cluster: main
      role: limited
      subnets: [a]
      min: 1
      max: 2
      instance_types: [p5.48xlarge] # does not offer `p5.48xlarge` in the zones of the subnets, us-east-1a
      launch_template: { id: lt-0123456789abcdef0 } # the account has no launch template `lt-0123456789abcdef0` in this region
  eks_access_entry:
    ops:
      cluster: main
      principal_arn: arn:aws:iam::123456789012:role/ops
      policies: [{ policy: AmazonEKSAdministratorPolicy }] # does not offer `AmazonEKSAdministratorPolicy` as an access policy (any cloud)
  security_group: { db: { vpc: main } }
  load_balancer: { web: { subnets: [a, c], security_groups: [db] } }
  target_group: { web: { vpc: main, port: 80, protocol: HTTP } }
  certificate: { web: { domain: example.com } }
  listener:
    web:
      load_balancer: web
      port: 443
      protocol: HTTPS
      certificate: web
      ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-60 # does not offer `ELBSecurityPolicy-TLS13-1-2-2021-60` as a TLS policy (any cloud)
      default_action: { forward: { target_groups: [{ target_group: web }] } }
  rds_subnet_group: { db: { subnets: [a, c] } }
  rds_instance:
    version:
      engine: postgres
      version: "9.6" # does not offer `9.6` of postgres (any cloud)
      class: db.t4g.medium
      storage_gib: 20
      subnet_group: db
      security_groups: [db]
    class:
      engine: postgres
      version: "16"
      class: db.t4g.medum # does not offer `db.t4g.medum` (any cloud)
      storage_gib: 20
      subnet_group: db
      security_groups: [db]
    storage:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_type: gp2
      storage_gib: 30 # does not offer 30 GiB of `gp2` storage for `db.t4g.medium` with postgres 16.10
      subnet_group: db
      security_groups: [db]
    type:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_type: io2 # does not offer `io2` for `db.t4g.medium` with postgres 16.10
      storage_gib: 100
      iops: 3000
      subnet_group: db
      security_groups: [db]
    standby:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 20
      multi_az: true # does not offer a standby for `db.t4g.medium` with postgres 16.10
      subnet_group: db
      security_groups: [db]
    certificate:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 20
      ca_certificate: rds-ca-2019 # does not offer `rds-ca-2019` with postgres 16.10
      subnet_group: db
      security_groups: [db]
    zone:
      engine: postgres
      version: "16"
      class: db.x2g.large # does not offer `db.x2g.large` with postgres 16.10 in enough zones of the subnet group, us-east-1a, us-east-1c
      storage_gib: 20
      subnet_group: db
      security_groups: [db]
    restored:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 20
      snapshot: before-launch # there is no snapshot `before-launch` in this region
      subnet_group: db
      security_groups: [db]
  rds_parameter_group:
    family:
      family: postgres61 # does not offer `postgres61`
    name:
      family: postgres16
      parameters:
        max_conections: 500 # does not offer `max_conections` for `postgres16`
    fixed:
      family: postgres16
      parameters:
        data_directory: /data # RDS does not let `data_directory` be changed
  vpc_endpoint:
    service:
      vpc: main
      service: ecr.apis # does not offer `ecr.apis` as an endpoint service of this region
      type: interface
    type:
      vpc: main
      service: ecr.api
      type: gateway # does not offer `ecr.api` through this type of endpoint
    zone:
      vpc: main
      service: ecr.api
      type: interface
      subnets: [a, e] # does not offer `ecr.api` in the zone `us-east-1e` of a subnet
  waf_web_acl:
    group:
      managed_rules:
        - name: comon # does not offer `comon` as a managed rule group of AWS (any cloud)
    vendor:
      managed_rules:
        - name: rules
          vendor: Example # does not offer `Example` as a vendor of managed rule groups
    version:
      managed_rules:
        - name: common
          version: Version_9.9 # does not offer `Version_9.9` of `common`
    rule:
      managed_rules:
        - name: common
          count_rules: [NoUserAgent] # does not offer `NoUserAgent` in `common`
"#;

/// Line and message of each mistake.
fn mistakes(first_line: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<(usize, &'static str)> {
    let lines = MISTAKES.trim_start_matches('\n').lines().enumerate();
    let all = lines.filter_map(|(line, text)| Some((line + first_line, text.split_once(" # ")?.1)));
    all.filter(|(_, message)| is_wanted(message)).map(|(line, message)| (line, message.trim_end_matches(" (any cloud)"))).collect()
}

/// The plan has an obstacle with this message and a remedy at each of these lines, and no other.
#[track_caller]
fn assert_obstacles(plan: &Value, expected: &[(usize, &str)]) {
    let mut found: Vec<(usize, String)> = Vec::new();
    for obstacle in plan["obstacles"].as_array().expect("a list") {
        let location = obstacle["location"].as_str().unwrap_or_default();
        let line = location.rsplit(':').next().and_then(|line| line.parse().ok()).unwrap_or_default();
        assert!(obstacle["help"].as_str().is_some_and(|help| help.len() > 10), "{obstacle:#}");
        found.push((line, obstacle["message"].as_str().unwrap_or_default().to_owned()));
    }
    found.sort();
    let is_found = |line: usize, text: &str| found.iter().any(|(at, message)| *at == line && message.contains(text));
    let missing: Vec<_> = expected.iter().filter(|(line, text)| !is_found(*line, text)).collect();
    let others: Vec<_> = found.iter().filter(|(at, _)| !expected.iter().any(|(line, _)| line == at)).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:#?}\nunexpected: {others:#?}\nall: {found:#?}");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

fn items(element: &str, all: &[&str]) -> String {
    all.iter().map(|name| format!("<item><{element}>{name}</{element}></item>")).collect()
}

fn ec2(action: &str, body: &str) -> Answer {
    xml(format!("<{action}Response>{body}</{action}Response>"))
}

/// Answers of EC2.
fn with_ec2(script: Script) -> Script {
    const OFFERINGS: &str = "DescribeInstanceTypeOfferings";
    let zone = |(name, id): (&str, &str)| format!("<item><zoneName>us-east-1{name}</zoneName><zoneId>{id}</zoneId></item>");
    let zones: String = [("a", "use1-az1"), ("c", "use1-az2"), ("e", "use1-az3")].into_iter().map(zone).collect();
    let offering = |name: &str, location: &str| format!("<item><instanceType>{name}</instanceType><location>{location}</location></item>");
    let in_zones = [offering("p5.48xlarge", "us-east-1c"), offering("t3.medium", "us-east-1a")].concat();
    let offerings = |all: &str| ec2(OFFERINGS, &format!("<instanceTypeOfferingSet>{all}</instanceTypeOfferingSet>"));
    let service = |name: &str, kind: &str| {
        let zones = "<item>us-east-1a</item><item>us-east-1c</item>";
        format!(
            "<item><serviceName>com.amazonaws.us-east-1.{name}</serviceName><serviceType><item><serviceType>{kind}</serviceType></item>\
             </serviceType><availabilityZoneSet>{zones}</availabilityZoneSet></item>"
        )
    };
    let services = [service("ecr.api", "Interface"), service("s3", "Gateway")].concat();
    let quota = "<accountAttributeSet><item><attributeName>vpc-max-elastic-ips</attributeName><attributeValueSet><item>\
                 <attributeValue>5</attributeValue></item></attributeValueSet></item></accountAttributeSet>";
    let addresses = format!("<addressesSet>{}</addressesSet>", items("publicIp", &["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]));
    script
        .on(
            "DescribeAvailabilityZones",
            [ec2("DescribeAvailabilityZones", &format!("<availabilityZoneInfo>{zones}</availabilityZoneInfo>"))],
        )
        .on(OFFERINGS, [offerings(&in_zones)])
        .on_containing(OFFERINGS, "LocationType=region", [offerings(&offering("t3.medium", "us-east-1"))])
        .on("DescribeKeyPairs", [ec2("DescribeKeyPairs", &format!("<keySet>{}</keySet>", items("keyName", &["operations"])))])
        .on("DescribeLaunchTemplates", [ec2("DescribeLaunchTemplates", "<launchTemplates/>")])
        .on(
            "DescribeVpcEndpointServices",
            [ec2("DescribeVpcEndpointServices", &format!("<serviceDetailSet>{services}</serviceDetailSet>"))],
        )
        .on_containing("DescribeAccountAttributes", "2016-11-15", [ec2("DescribeAccountAttributes", quota)])
        .on("DescribeAddresses", [ec2("DescribeAddresses", &addresses)])
}

/// Answers of RDS.
fn with_rds(script: Script) -> Script {
    const ENGINES: &str = "DescribeDBEngineVersions";
    const ORDERABLE: &str = "DescribeOrderableDBInstanceOptions";
    const DEFAULTS: &str = "DescribeEngineDefaultParameters";
    let version = |version: &str, family: &str| {
        format!(
            "<DBEngineVersion><EngineVersion>{version}</EngineVersion><DBParameterGroupFamily>{family}</DBParameterGroupFamily>\
             <SupportedCACertificateIdentifiers><member>rds-ca-rsa2048-g1</member></SupportedCACertificateIdentifiers></DBEngineVersion>"
        )
    };
    let versions = [version("15.14", "postgres15"), version("16.10", "postgres16")].concat();
    let option = |class: &str, storage: &str, least: i32, zones: &[&str]| {
        let zones: String = zones.iter().map(|zone| format!("<AvailabilityZone><Name>{zone}</Name></AvailabilityZone>")).collect();
        format!(
            "<OrderableDBInstanceOption><DBInstanceClass>{class}</DBInstanceClass><StorageType>{storage}</StorageType>\
             <MinStorageSize>{least}</MinStorageSize><MaxStorageSize>65536</MaxStorageSize><MultiAZCapable>false</MultiAZCapable>\
             <AvailabilityZones>{zones}</AvailabilityZones></OrderableDBInstanceOption>"
        )
    };
    let zones = ["us-east-1a", "us-east-1c"];
    let medium = [option("db.t4g.medium", "gp3", 20, &zones), option("db.t4g.medium", "gp2", 40, &zones)].concat();
    let large = option("db.x2g.large", "gp3", 20, &["us-east-1f"]);
    let options = |all: &str| answer(ORDERABLE, &format!("<OrderableDBInstanceOptions>{all}</OrderableDBInstanceOptions>"));
    let parameter = |(name, modifiable): (&str, bool)| {
        format!("<Parameter><ParameterName>{name}</ParameterName><IsModifiable>{modifiable}</IsModifiable></Parameter>")
    };
    let parameters = [("data_directory", false), ("max_connections", true)].map(parameter).concat();
    let quota = "<AccountQuotas><AccountQuota><AccountQuotaName>DBInstances</AccountQuotaName><Used>3</Used><Max>40</Max></AccountQuota>\
                 </AccountQuotas>";
    script
        .on(ENGINES, [answer(ENGINES, &format!("<DBEngineVersions>{versions}</DBEngineVersions>"))])
        .on(ORDERABLE, [options(&[medium.clone(), large.clone()].concat())])
        .on_containing(ORDERABLE, "db.t4g.medum", [options("")])
        .on_containing(ORDERABLE, "db.t4g.medium", [options(&medium)])
        .on_containing(ORDERABLE, "db.x2g.large", [options(&large)])
        .on(DEFAULTS, [answer(DEFAULTS, &format!("<EngineDefaults><Parameters>{parameters}</Parameters></EngineDefaults>"))])
        .on("DescribeDBSnapshots", [xml_error(404, "DBSnapshotNotFound", "DBSnapshot before-launch not found.")])
        .on_containing("DescribeAccountAttributes", "2014-10-31", [answer("DescribeAccountAttributes", quota)])
}

/// Answers of the other services.
fn with_others(script: Script) -> Script {
    let versions = ["1.36", "1.34"].map(|version| json!({ "clusterVersion": version, "versionStatus": "STANDARD_SUPPORT" }));
    let addon = |name: &str| json!({ "addonName": name, "addonVersions": [{ "addonVersion": "v1.21.0-eksbuild.2" }] });
    let policies = ["AmazonEKSClusterPolicy", "PowerUserAccess"];
    let policies = policies.map(|name| format!("<member><Arn>arn:aws:iam::aws:policy/{name}</Arn></member>")).concat();
    let unknown_policy = || xml_error(404, "NoSuchEntity", "Policy does not exist or is not attachable.");
    let summary = [("Policies", 1500), ("PoliciesQuota", 1500), ("Roles", 20), ("RolesQuota", 1000)]
        .map(|(key, value)| format!("<entry><key>{key}</key><value>{value}</value></entry>"))
        .concat();
    let ssl = "<SslPolicies><member><Name>ELBSecurityPolicy-TLS13-1-2-2021-06</Name></member></SslPolicies>";
    script
        .on("GET /cluster-versions", [ok(json!({ "clusterVersions": versions }))])
        .on("GET /addons/-?kubernetesVersion", [ok(json!({ "addons": [addon("coredns"), addon("vpc-cni")] }))])
        .on("GET /access-policies", [ok(json!({ "accessPolicies": [{ "name": "AmazonEKSClusterAdminPolicy" }] }))])
        .on_containing("GetPolicy", "Policie", [unknown_policy()])
        .on_containing("GetPolicy", "Acess", [unknown_policy()])
        .on("ListPolicies", [answer("ListPolicies", "<Policies/>")])
        .on_containing("ListPolicies", "Scope=AWS", [answer("ListPolicies", &format!("<Policies>{policies}</Policies>"))])
        .on("GetAccountSummary", [answer("GetAccountSummary", &format!("<SummaryMap>{summary}</SummaryMap>"))])
        .on("DescribeSSLPolicies", [answer("DescribeSSLPolicies", ssl)])
        .on(
            "ListAvailableManagedRuleGroups",
            [ok(json!({ "ManagedRuleGroups": [{ "VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet" }] }))],
        )
        .on("ListAvailableManagedRuleGroupVersions", [ok(json!({ "Versions": [{ "Name": "Version_1.0" }] }))])
        .on("DescribeManagedRuleGroup", [ok(json!({ "Rules": [{ "Name": "NoUserAgent_HEADER" }] }))])
}

#[test]
fn a_plan_reports_every_mistake_that_only_aws_finds() {
    let expected = mistakes(4, |_| true);
    assert!(expected.len() >= 30, "{}", expected.len());
    let endpoint = with_others(with_rds(with_ec2(Script::new()))).start(MISTAKES.trim_start_matches('\n'));
    let planned = plan(&endpoint);
    assert_obstacles(&planned, &expected);
    assert_eq!(warnings(&planned), [""; 0]);
    // Nothing is applied.
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(endpoint.writes().is_empty(), "{:?}", endpoint.writes());
    assert!(done.combined_output().contains("did you mean `t3.medium`?"), "{}", done.combined_output());
}

#[test]
fn questions_that_are_denied_are_warnings() {
    let query = || [xml_error(403, "AccessDenied", "not authorized")];
    let ec2 = || [ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")];
    let json = || [json_error(400, "AccessDeniedException", "not authorized")];
    let rest = || [json_error(403, "AccessDeniedException", "not authorized")];
    let mut script = Script::new();
    let denied: [(&'static str, Vec<(&'static str, &str)>); 4] = [
        (
            "ec2",
            vec![
                ("DescribeAvailabilityZones", "ec2:DescribeAvailabilityZones"),
                ("DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypeOfferings"),
                ("DescribeKeyPairs", "ec2:DescribeKeyPairs"),
                ("DescribeLaunchTemplates", "ec2:DescribeLaunchTemplates"),
                ("DescribeVpcEndpointServices", "ec2:DescribeVpcEndpointServices"),
            ],
        ),
        (
            "query",
            vec![
                ("DescribeDBEngineVersions", "rds:DescribeDBEngineVersions"),
                ("DescribeDBSnapshots", "rds:DescribeDBSnapshots"),
                ("DescribeSSLPolicies", "elasticloadbalancing:DescribeSSLPolicies"),
                ("GetAccountSummary", "iam:GetAccountSummary"),
                ("GetPolicy", "iam:GetPolicy"),
            ],
        ),
        (
            "json",
            vec![
                ("DescribeManagedRuleGroup", "wafv2:DescribeManagedRuleGroup"),
                ("ListAvailableManagedRuleGroupVersions", "wafv2:ListAvailableManagedRuleGroupVersions"),
                ("ListAvailableManagedRuleGroups", "wafv2:ListAvailableManagedRuleGroups"),
            ],
        ),
        (
            "rest",
            vec![
                ("GET /access-policies", "eks:ListAccessPolicies"),
                ("GET /addons/-?kubernetesVersion", "eks:DescribeAddonVersions"),
                ("GET /cluster-versions", "eks:DescribeClusterVersions"),
            ],
        ),
    ];
    for (protocol, actions) in &denied {
        for (action, _) in actions {
            script = match *protocol {
                "ec2" => script.on(action, ec2()),
                "query" => script.on(action, query()),
                "json" => script.on(action, json()),
                _ => script.on(action, rest()),
            };
        }
    }
    let script = script.on_containing("DescribeAccountAttributes", "2016-11-15", ec2()).on_containing(
        "DescribeAccountAttributes",
        "2014-10-31",
        query(),
    );
    let planned = plan(&script.start(MISTAKES.trim_start_matches('\n')));
    assert_eq!(planned["obstacles"], json!([]));
    let warnings = warnings(&planned);
    for action in denied.iter().flat_map(|(_, actions)| actions).map(|(_, action)| *action) {
        let expected = format!("Some values were not checked: `{action}` is not allowed; `acme policy` prints the permissions.");
        assert!(warnings.contains(&expected), "{action}: {warnings:#?}");
    }
}

#[test]
fn the_simulated_cloud_reports_what_aws_publishes() {
    let expected = mistakes(4, |message| message.ends_with("(any cloud)"));
    assert!(expected.len() >= 12, "{}", expected.len());
    let folder = tempfile::tempdir().expect("a folder");
    let definition = format!("stack: shop\nregion: us-east-1\nresources:\n{}", MISTAKES.trim_start_matches('\n'));
    let stack = write_file(folder.path(), "stack.yaml", &definition);
    let done = Acme::local(folder.path()).run("plan", &stack, &["-o", "json"]);
    let planned: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {}", done.combined_output()));
    assert_obstacles(&planned, &expected);
}
