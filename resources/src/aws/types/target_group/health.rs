//! Health of targets: the checks, and the required number of healthy targets.

use std::collections::BTreeMap;

use acme_macros::spec;

use super::{Protocol, TargetGroup};
use crate::core::Problem;

/// Health check of targets.
#[spec]
#[derive(Default)]
pub struct HealthCheck {
    /// Enables the check.
    #[field(unset = "AWS's default: true, false for `lambda`", dropped(inherited))]
    pub enabled: Option<bool>,
    /// Path of the request.
    #[field(unset = "AWS's default: `/`, for GRPC `/AWS.ALB/healthcheck`", length = 1..=1024, dropped(inherited))]
    pub path: Option<String>,
    /// Port, or `traffic-port`.
    #[field(unset = "AWS's default: traffic-port, for GENEVE 80", dropped(inherited))]
    pub port: Option<String>,
    /// `HTTP`, `HTTPS` or `TCP`; not `TCP` where the target group is for HTTP or HTTPS.
    #[field(unset = "AWS's default: HTTP for application, TCP for network and gateway load balancers", dropped(inherited))]
    pub protocol: Option<Protocol>,
    /// Interval between checks, in seconds.
    #[field(unset = "AWS's default: 30, for GENEVE 10, for `lambda` 35", range = 5..=300, dropped(inherited))]
    pub interval_seconds: Option<i32>,
    /// Response timeout, in seconds.
    #[field(unset = "AWS's default: 6 for HTTP, 10 for HTTPS, TCP and TLS, 5 for GENEVE, 30 for `lambda`", range = 2..=120)]
    #[field(dropped(inherited))]
    pub timeout_seconds: Option<i32>,
    /// Consecutive successes that make a target healthy.
    #[field(unset = "AWS's default, 5", range = 2..=10, dropped(inherited))]
    pub healthy_threshold: Option<i32>,
    /// Consecutive failures that make a target unhealthy.
    #[field(unset = "AWS's default: 2, for `lambda` 5", range = 2..=10, dropped(inherited))]
    pub unhealthy_threshold: Option<i32>,
    /// Status codes that count as success, such as `200-299` or `200,204`.
    #[field(unset = "AWS's default: 200 for application, 200-399 for network and gateway load balancers, 12 for GRPC")]
    #[field(dropped(inherited))]
    pub matcher: Option<String>,
}

/// Required number of healthy targets per zone, and the reaction if fewer are healthy.
#[spec]
#[derive(Default)]
pub struct TargetGroupHealth {
    /// Minimum below which the load balancer's DNS name resolves only to other zones.
    #[field(unset = "AWS's default, one target")]
    pub dns_failover: Threshold,
    /// Minimum below which unhealthy targets receive requests, too.
    #[field(unset = "AWS's default, one target")]
    pub unhealthy_state_routing: Threshold,
}

/// A number of healthy targets, a share of them, or both.
#[spec]
#[derive(Default)]
pub struct Threshold {
    /// Number of targets; 0 disables it, except for `unhealthy_state_routing`.
    #[field(unset = "AWS's default, 1", dropped = 1)]
    pub minimum_count: Option<u32>,
    /// Share of the targets, in percent; 0 disables it.
    #[field(unset = "AWS's default, 0", range = 0..=100, dropped = 0)]
    pub minimum_percentage: Option<u32>,
}

const ATTRIBUTE_KEYS: [&str; 4] = [
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
];

/// AWS's value for 0.
const OFF: &str = "off";

impl TargetGroupHealth {
    pub(super) fn read(attributes: &BTreeMap<String, String>) -> Option<TargetGroupHealth> {
        let [count, percentage, routing_count, routing_percentage] =
            ATTRIBUTE_KEYS.map(|key| attributes.get(key).and_then(|value| if value == OFF { Some(0) } else { value.parse().ok() }));
        ATTRIBUTE_KEYS.iter().any(|key| attributes.contains_key(*key)).then_some(TargetGroupHealth {
            dns_failover: Threshold { minimum_count: count, minimum_percentage: percentage },
            unhealthy_state_routing: Threshold { minimum_count: routing_count, minimum_percentage: routing_percentage },
        })
    }

    /// AWS's default.
    pub(super) fn one_target() -> TargetGroupHealth {
        let one = || Threshold { minimum_count: Some(1), minimum_percentage: Some(0) };
        TargetGroupHealth { dns_failover: one(), unhealthy_state_routing: one() }
    }

    /// Keys and values of the attributes.
    pub(super) fn attributes(&self) -> [(&'static str, Option<String>); 4] {
        let text = |value: Option<u32>| value.map(|n| if n == 0 { OFF.to_owned() } else { n.to_string() });
        let (failover, routing) = (&self.dns_failover, &self.unhealthy_state_routing);
        let values = [failover.minimum_count, failover.minimum_percentage, routing.minimum_count, routing.minimum_percentage];
        let mut values = values.into_iter().map(text);
        ATTRIBUTE_KEYS.map(|key| (key, values.next().flatten()))
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.unhealthy_state_routing.minimum_count == Some(0) {
            let problem = Problem::new(
                TargetGroup::POINTERS
                    .target_group_health
                    .field(Self::POINTERS.unhealthy_state_routing)
                    .field(Threshold::POINTERS.minimum_count),
                "at least one target must be healthy",
            );
            problems.push(problem.help("remove it, or set 1"));
        }
        problems
    }
}
