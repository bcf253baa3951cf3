//! `services`: what runs in the cluster for the users of the stack: services, workers and jobs, each with its repository, its permissions in AWS
//! and a release of acme's own chart.

mod canary;
mod form;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub use self::form::Service;
use self::{
    form::{Canary, Percent},
    links::{Links, SecretFile, variable},
};
use super::{
    Expansion, add_depends_on,
    edge::{self, GATEWAYS, Route},
    platform, policies,
};
use crate::{
    definition::{gitops::GitService, parse_section, suggestion},
    kubernetes::SERVICE_CHART,
};

/// Folder of the files with secrets in containers.
const FILES_FOLDER: &str = "/var/run/secrets/services";
/// Start of the names of roles, associations and Secrets, so that they don't collide with those of other sections.
const PREFIX: &str = "service-";
/// Object by which External Secrets reaches Secrets Manager.
const SECRET_STORE: &str = "kubernetes_object.external-secrets-clustersecretstore-secrets-manager";

/// A service with its place in the definition.
struct Declared {
    name: String,
    pointer: String,
    namespace: String,
    /// Prefix of the names in its module.
    prefix: String,
    form: Service,
}

impl Declared {
    /// Name of a service as its module writes it.
    fn own_name<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let mut services = Vec::new();
    for entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let Some(form) = parse_section::<Service>(out.compiler, entry.fields.into(), &entry.pointer, &what) else { continue };
        let namespace = form.namespace.clone().unwrap_or_else(|| out.frame.stack.to_owned());
        let prefix = out.compiler.service_prefixes.get(&entry.name).cloned().unwrap_or_default();
        services.push(Declared { name: entry.name, pointer: entry.pointer, namespace, prefix, form });
    }
    if services.is_empty() {
        return;
    }
    if !has(out, "eks_cluster.main") {
        let message = "`services` needs a cluster, but the definition has no section `cluster`";
        return out.compiler.problem_at_key("services", at, message, "add a section `cluster:`");
    }
    for (index, service) in services.iter().enumerate() {
        check(out, service, &services);
        let taken: Vec<_> = services[..index].iter().map(|other| (other.name.as_str(), other.form.path.as_ref())).collect();
        for (field, message, help) in edge::check_service(out, &service.form, &taken) {
            out.compiler.problem("services", &format!("{}/{field}", service.pointer), message, help);
        }
    }
    policies::require_enforcement(out, at, at);
    add_namespaces(out, &services);
    let links: Vec<Links> = services.iter().map(|service| links::read(out, &service.form, &service.prefix, &service.pointer)).collect();
    let with_role = services.iter().zip(&links).any(|(_, links)| !statements(out, links).is_empty());
    if with_role {
        platform::require_identity_agent(out, at);
    }
    let routes = services.iter().filter_map(|service| route(out, service)).collect();
    if services.iter().any(|service| service.form.path.is_some()) {
        edge::add(out, routes);
    }
    for (service, links) in services.iter().zip(&links) {
        add(out, service, links, &services);
    }
    let managed: BTreeSet<&str> = links.iter().flat_map(|links| links.files.values()).map(|file| file.secret.as_str()).collect();
    platform::permit_external_secrets(out, "services", managed.into_iter().filter(|secret| secret.contains(".master_secret_arn}")));
}

/// The route to a service, if it has a path. The target group of a load balancer is there before the first image, so that procedures and alarms can
/// name it; a gateway sends requests to objects of the release, which Argo CD installs without an image, too.
fn route(out: &Expansion<'_, '_>, service: &Declared) -> Option<Route> {
    let Declared { name, pointer, namespace, form, .. } = service;
    if edge::is_gateway(out) && out.compiler.delivery.is_none() {
        form.version.as_ref().or(form.image.as_ref())?;
    }
    Some(Route {
        name: name.clone(),
        namespace: namespace.clone(),
        pointer: pointer.clone(),
        path: form.path.clone()?,
        port: form.port?,
        ready: form.ready.clone(),
        sign_in: edge::signs_in(out, form),
    })
}

