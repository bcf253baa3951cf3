//! `transit_gateway`: a router between VPCs and other networks.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{self as ec2, ModifyTransitGatewayOptions, ResourceType, TransitGatewayRequestOptions, TransitGatewayState};

use super::prelude::*;

/// A router between VPCs, and to networks outside AWS. Changes apply to attachments made afterwards.
#[spec]
pub struct TransitGateway {
    /// Description; empty for none.
    #[field(default)]
    pub description: String,
    /// Number of its autonomous system in BGP, a private one: 64512 to 65534 or 4200000000 to 4294967294.
    #[field(default = 64_512, impact = "BGP sessions are interrupted")]
    pub asn: i64,
    /// Accepts attachments of other accounts, with which it is shared, without asking.
    #[field(default = false, important, risky(true, "accounts with which it is shared connect their networks without being asked"))]
    pub auto_accept_shared_attachments: bool,
    /// Associates new attachments with a default route table that AWS creates. Route tables of the stack need `false`, or take their attachments
    /// away from it.
    #[field(default = true, important)]
    pub default_route_table_association: bool,
    /// Adds the routes of new attachments to a default route table that AWS creates.
    #[field(default = true, important)]
    pub default_route_table_propagation: bool,
    /// Spreads traffic over VPN connections with equal routes (ECMP).
    #[field(default = true)]
    pub vpn_ecmp: bool,
    /// Resolves public host names of instances in other attached VPCs to private addresses.
    #[field(default = true)]
    pub dns_support: bool,
    /// Rules of security groups may name groups of other attached VPCs.
    #[field(default = false)]
    pub security_group_referencing: bool,
    /// Routes multicast.
    #[field(default = false, replaces)]
    pub multicast: bool,
    /// Ranges for its own addresses, for Connect attachments and private VPN: IPv4 up to /24, IPv6 up to /64, outside 169.254.0.0/16.
    #[field(default, prefix = 1..=64, length = 0..=5)]
    pub cidrs: BTreeSet<Cidr>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Id of the route table with which AWS associates new attachments.
    #[schemars(extend("x-acme-simulated" = "tgw-rtb-{hex17}"))]
    pub association_route_table_id: Option<String>,
    /// Id of the route table to which AWS adds the routes of new attachments.
    #[schemars(extend("x-acme-simulated" = "tgw-rtb-{hex17}"))]
    pub propagation_route_table_id: Option<String>,
}

/// The SDK's value of an option.
pub(super) fn option<T: for<'a> From<&'a str>>(on: bool) -> T {
    T::from(if on { "enable" } else { "disable" })
}

