//! `target_group`: targets of a listener, with their health checks.

mod attributes;
mod check;
mod health;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as SdkTargetGroup, TargetGroupIpAddressTypeEnum, TargetTypeEnum,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attributes::Stickiness;
pub use health::{HealthCheck, TargetGroupHealth, Threshold};
pub use targets::Target;

use super::{load_balancer::read_tags, vpc::Vpc};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        Created, Deletion, Error, Existing, IamActions, Observed, Phase, Problem, Ref, Resource, Result, Scope, Spec, Tags, TypeInfo,
        ok_or_not_found,
    },
};

/// A target group.
#[spec]
#[derive(Default)]
pub struct TargetGroup {
    /// Physical name of letters, digits and hyphens, without a hyphen at either end.
    #[field(name(max = 32), pattern = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", replaces)]
    pub name: Option<String>,
    /// Type of its targets: `instance`, `ip`, `lambda` or `alb`.
    #[field(default = TargetType::Instance, replaces)]
    pub target_type: TargetType,
    /// Port of the targets: 6081 for `GENEVE`, none for `lambda`.
    #[field(replaces, range = 1..=65_535, important, dropped = None)]
    pub port: Option<u16>,
    /// `HTTP` or `HTTPS` for an application load balancer, `TCP`, `TLS`, `UDP`, `TCP_UDP`, `QUIC` or `TCP_QUIC` for a network load
    /// balancer, `GENEVE` for a gateway load balancer; none for `lambda`.
    #[field(replaces, important, dropped = None)]
    pub protocol: Option<Protocol>,
    /// Version of the protocol.
    #[field(unset = "AWS's default, HTTP1 for HTTP and HTTPS", one_of = ["HTTP1", "HTTP2", "GRPC"], replaces)]
    #[field(dropped = self.is_http().then(|| "HTTP1".to_owned()))]
    pub protocol_version: Option<String>,
    /// VPC of the targets; none for `lambda`.
    #[field(replaces, dropped = None)]
    pub vpc: Option<Ref<Vpc>>,
    /// IP address type of the targets.
    #[field(unset = "AWS's default, ipv4", one_of = ["ipv4", "ipv6"], replaces, dropped = "ipv4")]
    pub ip_address_type: Option<String>,
    /// Health check of the targets.
    #[field(unset = "AWS's defaults", dropped = self.default_health_check())]
    pub health_check: HealthCheck,
    /// Deregistration delay: time for requests in progress when a target is removed, in seconds. Not for `lambda`.
    #[field(default = 300, range = 0..=3600, after_create, attribute = "deregistration_delay.timeout_seconds")]
    pub deregistration_delay_seconds: u32,
    /// Slow start: time during which a new target's share of requests increases, in seconds, from 30; 0 disables it.
    /// Application load balancers only.
    #[field(default = 0, range = 0..=900, after_create, attribute = "slow_start.duration_seconds")]
    pub slow_start_seconds: u32,
    /// Stickiness: sends a client to the same target again.
    #[field(unset = "AWS's default, off", after_create, dropped = Some(self.no_stickiness()))]
    pub stickiness: Option<Stickiness>,
    /// Load balancing algorithm of an application load balancer.
    #[field(
        unset = "AWS's default, round_robin",
        one_of = ["round_robin", "least_outstanding_requests", "weighted_random"],
        after_create,
        attribute = "load_balancing.algorithm.type"
    )]
    #[field(dropped = "round_robin")]
    pub algorithm: Option<String>,
    /// Preserves the client's address for targets of a network load balancer. Always true for UDP and TCP_UDP.
    #[field(unset = "AWS's default, which depends on type and protocol", after_create, attribute = "preserve_client_ip.enabled")]
    #[field(dropped = Some(self.preserves_client_ip_by_default()))]
    pub preserve_client_ip: Option<bool>,
    /// Uses proxy protocol version 2 between a network load balancer and its targets.
    #[field(unset = "AWS's default, false", after_create, attribute = "proxy_protocol_v2.enabled", dropped = false)]
    pub proxy_protocol_v2: Option<bool>,
    /// Enables cross-zone load balancing: distributes requests over the targets of all zones. Not for `lambda` and
    /// gateway load balancers.
    #[field(unset = "the load balancer's setting", after_create, dropped = None)]
    pub cross_zone: Option<bool>,
    /// Enables anomaly mitigation: moves requests away from targets that fail more often; needs the algorithm `weighted_random`.
    #[field(unset = "AWS's default, false", after_create, dropped = false)]
    pub anomaly_mitigation: Option<bool>,
    /// Closes a network load balancer's connections to a removed target, after `deregistration_delay_seconds`.
    #[field(
        unset = "AWS's default: true for UDP and TCP_UDP, else false",
        after_create,
        attribute = "deregistration_delay.connection_termination.enabled"
    )]
    #[field(dropped = Some(self.is_udp()))]
    pub connection_termination: Option<bool>,
    /// Closes a network load balancer's connections to an unhealthy target.
    #[field(
        unset = "AWS's default: true, false for UDP and TCP_UDP",
        after_create,
        attribute = "target_health_state.unhealthy.connection_termination.enabled"
    )]
    #[field(dropped = Some(!self.is_udp()))]
    pub unhealthy_connection_termination: Option<bool>,
    /// Time for which a network load balancer keeps connections to an unhealthy target, in seconds, if
    /// `unhealthy_connection_termination` is false.
    #[field(unset = "AWS's default, 0", range = 0..=360_000, after_create, attribute = "target_health_state.unhealthy.draining_interval_seconds")]
    #[field(dropped = 0)]
    pub unhealthy_draining_seconds: Option<u32>,
    /// Number of targets that must be healthy. Not for `lambda` and gateway load balancers.
    #[field(unset = "AWS's default, one target", after_create, dropped = TargetGroupHealth::one_target())]
    pub target_group_health: Option<TargetGroupHealth>,
    /// Moves existing flows of a gateway load balancer to another target if theirs is removed or unhealthy.
    #[field(unset = "AWS's default, false", after_create, dropped = false)]
    pub rebalance_flows: Option<bool>,
    /// Passes all values of a repeated header or query parameter to functions.
    #[field(unset = "AWS's default, false", after_create, attribute = "lambda.multi_value_headers.enabled", dropped = false)]
    pub multi_value_headers: Option<bool>,
    /// Registered targets. Without it, they are left alone: Auto Scaling groups and controllers of clusters register their own.
    #[field(unset = "unchanged, at creation none", length = 0..=1000, after_create = None, own_read, important)]
    #[field(dropped(kept, "another may register targets"))]
    pub targets: Option<BTreeSet<Target>>,
}

