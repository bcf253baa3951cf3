//! `load_balancer`: an application, network or gateway load balancer.

mod attributes;
mod read;
mod subnet_mapping;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnum as Enforced, LoadBalancerSchemeEnum, LoadBalancerTypeEnum,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attributes::{ClientRoutingPolicy, DesyncMitigationMode, Logs, XffHeaderProcessing};
use read::read;
pub(super) use read::read_tags;
pub use subnet_mapping::SubnetMapping;

use super::{
    security_group::SecurityGroup,
    subnet::{Subnet, shared_zones},
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services, to_aws},
    core::{
        Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, PriceContext, Pricing, Problem, Product,
        Ref, Resource, Result, Scope, TypeInfo, UsageKey, ok_or_not_found, referenced_ids,
    },
};

/// A load balancer.
#[spec]
#[derive(Default)]
pub struct LoadBalancer {
    /// Physical name of letters, digits and hyphens, without a hyphen at either end; it can't begin with `internal-`.
    #[field(name(max = 32), pattern = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", replaces)]
    pub name: Option<String>,
    /// `application` (HTTP), `network` (TCP, UDP, TLS) or `gateway` (appliances).
    #[field(important, default = LoadBalancerType::Application, replaces)]
    #[serde(rename = "type")]
    pub kind: LoadBalancerType,
    /// Uses private addresses only.
    #[field(default = false, replaces, important, risky(false, "it has public addresses"))]
    pub internal: bool,
    /// Subnets with addresses assigned by AWS, one per availability zone; acme requires two for an application load balancer. Excludes
    /// `subnet_mappings`. Removing one from a gateway load balancer, or exchanging one of a network load balancer, replaces it,
    /// and so do subnets of another VPC.
    #[field(default, impact = "a removed zone receives no more requests", keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Subnets of a network load balancer with static addresses, instead of `subnets`. Subnets are added and removed in place, but those of
    /// another VPC replace it.
    #[field(impact = "a removed zone receives no more requests", keeps = "vpc")]
    #[field(dropped(kept, "`subnets` decides, and a load balancer keeps its addresses"))]
    pub subnet_mappings: Option<BTreeSet<SubnetMapping>>,
    /// Security groups. acme requires one for an application load balancer, where AWS would use the VPC's default group; a gateway load
    /// balancer has none. A network load balancer that is created with security groups keeps at least one, and one created without can't get
    /// any: such a change replaces it.
    #[field(default, important)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// IP address type: `ipv4`, `dualstack`, or `dualstack-without-public-ipv4` for an application load balancer.
    #[field(default = AddressType::Ipv4)]
    pub ip_address_type: AddressType,
    /// Enables deletion protection.
    #[field(
        important,
        default = true,
        after_create = false,
        protects_deletion,
        risky(false, "deletion protection is disabled"),
        attribute = "deletion_protection.enabled"
    )]
    pub deletion_protection: bool,
    /// Idle timeout of an application load balancer's connections, in seconds.
    #[field(unset = "AWS's default, 60", range = 1..=4000, after_create, attribute = "idle_timeout.timeout_seconds", dropped = 60)]
    pub idle_timeout_seconds: Option<u32>,
    /// Maximum duration of a client's connection to an application load balancer, in seconds.
    #[field(unset = "AWS's default, 3600", range = 60..=604_800, after_create, attribute = "client_keep_alive.seconds", dropped = 3600)]
    pub client_keep_alive_seconds: Option<u32>,
    /// Accepts HTTP/2. Application load balancers only.
    #[field(unset = "AWS's default, true", after_create, attribute = "routing.http2.enabled", dropped = true)]
    pub http2: Option<bool>,
    /// Enables cross-zone load balancing: distributes requests over the targets of all zones.
    #[field(unset = "AWS's default: true for application (fixed), false for others", after_create)]
    #[field(dropped = Some(self.kind == LoadBalancerType::Application))]
    pub cross_zone: Option<bool>,
    /// Drops HTTP headers with invalid names. Application load balancers only.
    #[field(unset = "AWS's default, false", after_create, attribute = "routing.http.drop_invalid_header_fields.enabled", dropped = false)]
    pub drop_invalid_headers: Option<bool>,
    /// Preserves the client's `Host` header. Application load balancers only.
    #[field(unset = "AWS's default, false", after_create, attribute = "routing.http.preserve_host_header.enabled", dropped = false)]
    pub preserve_host_header: Option<bool>,
    /// Treatment of requests that may desynchronize an application load balancer and its targets.
    #[field(unset = "AWS's default, defensive", after_create, attribute = "routing.http.desync_mitigation_mode")]
    #[field(dropped = DesyncMitigationMode::Defensive)]
    pub desync_mitigation_mode: Option<DesyncMitigationMode>,
    /// Treatment of the `X-Forwarded-For` header by an application load balancer.
    #[field(unset = "AWS's default, append", after_create, attribute = "routing.http.xff_header_processing.mode")]
    #[field(dropped = XffHeaderProcessing::Append)]
    pub xff_header_processing: Option<XffHeaderProcessing>,
    /// Adds the client's port to `X-Forwarded-For`. Application load balancers only.
    #[field(unset = "AWS's default, false", after_create, attribute = "routing.http.xff_client_port.enabled", dropped = false)]
    pub xff_client_port: Option<bool>,
    /// Sends the TLS version and cipher suite to targets, in the headers `x-amzn-tls-version` and `x-amzn-tls-cipher-suite`. Application
    /// load balancers only.
    #[field(unset = "AWS's default, false", after_create, attribute = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled")]
    #[field(dropped = false)]
    pub tls_headers: Option<bool>,
    /// Forwards requests if its web firewall is unreachable. Application load balancers only.
    #[field(
        unset = "AWS's default, false",
        after_create,
        risky(true, "requests pass unchecked if the firewall is unreachable"),
        attribute = "waf.fail_open.enabled"
    )]
    #[field(dropped = false)]
    pub waf_fail_open: Option<bool>,
    /// Distribution of clients in the VPC over the zones of a network load balancer.
    #[field(unset = "AWS's default, any_availability_zone", after_create, attribute = "dns_record.client_routing_policy")]
    #[field(dropped = ClientRoutingPolicy::AnyAvailabilityZone)]
    pub client_routing_policy: Option<ClientRoutingPolicy>,
    /// Applies the security groups of a network load balancer to PrivateLink traffic, too.
    #[field(unset = "AWS's default, true", after_create, requires = security_groups, dropped = true)]
    pub enforce_security_groups_on_private_link: Option<bool>,
    /// Enables zonal shifts, which move traffic away from an impaired zone. Not for gateway load balancers.
    #[field(unset = "AWS's default, false", after_create, attribute = "zonal_shift.config.enabled", dropped = false)]
    pub zonal_shift: Option<bool>,
    /// Access logs in S3. Not for gateway load balancers.
    #[field(unset = "AWS's default, none", after_create, dropped = Logs::off())]
    pub access_logs: Option<Logs>,
    /// Logs of the connections to an application load balancer, in S3.
    #[field(unset = "AWS's default, none", after_create, dropped = Logs::off())]
    pub connection_logs: Option<Logs>,
    /// Logs of an application load balancer's health checks, in S3.
    #[field(unset = "AWS's default, none", after_create, dropped = Logs::off())]
    pub health_check_logs: Option<Logs>,
    /// Blocks IPv6 traffic through an internet gateway to an internal load balancer. Not for gateway load balancers.
    #[field(
        unset = "AWS's default: true for an internal load balancer, else false",
        after_create,
        attribute = "ipv6.deny_all_igw_traffic"
    )]
    #[field(risky(false, "IPv6 traffic from the internet can reach an internal load balancer"), dropped = Some(self.internal))]
    pub deny_ipv6_from_internet: Option<bool>,
    /// Secondary private addresses that a network load balancer has in each subnet, for more connections to one target. AWS never removes
    /// some.
    #[field(unset = "AWS's default, 0", range = 0..=7, after_create, attribute = "secondary_ips.auto_assigned.per_subnet")]
    #[field(one_way(Direction::Increase, "AWS removes no secondary addresses"))]
    #[field(dropped(impossible, "AWS removes no secondary addresses"))]
    pub secondary_ips: Option<u32>,
}