impl Resource for TransitGateway {
    const TYPE: TypeInfo =
        TypeInfo::new("transit_gateway", &services::ec2::SERVICE, "tgw-{hex17}", "arn:aws:ec2:{region}:{account}:transit-gateway/{id}")
            .without_charge("its attachments cost")
            .typical_seconds(120)
            .without_token()
            .quota(5, "TransitGatewayLimitExceeded")
            .not_found("InvalidTransitGatewayID.NotFound")
            .in_use("IncorrectState")
            .iam_actions(
                IamActions::new("ec2:transit-gateway/*")
                    .list(&["ec2:DescribeTransitGateways"])
                    .create(&["ec2:CreateTransitGateway"])
                    .change(&["ec2:DeleteTransitGateway", "ec2:ModifyTransitGateway"])
                    .blockers(&["ec2:DescribeTransitGatewayAttachments"]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// A deleted one stays visible for about an hour, and EC2 documents no filter for tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let gateways = aws.ec2.describe_transit_gateways().set_filters(scope.ec2_id_filters()).into_paginator().items().send();
        let gateways = gateways.try_collect().await?.into_iter().filter(|gateway| gateway.state != Some(TransitGatewayState::Deleted));
        scope.collect_owned(gateways.map(read))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let options = TransitGatewayRequestOptions::builder()
            .amazon_side_asn(self.asn)
            .auto_accept_shared_attachments(option(self.auto_accept_shared_attachments))
            .default_route_table_association(option(self.default_route_table_association))
            .default_route_table_propagation(option(self.default_route_table_propagation))
            .vpn_ecmp_support(option(self.vpn_ecmp))
            .dns_support(option(self.dns_support))
            .security_group_referencing_support(option(self.security_group_referencing))
            .multicast_support(option(self.multicast))
            .set_transit_gateway_cidr_blocks(some_cidrs(self.cidrs.iter()));
        let call = cx.ec2.create_transit_gateway().options(options.build());
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::TransitGateway)).send().await?;
        let id = reply.transit_gateway.and_then(|gateway| gateway.transit_gateway_id);
        Ok(id.ok_or_else(|| Error::missing_field("TransitGatewayId"))?.into())
    }

    /// One call with what changes.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: TransitGatewayChanges) -> Result<()> {
        let before = &live.spec;
        let options = ModifyTransitGatewayOptions::builder()
            .set_amazon_side_asn(changes.asn.then_some(self.asn))
            .set_auto_accept_shared_attachments(changes.auto_accept_shared_attachments.then(|| option(self.auto_accept_shared_attachments)))
            .set_default_route_table_association(
                changes.default_route_table_association.then(|| option(self.default_route_table_association)),
            )
            .set_default_route_table_propagation(
                changes.default_route_table_propagation.then(|| option(self.default_route_table_propagation)),
            )
            .set_vpn_ecmp_support(changes.vpn_ecmp.then(|| option(self.vpn_ecmp)))
            .set_dns_support(changes.dns_support.then(|| option(self.dns_support)))
            .set_security_group_referencing_support(changes.security_group_referencing.then(|| option(self.security_group_referencing)))
            .set_add_transit_gateway_cidr_blocks(some_cidrs(self.cidrs.difference(&before.cidrs)))
            .set_remove_transit_gateway_cidr_blocks(some_cidrs(before.cidrs.difference(&self.cidrs)));
        let call = cx.ec2.modify_transit_gateway().transit_gateway_id(&live.id).options(options.build());
        call.set_description(changes.description.then(|| self.description.clone())).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ec2.delete_transit_gateway().transit_gateway_id(&live.id).send().await)
    }

    /// Attachments, such as those of other accounts.
    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let filter = ec2::Filter::builder().name("transit-gateway-id").values(&live.id).build();
        let attachments = aws.ec2.describe_transit_gateway_attachments().filters(filter).into_paginator().items().send();
        let attachments = attachments.try_collect().await?;
        let exists = |attachment: &&ec2::TransitGatewayAttachment| attachment.state != Some(ec2::TransitGatewayAttachmentState::Deleted);
        let describe = |attachment: &ec2::TransitGatewayAttachment| {
            let (id, resource) = (attachment.transit_gateway_attachment_id(), attachment.resource_id());
            format!("attachment {} ({})", id.unwrap_or_default(), resource.unwrap_or_default())
        };
        Ok(services::ec2::join_blockers(attachments.iter().filter(exists).map(describe).collect()))
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(64_512..=65_534).contains(&self.asn) && !(4_200_000_000..=4_294_967_294).contains(&self.asn) {
            let help = "choose one from 64512 to 65534, or from 4200000000 to 4294967294";
            problems.push(
                Problem::new(Self::POINTERS.asn, format!("{} is not the number of a private autonomous system", self.asn)).help(help),
            );
        }
        for (index, cidr) in self.cidrs.iter().enumerate() {
            if cidr.range().is_some_and(|range| !cidr.is_v6() && range.prefix_len() > 24) {
                let problem = Problem::new(Self::POINTERS.cidrs.item(index), format!("the range {cidr} is smaller than /24"));
                problems.push(problem.help("choose a range of 256 addresses or more"));
            }
        }
        problems
    }
}

fn some_cidrs<'a>(cidrs: impl Iterator<Item = &'a Cidr>) -> Option<Vec<String>> {
    Some(cidrs.map(ToString::to_string).collect()).filter(|all: &Vec<String>| !all.is_empty())
}

fn read(gateway: ec2::TransitGateway) -> Result<Observed<TransitGateway>> {
    let phase = gateway.state.map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let options = gateway.options.ok_or_else(|| Error::missing_field("Options"))?;
    let on = |option: Option<&str>| option == Some("enable");
    let spec = TransitGateway {
        description: gateway.description.unwrap_or_default(),
        asn: options.amazon_side_asn.unwrap_or_default(),
        auto_accept_shared_attachments: on(options.auto_accept_shared_attachments.as_ref().map(|option| option.as_str())),
        default_route_table_association: on(options.default_route_table_association.as_ref().map(|option| option.as_str())),
        default_route_table_propagation: on(options.default_route_table_propagation.as_ref().map(|option| option.as_str())),
        vpn_ecmp: on(options.vpn_ecmp_support.as_ref().map(|option| option.as_str())),
        dns_support: on(options.dns_support.as_ref().map(|option| option.as_str())),
        security_group_referencing: on(options.security_group_referencing_support.as_ref().map(|option| option.as_str())),
        multicast: on(options.multicast_support.as_ref().map(|option| option.as_str())),
        cidrs: options.transit_gateway_cidr_blocks.iter().flatten().filter_map(|cidr| cidr.parse().ok()).collect(),
    };
    let outputs = Outputs {
        arn: gateway.transit_gateway_arn.unwrap_or_default(),
        association_route_table_id: options.association_default_route_table_id,
        propagation_route_table_id: options.propagation_default_route_table_id,
    };
    let id = gateway.transit_gateway_id.ok_or_else(|| Error::missing_field("TransitGatewayId"))?;
    let tags = services::ec2::from_tags(gateway.tags.as_deref().unwrap_or_default());
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}
