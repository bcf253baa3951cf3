//! Settings that ModifyLoadBalancerAttributes changes.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::LoadBalancerAttribute;

use super::{AddressType, LoadBalancer, LoadBalancerChanges, LoadBalancerType};
use crate::core::{
    Pointer, Problem,
    attributes::{changed_attributes, with_attributes},
};

/// Treatment of requests that may desynchronize load balancer and targets.
#[spec]
#[derive(Copy)]
#[allow(missing_docs)]
pub enum DesyncMitigationMode {
    Monitor,
    Defensive,
    Strictest,
}

/// Treatment of the `X-Forwarded-For` header.
#[spec]
#[derive(Copy)]
#[allow(missing_docs)]
pub enum XffHeaderProcessing {
    Append,
    Preserve,
    Remove,
}

/// Zones to which the DNS name resolves: the client's own always, mostly, or any.
#[spec]
#[derive(Copy)]
#[allow(missing_docs)]
pub enum ClientRoutingPolicy {
    AvailabilityZoneAffinity,
    PartialAvailabilityZoneAffinity,
    AnyAvailabilityZone,
}

/// Logs in S3.
#[spec]
pub struct Logs {
    /// Enables the logs.
    #[field(default = true)]
    pub enabled: bool,
    /// Bucket in the same region, with a policy that allows Elastic Load Balancing to write. Required if the logs are enabled.
    #[field(default)]
    #[schemars(extend("x-acme-names" = "s3_bucket"))]
    pub bucket: String,
    /// Prefix of the objects' keys.
    #[field(default)]
    pub prefix: String,
}

impl Logs {
    /// No logs.
    pub(super) fn off() -> Logs {
        Logs { enabled: false, bucket: String::new(), prefix: String::new() }
    }
}

fn application_only() -> Vec<Pointer> {
    let at = LoadBalancer::POINTERS;
    vec![
        at.idle_timeout_seconds,
        at.client_keep_alive_seconds,
        at.http2,
        at.drop_invalid_headers,
        at.preserve_host_header,
        at.desync_mitigation_mode,
        at.xff_header_processing,
        at.xff_client_port,
        at.tls_headers,
        at.waf_fail_open,
        at.connection_logs,
        at.health_check_logs,
    ]
}
fn network_only() -> Vec<Pointer> {
    let at = LoadBalancer::POINTERS;
    vec![at.client_routing_policy, at.enforce_security_groups_on_private_link, at.secondary_ips]
}

impl LoadBalancer {
    pub(super) fn with_attributes(self, attributes: &BTreeMap<String, String>) -> LoadBalancer {
        let mut this = with_attributes(self, |key| attributes.get(key).map(String::as_str));
        let flag = |key: &str| attributes.get(key).map(|value| value == "true");
        let text = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        let logs = |kind: &str| {
            flag(&format!("{kind}.s3.enabled")).map(|enabled| Logs {
                enabled,
                bucket: text(&format!("{kind}.s3.bucket")),
                prefix: text(&format!("{kind}.s3.prefix")),
            })
        };
        // Always on for application load balancers, even if the attribute says otherwise.
        this.cross_zone = flag("load_balancing.cross_zone.enabled").map(|on| on || this.kind == LoadBalancerType::Application);
        this.access_logs = logs("access_logs");
        this.connection_logs = logs("connection_logs");
        this.health_check_logs = logs("health_check_logs");
        this
    }

    /// The attributes that differ.
    pub(super) fn attributes(&self, changes: &LoadBalancerChanges) -> Vec<LoadBalancerAttribute> {
        let same = changed_attributes(self, changes).into_iter().map(|(key, value)| (true, key.to_owned(), Some(value)));
        let mut all: Vec<(bool, String, Option<String>)> = same.collect();
        // AWS rejects it for application load balancers.
        let cross_zone = self.cross_zone.filter(|_| self.kind != LoadBalancerType::Application);
        all.push((changes.cross_zone, "load_balancing.cross_zone.enabled".into(), cross_zone.map(|on| on.to_string())));
        let logs = [
            (changes.access_logs, "access_logs", &self.access_logs),
            (changes.connection_logs, "connection_logs", &self.connection_logs),
            (changes.health_check_logs, "health_check_logs", &self.health_check_logs),
        ];
        for (differs, kind, logs) in logs {
            let stored = logs.as_ref().filter(|logs| !logs.bucket.is_empty());
            all.push((differs, format!("{kind}.s3.enabled"), logs.as_ref().map(|logs| logs.enabled.to_string())));
            all.push((differs, format!("{kind}.s3.prefix"), stored.map(|logs| logs.prefix.clone())));
            all.push((differs, format!("{kind}.s3.bucket"), stored.map(|logs| logs.bucket.clone())));
        }
        let differing = all.into_iter().filter(|(differs, ..)| *differs);
        differing.filter_map(|(_, key, value)| Some(LoadBalancerAttribute::builder().key(key).value(value?).build())).collect()
    }
}

