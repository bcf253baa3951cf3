//! `transit_gateway_attachment`: connects a VPC to a transit gateway.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    self as ec2, CreateTransitGatewayVpcAttachmentRequestOptions, ModifyTransitGatewayVpcAttachmentRequestOptions, ResourceType,
    TransitGatewayAttachmentState as State,
};

use super::{
    prelude::*,
    subnet::{Subnet, shared_zones},
    transit_gateway::{TransitGateway, option},
    vpc::Vpc,
};
use crate::core::{ReferencedOutput, referenced_ids};

/// Connects a VPC to a transit gateway. Routes of the VPC's route tables lead to it.
#[spec]
pub struct TransitGatewayAttachment {
    /// The transit gateway.
    #[field(replaces, unique = "vpc", important)]
    pub transit_gateway: Ref<TransitGateway>,
    /// The VPC; a transit gateway has one attachment for each.
    #[field(replaces, unique = "vpc", important)]
    pub vpc: Ref<Vpc>,
    /// Subnets with its network interfaces, one for each availability zone that it reaches.
    #[field(length = 1..=64, important, impact = "traffic of the availability zones of removed subnets is interrupted")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Resolves public host names of instances in other attached VPCs to private addresses.
    #[field(default = true)]
    pub dns_support: bool,
    /// Carries IPv6, too. Its subnets need IPv6 ranges.
    #[field(default = false)]
    pub ipv6: bool,
    /// Sends both directions of a connection through the same availability zone, for firewalls in the VPC.
    #[field(default = false, impact = "open connections may be interrupted")]
    pub appliance_mode: bool,
    /// Rules of security groups may name groups of other attached VPCs, if the transit gateway allows it.
    #[field(default = true)]
    pub security_group_referencing: bool,
}

/// The transit gateway of an attachment, where AWS needs its id, but only after the attachment is there.
pub struct GatewayOfAttachment;

impl ReferencedOutput for GatewayOfAttachment {
    const OUTPUT: &'static str = "transit_gateway_id";
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Id of the transit gateway, which is usable once the attachment exists.
    #[schemars(extend("x-acme-simulated" = "{transit_gateway}"))]
    pub transit_gateway_id: String,
}

/// GB processed in a month.
const GB_PROCESSED: UsageKey = UsageKey::new("gb_processed", "GB processed in a month");

