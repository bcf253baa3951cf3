//! Clusters: `kubernetes_object` and `helm_release` against a real Kubernetes API and real Helm. EKS is moto, whose clusters have the endpoint of
//! the tests' own gateway.

mod calls;
mod destroy;
mod gateway;
mod gitops;
mod health;
mod policies;
mod secret_data;
mod server;
mod services;
mod stacks;
mod versions;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use crate::{
    acme::{Acme, CommandOutput, Plan, write_file},
    proxy::{ClusterEndpoint, Kill, Proxy, WriteFault},
    standin::{Standin, StandinKind},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use gateway::Gateway;
use server::{ApiServer, programs};

/// A cluster in a network of its own.
const CLUSTER: &str = "
stack: shop
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] }, policies: [AmazonEKSClusterPolicy] } }
  eks_cluster: { main: { role: cluster, subnets: [a, b], deletion_protection: false } }
";

/// Objects of several kinds, which depend on each other: a namespace, a kind of objects, and an object of that kind.
const OBJECTS: &str = "
  kubernetes_object:
    config:
      cluster: main
      manifest:
        apiVersion: v1
        kind: ConfigMap
        metadata: { name: config, namespace: web }
        data: { color: blue, size: large }
    web:
      cluster: main
      manifest: { apiVersion: v1, kind: Namespace, metadata: { name: web, labels: { team: web } } }
    quota:
      cluster: main
      manifest:
        apiVersion: v1
        kind: ResourceQuota
        metadata: { name: quota, namespace: web }
        spec: { hard: { limits.cpu: 1000m, pods: '10' } }
    color:
      cluster: main
      manifest:
        apiVersion: example.com/v1
        kind: Color
        metadata: { name: blue, namespace: web }
        spec: { rgb: 0000ff }
    colors:
      cluster: main
      manifest:
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: { name: colors.example.com }
        spec:
          group: example.com
          scope: Namespaced
          names: { kind: Color, plural: colors }
          versions:
            - name: v1
              served: true
              storage: true
              schema:
                openAPIV3Schema:
                  type: object
                  properties: { spec: { type: object, properties: { rgb: { type: string } } } }
";

/// Kinds that the tests' objects have.
const KINDS: &str = "configmaps,customresourcedefinitions,namespaces,resourcequotas";

