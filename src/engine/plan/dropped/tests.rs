//! Every optional field of every type, dropped after an apply: what the plan says.

mod switches;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::{
    aws::types::RESOURCE_TYPES,
    core::{ADDRESS_TAG, ResourceType, Tags, resolve_ref},
    definition::Source,
    docs::schema::EXAMPLES_TEXT,
    engine::{
        backend::BucketCreation,
        discover::LiveState,
        plan::{Action, Goal, Plan, plan},
        session::{Connection, RunOptions, Session, SessionOptions},
    },
    simulator::Simulator,
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

/// Texts of which one fits every field with a pattern.
const TEXTS: [&str; 27] = [
    "02:00-03:00",
    "sun:04:00-sun:05:00",
    "1.34",
    "10.100.0.0/16",
    "N1PA6795SAMPLE",
    "db.t4g.medium",
    "shop_reports",
    "192.0.2.10",
    "10.1.0.10",
    "2001:db8::10",
    "eu-west-1",
    "example",
    "arn:aws:iam::123456789012:policy/limit",
    "lt-0123456789abcdef0",
    "1",
    "text/css",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "HTTP2Only",
    "HTTP2",
    "least_outstanding_requests",
    "ipv6",
    "/health",
    "8080",
    "201",
    "0123456789012345678901234567890123456789",
    "PRIMARY",
    "A note",
];

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

async fn state_of(folder: &Path, text: &str) -> (Stack, LiveState) {
    let mut session = open_session(folder, text).await;
    let state = session.discover_with_history().await.expect("resources");
    session.choose_values(&state, Goal::Apply).await;
    assert!(session.plan(&state, Goal::Apply).await.expect("a plan").is_empty());
    (session.stack().clone(), state.live_state().clone())
}

/// Inserts lines after a line of the resources, which come last.
fn insert_after(text: &mut String, line: &str, more: &str) {
    if let Some(at) = text.rfind(line) {
        text.insert_str(at + line.len(), more);
    }
}

fn live_at<'a>(live_state: &'a LiveState, address: &Address) -> &'a LiveResource {
    let text = address.to_string();
    live_state.iter().find(|live| live.tags.get(ADDRESS_TAG) == Some(&text)).unwrap_or_else(|| panic!("{text} does not exist"))
}

/// Pointers to the fields with the fact in the schema of a type, at any depth without lists and maps, each with its schema.
fn optional_fields(kind: &ResourceType) -> Vec<(String, Value)> {
    fn collect(root: &Value, schema: &Value, at: &str, depth: usize, found: &mut Vec<(String, Value)>) {
        if depth > 6 {
            return;
        }
        let target = resolve_ref(root, schema);
        let choices = ["anyOf", "oneOf"].iter().filter_map(|key| target.get(key)?.as_array()).flatten();
        for choice in choices {
            collect(root, choice, at, depth + 1, found);
        }
        for (key, field) in target.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/{key}");
            if crate::core::dropped::has_fact(field) && !found.iter().any(|(known, _)| *known == at) {
                found.push((at.clone(), field.clone()));
            }
            collect(root, field, &at, depth + 1, found);
        }
    }
    let mut found = Vec::new();
    collect(kind.schema(), kind.schema(), "", 0, &mut found);
    found
}