/// Whether a section has declared a resource.
fn has(out: &Expansion<'_, '_>, address: &str) -> bool {
    let Some((kind, name)) = address.split_once('.') else { return false };
    out.drafts.iter().any(|draft| draft.resource_type.name == kind && draft.name == name)
}

/// Whether pods get a proxy of Istio.
fn has_mesh(out: &Expansion<'_, '_>) -> bool {
    has(out, "helm_release.istiod")
}

/// Reports mistakes of one service.
fn check(out: &mut Expansion<'_, '_>, service: &Declared, services: &[Declared]) {
    let Declared { name, pointer, form, .. } = service;
    let field = |field: &str| format!("{pointer}/{field}");
    let mut wrong: Vec<(String, String, String)> = Vec::new();
    let mut report = |at: String, message: String, help: &str| wrong.push((at, message, help.to_owned()));
    // Names of Services have no dots, and those of releases at most 53 characters, with room for the endings of objects.
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.len() > 40 || !name.bytes().all(is_part) || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        let help = "begin with a lowercase letter, and use lowercase letters, digits and `-`, at most 40 in all";
        report(pointer.clone(), format!("`{name}` is not a valid name of a service"), help);
    }
    let is_job = form.schedule.is_some();
    if form.image.is_some() && form.version.is_some() {
        report(field("version"), "`image` names the version already".to_owned(), "remove one of the two lines");
    }
    if let Some(schedule) = form.schedule.as_ref().filter(|schedule| !is_schedule(schedule)) {
        let help = "write minute, hour, day, month and weekday, such as `0 3 * * *`";
        report(field("schedule"), format!("`{schedule}` is not a valid schedule"), help);
    }
    if is_job && form.port.is_some() {
        report(field("port"), "a job has no port".to_owned(), "remove `port` or `schedule`");
    }
    if form.public && form.port.is_none() {
        report(field("public"), "there is no port for requests from outside".to_owned(), "add `port: …`, or remove the line");
    }
    if is_job && form.replicas.max.is_some() {
        report(field("replicas"), "the number of pods of a job does not vary".to_owned(), "remove `replicas` or `schedule`");
    }
    if form.replicas.max.is_some() && !has(out, "eks_addon.metrics-server") && !has(out, "helm_release.metrics-server") {
        let message = "a range of `replicas` needs the use of CPU, which nothing in the cluster measures".to_owned();
        report(field("replicas"), message, "add `metrics-server: {}` to `platform`, or write one number");
    }
    for (path, value) in [("health", Some(&form.health)), ("ready", Some(&form.ready)), ("metrics", form.metrics.as_ref())] {
        if let Some(value) = value.filter(|value| !value.starts_with('/')) {
            report(field(path), format!("`{value}` is not a path"), "begin with `/`");
        }
    }
    if form.metrics.is_some() && !has(out, "helm_release.prometheus-crds") {
        let message = "`metrics` needs Prometheus, which `platform` does not have".to_owned();
        report(field("metrics"), message, "add `prometheus-crds: {}` and `prometheus` to `platform`, or remove the line");
    }
    if form.metrics.is_some() && form.port.is_none() && form.metrics_port.is_none() {
        report(field("metrics"), "there is no port for the metrics".to_owned(), "add `metrics_port: …`");
    }
    if let Some((at, message, help)) = canary::problem(out, form) {
        report(field(at), message.to_owned(), help);
    }
    for (index, callee) in form.calls.iter().enumerate() {
        let at = format!("{}/{index}", field("calls"));
        match services.iter().find(|other| other.name == *callee) {
            None => {
                // In a module, names are those of its own services.
                let others = services.iter().filter(|other| other.name != *name && other.prefix == service.prefix);
                let names: Vec<&str> = others.map(|other| service.own_name(&other.name)).collect();
                let callee = service.own_name(callee);
                report(at, format!("there is no service `{callee}`"), &suggestion(callee, "services", names));
            }
            Some(other) if other.name == *name => report(at, format!("`{name}` calls itself"), "remove it"),
            Some(other) if other.form.port.is_none() => {
                report(
                    at,
                    format!("`{callee}` has no port, so nothing can call it"),
                    &format!("add `port` to `{callee}`, or remove it here"),
                );
            }
            Some(_) => {}
        }
    }
    for (at, message, help) in wrong {
        // The names of a service and of a field are keys.
        if at == *pointer {
            out.compiler.problem_at_key("services", &at, message, help);
        } else {
            out.compiler.problem("services", &at, message, help);
        }
    }
}

