//! `show --live`: how objects and releases in a real cluster are doing.

use std::{fs, path::Path, thread, time::Duration};

use serde_json::Value;

use super::Lab;

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: \"7\"\n";
const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: shop }] }
";

/// Status of a deployment that its controller has finished.
const AVAILABLE: &str = r#"{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1,"conditions":[{"type":"Available","status":"True"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]}"#;

/// Sets the status that a controller would.
fn set_status(lab: &Lab, status: &str) {
    let patch = format!("{{\"status\":{status}}}");
    lab.server.kubectl(&["patch", "deployment", "shop", "-n", "kube-public", "--subresource=status", "--type=merge", "-p", &patch]);
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn shows_the_health_of_what_runs_in_a_real_cluster() {
    let lab = Lab::start();
    let chart = lab.folder.path().join("shop");
    fs::create_dir_all(chart.join("templates")).expect("a folder");
    fs::write(chart.join("Chart.yaml"), CHART).expect("written");
    fs::write(chart.join("templates/shop.yaml"), DEPLOYMENT).expect("written");
    let stack = lab.stack(&format!(
        "
  helm_release:
    shop: {{ cluster: main, namespace: kube-public, release: shop, chart: {}, version: 1.0.0, values: {{ limits: ~ }} }}
  kubernetes_object:
    config: {{ cluster: main, manifest: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: config, namespace: default }} }} }}
",
        chart.display()
    ));
    thread::scope(|scope| {
        let controller = scope.spawn(|| {
            while lab.server.kubectl(&["get", "deployments", "-n", "kube-public", "-o", "name"]).trim().is_empty() {
                thread::sleep(Duration::from_millis(200));
            }
            set_status(&lab, AVAILABLE);
        });
        lab.apply(&stack);
        controller.join().expect("no panic");
    });
    // A value `null`, by which Helm removes a default, is kept.
    lab.assert_no_changes(&stack);
    let shown = |stack: &Path| lab.run("show", stack, &["--live"]).assert_success().stdout;
    let text = shown(&stack);
    assert!(text.contains("version 1.0.0, revision 1, ready"), "{text}");
    assert!(text.lines().any(|line| line.contains("kubernetes_object.config") && line.ends_with("  ready")), "{text}");

    set_status(&lab, r#"{"readyReplicas":0,"availableReplicas":0,"conditions":[{"type":"Available","status":"False"}]}"#);
    let text = shown(&stack);
    for part in ["helm_release.shop", "version 1.0.0, revision 1, Deployment shop: ", ", 1 not ready yet."] {
        assert!(text.contains(part), "`{part}` is missing in {text}");
    }

    set_status(
        &lab,
        r#"{"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded","message":"no image"}],"availableReplicas":0,"readyReplicas":0}"#,
    );
    let json = lab.run("show", &stack, &["--live", "-o", "json"]).assert_success();
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["health"]["failed"], 1, "{json:#}");
    let release = json["resources"].as_array().expect("a list").iter().find(|one| one["type"] == "helm_release").expect("the release");
    assert!(release["phase"]["status"].as_str().is_some_and(|status| status.contains("no image")), "{release:#}");
    // A plan reads no more than before.
    lab.assert_no_changes(&stack);
}
