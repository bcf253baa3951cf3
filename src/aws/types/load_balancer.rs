//! `load_balancer`: an application, network or gateway load balancer.

mod attributes;
mod subnet_mapping;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnum as Enforced, IpAddressType, LoadBalancerSchemeEnum, LoadBalancerStateEnum,
    LoadBalancerTypeEnum, SubnetMapping as SdkMapping,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attributes::{ClientRoutingPolicy, DesyncMitigationMode, Logs, XffHeaderProcessing};
pub use subnet_mapping::SubnetMapping;

use super::{security_group::SecurityGroup, subnet::Subnet};
use crate::{
    aws::{Aws, each, tags, word},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase, Problem,
        Ref, Result, Scope, Service, Tags, ids, ok_or_not_found,
    },
};

/// A load balancer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Physical name, at most 32 characters. Default: `<stack>-<environment>-<name>`. Changing it replaces the load balancer.
    #[serde(default)]
    pub name: Option<String>,
    /// `application` (HTTP), `network` (TCP, UDP, TLS) or `gateway` (appliances). Default: application. Changing it replaces the
    /// load balancer.
    #[serde(default, rename = "type")]
    pub kind: LoadBalancerType,
    /// Has private addresses only. Default: false. Changing it replaces the load balancer.
    #[serde(default)]
    pub internal: bool,
    /// Subnets where AWS draws its addresses, one per availability zone; an application load balancer needs two. These or
    /// `subnet_mappings`. Taking one from a gateway load balancer, or changing one of a network load balancer for another, replaces it.
    #[serde(default)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Subnets of a network load balancer with addresses that stay, in place of `subnets`. Subnets come and go in place.
    #[serde(default)]
    pub subnet_mappings: Option<BTreeSet<SubnetMapping>>,
    /// Security groups: needed by an application load balancer, none for a gateway. A network load balancer that is made with some
    /// always has some, and one without never: otherwise it is replaced. Default: none.
    #[serde(default)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Kinds of addresses: `ipv4`, `dualstack` or `dualstack-without-public-ipv4`. Default: ipv4.
    #[serde(default)]
    pub ip_address_type: AddressType,
    /// AWS refuses to delete it. Default: true.
    #[serde(default = "yes")]
    pub deletion_protection: bool,
    /// How long an application load balancer keeps an idle connection, in seconds, 1 to 4000. AWS's default: 60.
    #[serde(default)]
    pub idle_timeout_seconds: Option<u32>,
    /// How long an application load balancer keeps a client's connection, in seconds. AWS's default: 3600.
    #[serde(default)]
    pub client_keep_alive_seconds: Option<u32>,
    /// An application load balancer speaks HTTP/2. AWS's default: true.
    #[serde(default)]
    pub http2: Option<bool>,
    /// Balances over the targets of all zones. AWS's default: true for application (fixed), false for others.
    #[serde(default)]
    pub cross_zone: Option<bool>,
    /// An application load balancer drops HTTP headers with invalid names. AWS's default: false.
    #[serde(default)]
    pub drop_invalid_headers: Option<bool>,
    /// An application load balancer passes the client's `Host` header on unchanged. AWS's default: false.
    #[serde(default)]
    pub preserve_host_header: Option<bool>,
    /// What an application load balancer does with requests that may desynchronise it from the targets. AWS's default: defensive.
    #[serde(default)]
    pub desync_mitigation_mode: Option<DesyncMitigationMode>,
    /// What an application load balancer does with the `X-Forwarded-For` header. AWS's default: append.
    #[serde(default)]
    pub xff_header_processing: Option<XffHeaderProcessing>,
    /// An application load balancer tells the client's port in `X-Forwarded-For`. AWS's default: false.
    #[serde(default)]
    pub xff_client_port: Option<bool>,
    /// An application load balancer tells targets the TLS version and cipher suite, in the headers `x-amzn-tls-version` and
    /// `x-amzn-tls-cipher-suite`. AWS's default: false.
    #[serde(default)]
    pub tls_headers: Option<bool>,
    /// An application load balancer passes requests on when its web firewall can't be reached. AWS's default: false.
    #[serde(default)]
    pub waf_fail_open: Option<bool>,
    /// How clients in the VPC are spread over the zones of a network load balancer. AWS's default: any_availability_zone.
    #[serde(default)]
    pub client_routing_policy: Option<ClientRoutingPolicy>,
    /// The security groups of a network load balancer decide on traffic through PrivateLink, too. AWS's default: true.
    #[serde(default)]
    pub enforce_security_groups_on_private_link: Option<bool>,
    /// Takes part in zonal shifts, which lead traffic away from a zone in trouble; none for a gateway. AWS's default: false.
    #[serde(default)]
    pub zonal_shift: Option<bool>,
    /// Access logs in S3.
    #[serde(default)]
    pub access_logs: Option<Logs>,
    /// Logs of the connections to an application load balancer, in S3.
    #[serde(default)]
    pub connection_logs: Option<Logs>,
}

