//! Stacks, their edits, and the tests.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{FaultMode, Scenario, run_scenarios};
use crate::{
    acme::{repository_stack, write_file},
    end_to_end::EditableStack,
};

/// One of each.
const SMALL: &str = "
stack: small
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, description: Data, ingress: [{ port: 5432, security_group: web }] }
  iam_role: { app: { trust: { services: [ec2.amazonaws.com] }, policies: [AmazonEC2ContainerRegistryReadOnly] } }
  s3_bucket: { files: { versioning: true, on_delete: delete } }
  dns_zone: { main: { domain: small.example.com } }
  dns_record: { mail: { zone: main, domain: small.example.com, type: MX, values: [10 mail.example.com] } }
  ecr_repository: { app: { keep_last: 5, on_delete: delete } }
  secret: { key: { generate: { length: 20 }, on_delete: delete } }
";

/// An update, a replacement, a deletion and a creation.
fn small_edit() -> String {
    SMALL
        .replace("small.example.com", "other.example.com")
        .replace("10 mail.example.com", "20 mail.example.com")
        .replace("description: Data", "description: The data")
        .replace("ecr_repository: { app:", "ecr_repository: { other:")
        .replace("versioning: true", "versioning: false")
}

fn small_scenarios(folder: &Path) -> [Scenario; 2] {
    let small = write_file(folder, "small.yaml", SMALL);
    let edited = write_file(folder, "edited.yaml", &small_edit());
    [
        Scenario { name: "first apply", command: "apply", from: None, to: small.clone(), deletes: false },
        Scenario { name: "edit", command: "apply", from: Some(small), to: edited, deletes: true },
    ]
}

/// Resources that refer to each other by ids, ARNs and names, and that hold data.
const CONNECTED: &str = r#"
stack: connected
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  internet_gateway: { main: { vpc: main } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
  elastic_ip: { exit: {} }
  nat_gateway: { exit: { subnet: a, elastic_ip: exit } }
  route_table:
    public: { vpc: main, subnets: [a, b], routes: [{ destination: 0.0.0.0/0, gateway: main }] }
  security_group:
    web: { vpc: main, ingress: [{ port: 80, cidr: 0.0.0.0/0 }] }
    app: { vpc: main, ingress: [{ port: 8080, security_group: web }] }
  load_balancer: { web: { subnets: [a, b], security_groups: [web], deletion_protection: false } }
  target_group: { app: { vpc: main, port: 8080, protocol: HTTP, target_type: ip } }
  listener:
    http: { load_balancer: web, port: 80, protocol: HTTP, default_action: { forward: { target_groups: [{ target_group: app }] } } }
  waf_web_acl: { web: { rate_limit: { requests: 2000 } } }
  waf_association: { web: { web_acl: web, resource: "{{ load_balancer.web.arn }}" } }
  iam_role: { app: { trust: { services: [ec2.amazonaws.com] } } }
  instance_profile: { app: { role: app } }
  kms_key: { data: { description: Data } }
  s3_bucket:
    files: { versioning: true, encryption: { kms_key: data }, on_delete: delete }
  secret:
    kept: { generate: { length: 20 }, kms_key: data }
    gone: { generate: { length: 20 }, on_delete: delete }
  sqs_queue: { jobs: { on_delete: delete } }
  ecr_repository: { app: { on_delete: delete } }
  dns_zone: { main: { domain: connected.example.com } }
  dns_record:
    web:
      zone: main
      domain: connected.example.com
      type: A
      alias: { target: "{{ load_balancer.web.dns_name }}", zone_id: "{{ load_balancer.web.zone_id }}" }
"#;

fn connected_scenarios(folder: &Path) -> [Scenario; 3] {
    let from = write_file(folder, "connected.yaml", CONNECTED);
    let edit = |name: &str, changes: &[(&str, &str)]| {
        let mut text = CONNECTED.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "`{old}` is not part of the stack");
            text = text.replace(old, new);
        }
        write_file(folder, name, &text)
    };
    let update = edit(
        "update.yaml",
        &[
            ("port: 8080, security_group: web", "port: 9090, security_group: web"),
            ("requests: 2000", "requests: 3000"),
            ("description: Data", "description: The data"),
            ("versioning: true", "versioning: false"),
            ("subnets: [a, b], routes", "subnets: [a], routes"),
            ("services: [ec2.amazonaws.com]", "services: [ecs-tasks.amazonaws.com]"),
            ("listener:\n    http: { load_balancer: web, port: 80", "listener:\n    http: { load_balancer: web, port: 81"),
            ("sqs_queue: { jobs: {", "sqs_queue: { jobs: { delay_seconds: 5,"),
        ],
    );
    let replacement = edit(
        "replacement.yaml",
        &[
            ("security_groups: [web], deletion", "security_groups: [web], internal: true, deletion"),
            ("web: { vpc: main, ingress", "web: { vpc: main, description: Web, ingress"),
            ("target_group: { app: { vpc: main, port: 8080", "target_group: { app: { vpc: main, port: 8081"),
            ("cidr: 10.0.1.0/24", "cidr: 10.0.2.0/24"),
            ("connected.example.com", "other.example.com"),
            ("sqs_queue: { jobs: {", "sqs_queue: { other: {"),
            ("elastic_ip: { exit: {} }", "elastic_ip: { other: {} }"),
            ("elastic_ip: exit", "elastic_ip: other"),
        ],
    );
    let apply = |name, to: PathBuf, deletes| Scenario { name, command: "apply", from: Some(from.clone()), to, deletes };
    [
        apply("connected update", update, false),
        apply("connected replacement", replacement, true),
        Scenario { name: "connected destroy", command: "destroy", from: Some(from.clone()), to: from.clone(), deletes: true },
    ]
}