/// Type of a load balancer.
#[spec]
#[derive(Copy, Default)]
#[allow(missing_docs)]
pub enum LoadBalancerType {
    #[default]
    Application,
    Network,
    Gateway,
}

/// IP address type.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum AddressType {
    #[default]
    Ipv4,
    Dualstack,
    DualstackWithoutPublicIpv4,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Its DNS name.
    pub dns_name: String,
    /// Hosted zone of its DNS name, for alias records: the same one for all load balancers of a type in a region
    /// (<https://docs.aws.amazon.com/general/latest/gr/elb.html>).
    #[schemars(extend("x-acme-simulated" = "{type|network=Z2IFOLAFXWLO4F|Z32O12XQLNTSW2}"))]
    pub zone_id: String,
    /// Part of the ARN used by CloudWatch metrics.
    #[schemars(extend("x-acme-simulated" = "{arn:loadbalancer/}"))]
    pub arn_suffix: String,
}

/// Load balancer capacity units on average.
const CAPACITY_UNITS: UsageKey = UsageKey::new("capacity_units", "load balancer capacity units on average");

impl Resource for LoadBalancer {
    const TYPE: TypeInfo = TypeInfo::new(
        "load_balancer",
        &services::elbv2::SERVICE,
        "{arn}",
        "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{type|network=net|app}/{name}/{hex16}",
    )
    .lost_on_recreation("it has another DNS name")
    .typical_seconds(150)
    .quota(500, "TooManyLoadBalancers")
    .not_found("LoadBalancerNotFound")
    .already_exists("DuplicateLoadBalancerName")
    .iam_actions(
        IamActions::new("elasticloadbalancing:loadbalancer/*/{name}/*")
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
            .grants(&[
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("elasticloadbalancing.amazonaws.com")),
                // The service reads the network with the caller's permissions.
                IamGrant::change(
                    &[
                        "ec2:DescribeAccountAttributes",
                        "ec2:DescribeAddresses",
                        "ec2:DescribeInternetGateways",
                        "ec2:DescribeSecurityGroups",
                        "ec2:DescribeSubnets",
                        "ec2:DescribeVpcs",
                    ],
                    GrantTarget::AllResources,
                ),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[CAPACITY_UNITS];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let family = match self.kind {
            LoadBalancerType::Application => "Load Balancer-Application",
            LoadBalancerType::Network => "Load Balancer-Network",
            LoadBalancerType::Gateway => "Load Balancer-Gateway",
        };
        let product = |usage_type| Product::new("AWSELB").family(family).usage_type(usage_type);
        let mut parts = vec![
            context.hourly("load balancer", 1.0, product("LoadBalancerUsage")),
            context.metered_hourly("capacity units", &CAPACITY_UNITS, "LCU-hours", product("LCUUsage")),
        ];
        // Each has an address in each of its subnets. Elastic IPs have a price of their own.
        let mapped = self.subnet_mappings.iter().flatten().filter(|mapping| mapping.elastic_ip.is_none()).count();
        let addresses = self.subnets.len() + mapped;
        if !self.internal && self.kind != LoadBalancerType::Gateway && addresses > 0 {
            let addresses = u32::try_from(addresses).unwrap_or(u32::MAX);
            parts.push(services::ec2::prices::public_addresses(context, f64::from(addresses)).assuming("one in each subnet"));
        }
        Pricing::of(parts)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.elbv2.describe_load_balancers().into_paginator().items().send().try_collect().await?;
        let own: Vec<_> = all
            .into_iter()
            // Classic load balancers have a separate API.
            .filter_map(|lb| Some((lb.load_balancer_arn.clone()?, lb.load_balancer_name.clone()?, lb)))
            .filter(|(arn, name, _)| scope.covers(name, arn))
            .collect();
        let tags = read_tags(aws, scope, own.iter().map(|(arn, ..)| arn.clone())).await?;
        let tags = &tags;
        for_each_concurrent(own, |(arn, name, lb)| async move {
            let reply = aws.elbv2.describe_load_balancer_attributes().load_balancer_arn(&arn).send().await;
            let Some(reply) = ok_or_not_found(reply)? else { return Ok(None) };
            let attributes = reply.attributes.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value?))).collect();
            Ok(Some(read(arn.clone(), name, lb, &attributes, tags.get(&arn).cloned().unwrap_or_default())))
        })
        .await
    }

    /// Needs no token: repeated with the same name and settings, the call returns the existing load balancer.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let scheme = if self.internal { LoadBalancerSchemeEnum::Internal } else { LoadBalancerSchemeEnum::InternetFacing };
        let call = cx.elbv2.create_load_balancer().set_name(self.name.clone()).set_tags(Some(services::elbv2::to_tags(&cx.call.tags)));
        let call = call.r#type(LoadBalancerTypeEnum::from(to_aws(&self.kind).as_str()));
        let call = call.set_scheme((self.kind != LoadBalancerType::Gateway).then_some(scheme)).ip_address_type(self.address_type());
        let call = call.set_subnets(self.subnet_ids()).set_subnet_mappings(self.sdk_mappings());
        let groups = Some(referenced_ids(&self.security_groups)).filter(|groups| !groups.is_empty());
        let reply = call.set_security_groups(groups).send().await?;
        let created = reply.load_balancers.unwrap_or_default().into_iter().next();
        Ok(created.and_then(|lb| lb.load_balancer_arn).ok_or_else(|| Error::missing_field("LoadBalancerArn"))?.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: LoadBalancerChanges) -> Result<()> {
        let id = &live.id;
        if changes.ip_address_type {
            cx.elbv2.set_ip_address_type().load_balancer_arn(id).ip_address_type(self.address_type()).send().await?;
        }
        if changes.subnets || changes.subnet_mappings {
            let call = cx.elbv2.set_subnets().load_balancer_arn(id).set_subnets(self.subnet_ids());
            let call = call.set_enable_prefix_for_ipv6_source_nat(self.source_nat(cx, id).await?);
            call.set_subnet_mappings(self.sdk_mappings()).send().await?;
        }
        if changes.security_groups || changes.enforce_security_groups_on_private_link {
            let call =
                cx.elbv2.set_security_groups().load_balancer_arn(id).set_security_groups(Some(referenced_ids(&self.security_groups)));
            // Without it, AWS enables the enforcement.
            let enforced = self.enforce_security_groups_on_private_link.or(live.spec.enforce_security_groups_on_private_link);
            let enforced = enforced.map(|on| if on { Enforced::On } else { Enforced::Off });
            call.set_enforce_security_group_inbound_rules_on_private_link_traffic(enforced).send().await?;
        }
        let attributes = self.attributes(&changes);
        if !attributes.is_empty() {
            cx.elbv2.modify_load_balancer_attributes().load_balancer_arn(id).set_attributes(Some(attributes)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.elbv2.delete_load_balancer().load_balancer_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(balancer) = declared.spec() else { return Vec::new() };
        shared_zones(declared, &Self::POINTERS.subnets, &balancer.subnets)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.as_ref().is_some_and(|name| name.starts_with("internal-")) {
            problems.push(
                Problem::new(Self::POINTERS.name, "the name of a load balancer can't begin with `internal-`").help("set another `name`"),
            );
        }
        let application = self.kind == LoadBalancerType::Application;
        let least = if application { 2 } else { 1 };
        if self.subnets.len() < least && self.subnet_mappings.as_ref().is_none_or(BTreeSet::is_empty) {
            let message = "an application load balancer needs subnets in two availability zones, others in one";
            problems.push(Problem::new(Self::POINTERS.subnets, message));
        }
        if application && self.security_groups.is_empty() {
            problems.push(Problem::new(Self::POINTERS.security_groups, "an application load balancer needs a security group"));
        }
        problems.extend(subnet_mapping::check(self));
        problems.extend(attributes::check(self));
        problems
    }

    /// Checks subnets, and the security groups of a network load balancer, which can't change between some and none.
    fn replaces(&self, live: &Self) -> LoadBalancerChanges {
        let subnets = subnet_mapping::needs_replacement(self, live);
        LoadBalancerChanges {
            subnets,
            subnet_mappings: subnets,
            security_groups: live.kind == LoadBalancerType::Network && self.security_groups.is_empty() != live.security_groups.is_empty(),
            ..Default::default()
        }
    }

    /// Two load balancers can't share an address.
    fn conflicts_with(&self, _: &Self) -> bool {
        true
    }

    fn conflict_groups(&self) -> Vec<String> {
        subnet_mapping::addresses(self)
    }

    /// A NAT gateway can't have an address as well.
    fn exclusive_uses(&self) -> Vec<String> {
        subnet_mapping::elastic_ips(self)
    }

    /// Subnets without static addresses are equivalent in both fields, and an address assigned by AWS matches if none is requested.
    /// The bucket of disabled logs does not matter.
    fn normalize(&self, live: &mut Self) {
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
        let logs = [
            (&self.access_logs, &mut live.access_logs),
            (&self.connection_logs, &mut live.connection_logs),
            (&self.health_check_logs, &mut live.health_check_logs),
        ];
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
