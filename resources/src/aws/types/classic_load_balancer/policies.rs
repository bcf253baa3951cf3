//! Policies of listeners and instance ports. They can't change, so their names contain their settings.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::types::{ListenerDescription, LoadBalancerDescription, PolicyAttribute};

use super::{
    super::prelude::*,
    ClassicListener,
    listener::{DEFAULT_TLS_POLICY, ListenerStickiness},
};
use crate::core::ErrorKind;

const TLS_TYPE: &str = "SSLNegotiationPolicyType";
const TLS_ATTRIBUTE: &str = "Reference-Security-Policy";
const PROXY_TYPE: &str = "ProxyProtocolPolicyType";
const PROXY_ATTRIBUTE: &str = "ProxyProtocol";
const PROXY_POLICY: &str = "acme-proxy-protocol";

/// An earlier attempt, or another listener, may have made the policy.
fn exists<T>(answer: Result<T>) -> Result<()> {
    match answer {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Makes the policies of a listener, and sets them.
pub(super) async fn set(cx: &Cx<'_>, id: &str, listener: &ClassicListener, live: Option<&ClassicListener>) -> Result<()> {
    let mut names = Vec::new();
    if listener.protocol.has_tls() {
        let policy = listener.tls_policy.as_deref().unwrap_or(DEFAULT_TLS_POLICY);
        let name = format!("acme-{policy}");
        let attribute = PolicyAttribute::builder().attribute_name(TLS_ATTRIBUTE).attribute_value(policy).build();
        let call = cx.elb.create_load_balancer_policy().load_balancer_name(id).policy_name(&name).policy_type_name(TLS_TYPE);
        exists(call.policy_attributes(attribute).send().await.map_err(Error::from))?;
        names.push(name);
    }
    if let Some(stickiness) = &listener.stickiness {
        let name = stickiness.policy_name();
        match &stickiness.cookie_name {
            Some(cookie) => {
                let call = cx.elb.create_app_cookie_stickiness_policy().load_balancer_name(id).policy_name(&name).cookie_name(cookie);
                exists(call.send().await.map_err(Error::from))?;
            }
            None => {
                let seconds = Some(stickiness.duration_seconds).filter(|seconds| *seconds > 0);
                let call = cx.elb.create_lb_cookie_stickiness_policy().load_balancer_name(id).policy_name(&name);
                exists(call.set_cookie_expiration_period(seconds).send().await.map_err(Error::from))?;
            }
        }
        names.push(name);
    }
    let has_some = live.is_some_and(|live| live.stickiness.is_some() || live.tls_policy.is_some());
    if !names.is_empty() || has_some {
        let call = cx.elb.set_load_balancer_policies_of_listener().load_balancer_name(id).load_balancer_port(listener.port);
        call.set_policy_names(Some(names)).send().await?;
    }
    Ok(())
}

/// Instance ports with the proxy protocol.
fn ports(listeners: &BTreeSet<ClassicListener>) -> BTreeSet<i32> {
    listeners.iter().filter(|listener| listener.proxy_protocol).map(|listener| listener.instance_port).collect()
}

pub(super) async fn set_proxy_protocol(
    cx: &Cx<'_>,
    id: &str,
    before: &BTreeSet<ClassicListener>,
    after: &BTreeSet<ClassicListener>,
) -> Result<()> {
    let (had, wanted) = (ports(before), ports(after));
    if wanted.difference(&had).next().is_some() {
        let attribute = PolicyAttribute::builder().attribute_name(PROXY_ATTRIBUTE).attribute_value("true").build();
        let call = cx.elb.create_load_balancer_policy().load_balancer_name(id).policy_name(PROXY_POLICY).policy_type_name(PROXY_TYPE);
        exists(call.policy_attributes(attribute).send().await.map_err(Error::from))?;
    }
    // A port that has left took its policies with it.
    let remains = |port: &i32| after.iter().any(|listener| listener.instance_port == *port);
    let leaving = had.difference(&wanted).filter(|port| remains(port)).map(|port| (port, Vec::new()));
    for (port, names) in wanted.difference(&had).map(|port| (port, vec![PROXY_POLICY.to_owned()])).chain(leaving) {
        let call = cx.elb.set_load_balancer_policies_for_backend_server().load_balancer_name(id).instance_port(*port);
        call.set_policy_names(Some(names)).send().await?;
    }
    Ok(())
}

impl ListenerStickiness {
    /// Letters, digits and hyphens.
    fn policy_name(&self) -> String {
        match &self.cookie_name {
            Some(cookie) => {
                let plain: String = cookie.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                let digits: u64 = cookie.bytes().fold(5381, |hash: u64, byte| hash.wrapping_mul(33) ^ u64::from(byte));
                format!("acme-app-cookie-{plain}-{digits:x}")
            }
            None => format!("acme-lb-cookie-{}", self.duration_seconds),
        }
    }
}

/// Policies by their names.
#[derive(Default)]
pub(super) struct KnownPolicies {
    stickiness: BTreeMap<String, ListenerStickiness>,
    tls: BTreeMap<String, String>,
    proxy_ports: BTreeSet<i32>,
}

impl KnownPolicies {
    /// Policies of TLS and of the proxy protocol need a call of their own.
    pub async fn read(aws: &Aws, id: &str, balancer: &LoadBalancerDescription) -> Result<KnownPolicies> {
        let mut known = KnownPolicies::default();
        let policies = balancer.policies();
        for policy in policies.map(|policies| policies.lb_cookie_stickiness_policies()).unwrap_or_default() {
            let duration_seconds = policy.cookie_expiration_period.unwrap_or_default();
            let stickiness = ListenerStickiness { duration_seconds, cookie_name: None };
            known.stickiness.extend(policy.policy_name.clone().map(|name| (name, stickiness)));
        }
        for policy in policies.map(|policies| policies.app_cookie_stickiness_policies()).unwrap_or_default() {
            let stickiness = ListenerStickiness { duration_seconds: 0, cookie_name: policy.cookie_name.clone() };
            known.stickiness.extend(policy.policy_name.clone().map(|name| (name, stickiness)));
        }
        let in_use = balancer.listener_descriptions().iter().flat_map(ListenerDescription::policy_names);
        let has_others = in_use.clone().any(|name| !known.stickiness.contains_key(name));
        if !has_others && balancer.backend_server_descriptions().is_empty() {
            return Ok(known);
        }
        let Some(reply) = ok_or_not_found(aws.elb.describe_load_balancer_policies().load_balancer_name(id).send().await)? else {
            return Ok(known);
        };
        let mut proxies = BTreeSet::new();
        for policy in reply.policy_descriptions.unwrap_or_default() {
            let Some(name) = policy.policy_name else { continue };
            let attributes = policy.policy_attribute_descriptions.unwrap_or_default();
            let attribute = |wanted: &str| {
                attributes.iter().find(|one| one.attribute_name() == Some(wanted)).and_then(|one| one.attribute_value.clone())
            };
            match policy.policy_type_name.as_deref() {
                // A policy of AWS has its own name, and a custom one is another.
                Some(TLS_TYPE) => drop(known.tls.insert(name.clone(), attribute(TLS_ATTRIBUTE).unwrap_or(name))),
                Some(PROXY_TYPE) if attribute(PROXY_ATTRIBUTE).as_deref() == Some("true") => drop(proxies.insert(name)),
                _ => {}
            }
        }
        let servers = balancer.backend_server_descriptions().iter();
        let proxied = servers.filter(|server| server.policy_names().iter().any(|name| proxies.contains(name)));
        known.proxy_ports = proxied.filter_map(|server| server.instance_port).collect();
        Ok(known)
    }

    pub fn apply(&self, listener: ClassicListener, names: &[String]) -> ClassicListener {
        ClassicListener {
            tls_policy: names.iter().find_map(|name| self.tls.get(name).cloned()),
            stickiness: names.iter().find_map(|name| self.stickiness.get(name).cloned()),
            proxy_protocol: self.proxy_ports.contains(&listener.instance_port),
            ..listener
        }
    }
}
