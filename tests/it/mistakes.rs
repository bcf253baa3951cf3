//! Mistakes that AWS would reject are found in the definition, each at its text, before any call.

use acme::definition::{LoadOptions, Source, load};

/// A definition without mistakes, with the types of the table.
const DEFINITION: &str = r#"stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 }, peer: { cidr: 10.8.0.0/16 } }
  subnet:
    far: { vpc: peer, cidr: 10.8.0.0/24, availability_zone: eu-west-1c }
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
    c: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1a }
  route_table:
    one: { vpc: main, subnets: [a] }
    two: { vpc: main, subnets: [b] }
    vpn: { vpc: main, routes: [{ destination: 192.168.0.0/16, gateway: { id: vgw-0123456789abcdef0 } }] }
  iam_role:
    app:
      trust: { services: [ec2.amazonaws.com] }
      tags: { team: web }
    other:
      trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: "sts:AssumeRole" }] }
    cluster: { trust: { services: [eks.amazonaws.com] } }
    pods: { trust: { services: [pods.eks.amazonaws.com] } }
  iam_policy:
    read: { document: { Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "*", Condition: { StringEquals: { "aws:RequestedRegion": eu-west-1 } } }] } }
  eks_cluster: { main: { role: cluster, subnets: [a, b], version: "1.34", public_access_cidrs: [192.0.2.0/24] } }
  eks_node_group: { main: { cluster: main, role: app, subnets: [a], min: 1, max: 2, ami_type: AL2023_x86_64_STANDARD }, spot: { cluster: main, role: app, subnets: [a], min: 0, max: 9, labels: { team: web }, instance_types: [m7i.large, m6i.large] } }
  security_group:
    far: { vpc: peer, ingress: [{ port: 22, security_group: web }] }
    web:
      vpc: main
      ingress:
        - { protocol: icmp, from_port: 8, cidr: 0.0.0.0/0 }
        - { from_port: 80, to_port: 90, cidr: 0.0.0.0/0 }
  load_balancer: { web: { name: shop-web, subnets: [a, b], security_groups: [web] } }
  listener:
    web: { load_balancer: web, port: 80, protocol: HTTP, default_action: { forward: { target_groups: [{ target_group: web }] } } }
    old: { load_balancer: web, port: 8080, protocol: HTTP, default_action: { redirect: { port: "80" } } }
  waf_web_acl: { web: { rate_limit: { requests: 2000 } }, global: { scope: cloudfront, rate_limit: { requests: 2000 } } }
  waf_association: { web: { web_acl: web, resource: "{{ load_balancer.web.arn }}" } }
  eks_access_entry: { admin: { cluster: main, principal_arn: "{{ iam_role.other.arn }}", kubernetes_groups: [admins] } }
  rds_parameter_group: { db: { family: postgres16 }, old: { family: postgres15 } }
  target_group:
    tcp: { vpc: main, port: 80, protocol: TCP, target_type: ip }
    far: { vpc: peer, port: 80, protocol: HTTP, target_type: ip }
    web: { vpc: main, port: 80, protocol: HTTP, target_type: ip, health_check: { path: /health, interval_seconds: 10, timeout_seconds: 5 } }
  rds_subnet_group: { db: { subnets: [a, b] } }
  rds_instance:
    db: { engine: postgres, version: "16", class: db.t4g.medium, storage_gib: 20, storage_type: gp3, subnet_group: db, security_groups: [web], parameter_group: db, username: orders, backup_window: "02:00-03:00", maintenance_window: "sun:04:00-sun:05:00" }
  dns_zone: { main: { domain: shop.example.com } }
  dns_record:
    www: { zone: main, domain: www.shop.example.com, type: CNAME, values: [a.example.com] }
    api: { zone: main, domain: api.shop.example.com, type: A, values: [192.0.2.1] }
    authority: { zone: main, domain: shop.example.com, type: CAA, values: ['0 issue "ca.example.com"'], ttl_seconds: 60 }
    telephone: { zone: main, domain: _sip._tcp.shop.example.com, type: SRV, values: [1 2 5060 sip.example.com] }
  s3_bucket:
    files: { name: shop-files, policy: { Statement: [{ Effect: Deny, Principal: { AWS: "123456789012" }, Action: "s3:*", Resource: "*" }] } }
  ecr_repository: { app: { name: shop/app } }
  sqs_queue: { jobs: { visibility_timeout_seconds: 30, dead_letter_queue: failed, max_receives: 3 }, failed: {}, ordered: { fifo: true } }
  secret: { token: { recovery_window_days: 7 } }
  certificate: { web: { domain: shop.example.com, zone: main } }
  eks_pod_identity: { agent: { cluster: main, namespace: kube-system, service_account: agent, role: pods } }
"#;

