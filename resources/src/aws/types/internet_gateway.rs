//! `internet_gateway`: connects a VPC to the internet.

use aws_sdk_ec2::types::{self as ec2, AttachmentStatus, ResourceType};

use super::{prelude::*, vpc::Vpc};

/// Connects a VPC to the internet.
#[spec]
pub struct InternetGateway {
    /// The VPC it is attached to; a VPC can have only one gateway.
    #[field(unset = "unchanged; a new gateway is unattached", after_create, unique = "vpc", important, dropped = None)]
    pub vpc: Option<Ref<Vpc>>,
}

impl Resource for InternetGateway {
    const TYPE: TypeInfo =
        TypeInfo::new("internet_gateway", &services::ec2::SERVICE, "igw-{hex17}", "arn:aws:ec2:{region}:{account}:internet-gateway/{id}")
            .without_charge("the gateway costs nothing; transfer to the internet does")
            .without_token()
            .quota(50, "InternetGatewayLimitExceeded")
            .already_exists("Resource.AlreadyAssociated")
            .iam_actions(
                IamActions::new("ec2:internet-gateway/*")
                    .list(&["ec2:DescribeInternetGateways"])
                    .create(&["ec2:CreateInternetGateway"])
                    .change(&["ec2:AttachInternetGateway", "ec2:DeleteInternetGateway", "ec2:DetachInternetGateway"])
                    .blockers(&["ec2:DescribeNetworkInterfaces"])
                    .grants(&[IamGrant::change(
                        &["ec2:AttachInternetGateway", "ec2:DetachInternetGateway"],
                        GrantTarget::Referenced("vpc"),
                    )]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let gateways = aws.ec2.describe_internet_gateways().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        scope.collect_owned(gateways.try_collect().await?.into_iter().map(|gateway| read(aws, gateway)))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let tags = services::ec2::tag_specification(&cx.call.tags, ResourceType::InternetGateway);
        let reply = cx.ec2.create_internet_gateway().tag_specifications(tags).send().await?;
        let gateway = reply.internet_gateway.ok_or_else(|| Error::missing_field("InternetGateway"))?;
        let id = gateway.internet_gateway_id.clone().ok_or_else(|| Error::missing_field("InternetGatewayId"))?;
        // Without the account its ARN is not known.
        if gateway.owner_id.is_none() {
            return Ok(id.into());
        }
        Ok(Created::from_answer(id, read(cx.api, gateway)))
    }

    /// A gateway is attached to at most one VPC, so it is detached from the old one first.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: InternetGatewayChanges) -> Result<()> {
        if !changes.vpc {
            return Ok(());
        }
        if let Some(vpc) = &live.spec.vpc {
            detach(cx, &live.id, vpc).await?;
        }
        if let Some(vpc) = &self.vpc {
            let attached = cx.ec2.attach_internet_gateway().internet_gateway_id(&live.id).vpc_id(vpc.get()).send().await;
            // A repeated call after a lost response: the message names the VPC it is attached to.
            match attached.map_err(Error::from) {
                Err(error) if error.code == "Resource.AlreadyAssociated" && error.message.contains(vpc.get()) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if let Some(vpc) = &live.spec.vpc {
            detach(cx, &live.id, vpc).await?;
        }
        cx.ec2.delete_internet_gateway().internet_gateway_id(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    /// AWS does not detach it while a network interface of the VPC has a public address.
    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let Some(vpc) = &live.spec.vpc else { return Ok(None) };
        let filters = [("vpc-id", vpc.get()), ("association.public-ip", "*")];
        Ok(services::ec2::join_blockers(services::ec2::network_interfaces(aws, &filters).await?))
    }
}

fn read(aws: &Aws, gateway: ec2::InternetGateway) -> Result<Observed<InternetGateway>> {
    // AWS reports "available" for an attached gateway, a value outside its own list of states.
    let attachment = gateway.attachments.into_iter().flatten().find(|a| a.state != Some(AttachmentStatus::Detached));
    let state = attachment.as_ref().and_then(|attachment| attachment.state.as_ref());
    let phase = state.map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let spec = InternetGateway { vpc: attachment.and_then(|a| a.vpc_id).map(Ref::to) };
    let id = gateway.internet_gateway_id.ok_or_else(|| Error::missing_field("InternetGatewayId"))?;
    let tags = services::ec2::from_tags(gateway.tags.as_deref().unwrap_or_default());
    let arn = services::ec2::arn(&aws.region, &gateway.owner_id.unwrap_or_default(), &format!("internet-gateway/{id}"));
    Ok(Observed::new(id, tags, spec, ArnOutput { arn }).phase(phase))
}

/// Detaches it. "Not attached" counts as success: an earlier attempt may have detached it.
async fn detach(cx: &Cx<'_>, id: &str, vpc: &Ref<Vpc>) -> Result<()> {
    let detached = cx.ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc.get()).send().await;
    match detached.map_err(Error::from) {
        Err(error) if error.code == "Gateway.NotAttached" || error.code == "InvalidVpcID.NotFound" => Ok(()),
        other => other.map(drop),
    }
}
