//! `vpc`: a virtual private cloud, the network of a stack.

mod default_group;
pub(super) mod ipv6;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    self as ec2, AttributeBooleanValue, Filter, ResourceType, Tenancy, VpcAttributeName, VpcCidrBlockAssociation, VpcCidrBlockStateCode,
    VpcState,
};

pub use default_group::DefaultSecurityGroup;
pub use ipv6::VpcIpv6;

use super::prelude::*;
use crate::{
    aws::for_each_concurrent,
    core::{ErrorKind, ok_or_not_found},
};

/// Name of the security group that Global Accelerator makes in the VPC of endpoints whose clients' addresses it preserves.
/// <https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoints.sipp-caveats.html>
const ACCELERATOR_GROUP: &str = "GlobalAccelerator";

/// A virtual private cloud.
#[spec]
pub struct Vpc {
    /// IPv4 range.
    #[field(important, replaces, prefix = 16..=28)]
    pub cidr: Cidr,
    /// Additional IPv4 ranges, at most 4 unless the quota is raised.
    // Quota: <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
    #[field(default, after_create, removed_later, prefix = 16..=28, length = 0..=49)]
    pub secondary_cidrs: BTreeSet<Cidr>,
    /// IPv6 range, in addition to the IPv4 ranges: `ipv6: {}` for one of Amazon. Another pool or range is another VPC.
    #[field(unset = "none", important, dropped = None)]
    pub ipv6: Option<VpcIpv6>,
    /// Enables DNS resolution with Amazon's resolver.
    #[field(default = true, after_create)]
    pub dns_support: bool,
    /// Assigns public host names to instances with public addresses. EKS needs it.
    #[field(default = true, after_create = false, requires = dns_support)]
    pub dns_hostnames: bool,
    /// Runs instances on dedicated hardware.
    #[field(default = false, replaces, important, risky(true, "dedicated hardware costs an hourly fee, and more per instance"))]
    pub dedicated: bool,
    /// Traffic of the VPC's default security group, which AWS gives to whatever is created without a group: `deny` removes all its rules. Rules
    /// added outside acme are removed, too.
    #[field(unset = "unchanged; AWS lets its members reach each other, and everything outside", after_create = None, own_read, important)]
    #[field(dropped(kept, "acme lets go of the group, and does not open it"))]
    pub default_security_group: Option<DefaultSecurityGroup>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Account id.
    #[schemars(extend("x-acme-determined" = "{account}"))]
    pub owner_id: String,
    /// IPv6 range, if it has one.
    #[schemars(extend("x-acme-simulated" = "2001:db8:{hex4}:{hex2}00::/56"))]
    pub ipv6_cidr: Option<String>,
}

impl Resource for Vpc {
    const TYPE: TypeInfo = TypeInfo::new("vpc", &services::ec2::SERVICE, "vpc-{hex17}", "arn:aws:ec2:{region}:{account}:vpc/{id}")
        .without_charge("networks cost nothing; transfer between zones does")
        .network()
        .container()
        .always_listed()
        .without_token()
        .quota(50, "VpcLimitExceeded")
        .iam_actions(
            IamActions::new("ec2:vpc/*")
                .list(&["ec2:DescribeVpcs"])
                .create(&["ec2:CreateVpc"])
                .change(&["ec2:AssociateVpcCidrBlock", "ec2:DeleteVpc", "ec2:DisassociateVpcCidrBlock", "ec2:ModifyVpcAttribute"])
                .blockers(&["ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"])
                .grants(&[
                    IamGrant::read(&["ec2:DescribeVpcAttribute"], GrantTarget::Arn("ec2:vpc/*")),
                    IamGrant::read(&["ec2:DescribeSecurityGroups"], GrantTarget::AllResources)
                        .needed_for(|| Vpc::POINTERS.default_security_group),
                    // The group has no ownership tags.
                    IamGrant::change(
                        &["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
                        GrantTarget::Arn("ec2:security-group/*"),
                    )
                    .needed_for(|| Vpc::POINTERS.default_security_group),
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let vpcs = aws.ec2.describe_vpcs().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        for_each_concurrent(vpcs.try_collect().await?, |vpc| async move { read(aws, scope, vpc).await.map(Some) }).await
    }

    /// The response lacks the DNS settings, and the VPC is pending.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_vpc().cidr_block(self.cidr.to_string());
        let call = if self.dedicated { call.instance_tenancy(Tenancy::Dedicated) } else { call };
        let call = ipv6::with_ipv6!(call, self.ipv6.as_ref());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::Vpc)).send().await?;
        let id = reply.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(|| Error::missing_field("VpcId"))?;
        Ok(id.into())
    }