impl Resource for TransitGatewayAttachment {
    const TYPE: TypeInfo = TypeInfo::new(
        "transit_gateway_attachment",
        &services::ec2::SERVICE,
        "tgw-attach-{hex17}",
        "arn:aws:ec2:{region}:{account}:transit-gateway-attachment/{id}",
    )
    .typical_seconds(90)
    .without_token()
    .not_found("InvalidTransitGatewayAttachmentID.NotFound")
    .already_exists("DuplicateTransitGatewayAttachment")
    .in_use("IncorrectState")
    .iam_actions(
        IamActions::new("ec2:transit-gateway-attachment/*")
            .list(&["ec2:DescribeTransitGatewayVpcAttachments"])
            .create(&["ec2:CreateTransitGatewayVpcAttachment"])
            .create_uses(&["subnet", "transit_gateway", "vpc"])
            .change(&["ec2:DeleteTransitGatewayVpcAttachment", "ec2:ModifyTransitGatewayVpcAttachment"])
            .grants(&[
                IamGrant::change(&["ec2:ModifyTransitGatewayVpcAttachment"], GrantTarget::Referenced("subnet")),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("transitgateway.amazonaws.com")),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[GB_PROCESSED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AmazonVPC").with("operation", "TransitGatewayVPC").usage_type(usage_type);
        Pricing::of(vec![
            context.hourly("attachment", 1.0, product("TransitGateway-Hours")),
            context.metered("data processed", &GB_PROCESSED, "GB", product("TransitGateway-Bytes")),
        ])
    }

    /// A deleted one stays visible for about an hour, and EC2 documents no filter for tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let attachments = aws.ec2.describe_transit_gateway_vpc_attachments().set_filters(scope.ec2_id_filters()).into_paginator();
        let attachments = attachments.items().send().try_collect().await?;
        let attachments = attachments.into_iter().filter(|attachment| attachment.state != Some(State::Deleted));
        scope.collect_owned(attachments.map(|attachment| read(aws, attachment)))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let options = CreateTransitGatewayVpcAttachmentRequestOptions::builder()
            .dns_support(option(self.dns_support))
            .ipv6_support(option(self.ipv6))
            .appliance_mode_support(option(self.appliance_mode))
            .security_group_referencing_support(option(self.security_group_referencing));
        let call = cx.ec2.create_transit_gateway_vpc_attachment().transit_gateway_id(self.transit_gateway.get()).vpc_id(self.vpc.get());
        let call = call.set_subnet_ids(Some(referenced_ids(&self.subnets))).options(options.build());
        let tags = services::ec2::tag_specification(&cx.call.tags, ResourceType::TransitGatewayAttachment);
        let reply = call.tag_specifications(tags).send().await?;
        let id = reply.transit_gateway_vpc_attachment.and_then(|attachment| attachment.transit_gateway_attachment_id);
        Ok(id.ok_or_else(|| Error::missing_field("TransitGatewayAttachmentId"))?.into())
    }

    /// One call with what changes.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: TransitGatewayAttachmentChanges) -> Result<()> {
        let before = &live.spec.subnets;
        let some = |subnets: BTreeSet<Ref<Subnet>>| Some(referenced_ids(&subnets)).filter(|ids| !ids.is_empty());
        let options = ModifyTransitGatewayVpcAttachmentRequestOptions::builder()
            .set_dns_support(changes.dns_support.then(|| option(self.dns_support)))
            .set_ipv6_support(changes.ipv6.then(|| option(self.ipv6)))
            .set_appliance_mode_support(changes.appliance_mode.then(|| option(self.appliance_mode)))
            .set_security_group_referencing_support(changes.security_group_referencing.then(|| option(self.security_group_referencing)));
        let call = cx.ec2.modify_transit_gateway_vpc_attachment().transit_gateway_attachment_id(&live.id).options(options.build());
        let call = call.set_add_subnet_ids(some(self.subnets.difference(before).cloned().collect()));
        call.set_remove_subnet_ids(some(before.difference(&self.subnets).cloned().collect())).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ec2.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id(&live.id).send().await)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(attachment) = declared.spec() else { return Vec::new() };
        let mut problems = shared_zones(declared, &Self::POINTERS.subnets, &attachment.subnets);
        let known = attachment.subnets.iter().filter_map(|subnet| declared.referenced(subnet));
        problems.extend(known.filter(|(_, subnet)| attachment.ipv6 && subnet.ipv6_index.is_none()).map(|(address, _)| {
            let problem = Problem::new(Self::POINTERS.ipv6, format!("`{address}` has no IPv6 range"));
            problem.help(format!("add `ipv6_index` to `{address}`, or remove `ipv6`"))
        }));
        problems
    }
}

fn read(aws: &Aws, attachment: ec2::TransitGatewayVpcAttachment) -> Result<Observed<TransitGatewayAttachment>> {
    let id = attachment.transit_gateway_attachment_id.ok_or_else(|| Error::missing_field("TransitGatewayAttachmentId"))?;
    let gateway = attachment.transit_gateway_id.ok_or_else(|| Error::missing_field("TransitGatewayId"))?;
    let phase = match attachment.state {
        Some(State::PendingAcceptance) => {
            Phase::Waiting(format!("accept the attachment {id} in the account of the transit gateway {gateway}"))
        }
        Some(State::Rejected) => Phase::Failed(format!("the account of the transit gateway {gateway} rejected it")),
        Some(state @ (State::InitiatingRequest | State::Pending)) => Phase::Progressing(state.as_str().to_owned()),
        Some(state) => Phase::from_status(state.as_str()),
        None => Phase::Ready,
    };
    let options = attachment.options;
    let options = options.as_ref();
    let on = |option: Option<&str>| option == Some("enable");
    let spec = TransitGatewayAttachment {
        transit_gateway: Ref::to(&gateway),
        vpc: Ref::to(attachment.vpc_id.unwrap_or_default()),
        subnets: attachment.subnet_ids.into_iter().flatten().map(Ref::to).collect(),
        dns_support: on(options.and_then(|options| options.dns_support.as_ref()).map(|option| option.as_str())),
        ipv6: on(options.and_then(|options| options.ipv6_support.as_ref()).map(|option| option.as_str())),
        appliance_mode: on(options.and_then(|options| options.appliance_mode_support.as_ref()).map(|option| option.as_str())),
        security_group_referencing: on(options
            .and_then(|options| options.security_group_referencing_support.as_ref())
            .map(|option| option.as_str())),
    };
    let arn = services::ec2::arn(&aws.region, &attachment.vpc_owner_id.unwrap_or_default(), &format!("transit-gateway-attachment/{id}"));
    let tags = services::ec2::from_tags(attachment.tags.as_deref().unwrap_or_default());
    Ok(Observed::new(id, tags, spec, Outputs { arn, transit_gateway_id: gateway }).phase(phase))
}
