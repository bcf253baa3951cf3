//! Stub controllers in a cluster: a small loop that reads and writes its objects, and AWS, as the real ones do.

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::super::{Lab, server::programs};
use crate::standin::run_boto3;

/// Kinds of Argo CD, Flux, Karpenter, Global Accelerator and the Gateway API, with any fields.
const KINDS: &[(&str, &str, &str, &str, &str)] = &[
    ("aga.k8s.aws", "v1beta1", "GlobalAccelerator", "globalaccelerators", "Namespaced"),
    ("argoproj.io", "v1alpha1", "Application", "applications", "Namespaced"),
    ("argoproj.io", "v1alpha1", "ApplicationSet", "applicationsets", "Namespaced"),
    ("gateway.networking.k8s.io", "v1", "Gateway", "gateways", "Namespaced"),
    ("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", "Namespaced"),
    ("karpenter.sh", "v1", "NodePool", "nodepools", "Cluster"),
    ("karpenter.sh", "v1", "NodeClaim", "nodeclaims", "Cluster"),
    ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", "Namespaced"),
];

/// All that the loop looks at.
const WATCHED: &str = "services,gateways.gateway.networking.k8s.io,applications.argoproj.io,applicationsets.argoproj.io,\
                       kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io,globalaccelerators.aga.k8s.aws,\
                       nodeclaims.karpenter.sh,persistentvolumes";

/// Objects of live controllers, and an Ingress whose controller is dead. `VOLUME` stands for the id of the volume.
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
kind: Namespace
metadata: { name: flux-system }
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
apiVersion: aga.k8s.aws/v1beta1
kind: GlobalAccelerator
metadata: { name: web, namespace: web, finalizers: [aga.k8s.aws/resources] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gateway, namespace: web, finalizers: [gateway.k8s.aws/alb] }
spec: { gatewayClassName: alb }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: mesh, namespace: web }
spec: { gatewayClassName: istio }
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
kind: ApplicationSet
metadata: { name: sets, namespace: argocd }
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
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: flux-system, namespace: flux-system, finalizers: [finalizers.fluxcd.io] }
spec: { prune: true }
status: { inventory: { entries: [{ id: flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization, v: v1 }] } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system, finalizers: [finalizers.fluxcd.io] }
spec: { prune: true }
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: web, namespace: flux-system, finalizers: [finalizers.fluxcd.io] }
spec: {}
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: database, annotations: { pv.kubernetes.io/provisioned-by: ebs.csi.aws.com } }
spec:
  accessModes: [ReadWriteOnce]
  capacity: { storage: 20Gi }
  csi: { driver: ebs.csi.aws.com, volumeHandle: VOLUME }
  persistentVolumeReclaimPolicy: Delete
  storageClassName: gp3
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data-db-0, namespace: web, labels: { app: db } }
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 20Gi } }
  storageClassName: gp3
  volumeName: database
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: web }
spec:
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      containers: [{ name: db, image: db, volumeMounts: [{ name: data, mountPath: /data }] }]
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 20Gi } }, storageClassName: gp3 }
"#;

/// Makes load balancers as the AWS Load Balancer Controller does.
const BALANCERS: &str = r#"
elb, ec2 = client('elbv2'), client('ec2')
tags = [{'Key': 'elbv2.k8s.aws/cluster', 'Value': 'shop-main'}]
subnets = [s['SubnetId'] for s in ec2.describe_subnets()['Subnets'] if not s['DefaultForAz']]
def arn(name):
    return [one['LoadBalancerArn'] for one in elb.describe_load_balancers()['LoadBalancers'] if one['LoadBalancerName'] == name]
def create(name):
    if not arn(name):
        elb.create_load_balancer(Name=name, Subnets=subnets, Tags=tags)
def delete(name):
    for one in arn(name):
        elb.delete_load_balancer(LoadBalancerArn=one)
"#;

/// Actions of the controllers, such as `deleted k8s-live`, and their numbers.
type Actions = BTreeMap<String, usize>;

/// Running controllers.
pub struct Controllers {
    stop: Arc<AtomicBool>,
    actions: Arc<Mutex<Actions>>,
    main_loop: Option<JoinHandle<()>>,
}

