//! `target_group`: the targets a listener forwards to, and how their health is checked.

mod health;

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{Matcher, ProtocolEnum, TargetGroupAttribute, TargetGroupIpAddressTypeEnum, TargetTypeEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use health::{TargetGroupHealth, Threshold};

use super::{load_balancer::tags_of, vpc::Vpc};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, Phase, Problem, Ref,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// A target group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// Physical name, at most 32 characters. Default: `<stack>-<environment>-<name>`. Changing it replaces the target group.
    #[serde(default)]
    pub name: Option<String>,
    /// What its targets are: `instance`, `ip`, `lambda` or `alb`. Default: instance. Changing it replaces the target group.
    #[serde(default)]
    pub target_type: TargetType,
    /// Port of the targets; none for `lambda`. Changing it replaces the target group.
    #[serde(default)]
    pub port: Option<u16>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP`, `TCP_UDP` or `GENEVE`; none for `lambda`. Changing it replaces the target group.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// `HTTP1`, `HTTP2` or `GRPC`. AWS's default: HTTP1 for HTTP and HTTPS. Changing it replaces the target group.
    #[serde(default)]
    pub protocol_version: Option<String>,
    /// VPC of the targets; none for `lambda`. Changing it replaces the target group.
    #[serde(default)]
    pub vpc: Option<Ref<Vpc>>,
    /// `ipv4` or `ipv6`. AWS's default: ipv4. Changing it replaces the target group.
    #[serde(default)]
    pub ip_address_type: Option<String>,
    /// How the health of the targets is checked. Default: AWS's defaults.
    #[serde(default)]
    pub health_check: HealthCheck,
    /// How long requests in progress may take when a target leaves, in seconds. Default: 300. Without meaning for `lambda`.
    #[serde(default = "five_minutes")]
    pub deregistration_delay_seconds: u32,
    /// How long a new target's share of requests grows, in seconds, 30 to 900. Default: 0, not at all.
    #[serde(default)]
    pub slow_start_seconds: u32,
    /// Sends a client to the same target again.
    #[serde(default)]
    pub stickiness: Option<Stickiness>,
    /// `round_robin`, `least_outstanding_requests` or `weighted_random`. AWS's default: round_robin.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// A network load balancer shows targets the client's address. AWS's default depends on the type and protocol.
    #[serde(default)]
    pub preserve_client_ip: Option<bool>,
    /// A network load balancer speaks proxy protocol version 2 to the targets. AWS's default: false.
    #[serde(default)]
    pub proxy_protocol_v2: Option<bool>,
    /// Balances over the targets of all zones. AWS's default: as the load balancer does. None for `lambda`.
    #[serde(default)]
    pub cross_zone: Option<bool>,
    /// Leads requests away from targets that fail more often than others; needs the algorithm `weighted_random`. AWS's default:
    /// false.
    #[serde(default)]
    pub anomaly_mitigation: Option<bool>,
    /// A network load balancer ends the connections to a target that leaves once `deregistration_delay_seconds` are over. AWS's
    /// default: true for UDP and TCP_UDP, else false.
    #[serde(default)]
    pub connection_termination: Option<bool>,
    /// A network load balancer ends the connections to a target that turns unhealthy. AWS's default: true.
    #[serde(default)]
    pub unhealthy_connection_termination: Option<bool>,
    /// How long connections to an unhealthy target of a network load balancer go on, in seconds, 0 to 360000, where
    /// `unhealthy_connection_termination` is false. AWS's default: 0.
    #[serde(default)]
    pub unhealthy_draining_seconds: Option<u32>,
    /// How many targets have to be healthy. None for `lambda`.
    #[serde(default)]
    pub target_group_health: Option<TargetGroupHealth>,
    /// A gateway load balancer leads existing flows to another target when theirs leaves or turns unhealthy. AWS's default: false.
    #[serde(default)]
    pub rebalance_flows: Option<bool>,
    /// Functions see all values of a header or query parameter that is there twice. AWS's default: false.
    #[serde(default)]
    pub multi_value_headers: Option<bool>,
}

/// How the health of targets is checked. What is not given is AWS's default for the protocol.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Checks at all. AWS's default: true, false for `lambda`.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Path of the request. AWS's default: `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// Port, or `traffic-port`. AWS's default: traffic-port.
    #[serde(default)]
    pub port: Option<String>,
    /// `HTTP`, `HTTPS` or `TCP`. AWS's default: HTTP for application, TCP for network load balancers.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Time between two checks, in seconds, 5 to 300. AWS's default: 30.
    #[serde(default)]
    pub interval_seconds: Option<i32>,
    /// Time after which no answer is a failure, in seconds, 2 to 120. AWS's default: 5 to 30.
    #[serde(default)]
    pub timeout_seconds: Option<i32>,
    /// Successes in a row that make a target healthy, 2 to 10. AWS's default: 5.
    #[serde(default)]
    pub healthy_threshold: Option<i32>,
    /// Failures in a row that make a target unhealthy, 2 to 10. AWS's default: 2.
    #[serde(default)]
    pub unhealthy_threshold: Option<i32>,
    /// Status codes that are a success, such as `200-299` or `200,204`. AWS's default: 200, for GRPC 12.
    #[serde(default)]
    pub matcher: Option<String>,
}