/// Values that a schema may accept.
fn samples(root: &Value, schema: &Value, live_state: &LiveState, depth: usize) -> Vec<Value> {
    if depth > 5 {
        return Vec::new();
    }
    if let Some(kind) = schema.get("x-acme-ref").and_then(Value::as_str) {
        let output = if schema.to_string().contains("\"arn\":{") { "arn" } else { "id" };
        let live = live_state.live.get(kind).into_iter().flatten();
        return live.filter_map(|live| Some(json!({ output: live.output(output)? }))).collect();
    }
    let target = resolve_ref(root, schema);
    let mut found: Vec<Value> = target.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    found.extend(target.get("const").cloned());
    let choices = ["anyOf", "oneOf"].iter().filter_map(|key| target.get(key)?.as_array()).flatten();
    for choice in choices.filter(|choice| choice["type"] != "null") {
        found.extend(samples(root, choice, live_state, depth + 1));
    }
    let is = |name: &str| target["type"] == name || target["type"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    if is("boolean") {
        found.extend([json!(true), json!(false)]);
    }
    if is("integer") {
        let numbers = [7, 2, 31, 10, 120, 500, 3000, 5433].map(|number| json!(number));
        found.extend(numbers);
    }
    if is("string") && found.is_empty() {
        found.extend(TEXTS.map(Value::from));
    }
    if let Some(items) = target.get("items").filter(|_| is("array")) {
        found.extend(samples(root, items, live_state, depth + 1).into_iter().map(|item| json!([item])));
    }
    if let Some(fields) = target.get("properties").and_then(Value::as_object) {
        let required: Vec<&str> = target["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let named = fields.iter().filter(|(name, field)| required.contains(&name.as_str()) || field.get("x-acme-names").is_some());
        let value = |(name, field): (&String, &Value)| Some((name.clone(), samples(root, field, live_state, depth + 1).first()?.clone()));
        found.extend(named.map(value).collect::<Option<Map<_, _>>>().map(Value::Object));
    }
    if found.is_empty() && target.get("type").is_none() {
        found.push(json!({ "a": 1 }));
    }
    found
}

/// A case: a stack without the field, and what exists with it.
struct Case {
    stack: Stack,
    live_state: LiveState,
    address: Address,
    value: Value,
}

fn cases(kind: &ResourceType, pointer: &str, field: &Value, stack: &Stack, live_state: &LiveState) -> Option<Case> {
    let of_type = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    let with = |spec: &Value, value: &Value| {
        let mut spec = spec.clone();
        *spec.pointer_mut(pointer)? = value.clone();
        let spec = kind.operations.parse(&spec).ok().filter(|spec| kind.check(spec).is_empty())?;
        spec.pointer(pointer).is_some_and(|value| !value.is_null()).then_some(spec)
    };
    for declared in of_type {
        let live = live_at(live_state, &declared.address);
        let mut bare = declared.spec.clone();
        let Some(place) = bare.pointer_mut(pointer) else { continue };
        *place = Value::Null;
        let Ok(bare) = kind.operations.parse(&bare) else { continue };
        if !kind.check(&bare).is_empty() || bare.pointer(pointer) != Some(&Value::Null) {
            continue;
        }
        let default = match kind.dropped(&bare, pointer) {
            Some(Dropped::Value(value)) => value,
            _ => Value::Null,
        };
        let samples = samples(kind.schema(), field, live_state, 0);
        let declared_value = live.spec.pointer(pointer).filter(|value| !value.is_null()).cloned();
        for value in declared_value.into_iter().chain(samples) {
            if value == default || with(&bare, &value).is_none() {
                continue;
            }
            let Some(spec) = with(&live.spec, &value) else { continue };
            let (mut stack, mut live_state) = (stack.clone(), live_state.clone());
            if let Some(declared) = stack.resources.get_mut(&declared.address) {
                declared.spec = bare.clone();
            }
            let found = live_state.live.get_mut(kind.name).into_iter().flatten().find(|other| other.id == live.id);
            let value = spec.pointer(pointer).cloned()?;
            found?.spec = spec.into();
            return Some(Case { stack, live_state, address: declared.address.clone(), value });
        }
    }
    None
}

pub(in crate::engine::plan) fn planned(stack: &Stack, live_state: &LiveState) -> Plan {
    plan(stack, live_state, Goal::Apply, "eu-west-1", Simulator::ACCOUNT)
}

/// What a plan says about a resource and one of its fields.
fn told(plan: &Plan, address: &Address, pointer: &str) -> String {
    let change = plan.changes.iter().find(|change| change.address == *address).expect("a change");
    let field = change.fields.iter().find(|field| is_within(&field.pointer, pointer) || is_within(pointer, &field.pointer));
    let obstacles: Vec<&str> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
    match (change.action, field) {
        _ if !obstacles.is_empty() => format!("blocked: {}", obstacles.join(", ")),
        (Action::None, _) => "left alone".to_owned(),
        (Action::Update, Some(field)) => format!("set to {}", field.after),
        (Action::Replace, Some(field)) => format!("replaced with {}", field.after),
        (action, field) => format!("{action:?} {field:?}"),
    }
}

/// The resources to which a value refers leave the definition, too.
fn without_referenced(case: &Case, kind: &ResourceType, pointer: &str) -> Option<(Stack, LiveState)> {
    let mut spec = Value::Object(Map::new());
    spec[pointer[1..].split('/').next()?] =
        live_at(&case.live_state, &case.address).spec.pointer(&format!("/{}", pointer[1..].split('/').next()?))?.clone();
    let path = pointer[1..].replace('/', ".");
    let reference = kind.references(&spec).into_iter().find(|reference| reference.path.starts_with(&path))?;
    // A second resource of that type, which only this field uses.
    let mut live_state = case.live_state.clone();
    let used = live_state.live.get_mut(reference.type_name.as_str())?;
    let is_used = |live: &&LiveResource| live.id == reference.value || live.arn() == Some(&reference.value);
    let mut gone = used.iter().find(is_used)?.clone();
    let old = reference.value.clone();
    let new = format!("{}-gone", old);
    gone.tags = gone
        .tags
        .iter()
        .map(|(key, value)| match key == ADDRESS_TAG {
            true => (key.clone(), format!("{}.gone", reference.type_name)),
            false => (key.clone(), value.clone()),
        })
        .collect::<Tags>()
        .into();
    let mut outputs = gone.outputs.clone().into_inner();
    if let Some(arn) = outputs.get_mut("arn") {
        *arn = format!("{}-gone", arn.as_str().unwrap_or_default()).into();
    }
    gone.outputs = outputs.into();
    gone.id = format!("{}-gone", gone.id);
    let mut own_spec = gone.spec.clone().into_inner();
    if let Some(name) = own_spec.get_mut("name") {
        *name = format!("{}-gone", name.as_str().unwrap_or_default()).into();
    }
    gone.spec = own_spec.into();
    used.push(gone);
    let text = case.address.to_string();
    for live in live_state.live.get_mut(kind.name)? {
        if live.tags.get(ADDRESS_TAG) == Some(&text) {
            let spec = live.spec.to_string().replace(&format!("\"{old}\""), &format!("\"{new}\""));
            live.spec = serde_json::from_str::<Value>(&spec).ok()?.into();
        }
    }
    Some((case.stack.clone(), live_state))
}

#[tokio::test]
async fn every_dropped_field_returns_to_its_default_or_the_plan_says_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = apply_examples(folder.path()).await;
    let (stack, live_state) = state_of(folder.path(), &text).await;
    let (mut lines, mut untried, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for kind in RESOURCE_TYPES.iter() {
        for (pointer, field) in optional_fields(kind) {
            let name = format!("{}{pointer}", kind.name);
            let Some(case) = cases(kind, &pointer, &field, &stack, &live_state) else {
                untried.push(name);
                continue;
            };
            let recorded = DeclaredFields::from([(case.address.clone(), [pointer.clone()].into())]);
            let drop = |stack: &Stack| {
                let mut stack = stack.clone();
                return_dropped_fields(&mut stack, &recorded, Simulator::ACCOUNT);
                stack
            };
            let never_said = told(&planned(&case.stack, &case.live_state), &case.address, &pointer);
            let dropped = drop(&case.stack);
            let said = told(&planned(&dropped, &case.live_state), &case.address, &pointer);
            let fate = kind.dropped(&case.stack.resources[&case.address].spec, &pointer);
            let expected = match &fate {
                Some(Dropped::Value(_)) => ["set to", "replaced with", "blocked: protected"].iter().any(|start| said.starts_with(start)),
                Some(Dropped::Kept(_)) => said == "left alone",
                Some(Dropped::Impossible(_)) => said == "blocked: dropped",
                None => false,
            };
            if !expected || never_said != "left alone" {
                wrong.push(format!("{name} = {}: {said}; if it was never set: {never_said}; {fate:?}", case.value));
            }
            let mut line = format!("{name}: {said}");
            if let Some((stack, live_state)) = without_referenced(&case, kind, &pointer) {
                let never_said = told(&planned(&stack, &live_state), &case.address, &pointer);
                let with_it = told(&planned(&drop(&stack), &live_state), &case.address, &pointer);
                // What is referred to may be protected, too.
                if !never_said.starts_with("blocked: ") || !never_said.ends_with("in-use") {
                    wrong.push(format!("{name}: what it refers to is deleted though the field was never set: {never_said}"));
                }
                line.push_str(&format!("; with what it refers to: {with_it}"));
            }
            lines.push(line);
        }
    }
    let (switched, more) = switches::told_about_switches(&text, &live_state);
    lines.extend(switched);
    wrong.extend(more);
    untried.retain(|name| !switches::is_tried(name));
    let (known, untried): (Vec<String>, Vec<String>) = untried.into_iter().partition(|name| switches::UNTRIED.contains(&name.as_str()));
    assert_eq!(known, switches::UNTRIED, "left: fields without a case");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(untried, switches::REQUIRED.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "fields that no case tries");
    let required: Vec<String> = switches::REQUIRED.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    insta::assert_snapshot!("dropped_fields", format!("{}\n\nnever dropped:\n{}", lines.join("\n"), required.join("\n")));
}

/// Fields of types without the fact: every `Option` states it.
#[test]
fn every_optional_field_states_what_becomes_of_it() {
    fn collect(schema: &Value, at: &str, missing: &mut Vec<String>) {
        let Some(map) = schema.as_object() else { return };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("properties", Value::Object(fields)) => {
                    for (name, field) in fields {
                        let path = format!("{at}/{name}");
                        let types = field["type"].as_array().is_some_and(|all| all.iter().any(|one| one == "null"));
                        let choices = field["anyOf"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "null"));
                        let has_default = field.get("default").is_some_and(|default| !default.is_null());
                        if (types || choices || field.get("default") == Some(&Value::Null))
                            && !has_default
                            && path != "/name"
                            && !crate::core::dropped::has_fact(field)
                        {
                            missing.push(path.clone());
                        }
                        collect(field, &path, missing);
                    }
                }
                // A syntax is converted to another form, in which every field has a value.
                ("$defs", Value::Object(fields)) => {
                    let forms = fields.iter().filter(|(name, _)| !name.ends_with("Syntax"));
                    forms.for_each(|(name, field)| collect(field, &format!("{at}#{name}"), missing));
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => branches.iter().for_each(|branch| collect(branch, at, missing)),
                ("items" | "additionalProperties", value) => collect(value, at, missing),
                _ => {}
            }
        }
    }
    let mut missing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in RESOURCE_TYPES.iter() {
        let mut found = Vec::new();
        collect(kind.schema(), "", &mut found);
        if !found.is_empty() {
            missing.insert(kind.name, found);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
