//! `subnet`: an IP range of a VPC in one availability zone.

mod check;
mod ipv6;
mod preflight;

pub(super) use check::{shared_zones, single_zone};

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{self as ec2, HostnameType as SdkHostnameType, ResourceType};
use ipnet::Ipv6Net;

use super::{prelude::*, vpc::Vpc};

/// An IP range of a VPC in one availability zone.
#[spec]
pub struct Subnet {
    /// The VPC it belongs to.
    #[field(replaces, unique = "range", unique = "IPv6 range")]
    pub vpc: Ref<Vpc>,
    /// IPv4 range inside the VPC's range.
    #[field(important, replaces, unique_by_overlap = "range", prefix = 16..=28)]
    pub cidr: Cidr,
    /// Availability zone, such as `eu-west-1a`.
    #[field(replaces)]
    pub availability_zone: String,
    /// Assigns public IPv4 addresses to instances started in the subnet.
    #[field(default = false, after_create, important)]
    pub public_ip_on_launch: bool,
    /// IPv6 range: the number of a /64 range inside the VPC's IPv6 range, from 0. A VPC with a /56 range has 256 of them.
    #[field(unset = "none", range = 0..=1_048_575, unique = "IPv6 range", important, dropped = None)]
    pub ipv6_index: Option<u32>,
    /// Assigns IPv6 addresses to network interfaces created in the subnet.
    #[field(default = false, after_create, requires = ipv6_index)]
    pub ipv6_on_launch: bool,
    /// Enables DNS64: DNS queries for IPv4-only hosts return synthetic IPv6 addresses.
    #[field(default = false, after_create)]
    pub dns64: bool,
    /// Host names of instances started in the subnet: `ip-name` from their IPv4 addresses, `resource-name` from their ids.
    #[field(unset = "AWS's default, `ip-name`", after_create, dropped = "ip-name")]
    pub hostname_type: Option<HostnameType>,
    /// Resolves the host names from ids to IPv4 addresses, for instances started in the subnet.
    #[field(default = false, after_create)]
    pub resource_name_a_record: bool,
    /// Resolves the host names from ids to IPv6 addresses, for instances started in the subnet.
    #[field(default = false, after_create)]
    pub resource_name_aaaa_record: bool,
}

/// Host names of instances.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "kebab-case")]
pub enum HostnameType {
    /// From the IPv4 address.
    IpName,
    /// From the id.
    ResourceName,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// IPv6 range, if it has one.
    #[schemars(extend("x-acme-simulated" = "2001:db8:{hex4}:{hex4}::/64"))]
    pub ipv6_cidr: Option<String>,
}