/// The correct text, the mistake, and a part of the message.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("region: eu-west-1\n", "region: eu-wst-1\n", "`eu-wst-1` is not a valid region"),
    ("region: eu-west-1\n", "region: eu-west1\n", "`eu-west1` is not a valid region"),
    ("10.0.0.0/16", "10.0.0.0/8", "prefix length"),
    ("zone: eu-west-1b", "zone: us-east-1b", "which region `eu-west-1` does not have"),
    ("subnets: [b]", "subnets: [a]", "both have `subnet.a`"),
    ("services: [ec2.amazonaws.com]", "services: [ec2]", "`ec2` is not a valid service principal"),
    ("Service: ecs-tasks.amazonaws.com", "Service: ecs-tasks", "`ecs-tasks` is not a valid service principal"),
    ("tags: { team: web }", "tags: { team: web, Team: shop }", "AWS ignores their case"),
    ("\"2012-10-17\"", "\"2012-10-18\"", "2012-10-18"),
    ("Effect: Allow, Principal", "Efect: Allow, Principal", "no key `Efect`"),
    ("Effect: Allow, Action", "Effect: Alow, Action", "must be Allow or Deny"),
    ("Effect: Allow, Action", "Effect: Allow, Principal: '*', Action", "a policy of an identity has no `Principal`"),
    ("Action: \"sts:AssumeRole\"", "Action: \"sts:AssumeRole\", Resource: '*'", "a trust policy has no `Resource`"),
    ("Effect: Deny, Principal: { AWS: \"123456789012\" }", "Effect: Deny", "the statement has no `Principal`"),
    ("Action: \"s3:GetObject\"", "Action: \"s3.GetObject\"", "`s3.GetObject` is not a valid action"),
    ("StringEquals", "StringEqual", "`StringEqual` is not a valid condition operator"),
    ("AWS: \"123456789012\"", "AWS: \"1234567890\"", "`1234567890` is not a valid AWS principal"),
    ("min: 1, max: 2", "min: 3, max: 2", "must be at least"),
    ("AL2023_x86_64_STANDARD", "AL2023_x86", "AWS does not offer `AL2023_x86`"),
    ("protocol: icmp, from_port: 8", "protocol: icmp, port: 8", "ICMP has no ports"),
    ("protocol: icmp, from_port: 8", "protocol: icmp, to_port: 0", "an ICMP code needs a type"),
    ("from_port: 80, to_port: 90", "from_port: 90, to_port: 80", "not above `to_port`"),
    ("name: shop-web", "name: internal-web", "can't begin with `internal-`"),
    ("name: shop-web", "name: shop_web", "must match the pattern"),
    ("storage_gib: 20", "storage_gib: 5", "20 to 65536 GiB"),
    ("storage_type: gp3", "storage_type: gp4", "must be one of"),
    ("domain: shop.example.com }", "domain: shop..example.com }", "no empty labels"),
    ("domain: www.shop.example.com", "domain: shop.example.com", "is a CNAME at the domain of its zone"),
    ("domain: www.shop.example.com", "domain: www", "is outside its zone"),
    (
        "domain: www.shop.example.com, type: CNAME, values: [a.example.com]",
        "domain: api.shop.example.com, type: A, values: [192.0.2.2]",
        "have the same",
    ),
    ("values: [192.0.2.1]", "values: [192.0.2.256]", "is not a valid A value"),
    ("name: shop-files", "name: Shop-Files", "must match the pattern"),
    ("name: shop/app", "name: shop/app___x", "must match the pattern"),
    ("visibility_timeout_seconds: 30", "visibility_timeout_seconds: 50000", "between 0 and 43200"),
    ("recovery_window_days: 7", "recovery_window_days: 5", "between 7 and 30"),
    ("Resource: \"*\", Condition", "Resource: \"files/*\", Condition", "`files/*` is not a valid resource"),
    (
        "Statement: [{ Effect: Allow, Action: \"s3",
        "Statement: [{ Sid: read files, Effect: Allow, Action: \"s3",
        "other characters than letters and digits",
    ),
    ("public_access_cidrs: [192.0.2.0/24]", "public_access_cidrs: [192.168.0.0/24]", "is a reserved range"),
    ("labels: { team: web }", "labels: { team: web shop }", "must match the pattern"),
    ("labels: { team: web }", "labels: { a/b/c: web }", "`a/b/c` is not a valid key"),
    ("instance_types: [m7i.large, m6i.large]", "instance_types: [m7i.large, m7g.large]", "need different machine images"),
    ("name: shop-web, subnets: [a, b]", "name: shop-web, subnets: [a, c]", "are in the same availability zone"),
    (
        "rds_subnet_group: { db: { subnets: [a, b] } }",
        "rds_subnet_group: { db: { subnets: [a, c] } }",
        "in at least two availability zones",
    ),
    ("role: cluster, subnets: [a, b], version", "role: cluster, subnets: [a, c], version", "in at least two availability zones"),
    ("destination: 192.168.0.0/16", "destination: 10.0.0.0/16", "to which AWS itself adds the route"),
    ("path: /health", "path: health", "does not begin with `/`"),
    ("timeout_seconds: 5", "timeout_seconds: 10", "must be less than `interval_seconds: 10`"),
    ("class: db.t4g.medium", "class: t4g.medium", "must match the pattern"),
    ("username: orders", "username: admin", "`admin` is reserved"),
    ("backup_window: \"02:00-03:00\"", "backup_window: \"02:00-02:20\"", "is shorter than 30 minutes"),
    ("maintenance_window: \"sun:04:00-sun:05:00\"", "maintenance_window: \"sun:02:30-sun:05:00\"", "overlaps `backup_window`"),
    ("namespace: kube-system", "namespace: kube_system", "must match the pattern"),
    (
        "certificate: { web: { domain: shop.example.com",
        "certificate: { web: { domain: \"*.*.shop.example.com\"",
        "is not a valid name for a certificate",
    ),
    (
        "certificate: { web: { domain: shop.example.com",
        "certificate: { web: { domain: shop.example.org",
        "can't be validated in `dns_zone.main`",
    ),
    ("values: ['0 issue \"ca.example.com\"']", "values: [0 issue ca.example.com]", "is not a valid CAA value"),
    ("values: [1 2 5060 sip.example.com]", "values: [1 2 99999 sip.example.com]", "is not a valid SRV value"),
    (
        "name: shop-web, subnets: [a, b], security_groups: [web]",
        "name: shop-web, subnets: [a, b], security_groups: [far]",
        "refers to `security_group.far` in `vpc.peer`",
    ),
    (
        "rds_subnet_group: { db: { subnets: [a, b] } }",
        "rds_subnet_group: { db: { subnets: [a, far] } }",
        "and to `subnet.far` in `vpc.peer`",
    ),
    ("two: { vpc: main, subnets: [b] }", "two: { vpc: main, subnets: [far] }", "`subnet.far` in `vpc.peer`"),
    ("{ target_group: web }", "{ target_group: far }", "and to `target_group.far` in `vpc.peer`"),
    ("role: cluster, subnets", "role: other, subnets", "does not trust `eks.amazonaws.com`"),
    (
        "cluster: main, role: app, subnets: [a], min: 1",
        "cluster: main, role: cluster, subnets: [a], min: 1",
        "does not trust `ec2.amazonaws.com`",
    ),
    ("service_account: agent, role: pods", "service_account: agent, role: app", "does not trust `pods.eks.amazonaws.com`"),
    ("{ target_group: web }", "{ target_group: tcp }", "a listener for HTTP can't forward to `target_group.tcp` (TCP)"),
    (
        "port: 80, protocol: HTTP, default_action",
        "port: 80, protocol: TCP, default_action",
        "is an application load balancer, whose listeners have HTTP or HTTPS, not TCP",
    ),
    ("redirect: { port: \"80\" }", "redirect: { port: \"8080\" }", "leads to the same address again"),
    ("web_acl: web, resource", "web_acl: global, resource", "has the scope `cloudfront`"),
    ("kubernetes_groups: [admins]", "kubernetes_groups: [\"system:masters\"]", "the group `system:masters` is reserved"),
    ("\"{{ iam_role.other.arn }}\"", "arn:aws:iam::123456789012:group/admins", "is not the ARN of a role or user"),
    ("parameter_group: db", "parameter_group: old", "which is not for postgres 16"),
    ("dead_letter_queue: failed", "dead_letter_queue: ordered", "has another type"),
    ("ttl_seconds: 60", "ttl_seconds: 2147483648", "between 0 and 2147483647"),
];

#[test]
fn mistakes_are_reported_at_their_text() {
    let options = LoadOptions::default();
    let found = load(&Source::new("stack.yaml", DEFINITION), &options).map(drop);
    assert_eq!(found, Ok(()), "the definition has no mistakes");
    let mut wrong = Vec::new();
    for (right, mistake, message) in MISTAKES {
        assert_eq!(DEFINITION.matches(right).count(), 1, "{right}");
        let source = Source::new("stack.yaml", DEFINITION.replace(right, mistake));
        let place = DEFINITION.find(right).expect("the text is there");
        let problems = load(&source, &options).err().unwrap_or_default();
        let line = Some(source.line(place));
        // A mistake may have consequences elsewhere (zones of a misspelt region), but is reported itself.
        if !problems.iter().any(|problem| problem.message.contains(message) && problem.line(&source) == line) {
            let reported = problems.iter().map(|problem| format!("line {:?}: {}", problem.line(&source), problem.message));
            wrong.push(format!("{mistake}: expected `{message}` in line {line:?}, found {:#?}", reported.collect::<Vec<_>>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
