//! Settings that ModifyTargetGroupAttributes changes.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::TargetGroupAttribute;

use super::{TargetGroup, TargetGroupChanges, TargetGroupHealth};
use crate::core::attributes::{changed_attributes, with_attributes};

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
    #[field(unset = "AWS's default, 86400", range = 1..=604_800, dropped = 86_400)]
    pub duration_seconds: Option<u32>,
    /// Name of the application's cookie. Required for `app_cookie`.
    #[field(dropped(kept, "without `app_cookie` it has no effect"))]
    pub cookie_name: Option<String>,
}

impl TargetGroup {
    pub(super) fn with_attributes(self, attributes: &BTreeMap<String, String>) -> TargetGroup {
        let text = |key: &str| attributes.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let mut this = with_attributes(self, text);
        this.stickiness = text("stickiness.type").map(|kind| Stickiness {
            enabled: text("stickiness.enabled") == Some("true"),
            duration_seconds: text(&format!("stickiness.{kind}.duration_seconds")).and_then(|seconds| seconds.parse().ok()),
            cookie_name: text("stickiness.app_cookie.cookie_name").map(str::to_owned),
            kind: kind.to_owned(),
        });
        // `None` for `use_load_balancer_configuration`.
        this.cross_zone = text("load_balancing.cross_zone.enabled").and_then(|value| value.parse().ok());
        this.anomaly_mitigation = text("load_balancing.algorithm.anomaly_mitigation").map(|value| value == "on");
        this.target_group_health = TargetGroupHealth::read(attributes);
        this.rebalance_flows = text("target_failover.on_unhealthy").map(|value| value == "rebalance");
        this
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
            (changes.stickiness, "stickiness.enabled", sticky.map(|s| s.enabled.to_string())),
            (changes.stickiness, "stickiness.type", sticky.map(|s| s.kind.clone())),
            (changes.stickiness, &duration, sticky.and_then(|s| s.duration_seconds).map(|seconds| seconds.to_string())),
            (changes.stickiness, "stickiness.app_cookie.cookie_name", sticky.and_then(|s| s.cookie_name.clone())),
            (changes.cross_zone, "load_balancing.cross_zone.enabled", Some(cross_zone)),
            (changes.anomaly_mitigation, "load_balancing.algorithm.anomaly_mitigation", anomalies),
            (changes.rebalance_flows, "target_failover.on_deregistration", failover.clone()),
            (changes.rebalance_flows, "target_failover.on_unhealthy", failover),
        ];
        let same = changed_attributes(self, changes).into_iter().map(|(key, value)| (true, key, Some(value)));
        let all = all.into_iter().chain(same);
        let all = all.chain(health.map(|(key, value)| (changes.target_group_health, key, value))).filter(|(differs, ..)| *differs);
        all.filter_map(|(_, key, value)| Some(TargetGroupAttribute::builder().key(key).value(value?).build())).collect()
    }
}
