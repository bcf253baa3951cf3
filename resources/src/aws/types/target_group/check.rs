//! Rules between the fields of a target group.
//!
//! Sources: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>.

use super::{HealthCheck, Protocol, Stickiness, TargetGroup, TargetGroupHealth, TargetType, targets};
use crate::core::Problem;

/// The only port for GENEVE.
const GENEVE_PORT: u16 = 6081;

/// Type of load balancer for a target group, derived from its targets and protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Balancer {
    Application,
    Functions,
    Network,
    Gateway,
}

impl Balancer {
    fn of(group: &TargetGroup) -> Balancer {
        match (group.target_type, group.protocol) {
            (TargetType::Lambda, _) => Balancer::Functions,
            (_, Some(Protocol::Http | Protocol::Https)) => Balancer::Application,
            (_, Some(Protocol::Geneve)) => Balancer::Gateway,
            _ => Balancer::Network,
        }
    }
}

pub(super) fn check(group: &TargetGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lambda = group.target_type == TargetType::Lambda;
    let at = TargetGroup::POINTERS;
    let given = [(at.port, group.port.is_some()), (at.protocol, group.protocol.is_some()), (at.vpc, group.vpc.is_some())];
    for (at, _) in given.into_iter().filter(|(_, given)| *given == lambda) {
        let message = if lambda { "a target group of functions has none" } else { "a target group needs this, unless its type is lambda" };
        problems.push(Problem::new(at, message));
    }
    if group.target_type == TargetType::Alb && group.protocol.is_some_and(|protocol| protocol != Protocol::Tcp) {
        problems.push(Problem::new(TargetGroup::POINTERS.protocol, "a target group of type `alb` requires TCP"));
    }
    if group.protocol == Some(Protocol::Geneve) && group.port.is_some_and(|port| port != GENEVE_PORT) {
        problems.push(Problem::new(TargetGroup::POINTERS.port, format!("the port of GENEVE is {GENEVE_PORT}")));
    }
    if (1..30).contains(&group.slow_start_seconds) {
        problems.push(Problem::new(TargetGroup::POINTERS.slow_start_seconds, "must be between 30 and 900 seconds, or 0 for no slow start"));
    }
    if group.stickiness.as_ref().is_some_and(|s| s.enabled && s.kind == "app_cookie" && s.cookie_name.is_none()) {
        problems.push(Problem::new(
            TargetGroup::POINTERS.stickiness.field(Stickiness::POINTERS.cookie_name),
            "stickiness by the application's cookie needs its name",
        ));
    }
    if group.anomaly_mitigation == Some(true) && group.algorithm.as_deref() != Some("weighted_random") {
        let problem = Problem::new(TargetGroup::POINTERS.anomaly_mitigation, "only the algorithm `weighted_random` mitigates anomalies");
        problems.push(problem.help("set `algorithm: weighted_random`"));
    }
    if group.unhealthy_draining_seconds.is_some_and(|seconds| seconds > 0) && group.unhealthy_connection_termination != Some(false) {
        let problem = Problem::new(
            TargetGroup::POINTERS.unhealthy_draining_seconds,
            "has no effect while `unhealthy_connection_termination` is true",
        );
        problems.push(problem.help("set `unhealthy_connection_termination: false`"));
    }
    if matches!(group.protocol, Some(Protocol::Udp | Protocol::TcpUdp)) {
        if group.preserve_client_ip == Some(false) {
            problems
                .push(Problem::new(TargetGroup::POINTERS.preserve_client_ip, "targets of UDP and TCP_UDP always get the client's address"));
        }
        if group.unhealthy_connection_termination == Some(true) {
            let message = "connections of UDP and TCP_UDP to an unhealthy target can't be closed";
            problems.push(Problem::new(TargetGroup::POINTERS.unhealthy_connection_termination, message));
        }
    }
    problems.extend(misplaced_attributes(group));
    problems.extend(health_check(group));
    problems.extend(group.target_group_health.iter().flat_map(TargetGroupHealth::check));
    problems.extend(targets::check(group));
    problems
}

