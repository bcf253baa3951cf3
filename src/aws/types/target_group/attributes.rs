//! Settings that ModifyTargetGroupAttributes changes.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::TargetGroupAttribute;

use super::{TargetGroup, TargetGroupChanges, TargetGroupHealth};
use crate::aws::types::load_balancer::{attributes_as_written, from_attribute, to_attribute};

/// Stickiness: sends a client to the same target again.
#[spec]
pub struct Stickiness {
    /// Enables stickiness.
    #[field(default = true)]
    pub enabled: bool,
    /// Method of recognizing a client.
    #[field(one_of = ["lb_cookie", "app_cookie", "source_ip", "source_ip_dest_ip", "source_ip_dest_ip_proto"])]
    #[serde(rename = "type")]
    pub kind: String,
    /// Lifetime of the two cookies, in seconds.
    #[field(unset = "AWS's default, 86400", range = 1..=604_800)]
    pub duration_seconds: Option<u32>,
    /// Name of the application's cookie. Required for `app_cookie`.
    pub cookie_name: Option<String>,
}

attributes_as_written! {
    TargetGroup, TargetGroupChanges,
    algorithm: "load_balancing.algorithm.type",
    preserve_client_ip: "preserve_client_ip.enabled",
    proxy_protocol_v2: "proxy_protocol_v2.enabled",
    connection_termination: "deregistration_delay.connection_termination.enabled",
    unhealthy_connection_termination: "target_health_state.unhealthy.connection_termination.enabled",
    unhealthy_draining_seconds: "target_health_state.unhealthy.draining_interval_seconds",
    multi_value_headers: "lambda.multi_value_headers.enabled",
}

impl TargetGroup {
    pub(super) fn read_attributes(&mut self, attributes: &BTreeMap<String, String>) {
        self.read_as_written(attributes);
        let text = |key: &str| attributes.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let number = |key: &str| text(key).and_then(from_attribute::<u32>);
        if let Some(seconds) = number("deregistration_delay.timeout_seconds") {
            self.deregistration_delay_seconds = seconds;
        }
        self.slow_start_seconds = number("slow_start.duration_seconds").unwrap_or_default();
        self.stickiness = text("stickiness.type").map(|kind| Stickiness {
            enabled: text("stickiness.enabled") == Some("true"),
            duration_seconds: number(&format!("stickiness.{kind}.duration_seconds")),
            cookie_name: text("stickiness.app_cookie.cookie_name").map(str::to_owned),
            kind: kind.to_owned(),
        });
        // `None` for `use_load_balancer_configuration`.
        self.cross_zone = text("load_balancing.cross_zone.enabled").and_then(from_attribute);
        self.anomaly_mitigation = text("load_balancing.algorithm.anomaly_mitigation").map(|value| value == "on");
        self.target_group_health = TargetGroupHealth::read(attributes);
        self.rebalance_flows = text("target_failover.on_unhealthy").map(|value| value == "rebalance");
    }

    /// The attributes that differ.
    pub(super) fn attributes(&self, changes: &TargetGroupChanges) -> Vec<TargetGroupAttribute> {
        let sticky = self.stickiness.as_ref();
        let duration = sticky.map(|s| format!("stickiness.{}.duration_seconds", s.kind)).unwrap_or_default();
        let failover = self.rebalance_flows.map(|on| if on { "rebalance" } else { "no_rebalance" }.to_owned());
        let anomalies = self.anomaly_mitigation.map(|on| if on { "on" } else { "off" }.to_owned());
        // Rollback may restore the load balancer's setting.
        let cross_zone = self.cross_zone.map_or_else(|| "use_load_balancer_configuration".to_owned(), |on| on.to_string());
        let health = self.target_group_health.iter().flat_map(TargetGroupHealth::attributes);
        let all = [
            (
                changes.deregistration_delay_seconds,
                "deregistration_delay.timeout_seconds",
                Some(self.deregistration_delay_seconds.to_string()),
            ),
            (changes.slow_start_seconds, "slow_start.duration_seconds", Some(self.slow_start_seconds.to_string())),
            (changes.stickiness, "stickiness.enabled", sticky.map(|s| s.enabled.to_string())),
            (changes.stickiness, "stickiness.type", sticky.map(|s| s.kind.clone())),
            (changes.stickiness, &duration, sticky.and_then(|s| s.duration_seconds).map(|seconds| seconds.to_string())),
            (changes.stickiness, "stickiness.app_cookie.cookie_name", sticky.and_then(|s| s.cookie_name.clone())),
            (changes.cross_zone, "load_balancing.cross_zone.enabled", Some(cross_zone)),
            (changes.anomaly_mitigation, "load_balancing.algorithm.anomaly_mitigation", anomalies),
            (changes.rebalance_flows, "target_failover.on_deregistration", failover.clone()),
            (changes.rebalance_flows, "target_failover.on_unhealthy", failover),
        ];
        let all = all.into_iter().chain(self.as_written(changes));
        let all = all.chain(health.map(|(key, value)| (changes.target_group_health, key, value))).filter(|(differs, ..)| *differs);
        all.filter_map(|(_, key, value)| Some(TargetGroupAttribute::builder().key(key).value(value?).build())).collect()
    }
}