    /// ModifyVpcAttribute accepts one attribute per call; host names require DNS support first.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: VpcChanges) -> Result<()> {
        let (id, before) = (&live.id, &live.spec.secondary_cidrs);
        let call = || cx.ec2.modify_vpc_attribute().vpc_id(id);
        if changes.dns_support && self.dns_support {
            call().enable_dns_support(services::ec2::boolean(true)).send().await?;
        }
        if changes.dns_hostnames {
            call().enable_dns_hostnames(services::ec2::boolean(self.dns_hostnames)).send().await?;
        }
        if changes.dns_support && !self.dns_support {
            call().enable_dns_support(services::ec2::boolean(false)).send().await?;
        }
        if changes.ipv6 {
            ipv6::change(cx, id, self.ipv6.as_ref()).await?;
        }
        if changes.default_security_group && self.default_security_group.is_some() {
            default_group::deny(cx.api, id).await?;
        }
        for cidr in self.secondary_cidrs.difference(before) {
            cx.ec2.associate_vpc_cidr_block().vpc_id(id).cidr_block(cidr.to_string()).send().await?;
        }
        if before.difference(&self.secondary_cidrs).next().is_some() {
            let vpcs = cx.ec2.describe_vpcs().vpc_ids(id).send().await?.vpcs.unwrap_or_default();
            for association in vpcs.iter().flat_map(|vpc| vpc.cidr_block_association_set()).filter(|a| is_associated(a)) {
                let cidr: Cidr = parse_cidr(association.cidr_block())?;
                if before.contains(&cidr) && !self.secondary_cidrs.contains(&cidr) {
                    let call = cx.ec2.disassociate_vpc_cidr_block().set_association_id(association.association_id.clone());
                    ok_or_not_found(call.send().await)?;
                }
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        match cx.ec2.delete_vpc().vpc_id(&live.id).send().await.map_err(Error::from) {
            Err(error) if error.kind == ErrorKind::Conflict => {
                delete_accelerator_group(cx.api, &live.id).await;
                Err(error)
            }
            deleted => Deletion::requested(deleted),
        }
    }

    fn check(&self) -> Vec<Problem> {
        self.ipv6.iter().flat_map(VpcIpv6::check).collect()
    }

    fn normalize(&self, live: &mut Self) {
        if let (Some(wanted), Some(live)) = (&self.ipv6, &mut live.ipv6) {
            wanted.normalize(live);
        }
    }

    /// A range can be added and removed, but its subnets can't move to another one.
    fn replaces(&self, live: &Self) -> VpcChanges {
        let moves = self.ipv6.as_ref().zip(live.ipv6.as_ref()).is_some_and(|(wanted, live)| wanted.differs(live));
        VpcChanges { ipv6: moves, ..VpcChanges::default() }
    }

    /// Network interfaces, security groups (a cluster's controllers leave some) and subnets.
    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let id = live.id.as_str();
        let mut all = services::ec2::network_interfaces(aws, &[("vpc-id", id)]).await?;
        // AWS deletes the default group together with the VPC.
        all.extend(services::ec2::security_groups(aws, &[("vpc-id", id)], |group| group.group_name() != Some("default")).await?);
        all.extend(services::ec2::subnets(aws, id).await?);
        Ok(services::ec2::join_blockers(all))
    }
}

