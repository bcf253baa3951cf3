//! `listener`: a port of a load balancer, and the rules by which its requests find a target group.

mod action;
mod authenticate;
mod certificate_list;
mod rule;

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{Certificate as SdkCertificate, Listener as SdkListener, Rule as SdkRule};
use futures::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use action::{Action, FixedResponse, Forward, Redirect, Share};
pub use authenticate::{AuthenticateCognito, OnUnauthenticatedRequest, Then};
pub use rule::{Query, Rule};

use super::{
    certificate::Certificate,
    load_balancer::{LoadBalancer, tags_of},
    target_group::Protocol,
};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, ArnRef, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// A port of a load balancer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The load balancer it belongs to. Changing it replaces the listener.
    pub load_balancer: ArnRef<LoadBalancer>,
    /// Port; none for a gateway load balancer.
    #[serde(default)]
    pub port: Option<u16>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP` or `TCP_UDP`; none for a gateway load balancer.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Certificate of an HTTPS or TLS listener: the one for clients that ask for no name, or for one that no other has.
    #[serde(default)]
    pub certificate: Option<ArnRef<Certificate>>,
    /// Further certificates of an HTTPS or TLS listener: a client gets the one for the name it asks for (SNI). Default: none.
    #[serde(default)]
    pub additional_certificates: BTreeSet<ArnRef<Certificate>>,
    /// Which TLS versions and ciphers an HTTPS or TLS listener takes. Default when it is made:
    /// `ELBSecurityPolicy-TLS13-1-2-2021-06`.
    #[serde(default)]
    pub ssl_policy: Option<String>,
    /// ALPN policy of a TLS listener, such as `HTTP2Preferred`.
    #[serde(default)]
    pub alpn: Option<String>,
    /// What happens to a request that no rule takes.
    pub default_action: Action,
    /// Rules of an application load balancer, by priority. Default: none.
    #[serde(default)]
    pub rules: BTreeSet<Rule>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for Listener {
    const TYPE: &'static str = "listener";
    const SERVICE: Service = Service::Elbv2;
    const REPLACE: &'static [&'static str] = &["/load_balancer"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/load_balancer", "/port"]];
    const PARENT: Option<&'static str> = Some("load_balancer");
    const ARN: Option<&'static str> = Some("elasticloadbalancing:listener/");
    const DISTURBS: &'static [(&'static str, &'static str)] = &[("/port", "who uses the old port is no longer answered")];
    const ACTIONS: Actions = Actions::on("elasticloadbalancing:listener/*/{parent}/*")
        .list(&[
            "elasticloadbalancing:DescribeListenerCertificates",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
        ])
        .change(&[
            "elasticloadbalancing:AddListenerCertificates",
            "elasticloadbalancing:CreateRule",
            "elasticloadbalancing:DeleteListener",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:RemoveListenerCertificates",
        ])
        .more(&[
            Grant::change(&["elasticloadbalancing:CreateListener"], On::Used("load_balancer")),
            // The service looks at the client of a user pool with the caller's permissions.
            Grant::change(&["cognito-idp:DescribeUserPoolClient"], On::Named("cognito-idp")),
            // Rules carry no marks.
            Grant::change(
                &["elasticloadbalancing:DeleteRule", "elasticloadbalancing:ModifyRule"],
                On::Arn("elasticloadbalancing:listener-rule/*/{parent}/*"),
            ),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all = each(scope.parents.clone(), |parent| async move {
            let call = aws.elbv2.describe_listeners().load_balancer_arn(parent);
            ok_or_not_found(call.into_paginator().items().send().try_collect().await)
        });
        let all = all.await?.into_iter().flatten().filter_map(|listener| Some((listener.listener_arn.clone()?, listener)));
        let all: Vec<_> = all.collect();
        let tags = tags_of(aws, scope, all.iter().map(|(arn, _)| arn.clone())).await?;
        let own = all.into_iter().filter_map(|(arn, listener)| {
            let tags = tags.get(&arn).filter(|tags| scope.owns(tags))?.clone();
            Some((arn, tags, listener))
        });
        each(own, |(arn, tags, listener)| async move {
            let parts = try_join!(rule::read_all(aws, &arn), certificate_list::read_all(aws, &arn, listener.protocol.as_ref()));
            let Some((rules, certificates)) = ok_or_not_found(parts)? else { return Ok(None) };
            let spec = Listener { additional_certificates: certificates, ..Listener::read(listener, &rules) };
            Ok(Some(Observed { id: arn.clone(), tags, phase: Phase::Ready, spec, outputs: Outputs { arn } }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.elbv2.create_listener().load_balancer_arn(self.load_balancer.get()).set_tags(Some(tags::elbv2(cx.tags)));
        let call = call.set_port(self.port.map(Into::into)).set_protocol(self.protocol.map(Protocol::to_sdk));
        let call = call.set_certificates(self.certificates()).set_ssl_policy(self.new_ssl_policy());
        let call =
            call.set_alpn_policy(self.alpn.clone().map(|policy| vec![policy])).set_default_actions(Some(self.default_action.to_sdk()));
        let made = call.send().await?.listeners.unwrap_or_default().into_iter().next();
        made.and_then(|listener| listener.listener_arn).ok_or_else(|| Error::missing("ListenerArn"))
    }

    /// Rules are made, and certificates added, by calls of their own.
    fn created(&self) -> Self {
        Listener { additional_certificates: BTreeSet::new(), rules: BTreeSet::new(), ..self.clone() }
    }

    /// What is not given stays as it is. A listener that was not secure has no policy to stay.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let elb = &cx.aws.elbv2;
        let (old, new) = (&before.additional_certificates, &self.additional_certificates);
        let certificates = changed.has("/additional_certificates");
        if certificates && !self.is_secure() {
            // While it still is: others have no list of certificates.
            certificate_list::update(cx.aws, id, old, new).await?;
        }
        if changed.any(&["/port", "/protocol", "/certificate", "/ssl_policy", "/alpn", "/default_action"]) {
            let call = elb.modify_listener().listener_arn(id).set_port(self.port.map(Into::into));
            let call = call.set_protocol(self.protocol.map(Protocol::to_sdk)).set_certificates(self.certificates());
            let policy = if before.ssl_policy.is_none() { self.new_ssl_policy() } else { self.ssl_policy.clone() };
            let call = call.set_ssl_policy(policy).set_alpn_policy(self.alpn.clone().map(|policy| vec![policy]));
            call.set_default_actions(Some(self.default_action.to_sdk())).send().await?;
        }
        if certificates && self.is_secure() {
            certificate_list::update(cx.aws, id, old, new).await?;
        }
        if changed.has("/rules") {
            rule::update(cx.aws, id, &before.rules, &self.rules).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.elbv2.delete_listener().listener_arn(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.port.is_some() != self.protocol.is_some() {
            problems.push(Problem::new("/port", "a listener has a port and a protocol, or neither for a gateway load balancer"));
        }
        if self.is_secure() != self.certificate.is_some() {
            problems.push(Problem::new("/certificate", "a listener has a certificate if, and only if, it speaks HTTPS or TLS"));
        }
        if !self.is_secure() && !self.additional_certificates.is_empty() {
            let problem = Problem::new("/additional_certificates", "only a listener that speaks HTTPS or TLS has certificates");
            problems.push(problem.help("set `protocol` to HTTPS or TLS, with a `certificate`, or leave them out"));
        }
        let rules = self.rules.iter().enumerate().map(|(at, rule)| (format!("/rules/{at}/action"), &rule.action));
        let all = rules.chain([("/default_action".to_owned(), &self.default_action)]);
        for (at, _) in all.filter(|(_, action)| action.authenticates() && self.protocol != Some(Protocol::Https)) {
            let problem = Problem::new(format!("{at}/authenticate_cognito"), "users sign in at a listener that speaks HTTPS");
            problems.push(problem.help("set `protocol: HTTPS`, with a `certificate`"));
        }
        problems.extend(rule::check(&self.rules));
        problems.extend(self.default_action.check("/default_action"));
        problems
    }
}

impl Listener {
    fn is_secure(&self) -> bool {
        matches!(self.protocol, Some(Protocol::Https | Protocol::Tls))
    }

    /// The policy it begins with: AWS's own default admits older versions of TLS.
    fn new_ssl_policy(&self) -> Option<String> {
        self.ssl_policy.clone().or_else(|| self.is_secure().then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()))
    }

    fn certificates(&self) -> Option<Vec<SdkCertificate>> {
        self.certificate.as_ref().map(|certificate| vec![SdkCertificate::builder().certificate_arn(certificate.get()).build()])
    }

    fn read(listener: SdkListener, rules: &[SdkRule]) -> Listener {
        Listener {
            load_balancer: ArnRef::to(listener.load_balancer_arn.unwrap_or_default()),
            port: listener.port.and_then(|port| port.try_into().ok()),
            protocol: listener.protocol.as_ref().and_then(Protocol::from_sdk),
            additional_certificates: BTreeSet::new(),
            certificate: listener.certificates.unwrap_or_default().into_iter().find_map(|c| c.certificate_arn).map(ArnRef::to),
            ssl_policy: listener.ssl_policy,
            alpn: listener.alpn_policy.unwrap_or_default().into_iter().next(),
            default_action: Action::read(listener.default_actions.as_deref().unwrap_or_default()),
            rules: rules.iter().filter_map(Rule::read).collect(),
        }
    }
}
