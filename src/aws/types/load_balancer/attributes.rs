//! Settings that ModifyLoadBalancerAttributes changes.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::LoadBalancerAttribute;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{AddressType, LoadBalancer, LoadBalancerChanges, LoadBalancerType};
use crate::{
    aws::from_aws,
    core::{Pointer, Problem},
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
    pub bucket: String,
    /// Prefix of the objects' keys.
    #[field(default)]
    pub prefix: String,
}

/// Declares attributes with the same values in AWS and in the spec: the field, and the attribute's key.
macro_rules! attributes_as_written {
    ($spec:ident, $changes:ident, $($field:ident: $key:literal,)*) => {
        impl $spec {
            fn read_as_written(&mut self, attributes: &BTreeMap<String, String>) {
                $(self.$field = attributes.get($key).and_then(|text| from_attribute(text));)*
            }
            /// For each: whether it differs, its key, and its value.
            fn as_written(&self, changes: &$changes) -> Vec<(bool, &'static str, Option<String>)> {
                vec![$((changes.$field, $key, self.$field.as_ref().map(to_attribute))),*]
            }
        }
    };
}
pub(in crate::aws::types) use attributes_as_written;

attributes_as_written! {
    LoadBalancer, LoadBalancerChanges,
    idle_timeout_seconds: "idle_timeout.timeout_seconds",
    client_keep_alive_seconds: "client_keep_alive.seconds",
    http2: "routing.http2.enabled",
    drop_invalid_headers: "routing.http.drop_invalid_header_fields.enabled",
    preserve_host_header: "routing.http.preserve_host_header.enabled",
    desync_mitigation_mode: "routing.http.desync_mitigation_mode",
    xff_header_processing: "routing.http.xff_header_processing.mode",
    xff_client_port: "routing.http.xff_client_port.enabled",
    tls_headers: "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    waf_fail_open: "waf.fail_open.enabled",
    client_routing_policy: "dns_record.client_routing_policy",
    zonal_shift: "zonal_shift.config.enabled",
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
    ]
}
fn network_only() -> Vec<Pointer> {
    let at = LoadBalancer::POINTERS;
    vec![at.client_routing_policy, at.enforce_security_groups_on_private_link]
}

/// Value of an attribute: a boolean, number or string. `None` if it is empty or unknown.
pub(in crate::aws::types) fn from_attribute<T: DeserializeOwned>(text: &str) -> Option<T> {
    let text = Some(text).filter(|text| !text.is_empty())?;
    serde_json::from_str(text).or_else(|_| from_aws(text)).ok()
}

/// The text of an attribute.
pub(in crate::aws::types) fn to_attribute<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

impl LoadBalancer {
    pub(super) fn read_attributes(&mut self, attributes: &BTreeMap<String, String>) {
        self.read_as_written(attributes);
        let flag = |key: &str| attributes.get(key).map(|value| value == "true");
        let text = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        let logs = |kind: &str| {
            flag(&format!("{kind}.s3.enabled")).map(|enabled| Logs {
                enabled,
                bucket: text(&format!("{kind}.s3.bucket")),
                prefix: text(&format!("{kind}.s3.prefix")),
            })
        };
        self.deletion_protection = flag("deletion_protection.enabled").unwrap_or_default();
        // Always on for application load balancers, even if the attribute says otherwise.
        self.cross_zone = flag("load_balancing.cross_zone.enabled").map(|on| on || self.kind == LoadBalancerType::Application);
        self.access_logs = logs("access_logs");
        self.connection_logs = logs("connection_logs");
    }

    /// The attributes that differ.
    pub(super) fn attributes(&self, changes: &LoadBalancerChanges) -> Vec<LoadBalancerAttribute> {
        let mut all: Vec<(bool, String, Option<String>)> =
            self.as_written(changes).into_iter().map(|(differs, key, value)| (differs, key.to_owned(), value)).collect();
        // AWS rejects it for application load balancers.
        let cross_zone = self.cross_zone.filter(|_| self.kind != LoadBalancerType::Application);
        all.push((changes.deletion_protection, "deletion_protection.enabled".into(), Some(self.deletion_protection.to_string())));
        all.push((changes.cross_zone, "load_balancing.cross_zone.enabled".into(), cross_zone.map(|on| on.to_string())));
        let logs =
            [(changes.access_logs, "access_logs", &self.access_logs), (changes.connection_logs, "connection_logs", &self.connection_logs)];
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
    if balancer.enforce_security_groups_on_private_link.is_some() && balancer.security_groups.is_empty() {
        let problem = Problem::new(LoadBalancer::POINTERS.enforce_security_groups_on_private_link, "requires `security_groups`");
        problems.push(problem.help("set `security_groups`, or remove this"));
    }
    if balancer.kind != LoadBalancerType::Application && balancer.ip_address_type == AddressType::DualstackWithoutPublicIpv4 {
        let problem =
            Problem::new(LoadBalancer::POINTERS.ip_address_type, "only an application load balancer can do without public IPv4 addresses");
        problems.push(problem.help("write `ip_address_type: dualstack`"));
    }
    if balancer.kind == LoadBalancerType::Gateway && balancer.access_logs.is_some() {
        problems.push(Problem::new(LoadBalancer::POINTERS.access_logs, "a gateway load balancer has no access logs"));
    }
    if balancer.kind == LoadBalancerType::Gateway && balancer.zonal_shift.is_some() {
        problems.push(Problem::new(LoadBalancer::POINTERS.zonal_shift, "gateway load balancers don't support zonal shifts"));
    }
    if balancer.kind == LoadBalancerType::Application && balancer.cross_zone == Some(false) {
        problems.push(Problem::new(LoadBalancer::POINTERS.cross_zone, "an application load balancer always balances across zones"));
    }
    let fields = LoadBalancer::POINTERS;
    for (at, logs) in [(fields.access_logs, &balancer.access_logs), (fields.connection_logs, &balancer.connection_logs)] {
        if logs.as_ref().is_some_and(|logs| logs.enabled && logs.bucket.is_empty()) {
            problems.push(Problem::new(at.field(Logs::POINTERS.bucket), "logs need a bucket"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            ("network", "ip_address_type", json!("dualstack-without-public-ipv4")),
            ("gateway", "ip_address_type", json!("dualstack-without-public-ipv4")),
            ("gateway", "zonal_shift", json!(true)),
            ("application", "cross_zone", json!(false)),
        ] {
            assert_eq!(problems(kind, field, value), [format!("/{field}")], "{kind} {field}");
        }
    }
}