impl Controllers {
    /// Creates the objects, and starts the controllers: those of what [`super::planted`] has made.
    pub fn start(lab: &Lab, planted: &Value) -> Controllers {
        let folder = lab.folder.path();
        let id = |key: &str| planted[key].as_str().expect("an id").to_owned();
        let (kinds_file, objects_file) = (folder.join("kinds.yaml"), folder.join("objects.yaml"));
        std::fs::write(&kinds_file, KINDS.iter().map(definition).collect::<Vec<_>>().join("---\n")).expect("written");
        std::fs::write(&objects_file, OBJECTS.replace("VOLUME", &id("volume"))).expect("written");
        lab.server.kubectl(&["apply", "-f", kinds_file.to_str().expect("a path")]);
        lab.server.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        lab.server.kubectl(&["apply", "--validate=false", "-f", objects_file.to_str().expect("a path")]);
        let bound = ["wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data-db-0", "-n", "web", "--timeout=60s"];
        lab.server.kubectl(&bound);
        let (stop, actions): (Arc<AtomicBool>, Arc<Mutex<Actions>>) = Default::default();
        let cluster = StubCluster {
            kubeconfig: lab.server.kubeconfig(),
            url: lab._standin.url.clone(),
            node: id("node"),
            volume: id("volume"),
            actions: actions.clone(),
        };
        let ended = stop.clone();
        let main_loop = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                cluster.reconcile();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Controllers { stop, actions, main_loop: Some(main_loop) }
    }

    /// Number of times that the controllers have done this.
    pub fn count(&self, action: &str) -> usize {
        self.actions.lock().expect("no panic").get(action).copied().unwrap_or_default()
    }

    /// Waits until the controllers have done this so many times.
    pub fn wait_for(&self, action: &str, count: usize) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.count(action) < count {
            assert!(Instant::now() < until, "`{action}` did not happen: {:?}", self.actions.lock().expect("no panic"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(main_loop) = self.main_loop.take() {
            let _ = main_loop.join();
        }
    }
}

/// Objects at one moment.
struct Objects(Vec<Value>);

impl Objects {
    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }
    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }
    /// Whether an object exists and has a field.
    fn has(&self, kind: &str, name: &str, pointer: &str) -> bool {
        self.find(kind, name).and_then(|object| object.pointer(pointer)).is_some_and(|value| !value.is_null())
    }
}

struct StubCluster {
    kubeconfig: PathBuf,
    url: String,
    node: String,
    volume: String,
    actions: Arc<Mutex<Actions>>,
}

impl StubCluster {
    fn reconcile(&self) {
        let listed = self.kubectl(&["get", WATCHED, "--all-namespaces", "-o", "json"]).output();
        let Some(list) = listed.ok().and_then(|done| serde_json::from_slice::<Value>(&done.stdout).ok()) else { return };
        let objects = Objects(list["items"].as_array().cloned().unwrap_or_default());
        self.argocd(&objects);
        self.flux(&objects);
        if objects.find("Gateway", "mesh").is_some_and(|mesh| !is_deleting(mesh)) {
            self.create_service(&objects, "mesh");
        }
        self.providers(&objects);
    }

