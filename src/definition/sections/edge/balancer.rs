//! The load balancer at the edge: a target group and a rule for each service or for the ingress controller, and the objects by which the AWS Load
//! Balancer Controller registers their pods.
//!
//! Sources: <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/targetgroupbinding/targetgroupbinding/> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Edge, Expansion, ROOT, Route, find, gateway::Gateway, has, known_entries};
use crate::definition::{
    composition::modules::MARK,
    sections::{add_depends_on, platform},
};

/// The component that registers pods.
const CONTROLLER: &str = "helm_release.aws-load-balancer-controller";
/// Port of target groups. The controller registers pods with their own ports, so that another port of a service replaces nothing.
const NOMINAL_PORT: u16 = 80;
/// Longest path, and number of priorities for the paths of one length.
const LONGEST_PATH: usize = 120;
const PRIORITIES: u64 = 400;

/// Pods to which the load balancer sends requests.
struct Backend {
    /// Name of its resources.
    name: String,
    pointer: String,
    /// Service of Kubernetes, and the object that binds it to the target group.
    namespace: String,
    service: String,
    port: u16,
    binding: String,
    /// Port of the pods, that of their health check, and its path.
    pod_port: u16,
    health_port: u16,
    health_path: String,
    /// Beginning of the paths.
    path: String,
    before: Vec<String>,
}

impl Backend {
    fn of_route(route: &Route) -> Backend {
        Backend {
            name: name(&route.name),
            pointer: route.pointer.clone(),
            namespace: route.namespace.clone(),
            service: route.name.clone(),
            port: route.port,
            binding: route.name.clone(),
            pod_port: route.port,
            health_port: route.port,
            health_path: route.ready.clone(),
            path: route.path.clone(),
            before: Vec::new(),
        }
    }

    fn of_gateway(edge: &Edge, gateway: &Gateway) -> Backend {
        Backend {
            name: name(gateway.component),
            pointer: edge.pointer.clone(),
            namespace: gateway.namespace.to_owned(),
            service: gateway.service.to_owned(),
            port: 80,
            binding: "edge".to_owned(),
            pod_port: gateway.pod_port,
            health_port: gateway.health_port,
            health_path: gateway.health_path.to_owned(),
            path: "/".to_owned(),
            before: vec![gateway.address()],
        }
    }

    fn target_group(&self, vpc: &Value) -> Value {
        let mut check = json!({ "path": self.health_path, "healthy_threshold": 2, "interval_seconds": 10 });
        if self.health_port != self.pod_port {
            check["port"] = self.health_port.to_string().into();
        }
        json!({
            "vpc": vpc, "target_type": "ip", "protocol": "HTTP", "port": NOMINAL_PORT, "health_check": check,
            "deregistration_delay_seconds": 30,
        })
    }

    fn binding(&self) -> Value {
        json!({
            "apiVersion": "elbv2.k8s.aws/v1beta1",
            "kind": "TargetGroupBinding",
            "metadata": { "name": self.binding, "namespace": self.namespace },
            "spec": {
                "targetGroupARN": format!("${{target_group.{}.arn}}", self.name),
                "targetType": "ip",
                // The controller sets these two if they are unset, and then refuses an object without them.
                "ipAddressType": "ipv4",
                "vpcID": "${eks_cluster.main.vpc_id}",
                "serviceRef": { "name": self.service, "port": self.port },
            },
        })
    }
}

/// Name of the resources of a service at the edge.
pub fn name(service: &str) -> String {
    format!("edge-{service}")
}

/// Address of the rule by which the load balancer reaches a port of pods.
pub fn rule(port: u16) -> String {
    format!("security_group_rule.edge-{port}")
}

/// Why a load balancer can't be at the edge, and the remedy.
pub fn problem(out: &Expansion<'_, '_>, name: &str) -> Option<(String, String)> {
    let Some(balancer) = find(out, &format!("load_balancer.{name}")) else {
        return Some((format!("`load_balancers` has no entry `{name}`"), known_entries(out, name, "load_balancer")));
    };
    if balancer.spec.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "application") {
        let message = format!("`{name}` is not an application load balancer, so it can't divide requests by host and path");
        return Some((message, "name one of the type `application`".to_owned()));
    }
    listener_positions(out, name).is_empty().then(|| {
        let help = "add `https: { port: 443, protocol: HTTPS, certificate: … }` to its `listeners`";
        (format!("`{name}` has no listener that accepts requests"), help.to_owned())
    })
}

/// Positions of the drafts of its listeners: those for HTTPS, or if there is none, those for HTTP that don't redirect.
fn listener_positions(out: &Expansion<'_, '_>, balancer: &str) -> Vec<usize> {
    let of_protocol = |protocol: &str| -> Vec<usize> {
        let own = out.drafts.iter().enumerate().filter(|(_, draft)| {
            let text = |field: &str| draft.spec.get(field).and_then(Value::as_str);
            let redirects = draft.spec.get("default_action").is_some_and(|action| action.get("redirect").is_some());
            draft.resource_type.name == "listener"
                && draft.complete_field("load_balancer").is_some_and(|name| name == balancer)
                && text("protocol") == Some(protocol)
                && !redirects
        });
        own.map(|(position, _)| position).collect()
    };
    let secure = of_protocol("HTTPS");
    if secure.is_empty() { of_protocol("HTTP") } else { secure }
}

