//! `listener`: a port of a load balancer, and the rules that route its requests to target groups.

mod action;
mod attributes;
mod authenticate;
mod certificate_list;
mod check;
mod client_secret;
mod mutual;
mod preflight;
mod rule;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{Certificate as SdkCertificate, Listener as SdkListener, ProtocolEnum};
use futures::try_join;

pub use action::{FixedResponse, Forward, ListenerAction, Redirect, WeightedTargetGroup};
pub use attributes::{RequestHeaders, ResponseHeaders};
pub use authenticate::{AuthenticateCognito, AuthenticateOidc, NextAction, OnUnauthenticatedRequest};
pub use mutual::{MutualAuthentication, MutualMode};
pub use rule::{ListenerRule, QueryCondition};

use super::{
    certificate::Certificate,
    load_balancer::{LoadBalancer, read_tags},
    target_group::Protocol,
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, ArnRef, Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Problem, Questions,
        Resource, Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// A port of a load balancer.
#[spec]
pub struct Listener {
    /// The load balancer it belongs to.
    #[field(replaces, parent, unique = "port")]
    pub load_balancer: ArnRef<LoadBalancer>,
    /// Port; none for a gateway load balancer.
    #[field(range = 1..=65_535, unique = "port", important, impact = "clients of the old port can't connect", dropped = None)]
    pub port: Option<u16>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP`, `TCP_UDP`, `QUIC` or `TCP_QUIC`; none for a gateway load balancer.
    #[field(important, dropped = None)]
    pub protocol: Option<Protocol>,
    /// Default certificate of an HTTPS or TLS listener, for clients that send no name, or one without a matching certificate.
    #[field(important, dropped = None)]
    pub certificate: Option<ArnRef<Certificate>>,
    /// Additional certificates of an HTTPS or TLS listener, selected by the name a client sends (SNI).
    #[field(default, after_create, own_read)]
    #[field(entry_quota = 25)]
    pub additional_certificates: BTreeSet<ArnRef<Certificate>>,
    /// Policy for the TLS versions and ciphers of an HTTPS or TLS listener.
    #[field(unset = "`ELBSecurityPolicy-TLS13-1-2-2021-06` when it is created", important, dropped = self.new_ssl_policy())]
    pub ssl_policy: Option<String>,
    /// ALPN policy of a TLS listener.
    #[field(one_of = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"], dropped = self.no_alpn())]
    pub alpn: Option<String>,
    /// Certificates of clients, for an HTTPS listener.
    #[field(unset = "clients need no certificate", important, dropped = None)]
    pub mutual_authentication: Option<MutualAuthentication>,
    /// Action for requests that match no rule.
    #[field(important)]
    pub default_action: ListenerAction,
    /// Rules of an application load balancer, or of a dualstack network load balancer, by priority. acme has no regular expressions and no
    /// transforms: it keeps those of a rule that has some.
    #[field(important, default, after_create, own_read)]
    #[field(entry_quota = 100)]
    pub rules: BTreeSet<ListenerRule>,
    /// Headers of responses, for an HTTP or HTTPS listener.
    #[field(default, after_create, own_read)]
    pub response_headers: ResponseHeaders,
    /// Names of the headers in which an HTTPS listener sends properties of the connection to targets.
    #[field(default, after_create, own_read)]
    pub request_headers: RequestHeaders,
    /// Time without packets after which a TCP listener, or a gateway load balancer, ends a connection, in seconds.
    #[field(unset = "AWS's default, 350", range = 60..=6000, after_create = None, own_read, attribute = "tcp.idle_timeout.seconds")]
    #[field(dropped = 350)]
    pub tcp_idle_timeout_seconds: Option<u32>,
    /// Resets the connection at the client after this time. Gateway load balancers only.
    #[field(unset = "AWS's default, false", after_create = None, own_read, attribute = "send_tcp_reset.on_idle_timeout.enabled")]
    #[field(dropped = false)]
    pub tcp_reset_on_idle: Option<bool>,
}

impl Resource for Listener {
    const TYPE: TypeInfo = TypeInfo::new(
        "listener",
        &services::elbv2::SERVICE,
        "{arn}",
        "arn:aws:elasticloadbalancing:{region}:{account}:listener/{family|app}/{hex8}/{hex16}/{hex16}",
    )
    .without_charge("its load balancer costs")
    .not_found("ListenerNotFound")
    .already_exists("DuplicateListener")
    .iam_actions(
        IamActions::new("elasticloadbalancing:listener/*/{parent}/*")
            .list(&[
                "elasticloadbalancing:DescribeListenerAttributes",
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
                "elasticloadbalancing:ModifyListenerAttributes",
                "elasticloadbalancing:RemoveListenerCertificates",
            ])
            .questions(&["elasticloadbalancing:DescribeSSLPolicies"])
            .grants(&[
                IamGrant::change(&["elasticloadbalancing:CreateListener"], GrantTarget::Referenced("load_balancer")),
                // The service reads the client of a user pool with the caller's permissions.
                IamGrant::change(&["cognito-idp:DescribeUserPoolClient"], GrantTarget::NamedByArn("cognito-idp")),
                IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                // Rules have no ownership tags.
                IamGrant::change(
                    &["elasticloadbalancing:DeleteRule", "elasticloadbalancing:ModifyRule"],
                    GrantTarget::Arn("elasticloadbalancing:listener-rule/*/{parent}/*"),
                ),
            ]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all = for_each_concurrent(scope.parent_ids.clone(), |parent| async move {
            let call = aws.elbv2.describe_listeners().load_balancer_arn(parent);
            ok_or_not_found(call.into_paginator().items().send().try_collect().await)
        });
        let all = all.await?.into_iter().flatten().filter_map(|listener| Some((listener.listener_arn.clone()?, listener)));
        let all: Vec<_> = all.collect();
        let tags = read_tags(aws, scope, all.iter().map(|(arn, _)| arn.clone())).await?;
        let own = all.into_iter().filter_map(|(arn, listener)| {
            let tags = tags.get(&arn).filter(|tags| scope.owns(tags))?.clone();
            Some((arn, tags, listener))
        });
        for_each_concurrent(own, |(arn, mut tags, listener)| async move {
            let details = scope.own_reads_to_make::<Self>(&tags);
            let rules = async { if details.rules { rule::read_rules(aws, &arn).await } else { Ok(Vec::new()) } };
            let certificates = async {
                let may_have = details.additional_certificates && is_secure_protocol(listener.protocol.as_ref());
                if may_have { certificate_list::read_certificates(aws, &arn).await } else { Ok(BTreeSet::new()) }
            };
            let settings =
                async { if details.has_attributes() { attributes::read(aws, &arn).await } else { Ok(attributes::Attributes::default()) } };
            let Some((rules, additional_certificates, settings)) = ok_or_not_found(try_join!(rules, certificates, settings))? else {
                return Ok(None);
            };
            let rules = rules.iter().filter_map(ListenerRule::read).collect();
            let spec = Listener { additional_certificates, rules, ..read(listener)? };
            if client_secret::has_some(&spec) {
                tags = client_secret::fetch_tags(aws, &arn).await?;
            }
            let spec = client_secret::apply(spec, &mut tags);
            Ok(Some(Observed::new(arn.clone(), tags, settings.apply(spec), ArnOutput { arn })))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let mut tags = cx.call.tags.clone();
        tags.extend(client_secret::tags_on_create(self));
        let call = cx.elbv2.create_listener().load_balancer_arn(self.load_balancer.get()).set_tags(Some(services::elbv2::to_tags(&tags)));
        let call = call.set_port(self.port.map(Into::into)).set_protocol(self.protocol.map(Protocol::to_sdk));
        let call = call.set_certificates(self.certificates()).set_ssl_policy(self.new_ssl_policy());
        let call = call.set_alpn_policy(self.alpn.clone().map(|policy| vec![policy]));
        let call = call.set_mutual_authentication(self.mutual_authentication.as_ref().map(MutualAuthentication::to_sdk));
        let actions = client_secret::to_sdk(cx.api, &self.default_action, None).await?;
        let reply = call.set_default_actions(Some(actions)).send().await?;
        let listener = reply.listeners.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("Listeners"))?;
        let arn = listener.listener_arn.clone().ok_or_else(|| Error::missing_field("ListenerArn"))?;
        let read = read(listener).map(|read| client_secret::apply(read, &mut tags));
        Ok(Created::from_answer(arn.clone(), read.map(|spec| Observed::new(arn.clone(), tags, spec, ArnOutput { arn }))))
    }

    /// ModifyListener keeps omitted settings. A listener that was not secure has no TLS policy to keep.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: ListenerChanges) -> Result<()> {
        let (id, old, new) = (&live.id, &live.spec.additional_certificates, &self.additional_certificates);
        // Only a secure listener has a list of certificates: it is emptied before the listener stops being one.
        if changes.additional_certificates && !self.is_secure() {
            certificate_list::update(cx.api, id, old, new).await?;
        }
        let ListenerChanges { port, protocol, certificate, ssl_policy, alpn, mutual_authentication, default_action, .. } = changes;
        if port || protocol || certificate || ssl_policy || alpn || mutual_authentication || default_action {
            let call = cx.elbv2.modify_listener().listener_arn(id).set_port(self.port.map(Into::into));
            let call = call.set_protocol(self.protocol.map(Protocol::to_sdk)).set_certificates(self.certificates());
            let policy = if live.spec.ssl_policy.is_none() { self.new_ssl_policy() } else { self.ssl_policy.clone() };
            let call = call.set_ssl_policy(policy).set_alpn_policy(self.alpn.clone().map(|policy| vec![policy]));
            let clients =
                mutual_authentication.then(|| self.mutual_authentication.as_ref().map_or_else(mutual::off, MutualAuthentication::to_sdk));
            let actions = client_secret::to_sdk(cx.api, &self.default_action, Some(&live.spec.default_action)).await?;
            call.set_mutual_authentication(clients).set_default_actions(Some(actions)).send().await?;
        }
        if changes.additional_certificates && self.is_secure() {
            certificate_list::update(cx.api, id, old, new).await?;
        }
        if changes.has_attributes() {
            attributes::update(cx.api, id, &live.spec, self).await?;
        }
        if changes.rules {
            rule::update(cx.api, id, &live.spec.rules, &self.rules).await?;
        }
        if changes.rules || default_action { client_secret::record(cx.api, id, &live.spec, self).await } else { Ok(()) }
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.elbv2.delete_listener().listener_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// Only one load balancer can use a target group.
    fn conflict_groups(&self) -> Vec<String> {
        let actions = std::iter::once(&self.default_action).chain(self.rules.iter().map(|rule| &rule.action));
        let groups: BTreeSet<String> = actions.flat_map(ListenerAction::target_groups).collect();
        groups.into_iter().collect()
    }

    fn conflicts_with(&self, live: &Self) -> bool {
        self.load_balancer != live.load_balancer
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: ListenerChanges) -> Vec<Problem> {
        let policy = self.ssl_policy.as_deref().filter(|_| changes.ssl_policy);
        let Some(policy) = policy else { return Vec::new() };
        preflight::unknown_policy(questions, policy).await.into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.port.is_some() != self.protocol.is_some() {
            problems
                .push(Problem::new(Self::POINTERS.port, "a listener has a port and a protocol, or neither for a gateway load balancer"));
        }
        if self.is_secure() != self.certificate.is_some() {
            problems.push(Problem::new(
                Self::POINTERS.certificate,
                "a listener has a certificate if, and only if, its protocol is HTTPS or TLS",
            ));
        }
        if !self.is_secure() && !self.additional_certificates.is_empty() {
            let problem =
                Problem::new(Self::POINTERS.additional_certificates, "only a listener whose protocol is HTTPS or TLS has certificates");
            problems.push(problem.help("set `protocol` to HTTPS or TLS, with a `certificate`, or leave them out"));
        }
        let rules = self
            .rules
            .iter()
            .enumerate()
            .map(|(at, rule)| (Self::POINTERS.rules.item(at).field(ListenerRule::POINTERS.action), &rule.action));
        let all = rules.chain([(Self::POINTERS.default_action, &self.default_action)]);
        for (at, action) in all {
            problems.extend(action.check(at.clone()));
            problems.extend(check::redirect_loop(self, action, &at));
            if let Some((name, _)) = action.then().filter(|_| self.protocol != Some(Protocol::Https)) {
                let problem = Problem::new(at.item(name), "only HTTPS listeners can authenticate users");
                problems.push(problem.help("set `protocol: HTTPS`, with a `certificate`"));
            }
        }
        problems.extend(self.mutual_authentication.iter().flat_map(|clients| clients.check(self.protocol)));
        problems.extend(attributes::check(self));
        problems.extend(rule::check(&self.rules));
        problems
    }
}

impl Listener {
    fn is_secure(&self) -> bool {
        matches!(self.protocol, Some(Protocol::Https | Protocol::Tls))
    }

    /// TLS policy of a new listener: AWS's default allows older versions of TLS.
    fn new_ssl_policy(&self) -> Option<String> {
        self.ssl_policy.clone().or_else(|| self.is_secure().then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()))
    }

    /// ALPN policy of a TLS listener without one.
    fn no_alpn(&self) -> Option<String> {
        (self.protocol == Some(Protocol::Tls)).then(|| "None".to_owned())
    }

    fn certificates(&self) -> Option<Vec<SdkCertificate>> {
        self.certificate.as_ref().map(|certificate| vec![SdkCertificate::builder().certificate_arn(certificate.get()).build()])
    }
}

/// Whether a listener of this protocol has certificates.
fn is_secure_protocol(protocol: Option<&ProtocolEnum>) -> bool {
    matches!(protocol, Some(ProtocolEnum::Https | ProtocolEnum::Tls))
}

/// A listener without the parts that other calls describe.
fn read(listener: SdkListener) -> Result<Listener> {
    Ok(Listener {
        load_balancer: ArnRef::to(listener.load_balancer_arn.unwrap_or_default()),
        port: listener.port.and_then(|port| port.try_into().ok()),
        protocol: listener.protocol.as_ref().and_then(Protocol::from_sdk),
        certificate: listener.certificates.unwrap_or_default().into_iter().find_map(|c| c.certificate_arn).map(ArnRef::to),
        additional_certificates: BTreeSet::new(),
        ssl_policy: listener.ssl_policy,
        alpn: listener.alpn_policy.unwrap_or_default().into_iter().next(),
        mutual_authentication: MutualAuthentication::read(listener.mutual_authentication.as_ref())?,
        default_action: ListenerAction::read(listener.default_actions.as_deref().unwrap_or_default()),
        rules: BTreeSet::new(),
        response_headers: ResponseHeaders::default(),
        request_headers: RequestHeaders::default(),
        tcp_idle_timeout_seconds: None,
        tcp_reset_on_idle: None,
    })
}
