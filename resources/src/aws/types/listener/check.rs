//! Rules between a listener, its load balancer and its target groups.
//!
//! Sources: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html>.

use super::{
    Listener, Protocol,
    action::{Forward, ListenerAction, Redirect, WeightedTargetGroup},
    authenticate::NextAction,
};
use crate::{
    aws::{to_aws, types::load_balancer::LoadBalancerType},
    core::{Declared, Pointer, Problem},
};

pub(super) fn check_declared(declared: &Declared<'_, Listener>) -> Vec<Problem> {
    let Some(listener) = declared.spec() else { return Vec::new() };
    let Some(protocol) = listener.protocol else { return Vec::new() };
    let mut problems = Vec::new();
    if let Some((address, balancer)) = declared.referenced(&listener.load_balancer) {
        let (fits, name, protocols) = match balancer.kind {
            LoadBalancerType::Application => (is_web(protocol), "an application", "HTTP or HTTPS"),
            LoadBalancerType::Network => (!is_web(protocol) && protocol != Protocol::Geneve, "a network", "TCP, TLS, UDP or TCP_UDP"),
            LoadBalancerType::Gateway => (false, "a gateway", "no protocol"),
        };
        if !fits {
            let message = format!("`{address}` is {name} load balancer, whose listeners have {protocols}, not {}", to_aws(&protocol));
            problems.push(Problem::new(Listener::POINTERS.protocol, message).help("change the protocol, or the type of the load balancer"));
        }
    }
    let actions = listener.rules.iter().map(|rule| (Listener::POINTERS.rules, &rule.action));
    for (at, action) in actions.chain([(Listener::POINTERS.default_action, &listener.default_action)]) {
        for share in target_groups(action) {
            let Some((address, group)) = declared.referenced(&share.target_group) else { continue };
            if let Some(theirs) = group.protocol.filter(|theirs| !accepts(protocol, *theirs)) {
                let message = format!("a listener for {} can't forward to `{address}` ({})", to_aws(&protocol), to_aws(&theirs));
                problems.push(Problem::new(at.clone(), message).help("use a target group with a protocol that fits"));
            }
        }
    }
    problems
}

/// AWS rejects a redirect to the URL of the request.
pub(super) fn redirect_loop(listener: &Listener, action: &ListenerAction, at: &Pointer) -> Option<Problem> {
    let to = match (action, action.then()) {
        (ListenerAction::Redirect(to), _) | (_, Some((_, NextAction::Redirect(to)))) => to,
        _ => return None,
    };
    let request = Redirect::default();
    let same = request.host == to.host
        && request.path == to.path
        && request.query == to.query
        && (to.protocol == request.protocol || listener.protocol.is_some_and(|protocol| to_aws(&protocol) == to.protocol))
        && (to.port == request.port || listener.port.is_some_and(|port| port.to_string() == to.port));
    let problem = || Problem::new(at.clone(), "this redirect leads to the same address again");
    same.then(|| problem().help("set another `protocol`, `port`, `host`, `path` or `query`"))
}

fn target_groups(action: &ListenerAction) -> impl Iterator<Item = &WeightedTargetGroup> {
    let forward: Option<&Forward> = match (action, action.then()) {
        (ListenerAction::Forward(forward), _) | (_, Some((_, NextAction::Forward(forward)))) => Some(forward),
        _ => None,
    };
    forward.into_iter().flat_map(|forward| &forward.target_groups)
}

fn is_web(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http | Protocol::Https)
}

/// Whether a listener of this protocol forwards to targets of that one.
fn accepts(listener: Protocol, targets: Protocol) -> bool {
    match listener {
        Protocol::Http | Protocol::Https => is_web(targets),
        Protocol::Tcp => matches!(targets, Protocol::Tcp | Protocol::TcpUdp),
        Protocol::Tls => matches!(targets, Protocol::Tcp | Protocol::Tls),
        Protocol::Udp => matches!(targets, Protocol::Udp | Protocol::TcpUdp),
        other => targets == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_redirects_to_the_same_address() {
        let cases = [
            (json!({}), true),
            (json!({ "protocol": "HTTP" }), true),
            (json!({ "port": "80" }), true),
            (json!({ "protocol": "HTTPS" }), false),
            (json!({ "port": "8080" }), false),
            (json!({ "path": "/new" }), false),
            (json!({ "host": "www.example.com" }), false),
        ];
        for (redirect, expected) in cases {
            let spec =
                json!({ "load_balancer": { "arn": "a" }, "port": 80, "protocol": "HTTP", "default_action": { "redirect": redirect } });
            let listener: Listener = serde_json::from_value(spec).expect("a listener");
            assert_eq!(redirect_loop(&listener, &listener.default_action, &Pointer::ROOT).is_some(), expected, "{redirect}");
        }
    }
}