/// Sends a client to the same target again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stickiness {
    /// Whether it is on. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `lb_cookie`, `app_cookie`, `source_ip`, `source_ip_dest_ip` or `source_ip_dest_ip_proto`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How long, in seconds, for the two cookies. AWS's default: 86400.
    #[serde(default)]
    pub duration_seconds: Option<u32>,
    /// Name of the application's cookie.
    #[serde(default)]
    pub cookie_name: Option<String>,
}

/// What targets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum TargetType {
    #[default]
    Instance,
    Ip,
    Lambda,
    Alb,
}

/// A protocol of Elastic Load Balancing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
}

impl Protocol {
    const ALL: [(Protocol, ProtocolEnum); 7] = [
        (Protocol::Http, ProtocolEnum::Http),
        (Protocol::Https, ProtocolEnum::Https),
        (Protocol::Tcp, ProtocolEnum::Tcp),
        (Protocol::Tls, ProtocolEnum::Tls),
        (Protocol::Udp, ProtocolEnum::Udp),
        (Protocol::TcpUdp, ProtocolEnum::TcpUdp),
        (Protocol::Geneve, ProtocolEnum::Geneve),
    ];
    pub(super) fn to_sdk(self) -> Option<ProtocolEnum> {
        Self::ALL.into_iter().find(|(ours, _)| *ours == self).map(|(_, theirs)| theirs)
    }
    pub(super) fn from_sdk(theirs: &ProtocolEnum) -> Option<Protocol> {
        Self::ALL.into_iter().find(|(_, one)| one == theirs).map(|(ours, _)| ours)
    }
}

fn yes() -> bool {
    true
}

const fn five_minutes() -> u32 {
    300
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The part of the ARN that CloudWatch metrics use.
    pub arn_suffix: String,
}