/// Attributes that the load balancer does not have.
fn misplaced_attributes(group: &TargetGroup) -> Vec<Problem> {
    let balancer = Balancer::of(group);
    let (application, functions, network, gateway) = (
        ("only for application load balancers", [Balancer::Application].as_slice()),
        ("only for target groups of functions", [Balancer::Functions].as_slice()),
        ("only for network load balancers", [Balancer::Network].as_slice()),
        ("only for gateway load balancers", [Balancer::Gateway].as_slice()),
    );
    let not_gateway =
        ("only for application and network load balancers, and not for functions", [Balancer::Application, Balancer::Network].as_slice());
    let not_functions = ("not for target groups of functions", [Balancer::Application, Balancer::Network, Balancer::Gateway].as_slice());
    let attributes = [
        (TargetGroup::POINTERS.algorithm, group.algorithm.is_some(), application),
        (TargetGroup::POINTERS.anomaly_mitigation, group.anomaly_mitigation.is_some(), application),
        (TargetGroup::POINTERS.slow_start_seconds, group.slow_start_seconds > 0, application),
        (TargetGroup::POINTERS.multi_value_headers, group.multi_value_headers.is_some(), functions),
        (TargetGroup::POINTERS.rebalance_flows, group.rebalance_flows.is_some(), gateway),
        (TargetGroup::POINTERS.preserve_client_ip, group.preserve_client_ip.is_some(), network),
        (TargetGroup::POINTERS.proxy_protocol_v2, group.proxy_protocol_v2.is_some(), network),
        (TargetGroup::POINTERS.connection_termination, group.connection_termination.is_some(), network),
        (TargetGroup::POINTERS.unhealthy_connection_termination, group.unhealthy_connection_termination.is_some(), network),
        (TargetGroup::POINTERS.unhealthy_draining_seconds, group.unhealthy_draining_seconds.is_some(), network),
        (TargetGroup::POINTERS.cross_zone, group.cross_zone.is_some(), not_gateway),
        (TargetGroup::POINTERS.target_group_health, group.target_group_health.is_some(), not_gateway),
        (
            TargetGroup::POINTERS.deregistration_delay_seconds,
            group.deregistration_delay_seconds != TargetGroup::default_deregistration_delay_seconds(),
            not_functions,
        ),
    ];
    let misplaced = attributes.into_iter().filter(|(_, set, (_, balancers))| *set && !balancers.contains(&balancer));
    let mut problems: Vec<Problem> = misplaced.map(|(at, _, (message, _))| Problem::new(at, message)).collect();
    let kinds: &[&str] = match balancer {
        Balancer::Application | Balancer::Functions => &["lb_cookie", "app_cookie"],
        Balancer::Network => &["source_ip"],
        Balancer::Gateway => &["source_ip_dest_ip", "source_ip_dest_ip_proto"],
    };
    if let Some(other) = group.stickiness.as_ref().map(|stickiness| stickiness.kind.as_str()).filter(|kind| !kinds.contains(kind)) {
        let problem = Problem::new(
            TargetGroup::POINTERS.stickiness.field(Stickiness::POINTERS.kind),
            format!("the load balancer of this target group does not support `{other}`"),
        );
        problems.push(problem.help(format!("write `{}`", kinds.join("` or `"))));
    }
    problems
}

