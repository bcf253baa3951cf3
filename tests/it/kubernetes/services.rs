//! Services: acme's chart with the values that definitions give it, checked by real Helm and strict schemas, and installed in a real cluster.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize as _;
use serde_json::Value;

use super::{Lab, server::programs};
use crate::{
    acme::{Acme, CommandOutput, write_file},
    schemas::check,
};

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/charts/service");

/// A stack with services of every shape.
fn definition(components: &str, canary: &str, edge: &str) -> String {
    format!(
        "stack: shop
region: eu-west-1
network: {{ cidr: 10.0.0.0/16, zones: 2, nat: single }}
cluster:
  version: '1.36'
  deletion_protection: false
  addons: [coredns, kube-proxy]
  node_groups: {{ general: {{ instance_types: [m7g.large], min: 2, max: 5 }} }}
storage: {{ products: {{ on_delete: delete }} }}
queues: [mail]
tables: {{ carts: {{ key: {{ partition: customer }}, attributes: {{ customer: string }}, on_delete: delete, deletion_protection: false }} }}
caches: {{ sessions: {{ version: '8.0', node_type: cache.t4g.small, auth_token: for-redis, on_delete: delete }} }}
secrets: {{ for: {{ for_each: [grafana, oauth2-proxy, redis], generate: {{ exclude_punctuation: true }}, on_delete: delete }}, stripe: {{ generate: {{}}, on_delete: delete }} }}
dns: {{ zone: example.com }}
resources: {{ certificate: {{ web: {{ domain: www.example.com, zone: main }} }} }}
load_balancers: {{ web: {{ deletion_protection: false, listeners: {{ https: {{ port: 443, protocol: HTTPS, certificate: web }} }} }} }}
databases:
  orders: {{ engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, on_delete: delete, deletion_protection: false }}
platform: {{ vpc-cni: {{}}, aws-load-balancer-controller: {{}}, metrics-server: {{}}, ebs-csi: {{}}, prometheus-crds: {{}}{components} }}
edge: {{ host: www.example.com, load_balancer: web, waf: true, {edge} }}
services:
  web: {{ port: 8080, version: 1.4.0, replicas: 2..10, calls: [orders], metrics: /metrics, path: /{canary} }}
  orders: {{ port: 9000, version: 1.0.0, replicas: 1, database: orders, bucket: products, secrets: [stripe], metrics: /m, metrics_port: 9100 }}
  carts: {{ port: 8080, version: 1.0.0, path: /carts, cache: sessions, table: carts }}
  mail: {{ image: 'ghcr.io/example/mail:1', queue: mail, command: [/mail, --all], metrics: /metrics, metrics_port: 9090 }}
  report: {{ image: 'ghcr.io/example/report:2', schedule: '0 3 * * *', secrets: [stripe], env: {{ DAYS: 7 }} }}
"
    )
}

const MESH: &str = ", istio-base: {}, istio-cni: {}, istiod: {}, istio-gateway: {}";
const SIGN_IN: &str = ", oauth2-proxy: { host: www.example.com, issuer_url: 'https://login.example.com', \
                       redis_url: 'rediss://sessions.example.com:6379', secret: for-oauth2-proxy, redis_secret: for-redis }";
const ROLLOUTS: &str = ", argo-rollouts: {}, prometheus: { grafana_secret: for-grafana }";
/// An ingress controller of each kind that divides requests by paths, with what else a stack may have.
const EDGES: [(&str, &str, &str); 6] = [
    ("", "", "through: alb"),
    (", secrets-store-csi: {}, kong: {}", "", "through: kong"),
    (", nginx: {}", ", canary: 20%", "through: nginx, sign_in: true"),
    (", ingress-nginx: {}", ", canary: { steps: [10%, 5m, 50%, approval] }", "through: nginx, sign_in: true"),
    (MESH, ", canary: 20%, canary_version: 1.5.0", "through: istio, sign_in: true"),
    (MESH, ", canary: { steps: [10%, 5m] }", "through: istio"),
];

/// Components of an edge.
fn components(components: &str, canary: &str, edge: &str) -> String {
    let rollouts = if canary.is_empty() || canary.contains("canary_version") { "" } else { ROLLOUTS };
    let sign_in = if edge.contains("sign_in") { SIGN_IN } else { "" };
    let secrets = if rollouts.is_empty() && sign_in.is_empty() { "" } else { ", external-secrets: {}" };
    format!("{components}{rollouts}{sign_in}{secrets}")
}

fn helm(arguments: &[&str]) -> CommandOutput {
    let done = Command::new(programs().join("helm/helm")).args(arguments).output().expect("Helm starts");
    CommandOutput::from_output(done).assert_success()
}

/// Objects of a chart with values from files, as Helm and Argo CD render them.
pub fn objects(release: &str, chart: &Path, values: &[PathBuf]) -> Vec<Value> {
    let chart = chart.to_str().expect("a path");
    let mut arguments = vec!["template", release, chart, "--namespace", "shop", "--skip-tests"];
    for file in values {
        arguments.extend(["--values", file.to_str().expect("a path")]);
    }
    let rendered = helm(&arguments);
    let documents = serde_yaml::Deserializer::from_str(&rendered.stdout).map(|one| Value::deserialize(one).expect("YAML"));
    documents.filter(Value::is_object).collect()
}

