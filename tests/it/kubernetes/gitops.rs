//! Argo CD: rendered files against its definitions of kinds, and an Application whose status the test sets in place of Argo CD.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::Lab;
use crate::{
    acme::{Acme, CommandOutput, write_file},
    render::{render, stack_with_argo_cd},
    render_services::Shop,
    service_rollback::{IDENTITY, git},
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

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn rendered_services_fit_the_kinds_of_argo_cd_and_give_the_objects_that_helm_gives() {
    let lab = Lab::start();
    install_kinds(&lab);
    lab.server.kubectl(&["create", "namespace", "argocd"]);
    let shop = Shop::applied();
    shop.rendered();
    let root = shop.root();
    for environment in ["staging", "production"] {
        assert_valid(&lab, &root.join(format!("clusters/{environment}/apps")));
        for service in ["web", "orders", "proxy"] {
            let values = ["base", "overlays"].map(|part| root.join(format!("services/{service}/{part}/{environment}/values.yaml")));
            let chart = |chart: &Path| super::services::objects(service, chart, &values);
            let rendered = chart(&root.join(format!("platform/{environment}/charts/service")));
            assert_eq!(rendered, chart(super::services::CHART.as_ref()), "the header of a file changes nothing");
            // A service without an image is all but what runs.
            let has = |kind: &str| rendered.iter().any(|object| object["kind"] == kind);
            assert!(has("ServiceAccount") && has("NetworkPolicy"), "{service}: {rendered:#?}");
            assert_eq!((has("Deployment"), has("PodDisruptionBudget")), (service != "orders", service != "orders"), "{service}");
        }
    }
}

/// The same stack as that of the laboratory, as a definition with services.
const WITH_SERVICES: &str = "stack: shop
region: us-east-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', auto_mode: {} }
platform:
  deliver: argocd
  argocd: { repository: 'https://git.example.com/platform.git' }
  argo-cd: { host: argocd.example.com }
services: { web: { port: 8080 } }
";

const OVERLAY: &str = "services/web/overlays/default/values.yaml";

/// A repository with two releases of a service.
fn released(folder: &Path) -> (PathBuf, PathBuf) {
    let (clone, remote) = (folder.join("clone"), folder.join("remote.git"));
    fs::create_dir_all(clone.join(OVERLAY).parent().expect("a folder")).expect("created");
    git(&clone, &["init", "--quiet", "--initial-branch=main"]);
    git(&clone, &["init", "--quiet", "--bare", "--initial-branch=main", remote.to_str().expect("a path")]);
    git(&clone, &["remote", "add", "origin", remote.to_str().expect("a path")]);
    for image in ["a:1", "a:2"] {
        fs::write(clone.join(OVERLAY), format!("image: {image}\n")).expect("written");
        git(&clone, &["add", "."]);
        git(&clone, &["commit", "--quiet", "--message", &format!("Release {image}")]);
    }
    git(&clone, &["push", "--quiet", "origin", "main"]);
    (clone, remote)
}

impl StubArgoCd<'_> {
    /// Installs the last commit of a repository: compares, when acme asks for it, then syncs, and is healthy once acme has seen that.
    fn install(&self, application: &str, remote: &Path) {
        let annotation = "jsonpath={.metadata.annotations.argocd\\.argoproj\\.io/refresh}";
        while self.0.server.kubectl(&["get", "application", application, "-n", "argocd", "-o", annotation]).is_empty() {
            thread::sleep(Duration::from_millis(100));
        }
        let revision = git(remote, &["rev-parse", "main"]);
        let image = git(remote, &["show", &format!("main:{OVERLAY}")]).trim().trim_start_matches("image: ").to_owned();
        let of_revision = |mut status: Value| {
            status["sync"]["revision"] = revision.trim().into();
            status["summary"] = json!({ "images": [image] });
            status
        };
        self.set_status(application, &of_revision(status("OutOfSync", "Healthy", "Running")));
        self.0.gateway.take_calls();
        let path = format!("GET /apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{application}");
        let mut seen = 0;
        while seen < 2 {
            seen += self.0.gateway.take_calls().iter().filter(|(call, _)| **call == path).map(|(_, times)| times).sum::<usize>();
            thread::sleep(Duration::from_millis(50));
        }
        self.set_status(application, &of_revision(status("Synced", "Healthy", "Succeeded")));
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_rollback_waits_until_argo_cd_has_installed_the_revert() {
    let lab = Lab::start();
    install_kinds(&lab);
    lab.server.kubectl(&["create", "namespace", "argocd"]);
    lab.apply(&lab.stack(""));
    let (clone, remote) = released(lab.folder.path());
    let stack = write_file(lab.folder.path(), "services.yaml", WITH_SERVICES);
    let roll_back = || -> CommandOutput {
        lab.acme.run_with_env(&IDENTITY, "rollback", &stack, &["--service", "web", "--repo", clone.to_str().expect("a path"), "--yes"])
    };
    let image = || git(&remote, &["show", &format!("main:{OVERLAY}")]);
    // Nothing would install the revert.
    let refused = roll_back();
    assert!(refused.code == 1 && refused.stderr.contains("error[not-applied]"), "{}", refused.combined_output());
    assert_eq!(image(), "image: a:2\n");

    let source = json!({ "repoURL": "https://git.example.com/platform.git", "path": "platform/default/charts/service" });
    let spec =
        json!({ "project": "services", "destination": { "name": "in-cluster" }, "source": source, "syncPolicy": { "automated": {} } });
    let application = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": "service-web", "namespace": "argocd" }, "spec": spec });
    let file = write_file(lab.folder.path(), "application.json", &application.to_string());
    lab.server.kubectl(&["create", "-f", file.to_str().expect("a path")]);
    let argo_cd = StubArgoCd(&lab);
    // The refused release is in sync and healthy.
    let mut before = status("Synced", "Healthy", "Succeeded");
    before["sync"]["revision"] = git(&remote, &["rev-parse", "main"]).trim().into();
    argo_cd.set_status("service-web", &before);
    thread::scope(|scope| {
        let done = scope.spawn(roll_back);
        argo_cd.install("service-web", &remote);
        let done = done.join().expect("no panic").assert_success();
        assert!(done.stderr.contains("Argo CD has not seen the commit") && done.stderr.contains("syncing"), "{}", done.stderr);
        assert!(done.stderr.contains("Done: web runs a:1."), "{}", done.stderr);
        eprintln!("{}", done.stderr);
    });
    assert_eq!(image(), "image: a:1\n");
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
    let shown = lab.run("show", &stack, &["--live"]).assert_success();
    assert!(shown.stdout.contains("Applications of Argo CD:\n  istiod  ready\n  root    ready\n"), "{}", shown.stdout);
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
