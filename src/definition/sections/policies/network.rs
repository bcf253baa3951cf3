//! NetworkPolicies of a namespace: everything is denied, then single connections are allowed.
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::forms::{Allowed, EgressRule, IngressRule, Labels, Port};

/// Label that Kubernetes gives each namespace.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// Address at which the agent of Pod Identity gives pods their credentials.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
const IDENTITY_AGENT: &str = "169.254.170.23/32";

/// Direction of connections, from the pods of the namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// Type of policy, key of the rules and key of the peers.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Direction::Ingress => ("Ingress", "ingress", "from"),
            Direction::Egress => ("Egress", "egress", "to"),
        }
    }
}

/// A rule of either direction.
struct Connection<'a> {
    direction: Direction,
    apps: &'a Labels,
    namespaces: &'a [String],
    peers: &'a Labels,
    cidrs: &'a [String],
    except: &'a [String],
    ports: &'a [Port],
}

/// A mistake in a rule.
pub struct NetworkProblem {
    /// Location below the rules: `/ingress/0`.
    pub pointer: String,
    /// Description.
    pub message: String,
    /// Remedy.
    pub help: String,
}

/// Where DNS is.
#[derive(Clone, Copy)]
pub enum Dns {
    /// In pods of the cluster.
    Pods,
    /// On every node, which has no pod to select.
    Nodes,
}

/// The policies of a namespace.
pub fn network_policies(namespace: &str, allowed: &Allowed, dns: Dns) -> Vec<Value> {
    let mut policies = vec![
        policy(namespace, "default-deny", &Labels::default(), json!({ "policyTypes": ["Ingress", "Egress"] })),
        policy(namespace, "allow-dns", &Labels::default(), egress(dns_rule(dns))),
        policy(namespace, "allow-pod-identity", &Labels::default(), egress(identity_rule())),
    ];
    let mut groups: BTreeMap<(Direction, &Labels), Vec<Value>> = BTreeMap::new();
    for (_, connection) in connections(allowed) {
        groups.entry((connection.direction, connection.apps)).or_default().push(connection.to_manifest());
    }
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for ((direction, apps), rules) in groups {
        let (kind, key, _) = direction.words();
        let name = std::iter::once(key).chain(apps.0.values().map(String::as_str)).collect::<Vec<_>>().join("-");
        // Other labels may have the same values.
        let times = used.entry(name.to_lowercase()).and_modify(|times| *times += 1).or_insert(1);
        let name = if *times == 1 { name.to_lowercase() } else { format!("{}-{times}", name.to_lowercase()) };
        policies.push(policy(namespace, &name, apps, json!({ "policyTypes": [kind], key: rules })));
    }
    policies
}

/// Mistakes in the rules of a namespace.
pub fn network_problems(allowed: &Allowed) -> Vec<NetworkProblem> {
    let mut problems = Vec::new();
    for (pointer, connection) in connections(allowed) {
        connection.add_problems(&pointer, &mut problems);
    }
    problems
}

fn connections(allowed: &Allowed) -> impl Iterator<Item = (String, Connection<'_>)> {
    let ingress = allowed.ingress.iter().enumerate().map(|(at, rule)| (format!("/ingress/{at}"), rule.into()));
    ingress.chain(allowed.egress.iter().enumerate().map(|(at, rule)| (format!("/egress/{at}"), rule.into())))
}

impl<'a> From<&'a IngressRule> for Connection<'a> {
    fn from(rule: &'a IngressRule) -> Connection<'a> {
        let IngressRule { apps, from_namespaces, from_apps, from_cidrs, except, ports } = rule;
        Connection { direction: Direction::Ingress, apps, namespaces: from_namespaces, peers: from_apps, cidrs: from_cidrs, except, ports }
    }
}

impl<'a> From<&'a EgressRule> for Connection<'a> {
    fn from(rule: &'a EgressRule) -> Connection<'a> {
        let EgressRule { apps, to_namespaces, to_apps, to_cidrs, except, ports } = rule;
        Connection { direction: Direction::Egress, apps, namespaces: to_namespaces, peers: to_apps, cidrs: to_cidrs, except, ports }
    }
}