    /// The ApplicationSet creates its Application again. The root makes its Application automated again, and that creates its Service again.
    fn argocd(&self, objects: &Objects) {
        let is_automated = |name: &str| objects.has("Application", name, "/spec/syncPolicy/automated");
        let has_set = objects.find("ApplicationSet", "sets").is_some_and(|set| !is_deleting(set));
        if has_set && objects.find("Application", "generated").is_none() {
            let application = json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": "generated", "namespace": "argocd" },
                "spec": {},
            });
            self.create(&application);
        }
        if is_automated("root") {
            let automated = json!({ "spec": { "syncPolicy": { "automated": { "selfHeal": true } } } });
            self.patch("applications.argoproj.io/web", "argocd", &automated);
        }
        if is_automated("web") {
            self.create_service(objects, "again");
        }
    }

    /// A Kustomization resumes what it has applied, and creates its Service again. So does the release.
    fn flux(&self, objects: &Objects) {
        let resumed = json!({ "spec": { "suspend": null } });
        let is_suspended = |kind: &str, name: &str| objects.has(kind, name, "/spec/suspend");
        if !is_suspended("Kustomization", "flux-system") && is_suspended("Kustomization", "apps") {
            self.patch("kustomizations.kustomize.toolkit.fluxcd.io/apps", "flux-system", &resumed);
        }
        if !is_suspended("Kustomization", "apps") {
            if is_suspended("HelmRelease", "web") {
                self.patch("helmreleases.helm.toolkit.fluxcd.io/web", "flux-system", &resumed);
            }
            self.create_service(objects, "applied");
        }
        if !is_suspended("HelmRelease", "web") {
            self.create_service(objects, "released");
        }
    }

    /// Controllers that make resources in AWS. One process calls AWS for all of them.
    fn providers(&self, objects: &Objects) {
        let (mut calls, mut done, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for service in objects.of_kind("Service").filter(|service| service["spec"]["type"] == "LoadBalancer") {
            let name = service["metadata"]["name"].as_str().expect("a name");
            if is_deleting(service) {
                calls.push(format!("delete('k8s-{name}')"));
                done.push(format!("deleted k8s-{name}"));
                released.push((format!("service/{name}"), "web"));
                continue;
            }
            // A Service that was deleted meanwhile gets no finalizer, and so no load balancer.
            let finalizer = json!({ "metadata": { "finalizers": ["service.k8s.aws/resources"] } });
            if service["metadata"]["finalizers"].is_null() && self.patch(&format!("service/{name}"), "web", &finalizer) {
                calls.push(format!("create('k8s-{name}')"));
                done.push(format!("created k8s-{name}"));
            }
        }
        if objects.find("Gateway", "gateway").is_some_and(is_deleting) {
            calls.push("delete('k8s-gateway')".to_owned());
            done.push("deleted k8s-gateway".to_owned());
            released.push(("gateways.gateway.networking.k8s.io/gateway".to_owned(), "web"));
        }
        if objects.find("GlobalAccelerator", "web").is_some_and(is_deleting) {
            // The stand-in has no accelerators.
            calls.push("pass".to_owned());
            done.push("deleted the accelerator".to_owned());
            released.push(("globalaccelerators.aga.k8s.aws/web".to_owned(), "web"));
        }
        if objects.find("NodeClaim", "default-1").is_some_and(is_deleting) {
            calls.push(format!("ec2.terminate_instances(InstanceIds=['{}'])", self.node));
            done.push("terminated the node".to_owned());
            released.push(("nodeclaims.karpenter.sh/default-1".to_owned(), "web"));
        }
        let volume = objects.find("PersistentVolume", "database");
        let is_released = |volume: &Value| {
            volume["status"]["phase"] == "Released" && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" && !is_deleting(volume)
        };
        if volume.is_some_and(is_released) {
            calls.push(format!("ec2.delete_volume(VolumeId='{}')", self.volume));
            done.push("deleted the volume".to_owned());
        }
        if calls.is_empty() {
            return;
        }
        run_boto3(&self.url, &format!("{BALANCERS}{}", calls.join("\n")));
        for (object, namespace) in &released {
            self.patch(object, namespace, &json!({ "metadata": { "finalizers": null } }));
        }
        if volume.is_some_and(is_released) {
            let _ = self.kubectl(&["delete", "persistentvolume/database", "--wait=false"]).stdout(Stdio::null()).status();
        }
        let mut actions = self.actions.lock().expect("no panic");
        done.into_iter().for_each(|action| *actions.entry(action).or_default() += 1);
    }

    fn create_service(&self, objects: &Objects, name: &str) {
        if objects.find("Service", name).is_none() {
            let _ = self.kubectl(&["create", "service", "loadbalancer", name, "--tcp=80", "-n", "web"]).stdout(Stdio::null()).status();
        }
    }

    fn create(&self, object: &Value) {
        let mut child = self
            .kubectl(&["create", "--validate=false", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl starts");
        let _ = child.stdin.take().expect("a pipe").write_all(object.to_string().as_bytes());
        let _ = child.wait();
    }

    /// Whether the object could be changed.
    fn patch(&self, object: &str, namespace: &str, patch: &Value) -> bool {
        let patch = patch.to_string();
        let mut command = self.kubectl(&["patch", object, "-n", namespace, "--type=merge", "-p", &patch]);
        command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("kubectl/kubectl"));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }
}

fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// A CustomResourceDefinition. Groups of Kubernetes need the annotation.
fn definition((group, version, kind, plural, scope): &(&str, &str, &str, &str, &str)) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{ name: {plural}.{group}, annotations: {{ api-approved.kubernetes.io: unapproved }} }}\n\
         spec:\n  group: {group}\n  scope: {scope}\n  names: {{ kind: {kind}, plural: {plural}, singular: {} }}\n  versions:\n  \
         - {{ name: {version}, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object, \
         x-kubernetes-preserve-unknown-fields: true }} }} }}\n",
        kind.to_lowercase()
    )
}
