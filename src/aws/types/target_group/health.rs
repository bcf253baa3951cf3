//! How many targets have to be healthy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::Problem;

/// How many targets of a zone have to be healthy, and what happens when fewer are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroupHealth {
    /// Below it the load balancer's DNS name leads to other zones. AWS's default: 1 target.
    #[serde(default)]
    pub dns_failover: Threshold,
    /// Below it requests go to unhealthy targets, too. AWS's default: 1 target.
    #[serde(default)]
    pub unhealthy_state_routing: Threshold,
}

/// How many targets have to be healthy: by number, by share, or both.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Their number; 0 where it does not matter, which `unhealthy_state_routing` does not know. AWS's default: 1.
    #[serde(default)]
    pub minimum_count: Option<u32>,
    /// Their share in percent; 0 where it does not matter. AWS's default: 0.
    #[serde(default)]
    pub minimum_percentage: Option<u32>,
}

const KEYS: [&str; 4] = [
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
];

/// What AWS says for 0.
const OFF: &str = "off";

impl TargetGroupHealth {
    pub(super) fn read(attributes: &BTreeMap<String, String>) -> Option<TargetGroupHealth> {
        let [count, percentage, routing_count, routing_percentage] =
            KEYS.map(|key| attributes.get(key).and_then(|value| if value == OFF { Some(0) } else { value.parse().ok() }));
        KEYS.iter().any(|key| attributes.contains_key(*key)).then_some(TargetGroupHealth {
            dns_failover: Threshold { minimum_count: count, minimum_percentage: percentage },
            unhealthy_state_routing: Threshold { minimum_count: routing_count, minimum_percentage: routing_percentage },
        })
    }

    /// Keys and values of the attributes.
    pub(super) fn attributes(&self) -> [(&'static str, Option<String>); 4] {
        let text = |value: Option<u32>| value.map(|n| if n == 0 { OFF.to_owned() } else { n.to_string() });
        let (failover, routing) = (&self.dns_failover, &self.unhealthy_state_routing);
        let values = [failover.minimum_count, failover.minimum_percentage, routing.minimum_count, routing.minimum_percentage];
        let mut values = values.into_iter().map(text);
        KEYS.map(|key| (key, values.next().flatten()))
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (at, threshold) in [("dns_failover", &self.dns_failover), ("unhealthy_state_routing", &self.unhealthy_state_routing)] {
            if threshold.minimum_percentage.is_some_and(|share| share > 100) {
                problems
                    .push(Problem::new(format!("/target_group_health/{at}/minimum_percentage"), "a share is between 0 and 100 percent"));
            }
        }
        if self.unhealthy_state_routing.minimum_count == Some(0) {
            let problem =
                Problem::new("/target_group_health/unhealthy_state_routing/minimum_count", "at least one target has to be healthy");
            problems.push(problem.help("leave it out, or set 1"));
        }
        problems
    }
}