#[test]
#[ignore = "full run"]
fn small_stack_survives_faults_at_some_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    run_scenarios(&small_scenarios(folder.path()), &[], (2, None), FaultMode::ALL, 6);
}

#[test]
fn connected_stack_is_restored_after_kills_at_some_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    run_scenarios(&connected_scenarios(folder.path()), &[], (2, None), FaultMode::KILLS, 9);
}

/// The validation record of a certificate serves the one that replaces it, too, and AWS does not say which certificates need it.
#[test]
#[ignore = "full run"]
fn a_replaced_certificate_keeps_its_validation_record_after_faults_at_every_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let definition = |name: &str, more: &str| {
        let certificate = format!("web: {{ domain: www.example.com, zone: main{more} }}");
        let resources = format!("dns_zone: {{ main: {{ domain: example.com }} }}\n  certificate: {{ {certificate} }}");
        write_file(folder.path(), name, &format!("stack: shop\nregion: us-east-1\nresources:\n  {resources}\n"))
    };
    let (from, to) = (definition("from.yaml", ""), definition("to.yaml", ", alternative_names: ['*.www.example.com']"));
    let replacement = Scenario { name: "replaced certificate", command: "apply", from: Some(from), to, deletes: true };
    run_scenarios(&[replacement], &[], (2, None), &[FaultMode::ResponseLost, FaultMode::KilledBefore, FaultMode::KilledAfter], 1);
}

mod exhaustive {
    use super::{FaultMode, Scenario, connected_scenarios, run_reference_stack, run_scenarios, small_scenarios};
    use crate::{fault_injection::all_types, stacks::stack_on, standin::StandinKind};

    #[test]
    #[ignore = "takes minutes"]
    fn small_stack_survives_faults_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        run_scenarios(&small_scenarios(folder.path()), &[], (4, None), FaultMode::ALL, 1);
    }

    #[test]
    #[ignore = "takes many minutes"]
    fn connected_stack_is_restored_after_kills_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        run_scenarios(&connected_scenarios(folder.path()), &[], (2, None), FaultMode::KILLS, 1);
    }

    #[test]
    #[ignore = "takes hours"]
    fn connected_stack_survives_faults_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        run_scenarios(&connected_scenarios(folder.path()), &[], (4, None), FaultMode::ALL, 1);
    }

    #[test]
    #[ignore = "takes hours"]
    fn all_types_survive_faults_at_every_write() {
        let folder = tempfile::tempdir().expect("a folder");
        run_scenarios(&all_types::scenarios(folder.path(), StandinKind::Ministack), &[], (4, None), FaultMode::ALL, 1);
    }

    #[test]
    #[ignore = "takes many minutes"]
    fn reference_stack_survives_faults_at_every_write() {
        run_reference_stack((4, None));
    }

    #[test]
    #[ignore = "takes an hour"]
    fn gitops_stack_survives_faults_at_every_write() {
        let stack = stack_on(StandinKind::Ministack, "gitops.yaml");
        let definition = stack.write();
        let scenarios = [
            Scenario { name: "first apply", command: "apply", from: None, to: definition.clone(), deletes: false },
            Scenario { name: "destroy", command: "destroy", from: Some(definition.clone()), to: definition, deletes: true },
        ];
        run_scenarios(&scenarios, &["--env", "production"], (2, None), FaultMode::ALL, 1);
    }

    #[test]
    #[ignore = "takes an hour"]
    fn throttled_reference_stack_survives_faults_at_every_write() {
        run_reference_stack((4, Some(3)));
    }
}

fn run_reference_stack(workers: (usize, Option<usize>)) {
    let reference = repository_stack("reference.yaml");
    let edited = |edits: &[fn(&mut EditableStack)]| {
        let mut edited = EditableStack::load(&reference);
        edits.iter().for_each(|edit| edit(&mut edited));
        edited
    };
    let update = |s: &mut EditableStack| {
        s.set("/environments/production/db_class", json!("db.m6g.xlarge"));
        s.set("/network/security_groups/database/ingress/1/cidr", json!("10.0.0.0/17"));
    };
    // The new zone and its records exist beside the old ones; the old node group is deleted first.
    let replacement = |s: &mut EditableStack| {
        s.set("/dns/zone", json!("store.example.com"));
        s.set("/environments/production/instance_type", json!("m6i.xlarge"));
    };
    let deletion = |s: &mut EditableStack| s.set("/registries/service/for_each", json!(["cart", "gateway", "order", "payment", "stock"]));
    let creation = |s: &mut EditableStack| s.value_at("/dns/records")["text"] = json!({ "type": "TXT", "values": ["v=spf1 -all"] });
    let nat = |s: &mut EditableStack| s.set("/environments/production/nat", json!("single"));
    let edits = [
        ("update", edited(&[update]), false),
        ("replacement", edited(&[replacement]), true),
        ("deletion", edited(&[deletion]), true),
        ("mix", edited(&[update, replacement, deletion, creation, nat]), true),
        ("one NAT gateway", edited(&[nat]), true),
    ];
    let first = Scenario { name: "first apply", command: "apply", from: None, to: reference.clone(), deletes: false };
    let mut scenarios = vec![first];
    let edit = |(name, edited, clears): &(&'static str, EditableStack, bool)| {
        let (from, to) = (Some(reference.clone()), edited.write());
        Scenario { name, command: "apply", from, to, deletes: *clears }
    };
    scenarios.extend(edits.iter().map(edit));
    scenarios.push(Scenario { name: "destroy", command: "destroy", from: Some(reference.clone()), to: reference, deletes: true });
    run_scenarios(&scenarios, &["--env", "production"], workers, FaultMode::ALL, 1);
}