fn health_check(group: &TargetGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    let check = &group.health_check;
    match check.protocol {
        None | Some(Protocol::Http | Protocol::Https) => {}
        Some(Protocol::Tcp) if Balancer::of(group) != Balancer::Application => {}
        Some(Protocol::Tcp) => {
            problems.push(Problem::new(
                TargetGroup::POINTERS.health_check.field(HealthCheck::POINTERS.protocol),
                "health checks of HTTP and HTTPS targets use HTTP or HTTPS",
            ));
        }
        Some(_) => problems.push(Problem::new(
            TargetGroup::POINTERS.health_check.field(HealthCheck::POINTERS.protocol),
            "health checks use HTTP, HTTPS or TCP",
        )),
    }
    if check.enabled == Some(false) && group.target_type != TargetType::Lambda {
        problems.push(Problem::new(
            TargetGroup::POINTERS.health_check.field(HealthCheck::POINTERS.enabled),
            "only health checks of `lambda` can be disabled",
        ));
    }
    let at = |field| TargetGroup::POINTERS.health_check.field(field);
    if let Some(path) = check.path.as_ref().filter(|path| !path.starts_with('/') && !path.contains("${")) {
        let problem = Problem::new(at(HealthCheck::POINTERS.path), format!("the path `{path}` does not begin with `/`"));
        problems.push(problem.help(format!("write `/{path}`")));
    }
    if let (Some(timeout), Some(interval)) = (check.timeout_seconds, check.interval_seconds)
        && timeout >= interval
    {
        problems.push(Problem::new(at(HealthCheck::POINTERS.timeout_seconds), format!("must be less than `interval_seconds: {interval}`")));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(fields: &Value) -> Vec<String> {
        let group: TargetGroup = serde_json::from_value(fields.clone()).unwrap_or_else(|error| panic!("{fields}: {error}"));
        check(&group).into_iter().map(|problem| problem.pointer).collect()
    }

    /// A target group of this protocol with these fields.
    fn group(protocol: &str, fields: Value) -> Value {
        let mut group = json!({ "vpc": "vpc-1", "port": 80, "protocol": protocol });
        if protocol == "lambda" {
            group = json!({ "target_type": "lambda" });
        }
        let Value::Object(fields) = fields else { panic!("an object") };
        group.as_object_mut().expect("an object").extend(fields);
        group
    }

    #[test]
    fn accepts_what_the_load_balancer_has() {
        let accepted = [
            group(
                "HTTP",
                json!({ "algorithm": "weighted_random", "anomaly_mitigation": true, "slow_start_seconds": 30, "cross_zone": true }),
            ),
            group("HTTPS", json!({ "stickiness": { "type": "lb_cookie" }, "health_check": { "protocol": "HTTP" } })),
            group("TCP", json!({ "preserve_client_ip": false, "proxy_protocol_v2": true, "stickiness": { "type": "source_ip" } })),
            group("TCP_QUIC", json!({ "health_check": { "protocol": "TCP" }, "connection_termination": true })),
            group("UDP", json!({ "preserve_client_ip": true, "unhealthy_connection_termination": false })),
            group("GENEVE", json!({ "port": 6081, "rebalance_flows": true, "stickiness": { "type": "source_ip_dest_ip" } })),
            group("lambda", json!({ "multi_value_headers": true, "health_check": { "enabled": false } })),
        ];
        for fields in accepted {
            assert_eq!(problems(&fields), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_what_the_load_balancer_does_not_have() {
        let refused = [
            (group("TCP", json!({ "algorithm": "round_robin" })), "/algorithm"),
            (group("lambda", json!({ "algorithm": "round_robin" })), "/algorithm"),
            (group("TCP", json!({ "slow_start_seconds": 30 })), "/slow_start_seconds"),
            (group("HTTP", json!({ "preserve_client_ip": true })), "/preserve_client_ip"),
            (group("HTTP", json!({ "proxy_protocol_v2": true })), "/proxy_protocol_v2"),
            (group("HTTP", json!({ "rebalance_flows": true })), "/rebalance_flows"),
            (group("HTTP", json!({ "multi_value_headers": true })), "/multi_value_headers"),
            (group("HTTP", json!({ "connection_termination": true })), "/connection_termination"),
            (group("GENEVE", json!({ "port": 6081, "cross_zone": true })), "/cross_zone"),
            (group("GENEVE", json!({ "port": 6081, "target_group_health": {} })), "/target_group_health"),
            (group("GENEVE", json!({ "port": 80 })), "/port"),
            (group("lambda", json!({ "deregistration_delay_seconds": 60 })), "/deregistration_delay_seconds"),
            (group("HTTP", json!({ "stickiness": { "type": "source_ip" } })), "/stickiness/type"),
            (group("TCP", json!({ "stickiness": { "type": "lb_cookie" } })), "/stickiness/type"),
            (group("HTTP", json!({ "health_check": { "protocol": "TCP" } })), "/health_check/protocol"),
            (group("UDP", json!({ "health_check": { "protocol": "UDP" } })), "/health_check/protocol"),
            (group("HTTP", json!({ "health_check": { "enabled": false } })), "/health_check/enabled"),
            (group("UDP", json!({ "preserve_client_ip": false })), "/preserve_client_ip"),
            (group("TCP_UDP", json!({ "unhealthy_connection_termination": true })), "/unhealthy_connection_termination"),
        ];
        for (fields, at) in refused {
            assert_eq!(problems(&fields), [at], "{fields}");
        }
    }
}