impl Resource for TargetGroup {
    const TYPE: &'static str = "target_group";
    const SERVICE: Service = Service::Elbv2;
    const REPLACE: &'static [&'static str] =
        &["/name", "/target_type", "/port", "/protocol", "/protocol_version", "/vpc", "/ip_address_type"];
    const NAME: Option<Naming> = Some(Naming { max: 32, lower: false, prefix: "" });
    const ARN: Option<&'static str> = Some("elasticloadbalancing:targetgroup/");
    const ACTIONS: Actions = Actions::on("elasticloadbalancing:targetgroup/{name}/*")
        .list(&[
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTargetGroups",
        ])
        .create(&["elasticloadbalancing:CreateTargetGroup"])
        .change(&[
            "elasticloadbalancing:DeleteTargetGroup",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.elbv2.describe_target_groups().into_paginator().items().send().try_collect().await?;
        let own: Vec<_> = all
            .into_iter()
            .filter_map(|group| Some((group.target_group_arn.clone()?, group.target_group_name.clone()?, group)))
            .filter(|(arn, name, _)| scope.covers(name, arn))
            .collect();
        let tags = tags_of(aws, scope, own.iter().map(|(arn, ..)| arn.clone())).await?;
        let tags = &tags;
        each(own, |(arn, name, group)| async move {
            let reply = aws.elbv2.describe_target_group_attributes().target_group_arn(&arn).send().await;
            let Some(reply) = ok_or_not_found(reply)? else { return Ok(None) };
            let attributes = reply.attributes.unwrap_or_default();
            let attributes: BTreeMap<_, _> = attributes.into_iter().filter_map(|a| Some((a.key?, a.value?))).collect();
            let text = |key: &str| attributes.get(key).filter(|value| !value.is_empty()).cloned();
            let flag = |key: &str| attributes.get(key).map(|value| value == "true");
            let number = |key: &str| attributes.get(key).and_then(|value| value.parse().ok());
            let sticky = text("stickiness.type");
            Ok(Some(Observed {
                tags: tags.get(&arn).cloned().unwrap_or_default(),
                phase: Phase::Ready,
                spec: TargetGroup {
                    name: Some(name),
                    target_type: match group.target_type {
                        Some(TargetTypeEnum::Ip) => TargetType::Ip,
                        Some(TargetTypeEnum::Lambda) => TargetType::Lambda,
                        Some(TargetTypeEnum::Alb) => TargetType::Alb,
                        _ => TargetType::Instance,
                    },
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
                    deregistration_delay_seconds: number("deregistration_delay.timeout_seconds").unwrap_or(five_minutes()),
                    slow_start_seconds: number("slow_start.duration_seconds").unwrap_or_default(),
                    stickiness: sticky.map(|kind| Stickiness {
                        enabled: flag("stickiness.enabled").unwrap_or_default(),
                        duration_seconds: number(&format!("stickiness.{kind}.duration_seconds")),
                        cookie_name: text("stickiness.app_cookie.cookie_name"),
                        kind,
                    }),
                    algorithm: text("load_balancing.algorithm.type"),
                    preserve_client_ip: flag("preserve_client_ip.enabled"),
                    proxy_protocol_v2: flag("proxy_protocol_v2.enabled"),
                    cross_zone: text("load_balancing.cross_zone.enabled").and_then(|value| value.parse().ok()),
                    anomaly_mitigation: text("load_balancing.algorithm.anomaly_mitigation").map(|value| value == "on"),
                    connection_termination: flag("deregistration_delay.connection_termination.enabled"),
                    unhealthy_connection_termination: flag("target_health_state.unhealthy.connection_termination.enabled"),
                    unhealthy_draining_seconds: number("target_health_state.unhealthy.draining_interval_seconds"),
                    target_group_health: TargetGroupHealth::read(&attributes),
                    rebalance_flows: text("target_failover.on_unhealthy").map(|value| value == "rebalance"),
                    multi_value_headers: flag("lambda.multi_value_headers.enabled"),
                },
                outputs: Outputs { arn_suffix: arn.rsplit(':').next().unwrap_or_default().to_owned(), arn: arn.clone() },
                id: arn,
            }))
        })
        .await
    }

    /// Needs no token: asked again with the same name and settings, AWS answers with the one it made.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let check = &self.health_check;
        let call = cx.aws.elbv2.create_target_group().set_name(self.name.clone()).set_tags(Some(tags::elbv2(cx.tags)));
        let call = call.set_port(self.port.map(Into::into)).set_protocol(self.protocol.and_then(Protocol::to_sdk));
        let call = call.set_protocol_version(self.protocol_version.clone()).set_vpc_id(self.vpc.as_ref().map(|vpc| vpc.get().to_owned()));
        let call = call.set_ip_address_type(self.ip_address_type.as_deref().map(TargetGroupIpAddressTypeEnum::from));
        let call = call.target_type(match self.target_type {
            TargetType::Instance => TargetTypeEnum::Instance,
            TargetType::Ip => TargetTypeEnum::Ip,
            TargetType::Lambda => TargetTypeEnum::Lambda,
            TargetType::Alb => TargetTypeEnum::Alb,
        });
        let reply = call
            .set_health_check_enabled(check.enabled)
            .set_health_check_path(check.path.clone())
            .set_health_check_port(check.port.clone())
            .set_health_check_protocol(check.protocol.and_then(Protocol::to_sdk))
            .set_health_check_interval_seconds(check.interval_seconds)
            .set_health_check_timeout_seconds(check.timeout_seconds)
            .set_healthy_threshold_count(check.healthy_threshold)
            .set_unhealthy_threshold_count(check.unhealthy_threshold)
            .set_matcher(self.matcher())
            .send()
            .await?;
        let made = reply.target_groups.unwrap_or_default().into_iter().next();
        made.and_then(|group| group.target_group_arn).ok_or_else(|| Error::missing("TargetGroupArn"))
    }

    /// CreateTargetGroup takes no attributes.
    fn created(&self) -> Self {
        TargetGroup {
            deregistration_delay_seconds: five_minutes(),
            slow_start_seconds: 0,
            stickiness: None,
            algorithm: None,
            preserve_client_ip: None,
            proxy_protocol_v2: None,
            cross_zone: None,
            anomaly_mitigation: None,
            connection_termination: None,
            unhealthy_connection_termination: None,
            unhealthy_draining_seconds: None,
            target_group_health: None,
            rebalance_flows: None,
            multi_value_headers: None,
            ..self.clone()
        }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        if changed.has("/health_check") {
            let check = &self.health_check;
            let call = cx.aws.elbv2.modify_target_group().target_group_arn(id).set_health_check_enabled(check.enabled);
            call.set_health_check_path(check.path.clone())
                .set_health_check_port(check.port.clone())
                .set_health_check_protocol(check.protocol.and_then(Protocol::to_sdk))
                .set_health_check_interval_seconds(check.interval_seconds)
                .set_health_check_timeout_seconds(check.timeout_seconds)
                .set_healthy_threshold_count(check.healthy_threshold)
                .set_unhealthy_threshold_count(check.unhealthy_threshold)
                .set_matcher(self.matcher())
                .send()
                .await?;
        }
        let attributes = self.attributes(changed);
        if !attributes.is_empty() {
            cx.aws.elbv2.modify_target_group_attributes().target_group_arn(id).set_attributes(Some(attributes)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.elbv2.delete_target_group().target_group_arn(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let lambda = self.target_type == TargetType::Lambda;
        let given = [("/port", self.port.is_some()), ("/protocol", self.protocol.is_some()), ("/vpc", self.vpc.is_some())];
        for (at, _) in given.into_iter().filter(|(_, given)| *given == lambda) {
            let message =
                if lambda { "a target group of functions has none" } else { "a target group needs this, unless its type is lambda" };
            problems.push(Problem::new(at, message));
        }
        if self.target_type == TargetType::Alb && self.protocol.is_some_and(|protocol| protocol != Protocol::Tcp) {
            problems.push(Problem::new("/protocol", "a target group of a load balancer speaks TCP"));
        }
        if self.slow_start_seconds != 0 && !(30..=900).contains(&self.slow_start_seconds) {
            problems.push(Problem::new("/slow_start_seconds", "the slow start takes 30 to 900 seconds, or 0 for none"));
        }
        if self.stickiness.as_ref().is_some_and(|s| s.enabled && s.kind == "app_cookie" && s.cookie_name.is_none()) {
            problems.push(Problem::new("/stickiness/cookie_name", "stickiness by the application's cookie needs its name"));
        }
        if self.anomaly_mitigation == Some(true) && self.algorithm.as_deref() != Some("weighted_random") {
            let problem = Problem::new("/anomaly_mitigation", "anomalies are mitigated by the algorithm `weighted_random` alone");
            problems.push(problem.help("set `algorithm: weighted_random`"));
        }
        if self.unhealthy_draining_seconds.is_some_and(|seconds| seconds > 0) && self.unhealthy_connection_termination != Some(false) {
            let problem = Problem::new("/unhealthy_draining_seconds", "connections that are ended at once do not drain");
            problems.push(problem.help("set `unhealthy_connection_termination: false`"));
        }
        let geneve = self.protocol == Some(Protocol::Geneve);
        let http = matches!(self.protocol, Some(Protocol::Http | Protocol::Https));
        let (function, network, gateway) =
            ("only a target group of functions has this", "only a network load balancer has this", "only a gateway load balancer has this");
        let misplaced = [
            ("/multi_value_headers", self.multi_value_headers.is_some() && !lambda, function),
            ("/rebalance_flows", self.rebalance_flows.is_some() && !geneve, gateway),
            ("/connection_termination", self.connection_termination.is_some() && (lambda || http || geneve), network),
            ("/unhealthy_connection_termination", self.unhealthy_connection_termination.is_some() && (lambda || http || geneve), network),
            ("/unhealthy_draining_seconds", self.unhealthy_draining_seconds.is_some() && (lambda || http || geneve), network),
        ];
        problems.extend(misplaced.into_iter().filter(|(_, wrong, _)| *wrong).map(|(at, _, message)| Problem::new(at, message)));
        problems.extend(self.target_group_health.iter().flat_map(TargetGroupHealth::check));
        problems
    }
}

impl TargetGroup {
    fn matcher(&self) -> Option<Matcher> {
        let codes = self.health_check.matcher.clone()?;
        let grpc = self.protocol_version.as_deref() == Some("GRPC");
        Some(if grpc { Matcher::builder().grpc_code(codes).build() } else { Matcher::builder().http_code(codes).build() })
    }

    /// The attributes that changed.
    fn attributes(&self, changed: &Changed) -> Vec<TargetGroupAttribute> {
        let flag = |value: Option<bool>| value.map(|b| b.to_string());
        let sticky = self.stickiness.as_ref();
        let failover = self.rebalance_flows.map(|on| if on { "rebalance" } else { "no_rebalance" }.to_owned());
        let duration = sticky.map(|s| format!("stickiness.{}.duration_seconds", s.kind)).unwrap_or_default();
        [
            ("/deregistration_delay_seconds", "deregistration_delay.timeout_seconds", Some(self.deregistration_delay_seconds.to_string())),
            ("/slow_start_seconds", "slow_start.duration_seconds", Some(self.slow_start_seconds.to_string())),
            ("/stickiness", "stickiness.enabled", flag(sticky.map(|s| s.enabled))),
            ("/stickiness", "stickiness.type", sticky.map(|s| s.kind.clone())),
            ("/stickiness", &duration, sticky.and_then(|s| s.duration_seconds).map(|n| n.to_string())),
            ("/stickiness", "stickiness.app_cookie.cookie_name", sticky.and_then(|s| s.cookie_name.clone())),
            ("/algorithm", "load_balancing.algorithm.type", self.algorithm.clone()),
            ("/preserve_client_ip", "preserve_client_ip.enabled", flag(self.preserve_client_ip)),
            ("/proxy_protocol_v2", "proxy_protocol_v2.enabled", flag(self.proxy_protocol_v2)),
            // What is put back may be the load balancer's.
            (
                "/cross_zone",
                "load_balancing.cross_zone.enabled",
                Some(self.cross_zone.map_or_else(|| "use_load_balancer_configuration".to_owned(), |on| on.to_string())),
            ),
            (
                "/anomaly_mitigation",
                "load_balancing.algorithm.anomaly_mitigation",
                self.anomaly_mitigation.map(|on| if on { "on" } else { "off" }.to_owned()),
            ),
            ("/connection_termination", "deregistration_delay.connection_termination.enabled", flag(self.connection_termination)),
            (
                "/unhealthy_connection_termination",
                "target_health_state.unhealthy.connection_termination.enabled",
                flag(self.unhealthy_connection_termination),
            ),
            (
                "/unhealthy_draining_seconds",
                "target_health_state.unhealthy.draining_interval_seconds",
                self.unhealthy_draining_seconds.map(|seconds| seconds.to_string()),
            ),
            ("/rebalance_flows", "target_failover.on_deregistration", failover.clone()),
            ("/rebalance_flows", "target_failover.on_unhealthy", failover),
            ("/multi_value_headers", "lambda.multi_value_headers.enabled", flag(self.multi_value_headers)),
        ]
        .into_iter()
        .chain(
            self.target_group_health.iter().flat_map(|health| health.attributes()).map(|(key, value)| ("/target_group_health", key, value)),
        )
        .filter(|(at, ..)| changed.has(at))
        .filter_map(|(_, key, value)| Some(TargetGroupAttribute::builder().key(key).value(value?).build()))
        .collect()
    }
}
