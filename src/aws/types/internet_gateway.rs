//! `internet_gateway`: the way from a VPC to the internet and back.

use aws_sdk_ec2::types::{AttachmentStatus, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vpc::Vpc;
use crate::{
    aws::{Aws, ec2_arn, holders, interfaces, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Ref, Result,
        Scope, Service,
    },
};

/// The way from a VPC to the internet and back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InternetGateway {
    /// The VPC it is attached to; a VPC has one at most. Default: left as it is, which is unattached for a new gateway.
    #[serde(default)]
    pub vpc: Option<Ref<Vpc>>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for InternetGateway {
    const TYPE: &'static str = "internet_gateway";
    const SERVICE: Service = Service::Ec2;
    const ARN: Option<&'static str> = Some("ec2:internet-gateway/");
    const ACTIONS: Actions = Actions::on("ec2:internet-gateway/*")
        .list(&["ec2:DescribeInternetGateways"])
        .create(&["ec2:CreateInternetGateway"])
        .change(&["ec2:AttachInternetGateway", "ec2:DeleteInternetGateway", "ec2:DetachInternetGateway"])
        .more(&[
            Grant::change(&["ec2:AttachInternetGateway", "ec2:DetachInternetGateway"], On::Used("vpc")),
            Grant::change(&["ec2:DescribeNetworkInterfaces"], On::Everything),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        let mut pages = aws.ec2.describe_internet_gateways().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for gateway in page?.internet_gateways.unwrap_or_default() {
                let id = gateway.internet_gateway_id.ok_or_else(|| Error::missing("InternetGatewayId"))?;
                let tags = tags::from_ec2(gateway.tags.as_deref().unwrap_or_default());
                if !scope.owns(&tags) {
                    continue;
                }
                // AWS reports "available" for an attached gateway, a value outside its own list of states.
                let attachment = gateway.attachments.into_iter().flatten().find(|a| a.state != Some(AttachmentStatus::Detached));
                found.push(Observed {
                    tags,
                    phase: match attachment.as_ref().and_then(|a| a.state.as_ref()) {
                        Some(state @ (AttachmentStatus::Attaching | AttachmentStatus::Detaching)) => {
                            Phase::Settling(state.as_str().to_owned())
                        }
                        _ => Phase::Ready,
                    },
                    spec: InternetGateway { vpc: attachment.and_then(|a| a.vpc_id).map(Ref::to) },
                    outputs: Outputs {
                        arn: ec2_arn(&aws.region, &gateway.owner_id.unwrap_or_default(), &format!("internet-gateway/{id}")),
                    },
                    id,
                });
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let tags = tags::ec2_specification(cx.tags, ResourceType::InternetGateway);
        let reply = cx.aws.ec2.create_internet_gateway().tag_specifications(tags).send().await?;
        reply.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).ok_or_else(|| Error::missing("InternetGatewayId"))
    }

    fn created(&self) -> Self {
        InternetGateway { vpc: None }
    }

    /// A gateway is attached to one VPC at most, so the old one goes first.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if !changed.has("/vpc") {
            return Ok(());
        }
        if let Some(vpc) = &before.vpc {
            detach(cx, id, vpc).await?;
        }
        if let Some(vpc) = &self.vpc {
            let attached = cx.aws.ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc.get()).send().await;
            // An answer that was lost and asked for again: the message names the VPC it is attached to.
            match attached.map_err(Error::from) {
                Err(error) if error.code == "Resource.AlreadyAssociated" && error.message.contains(vpc.get()) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        if let Some(vpc) = &live.vpc {
            detach(cx, id, vpc).await?;
        }
        cx.aws.ec2.delete_internet_gateway().internet_gateway_id(id).send().await?;
        Ok(())
    }

    /// It is not detached while something in the VPC has a public address.
    async fn held_by(aws: &Aws, _: &str, live: &Self) -> Result<Option<String>> {
        let Some(vpc) = &live.vpc else { return Ok(None) };
        let filters = [("vpc-id", vpc.get()), ("association.public-ip", "*")];
        Ok(holders(interfaces(aws, &filters).await?))
    }
}

/// "Not attached" is what was asked for: an earlier try may have got this far.
async fn detach(cx: &Cx<'_>, id: &str, vpc: &Ref<Vpc>) -> Result<()> {
    let detached = cx.aws.ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc.get()).send().await;
    match detached.map_err(Error::from) {
        Err(error) if error.code == "Gateway.NotAttached" || error.code == "InvalidVpcID.NotFound" => Ok(()),
        other => other.map(drop),
    }
}