impl Connection<'_> {
    fn to_manifest(&self) -> Value {
        let pods = (!self.peers.0.is_empty()).then(|| json!({ "matchLabels": self.peers.0 }));
        let in_namespace = |name: &String| {
            let mut peer =
                json!({ "namespaceSelector": if name == "*" { json!({}) } else { json!({ "matchLabels": { NAMESPACE_LABEL: name } }) } });
            if let Some(pods) = &pods {
                peer["podSelector"] = pods.clone();
            }
            peer
        };
        let mut peers: Vec<Value> = self.namespaces.iter().map(in_namespace).collect();
        if self.namespaces.is_empty() {
            peers.extend(pods.clone().map(|pods| json!({ "podSelector": pods })));
        }
        peers.extend(self.cidrs.iter().map(|cidr| self.block(cidr)));
        let (_, _, key) = self.direction.words();
        let mut rule = json!({ key: peers });
        if !self.ports.is_empty() {
            rule["ports"] = self.ports.iter().map(Port::to_manifest).collect();
        }
        rule
    }

    fn block(&self, cidr: &str) -> Value {
        let except: Vec<&String> = self.except.iter().filter(|range| contains(cidr, range)).collect();
        let mut block = json!({ "cidr": cidr });
        if !except.is_empty() {
            block["except"] = json!(except);
        }
        json!({ "ipBlock": block })
    }

    fn add_problems(&self, pointer: &str, problems: &mut Vec<NetworkProblem>) {
        let (_, direction, word) = self.direction.words();
        let mut add = |message: String, help: String| problems.push(NetworkProblem { pointer: pointer.to_owned(), message, help });
        if self.namespaces.is_empty() && self.peers.0.is_empty() && self.cidrs.is_empty() {
            let help = format!("add `{word}_namespaces`, `{word}_apps` or `{word}_cidrs`; `{word}_cidrs: [0.0.0.0/0]` is every address");
            add(format!("the {direction} rule does not say {word} where"), help);
        }
        for cidr in self.cidrs.iter().chain(self.except).filter(|cidr| cidr.parse::<IpNet>().is_err()) {
            add(format!("`{cidr}` is not a valid range of addresses"), "write a range such as `10.0.0.0/16`".to_owned());
        }
        for range in self.except.iter().filter(|range| !self.cidrs.iter().any(|cidr| contains(cidr, range))) {
            if range.parse::<IpNet>().is_ok() {
                add(
                    format!("`{range}` of `except` is not inside any of `{word}_cidrs`"),
                    "remove it, or add the range around it".to_owned(),
                );
            }
        }
        for namespace in self.namespaces.iter().filter(|name| *name != "*" && !super::is_namespace(name)) {
            add(format!("`{namespace}` is not a valid name of a namespace"), super::NAMESPACE_RULE.to_owned());
        }
    }
}

/// Whether a range is inside another one, and smaller.
fn contains(cidr: &str, range: &str) -> bool {
    let (Ok(cidr), Ok(range)) = (cidr.parse::<IpNet>(), range.parse::<IpNet>()) else { return false };
    cidr.contains(&range) && cidr != range
}

fn policy(namespace: &str, name: &str, pods: &Labels, rules: Value) -> Value {
    let selector = if pods.0.is_empty() { json!({}) } else { json!({ "matchLabels": pods.0 }) };
    let mut spec = rules;
    spec["podSelector"] = selector;
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    })
}

fn egress(rule: Value) -> Value {
    json!({ "policyTypes": ["Egress"], "egress": [rule] })
}

fn dns_rule(dns: Dns) -> Value {
    let ports = json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }]);
    match dns {
        Dns::Nodes => json!({ "ports": ports }),
        Dns::Pods => {
            let namespace = json!({ "matchLabels": { NAMESPACE_LABEL: "kube-system" } });
            let peer = json!({ "namespaceSelector": namespace, "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } });
            json!({ "to": [peer], "ports": ports })
        }
    }
}

fn identity_rule() -> Value {
    json!({ "to": [{ "ipBlock": { "cidr": IDENTITY_AGENT } }], "ports": [{ "protocol": "TCP", "port": 80 }] })
}