impl Resource for Subnet {
    const TYPE: TypeInfo = TypeInfo::new("subnet", &services::ec2::SERVICE, "subnet-{hex17}", "arn:aws:ec2:{region}:{account}:subnet/{id}")
        .without_charge("networks cost nothing; transfer between zones does")
        .container()
        .always_listed()
        .without_token()
        .range_errors(RangeErrors { overlap: "InvalidSubnet.Conflict", outside: "InvalidSubnet.Range" })
        .quota(25_000, "SubnetLimitExceeded")
        .iam_actions(
            IamActions::new("ec2:subnet/*")
                .list(&["ec2:DescribeSubnets", "ec2:DescribeVpcs"])
                .create(&["ec2:CreateSubnet"])
                .create_uses(&["vpc"])
                .change(&[
                    "ec2:AssociateSubnetCidrBlock",
                    "ec2:DeleteSubnet",
                    "ec2:DisassociateSubnetCidrBlock",
                    "ec2:ModifySubnetAttribute",
                ])
                .blockers(&["ec2:DescribeNetworkInterfaces"])
                .questions(&["ec2:DescribeAvailabilityZones"]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let subnets = aws.ec2.describe_subnets().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        let subnets = subnets.try_collect().await?;
        let ranges = ipv6::ranges_of_vpcs(aws, &subnets).await?;
        subnets.into_iter().map(|subnet| read(subnet, &ranges)).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call =
            cx.ec2.create_subnet().vpc_id(self.vpc.get()).cidr_block(self.cidr.to_string()).availability_zone(&self.availability_zone);
        let (mut call, mut ranges) = (call, BTreeMap::new());
        if let Some(index) = self.ipv6_index {
            let whole = ipv6::range_of_vpc(cx, self.vpc.get()).await?;
            call = call.ipv6_cidr_block(ipv6::part(whole, index)?.to_string());
            ranges.insert(self.vpc.get().to_owned(), whole);
        }
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::Subnet)).send().await?;
        Created::from_reply(reply.subnet, |subnet| subnet.subnet_id.clone(), |subnet| read(subnet, &ranges))
    }

    /// ModifySubnetAttribute accepts one attribute per call.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: SubnetChanges) -> Result<()> {
        let call = || cx.ec2.modify_subnet_attribute().subnet_id(&live.id);
        if changes.public_ip_on_launch {
            call().map_public_ip_on_launch(services::ec2::boolean(self.public_ip_on_launch)).send().await?;
        }
        // AWS takes a range only from a subnet that assigns no addresses of it, and assigns addresses only of a range that is there.
        if changes.ipv6_on_launch && !self.ipv6_on_launch {
            call().assign_ipv6_address_on_creation(services::ec2::boolean(false)).send().await?;
        }
        if changes.ipv6_index {
            ipv6::change(cx, &live.id, self.vpc.get(), self.ipv6_index).await?;
        }
        if changes.ipv6_on_launch && self.ipv6_on_launch {
            call().assign_ipv6_address_on_creation(services::ec2::boolean(true)).send().await?;
        }
        if changes.dns64 {
            call().enable_dns64(services::ec2::boolean(self.dns64)).send().await?;
        }
        if changes.hostname_type {
            let kind = match self.hostname_type {
                Some(HostnameType::ResourceName) => SdkHostnameType::ResourceName,
                Some(HostnameType::IpName) | None => SdkHostnameType::IpName,
            };
            call().private_dns_hostname_type_on_launch(kind).send().await?;
        }
        if changes.resource_name_a_record {
            let on = services::ec2::boolean(self.resource_name_a_record);
            call().enable_resource_name_dns_a_record_on_launch(on).send().await?;
        }
        if changes.resource_name_aaaa_record {
            let on = services::ec2::boolean(self.resource_name_aaaa_record);
            call().enable_resource_name_dns_aaaa_record_on_launch(on).send().await?;
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

/// Converts EC2's description, with the IPv6 ranges of VPCs by their ids.
fn read(subnet: ec2::Subnet, vpcs: &BTreeMap<String, Ipv6Net>) -> Result<Observed<Subnet>> {
    let phase = ipv6::phase(&subnet).unwrap_or_else(|| subnet.state().map_or(Phase::Ready, |state| Phase::from_status(state.as_str())));
    let tags = services::ec2::from_tags(subnet.tags());
    let ipv6_range = ipv6::range(&subnet);
    let whole = subnet.vpc_id().and_then(|vpc| vpcs.get(vpc));
    let names = subnet.private_dns_name_options_on_launch;
    let spec = Subnet {
        ipv6_index: ipv6_range.zip(whole).and_then(|(part, whole)| ipv6::index(*whole, part)),
        vpc: Ref::to(subnet.vpc_id.unwrap_or_default()),
        cidr: subnet.cidr_block.and_then(|text| text.parse().ok()).ok_or_else(|| Error::missing_field("CidrBlock"))?,
        availability_zone: subnet.availability_zone.unwrap_or_default(),
        public_ip_on_launch: subnet.map_public_ip_on_launch.unwrap_or_default(),
        ipv6_on_launch: subnet.assign_ipv6_address_on_creation.unwrap_or_default(),
        dns64: subnet.enable_dns64.unwrap_or_default(),
        hostname_type: Some(match names.as_ref().and_then(|names| names.hostname_type.as_ref()) {
            Some(SdkHostnameType::ResourceName) => HostnameType::ResourceName,
            _ => HostnameType::IpName,
        }),
        resource_name_a_record: names.as_ref().and_then(|names| names.enable_resource_name_dns_a_record).unwrap_or_default(),
        resource_name_aaaa_record: names.as_ref().and_then(|names| names.enable_resource_name_dns_aaaa_record).unwrap_or_default(),
    };
    let id = subnet.subnet_id.ok_or_else(|| Error::missing_field("SubnetId"))?;
    let outputs = Outputs { arn: subnet.subnet_arn.unwrap_or_default(), ipv6_cidr: ipv6_range.map(|range| range.to_string()) };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}
