//! Stub controllers in a cluster: small loops that read and write its objects as the real ones do.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;

use super::super::{Lab, server::programs};
use crate::standin::run_boto3;

/// Kinds of Argo CD and Karpenter, with any fields.
const KINDS: &[(&str, &str, &str, &str, &str)] = &[
    ("argoproj.io", "v1alpha1", "Application", "applications", "Namespaced"),
    ("karpenter.sh", "v1", "NodePool", "nodepools", "Cluster"),
    ("karpenter.sh", "v1", "NodeClaim", "nodeclaims", "Cluster"),
];

/// Objects: a Service with a live controller, an Ingress with a dead one, a node of Karpenter, and two Applications, one for the other.
const OBJECTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: web }
---
apiVersion: v1
kind: Namespace
metadata: { name: argocd }
---
apiVersion: v1
kind: Service
metadata: { name: live, namespace: web, finalizers: [service.k8s.aws/resources] }
spec: { type: LoadBalancer, ports: [{ port: 80, protocol: TCP }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: dead, namespace: web, finalizers: [ingress.k8s.aws/resources] }
spec: { defaultBackend: { service: { name: live, port: { number: 80 } } } }
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: { name: default-1, finalizers: [karpenter.sh/termination] }
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: root, namespace: argocd, finalizers: [resources-finalizer.argocd.argoproj.io] }
spec: { syncPolicy: { automated: { selfHeal: true } } }
status: { resources: [{ group: argoproj.io, kind: Application, name: web }] }
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: web, namespace: argocd, finalizers: [resources-finalizer.argocd.argoproj.io] }
spec: { syncPolicy: { automated: { selfHeal: true } } }
"#;

/// What the controllers did.
#[derive(Debug)]
pub struct Acted {
    pub deleted_balancer: bool,
    pub terminated_node: bool,
}

/// Running controllers.
pub struct Controllers {
    stop: Arc<AtomicBool>,
    deleted_balancer: Arc<AtomicBool>,
    terminated_node: Arc<AtomicBool>,
    loops: Option<JoinHandle<()>>,
}

struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("kubectl/kubectl"));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }
    /// An object; null if it does not exist.
    fn get(&self, object: &str, namespace: &str) -> Value {
        let read = self.command(&["get", object, "-n", namespace, "-o", "json", "--ignore-not-found"]).output();
        read.ok().and_then(|done| serde_json::from_slice(&done.stdout).ok()).unwrap_or_default()
    }
    fn run(&self, arguments: &[&str]) {
        let _ = self.command(arguments).stdout(Stdio::null()).status();
    }
    fn release(&self, object: &str, namespace: &str) {
        self.run(&["patch", object, "-n", namespace, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    }
}

impl Controllers {
    /// Creates the objects, and starts the controllers. `balancer` belongs to the Service, `node` to the NodeClaim.
    pub fn start(lab: &Lab, balancer: &str, node: &str) -> Controllers {
        let folder = lab.folder.path();
        let kinds: Vec<String> = KINDS.iter().map(definition).collect();
        let (kinds_file, objects_file) = (folder.join("kinds.yaml"), folder.join("objects.yaml"));
        std::fs::write(&kinds_file, kinds.join("---\n")).expect("written");
        std::fs::write(&objects_file, OBJECTS).expect("written");
        lab.server.kubectl(&["apply", "-f", kinds_file.to_str().expect("a path")]);
        lab.server.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        lab.server.kubectl(&["apply", "--validate=false", "-f", objects_file.to_str().expect("a path")]);

        let (stop, deleted, terminated): (Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let kubectl = Kubectl { kubeconfig: lab.server.kubeconfig() };
        let (url, balancer, node) = (lab._standin.url.clone(), balancer.to_owned(), node.to_owned());
        let (ended, deleted_balancer, terminated_node) = (stop.clone(), deleted.clone(), terminated.clone());
        let loops = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                argocd(&kubectl);
                if is_deleting(&kubectl.get("service/live", "web")) {
                    run_boto3(&url, &format!("client('elbv2').delete_load_balancer(LoadBalancerArn='{balancer}')"));
                    deleted_balancer.store(true, Ordering::Relaxed);
                    kubectl.release("service/live", "web");
                }
                if is_deleting(&kubectl.get("nodeclaims.karpenter.sh/default-1", "web")) {
                    run_boto3(&url, &format!("client('ec2').terminate_instances(InstanceIds=['{node}'])"));
                    terminated_node.store(true, Ordering::Relaxed);
                    kubectl.release("nodeclaims.karpenter.sh/default-1", "web");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Controllers { stop, deleted_balancer: deleted, terminated_node: terminated, loops: Some(loops) }
    }

    /// Ends the controllers.
    pub fn stop(mut self) -> Acted {
        self.end();
        Acted {
            deleted_balancer: self.deleted_balancer.load(Ordering::Relaxed),
            terminated_node: self.terminated_node.load(Ordering::Relaxed),
        }
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(loops) = self.loops.take() {
            let _ = loops.join();
        }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The root makes its Application automated again; that one creates its Service again.
fn argocd(kubectl: &Kubectl) {
    let is_automated = |application: &Value| application.pointer("/spec/syncPolicy/automated").is_some();
    if is_automated(&kubectl.get("applications.argoproj.io/root", "argocd")) {
        let patch = r#"{"spec":{"syncPolicy":{"automated":{"selfHeal":true}}}}"#;
        kubectl.run(&["patch", "applications.argoproj.io/web", "-n", "argocd", "--type=merge", "-p", patch]);
    }
    if is_automated(&kubectl.get("applications.argoproj.io/web", "argocd")) && kubectl.get("service/again", "web").is_null() {
        kubectl.run(&["create", "service", "loadbalancer", "again", "--tcp=80", "-n", "web"]);
    }
}

fn definition((group, version, kind, plural, scope): &(&str, &str, &str, &str, &str)) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: {plural}.{group} }}\n\
         spec:\n  group: {group}\n  scope: {scope}\n  names: {{ kind: {kind}, plural: {plural}, singular: {} }}\n  versions:\n  \
         - {{ name: {version}, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object, \
         x-kubernetes-preserve-unknown-fields: true }} }} }}\n",
        kind.to_lowercase()
    )
}