/// A stack with a cluster on moto and a real Kubernetes API.
struct Lab {
    server: ApiServer,
    gateway: Gateway,
    // Dropped before the stand-in, with which it compares requests.
    proxy: Proxy,
    _standin: Standin,
    folder: tempfile::TempDir,
    acme: Acme,
    /// Variables of acme's environment.
    environment: Vec<(&'static str, String)>,
}

impl Lab {
    fn start() -> Lab {
        let server = ApiServer::start();
        let gateway = Gateway::start(&server);
        let standin = Standin::start(StandinKind::Moto);
        let certificate_authority = BASE64_STANDARD.encode(server.certificates());
        let endpoint = ClusterEndpoint { url: gateway.url.clone(), certificate_authority };
        let proxy = Proxy::with_cluster_endpoint(&standin.url, endpoint);
        let acme = Acme::at_endpoint(&proxy.url);
        let folder = tempfile::tempdir().expect("a folder");
        let environment = vec![("ACME_HELM", programs().join("helm/helm").display().to_string())];
        Lab { server, gateway, proxy, _standin: standin, folder, acme, environment }
    }
    fn stack(&self, resources: &str) -> PathBuf {
        write_file(self.folder.path(), "shop.yaml", &format!("{CLUSTER}{resources}"))
    }
    fn run(&self, command: &str, stack: &Path, more: &[&str]) -> CommandOutput {
        let log = self.acme.state_dir().join("acme.log").display().to_string();
        let environment = self.environment.iter().map(|(name, value)| (*name, value.as_str())).chain([("ACME_LOG_PATH", log.as_str())]);
        self.acme.run_with_env(&environment.collect::<Vec<_>>(), command, stack, more)
    }
    fn apply(&self, stack: &Path) -> CommandOutput {
        self.run("apply", stack, &["--yes"]).assert_success()
    }
    fn plan(&self, stack: &Path) -> Plan {
        let done = self.run("plan", stack, &["-o", "json"]).assert_success();
        Plan(serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("the plan is no JSON ({error}):\n{}", done.stdout)))
    }
    fn changes(&self, stack: &Path) -> Vec<String> {
        self.plan(stack).changes()
    }
    fn assert_no_changes(&self, stack: &Path) {
        let done = self.run("plan", stack, &["--detailed-exitcode"]);
        assert_eq!(done.code, 0, "the second plan is not empty:\n{}", done.combined_output());
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn objects_pass_their_life_in_a_real_cluster() {
    let lab = Lab::start();
    let stack = lab.stack(OBJECTS);
    // Before the cluster exists, everything in it is planned.
    let planned = lab.changes(&stack);
    assert_eq!(planned.iter().filter(|change| change.starts_with("create kubernetes_object.")).count(), 5, "{planned:#?}");
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
    assert_eq!(lab.server.objects_of_acme(KINDS).len(), 4, "the object of the kind that they define is not listed");

    // A plan without changes lists each kind once.
    lab.gateway.take_calls();
    lab.assert_no_changes(&stack);
    let calls = lab.gateway.take_calls();
    assert_eq!(calls.values().sum::<usize>(), 6, "one for the inventory, and one for each of 5 kinds: {calls:#?}");

    // One value changes one field of one object.
    let edited = lab.stack(&OBJECTS.replace("color: blue,", "color: green,"));
    let plan = lab.plan(&edited);
    assert_eq!(plan.changes(), ["update kubernetes_object.config"]);
    assert_eq!(plan.changed_fields("kubernetes_object.config").into_iter().collect::<Vec<_>>(), ["/manifest/data/color"]);
    lab.apply(&edited);
    lab.assert_no_changes(&edited);
    // A field that the manifest no longer has is removed.
    let shorter = lab.stack(&OBJECTS.replace(", size: large", ""));
    lab.apply(&shorter);
    lab.assert_no_changes(&shorter);
    assert_eq!(lab.server.kubectl(&["get", "configmap", "config", "-n", "web", "-o", "jsonpath={.data}"]), r#"{"color":"blue"}"#);

    // Others change one field and add another: only the first one differs.
    lab.server.kubectl(&["patch", "configmap", "config", "-n", "web", "--type=merge", "-p", r#"{"data":{"color":"red","theirs":"1"}}"#]);
    assert_eq!(lab.plan(&shorter).changed_fields("kubernetes_object.config").into_iter().collect::<Vec<_>>(), ["/manifest/data/color"]);
    lab.apply(&shorter);
    lab.assert_no_changes(&shorter);
    assert_eq!(
        lab.server.kubectl(&["get", "configmap", "config", "-n", "web", "-o", "jsonpath={.data}"]),
        r#"{"color":"blue","theirs":"1"}"#
    );

    // What the definition no longer has is deleted, also the last object of its kind.
    let shorter = OBJECTS.replace(", size: large", "");
    let (objects, _) = shorter.split_once("    color:").expect("the object of the kind");
    let fewer = lab.stack(objects);
    assert_eq!(lab.changes(&fewer), ["delete kubernetes_object.color", "delete kubernetes_object.colors"]);
    lab.apply(&fewer);
    assert_eq!(lab.server.objects_of_acme(KINDS).len(), 3);

    lab.acme.destroy(&fewer);
    assert_eq!(lab.server.objects_of_acme(KINDS), [""; 0]);
    let inventories = lab.server.kubectl(&["get", "configmap", "-n", "kube-system", "-o", "name"]);
    assert!(!inventories.contains("acme-shop"), "{inventories}");
    lab.proxy.take_calls();
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn mistakes_in_objects_are_told_before_the_first_change() {
    let lab = Lab::start();
    let stack = lab.stack(OBJECTS);
    lab.apply(&stack);
    // The cluster itself checks a manifest.
    let wrong = lab.stack(&OBJECTS.replace("size: large", "size: 5"));
    let refused = lab.run("apply", &wrong, &["--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    let told = refused.combined_output();
    assert!(told.contains("the cluster does not accept it") && told.contains("shop.yaml:"), "{told}");
    // A field of another manager is not overwritten, unless the definition says so.
    lab.server.kubectl(&["label", "namespace", "web", "owner=others"]);
    let taking = lab.stack(&OBJECTS.replace("labels: { team: web }", "labels: { team: web, owner: acme }"));
    let refused = lab.run("apply", &taking, &["--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(refused.combined_output().contains("take_over_fields"), "{}", refused.combined_output());
    let forced = taking.clone();
    let text = std::fs::read_to_string(&taking).expect("the definition");
    std::fs::write(
        &forced,
        text.replace("    web:\n      cluster: main\n", "    web:\n      cluster: main\n      take_over_fields: true\n"),
    )
    .expect("written");
    lab.apply(&forced);
    lab.assert_no_changes(&forced);
    // An object of others is not taken over.
    lab.server.kubectl(&["create", "configmap", "theirs", "-n", "web"]);
    let more = "    theirs:\n      cluster: main\n      manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: theirs, namespace: web } }\n";
    let stack = lab.stack(&format!("{OBJECTS}{more}"));
    let refused = lab.run("apply", &stack, &["--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(refused.combined_output().contains("exists already"), "{}", refused.combined_output());
    let id = "shop-main/v1/ConfigMap/web/theirs";
    lab.run("import", &stack, &["kubernetes_object.theirs", id, "--yes"]).assert_success();
    // Nothing differs but the label from before.
    assert_eq!(lab.changes(&stack), ["update kubernetes_object.web"]);
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_stack_whose_cluster_does_not_answer_can_be_destroyed() {
    let mut lab = Lab::start();
    let stack = lab.stack(OBJECTS);
    lab.apply(&stack);
    lab.server.stop();
    let refused = lab.run("plan", &stack, &[]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(refused.stderr.contains("ClusterUnreachable") && refused.stderr.contains("--kube-proxy-url"), "{}", refused.stderr);
    let destroyed = lab.run("destroy", &stack, &["--yes"]).assert_success();
    assert!(destroyed.combined_output().contains("which is deleted with its `eks_cluster`"), "{}", destroyed.combined_output());
}

/// kubectl reaches the cluster through the kubeconfig of acme, whose token is from acme.
#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn kubectl_signs_in_with_the_kubeconfig_of_acme() {
    let mut lab = Lab::start();
    let stack = lab.stack("");
    lab.apply(&stack);
    let file = lab.folder.path().join("home").join("config");
    let merge = format!("--merge={}", file.display());
    lab.run("kubeconfig", &stack, &[&merge]).assert_success();
    let text = std::fs::read_to_string(&file).expect("a kubeconfig");
    assert!(!text.contains("k8s-aws-v1"), "a kubeconfig contains no token:\n{text}");
    let mut kubectl = crate::standin::with_test_credentials(std::process::Command::new(programs().join("kubectl/kubectl")));
    let done = kubectl.args(["get", "namespaces", "-o", "name"]).env("KUBECONFIG", &file).env("HOME", lab.folder.path()).output();
    let done = CommandOutput::from_output(done.expect("kubectl runs")).assert_success();
    assert!(done.stdout.contains("namespace/kube-system"), "{}", done.stdout);
    // A second time, the file is the same; without a name, it is the one of kubectl.
    lab.run("kubeconfig", &stack, &[&merge]).assert_success();
    lab.environment.push(("KUBECONFIG", file.display().to_string()));
    lab.run("kubeconfig", &stack, &["--merge"]).assert_success();
    assert_eq!(std::fs::read_to_string(&file).expect("a kubeconfig"), text);
}

/// A release of the tests' own chart.
fn release(values: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts/web");
    format!(
        "
  helm_release:
    web: {{ cluster: main, namespace: kube-public, release: web, chart: {}, version: 1.0.0, timeout_seconds: 60, values: {values} }}
",
        chart.display()
    )
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn releases_pass_their_life_in_a_real_cluster() {
    let lab = Lab::start();
    let color = || lab.server.kubectl(&["get", "configmap", "web", "-n", "kube-public", "-o", "jsonpath={.data.color}"]);
    let stack = lab.stack(&release("{ color: green }"));
    lab.apply(&stack);
    assert_eq!(color(), "green");
    lab.assert_no_changes(&stack);
    lab.gateway.take_calls();
    lab.assert_no_changes(&stack);
    let calls = lab.gateway.take_calls();
    assert_eq!(calls.values().sum::<usize>(), 1, "one for all releases: {calls:#?}");

    let edited = lab.stack(&release("{ color: red }"));
    let plan = lab.plan(&edited);
    assert_eq!(plan.changed_fields("helm_release.web").into_iter().collect::<Vec<_>>(), ["/values/color"]);
    // What Helm would change in the cluster is part of the plan.
    let shown = lab.run("plan", &edited, &[]).assert_success();
    assert!(shown.stdout.contains("~ ConfigMap web: data.color"), "{}", shown.stdout);
    lab.apply(&edited);
    assert_eq!(color(), "red");
    lab.assert_no_changes(&edited);

    // A failed upgrade leaves the release as it was.
    let broken = lab.stack(&release("{ color: blue, broken: true }"));
    let failed = lab.run("apply", &broken, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.combined_output());
    assert_eq!(color(), "red");
    lab.assert_no_changes(&lab.stack(&release("{ color: red }")));

    // A rollback of the run returns to the revision before.
    let again = lab.stack(&release("{ color: yellow }"));
    lab.apply(&again);
    lab.run("rollback", &again, &["--yes"]).assert_success();
    assert_eq!(color(), "red");

    // Without `wait`, pods that never become ready don't fail it. What the API refuses does, and leaves the release as it was.
    let unawaited = |values: &str| lab.stack(&release(values).replace("timeout_seconds: 60", "timeout_seconds: 60, wait: false"));
    lab.apply(&unawaited("{ color: red, pods: true }"));
    lab.assert_no_changes(&unawaited("{ color: red, pods: true }"));
    let failed = lab.run("apply", &unawaited("{ color: blue, pods: true, broken: true }"), &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.combined_output());
    assert_eq!(color(), "red");
    lab.assert_no_changes(&unawaited("{ color: red, pods: true }"));

    let edited = lab.stack(&release("{ color: red }"));
    lab.run("destroy", &edited, &["--yes"]).assert_success();
    let secrets = lab.server.kubectl(&["get", "secrets,configmaps", "-n", "kube-public", "-o", "name"]);
    assert!(!secrets.contains("web"), "{secrets}");
}

/// Applies a stack, and kills acme around the n-th write to the cluster; `None` if there was no such write.
fn apply_and_kill(lab: &Lab, stack: &Path, number: usize, before: bool) -> Option<String> {
    let process = Arc::new(Mutex::new(None::<u32>));
    let victim = process.clone();
    let kill = Kill(Arc::new(move || {
        if let Some(process) = *victim.lock().expect("no panic") {
            let _ = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
        }
    }));
    let fault = if before { WriteFault::KillBefore(kill) } else { WriteFault::KillAfter(kill) };
    lab.gateway.set_fault(Some((number, fault)));
    let mut command = lab.acme.command("apply", stack, &["--yes"]);
    command.env("ACME_HELM", programs().join("helm/helm")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("acme starts");
    *process.lock().expect("no panic") = Some(child.id());
    child.wait().expect("acme ends");
    let faulted = lab.gateway.faulted_write();
    lab.gateway.set_fault(None);
    faulted
}

const COMMANDS: [(bool, &str); 4] = [(true, "apply"), (false, "apply"), (true, "rollback"), (false, "rollback")];

/// Kills a run before or after a write to the cluster, and continues it or rolls it back. Returns whether there was such a write.
fn check_kill(lab: &Lab, number: usize, before: bool, command: &str) -> bool {
    let stack = lab.stack(OBJECTS);
    let was_killed = apply_and_kill(lab, &stack, number, before).is_some();
    if was_killed {
        let ended = lab.run(command, &stack, &["--yes"]);
        assert_eq!(ended.code, 0, "{command} after a kill at write {number}: {}", ended.combined_output());
        let expected = if command == "apply" { 4 } else { 0 };
        assert_eq!(lab.server.objects_of_acme(KINDS).len(), expected, "{command} after a kill at write {number}");
        if command == "apply" {
            lab.assert_no_changes(&stack);
        }
    }
    let emptied = lab.apply(&lab.stack(""));
    let left = lab.server.objects_of_acme(KINDS);
    assert_eq!(left, [""; 0], "before {before}, {command} after a kill at write {number}: {}", emptied.combined_output());
    was_killed
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_run_that_is_killed_at_a_write_to_the_cluster_is_continued_or_undone() {
    let lab = Lab::start();
    lab.apply(&lab.stack(""));
    for (number, before, command) in [(3, true, "apply"), (4, false, "rollback")] {
        assert!(check_kill(&lab, number, before, command), "there is no write {number}");
    }
}

/// Takes ten minutes.
#[test]
#[ignore = "exhaustive"]
fn exhaustive_kills_at_every_write_to_the_cluster() {
    let lab = Lab::start();
    lab.apply(&lab.stack(""));
    let (mut number, mut kills) = (1, 0);
    loop {
        // A kind that a killed run added to the inventory saves a write of the next run.
        let killed = COMMANDS.iter().filter(|(before, command)| check_kill(&lab, number, *before, command)).count();
        if killed == 0 {
            break;
        }
        number += 1;
        kills += killed;
    }
    eprintln!("{} writes, {kills} kills", number - 1);
    assert!(number > 10, "only {number} writes");
}