/// The values of each service, in files, and the manifests of the edge.
fn values(acme: &Acme, stack: &Path, folder: &Path) -> (Vec<(String, PathBuf)>, Vec<Value>) {
    let expanded = acme.run("show", stack, &["--expanded"]).assert_success();
    let expanded: Value = serde_yaml::from_str(&expanded.stdout).expect("a definition");
    let objects = expanded["resources"]["kubernetes_object"].as_object().expect("objects").iter();
    let objects = objects.filter(|(name, _)| name.starts_with("edge-")).map(|(_, object)| object["manifest"].clone()).collect();
    let releases = expanded["resources"]["helm_release"].as_object().expect("releases").iter();
    let services = releases.filter(|(_, release)| release["chart"] == "acme/service");
    let files = services.map(|(name, release)| (name.clone(), write_file(folder, &format!("{name}.json"), &release["values"].to_string())));
    (files.collect(), objects)
}

#[test]
#[ignore = "needs programs from PyPI and npm"]
fn rendered_services_fit_the_schemas_of_their_kinds() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let mut objects = Vec::new();
    for (parts, canary, edge) in EDGES {
        let stack = write_file(folder.path(), "shop.yaml", &definition(&components(parts, canary, edge), canary, edge));
        let (services, edge) = values(&acme, &stack, folder.path());
        objects.extend(edge);
        for (name, file) in services {
            let file = file.to_str().expect("a path");
            helm(&["lint", "--strict", CHART, "--values", file]);
            let rendered = helm(&["template", &name, CHART, "--namespace", "shop", "--values", file]);
            let documents = serde_yaml::Deserializer::from_str(&rendered.stdout).map(|one| Value::deserialize(one).expect("YAML"));
            objects.extend(documents.filter(Value::is_object));
        }
    }
    let kinds: BTreeSet<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    let expected = [
        "AnalysisTemplate",
        "AuthorizationPolicy",
        "CronJob",
        "Deployment",
        "DestinationRule",
        "ExternalSecret",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "Policy",
        "Rollout",
        "SecretProviderClass",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "TargetGroupBinding",
        "VirtualService",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let (problems, ..) = check(&objects);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn services_are_installed_changed_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    for (parts, canary, edge) in EDGES {
        let text = definition(&components(parts, canary, edge), canary, edge);
        let stack = |text: &str| write_file(folder.path(), "shop.yaml", text);
        acme.apply(&stack(&text));
        acme.assert_no_changes(&stack(&text));
        let edited = text.replace("replicas: 1,", "replicas: 2,");
        let plan = acme.plan(&stack(&edited));
        assert_eq!(plan.changes(), ["update helm_release.orders"]);
        assert_eq!(plan.changed_fields("helm_release.orders").into_iter().collect::<Vec<_>>(), ["/values/replicas"]);
        acme.apply(&stack(&edited));
        acme.assert_no_changes(&stack(&edited));
        acme.destroy(&stack(&edited));
        let left = acme.plan(&stack(&edited)).changes();
        assert!(left.iter().all(|change| change.starts_with("create ")), "{left:?}");
    }
}

/// A worker: the API of the tests is older than what probes, budgets and autoscalers of the chart need.
fn release(level: u32) -> String {
    format!(
        "
  kubernetes_object:
    shop: {{ cluster: main, manifest: {{ apiVersion: v1, kind: Namespace, metadata: {{ name: shop }} }} }}
  helm_release:
    greet:
      cluster: main
      namespace: shop
      release: greet
      chart: acme/service
      version: 1.0.0
      wait: false
      timeout_seconds: 60
      values:
        image: example.com/greet:1
        replicas: 1
        env: {{ LEVEL: '{level}' }}
        network: {{ reaches: [{{ ranges: [0.0.0.0/0], port: 443 }}] }}
"
    )
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_service_passes_its_life_in_a_real_cluster() {
    let lab = Lab::start();
    let stack = lab.stack(&release(2));
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
    let kinds = "deployments,services,networkpolicies,serviceaccounts";
    let found = lab.server.kubectl(&["get", kinds, "-n", "shop", "-l", "app.kubernetes.io/name=greet", "-o", "name"]);
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(found, ["deployment.apps/greet", "networkpolicy.networking.k8s.io/greet", "serviceaccount/greet"]);

    let edited = lab.stack(&release(3));
    assert_eq!(lab.plan(&edited).changed_fields("helm_release.greet").into_iter().collect::<Vec<_>>(), ["/values/env/LEVEL"]);
    let shown = lab.run("plan", &edited, &[]).assert_success();
    assert!(shown.stdout.contains("~ Deployment shop/greet: spec.template"), "{}", shown.stdout);
    lab.apply(&edited);
    lab.assert_no_changes(&edited);
    let other = lab.stack(&release(3).replace("acme/service", "acme/servce"));
    let refused = lab.run("plan", &other, &[]);
    assert!(refused.code != 0 && refused.combined_output().contains("did you mean `acme/service`?"), "{}", refused.combined_output());
    lab.run("destroy", &lab.stack(&release(3)), &["--yes"]).assert_success();
}
