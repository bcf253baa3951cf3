//! `subnet`: an IP range of a VPC in one availability zone.

mod check;
mod preflight;

pub(super) use check::{shared_zones, single_zone};

use aws_sdk_ec2::types::{self as ec2, ResourceType};

use super::{prelude::*, vpc::Vpc};

/// An IP range of a VPC in one availability zone.
#[spec]
pub struct Subnet {
    /// The VPC it belongs to.
    #[field(replaces, unique = "range")]
    pub vpc: Ref<Vpc>,
    /// IPv4 range inside the VPC's range.
    #[field(replaces, unique_by_overlap = "range", prefix = 16..=28)]
    pub cidr: Cidr,
    /// Availability zone, such as `eu-west-1a`.
    #[field(replaces)]
    pub availability_zone: String,
    /// Assigns public IPv4 addresses to instances started in the subnet.
    #[field(default = false, after_create, important)]
    pub public_ip_on_launch: bool,
    /// Enables DNS64: DNS queries for IPv4-only hosts return synthetic IPv6 addresses.
    #[field(default = false, after_create)]
    pub dns64: bool,
}

impl Resource for Subnet {
    const TYPE: TypeInfo = TypeInfo::new("subnet", &services::ec2::SERVICE, "subnet-{hex17}", "arn:aws:ec2:{region}:{account}:subnet/{id}")
        .container()
        .always_listed()
        .without_token()
        .range_errors(RangeErrors { overlap: "InvalidSubnet.Conflict", outside: "InvalidSubnet.Range" })
        .quota(25_000, "SubnetLimitExceeded")
        .iam_actions(
            IamActions::new("ec2:subnet/*")
                .list(&["ec2:DescribeSubnets"])
                .create(&["ec2:CreateSubnet"])
                .create_uses(&["vpc"])
                .change(&["ec2:DeleteSubnet", "ec2:ModifySubnetAttribute"])
                .blockers(&["ec2:DescribeNetworkInterfaces"])
                .questions(&["ec2:DescribeAvailabilityZones"]),
        );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let subnets = aws.ec2.describe_subnets().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        subnets.try_collect().await?.into_iter().map(read).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call =
            cx.ec2.create_subnet().vpc_id(self.vpc.get()).cidr_block(self.cidr.to_string()).availability_zone(&self.availability_zone);
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::Subnet)).send().await?;
        Created::from_reply(reply.subnet, |subnet| subnet.subnet_id.clone(), read)
    }

    /// ModifySubnetAttribute accepts one attribute per call.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: SubnetChanges) -> Result<()> {
        let call = || cx.ec2.modify_subnet_attribute().subnet_id(&live.id);
        if changes.public_ip_on_launch {
            call().map_public_ip_on_launch(services::ec2::boolean(self.public_ip_on_launch)).send().await?;
        }
        if changes.dns64 {
            call().enable_dns64(services::ec2::boolean(self.dns64)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ec2.delete_subnet().subnet_id(&live.id).send().await)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check(declared)
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: SubnetChanges) -> Vec<Problem> {
        preflight::check_zone(self, questions, changes).await
    }

    async fn choices(questions: &Questions<'_, Aws>) -> Vec<String> {
        preflight::availability_zones(questions).await
    }

    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        Ok(services::ec2::join_blockers(services::ec2::network_interfaces(aws, &[("subnet-id", &live.id)]).await?))
    }
}

fn read(subnet: ec2::Subnet) -> Result<Observed<Subnet>> {
    let phase = subnet.state().map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let tags = services::ec2::from_tags(subnet.tags());
    let spec = Subnet {
        vpc: Ref::to(subnet.vpc_id.unwrap_or_default()),
        cidr: subnet.cidr_block.and_then(|text| text.parse().ok()).ok_or_else(|| Error::missing_field("CidrBlock"))?,
        availability_zone: subnet.availability_zone.unwrap_or_default(),
        public_ip_on_launch: subnet.map_public_ip_on_launch.unwrap_or_default(),
        dns64: subnet.enable_dns64.unwrap_or_default(),
    };
    let id = subnet.subnet_id.ok_or_else(|| Error::missing_field("SubnetId"))?;
    Ok(Observed::new(id, tags, spec, ArnOutput { arn: subnet.subnet_arn.unwrap_or_default() }).phase(phase))
}
