//! `egress_only_gateway`: outbound IPv6 access to the internet.

use aws_sdk_ec2::types::{self as ec2, ResourceType};

use super::{prelude::*, vpc::Vpc};

/// Gives a VPC outbound access to the internet over IPv6, without inbound access. Routes of route tables lead to it.
#[spec]
pub struct EgressOnlyGateway {
    /// The VPC it is attached to; a VPC can have only one.
    #[field(replaces, unique = "vpc", important)]
    pub vpc: Ref<Vpc>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for EgressOnlyGateway {
    const TYPE: TypeInfo = TypeInfo::new(
        "egress_only_gateway",
        &services::ec2::SERVICE,
        "eigw-{hex17}",
        "arn:aws:ec2:{region}:{account}:egress-only-internet-gateway/{id}",
    )
    .without_charge("the gateway costs nothing; transfer to the internet does")
    .quota(50, "EgressOnlyInternetGatewayLimitExceeded")
    .not_found("InvalidGatewayID.NotFound")
    .already_exists("Resource.AlreadyAssociated")
    .iam_actions(
        IamActions::new("ec2:egress-only-internet-gateway/*")
            .list(&["ec2:DescribeEgressOnlyInternetGateways"])
            .create(&["ec2:CreateEgressOnlyInternetGateway"])
            .create_uses(&["vpc"])
            .change(&["ec2:DeleteEgressOnlyInternetGateway"]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    /// EC2 has no filter for its ids.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.ec2.describe_egress_only_internet_gateways();
        let call = match &scope.adopt {
            Some(id) => call.egress_only_internet_gateway_ids(id),
            None => call.set_filters(Some(scope.ec2_filters())),
        };
        let gateways = ok_or_not_found(call.into_paginator().items().send().try_collect().await)?.unwrap_or_default();
        scope.collect_owned(gateways.into_iter().map(read))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_egress_only_internet_gateway().client_token(&cx.call.token).vpc_id(self.vpc.get());
        let tags = services::ec2::tag_specification(&cx.call.tags, ResourceType::EgressOnlyInternetGateway);
        let reply = call.tag_specifications(tags).send().await?;
        let id = |gateway: &ec2::EgressOnlyInternetGateway| gateway.egress_only_internet_gateway_id.clone();
        Created::from_reply(reply.egress_only_internet_gateway, id, read)
    }

    /// Only tags can change.
    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: EgressOnlyGatewayChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(&live.id).send().await)
    }
}

fn read(gateway: ec2::EgressOnlyInternetGateway) -> Result<Observed<EgressOnlyGateway>> {
    let attachment = gateway.attachments.into_iter().flatten().next().ok_or_else(|| Error::missing_field("Attachments"))?;
    let phase = attachment.state.map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let spec = EgressOnlyGateway { vpc: Ref::to(attachment.vpc_id.unwrap_or_default()) };
    let id = gateway.egress_only_internet_gateway_id.ok_or_else(|| Error::missing_field("EgressOnlyInternetGatewayId"))?;
    let tags = services::ec2::from_tags(gateway.tags.as_deref().unwrap_or_default());
    Ok(Observed::new(id, tags, spec, Outputs {}).phase(phase))
}
