//! Argo CD: rendered files against its definitions of kinds, and an Application whose status the test sets in place of Argo CD.

use std::{path::Path, thread, time::Duration};

use serde_json::{Value, json};

use super::Lab;
use crate::{
    acme::{Acme, write_file},
    render::{render, stack_with_argo_cd},
};

/// Kinds of Argo CD, without the parts of their schemas that nothing renders.
const KINDS: &str = include_str!("../../fixtures/crds/argo-cd.jsonl");

fn install_kinds(lab: &Lab) {
    for (number, kind) in KINDS.lines().enumerate() {
        let file = write_file(lab.folder.path(), &format!("kind-{number}.json"), kind);
        lab.server.kubectl(&["create", "-f", file.to_str().expect("a path")]);
    }
    for kind in ["applications", "appprojects"] {
        lab.server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &format!("crd/{kind}.argoproj.io")]);
    }
}

/// Asks the API whether it would accept all files of a folder, and kubectl whether their fields are known.
fn assert_valid(lab: &Lab, folder: &Path) {
    lab.server.kubectl(&["create", "--dry-run=server", "--validate=true", "-f", folder.to_str().expect("a path")]);
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn rendered_applications_fit_the_kinds_of_argo_cd() {
    let lab = Lab::start();
    install_kinds(&lab);
    lab.server.kubectl(&["create", "namespace", "argocd"]);
    lab.server.kubectl(&["create", "namespace", "shop"]);
    lab.server.kubectl(&["create", "namespace", "monitoring"]);
    let folder = tempfile::tempdir().expect("a folder");
    for environment in ["tempo", "jaeger"] {
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let definition = stack_with_argo_cd();
        let stack = definition.write();
        acme.apply(&stack);
        let root = folder.path().join("repository");
        render(&acme, &stack, &root, &[]).assert_success();
        assert_valid(&lab, &root.join(format!("clusters/{environment}/root.yaml")));
        assert_valid(&lab, &root.join(format!("clusters/{environment}/apps")));
        assert_valid(&lab, &root.join(format!("platform/{environment}/policies")));
        let expanded = acme.run("show", &stack, &["--expanded"]).assert_success();
        let expanded: Value = serde_yaml::from_str(&expanded.stdout).expect("a definition");
        for project in ["platform", "services"] {
            let manifest = &expanded["resources"]["kubernetes_object"][format!("argo-cd-appproject-{project}")]["manifest"];
            let file = write_file(folder.path(), "project.json", &manifest.to_string());
            assert_valid(&lab, &file);
        }
    }
}

const ROOT: &str = "
  kubernetes_object:
    argocd: { cluster: main, manifest: { apiVersion: v1, kind: Namespace, metadata: { name: argocd } } }
    root:
      cluster: main
      manifest:
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: { name: root, namespace: argocd }
        spec:
          project: platform
          source: { repoURL: https://git.example.com/platform.git, targetRevision: main, path: clusters/main/apps }
          destination: { name: in-cluster, namespace: argocd }
          syncPolicy: { automated: { prune: true, selfHeal: true } }
    repository:
      cluster: main
      manifest:
        apiVersion: v1
        kind: Secret
        metadata: { name: repository, namespace: argocd, labels: { argocd.argoproj.io/secret-type: repository } }
        stringData: { type: git, url: https://git.example.com/platform.git }
";

/// Argo CD, as far as acme sees it.
struct StubArgoCd<'a>(&'a Lab);

impl StubArgoCd<'_> {
    fn set_status(&self, application: &str, status: &Value) {
        let patch = json!({ "status": status }).to_string();
        self.0.server.kubectl(&["patch", "application", application, "-n", "argocd", "--type=merge", "-p", &patch]);
    }
    fn wait_for_root(&self) {
        while self.0.server.kubectl(&["get", "applications", "-n", "argocd", "-o", "name", "--ignore-not-found"]).is_empty() {
            thread::sleep(Duration::from_millis(100));
        }
    }
    fn sync_root(&self) {
        let child = json!({ "group": "argoproj.io", "version": "v1alpha1", "kind": "Application", "namespace": "argocd", "name": "istiod", "status": "Synced" });
        let mut status = status("Synced", "Healthy", "Succeeded");
        status["resources"] = json!([child]);
        self.set_status("root", &status);
    }
    /// Waits until acme has read the Applications that the root installs.
    fn wait_until_acme_looks(&self) {
        let path = "GET /apis/argoproj.io/v1alpha1/namespaces/argocd/applications";
        self.0.gateway.take_calls();
        let mut seen = 0;
        while seen < 2 {
            seen += self.0.gateway.take_calls().iter().filter(|(call, _)| call.as_str() == path).map(|(_, times)| times).sum::<usize>();
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn status(sync: &str, health: &str, operation: &str) -> Value {
    json!({ "sync": { "status": sync }, "health": { "status": health }, "operationState": { "phase": operation, "message": "syncing istiod" } })
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn the_root_application_is_ready_when_all_others_are() {
    let lab = Lab::start();
    install_kinds(&lab);
    lab.apply(&lab.stack(""));
    let stack = lab.stack(ROOT);
    let argo_cd = StubArgoCd(&lab);
    thread::scope(|scope| {
        let applied = scope.spawn(|| lab.run("apply", &stack, &["--yes"]));
        argo_cd.wait_for_root();
        let spec = json!({ "project": "platform", "destination": { "name": "in-cluster" }, "source": { "repoURL": "https://git.example.com/platform.git", "path": "platform/main/istiod" }, "syncPolicy": { "automated": {} } });
        let child = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": "istiod", "namespace": "argocd" }, "spec": spec });
        let file = write_file(lab.folder.path(), "child.json", &child.to_string());
        lab.server.kubectl(&["create", "-f", file.to_str().expect("a path")]);
        argo_cd.set_status("istiod", &status("OutOfSync", "Healthy", "Running"));
        argo_cd.sync_root();
        // Argo CD calls the root ready, but not the other one.
        argo_cd.wait_until_acme_looks();
        assert!(!applied.is_finished(), "acme waits for the Applications of the root");
        argo_cd.set_status("istiod", &status("Synced", "Healthy", "Succeeded"));
        let done = applied.join().expect("no panic").assert_success();
        assert!(done.combined_output().contains("root"), "{}", done.combined_output());
    });
    lab.assert_no_changes(&stack);
    let url = lab.server.kubectl(&["get", "secret", "repository", "-n", "argocd", "-o", "jsonpath={.data.type}"]);
    assert_eq!(url, "Z2l0");

    // Before the files are pushed, a plan says what to do.
    let error = json!([{ "type": "ComparisonError", "message": "clusters/main/apps: app path does not exist" }]);
    argo_cd.set_status("root", &json!({ "conditions": error }));
    let planned = lab.run("plan", &stack, &[]).assert_success();
    assert!(planned.stdout.contains("commit the files of `acme render`"), "{}", planned.stdout);
    argo_cd.set_status("root", &json!({ "conditions": [] }));
    lab.assert_no_changes(&stack);
}
