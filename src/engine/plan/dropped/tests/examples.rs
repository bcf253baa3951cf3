//! The stack of the documentation with more resources, applied to the simulated cloud.

use std::{collections::BTreeSet, path::Path};

use tokio::sync::mpsc;

use super::*;
use crate::{
    docs::schema::EXAMPLES_TEXT,
    engine::{
        backend::BucketCreation,
        session::{Connection, RunOptions, Session, SessionOptions},
    },
};

/// Resources besides those of the documentation: some fields are only for one kind of load balancer or target, or need other fields.
const VARIANTS: &str = r#"
  codebuild_project:
    tests:
      role: deployer
      source: { type: GITHUB, location: "https://github.com/example/shop.git" }
      environment:
        image: example/builder:1
        pull_credentials: SERVICE_ROLE
        fleet: arn:aws:codebuild:eu-west-1:123456789012:fleet/builders:0123
      webhook: { groups: [{ filters: [{ type: EVENT, pattern: PUSH }] }], pull_requests: { approval: ALL_PULL_REQUESTS }, scope: { type: GITHUB_ORGANIZATION, name: example } }
  eks_cluster:
    auto:
      role: arn:aws:iam::111122223333:role/cluster
      subnets: [private-a, private-b]
      auto_mode: { node_pools: [], node_role: nodes }
      deletion_protection: false
  eks_capability:
    delivery: { cluster: main, type: argocd, role: ack, argocd: { identity_center: "arn:aws:sso:::instance/ssoins-1" } }
  health_check:
    database: { type: tcp, ip_address: 203.0.113.9, port: 5432 }
  load_balancer:
    gateway: { type: gateway, subnets: [private-a], deletion_protection: false }
    net: { type: network, subnets: [private-a], security_groups: [metrics], deletion_protection: false }
  target_group:
    tcp: { vpc: main, port: 9090, protocol: TCP, target_type: ip }
    udp: { vpc: main, port: 9090, protocol: UDP }
    geneve: { vpc: main, port: 6081, protocol: GENEVE }
    function: { target_type: lambda }
  listener:
    tls: { load_balancer: net, port: 443, protocol: TLS, certificate: shop, default_action: { forward: { target_groups: [{ target_group: tcp }] } } }
    fixed: { load_balancer: web, port: 8081, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } } }
  vpc_endpoint:
    logs: { vpc: other, service: logs, type: interface, subnets: [a] }
  eks_node_group:
    templated: { cluster: main, role: nodes, subnets: [private-a], launch_template: workers, min: 0, max: 1 }
  launch_template:
    full:
      image: ami-0123456789abcdef0
      instance_type: m7g.large
      key_name: ops
      user_data: echo
      instance_profile: reader
      ebs_optimized: true
      metadata: { http_tokens: required, hop_limit: 2, enabled: true, ipv6: false, instance_tags: true }
      monitoring: true
      placement: { availability_zone: eu-west-1a, tenancy: host, host: h-0123456789abcdef0, affinity: host, group: web, partition: 1 }
      spot: { max_price: "1", request_type: persistent, interruption_behavior: stop, valid_until: "2027-01-31T00:00:00Z" }
      cpu: { cores: 1, threads_per_core: 1, amd_sev_snp: false, nested_virtualization: false }
      cpu_credits: standard
      capacity_reservation: { preference: open, id: cr-0123456789abcdef0 }
      termination_protection: true
      stop_protection: true
      shutdown_behavior: stop
      hibernation: false
      enclave: false
      auto_recovery: disabled
      private_dns: { hostname_type: ip-name, resource_name_a_record: true, resource_name_aaaa_record: false }
      bandwidth_weighting: vpc-1
    chosen:
      placement: { group: web, host_resource_group: "arn:aws:resource-groups:eu-west-1:123456789012:group/hosts" }
      capacity_reservation: { resource_group: "arn:aws:resource-groups:eu-west-1:123456789012:group/reserved" }
      instance_requirements:
        vcpus: { min: 1, max: 8 }
        memory_mib: { min: 1, max: 8 }
        memory_gib_per_vcpu: { min: 1.0, max: 8.0 }
        bare_metal: included
        burstable: included
        require_hibernation: true
        require_encryption_in_transit: true
        local_storage: required
        local_storage_gb: { min: 1.0, max: 8.0 }
        network_interfaces: { min: 1, max: 8 }
        network_gbps: { min: 1.0, max: 8.0 }
        ebs_mbps: { min: 1, max: 8 }
        accelerators: { min: 1, max: 8 }
        accelerator_memory_mib: { min: 1, max: 8 }
        on_demand_max_price_percentage: 30
        spot_max_price_percentage: 50
    cheap:
      instance_requirements: { vcpus: { min: 1 }, memory_mib: { min: 1 }, spot_max_price_percentage_of_on_demand: 50 }
  vpc:
    edge: { cidr: 10.50.0.0/16, ipv6: { network_border_group: eu-west-1 } }
    own: { cidr: 10.51.0.0/16, ipv6: { pool: ipv6pool-ec2-0123456789abcdef0, cidr: "2001:db8:1200::/56" } }
    managed: { cidr: 10.52.0.0/16, ipv6: { pool: ipam-pool-0123456789abcdef0, prefix_length: 52 } }
  rds_instance:
    monitored:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 400
      subnet_group: reports
      security_groups: [metrics]
      performance_insights: true
      monitoring_interval_seconds: 60
      monitoring_role: monitoring
    restored:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 20
      subnet_group: reports
      security_groups: [metrics]
      point_in_time: { database: reports, time: "2026-11-29T12:00:00Z" }
  aurora_cluster:
    restored:
      engine: aurora-postgresql
      version: "16"
      subnet_group: reports
      security_groups: [metrics]
      point_in_time: { cluster: shop, time: "2026-11-29T12:00:00Z" }
  dynamodb_table:
    restored:
      key: { partition: customer, sort: article }
      attributes: { customer: string, article: string, day: string }
      global_indexes: { by-day: { key: { partition: day }, projection: keys_only } }
      point_in_time: { table: carts, time: "2026-11-29T12:00:00Z" }
  eks_pod_identity:
    tagless: { cluster: main, namespace: a, service_account: b, role: ebs, disable_session_tags: true }
  dns_record:
    weighted: { zone: main, domain: w.shop.example.com, type: CNAME, values: [shop.example.com], set_identifier: a, weight: 1 }
  flow_log:
    logs: { subnet: a, log_group: flow, role: flow }
  iam_role:
    flow: { trust: { services: [vpc-flow-logs.amazonaws.com] } }
    monitoring: { trust: { services: [monitoring.rds.amazonaws.com] } }
  nat_gateway:
    plain: { subnet: b, connectivity: private }
  autoscaling_group:
    full:
      launch_template: web
      min: 0
      max: 1
      subnets: [private-a]
      warmup_seconds: 60
      max_instance_lifetime_seconds: 86400
      maintenance: { min_healthy_percentage: 50, max_healthy_percentage: 120 }
      capacity_reservation: { preference: none }
      service_linked_role: "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_web"
      warm_pool: { max_prepared: 3 }
      instance_refresh:
        min_healthy_percentage: 50
        max_healthy_percentage: 120
        warmup_seconds: 60
        checkpoints: [50]
        checkpoint_seconds: 60
        bake_seconds: 60
    mixed:
      launch_template: web
      min: 0
      max: 1
      subnets: [private-a]
      mixed_instances: { on_demand_strategy: prioritized, spot_strategy: lowest-price, spot_pools: 3 }
  classic_load_balancer:
    logged:
      subnets: [private-a]
      security_groups: [metrics]
      listeners: [{ port: 80, instance_port: 8080 }]
      health_check: { target: "TCP:8080" }
      instances: [i-0123456789abcdef0]
      access_logs: { bucket: files }