/// Whether a text is a time of cron: <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>.
fn is_schedule(text: &str) -> bool {
    let is_field = |field: &str| field.bytes().all(|b| b.is_ascii_alphanumeric() || b"*/,-?".contains(&b));
    let words: Vec<&str> = text.split_whitespace().collect();
    let names = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
    names.contains(&text) || (words.len() == 5 && words.iter().all(|word| is_field(word)))
}

/// Creates the namespaces that nothing else creates.
fn add_namespaces(out: &mut Expansion<'_, '_>, services: &[Declared]) {
    let mut namespaces: BTreeMap<&str, String> = BTreeMap::new();
    for service in services {
        let written = service.form.namespace.as_ref().map_or_else(|| service.pointer.clone(), |_| format!("{}/namespace", service.pointer));
        namespaces.entry(&service.namespace).or_insert(written);
    }
    for (name, at) in namespaces {
        if name == "kube-system" || !policies::is_namespace(name) {
            let message = format!("`{name}` is not a valid namespace for a service");
            out.compiler.problem("services", &at, message, "use a namespace of the stack: lowercase letters, digits and `-`");
            continue;
        }
        if name == "default" || policies::is_created(out, name) {
            continue;
        }
        let labels = json!({ policies::POD_SECURITY: "restricted" });
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        out.add_generated("kubernetes_object", platform::namespace_object(name), json!({ "cluster": "main", "manifest": manifest }), &at);
    }
}

/// Where files with secrets are from, as the chart calls it.
fn secret_store(out: &Expansion<'_, '_>) -> &'static str {
    if has(out, "helm_release.external-secrets") {
        "external-secrets"
    } else if has(out, "helm_release.secrets-store-csi") {
        "secrets-store-csi"
    } else {
        "kubernetes"
    }
}

/// Statements of the policy of a service. Only the driver of the secrets store reads secrets with the role of the pod.
fn statements(out: &Expansion<'_, '_>, links: &Links) -> Vec<Value> {
    let mut statements = links.statements.clone();
    if secret_store(out) == "secrets-store-csi" && !links.files.is_empty() {
        let secrets: BTreeSet<&str> = links.files.values().map(|file| file.secret.as_str()).collect();
        let actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
        statements.push(json!({ "Effect": "Allow", "Action": actions, "Resource": secrets }));
    }
    statements
}

