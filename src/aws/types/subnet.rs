//! `subnet`: an IP range of a VPC in one availability zone.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, SubnetState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vpc::Vpc;
use crate::{
    aws::{Aws, holders, interfaces, tags},
    core::{
        Actions, Changed, Cidr, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem,
        Ref, Result, Scope, Service,
    },
};

/// An IP range of a VPC in one availability zone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// The VPC it belongs to. Changing it replaces the subnet.
    pub vpc: Ref<Vpc>,
    /// IPv4 range between /16 and /28, inside the VPC's. Changing it replaces the subnet.
    pub cidr: Cidr,
    /// Availability zone, such as `eu-west-1a`. Changing it replaces the subnet.
    pub availability_zone: String,
    /// Gives instances started here a public IPv4 address. Default: false.
    #[serde(default)]
    pub public_ip_on_launch: bool,
    /// Answers DNS queries for IPv4-only hosts with synthetic IPv6 addresses. Default: false.
    #[serde(default)]
    pub dns64: bool,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for Subnet {
    const TYPE: &'static str = "subnet";
    const SERVICE: Service = Service::Ec2;
    const REPLACE: &'static [&'static str] = &["/vpc", "/cidr", "/availability_zone"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/vpc", "/cidr"]];
    const ACTIONS: Actions = Actions::on("ec2:subnet/*")
        .list(&["ec2:DescribeSubnets"])
        .create(&["ec2:CreateSubnet"])
        .change(&["ec2:DeleteSubnet", "ec2:ModifySubnetAttribute"])
        .more(&[Grant::change(&["ec2:CreateSubnet"], On::Used("vpc")), Grant::change(&["ec2:DescribeNetworkInterfaces"], On::Everything)]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        let mut pages = aws.ec2.describe_subnets().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for subnet in page?.subnets.unwrap_or_default() {
                found.push(Observed {
                    id: subnet.subnet_id.ok_or_else(|| Error::missing("SubnetId"))?,
                    tags: tags::from_ec2(subnet.tags.as_deref().unwrap_or_default()),
                    phase: match subnet.state {
                        Some(SubnetState::Pending) => Phase::Settling("pending".into()),
                        Some(SubnetState::FailedInsufficientCapacity) => Phase::Failed("insufficient capacity".into()),
                        Some(SubnetState::Failed) => Phase::Failed("failed".into()),
                        _ => Phase::Ready,
                    },
                    spec: Subnet {
                        vpc: Ref::to(subnet.vpc_id.unwrap_or_default()),
                        cidr: subnet.cidr_block.and_then(|text| text.parse().ok()).ok_or_else(|| Error::missing("CidrBlock"))?,
                        availability_zone: subnet.availability_zone.unwrap_or_default(),
                        public_ip_on_launch: subnet.map_public_ip_on_launch.unwrap_or_default(),
                        dns64: subnet.enable_dns64.unwrap_or_default(),
                    },
                    outputs: Outputs { arn: subnet.subnet_arn.unwrap_or_default() },
                });
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.create_subnet().vpc_id(self.vpc.get()).cidr_block(self.cidr.to_string());
        let call = call.availability_zone(&self.availability_zone);
        let reply = call.tag_specifications(tags::ec2_specification(cx.tags, ResourceType::Subnet)).send().await?;
        reply.subnet.and_then(|subnet| subnet.subnet_id).ok_or_else(|| Error::missing("SubnetId"))
    }

    fn created(&self) -> Self {
        Subnet { public_ip_on_launch: false, dns64: false, ..self.clone() }
    }

    /// ModifySubnetAttribute takes one attribute a call.
    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let call = || cx.aws.ec2.modify_subnet_attribute().subnet_id(id);
        let flag = |on| AttributeBooleanValue::builder().value(on).build();
        if changed.has("/public_ip_on_launch") {
            call().map_public_ip_on_launch(flag(self.public_ip_on_launch)).send().await?;
        }
        if changed.has("/dns64") {
            call().enable_dns64(flag(self.dns64)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.ec2.delete_subnet().subnet_id(id).send().await?;
        Ok(())
    }

    async fn held_by(aws: &Aws, id: &str, _: &Self) -> Result<Option<String>> {
        Ok(holders(interfaces(aws, &[("subnet-id", id)]).await?))
    }

    fn check(&self) -> Vec<Problem> {
        let wrong = self.cidr.range().filter(|range| !(16..=28).contains(&range.prefix_len()));
        wrong
            .map(|range| Problem::new("/cidr", format!("a subnet is between /16 and /28, not /{}", range.prefix_len())))
            .into_iter()
            .collect()
    }
}
