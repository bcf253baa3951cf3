//! What is set by ModifyLoadBalancerAttributes.

use aws_sdk_elasticloadbalancingv2::types::LoadBalancerAttribute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LoadBalancer, LoadBalancerType, yes};
use crate::{aws, core::Changed};

/// What happens to requests that may desynchronise load balancer and targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DesyncMitigationMode {
    Monitor,
    Defensive,
    Strictest,
}

/// What happens to the `X-Forwarded-For` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum XffHeaderProcessing {
    Append,
    Preserve,
    Remove,
}

/// Which zones the DNS name leads clients to: their own always, mostly, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ClientRoutingPolicy {
    AvailabilityZoneAffinity,
    PartialAvailabilityZoneAffinity,
    AnyAvailabilityZone,
}

/// Logs in S3.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Writes them. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Bucket in the same region, with a policy that lets Elastic Load Balancing write. Default: none.
    #[serde(default)]
    pub bucket: String,
    /// Start of the objects' keys. Default: none.
    #[serde(default)]
    pub prefix: String,
}

impl LoadBalancer {
    /// The attributes that changed.
    pub(super) fn attributes(&self, changed: &Changed) -> Vec<LoadBalancerAttribute> {
        let text = |value: Option<u32>| value.map(|n| n.to_string());
        let flag = |value: Option<bool>| value.map(|b| b.to_string());
        let (access, connections) = (self.access_logs.as_ref(), self.connection_logs.as_ref());
        let bucket = |logs: Option<&Logs>| logs.map(|logs| logs.bucket.clone()).filter(|bucket| !bucket.is_empty());
        let prefix = |logs: Option<&Logs>| logs.filter(|logs| !logs.bucket.is_empty()).map(|logs| logs.prefix.clone());
        [
            ("/deletion_protection", "deletion_protection.enabled", flag(Some(self.deletion_protection))),
            ("/idle_timeout_seconds", "idle_timeout.timeout_seconds", text(self.idle_timeout_seconds)),
            ("/client_keep_alive_seconds", "client_keep_alive.seconds", text(self.client_keep_alive_seconds)),
            ("/http2", "routing.http2.enabled", flag(self.http2)),
            // Fixed, and refused, for application load balancers.
            (
                "/cross_zone",
                "load_balancing.cross_zone.enabled",
                flag(self.cross_zone.filter(|_| self.kind != LoadBalancerType::Application)),
            ),
            ("/drop_invalid_headers", "routing.http.drop_invalid_header_fields.enabled", flag(self.drop_invalid_headers)),
            ("/preserve_host_header", "routing.http.preserve_host_header.enabled", flag(self.preserve_host_header)),
            ("/desync_mitigation_mode", "routing.http.desync_mitigation_mode", self.desync_mitigation_mode.as_ref().map(aws::text)),
            ("/xff_header_processing", "routing.http.xff_header_processing.mode", self.xff_header_processing.as_ref().map(aws::text)),
            ("/xff_client_port", "routing.http.xff_client_port.enabled", flag(self.xff_client_port)),
            ("/tls_headers", "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", flag(self.tls_headers)),
            ("/waf_fail_open", "waf.fail_open.enabled", flag(self.waf_fail_open)),
            ("/client_routing_policy", "dns_record.client_routing_policy", self.client_routing_policy.as_ref().map(aws::text)),
            ("/zonal_shift", "zonal_shift.config.enabled", flag(self.zonal_shift)),
            ("/access_logs", "access_logs.s3.enabled", flag(access.map(|logs| logs.enabled))),
            ("/access_logs", "access_logs.s3.prefix", prefix(access)),
            ("/access_logs", "access_logs.s3.bucket", bucket(access)),
            ("/connection_logs", "connection_logs.s3.enabled", flag(connections.map(|logs| logs.enabled))),
            ("/connection_logs", "connection_logs.s3.prefix", prefix(connections)),
            ("/connection_logs", "connection_logs.s3.bucket", bucket(connections)),
        ]
        .into_iter()
        .filter(|(at, ..)| changed.has(at))
        .filter_map(|(_, key, value)| Some(LoadBalancerAttribute::builder().key(key).value(value?).build()))
        .collect()
    }
}