/// Adds the resources of a service.
fn add(out: &mut Expansion<'_, '_>, service: &Declared, links: &Links, services: &[Declared]) {
    let Declared { name, pointer, namespace, form, .. } = service;
    if form.image.is_none() && !has(out, &format!("ecr_repository.{name}")) {
        out.add_generated("ecr_repository", name, json!({ "keep_last": 30 }), pointer);
    }
    let mut before = before(out, form, links);
    before.extend(edge::before_release(out, name, form));
    let statements = statements(out, links);
    if !statements.is_empty() {
        let own = format!("{PREFIX}{name}");
        let role = json!({
            "description": format!("What the service {name} may do"),
            "trust": { "services": ["pods.eks.amazonaws.com"] },
            "inline_policies": { "service": { "Statement": statements } },
        });
        if let Some(draft) = out.add_generated("iam_role", &own, role, pointer) {
            draft.pointer_overrides.push(("/inline_policies".to_owned(), format!("{pointer}/permissions")));
        }
        let association = json!({ "cluster": "main", "namespace": namespace, "service_account": name, "role": own });
        out.add_generated("eks_pod_identity", &own, association, pointer);
        before.push(format!("eks_pod_identity.{own}"));
    }
    let repository = format!("${{ecr_repository.{name}.uri}}");
    let image = form.image.clone().or_else(|| Some(with_version(&repository, form.version.as_ref()?)));
    // Argo CD waits for the first image.
    let is_in_git = out.compiler.delivery.is_some();
    if image.is_none() && !is_in_git {
        return;
    }
    let image = image.unwrap_or_default();
    if secret_store(out) == "kubernetes" && !links.files.is_empty() {
        before.push(add_secret(out, service, &links.files));
    }
    let mut spec = json!({
        "cluster": "main",
        "namespace": namespace,
        "release": name,
        "chart": SERVICE_CHART.name,
        "version": SERVICE_CHART.version,
        "values": values(out, service, links, services, &image, &repository),
    });
    let is_promoted = form.image.is_none();
    if let Some(values) = spec["values"].as_object_mut().filter(|_| is_in_git && is_promoted) {
        // It is in the values that promotions change.
        values.remove("image");
    }
    let Value::Object(mut fields) = spec else { return };
    if canary::is_rollout(out, form) {
        // Helm 4 does not understand the status of a Rollout, and would wait for it in vain: https://github.com/helm/helm/issues/32615
        fields.insert("wait".to_owned(), false.into());
    }
    // The definition's own first, so that a mistake is reported at its place.
    add_depends_on(&mut fields, form.depends_on.iter().cloned().chain(before));
    if let Some(draft) = out.add_resource("helm_release", name, fields, pointer) {
        let places = [("/values/env", "env"), ("/values/command", "command"), ("/values", ""), ("/namespace", "namespace")];
        let place = |field: &str| if field.is_empty() { pointer.clone() } else { format!("{pointer}/{field}") };
        draft.pointer_overrides.extend(places.map(|(spec, field)| (spec.to_owned(), place(field))));
    }
    if is_in_git {
        let ignore = canary::changed_by_controller(out, form);
        out.deliver_service(GitService { name: name.clone(), first_image: image, is_promoted }, namespace, ignore);
    }
}

/// The image with a tag or a digest.
fn with_version(repository: &str, version: &str) -> String {
    let separator = if version.starts_with("sha256:") { '@' } else { ':' };
    format!("{repository}{separator}{version}")
}

/// What a release needs: nodes, add-ons, and the components whose kinds it has.
fn before(out: &Expansion<'_, '_>, form: &Service, links: &Links) -> Vec<String> {
    let kinds = ["eks_node_group", "eks_fargate_profile", "eks_addon", "eks_access_entry"];
    let parts = out.drafts.iter().filter(|draft| kinds.contains(&draft.resource_type.name));
    let mut before: Vec<String> = parts.map(|draft| format!("{}.{}", draft.resource_type.name, draft.name)).collect();
    let uses_files = !links.files.is_empty();
    let needed = [
        ("helm_release.istiod", true),
        (canary::CONTROLLER, canary::is_rollout(out, form)),
        ("helm_release.prometheus-crds", form.metrics.is_some()),
        ("helm_release.metrics-server", form.replicas.max.is_some()),
        ("helm_release.external-secrets", uses_files),
        (SECRET_STORE, uses_files),
        ("helm_release.secrets-store-csi", uses_files),
    ];
    before.extend(needed.iter().filter(|(address, needs)| *needs && has(out, address)).map(|(address, _)| (*address).to_owned()));
    before
}

/// Adds the Secret with the files of a service, whose values acme copies. Returns its address.
fn add_secret(out: &mut Expansion<'_, '_>, service: &Declared, files: &BTreeMap<String, SecretFile>) -> String {
    let name = format!("{PREFIX}{}-secrets", service.name);
    let metadata = json!({ "name": format!("{}-secrets", service.name), "namespace": service.namespace });
    let data = files.iter().map(|(file, source)| (file.clone(), json!({ "secret": source.secret, "json_key": source.key })));
    let spec = json!({
        "cluster": "main",
        "manifest": { "apiVersion": "v1", "kind": "Secret", "metadata": metadata },
        "secret_data": data.collect::<BTreeMap<_, _>>(),
    });
    let address = format!("kubernetes_object.{name}");
    out.add_generated("kubernetes_object", name, spec, &service.pointer);
    address
}