/// Type of a target.
#[spec]
#[derive(Copy, Default)]
#[allow(missing_docs)]
pub enum TargetType {
    #[default]
    Instance,
    Ip,
    Lambda,
    Alb,
}

/// A protocol of Elastic Load Balancing.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    TcpUdp,
    Geneve,
    Quic,
    TcpQuic,
}

impl Protocol {
    pub(super) fn to_sdk(self) -> ProtocolEnum {
        ProtocolEnum::from(to_aws(&self).as_str())
    }
    /// `None` for a protocol that this version does not know.
    pub(super) fn from_sdk(theirs: &ProtocolEnum) -> Option<Protocol> {
        from_aws(theirs.as_str()).ok()
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Part of the ARN used by CloudWatch metrics.
    #[schemars(extend("x-acme-simulated" = "targetgroup/{arn:targetgroup/}"))]
    pub arn_suffix: String,
}

impl Resource for TargetGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "target_group",
        &services::elbv2::SERVICE,
        "{arn}",
        "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex16}",
    )
    .without_charge("its load balancer costs")
    .not_found("TargetGroupNotFound")
    .already_exists("DuplicateTargetGroupName")
    .iam_actions(
        IamActions::new("elasticloadbalancing:targetgroup/{name}/*")
            .list(&[
                "elasticloadbalancing:DescribeTags",
                "elasticloadbalancing:DescribeTargetGroupAttributes",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ])
            .create(&["elasticloadbalancing:CreateTargetGroup"])
            .change(&[
                "elasticloadbalancing:DeleteTargetGroup",
                "elasticloadbalancing:DeregisterTargets",
                "elasticloadbalancing:ModifyTargetGroup",
                "elasticloadbalancing:ModifyTargetGroupAttributes",
                "elasticloadbalancing:RegisterTargets",
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.elbv2.describe_target_groups().into_paginator().items().send().try_collect().await?;
        let own: Vec<_> = all
            .into_iter()
            .filter_map(|group| Some((group.target_group_arn.clone()?, group.target_group_name.clone()?, group)))
            .filter(|(arn, name, _)| scope.covers(name, arn))
            .collect();
        let tags = read_tags(aws, scope, own.iter().map(|(arn, ..)| arn.clone())).await?;
        let tags = &tags;
        for_each_concurrent(own, |(arn, name, group)| async move {
            let attributes = if scope.shallow {
                BTreeMap::new()
            } else {
                let reply = aws.elbv2.describe_target_group_attributes().target_group_arn(&arn).send().await;
                let Some(reply) = ok_or_not_found(reply)? else { return Ok(None) };
                reply.attributes.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value?))).collect()
            };
            let tags = tags.get(&arn).cloned().unwrap_or_default();
            let mut group = read(arn, name, group, &attributes, tags);
            if scope.own_reads_to_make::<Self>(&group.tags).targets {
                let Some(targets) = targets::read(aws, &group.id).await? else { return Ok(None) };
                group.spec.targets = Some(targets);
            }
            Ok(Some(group))
        })
        .await
    }

    /// Needs no token: repeated with the same name and settings, the call returns the existing target group.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let check = &self.health_check;
        let call = cx.elbv2.create_target_group().set_name(self.name.clone()).set_tags(Some(services::elbv2::to_tags(&cx.call.tags)));
        let call = call.set_port(self.port.map(Into::into)).set_protocol(self.protocol.map(Protocol::to_sdk));
        let call = call.set_protocol_version(self.protocol_version.clone()).set_vpc_id(self.vpc.as_ref().map(|vpc| vpc.get().to_owned()));
        let call = call.set_ip_address_type(self.ip_address_type.as_deref().map(TargetGroupIpAddressTypeEnum::from));
        let reply = call
            .target_type(TargetTypeEnum::from(to_aws(&self.target_type).as_str()))
            .set_health_check_enabled(check.enabled)
            .set_health_check_path(check.path.clone())
            .set_health_check_port(check.port.clone())
            .set_health_check_protocol(check.protocol.map(Protocol::to_sdk))
            .set_health_check_interval_seconds(check.interval_seconds)
            .set_health_check_timeout_seconds(check.timeout_seconds)
            .set_healthy_threshold_count(check.healthy_threshold)
            .set_unhealthy_threshold_count(check.unhealthy_threshold)
            .set_matcher(self.matcher())
            .send()
            .await?;
        let group = reply.target_groups.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("TargetGroups"))?;
        let arn = group.target_group_arn.clone().ok_or_else(|| Error::missing_field("TargetGroupArn"))?;
        let mut created = read(arn, self.name.clone().unwrap_or_default(), group, &BTreeMap::new(), cx.call.tags.clone());
        // The answer lacks the attributes, which have AWS's defaults.
        let Self { deregistration_delay_seconds, slow_start_seconds, .. } = self.after_create();
        created.spec = Self { deregistration_delay_seconds, slow_start_seconds, ..created.spec };
        Ok(Created::Complete(created))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: TargetGroupChanges) -> Result<()> {
        if changes.health_check {
            let check = &self.health_check;
            let call = cx.elbv2.modify_target_group().target_group_arn(&live.id).set_health_check_enabled(check.enabled);
            call.set_health_check_path(check.path.clone())
                .set_health_check_port(check.port.clone())
                .set_health_check_protocol(check.protocol.map(Protocol::to_sdk))
                .set_health_check_interval_seconds(check.interval_seconds)
                .set_health_check_timeout_seconds(check.timeout_seconds)
                .set_healthy_threshold_count(check.healthy_threshold)
                .set_unhealthy_threshold_count(check.unhealthy_threshold)
                .set_matcher(self.matcher())
                .send()
                .await?;
        }
        let attributes = self.attributes(&changes);
        if !attributes.is_empty() {
            cx.elbv2.modify_target_group_attributes().target_group_arn(&live.id).set_attributes(Some(attributes)).send().await?;
        }
        if let Some(targets) = self.targets.as_ref().filter(|_| changes.targets) {
            targets::change(cx, &live.id, live.spec.targets.as_ref(), targets).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.elbv2.delete_target_group().target_group_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        targets::health(aws, &live.id).await
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn normalize(&self, live: &mut Self) {
        targets::normalize(self, live);
    }
}

fn read(arn: String, name: String, group: SdkTargetGroup, attributes: &BTreeMap<String, String>, tags: Tags) -> Observed<TargetGroup> {
    let spec = TargetGroup {
        name: Some(name),
        target_type: group.target_type.and_then(|kind| from_aws(kind.as_str()).ok()).unwrap_or_default(),
        port: group.port.and_then(|port| port.try_into().ok()),
        protocol: group.protocol.as_ref().and_then(Protocol::from_sdk),
        protocol_version: group.protocol_version,
        vpc: group.vpc_id.map(Ref::to),
        ip_address_type: group.ip_address_type.map(|kind| kind.as_str().to_owned()),
        health_check: HealthCheck {
            enabled: group.health_check_enabled,
            path: group.health_check_path,
            port: group.health_check_port,
            protocol: group.health_check_protocol.as_ref().and_then(Protocol::from_sdk),
            interval_seconds: group.health_check_interval_seconds,
            timeout_seconds: group.health_check_timeout_seconds,
            healthy_threshold: group.healthy_threshold_count,
            unhealthy_threshold: group.unhealthy_threshold_count,
            matcher: group.matcher.and_then(|matcher| matcher.http_code.or(matcher.grpc_code)),
        },
        ..TargetGroup::default()
    }
    .with_attributes(attributes);
    let outputs = Outputs { arn_suffix: arn.rsplit(':').next().unwrap_or_default().to_owned(), arn: arn.clone() };
    Observed::new(arn, tags, spec, outputs)
}

/// AWS's defaults: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html> and
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>.
impl TargetGroup {
    fn is_http(&self) -> bool {
        matches!(self.protocol, Some(Protocol::Http | Protocol::Https))
    }
    fn is_udp(&self) -> bool {
        matches!(self.protocol, Some(Protocol::Udp | Protocol::TcpUdp | Protocol::Quic | Protocol::TcpQuic))
    }
    fn preserves_client_ip_by_default(&self) -> bool {
        self.target_type == TargetType::Instance || self.is_udp()
    }
    fn no_stickiness(&self) -> Stickiness {
        let kind = if self.is_http() || self.target_type == TargetType::Lambda { "lb_cookie" } else { "source_ip" };
        let kind = if self.protocol == Some(Protocol::Geneve) { "source_ip_dest_ip_proto" } else { kind };
        Stickiness { enabled: false, kind: kind.to_owned(), duration_seconds: None, cookie_name: None }
    }
    fn default_health_check(&self) -> HealthCheck {
        let (lambda, geneve, http) = (self.target_type == TargetType::Lambda, self.protocol == Some(Protocol::Geneve), self.is_http());
        let grpc = self.protocol_version.as_deref() == Some("GRPC");
        let check = &self.health_check;
        let protocol = check.protocol.unwrap_or(if http || lambda { Protocol::Http } else { Protocol::Tcp });
        // A check of TCP has neither path nor status codes.
        let asks = lambda || matches!(protocol, Protocol::Http | Protocol::Https);
        HealthCheck {
            enabled: Some(!lambda),
            path: asks.then(|| if grpc { "/AWS.ALB/healthcheck" } else { "/" }.to_owned()),
            port: (!lambda).then(|| if geneve { "80" } else { "traffic-port" }.to_owned()),
            protocol: (!lambda).then_some(if http { Protocol::Http } else { Protocol::Tcp }),
            interval_seconds: Some(if lambda {
                35
            } else if geneve {
                10
            } else {
                30
            }),
            timeout_seconds: Some(match protocol {
                _ if lambda => 30,
                _ if geneve => 5,
                Protocol::Http => {
                    if http {
                        5
                    } else {
                        6
                    }
                }
                _ if http => 5,
                _ => 10,
            }),
            healthy_threshold: Some(5),
            unhealthy_threshold: Some(if lambda { 5 } else { 2 }),
            matcher: asks.then(|| {
                if grpc {
                    "12"
                } else if http || lambda {
                    "200"
                } else {
                    "200-399"
                }
                .to_owned()
            }),
        }
    }

    fn matcher(&self) -> Option<Matcher> {
        let codes = self.health_check.matcher.clone()?;
        let grpc = self.protocol_version.as_deref() == Some("GRPC");
        Some(if grpc { Matcher::builder().grpc_code(codes).build() } else { Matcher::builder().http_code(codes).build() })
    }
}
