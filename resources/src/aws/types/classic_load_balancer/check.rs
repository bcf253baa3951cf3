//! Rules between the fields of a classic load balancer.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{prelude::*, subnet::Subnet},
    ClassicHealthCheck, ClassicListener, ClassicLoadBalancer,
};

pub(super) fn check(balancer: &ClassicLoadBalancer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut ports = BTreeSet::new();
    let at = |index: usize| ClassicLoadBalancer::POINTERS.listeners.item(index);
    for (index, listener) in balancer.listeners.iter().enumerate() {
        if !ports.insert(listener.port) {
            problems.push(Problem::new(at(index).field(ClassicListener::POINTERS.port), "two listeners have this port"));
        }
        if listener.protocol.is_http() != listener.instance_protocol().is_http() {
            let at = at(index).field(ClassicListener::POINTERS.instance_protocol);
            problems.push(Problem::new(at, "HTTP and HTTPS go to HTTP and HTTPS, TCP and SSL to TCP and SSL"));
        }
        let has_tls = listener.protocol.has_tls();
        if has_tls != listener.certificate.is_some() {
            let at = at(index).field(ClassicListener::POINTERS.certificate);
            problems.push(Problem::new(at, "is for HTTPS and SSL, which require it"));
        }
        if listener.tls_policy.is_some() && !has_tls {
            problems.push(Problem::new(at(index).field(ClassicListener::POINTERS.tls_policy), "is for HTTPS and SSL"));
        }
        if listener.stickiness.is_some() && !listener.protocol.is_http() {
            problems.push(Problem::new(at(index).field(ClassicListener::POINTERS.stickiness), "is for HTTP and HTTPS"));
        }
        let at_proxy = || at(index).field(ClassicListener::POINTERS.proxy_protocol);
        if listener.proxy_protocol && listener.protocol.is_http() {
            let problem = Problem::new(at_proxy(), "is for TCP and SSL");
            problems.push(problem.help("HTTP has the client's address in the header `X-Forwarded-For`"));
        }
        let mut others = balancer.listeners.iter().filter(|other| other.instance_port == listener.instance_port);
        if others.any(|other| other.proxy_protocol != listener.proxy_protocol) {
            problems.push(Problem::new(at_proxy(), "listeners with the same `instance_port` have the same value"));
        }
    }
    if balancer.health_check.timeout_seconds >= balancer.health_check.interval_seconds {
        let at = ClassicLoadBalancer::POINTERS.health_check.field(ClassicHealthCheck::POINTERS.timeout_seconds);
        problems.push(Problem::new(at, format!("must be less than `interval_seconds: {}`", balancer.health_check.interval_seconds)));
    }
    problems
}

/// AWS accepts one subnet for each zone.
pub(super) fn check_declared(declared: &Declared<'_, ClassicLoadBalancer>) -> Vec<Problem> {
    let Some(balancer) = declared.spec() else { return Vec::new() };
    let mut zones = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, subnet) in balancer.subnets.iter().enumerate() {
        let Some((address, subnet)) = declared.referenced::<Subnet, _>(subnet) else { continue };
        let zone = subnet.availability_zone;
        if zone.contains("${") {
            continue;
        }
        if let Some(other) = zones.insert(zone.clone(), address.clone()) {
            let message = format!("`{other}` and `{address}` are both in {zone}, and a zone has one subnet of a classic load balancer");
            problems.push(Problem::new(ClassicLoadBalancer::POINTERS.subnets.item(index), message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(listeners: &Value) -> Vec<String> {
        let spec = json!({
            "subnets": ["a"], "security_groups": ["web"], "listeners": listeners, "health_check": { "target": "TCP:8080" }
        });
        let balancer: ClassicLoadBalancer = serde_json::from_value(spec).unwrap_or_else(|error| panic!("{listeners}: {error}"));
        check(&balancer).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn reports_listeners_that_aws_does_not_have() {
        let certificate = "arn:aws:acm:eu-west-1:123456789012:certificate/1";
        for (listeners, at) in [
            (json!([{ "port": 80, "instance_port": 8080, "stickiness": { "cookie_name": "session" } }]), None),
            (json!([{ "port": 443, "protocol": "HTTPS", "instance_port": 8080, "certificate": certificate }]), None),
            (json!([{ "port": 5432, "protocol": "TCP", "instance_port": 5432, "proxy_protocol": true }]), None),
            (json!([{ "port": 80, "instance_port": 1 }, { "port": 80, "instance_port": 2 }]), Some("/listeners/1/port")),
            (json!([{ "port": 80, "instance_port": 1, "instance_protocol": "TCP" }]), Some("/listeners/0/instance_protocol")),
            (json!([{ "port": 443, "protocol": "HTTPS", "instance_port": 1 }]), Some("/listeners/0/certificate")),
            (json!([{ "port": 80, "instance_port": 1, "tls_policy": "ELBSecurityPolicy-2016-08" }]), Some("/listeners/0/tls_policy")),
            (json!([{ "port": 80, "protocol": "TCP", "instance_port": 1, "stickiness": {} }]), Some("/listeners/0/stickiness")),
            (json!([{ "port": 80, "instance_port": 1, "proxy_protocol": true }]), Some("/listeners/0/proxy_protocol")),
        ] {
            assert_eq!(problems(&listeners).first().map(String::as_str), at, "{listeners}");
        }
    }
}
