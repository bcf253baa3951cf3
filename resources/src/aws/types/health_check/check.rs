//! Rules between the fields of a health check.

use std::net::IpAddr;

use super::{HealthCheck, HealthCheckKind};
use crate::core::Problem;

/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>.
pub(super) fn check(health: &HealthCheck) -> Vec<Problem> {
    let pointers = || HealthCheck::POINTERS;
    let mut problems = Vec::new();
    let http = matches!(health.kind, HealthCheckKind::Http | HealthCheckKind::Https);
    let (endpoint, calculated) = (health.has_endpoint(), health.kind == HealthCheckKind::Calculated);
    let misplaced = [
        (health.domain.is_some() && !endpoint, pointers().domain, "`domain` goes with `http`, `https` and `tcp`"),
        (health.ip_address.is_some() && !endpoint, pointers().ip_address, "`ip_address` goes with `http`, `https` and `tcp`"),
        (health.port.is_some() && !endpoint, pointers().port, "`port` goes with `http`, `https` and `tcp`"),
        (!health.path.is_empty() && !http, pointers().path, "`path` goes with `http` and `https`"),
        (health.search.is_some() && !http, pointers().search, "`search` goes with `http` and `https`"),
        (health.measure_latency && !endpoint, pointers().measure_latency, "`measure_latency` goes with `http`, `https` and `tcp`"),
        (
            health.regions != HealthCheck::default_regions() && !endpoint,
            pointers().regions,
            "`regions` goes with `http`, `https` and `tcp`",
        ),
        (health.interval_seconds != 30 && !endpoint, pointers().interval_seconds, "`interval_seconds` goes with `http`, `https` and `tcp`"),
        (
            health.failure_threshold != 3 && !endpoint,
            pointers().failure_threshold,
            "`failure_threshold` goes with `http`, `https` and `tcp`",
        ),
        (!health.sni && health.kind != HealthCheckKind::Https, pointers().sni, "`sni` goes with `https`"),
        (!health.children.is_empty() && !calculated, pointers().children, "`children` goes with `calculated`"),
        (health.healthy_children > 0 && !calculated, pointers().healthy_children, "`healthy_children` goes with `calculated`"),
        (health.alarm.is_some() && health.kind != HealthCheckKind::Alarm, pointers().alarm, "`alarm` goes with `type: alarm`"),
        (health.alarm.is_none() && health.kind == HealthCheckKind::Alarm, pointers().alarm, "a check of this type needs an `alarm`"),
        (calculated && health.children.is_empty(), pointers().children, "a calculated check needs `children`"),
        (health.kind == HealthCheckKind::Tcp && health.port.is_none(), pointers().port, "a TCP check needs a `port`"),
        (
            endpoint && health.domain.is_none() && health.ip_address.is_none(),
            pointers().domain,
            "a check of an endpoint needs a `domain` or an `ip_address`",
        ),
    ];
    problems.extend(misplaced.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, pointer, message)| Problem::new(pointer, message)));
    if let Some(text) = health.ip_address.as_ref().filter(|text| !text.contains("${")) {
        match text.parse::<IpAddr>() {
            Err(_) => problems.push(Problem::new(pointers().ip_address, format!("`{text}` is not an IP address"))),
            Ok(address) if !is_public(address) => {
                let problem = Problem::new(pointers().ip_address, format!("AWS checks public addresses only, and {text} is none"));
                problems.push(problem.help("use `type: alarm` with an alarm about the private endpoint"));
            }
            Ok(_) => {}
        }
    }
    problems
}

/// Whether an address is reachable from the internet, as far as its range tells: AWS refuses local, private, non-routable and multicast ones.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => {
            let local = matches!(v6.segments()[0] & 0xffc0, 0xfe80) || matches!(v6.segments()[0] & 0xfe00, 0xfc00);
            !(local || v6.is_loopback() || v6.is_multicast() || v6.is_unspecified())
        }
    }
}