/// Addresses of the listeners.
pub fn listeners<'o>(out: &'o Expansion<'_, '_>, edge: &Edge) -> impl Iterator<Item = String> + 'o {
    let positions = edge.fields.load_balancer.as_ref().map(|name| listener_positions(out, name)).unwrap_or_default();
    positions.into_iter().map(|position| format!("listener.{}", out.drafts[position].name))
}

/// Adds target groups, rules and bindings, and opens the pods to the load balancer.
pub fn add(out: &mut Expansion<'_, '_>, edge: &Edge, routes: &[Route]) {
    let Some(balancer) = edge.fields.load_balancer.clone() else { return };
    let backends: Vec<Backend> = match edge.gateway {
        Some(gateway) => vec![Backend::of_gateway(edge, gateway)],
        None => routes.iter().map(Backend::of_route).collect(),
    };
    let vpc = if out.network.is_some() { "main".into() } else { json!({ "id": "${eks_cluster.main.vpc_id}" }) };
    for backend in &backends {
        out.add_generated("target_group", &backend.name, backend.target_group(&vpc), &backend.pointer);
        let mut before = backend.before.clone();
        let namespace = format!("kubernetes_object.{}", platform::namespace_object(&backend.namespace));
        before.extend([CONTROLLER.to_owned(), ROOT.to_owned(), namespace].into_iter().filter(|address| has(out, address)));
        let mut spec = json!({ "cluster": "main", "manifest": backend.binding() });
        if let Some(fields) = spec.as_object_mut() {
            add_depends_on(fields, before);
        }
        out.add_generated("kubernetes_object", &backend.name, spec, &backend.pointer);
    }
    for position in listener_positions(out, &balancer) {
        add_rules(out, position, &edge.fields.host, &backends);
    }
    open(out, &balancer, &backends, &format!("{}/load_balancer", edge.pointer));
}

/// Adds a rule for each backend to a listener, which answers 404 to all other requests unless it has another action for them.
fn add_rules(out: &mut Expansion<'_, '_>, listener: usize, host: &str, backends: &[Backend]) {
    let Some(draft) = out.drafts.get_mut(listener) else { return };
    if draft.spec.get("default_action").is_none_or(Value::is_null) {
        draft.spec.insert("default_action".to_owned(), json!({ "fixed_response": { "status_code": 404 } }));
    }
    let rules = draft.spec.entry("rules").or_insert_with(|| json!([]));
    if rules.is_null() {
        *rules = json!([]);
    }
    let Some(rules) = rules.as_array_mut() else { return };
    let mut taken: BTreeSet<u64> = rules.iter().filter_map(|rule| rule.get("priority")?.as_u64()).collect();
    for backend in backends {
        let mut priority = first_priority(&backend.path);
        while !taken.insert(priority) {
            priority += 1;
        }
        // In a listener of a module, names are those of the module, and this one belongs to the stack.
        let target_group =
            if draft.prefix.is_empty() { backend.name.clone() } else { format!("${{target_group.{MARK}{}.arn}}", backend.name) };
        let action = json!({ "forward": { "target_groups": [{ "target_group": target_group }] } });
        let mut rule = json!({ "priority": priority, "hosts": [host], "action": action });
        if backend.path != "/" {
            rule["paths"] = json!([backend.path, format!("{}/*", backend.path)]);
        }
        let at = if backend.path == "/" { backend.pointer.clone() } else { format!("{}/path", backend.pointer) };
        draft.pointer_overrides.push((format!("/rules/{}", rules.len()), at));
        rules.push(rule);
    }
}

/// Priority of the rule of a path. The longest path comes first. Those of one length exclude each other, so that a digest of the path gives their
/// order: another path does not move the rules there are.
fn first_priority(path: &str) -> u64 {
    let digest = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let shorter = u64::try_from(LONGEST_PATH.saturating_sub(path.len())).unwrap_or_default();
    1 + shorter * PRIORITIES + digest % PRIORITIES
}

/// Lets the load balancer reach the ports of the pods, whose network interfaces have the cluster's security group.
fn open(out: &mut Expansion<'_, '_>, balancer: &str, backends: &[Backend], at: &str) {
    let Some(draft) = find(out, &format!("load_balancer.{balancer}")) else { return };
    let groups = draft.spec.get("security_groups").and_then(Value::as_array);
    let Some(group) = groups.and_then(|groups| groups.first()).map(|group| draft.complete_value(group)) else { return };
    let ports: BTreeSet<u16> = backends.iter().flat_map(|backend| [backend.pod_port, backend.health_port]).collect();
    for port in ports {
        let description = format!("From the load balancer {balancer}");
        let rule = json!({ "port": port, "security_group": group, "description": description });
        let spec = json!({ "security_group": { "id": "${eks_cluster.main.security_group_id}" }, "rule": rule });
        out.add_generated("security_group_rule", format!("edge-{port}"), spec, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_paths_have_lower_priorities() {
        let longest = format!("/{}", "a".repeat(LONGEST_PATH - 1));
        let priorities: Vec<u64> = [longest.as_str(), "/users/admin", "/users", "/a", "/"].map(first_priority).to_vec();
        assert!(priorities.is_sorted() && priorities[0] >= 1 && priorities[4] + PRIORITIES < 50_000, "{priorities:?}");
    }
}
