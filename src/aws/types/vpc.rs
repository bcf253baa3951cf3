//! `vpc`: a private network, the place everything else of a stack lives in.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, ResourceType, Tenancy, VpcAttributeName, VpcCidrBlockAssociation, VpcCidrBlockStateCode, VpcState,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, each, ec2_arn, groups, holders, interfaces, tags},
    core::{
        Actions, Changed, Cidr, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// A virtual private cloud.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vpc {
    /// IPv4 range, between /16 and /28. Changing it replaces the VPC.
    pub cidr: Cidr,
    /// Further IPv4 ranges. Default: none.
    #[serde(default)]
    pub secondary_cidrs: BTreeSet<Cidr>,
    /// Answers DNS queries with Amazon's resolver. Default: true.
    #[serde(default = "yes")]
    pub dns_support: bool,
    /// Gives instances with public addresses public host names. Default: true; EKS needs it.
    #[serde(default = "yes")]
    pub dns_hostnames: bool,
    /// Runs instances on dedicated hardware. Default: false. Changing it replaces the VPC.
    #[serde(default)]
    pub dedicated: bool,
}

fn yes() -> bool {
    true
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The account it belongs to.
    pub owner_id: String,
}

impl Resource for Vpc {
    const TYPE: &'static str = "vpc";
    const SERVICE: Service = Service::Ec2;
    const REPLACE: &'static [&'static str] = &["/cidr", "/dedicated"];
    const ACTIONS: Actions = Actions::on("ec2:vpc/*")
        .list(&["ec2:DescribeVpcs"])
        .create(&["ec2:CreateVpc"])
        .change(&["ec2:AssociateVpcCidrBlock", "ec2:DeleteVpc", "ec2:DisassociateVpcCidrBlock", "ec2:ModifyVpcAttribute"])
        .more(&[
            Grant::read(&["ec2:DescribeVpcAttribute"], On::Arn("ec2:vpc/*")),
            Grant::change(&["ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"], On::Everything),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let pages = aws.ec2.describe_vpcs().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        let vpcs: Vec<_> = pages.try_collect().await?;
        each(vpcs.into_iter().flat_map(|page| page.vpcs.unwrap_or_default()), |vpc| async move {
            let id = vpc.vpc_id.clone().ok_or_else(|| Error::missing("VpcId"))?;
            let attribute = |name| aws.ec2.describe_vpc_attribute().vpc_id(&id).attribute(name).send();
            let (support, hostnames) =
                tokio::try_join!(attribute(VpcAttributeName::EnableDnsSupport), attribute(VpcAttributeName::EnableDnsHostnames))?;
            let cidr: Cidr = parsed(vpc.cidr_block.as_deref())?;
            let ranges = vpc.cidr_block_association_set();
            let secondary_cidrs = ranges.iter().filter(|a| standing(a)).map(|a| parsed(a.cidr_block())).collect::<Result<BTreeSet<_>>>()?;
            let phase = phase(vpc.state.as_ref(), ranges);
            let owner_id = vpc.owner_id.unwrap_or_default();
            Ok(Some(Observed {
                tags: tags::from_ec2(vpc.tags.as_deref().unwrap_or_default()),
                phase,
                spec: Vpc {
                    secondary_cidrs: secondary_cidrs.into_iter().filter(|c| *c != cidr).collect(),
                    cidr,
                    dns_support: support.enable_dns_support.and_then(|a| a.value).unwrap_or_default(),
                    dns_hostnames: hostnames.enable_dns_hostnames.and_then(|a| a.value).unwrap_or_default(),
                    dedicated: vpc.instance_tenancy == Some(Tenancy::Dedicated),
                },
                outputs: Outputs { arn: ec2_arn(&aws.region, &owner_id, &format!("vpc/{id}")), owner_id },
                id,
            }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.create_vpc().cidr_block(self.cidr.to_string());
        let call = if self.dedicated { call.instance_tenancy(Tenancy::Dedicated) } else { call };
        let reply = call.tag_specifications(tags::ec2_specification(cx.tags, ResourceType::Vpc)).send().await?;
        reply.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(|| Error::missing("VpcId"))
    }

    /// AWS's defaults: <https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>.
    fn created(&self) -> Self {
        Vpc { dns_support: true, dns_hostnames: false, secondary_cidrs: BTreeSet::new(), ..self.clone() }
    }

    /// ModifyVpcAttribute takes one attribute a call; host names need DNS support first.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let call = || cx.aws.ec2.modify_vpc_attribute().vpc_id(id);
        let flag = |on| AttributeBooleanValue::builder().value(on).build();
        if changed.has("/dns_support") && self.dns_support {
            call().enable_dns_support(flag(true)).send().await?;
        }
        if changed.has("/dns_hostnames") {
            call().enable_dns_hostnames(flag(self.dns_hostnames)).send().await?;
        }
        if changed.has("/dns_support") && !self.dns_support {
            call().enable_dns_support(flag(false)).send().await?;
        }
        for cidr in self.secondary_cidrs.difference(&before.secondary_cidrs) {
            cx.aws.ec2.associate_vpc_cidr_block().vpc_id(id).cidr_block(cidr.to_string()).send().await?;
        }
        if before.secondary_cidrs.difference(&self.secondary_cidrs).next().is_some() {
            let vpcs = cx.aws.ec2.describe_vpcs().vpc_ids(id).send().await?.vpcs.unwrap_or_default();
            for association in vpcs.iter().flat_map(|vpc| vpc.cidr_block_association_set()).filter(|a| standing(a)) {
                let cidr: Cidr = parsed(association.cidr_block())?;
                if before.secondary_cidrs.contains(&cidr) && !self.secondary_cidrs.contains(&cidr) {
                    let call = cx.aws.ec2.disassociate_vpc_cidr_block().set_association_id(association.association_id.clone());
                    ok_or_not_found(call.send().await)?;
                }
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.ec2.delete_vpc().vpc_id(id).send().await?;
        Ok(())
    }

    /// Besides network interfaces, what somebody else made in it. Controllers of a cluster leave security groups.
    async fn held_by(aws: &Aws, id: &str, _: &Self) -> Result<Option<String>> {
        let mut all = interfaces(aws, &[("vpc-id", id)]).await?;
        // AWS's own group of the VPC goes with it.
        all.extend(groups(aws, &[("vpc-id", id)], |group| group.group_name() != Some("default")).await?);
        let filter = Filter::builder().name("vpc-id").values(id).build();
        let subnets = aws.ec2.describe_subnets().filters(filter).into_paginator().items().send().try_collect().await?;
        all.extend(subnets.iter().filter_map(|subnet| subnet.subnet_id()).map(|id| format!("subnet {id}")));
        Ok(holders(all))
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(range) = self.cidr.range().filter(|range| !(16..=28).contains(&range.prefix_len())) {
            problems.push(Problem::new("/cidr", format!("a VPC is between /16 and /28, not /{}", range.prefix_len())));
        }
        if self.dns_hostnames && !self.dns_support {
            problems.push(Problem::new("/dns_hostnames", "public host names need `dns_support: true`"));
        }
        problems
    }
}

fn code(association: &VpcCidrBlockAssociation) -> Option<&VpcCidrBlockStateCode> {
    association.cidr_block_state.as_ref().and_then(|state| state.state.as_ref())
}

/// Whether this range is the VPC's, or will be. One that was taken off stays visible for half an hour and longer.
fn standing(association: &VpcCidrBlockAssociation) -> bool {
    use VpcCidrBlockStateCode::{Disassociated, Disassociating, Failed, Failing};
    !matches!(code(association), Some(Disassociated | Disassociating | Failed | Failing))
}

fn phase(state: Option<&VpcState>, ranges: &[VpcCidrBlockAssociation]) -> Phase {
    use VpcCidrBlockStateCode::{Associating, Disassociating, Failing};
    match state {
        Some(VpcState::Pending) => return Phase::Settling("pending".into()),
        Some(VpcState::Deleting) => return Phase::Leaving,
        _ => {}
    }
    let moving = ranges.iter().filter_map(code).find(|code| matches!(code, Associating | Disassociating | Failing));
    moving.map_or(Phase::Ready, |code| Phase::Settling(code.as_str().to_owned()))
}

fn parsed(cidr: Option<&str>) -> Result<Cidr> {
    cidr.and_then(|text| text.parse().ok()).ok_or_else(|| Error::missing("CidrBlock"))
}