/// Type of a load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LoadBalancerType {
    #[default]
    Application,
    Network,
    Gateway,
}

/// Kinds of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum AddressType {
    #[default]
    Ipv4,
    Dualstack,
    DualstackWithoutPublicIpv4,
}

fn yes() -> bool {
    true
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Its DNS name.
    pub dns_name: String,
    /// The hosted zone of its DNS name, for alias records.
    pub zone_id: String,
    /// The part of the ARN that CloudWatch metrics use.
    pub arn_suffix: String,
}

impl Resource for LoadBalancer {
    const TYPE: &'static str = "load_balancer";
    const SERVICE: Service = Service::Elbv2;
    const REPLACE: &'static [&'static str] = &["/name", "/type", "/internal"];
    const NAME: Option<Naming> = Some(Naming { max: 32, lower: false, prefix: "" });
    const ARN: Option<&'static str> = Some("elasticloadbalancing:loadbalancer/");
    const USUAL: std::time::Duration = std::time::Duration::from_secs(150);
    const PROTECTION: Option<&'static str> = Some("/deletion_protection");
    const DISTURBS: &'static [(&'static str, &'static str)] = &[
        ("/subnets", "a zone that is left out gets no more requests"),
        ("/subnet_mappings", "a zone that is left out gets no more requests"),
    ];
    const ACTIONS: Actions = Actions::on("elasticloadbalancing:loadbalancer/*/{name}/*")
        .list(&[
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTags",
        ])
        .create(&["elasticloadbalancing:CreateLoadBalancer"])
        .change(&[
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:ModifyLoadBalancerAttributes",
            "elasticloadbalancing:SetIpAddressType",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:SetSubnets",
        ])
        .more(&[
            Grant::change(&["iam:CreateServiceLinkedRole"], On::ServiceLinked("elasticloadbalancing.amazonaws.com")),
            // The service looks at the network with the caller's permissions.
            Grant::change(
                &[
                    "ec2:DescribeAccountAttributes",
                    "ec2:DescribeAddresses",
                    "ec2:DescribeInternetGateways",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                On::Everything,
            ),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.elbv2.describe_load_balancers().into_paginator().items().send().try_collect().await?;
        let own: Vec<_> = all
            .into_iter()
            // Classic load balancers have an interface, and so a type, of their own.
            .filter_map(|lb| Some((lb.load_balancer_arn.clone()?, lb.load_balancer_name.clone()?, lb)))
            .filter(|(arn, name, _)| scope.covers(name, arn))
            .collect();
        let tags = tags_of(aws, scope, own.iter().map(|(arn, ..)| arn.clone())).await?;
        let tags = &tags;
        each(own, |(arn, name, lb)| async move {
            let reply = aws.elbv2.describe_load_balancer_attributes().load_balancer_arn(&arn).send().await;
            let Some(reply) = ok_or_not_found(reply)? else { return Ok(None) };
            let attributes = reply.attributes.unwrap_or_default();
            let attributes: BTreeMap<_, _> = attributes.into_iter().filter_map(|a| Some((a.key?, a.value?))).collect();
            let text = |key: &str| attributes.get(key).cloned();
            let flag = |key: &str| attributes.get(key).map(|value| value == "true");
            let number = |key: &str| attributes.get(key).and_then(|value| value.parse().ok());
            let application = lb.r#type == Some(LoadBalancerTypeEnum::Application);
            let logs = |kind: &str| {
                flag(&format!("{kind}.s3.enabled")).map(|enabled| Logs {
                    enabled,
                    bucket: text(&format!("{kind}.s3.bucket")).unwrap_or_default(),
                    prefix: text(&format!("{kind}.s3.prefix")).unwrap_or_default(),
                })
            };
            let enforced = lb.enforce_security_group_inbound_rules_on_private_link_traffic.as_deref().map(|value| value == "on");
            let zones = lb.availability_zones.unwrap_or_default().into_iter();
            let mappings: BTreeSet<SubnetMapping> = zones.filter_map(SubnetMapping::read).collect();
            let fixed = lb.r#type == Some(LoadBalancerTypeEnum::Network) && mappings.iter().any(SubnetMapping::is_fixed);
            let state = lb.state.unwrap_or_else(|| aws_sdk_elasticloadbalancingv2::types::LoadBalancerState::builder().build());
            Ok(Some(Observed {
                tags: tags.get(&arn).cloned().unwrap_or_default(),
                phase: match state.code {
                    Some(LoadBalancerStateEnum::Provisioning) => Phase::Settling("provisioning".into()),
                    Some(LoadBalancerStateEnum::Failed) => Phase::Failed(state.reason.unwrap_or_else(|| "failed".into())),
                    _ => Phase::Ready,
                },
                spec: LoadBalancer {
                    name: Some(name),
                    kind: match lb.r#type {
                        Some(LoadBalancerTypeEnum::Network) => LoadBalancerType::Network,
                        Some(LoadBalancerTypeEnum::Gateway) => LoadBalancerType::Gateway,
                        _ => LoadBalancerType::Application,
                    },
                    internal: lb.scheme == Some(LoadBalancerSchemeEnum::Internal),
                    subnets: mappings.iter().filter(|_| !fixed).map(|mapping| mapping.subnet.clone()).collect(),
                    subnet_mappings: fixed.then_some(mappings),
                    security_groups: lb.security_groups.unwrap_or_default().into_iter().map(Ref::to).collect(),
                    ip_address_type: match lb.ip_address_type {
                        Some(IpAddressType::Dualstack) => AddressType::Dualstack,
                        Some(IpAddressType::DualstackWithoutPublicIpv4) => AddressType::DualstackWithoutPublicIpv4,
                        _ => AddressType::Ipv4,
                    },
                    deletion_protection: flag("deletion_protection.enabled").unwrap_or_default(),
                    idle_timeout_seconds: number("idle_timeout.timeout_seconds"),
                    client_keep_alive_seconds: number("client_keep_alive.seconds"),
                    http2: flag("routing.http2.enabled"),
                    // Fixed for application load balancers, whatever the attribute says.
                    cross_zone: flag("load_balancing.cross_zone.enabled").map(|on| on || application),
                    drop_invalid_headers: flag("routing.http.drop_invalid_header_fields.enabled"),
                    preserve_host_header: flag("routing.http.preserve_host_header.enabled"),
                    desync_mitigation_mode: text("routing.http.desync_mitigation_mode").and_then(|mode| word(&mode).ok()),
                    xff_header_processing: text("routing.http.xff_header_processing.mode").and_then(|mode| word(&mode).ok()),
                    xff_client_port: flag("routing.http.xff_client_port.enabled"),
                    tls_headers: flag("routing.http.x_amzn_tls_version_and_cipher_suite.enabled"),
                    waf_fail_open: flag("waf.fail_open.enabled"),
                    client_routing_policy: text("dns_record.client_routing_policy").and_then(|policy| word(&policy).ok()),
                    enforce_security_groups_on_private_link: enforced,
                    zonal_shift: flag("zonal_shift.config.enabled"),
                    access_logs: logs("access_logs"),
                    connection_logs: logs("connection_logs"),
                },
                outputs: Outputs {
                    dns_name: lb.dns_name.unwrap_or_default(),
                    zone_id: lb.canonical_hosted_zone_id.unwrap_or_default(),
                    arn_suffix: arn.split_once("loadbalancer/").map(|(_, suffix)| suffix.to_owned()).unwrap_or_default(),
                    arn: arn.clone(),
                },
                id: arn,
            }))
        })
        .await
    }

    /// Needs no token: asked again with the same name and settings, AWS answers with the one it made.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let scheme = if self.internal { LoadBalancerSchemeEnum::Internal } else { LoadBalancerSchemeEnum::InternetFacing };
        let call = cx.aws.elbv2.create_load_balancer().set_name(self.name.clone()).set_tags(Some(tags::elbv2(cx.tags)));
        let call = call.r#type(match self.kind {
            LoadBalancerType::Application => LoadBalancerTypeEnum::Application,
            LoadBalancerType::Network => LoadBalancerTypeEnum::Network,
            LoadBalancerType::Gateway => LoadBalancerTypeEnum::Gateway,
        });
        let call = call.set_scheme((self.kind != LoadBalancerType::Gateway).then_some(scheme)).ip_address_type(self.address_type());
        let call = call.set_subnets(self.subnet_ids()).set_subnet_mappings(self.sdk_mappings());
        let groups = Some(ids(&self.security_groups)).filter(|groups| !groups.is_empty());
        let reply = call.set_security_groups(groups).send().await?;
        let made = reply.load_balancers.unwrap_or_default().into_iter().next();
        made.and_then(|lb| lb.load_balancer_arn).ok_or_else(|| Error::missing("LoadBalancerArn"))
    }

    /// CreateLoadBalancer takes no attributes.
    fn created(&self) -> Self {
        LoadBalancer {
            deletion_protection: false,
            idle_timeout_seconds: None,
            client_keep_alive_seconds: None,
            http2: None,
            cross_zone: None,
            drop_invalid_headers: None,
            preserve_host_header: None,
            desync_mitigation_mode: None,
            xff_header_processing: None,
            xff_client_port: None,
            tls_headers: None,
            waf_fail_open: None,
            client_routing_policy: None,
            enforce_security_groups_on_private_link: None,
            zonal_shift: None,
            access_logs: None,
            connection_logs: None,
            ..self.clone()
        }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let elb = &cx.aws.elbv2;
        if changed.has("/ip_address_type") {
            elb.set_ip_address_type().load_balancer_arn(id).ip_address_type(self.address_type()).send().await?;
        }
        if changed.any(&["/subnets", "/subnet_mappings"]) {
            let call = elb.set_subnets().load_balancer_arn(id).set_subnets(self.subnet_ids());
            call.set_subnet_mappings(self.sdk_mappings()).send().await?;
        }
        if changed.any(&["/security_groups", "/enforce_security_groups_on_private_link"]) {
            let call = elb.set_security_groups().load_balancer_arn(id).set_security_groups(Some(ids(&self.security_groups)));
            let enforced = self.enforce_security_groups_on_private_link.map(|on| if on { Enforced::On } else { Enforced::Off });
            call.set_enforce_security_group_inbound_rules_on_private_link_traffic(enforced).send().await?;
        }
        let attributes = self.attributes(changed);
        if !attributes.is_empty() {
            elb.modify_load_balancer_attributes().load_balancer_arn(id).set_attributes(Some(attributes)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.elbv2.delete_load_balancer().load_balancer_arn(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let application = self.kind == LoadBalancerType::Application;
        let least = if application { 2 } else { 1 };
        if self.subnets.len() < least && self.subnet_mappings.as_ref().is_none_or(BTreeSet::is_empty) {
            let message = "an application load balancer needs subnets in two availability zones, others in one";
            problems.push(Problem::new("/subnets", message));
        }
        if application && self.security_groups.is_empty() {
            problems.push(Problem::new("/security_groups", "an application load balancer needs a security group"));
        }
        problems.extend(subnet_mapping::check(self));
        let only = [
            ("/idle_timeout_seconds", self.idle_timeout_seconds.is_some()),
            ("/client_keep_alive_seconds", self.client_keep_alive_seconds.is_some()),
            ("/http2", self.http2.is_some()),
            ("/drop_invalid_headers", self.drop_invalid_headers.is_some()),
            ("/preserve_host_header", self.preserve_host_header.is_some()),
            ("/desync_mitigation_mode", self.desync_mitigation_mode.is_some()),
            ("/xff_header_processing", self.xff_header_processing.is_some()),
            ("/xff_client_port", self.xff_client_port.is_some()),
            ("/tls_headers", self.tls_headers.is_some()),
            ("/waf_fail_open", self.waf_fail_open.is_some()),
            ("/connection_logs", self.connection_logs.is_some()),
        ];
        for (at, _) in only.into_iter().filter(|(_, set)| *set && !application) {
            problems.push(Problem::new(at, "only an application load balancer has this"));
        }
        let enforced = self.enforce_security_groups_on_private_link.is_some();
        let only =
            [("/client_routing_policy", self.client_routing_policy.is_some()), ("/enforce_security_groups_on_private_link", enforced)];
        for (at, _) in only.into_iter().filter(|(_, set)| *set && self.kind != LoadBalancerType::Network) {
            problems.push(Problem::new(at, "only a network load balancer has this"));
        }
        if enforced && self.security_groups.is_empty() {
            let problem = Problem::new("/enforce_security_groups_on_private_link", "there is no security group to enforce");
            problems.push(problem.help("give the load balancer `security_groups`, or leave this out"));
        }
        if self.kind == LoadBalancerType::Gateway && self.zonal_shift.is_some() {
            problems.push(Problem::new("/zonal_shift", "a gateway load balancer takes no part in zonal shifts"));
        }
        if application && self.cross_zone == Some(false) {
            problems.push(Problem::new("/cross_zone", "an application load balancer always balances across zones"));
        }
        for (at, logs) in [("/access_logs/bucket", &self.access_logs), ("/connection_logs/bucket", &self.connection_logs)] {
            if logs.as_ref().is_some_and(|logs| logs.enabled && logs.bucket.is_empty()) {
                problems.push(Problem::new(at, "logs need a bucket"));
            }
        }
        problems
    }

    /// Beside the subnets, the security groups of a network load balancer: it is made with or without them, for good.
    fn replaces(&self, live: &Self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        if subnet_mapping::stands(self, live) {
            fields.extend(["/subnets", "/subnet_mappings"]);
        }
        if live.kind == LoadBalancerType::Network && self.security_groups.is_empty() != live.security_groups.is_empty() {
            fields.push("/security_groups");
        }
        fields
    }

    /// An address is one load balancer's.
    fn excludes(&self, live: &Self) -> bool {
        subnet_mapping::clash(self, live)
    }

    /// Subnets without addresses of one's choice are the same in both ways of writing them, and addresses that AWS drew are as good as
    /// any where none are asked for.
    fn align(&self, live: &mut Self) {
        match (&self.subnet_mappings, live.subnet_mappings.is_some()) {
            (Some(_), false) => {
                live.subnet_mappings = Some(live.mappings());
                live.subnets = BTreeSet::new();
            }
            (None, true) => {
                live.subnets = live.mappings().into_iter().map(|mapping| mapping.subnet).collect();
                live.subnet_mappings = None;
            }
            _ => {}
        }
        let logs = [(&self.access_logs, &mut live.access_logs), (&self.connection_logs, &mut live.connection_logs)];
        for (wanted, live) in logs {
            if let (Some(wanted), Some(live)) = (wanted, live)
                && !wanted.enabled
                && !live.enabled
            {
                *live = wanted.clone();
            }
        }
    }
}

impl LoadBalancer {
    fn address_type(&self) -> IpAddressType {
        match self.ip_address_type {
            AddressType::Ipv4 => IpAddressType::Ipv4,
            AddressType::Dualstack => IpAddressType::Dualstack,
            AddressType::DualstackWithoutPublicIpv4 => IpAddressType::DualstackWithoutPublicIpv4,
        }
    }

    /// Its subnets, however they are written.
    fn mappings(&self) -> BTreeSet<SubnetMapping> {
        self.subnet_mappings.clone().unwrap_or_else(|| self.subnets.iter().cloned().map(SubnetMapping::plain).collect())
    }

    fn subnet_ids(&self) -> Option<Vec<String>> {
        self.subnet_mappings.is_none().then(|| ids(&self.subnets))
    }

    fn sdk_mappings(&self) -> Option<Vec<SdkMapping>> {
        self.subnet_mappings.as_ref().map(|mappings| mappings.iter().map(SubnetMapping::to_sdk).collect())
    }
}

/// Tags of load balancers, target groups or listeners: as the index has them, else asked, 20 a call.
pub(super) async fn tags_of(aws: &Aws, scope: &Scope, arns: impl Iterator<Item = String>) -> Result<BTreeMap<String, Tags>> {
    let (mut all, mut unknown) = (BTreeMap::new(), Vec::new());
    for arn in arns {
        match scope.tags(&arn) {
            Some(tags) => drop(all.insert(arn, tags)),
            None => unknown.push(arn),
        }
    }
    for some in unknown.chunks(20) {
        // One that was deleted meanwhile fails the call for all: then they are asked one by one.
        let asked = match ok_or_not_found(aws.elbv2.describe_tags().set_resource_arns(Some(some.to_vec())).send().await)? {
            Some(reply) => vec![reply],
            None => {
                each(some.to_vec(), |arn| async move { ok_or_not_found(aws.elbv2.describe_tags().resource_arns(arn).send().await) }).await?
            }
        };
        for description in asked.into_iter().flat_map(|reply| reply.tag_descriptions.unwrap_or_default()) {
            if let Some(arn) = description.resource_arn {
                all.insert(arn, tags::from_elbv2(description.tags.as_deref().unwrap_or_default()));
            }
        }
    }
    Ok(all)
}