"#;

/// Opens a session with a definition on the simulated cloud in a folder.
pub(in crate::engine) async fn open_session(folder: &Path, text: &str) -> Session {
    let options = SessionOptions { connection: Connection::Simulated(folder.join("cloud")), ..SessionOptions::default() };
    Session::open(Source::new("stack.yaml", text), options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Applies the stack of the documentation with its variants to the simulated cloud in a folder; returns the definition.
pub(in crate::engine) async fn apply_examples(folder: &Path) -> String {
    let mut text = EXAMPLES_TEXT.to_owned();
    let (mut head, mut at) = (String::new(), String::new());
    for line in VARIANTS.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("    ") {
            at = format!("{at}{line}\n");
            continue;
        }
        insert_after(&mut text, &head, &at);
        (head, at) = (format!("\n{line}\n"), String::new());
    }
    insert_after(&mut text, &head, &at);
    let connected = open_session(folder, &text).await.connect(BucketCreation::Never).await.expect("a cloud");
    let mut locked = connected.lock("apply", std::time::Duration::ZERO, |_| {}).await.expect("it is free");
    let (events, _receiver) = mpsc::unbounded_channel();
    let proposed = locked.plan(Goal::Apply).await.expect("a plan");
    let plan = proposed.check().unwrap_or_else(|error| panic!("{error}"));
    let result = plan.apply(RunOptions::new(events)).await.expect("a run");
    assert!(result.execution.is_success(), "{:?}", result.execution.failed);
    locked.release().await.expect("it is held");
    text
}

/// The stack of the documentation with its variants, and what exists of it after an apply.
pub(in crate::engine::plan) async fn applied() -> (Stack, LiveState) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = apply_examples(folder.path()).await;
    state_of(folder.path(), &text).await
}

pub(super) async fn state_of(folder: &Path, text: &str) -> (Stack, LiveState) {
    let mut session = open_session(folder, text).await;
    let state = session.discover_with_history().await.expect("resources");
    session.choose_values(&state, Goal::Apply).await.expect("values");
    assert!(session.plan(&state, Goal::Apply).await.expect("a plan").is_empty());
    (session.stack().clone(), state.live_state().clone())
}

/// These resources, all that depend on them, and the dependencies of all of these: what a change of them can affect. A plan of the whole
/// stack says the same about them, but takes the longer the more types there are.
pub(in crate::engine) fn surroundings(stack: &Stack, addresses: impl IntoIterator<Item = Address>) -> BTreeSet<Address> {
    let mut found = BTreeSet::from_iter(addresses);
    loop {
        let dependents = stack.resources.values().filter(|one| one.depends_on.iter().any(|dependency| found.contains(dependency)));
        let more: Vec<Address> = dependents.map(|one| one.address.clone()).filter(|address| !found.contains(address)).collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    let mut waiting: Vec<Address> = found.iter().cloned().collect();
    while let Some(declared) = waiting.pop().and_then(|address| stack.resources.get(&address)) {
        waiting.extend(declared.depends_on.iter().filter(|dependency| found.insert((*dependency).clone())).cloned());
    }
    found
}

/// Inserts lines after a line of the resources, which come last.
pub(super) fn insert_after(text: &mut String, line: &str, more: &str) {
    if let Some(at) = text.rfind(line) {
        text.insert_str(at + line.len(), more);
    }
}