/// Values of the chart.
fn values(out: &Expansion<'_, '_>, service: &Declared, links: &Links, services: &[Declared], image: &str, repository: &str) -> Value {
    let form = &service.form;
    let mesh = has_mesh(out);
    let mut env = links.env.clone();
    let callees: Vec<&Declared> = form.calls.iter().filter_map(|callee| services.iter().find(|other| other.name == *callee)).collect();
    for callee in &callees {
        let url = format!("http://{}.{}:{}", callee.name, callee.namespace, callee.form.port.unwrap_or_default());
        // The variables of a module don't depend on its name in the stack.
        env.insert(variable(service.own_name(&callee.name), "URL"), url.into());
    }
    env.extend(form.env.iter().map(|(name, value)| (name.clone(), value.0.as_str().into())));
    let callers = services.iter().filter(|other| other.form.calls.contains(&service.name));
    let callers: Vec<Value> = callers.map(|other| json!({ "name": other.name, "namespace": other.namespace })).collect();
    let calls: Vec<Value> = callees
        .iter()
        .map(|callee| json!({ "name": callee.name, "namespace": callee.namespace, "port": callee.form.port.unwrap_or_default() }))
        .collect();
    let mut values = json!({
        "image": image,
        "port": form.port.unwrap_or_default(),
        "replicas": form.replicas.min,
        "env": env,
        "resources": { "cpu": form.resources.cpu.0, "memory": form.resources.memory.0 },
        "mesh": mesh,
        "network": { "callers": callers, "calls": calls, "reaches": reaches(out, form, links), "dnsInPods": !policies::has_auto_mode(out) },
    });
    if form.public {
        open_to_gateways(out, &mut values["network"]);
    }
    edge::set_values(out, form, &mut values);
    if form.port.is_some() {
        values["probes"] = json!({ "health": form.health, "ready": form.ready });
    }
    if let Some(max) = form.replicas.max {
        values["autoscaling"] = json!({ "max": max, "cpu": form.cpu.0 });
    }
    if let Some(schedule) = &form.schedule {
        values["schedule"] = schedule.as_str().into();
    }
    if !form.command.is_empty() {
        values["command"] = json!(form.command);
    }
    if let Some(path) = &form.metrics {
        values["metrics"] = json!({ "path": path, "port": form.metrics_port.or(form.port).unwrap_or_default() });
    }
    canary::set_values(out, form, &mut values);
    if let (Some(Canary::Share(Percent(weight))), Some(version)) = (&form.canary, &form.canary_version) {
        let replicas = (form.replicas.max.unwrap_or(form.replicas.min) * u32::from(*weight)).div_ceil(100);
        values["canary"] = json!({ "image": with_version(repository, version), "weight": weight, "replicas": replicas });
    }
    if !links.files.is_empty() {
        let files = links.files.iter().map(|(file, source)| (file.clone(), json!({ "secret": source.secret, "key": source.key })));
        let store = secret_store(out);
        // The Secret has the sources itself.
        let files: BTreeMap<String, Value> = match store {
            "kubernetes" => links.files.keys().map(|file| (file.clone(), json!({ "secret": "" }))).collect(),
            _ => files.collect(),
        };
        values["secrets"] = json!({ "store": store, "folder": FILES_FOLDER, "files": files });
    }
    values
}

/// Adds those who may send requests from outside.
fn open_to_gateways(out: &Expansion<'_, '_>, network: &mut Value) {
    let mesh = has_mesh(out);
    let gateways = GATEWAYS.iter().filter(|gateway| has(out, &gateway.address()) && (!mesh || gateway.component == "istio-gateway"));
    network["gateways"] = gateways.map(|gateway| json!({ "name": gateway.namespace, "account": gateway.account })).collect();
    if let Some(layout) = out.network.as_ref().filter(|_| !mesh) {
        network["loadBalancers"] = json!(layout.ranges);
    }
}

/// Addresses outside the cluster that a service may reach.
fn reaches(out: &Expansion<'_, '_>, form: &Service, links: &Links) -> Vec<Value> {
    let anywhere = || vec!["0.0.0.0/0".to_owned()];
    let network = out.network.as_ref().map_or_else(anywhere, |layout| layout.ranges.clone());
    let stores = links.ports.iter().map(|port| json!({ "ranges": network, "port": port }));
    let uses_aws = form.internet || !links.statements.is_empty();
    let https = uses_aws.then(|| json!({ "ranges": anywhere(), "port": 443 }));
    stores.chain(https).collect()
}