/// Rules for attributes.
pub(super) fn check(balancer: &LoadBalancer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let written = serde_json::to_value(balancer).unwrap_or_default();
    let set = |field: &Pointer| written.pointer(field.as_str()).is_some_and(|value| !value.is_null());
    if balancer.kind != LoadBalancerType::Application {
        let only = application_only().into_iter().filter(set);
        problems.extend(only.map(|field| Problem::new(field, "only for application load balancers")));
    }
    if balancer.kind != LoadBalancerType::Network {
        let only = network_only().into_iter().filter(set);
        problems.extend(only.map(|field| Problem::new(field, "only for network load balancers")));
    }
    if balancer.kind != LoadBalancerType::Application && balancer.ip_address_type == AddressType::DualstackWithoutPublicIpv4 {
        let problem =
            Problem::new(LoadBalancer::POINTERS.ip_address_type, "only an application load balancer can do without public IPv4 addresses");
        problems.push(problem.help("write `ip_address_type: dualstack`"));
    }
    if balancer.kind == LoadBalancerType::Gateway && balancer.access_logs.is_some() {
        problems.push(Problem::new(LoadBalancer::POINTERS.access_logs, "a gateway load balancer has no access logs"));
    }
    if balancer.kind == LoadBalancerType::Gateway && balancer.deny_ipv6_from_internet.is_some() {
        problems
            .push(Problem::new(LoadBalancer::POINTERS.deny_ipv6_from_internet, "a gateway load balancer has no clients in the internet"));
    }
    if balancer.kind == LoadBalancerType::Gateway && balancer.zonal_shift.is_some() {
        problems.push(Problem::new(LoadBalancer::POINTERS.zonal_shift, "gateway load balancers don't support zonal shifts"));
    }
    if balancer.kind == LoadBalancerType::Application && balancer.cross_zone == Some(false) {
        problems.push(Problem::new(LoadBalancer::POINTERS.cross_zone, "an application load balancer always balances across zones"));
    }
    let fields = LoadBalancer::POINTERS;
    let logs = [
        (fields.access_logs, &balancer.access_logs),
        (fields.connection_logs, &balancer.connection_logs),
        (fields.health_check_logs, &balancer.health_check_logs),
    ];
    for (at, logs) in logs {
        if logs.as_ref().is_some_and(|logs| logs.enabled && logs.bucket.is_empty()) {
            problems.push(Problem::new(at.field(Logs::POINTERS.bucket), "logs need a bucket"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn reports_attributes_that_the_kind_of_load_balancer_does_not_have() {
        let problems = |kind: &str, field: &str, value: Value| {
            let mut balancer = json!({ "type": kind, "subnets": ["subnet-1"] });
            balancer[field] = value;
            let balancer: LoadBalancer = serde_json::from_value(balancer).unwrap_or_else(|error| panic!("{kind} {field}: {error}"));
            check(&balancer).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        let logs = || json!({ "bucket": "logs" });
        for (kind, field, value) in [
            ("application", "access_logs", logs()),
            ("network", "access_logs", logs()),
            ("application", "connection_logs", logs()),
            ("application", "ip_address_type", json!("dualstack-without-public-ipv4")),
            ("network", "ip_address_type", json!("dualstack")),
        ] {
            assert_eq!(problems(kind, field, value), [""; 0], "{kind} {field}");
        }
        for (kind, field, value) in [
            ("gateway", "access_logs", logs()),
            ("network", "connection_logs", logs()),
            ("network", "health_check_logs", logs()),
            ("application", "secondary_ips", json!(1)),
            ("gateway", "deny_ipv6_from_internet", json!(true)),
            ("network", "ip_address_type", json!("dualstack-without-public-ipv4")),
            ("gateway", "ip_address_type", json!("dualstack-without-public-ipv4")),
            ("gateway", "zonal_shift", json!(true)),
            ("application", "cross_zone", json!(false)),
        ] {
            assert_eq!(problems(kind, field, value), [format!("/{field}")], "{kind} {field}");
        }
    }
}
