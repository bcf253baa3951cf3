//! Mistakes that AWS would reject are found in the definition, each at its text, before any call.

use acme::definition::{LoadOptions, Source, load};

/// A definition without mistakes, with the types of the table.
const DEFINITION: &str = r#"stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  route_table:
    one: { vpc: main, subnets: [a] }
    two: { vpc: main, subnets: [b] }
  iam_role:
    app:
      trust: { services: [ec2.amazonaws.com] }
      tags: { team: web }
    other:
      trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: "sts:AssumeRole" }] }
  iam_policy:
    read: { document: { Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "*", Condition: { StringEquals: { "aws:RequestedRegion": eu-west-1 } } }] } }
  eks_cluster: { main: { role: app, subnets: [a, b], version: "1.34" } }
  eks_node_group: { main: { cluster: main, role: app, subnets: [a], min: 1, max: 2, ami_type: AL2023_x86_64_STANDARD } }
  security_group:
    web:
      vpc: main
      ingress:
        - { protocol: icmp, from_port: 8, cidr: 0.0.0.0/0 }
        - { from_port: 80, to_port: 90, cidr: 0.0.0.0/0 }
  load_balancer: { web: { name: shop-web, subnets: [a, b], security_groups: [web] } }
  rds_subnet_group: { db: { subnets: [a, b] } }
  rds_instance:
    db: { engine: postgres, version: "16", class: db.t4g.medium, storage_gib: 20, storage_type: gp3, subnet_group: db, security_groups: [web] }
  dns_zone: { main: { domain: shop.example.com } }
  dns_record:
    www: { zone: main, domain: www.shop.example.com, type: CNAME, values: [a.example.com] }
    api: { zone: main, domain: api.shop.example.com, type: A, values: [192.0.2.1] }
  s3_bucket:
    files: { name: shop-files, policy: { Statement: [{ Effect: Deny, Principal: { AWS: "123456789012" }, Action: "s3:*", Resource: "*" }] } }
  ecr_repository: { app: { name: shop/app } }
  sqs_queue: { jobs: { visibility_timeout_seconds: 30 } }
  secret: { token: { recovery_window_days: 7 } }
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