/// Deletes the group that Global Accelerator made for the interfaces of its endpoints, and leaves behind. While interfaces use it, EC2 refuses
/// that, and without permission, too: [`Vpc::blockers`] then names it.
async fn delete_accelerator_group(aws: &Aws, vpc: &str) {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = aws.ec2.describe_security_groups().filters(filter("vpc-id", vpc)).filters(filter("group-name", ACCELERATOR_GROUP));
    let Ok(reply) = call.send().await else { return };
    for group in reply.security_groups().iter().filter(|group| group.group_name() == Some(ACCELERATOR_GROUP)) {
        let _refused = aws.ec2.delete_security_group().set_group_id(group.group_id.clone()).send().await;
    }
}

async fn read(aws: &Aws, scope: &Scope, vpc: ec2::Vpc) -> Result<Observed<Vpc>> {
    let id = vpc.vpc_id.clone().ok_or_else(|| Error::missing_field("VpcId"))?;
    let attribute = |name| aws.ec2.describe_vpc_attribute().vpc_id(&id).attribute(name).send();
    let (dns_support, dns_hostnames) = if scope.shallow {
        (true, true)
    } else {
        let (support, hostnames) =
            tokio::try_join!(attribute(VpcAttributeName::EnableDnsSupport), attribute(VpcAttributeName::EnableDnsHostnames))?;
        let is_on = |attribute: Option<AttributeBooleanValue>| attribute.and_then(|attribute| attribute.value).unwrap_or_default();
        (is_on(support.enable_dns_support), is_on(hostnames.enable_dns_hostnames))
    };
    let tags = services::ec2::from_tags(vpc.tags.as_deref().unwrap_or_default());
    let reads_group = scope.own_reads_to_make::<Vpc>(&tags).default_security_group && !scope.shallow;
    let default_security_group = if reads_group { default_group::read(aws, &id).await? } else { None };
    let cidr = parse_cidr(vpc.cidr_block.as_deref())?;
    let mut secondary_cidrs = vpc
        .cidr_block_association_set()
        .iter()
        .filter(|a| is_associated(a))
        .map(|a| parse_cidr(a.cidr_block()))
        .collect::<Result<BTreeSet<_>>>()?;
    secondary_cidrs.remove(&cidr);
    let phase = phase(&vpc);
    let spec = Vpc {
        cidr,
        secondary_cidrs,
        ipv6: ipv6::current(&vpc).and_then(VpcIpv6::read),
        dns_support,
        dns_hostnames,
        dedicated: vpc.instance_tenancy == Some(Tenancy::Dedicated),
        default_security_group,
    };
    let ipv6_cidr = ipv6::range(&vpc).map(|range| range.to_string());
    let owner_id = vpc.owner_id.unwrap_or_default();
    let outputs = Outputs { arn: services::ec2::arn(&aws.region, &owner_id, &format!("vpc/{id}")), owner_id, ipv6_cidr };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}

fn association_state(association: &VpcCidrBlockAssociation) -> Option<&VpcCidrBlockStateCode> {
    association.cidr_block_state.as_ref().and_then(|state| state.state.as_ref())
}

/// Whether this range belongs to the VPC, or is being added. A disassociated one stays visible for half an hour and longer.
fn is_associated(association: &VpcCidrBlockAssociation) -> bool {
    use VpcCidrBlockStateCode::{Disassociated, Disassociating, Failed, Failing};
    !matches!(association_state(association), Some(Disassociated | Disassociating | Failed | Failing))
}

fn phase(vpc: &ec2::Vpc) -> Phase {
    use VpcCidrBlockStateCode::{Associating, Disassociating, Failing};
    match vpc.state {
        Some(VpcState::Pending) => return Phase::Progressing("pending".into()),
        Some(VpcState::Deleting) => return Phase::Deleting,
        _ => {}
    }
    let states = vpc.cidr_block_association_set().iter().filter_map(association_state);
    let mut states = states.chain(vpc.ipv6_cidr_block_association_set().iter().filter_map(ipv6::state));
    let moving = states.find(|code| matches!(code, Associating | Disassociating | Failing));
    moving.map_or(Phase::Ready, |code| Phase::Progressing(code.as_str().to_owned()))
}

fn parse_cidr(cidr: Option<&str>) -> Result<Cidr> {
    cidr.and_then(|text| text.parse().ok()).ok_or_else(|| Error::missing_field("CidrBlock"))
}
