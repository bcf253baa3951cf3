//! Health of objects and releases in `acme show --live`. The cluster has no nodes, so the test sets the status of pods in place of a kubelet.

use std::path::Path;

use serde_json::Value;

use super::{Lab, release};

const WORKLOAD: &str = "
  kubernetes_object:
    api:
      cluster: main
      manifest:
        apiVersion: apps/v1
        kind: Deployment
        metadata: { name: api, namespace: default }
        spec:
          replicas: 0
          selector: { matchLabels: { app: api } }
          template:
            metadata: { labels: { app: api } }
            spec: { containers: [{ name: api, image: example.com/api:1 }] }
";

/// Status of a pod that runs and is ready.
const RUNNING: &str = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;

impl Lab {
    /// Phase and status of a resource in `show --live`, and the number of resources that are ready, not ready yet and failed.
    fn health(&self, stack: &Path, address: &str) -> (String, [u64; 3]) {
        let shown = self.run("show", stack, &["--live", "-o", "json"]).assert_success();
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let of_address = |one: &&Value| one["tags"]["acme:address"] == address;
        let phase = &shown["resources"].as_array().expect("resources").iter().find(of_address).expect("the resource")["phase"];
        let text = |key: &str| phase[key].as_str().unwrap_or_default();
        let counts = ["ready", "progressing", "failed"].map(|key| shown["health"][key].as_u64().expect("a number"));
        (format!("{} {}", text("phase"), text("status")).trim().to_owned(), counts)
    }

    /// Waits until the controller of a Deployment has counted its pods.
    fn wait_for_count(&self, namespace: &str, name: &str, count: &str) {
        let condition = format!("--for=jsonpath={{.status.{count}}}=1");
        self.server.kubectl(&["wait", &condition, &format!("deployment/{name}"), "-n", namespace, "--timeout=60s"]);
    }

    /// Starts the pods of a Deployment, in place of a node.
    fn start_pods(&self, namespace: &str, name: &str) {
        let pods = self.server.kubectl(&["get", "pods", "-n", namespace, "-l", &format!("app={name}"), "-o", "name"]);
        for pod in pods.lines() {
            self.server.kubectl(&["patch", pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", RUNNING]);
        }
        self.wait_for_count(namespace, name, "availableReplicas");
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn objects_and_releases_are_shown_with_their_health() {
    let lab = Lab::start();
    let unawaited = release("{ pods: true }").replace("timeout_seconds: 60", "timeout_seconds: 60, wait: false");
    let stack = lab.stack(&format!("{WORKLOAD}{unawaited}"));
    lab.apply(&stack);
    // Besides the two: a network, two subnets, a role and a cluster.
    lab.wait_for_count("kube-public", "web", "unavailableReplicas");
    let waiting = "progressing Deployment web: 0 of 1 pods available".to_owned();
    assert_eq!(lab.health(&stack, "helm_release.web"), (waiting, [6, 1, 0]));
    assert_eq!(lab.health(&stack, "kubernetes_object.api").0, "ready", "it asks for no pods");
    lab.server.kubectl(&["scale", "deployment/api", "--replicas=1"]);
    lab.wait_for_count("default", "api", "unavailableReplicas");
    assert_eq!(lab.health(&stack, "kubernetes_object.api"), ("progressing 0 of 1 pods available".to_owned(), [5, 2, 0]));
    let shown = lab.run("show", &stack, &["--live"]).assert_success().stdout;
    let line = |address: &str| shown.lines().find(|line| line.contains(address)).unwrap_or_default().to_owned();
    assert!(line("helm_release.web").contains("version 1.0.0, revision 1, Deployment web: 0 of 1 pods available"), "{shown}");
    assert!(line("kubernetes_object.api").contains("0 of 1 pods available"), "{shown}");
    assert!(shown.contains("Health: 5 ready, 2 not ready yet."), "{shown}");

    lab.start_pods("kube-public", "web");
    lab.start_pods("default", "api");
    assert_eq!(lab.health(&stack, "helm_release.web"), ("ready".to_owned(), [7, 0, 0]));
    assert_eq!(lab.health(&stack, "kubernetes_object.api"), ("ready".to_owned(), [7, 0, 0]));
    let shown = lab.run("show", &stack, &["--live"]).assert_success().stdout;
    assert!(shown.contains("version 1.0.0, revision 1, ready") && shown.contains("Health: 7 ready."), "{shown}");

    // A workload of the chart that is gone.
    lab.server.kubectl(&["delete", "deployment", "web", "-n", "kube-public"]);
    let gone = "degraded Deployment web: it was deleted outside Helm".to_owned();
    assert_eq!(lab.health(&stack, "helm_release.web"), (gone, [6, 0, 1]));
}
